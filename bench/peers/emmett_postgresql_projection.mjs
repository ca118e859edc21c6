// SPDX-License-Identifier: Apache-2.0
// Emmett's consumer on PostgreSQL with a projection that begins at the log's beginning.
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'
import pg from 'pg'
import { check, orders } from './emmett_postgresql_model.mjs'
import { followed, time } from './orders_model.mjs'

const target = process.argv[2]
const { count, pulling, stopAfter } = followed()
const pool = new pg.Pool({ connectionString: target })
const store = getPostgreSQLEventStore(target, { connectionOptions: { pool } })
await store.schema.migrate()
const consumer = store.consumer(pulling)
consumer.projector({ projection: orders, stopAfter })
const seconds = await time(consumer)
await check(pool, count)
console.log(JSON.stringify({ seconds, count, done: count }))
await store.close()
await pool.end()
