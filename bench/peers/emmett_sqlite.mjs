// SPDX-License-Identifier: Apache-2.0
// Emmett on SQLite, as it opens its database itself. The store of this version closes its one connection behind each
// call, under any other call that is under way ("SQLITE_MISUSE: Database is closed"), so callers queue for it.
import { getSQLiteEventStore } from '@event-driven-io/emmett-sqlite'
import { measure, target } from './load.mjs'

const store = getSQLiteEventStore({ fileName: target })
await store.readStream('nothing') // makes the tables

let latest = Promise.resolve()
await measure((event) => {
  latest = latest.then(() => store.appendToStream(event.stream, [{ type: event.type, data: event.data }]))
  return latest
})
