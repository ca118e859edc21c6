/* SPDX-License-Identifier: Apache-2.0 */
/* What changes along with appends, within the writer's transaction. */
#ifndef VARVE_STORE_POSTGRES_INLINE_H
#define VARVE_STORE_POSTGRES_INLINE_H

#include "store/postgres/batch.h"
#include "store/postgres/log.h"

/* The writer's connection is about to go. Does nothing when there is no session on it. */
void inline_leave(struct store_log *log);

/* Whether anything that the append writes is to be applied. */
bool inline_concerns(const struct store_log *log, const struct store_append *append);

/* In a transaction that has written the batch's events, at positions and versions that are decided: applies them and
 * commits. A failure leaves the transaction to be rolled back. */
varve_status inline_commit(struct store_log *log, const struct batch *batch, varve_time recorded_at,
                           varve_error *error);

#endif
