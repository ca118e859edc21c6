// SPDX-License-Identifier: Apache-2.0
// Emmett's command handler on SQLite: as callers queue for the store, none meets a conflict.
import { inTurn, print, store } from './emmett_sqlite_store.mjs'
import { measure } from './load.mjs'
import { execute } from './orders.mjs'

await measure((command) => inTurn(() => execute(store, command)), print)
