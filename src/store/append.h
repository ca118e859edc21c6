/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An append between the caller and the driver.
 *
 *   new      append_new     checked, complete, ids assigned, streams listed      owner: caller
 *   queued   writer_put     waits its turn                                       owner: writer
 *   settled  driver commit  status, positions and versions are in `work`         owner: writer
 *   answered writer         blocking: the caller is woken and owns it again;
 *                           callback: called, then freed by the writer
 */
#ifndef VARVE_STORE_APPEND_H
#define VARVE_STORE_APPEND_H

#include "store/store.h"

#include <semaphore.h>

/* Finds one of many streams by name; see append.c. */
struct stream_index {
    uint32_t *places;
    size_t size; /* a power of two; 0: not made yet */
};

/* What comes with a request that the caller of the log does not see. */
struct append_options {
    bool copy; /* copy the payload; otherwise it is borrowed until the append is answered */
    uint32_t idempotency_retention_s;
    const struct store_write *writes; /* records to be changed with it; without events: alone. Copied or borrowed as
                                         the payload; their new revisions are in `work` */
    size_t write_count;
    const varve_uuid *absent_id; /* as in struct store_append; copied */
};

struct append {
    struct append *next; /* in the writer's queue */
    struct arena memory; /* holds everything below */
    struct store_append work;
    struct stream_index index;
    size_t event_stream_count;      /* of work.streams: those that events are appended to come first */
    varve_uuid *ids;                /* each event's, told to the caller whatever the outcome */
    size_t bytes;                   /* payload, names and conditions, to bound a batch and the queue */
    const char *digest;             /* of a request with an idempotency key, else NULL */
    size_t key_write;               /* of work.writes: the one that keeps the key, from 1; 0: none */
    struct store_chain *chain;      /* NULL: it stands alone */
    varve_append_callback callback; /* NULL: somebody waits for `settled` */
    void *ctx;
    sem_t settled;
};

/* Checks a request and makes it ready for the writer. INVALID, TOO_LARGE, NOMEM. */
varve_status append_new(struct append **append, const varve_append_request *request,
                        const struct append_options *options, varve_error *error);
void append_free(struct append *append);

/*
 * After the driver refused the append because its idempotency key is known: it is a repeat with the first result, or
 * KEY_CONFLICT. Reads the log; on the writer's thread.
 */
void append_resolve_key(struct append *append, const struct store_driver *driver, struct store_log *log);

/* What the caller gets to see. The result borrows from `append`; give it `memory` to hand the append over. */
void append_result(const struct append *append, varve_appended *appended);

#endif
