/* SPDX-License-Identifier: Apache-2.0 */
/* The model of `models` and of bench/peers: what an order's events come to in all. One upsert an event. */
#ifndef VARVE_BENCH_MODEL_H
#define VARVE_BENCH_MODEL_H

/* With more directives. */
#define MODEL_PROJECTION(more)                                                                                      \
    "-- @projection orders\n-- @version 1\n" more "-- @create\n"                                                    \
    "CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL, event_count INTEGER NOT NULL, "     \
    "total_amount BIGINT NOT NULL);\n"                                                                              \
    "-- @on OrderPlaced, OrderAmended, OrderPaid, OrderShipped\n"                                                   \
    "INSERT INTO orders (order_id, customer_id, event_count, total_amount) VALUES (:stream, :data.customer_id, 1, " \
    ":data.total_amount) ON CONFLICT (order_id) DO UPDATE SET customer_id = excluded.customer_id, "                 \
    "event_count = orders.event_count + 1, total_amount = orders.total_amount + excluded.total_amount;\n"

#endif
