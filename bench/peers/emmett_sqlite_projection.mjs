// SPDX-License-Identifier: Apache-2.0
// Emmett's consumer on SQLite with a projection that begins at the log's beginning.
import { check, orders, prepare } from './emmett_sqlite_model.mjs'
import { open, print } from './emmett_sqlite_store.mjs'
import { followed, time } from './orders_model.mjs'

const target = process.argv[2]
const { count, pulling, stopAfter } = followed()
await prepare(target)
const store = await open()
const consumer = store.consumer(pulling)
consumer.processor({ processorId: 'orders', projection: orders, startFrom: 'BEGINNING', stopAfter })
const seconds = await time(consumer)
await consumer.close()
await check(target, count)
print(JSON.stringify({ seconds, count, done: count }))
