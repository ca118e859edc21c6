// SPDX-License-Identifier: Apache-2.0
// Emmett on PostgreSQL under an inline projection; its pool has a connection for each caller. Of two appends to one
// stream at once the one fails, though neither states a version: then the call is made again.
import { isExpectedVersionConflictError, projections } from '@event-driven-io/emmett'
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'
import pg from 'pg'
import { check, orders } from './emmett_postgresql_model.mjs'
import { callers, count, first, measure, target } from './load.mjs'

const pool = new pg.Pool({ connectionString: target, max: callers })
const store = getPostgreSQLEventStore(target, {
  connectionOptions: { pool },
  projections: projections.inline([orders]),
})
await store.schema.migrate()

async function append(event) {
  try {
    await store.appendToStream(event.stream, [{ type: event.type, data: event.data }])
  } catch (error) {
    if (!isExpectedVersionConflictError(error)) throw error
    await append(event)
  }
}

await measure(append)
await check(pool, first + count)
await store.close()
await pool.end()
