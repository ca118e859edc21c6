/* SPDX-License-Identifier: Apache-2.0 */
/* The model of append_inline and pg_append_inline: what a stream's events come to in all. One upsert an event. */
#ifndef VARVE_BENCH_INLINE_H
#define VARVE_BENCH_INLINE_H

#include <varve/engine.h>

#define INLINE_TABLE "CREATE TABLE bench_totals (order_id TEXT PRIMARY KEY, total BIGINT NOT NULL)"

/* Of the stream and the amount. */
#define INLINE_CHANGE(stream, amount)                                        \
    "INSERT INTO bench_totals (order_id, total) VALUES (" stream ", " amount \
    ") ON CONFLICT (order_id) DO UPDATE SET total = bench_totals.total + excluded.total"

/* An engine that keeps it, on a store that is there; `*store` is the engine's. */
varve_status inline_open(const char *uri, varve_engine **engine, varve_store **store, varve_error *error);

#endif
