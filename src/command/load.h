/* SPDX-License-Identifier: Apache-2.0 */
/* An aggregate's state, folded from its newest usable snapshot and the events after it. */
#ifndef VARVE_COMMAND_LOAD_H
#define VARVE_COMMAND_LOAD_H

#include <varve/command.h>

#include "base/log.h"
#include "event/upcast.h"

/* A decider with one lane's copy of its context. */
struct load_decider {
    const varve_decider *table;
    void *worker;
    struct upcast *upcast; /* the lane's; NULL: events are folded as they are in the log */
    uint64_t stamp;        /* upcasters_stamp of version 0: in snapshots' state_version; 0: there are none */
};

/*
 * Lifetime: {0} → load_newest or load_as_of makes the state → load_evolve and load_newest carry it
 * on → load_fini. A failure may leave the state half-changed: then only load_fini is allowed. Used by
 * the lane that owns the decider's worker and by nobody else.
 */
struct load {
    const varve_decider *table; /* NULL: there is no state yet */
    void *state;
    struct upcast *upcast;
    bool is_behind;            /* the log is known to have newer events */
    uint64_t history;          /* of the log, when load_newest made the state */
    uint64_t version;          /* of the newest event in the state */
    uint64_t snapshot_version; /* of the snapshot the fold began with; 0: none */
    uint64_t replayed;         /* events evolved since the snapshot by load_newest, load_as_of and load_at_version */
    uint64_t kept_version;     /* of the newest snapshot made of it here; 0: none */
    size_t written;            /* bytes of the state's newest JSON … */
    size_t added;              /* … and of the events since: how large it may be */
};

/*
 * What a lane handed to the store as snapshots lately: a snapshot shares the next commit, so a load that
 * comes quickly does not see it yet and would have it written again. A place is shared by many
 * streams; forgetting costs one snapshot too many, and so does what only another lane remembers: a look's
 * lane and a stream's may both hand one over, in either order, and the store keeps both or one.
 */
#define LOAD_KEPT_PLACES 256u
struct load_kept {
    struct {
        uint64_t stream_hash;
        uint64_t version;
    } places[LOAD_KEPT_PLACES];
};

/* Where states come from; all borrowed. */
struct load_source {
    varve_store *store;
    const struct load_decider *decider;
    struct load_kept *kept;
    struct log log; /* told of snapshots that cannot be used */
};

/* The initial state at version 0; `load` is {0}. VARVE_APPLICATION, VARVE_NOMEM; `error` is not NULL. */
varve_status load_begin(struct load *load, const struct load_decider *decider, varve_str stream, varve_error *error);

/*
 * The state at the newest version. The first time it begins with a snapshot where there is one; after that it
 * only adds the events that are new, unless the log became another history: then it is made anew. A stream without
 * events has the initial state at version 0.
 * VARVE_APPLICATION when the decider's code fails; otherwise as varve_cursor_next.
 */
varve_status load_newest(struct load *load, const struct load_source *source, varve_str stream, varve_error *error);

/* False when there is no state, or the log is known to have newer events, or is another history by now. */
bool load_is_usable(const struct load *load, const struct load_source *source);

/*
 * The state in the past, or the newest; `load` is {0}. At a time when the stream had no event yet it is the initial
 * state at version 0. VARVE_NOT_FOUND when the stream does not reach the version. VARVE_INVALID when the
 * options contradict each other or the time lies in the future.
 *
 * A snapshot serves a version, and a recorded time as well: recorded_at never decreases within a
 * stream, so the time is first turned into a version. An occurred time picks events from anywhere in the stream,
 * which no snapshot can have foreseen: it is folded from the first event. The newest state is kept as a
 * snapshot when one is due.
 */
varve_status load_as_of(struct load *load, const struct load_source *source, varve_str stream,
                        const varve_aggregate_options *options, varve_error *error);

/* The state at a version, 0 being the initial one; `load` is {0}. VARVE_NOT_FOUND as above. */
varve_status load_at_version(struct load *load, const struct load_source *source, varve_str stream, uint64_t version,
                             varve_error *error);

/* "the stream has no event by then": VARVE_NOT_FOUND. */
varve_status load_refuse_empty(varve_str stream, varve_error *error);

/*
 * Replaces `json` by the encoded state, which is checked to be JSON: it is put into other JSON as it is. The decider
 * has `encode`. VARVE_APPLICATION, VARVE_NOMEM.
 */
varve_status load_encode(const struct load *load, varve_str stream, varve_buf *json, varve_error *error);

/*
 * Applies one event, the next of the stream, as its upcasters have it: it may come to several for the decider, or none.
 * The decider gets it without position and recorded_at, and without an
 * occurred_at that is the same: an event may be applied before these are known, and a state must not depend on when it
 * was folded. VARVE_APPLICATION, VARVE_NOMEM.
 */
varve_status load_evolve(struct load *load, const varve_event *event, varve_error *error);

/* The same, but of what upcasters have only what the query asks for: by its type and the tags in the log. */
varve_status load_evolve_asked(struct load *load, const varve_query_item *items, size_t item_count,
                               const varve_event *event, varve_error *error);

/*
 * Makes a snapshot of the state when one is due: as many events after the last known snapshot as the decider asks for,
 * however many of them came at once and however the state was loaded. True when `json` (empty before) holds it. A
 * failure is only logged; on a store opened for reading none is due.
 */
bool load_make_snapshot(struct load *load, const struct load_source *source, varve_str stream, varve_buf *json);

/* Hands a snapshot that was made at `version` to the store, once that version is durable. */
void load_keep_snapshot(const struct load_source *source, varve_str stream, uint64_t version, varve_str json);

/* Both, for a state that is durable. */
void load_keep(struct load *load, const struct load_source *source, varve_str stream);

void load_fini(struct load *load);

#endif
