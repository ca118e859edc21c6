/* SPDX-License-Identifier: Apache-2.0 */
/* A page of events, as /streams and /log answer with. */
#ifndef VARVE_SERVER_PAGE_H
#define VARVE_SERVER_PAGE_H

#include "server/shaped.h"

#define PAGE_EVENTS     100u /* unless `limit` says otherwise */
#define PAGE_EVENTS_MAX 1000u
#define PAGE_POSITIONS  100000u /* that a page of the filtered log looks at */

/* What a page ended with. */
struct page {
    uint64_t last_position;     /* of the last event on the page; 0 when there is none */
    bool more;                  /* there is at least one event after it … */
    uint64_t following_version; /* … and this is its version */
};

/* Reads the `limit` parameter. VARVE_INVALID unless it is 1 to PAGE_EVENTS_MAX. */
varve_status page_limit(const struct target *target, uint64_t *limit, varve_error *error);

/* Reads `clock`, which only goes with a time: `timed` says that there is one. VARVE_INVALID. */
varve_status page_clock(const struct target *target, bool timed, varve_clock *clock, varve_error *error);

/* Reads `at` and its `clock`. VARVE_INVALID. */
varve_status page_time(const struct target *target, varve_time *time, varve_clock *clock, varve_error *error);

/*
 * Appends a JSON array of at most `limit` events off the cursor, which was opened for one more, in the shapes that were
 * asked for: the limit counts what they are in the log. A page ends early when it has grown to several MiB.
 */
varve_status page_write(varve_cursor *cursor, struct shaped *shaped, uint64_t limit, struct page *page, varve_buf *out,
                        varve_error *error);

#endif
