/* SPDX-License-Identifier: Apache-2.0 */
/* Those who wait until the models of a query have reached a position: a bounded list and the thread that ends it. */
#ifndef VARVE_QUERY_WAITERS_H
#define VARVE_QUERY_WAITERS_H

#include <varve/query.h>

#define WAITERS_MAX 8192u

struct query;
struct waiters;

struct waiters_options {
    /* Have the query's models reached the position? Called under the list's lock, by any thread. */
    bool (*reached)(void *ctx, struct query *query, uint64_t position);
    void *ctx;
    bool poll; /* nobody calls waiters_look: look from time to time while somebody waits */
};

varve_status waiters_open(struct waiters **waiters, const struct waiters_options *options, varve_error *error);
/* Answers everybody with VARVE_UNAVAILABLE and refuses who comes later. NULL is allowed. */
void waiters_stop(struct waiters *waiters);
/* Stops and frees. NULL is allowed. */
void waiters_close(struct waiters *waiters);

/*
 * VARVE_DONE: reached already, `ready` will not be called. VARVE_OK: it will be called once, on
 * another thread. VARVE_BUSY: the list is full. VARVE_UNAVAILABLE, VARVE_NOMEM.
 */
varve_status waiters_add(struct waiters *waiters, struct query *query, uint64_t position, uint32_t wait_ms,
                         varve_query_ready ready, void *ctx, varve_error *error);

/* Does anybody wait? */
bool waiters_any(struct waiters *waiters);

/* A model has advanced: answers those whose position is reached. */
void waiters_look(struct waiters *waiters);

#endif
