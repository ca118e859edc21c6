// SPDX-License-Identifier: Apache-2.0
// Emmett's command handler on SQLite: as callers queue for the store, none meets a conflict.
import { inTurn, open, print } from './emmett_sqlite_store.mjs'
import { measure } from './load.mjs'
import { execute } from './orders.mjs'

const store = await open()
await measure((command) => inTurn(() => execute(store, command)), print)
