/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass over a member's events from its position on: each with where it stands, as the record says and as the events
 * before it in this pass make it. Whoever makes the pass says of each open event what becomes of it.
 */
#ifndef VARVE_STORE_PASS_H
#define VARVE_STORE_PASS_H

#include "store/subscribe.h"

enum standing {
    STANDING_OPEN,    /* to be delivered or settled, unless `blocker` says otherwise */
    STANDING_SETTLED, /* acknowledged or given up */
    STANDING_PARKED,  /* it, or an earlier one of its stream, is parked: settled as far as the position goes */
};

struct stream_note;

struct pass {
    varve_store *store;
    const struct subscription *subscription;
    const struct member *member;
    uint32_t number;
    struct arena *memory;
    varve_cursor *cursor;
    bool follows;
    struct stream_note *notes; /* what is known of each stream: a table by hash and name */
    size_t note_places, note_count;
    size_t looked; /* streams that were looked up one by one */
    bool listed;   /* every parked stream has its note */
    size_t seen;   /* events of the member */
    size_t next_settled;
    bool even;         /* nothing open so far … */
    uint64_t position; /* … up to here, and here it ended otherwise */
    bool full;         /* DONE because the window ends here */

    /* Of the event given last: */
    const varve_event *event;
    enum standing standing;
    struct hold *hold; /* it is delivered again; NULL: it was not */
    uint64_t blocker;  /* an earlier event of the stream that must be settled first; 0: none */
    struct stream_note *note;
};

/*
 * Begins a pass: up to `until`, or with 0 up to the head and further, as a cursor that follows. All that is given must
 * stay as it is until pass_close, but for the member's settled positions, which it reads as it goes. NOMEM, and as
 * varve_cursor_open.
 */
varve_status pass_open(struct pass *pass, varve_store *store, const struct subscription *subscription, uint32_t number,
                       const struct member *member, uint64_t until, struct arena *memory, varve_error *error);
void pass_close(struct pass *pass);

/* The member's next event: OK; DONE at the end or when the window is full; CAUGHT_UP, IDLE, SKIPPED as a cursor. */
varve_status pass_next(struct pass *pass, varve_error *error);

/* The parked event that the one given last is, or waits behind. */
uint64_t pass_parked_from(const struct pass *pass);

/* The event given last is settled, or parked. */
void pass_settle(struct pass *pass);
/* It stays open; with `blocks` the later ones of its stream must wait for it. */
void pass_leave(struct pass *pass, bool blocks);

/* The position up to which everything that was passed is settled. */
uint64_t pass_position(const struct pass *pass);

#endif
