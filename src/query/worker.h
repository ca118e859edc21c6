/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A projection at work: a thread that keeps the generation that serves up with the log, builds a
 * new one beside it when that is needed, and switches.
 *
 * What serves                      while a new generation is built       after the switch
 *   fits version and log             goes on following the log            removed
 *   fits the log, other version      stays where it is                    removed
 *   fits both, other tables          stays where it is                    removed
 *   does not fit the log             stays, and stands at position 0      removed
 *   nothing (missing, damaged)       the new one serves from the start    -
 *
 * What may pass (the disk is full, no file can be opened …) is tried again after a while, longer each
 * time: an event, the beginning of a rebuild, the switch.
 */
#ifndef VARVE_QUERY_WORKER_H
#define VARVE_QUERY_WORKER_H

#include <varve/query.h>

#include "base/log.h"
#include "query/generation.h"

typedef struct varve_store varve_store;

struct worker;

/* Called on the worker's thread. */
struct worker_events {
    void (*advanced)(void *ctx);                             /* the position that serves has moved */
    void (*switched)(void *ctx, const struct sqlfile *file); /* another generation serves */
    bool (*awaited)(void *ctx);                              /* does anybody wait for a position? */
    void *ctx;
};

/*
 * Opens what serves, or begins it; nothing runs yet. A model that is there and cannot be opened is
 * VARVE_IO, and stays. All is borrowed until worker_close, `home`,
 * `events` and `log` are copied.
 */
varve_status worker_open(struct worker **worker, varve_store *store, const struct generation_home *home,
                         const struct worker_events *events, const struct log *log, varve_error *error);
varve_status worker_start(struct worker *worker, varve_error *error);
/* Stops at a committed checkpoint and frees everything. NULL is allowed. */
void worker_close(struct worker *worker);

/* Any thread: */
uint64_t worker_position(struct worker *worker);
/* Somebody waits since just now: looks at the log at once. While `awaited` says so, the checkpoint is not lazy. */
void worker_nudge(struct worker *worker);
/* As varve_projection_rebuild. */
void worker_rebuild(struct worker *worker);
/* Fills everything but name, version, mode and head; the problem's text goes to `problem` (terminated). */
void worker_get_status(struct worker *worker, varve_projection_status *status, char *problem, size_t problem_size);

#endif
