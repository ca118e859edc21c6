/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying a decider on all of a store's history before it goes live: every stream of its category is folded from its
 * first event, and compared with what another version makes of it.
 *
 * Threads: a replay has its own. The deciders' functions run on these, each worker of a decider on one of them.
 */
#ifndef VARVE_REPLAY_H
#define VARVE_REPLAY_H

#include <varve/trial.h>
#include <varve/upkeep.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VARVE_REPLAY_WORKERS_MAX 16u

typedef enum varve_replay_kind {
    VARVE_REPLAY_DIFFERS, /* the two states of a stream are not the same */
    VARVE_REPLAY_FAILED,  /* an event cannot be applied, or a state cannot be shown */
} varve_replay_kind;

/* What a replay found; borrowed for the call that tells it. */
typedef struct varve_replay_finding {
    varve_replay_kind kind;
    varve_str stream;
    uint64_t version;         /* of the newest event in both states, or of the event that failed; 0: before the first */
    varve_str patch;          /* DIFFERS: JSON Patch (RFC 6902) from the other version's state to the decider's */
    uint64_t position;        /* FAILED: of that event … */
    varve_str type;           /* … its type … */
    bool is_other;            /* … true when it was the other version, `against`, that failed … */
    const varve_error *error; /* … and why */
} varve_replay_finding;

/*
 * Takes a finding, on a replay's thread, one at a time; streams come in any order. A negative return ends the replay
 * with that status.
 */
typedef varve_status (*varve_replay_visit)(void *ctx, const varve_replay_finding *finding);

typedef struct varve_replay_options {
    size_t size;               /* sizeof(varve_replay_options), or 0 for this version's */
    varve_candidate candidate; /* the one to try; schemas are not looked at */
    varve_candidate against;   /* what its states are compared with, of the same category; no decider: nothing */
    uint32_t workers;          /* threads that fold; 0: one a processor; VARVE_REPLAY_WORKERS_MAX at most */
    varve_replay_visit visit;
    void *visit_ctx;
    varve_progress progress; /* in events, on the calling thread, a few times a second; NULL: nobody asks */
    void *progress_ctx;
} varve_replay_options;

typedef struct varve_replay_summary {
    uint64_t streams;
    uint64_t events;    /* read, whether they could be applied or not */
    uint64_t differing; /* streams */
    uint64_t failed;    /* findings VARVE_REPLAY_FAILED: at most one a stream and version of the decider */
} varve_replay_summary;

/*
 * Folds every stream of the decider's category, reading only: no snapshot is used or made, and another process may go
 * on writing the store. Both deciders are given the same events of a stream. One that cannot apply an event is told no
 * more of that stream. Waits until all is done; not from a callback. Memory does not grow with the store, but for one
 * state of each decider a worker.
 *
 * VARVE_OK whatever was found, which the summary counts. VARVE_INVALID when a table is incomplete, the categories are
 * not the same, or what is to be compared has no `encode`; VARVE_UNSUPPORTED for a decider over a query, whose state is
 * of what a command asks for; VARVE_APPLICATION when a worker cannot be opened;
 * otherwise, as soon as a stream cannot be read, as varve_cursor_next, or what `visit` returned.
 */
VARVE_API varve_status varve_aggregate_replay(varve_store *store, const varve_replay_options *options,
                                              varve_replay_summary *summary, varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
