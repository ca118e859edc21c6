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
 * Where several processes share the models (place.owner is set) all of this is for the one that owns the projection
 * (tenure.h). In another one it is on standby: it watches how far the owner is, so that waiting for a position works
 * everywhere, and takes over when the lease ends.
 *
 * When the log becomes another history while the engine runs, a model whose checkpoint's event still stands where it
 * was goes on; else it is as one that does not fit the log.
 *
 * What may pass (the disk is full, no file can be opened …) is tried again after a while, longer each
 * time: an event, the beginning of a rebuild, the switch. But a rebuild that fills the disk is given up: the room it
 * takes is the log's.
 */
#ifndef VARVE_QUERY_WORKER_H
#define VARVE_QUERY_WORKER_H

#include <varve/projection.h>

#include "base/log.h"
#include "query/errand.h"
#include "query/generation.h"
#include "query/tenure.h"

struct worker;

/* Called on the worker's thread. */
struct worker_events {
    void (*advanced)(void *ctx);                             /* the position that serves has moved */
    void (*switched)(void *ctx, const struct sqlfile *file); /* another generation serves */
    bool (*awaited)(void *ctx);                              /* does anybody wait for a position? */
    void *ctx;
    /* Takes one of the places for rebuilds that there are for all projections, or false; gives it back. NULL: there is
     * always one. Whoever waits for a place is nudged when there may be one. */
    bool (*enter_build)(void *ctx);
    void (*leave_build)(void *ctx);
};

struct worker_options {
    struct worker_events events;
    struct log log;
    uint32_t lease_ms; /* 0: TENURE_MS */
};

/* The texts of a status; each terminated. */
struct worker_texts {
    char problem[256];
    char owner[TENURE_NAME_MAX];
};

/*
 * Opens what serves, or begins it, unless another process owns it; nothing runs yet. A model that is there and cannot
 * be opened is VARVE_IO, and stays. All is borrowed until worker_close; `home` and `options` are copied, and the
 * incarnation is the store's.
 */
varve_status worker_open(struct worker **worker, varve_store *store, const struct generation_home *home,
                         const struct worker_options *options, varve_error *error);
varve_status worker_start(struct worker *worker, varve_error *error);
/* Stops at a committed checkpoint; the worker can still be asked. NULL is allowed. */
void worker_stop(struct worker *worker);
/* Stops and frees everything. NULL is allowed. */
void worker_close(struct worker *worker);

/* Any thread: */
uint64_t worker_position(struct worker *worker);
/* Somebody waits since just now: looks at the log at once. While `awaited` says so, the checkpoint is not lazy. */
void worker_nudge(struct worker *worker);
/* As varve_projection_rebuild. UNAVAILABLE: another process owns the projection. */
varve_status worker_rebuild(struct worker *worker, varve_error *error);
/* As varve_projection_retry or varve_projection_skip. */
varve_status worker_operate(struct worker *worker, enum errand_kind kind, const varve_projection_action *action,
                            varve_error *error);
/* Fills everything but name, version, mode and head; its texts go to `texts`. */
void worker_get_status(struct worker *worker, varve_projection_status *status, struct worker_texts *texts);

#endif
