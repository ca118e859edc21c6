// SPDX-License-Identifier: Apache-2.0
// Message DB is functions in PostgreSQL; this calls write_message by `pg`, from a connection for each caller.
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { callers, measure, target } from './load.mjs'

const pool = new pg.Pool({ connectionString: target, max: callers, options: '-c search_path=message_store' })
const text = 'SELECT write_message($1::varchar, $2::varchar, $3::varchar, $4::jsonb)'
await pool.query('SELECT 1')
await measure((event) =>
  pool.query({ name: 'write', text, values: [randomUUID(), event.stream, event.type, JSON.stringify(event.data)] }),
)
await pool.end()
