/* SPDX-License-Identifier: Apache-2.0 */
/* What a subscription knows of one member's events; stored as one record, so that it changes as a whole. */
#ifndef VARVE_STORE_MEMBER_H
#define VARVE_STORE_MEMBER_H

#include <varve/subscription.h>

#include "base/arena.h"

/* An event that is delivered again, not before a time by the store's clock. */
struct hold {
    uint64_t position;
    uint32_t attempts; /* that failed */
    varve_time not_before;
    varve_str reason; /* of the last failure */
};

/* A stream that was parked and is worked off: its events up to the member's position, from this one on. */
struct unparked {
    struct hold next;
    varve_str stream;
    uint64_t version; /* of the next event */
};

struct member {
    uint64_t position; /* every event up to here is settled, but for what is parked or unparked */
    uint64_t *settled; /* beyond the position, ascending … */
    size_t settled_count;
    struct hold *held; /* likewise */
    size_t held_count;
    struct unparked *unparked;
    size_t unparked_count;
    uint64_t parked; /* streams with a parked event */
    /*
     * When something stops being held or unparked, what it kept from being delivered is open without having been
     * delivered: up to this position, which was the head, the last event delivered does not tell which came before.
     */
    uint64_t uneven;
    uint64_t revision;
};

/*
 * Reads a member, with room for `more` settled positions, and for one more held event and unparked stream. Texts and
 * arrays are in `memory`. CORRUPT, NOMEM.
 */
varve_status member_read(varve_str json, size_t more, struct arena *memory, struct member *member, varve_error *error);
void member_write(const struct member *member, varve_buf *json);

/* The hold of an event, or NULL. */
struct hold *member_hold(const struct member *member, uint64_t position);
/* Adds or replaces one. */
void member_add_hold(struct member *member, const struct hold *hold);
void member_drop_hold(struct member *member, uint64_t position);
/* Adds a settled position; there must be room. */
void member_add_settled(struct member *member, uint64_t position);

/* The unparked stream of that name, or NULL. */
struct unparked *member_unparked(const struct member *member, varve_str stream);
void member_drop_unparked(struct member *member, struct unparked *unparked);

#endif
