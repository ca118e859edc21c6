/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer: one thread that collects what is waiting, has the driver check and apply it in one
 * transaction, and answers all once the commit is durable. Batches form by themselves while a
 * flush is under way; nothing ever waits for a timer.
 */
#ifndef VARVE_STORE_WRITER_H
#define VARVE_STORE_WRITER_H

#include "store/append.h"
#include "store/watch.h"

struct writer;

struct writer_options {
    const struct store_driver *driver;
    struct store_log *log;
    struct watch *watch;
    uint32_t queue_limit;
    struct log diagnostics;
};

varve_status writer_open(struct writer **writer, const struct writer_options *options, varve_error *error);

/*
 * Queues an append. When the queue is full: with `wait` waits some seconds for room, else BUSY at
 * once. After VARVE_OK the writer owns the append until it is answered. BUSY, UNAVAILABLE (closing),
 * or the fatal error that made the writer stop.
 */
varve_status writer_put(struct writer *writer, struct append *append, bool wait, varve_error *error);

/* Copies a snapshot into the next batch (or the last, when none comes), or drops it when there are too many. */
void writer_put_snapshot(struct writer *writer, const struct store_snapshot *snapshot);

/*
 * Has the writer's thread run something between two transactions, and waits for it. A failure with VARVE_ERROR_FATAL
 * ends all writing, as that of a commit. What `writes` is refused once writing has ended, anything else is still done.
 * Otherwise as writer_put, or what `what` returns.
 */
typedef varve_status (*writer_errand)(void *ctx, struct store_log *log, varve_error *error);
varve_status writer_run(struct writer *writer, writer_errand what, bool writes, void *ctx, varve_error *error);

void writer_get_stats(struct writer *writer, struct store_stats *stats);

/* Commits and answers everything queued, then stops the thread. NULL is allowed. */
void writer_close(struct writer *writer);

#endif
