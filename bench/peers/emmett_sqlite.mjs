// SPDX-License-Identifier: Apache-2.0
import { inTurn, print, store } from './emmett_sqlite_store.mjs'
import { measure } from './load.mjs'

await measure(
  (event) => inTurn(() => store.appendToStream(event.stream, [{ type: event.type, data: event.data }])),
  print,
)
