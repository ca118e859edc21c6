/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One generation following the log: takes the events that concern it, in batches, each with its
 * checkpoint in one transaction, so that every event takes effect once whatever crashes. A generation in parts is
 * followed by all of them at once (parts.h).
 */
#ifndef VARVE_QUERY_FOLLOWER_H
#define VARVE_QUERY_FOLLOWER_H

#include <varve/read.h>

#include "query/generation.h"

struct parts;

/* Starts from {0} with a store and a generation set; ends with follower_stop. One thread at a time. */
struct follower {
    varve_store *store;            /* borrowed */
    struct generation *generation; /* the owner's */
    varve_cursor *cursor;          /* NULL: to be opened at the checkpoint */
    struct parts *parts;           /* where the generation has some; NULL: to be begun */
    bool caught_up;                /* has been through the backlog */
    uint64_t suspect;              /* this event failed among others: it is tried alone, after all before it; 0: none */
    uint32_t batch_ms;             /* a batch takes no longer; 0: half a second */
    uint64_t until;                /* goes no further than this position; 0: on and on */
    unsigned overtime;             /* how often the next event's statements took too long */
    const uint64_t *untils; /* … and each part no further than its own of these, borrowed; NULL: than `until` */
    uint64_t failed;        /* the event that cannot be applied, when that is what the last failure was; 0 */
    varve_uuid failed_id;
    struct generation *failed_in; /* the generation, or its part, that is to take it */
    uint64_t applied;             /* events committed since it began */
};

/*
 * Applies the next batch. VARVE_OK: there may be more. VARVE_IDLE: nothing more now. VARVE_DONE: it is at `until`. If
 * `flush` asks for it, the checkpoint is moved over events that do not concern the projection, when there is nothing
 * more and after each page of the log that held nothing else. A failure has changed nothing: with VARVE_ERROR_RETRIABLE
 * or as VARVE_IO the same again may succeed, otherwise the message names the event that cannot be applied, unless the
 * projection sets such events aside (park.h); or it is VARVE_LOCKED (another process has the models), or VARVE_REWOUND
 * (the log became another history).
 */
varve_status follower_advance(struct follower *follower, bool flush, varve_error *error);

/* The last position looked at, at least the checkpoint's. */
uint64_t follower_scanned(const struct follower *follower);

/* Readable when there may be something new; -1 when that cannot be told. */
int follower_fd(struct follower *follower);

/* Has it been begun, and not stopped since? */
bool follower_is_begun(const struct follower *follower);

/* Closes the cursor, and ends the parts' threads; the generation stays. */
void follower_stop(struct follower *follower);

/* True when the log has the checkpoint's event at its position, and so for each part. */
varve_status follower_fits(varve_store *store, const struct generation *generation, bool *fits, varve_error *error);

#endif
