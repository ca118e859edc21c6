// SPDX-License-Identifier: Apache-2.0
// Emmett on PostgreSQL; its pool has a connection for each caller.
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'
import pg from 'pg'
import { callers, measure, target } from './load.mjs'

const pool = new pg.Pool({ connectionString: target, max: callers })
const store = getPostgreSQLEventStore(target, { connectionOptions: { pool } })
await store.schema.migrate()
await measure((event) => store.appendToStream(event.stream, [{ type: event.type, data: event.data }]))
await store.close()
await pool.end()
