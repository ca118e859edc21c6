// SPDX-License-Identifier: Apache-2.0
import { measure } from './load.mjs'
import { agent, post } from './varve_client.mjs'

await measure(({ stream, type, data }) => post(`/commands/${type}`, { stream, data }))
agent.destroy()
