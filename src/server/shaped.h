/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events in the shapes that a reader asked for: as they are stored, or, with shapes=current, what the application's
 * upcasters make of them today. One event of the log is then any number of events, with one position.
 */
#ifndef VARVE_SERVER_SHAPED_H
#define VARVE_SERVER_SHAPED_H

#include <varve/read.h>
#include <varve/upcast.h>

#include <pthread.h>

#include "server/target.h"

#define SHAPES_IDLE_MAX 64u

/*
 * What upcasters run in, which may be an interpreter each: lent to whoever reads events just now, so that there are as
 * many as threads that do, and not as readers that wait. Starts from {0} with `engine`; any thread.
 */
struct shapes_pool {
    varve_engine *engine;
    pthread_mutex_t lock;
    varve_shapes *idle[SHAPES_IDLE_MAX];
    size_t count;
};

void shapes_pool_init(struct shapes_pool *pool, varve_engine *engine);
/* When nothing is lent any more, before the engine is closed. */
void shapes_pool_fini(struct shapes_pool *pool);

/* Starts from {0}, which is "as they are stored"; ends with shaped_fini. One thread at a time. */
struct shaped {
    struct shapes_pool *pool; /* NULL: as they are stored */
    varve_shapes *shapes;     /* lent by it; NULL: not just now */
    const varve_str *types;   /* that the reader wants, as they are today; none: all */
    size_t type_count;
    varve_event *kept;
    size_t capacity;
};

/* Takes `wanted`, the word that the reader gave ("current", "stored" or nothing). VARVE_INVALID, VARVE_NOMEM. */
varve_status shaped_init(struct shaped *shaped, struct shapes_pool *pool, varve_str wanted, varve_error *error);

/* The same out of the request's parameter `shapes`; makes the types of `options` those to look for in the log. */
varve_status shaped_read(struct shaped *shaped, struct shapes_pool *pool, const struct target *target,
                         varve_read_options *options, varve_error *error);

/* What the reader gets of an event of the log: `*count` events, which may be none. Borrowed until the next call. */
varve_status shaped_event(struct shaped *shaped, const varve_event *event, const varve_event **events, size_t *count,
                          varve_error *error);

/* Gives back what is lent, until the next event: before somebody else has the reader, or it waits. */
void shaped_rest(struct shaped *shaped);

void shaped_fini(struct shaped *shaped);

#endif
