// SPDX-License-Identifier: Apache-2.0
// The model that projections are measured with, as model.h has it: what an order's events come to in all.
export const types = ['OrderPlaced', 'OrderAmended', 'OrderPaid', 'OrderShipped']

export const table =
  'CREATE TABLE IF NOT EXISTS orders (order_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL, ' +
  'event_count INTEGER NOT NULL, total_amount BIGINT NOT NULL)'

// One upsert an event; of the places where its stream, customer and amount go.
export const change = (stream, customer, amount) =>
  'INSERT INTO orders (order_id, customer_id, event_count, total_amount) ' +
  `VALUES (${stream}, ${customer}, 1, ${amount}) ` +
  'ON CONFLICT (order_id) DO UPDATE SET customer_id = excluded.customer_id, ' +
  'event_count = orders.event_count + 1, total_amount = orders.total_amount + excluded.total_amount'

export const counted = 'SELECT coalesce(sum(event_count), 0) AS events FROM orders'

// An event that was left out, or came twice, would make what was measured worthless.
export function expect(row, count) {
  if (Number(row.events) !== count) throw new Error(`failed: the model has ${row.events} of ${count} events`)
}

// `node SCRIPT TARGET COUNT BATCH PAUSE`: follows COUNT events; BATCH: none: the consumer's own batches and pauses.
export function followed() {
  const [count, batchSize, pullingFrequencyInMs] = process.argv.slice(3).map(Number)
  let left = count
  return {
    count,
    pulling: batchSize ? { pulling: { batchSize, pullingFrequencyInMs } } : {},
    stopAfter: () => --left === 0,
  }
}

// From the start of a consumer until it stops behind the last event, all of it being committed.
export async function time(consumer) {
  const start = performance.now()
  await consumer.start()
  return (performance.now() - start) / 1000
}
