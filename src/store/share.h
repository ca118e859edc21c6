/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared reads: cursors that go through the log together read each part of it once. A part is every event between two
 * positions, whatever its type; what was appended never changes, so a part is true as long as the log is the same
 * history. Whoever comes to a part first reads it, others wait for that, and it is kept for those who come later,
 * as long as there are no more than a few newer ones.
 *
 * A cursor that goes alone reads by itself: then the database leaves out what the cursor does not want.
 */
#ifndef VARVE_STORE_SHARE_H
#define VARVE_STORE_SHARE_H

#include "store/store.h"

#include <pthread.h>

enum {
    SHARE_PARTS = 16,            /* kept at most, but for those that somebody still goes through */
    SHARE_PART_EVENTS = 1024,    /* in a part at most … */
    SHARE_PART_BYTES = 1 << 20,  /* … and bytes of their payload, or one event */
    SHARE_COMPANY_EVENTS = 8192, /* two cursors go together when they are no further apart */
};

/* A cursor that shares, and where it is. Borrowed from share_join to share_leave. */
struct share_member {
    struct share_member *next;
    uint64_t position; /* share.c's */
};

/* What is read, and which of its histories: what was read of another one counts no more. */
struct share_source {
    const struct store_driver *driver;
    struct store_log *log;
    uint64_t history;
};

struct share_part;

struct share {
    pthread_mutex_t mutex;
    pthread_cond_t over; /* a part was read, or could not be */
    struct share_member *members;
    struct share_part *newest; /* the newest first */
    uint64_t parts_read, parts_found;
};

void share_init(struct share *share);
/* Nobody is a member any more. */
void share_fini(struct share *share);

void share_join(struct share *share, struct share_member *member);
void share_leave(struct share *share, struct share_member *member);

/*
 * A part in which the event after read->after_position is, of this history of the log. Of the read only positions count
 * and event_bytes. DONE: the member should read by itself, since nobody else is near, or the read of somebody else
 * failed. Otherwise as store_driver.read. Give `*part` back. Blocks.
 */
varve_status share_read(struct share *share, struct share_member *member, const struct share_source *source,
                        const struct store_read *read, struct share_part **part, varve_error *error);

/* Its events, in order; some may be at or before the position that was asked for. */
const struct store_page *share_page(const struct share_part *part);

/* NULL is allowed. */
void share_give_back(struct share *share, struct share_part *part);

#endif
