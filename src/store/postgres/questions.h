/* SPDX-License-Identifier: Apache-2.0 */
/* What a batch depends on, asked of the database (the writer's thread alone). */
#ifndef VARVE_STORE_POSTGRES_QUESTIONS_H
#define VARVE_STORE_POSTGRES_QUESTIONS_H

#include "store/postgres/batch.h"
#include "store/postgres/log.h"

/* How a look begins: with a transaction that ends with it, with one that goes on, or inside one. */
enum beginning { LOOK_ALONE, LOOK_AND_LOCK, LOOK_LOCKED };

/* Takes what is remembered for true, for batch->head, and presumes the rest. False when that does not do. With `afloat`
 * others may have appended since: nothing is taken for true that the write does not find out. */
bool batch_recall(struct store_log *log, struct batch *batch, bool afloat);
/*
 * Learns everything that the batch depends on, on log->writer; under the order lock, or without and then true for
 * batch->head only. A failure leaves the transaction to be rolled back. UNAVAILABLE, BUSY (the lock), TIMEOUT (a
 * query), NOMEM …
 */
varve_status batch_look(struct store_log *log, struct batch *batch, enum beginning beginning, varve_error *error);

/* After too much news, or on a new connection: nothing is remembered, and the head is asked for. */
varve_status log_start_over(struct store_log *log, varve_error *error);

#endif
