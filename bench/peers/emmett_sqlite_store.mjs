// SPDX-License-Identifier: Apache-2.0
// Emmett on SQLite, as it opens its database itself. The store of this version closes its one connection behind each
// call, under any other call that is under way ("SQLITE_MISUSE: Database is closed"), so callers queue for it. It also
// does not wait for its own PRAGMA before it goes on, so that a commit sometimes finds that still running
// ("SQLITE_BUSY: cannot commit transaction") and is rolled back: then the call is made again.
import { getSQLiteEventStore } from '@event-driven-io/emmett-sqlite'
import { target } from './load.mjs'

console.log = () => {} // it prints what it rolls back
export const print = (line) => process.stdout.write(line + '\n')

async function persist(call, tries = 10) {
  try {
    return await call()
  } catch (error) {
    if (error.code !== 'SQLITE_BUSY' || tries === 0) throw error
    return persist(call, tries - 1)
  }
}

export async function open(more = {}) {
  const store = getSQLiteEventStore({ fileName: target, ...more })
  await persist(() => store.readStream('nothing')) // makes the tables
  return store
}

let latest = Promise.resolve()

// Makes the call when all before it are answered.
export function inTurn(call) {
  latest = latest.then(() => persist(call))
  return latest
}
