// SPDX-License-Identifier: Apache-2.0
// Emmett's command handler on PostgreSQL; its pool has a connection for each caller.
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'
import pg from 'pg'
import { callers, measure, target } from './load.mjs'
import { execute } from './orders.mjs'

const pool = new pg.Pool({ connectionString: target, max: callers })
const store = getPostgreSQLEventStore(target, { connectionOptions: { pool } })
await store.schema.migrate()
await measure((command) => execute(store, command))
await store.close()
await pool.end()
