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

struct append {
    struct append *next; /* in the writer's queue */
    struct arena memory; /* holds everything below */
    struct store_append work;
    struct stream_index index;
    size_t event_stream_count;      /* of work.streams: those that events are appended to come first */
    varve_uuid *ids;                /* each event's, told to the caller whatever the outcome */
    size_t bytes;                   /* payload and names, to bound a batch */
    varve_append_callback callback; /* NULL: somebody waits for `settled` */
    void *ctx;
    sem_t settled;
};

/*
 * Checks a request and makes it ready for the writer. With `copy` the payload is copied, otherwise
 * it is borrowed until the append is answered. INVALID, TOO_LARGE, UNSUPPORTED, NOMEM.
 */
varve_status append_new(struct append **append, const varve_append_request *request, bool copy, varve_error *error);
void append_free(struct append *append);

/* What the caller gets to see. The result borrows from `append`; give it `memory` to hand the append over. */
void append_result(const struct append *append, varve_appended *appended);

#endif
