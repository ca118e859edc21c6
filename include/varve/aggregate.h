/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at an aggregate: its state, now and in the past, its history, and what differs between two states.
 *
 * Threads: every function may be called from any thread but an engine's; each waits for the engine's worker for looks.
 */
#ifndef VARVE_AGGREGATE_H
#define VARVE_AGGREGATE_H

#include <varve/read.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_engine varve_engine;

typedef struct varve_aggregate_options {
    uint64_t version; /* as of this version; 0: the newest */
    varve_time at;    /* as of this time; 0: now */
    varve_clock clock;
} varve_aggregate_options;

/* An aggregate's state; start from {0}, end with varve_aggregate_fini. */
typedef struct varve_aggregate {
    varve_str stream;
    varve_str state;           /* JSON, as the decider encodes it */
    uint64_t version;          /* of the newest event in it */
    uint64_t snapshot_version; /* of the snapshot the fold began with; 0: none */
    uint64_t events_replayed;
    void *memory;
} varve_aggregate;

VARVE_API void varve_aggregate_fini(varve_aggregate *aggregate);
/* Appends {"stream","version","state","snapshot_version","events_replayed"}. */
VARVE_API void varve_aggregate_write_json(const varve_aggregate *aggregate, varve_buf *out);

/*
 * The state of an aggregate, now or in the past (`options` may be NULL). VARVE_NOT_FOUND: no decider
 * for the category, or the stream has no event by then; a version beyond the newest is
 * VARVE_NOT_FOUND too. Waits for a worker; not from a callback.
 */
VARVE_API varve_status varve_aggregate_show(varve_engine *engine, varve_str stream,
                                            const varve_aggregate_options *options, varve_aggregate *aggregate,
                                            varve_error *error);

#define VARVE_HISTORY_MAX 1000u

typedef struct varve_history_options {
    uint64_t from_version; /* of the first entry; 0: the beginning */
    uint64_t limit;        /* entries at most; 0 means 100; VARVE_HISTORY_MAX at most */
} varve_history_options;

/* An event, and the difference it made to the state. */
typedef struct varve_history_entry {
    varve_event event; /* who did it and why are in its metadata */
    varve_str patch;   /* JSON Patch (RFC 6902) from the state before to the state after; "[]": no difference */
} varve_history_entry;

/* A page of an aggregate's history; start from {0}, end with varve_history_fini. */
typedef struct varve_history {
    varve_str stream;
    const varve_history_entry *entries;
    size_t count;
    uint64_t next; /* from_version of the next page; 0: there is none */
    void *memory;
} varve_history;

VARVE_API void varve_history_fini(varve_history *history);
/* Appends {"version","position","type","event_id","occurred_at","recorded_at","metadata","patch":[…]}. */
VARVE_API void varve_history_entry_write_json(const varve_history_entry *entry, varve_buf *out);
/* Appends {"stream","entries":[…],"next":VERSION|null}. */
VARVE_API void varve_history_write_json(const varve_history *history, varve_buf *out);

/*
 * A page of what happened to an aggregate and what each event changed, oldest first (`options` may be NULL). The
 * page holds fewer entries than asked for when they are large; `next` says where to go on. Errors as
 * varve_aggregate_show; VARVE_INVALID also when the limit is too high. Waits for a worker; not from a callback.
 */
VARVE_API varve_status varve_aggregate_history(varve_engine *engine, varve_str stream,
                                               const varve_history_options *options, varve_history *history,
                                               varve_error *error);

/* What makes one state of an aggregate out of another; start from {0}, end with varve_difference_fini. */
typedef struct varve_difference {
    varve_str stream;
    uint64_t from, to; /* versions; 0: the state before the first event */
    varve_str patch;   /* JSON Patch (RFC 6902); "[]" when the states are equal */
    void *memory;
} varve_difference;

VARVE_API void varve_difference_fini(varve_difference *difference);
/* Appends {"stream","from","to","patch":[…]}. */
VARVE_API void varve_difference_write_json(const varve_difference *difference, varve_buf *out);

/*
 * The difference between an aggregate at two versions or times, in either order. `from` NULL is the state before the
 * first event, and so is a time at which there was none yet; `to` NULL is the newest. Otherwise, and for errors, as
 * varve_aggregate_show. Waits for a worker; not from a callback.
 */
VARVE_API varve_status varve_aggregate_diff(varve_engine *engine, varve_str stream, const varve_aggregate_options *from,
                                            const varve_aggregate_options *to, varve_difference *difference,
                                            varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
