// SPDX-License-Identifier: Apache-2.0
import { inTurn, open, print } from './emmett_sqlite_store.mjs'
import { measure } from './load.mjs'

const store = await open()
await measure(
  (event) => inTurn(() => store.appendToStream(event.stream, [{ type: event.type, data: event.data }])),
  print,
)
