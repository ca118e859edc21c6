// SPDX-License-Identifier: Apache-2.0
// Emmett on SQLite under an inline projection.
import { projections } from '@event-driven-io/emmett'
import { check, orders, prepare } from './emmett_sqlite_model.mjs'
import { inTurn, open, print } from './emmett_sqlite_store.mjs'
import { count, first, measure, target } from './load.mjs'

await prepare(target)
const store = await open({ projections: projections.inline([orders]) })
await measure(
  (event) => inTurn(() => store.appendToStream(event.stream, [{ type: event.type, data: event.data }])),
  print,
)
await check(target, first + count)
