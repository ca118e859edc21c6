/* SPDX-License-Identifier: Apache-2.0 */
/* The model of append_inline and pg_append_inline: what a stream's events come to in all. One upsert an event. */
#ifndef VARVE_BENCH_INLINE_H
#define VARVE_BENCH_INLINE_H

#define INLINE_TABLE "CREATE TABLE bench_totals (order_id TEXT PRIMARY KEY, total BIGINT NOT NULL)"

/* Of the stream and the amount. */
#define INLINE_CHANGE(stream, amount)                                        \
    "INSERT INTO bench_totals (order_id, total) VALUES (" stream ", " amount \
    ") ON CONFLICT (order_id) DO UPDATE SET total = bench_totals.total + excluded.total"

#define INLINE_PROJECTION                                                                          \
    "-- @projection bench_totals\n-- @version 1\n-- @mode inline\n-- @create\n" INLINE_TABLE ";\n" \
    "-- @on OrderPlaced, OrderAmended, OrderPaid, OrderShipped\n" INLINE_CHANGE(":stream", ":data.total_amount") ";\n"

#endif
