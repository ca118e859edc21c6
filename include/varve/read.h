/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the log, and subscribing to it: a subscription is a cursor that follows.
 *
 * Threads: as store.h; one cursor is used by one thread at a time.
 */
#ifndef VARVE_READ_H
#define VARVE_READ_H

#include <varve/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_cursor varve_cursor;

typedef enum varve_clock {
    VARVE_CLOCK_RECORDED = 0, /* the log's time */
    VARVE_CLOCK_OCCURRED,     /* domain time; with a stream only */
} varve_clock;

typedef struct varve_read_options {
    size_t size; /* sizeof(varve_read_options), or 0 for this version's */

    /* One stream by version … */
    varve_str stream;       /* empty: the whole log */
    uint64_t from_version;  /* inclusive; 0: the beginning (backward: the end) */
    uint64_t until_version; /* inclusive; 0: no bound (backward: the beginning) */

    /* … or the log by position. */
    uint64_t after_position; /* exclusive */
    varve_str incarnation;   /* the store's when after_position was noted; empty: not checked */
    varve_uuid after_id;     /* the id of the event at after_position, when it was noted; nil: not checked */
    uint64_t until_position; /* inclusive; 0: no bound */
    const varve_str *categories;
    size_t category_count;
    varve_str correlation_id;

    /* Both. Types, categories, tags: any of the types and any of the categories and all of the tags. */
    const varve_str *types;
    size_t type_count;
    const varve_str *tags;
    size_t tag_count;
    const varve_query_item *items; /* any of these, as in an append condition; instead of types and tags */
    size_t item_count;
    varve_time until_time; /* inclusive; VARVE_INVALID when it lies in the future */
    varve_clock clock;     /* which time until_time means */
    uint64_t limit;        /* events at most; 0: no limit */
    bool backward;         /* a stream only */

    /* A subscription: first what is there, then what comes. Not with backward or an until_…. */
    bool follow;
    uint32_t wait_ms; /* how long varve_cursor_next waits for something new before VARVE_IDLE; 0: not at all */
} varve_read_options;

/*
 * Opens a cursor; close it with varve_cursor_close before the store. Options are copied. A stream
 * that does not exist reads as empty. VARVE_INVALID when options contradict each other.
 * VARVE_REWOUND when after_position lies beyond the head, or what was noted with it does not fit this log.
 */
VARVE_API varve_status varve_cursor_open(varve_cursor **cursor, varve_store *store, const varve_read_options *options,
                                         varve_error *error);

/*
 * The next event. VARVE_OK: `*event` is borrowed until the next call on this cursor. VARVE_DONE: no
 * more. With `follow`: VARVE_CAUGHT_UP once, when the backlog is through; VARVE_IDLE when nothing
 * came within wait_ms; VARVE_SKIPPED when a page of the log held nothing for the filters and there is
 * more: call again, varve_cursor_scanned has moved on. VARVE_CORRUPT names the position that fails
 * its checksum. Memory is bounded and no database snapshot is held between calls.
 */
VARVE_API varve_status varve_cursor_next(varve_cursor *cursor, const varve_event **event, varve_error *error);

/* The last position this cursor has looked at, whether or not it matched: where to resume from. */
VARVE_API uint64_t varve_cursor_scanned(const varve_cursor *cursor);

/*
 * With `follow`: a file descriptor that polls readable when varve_cursor_next may have something
 * new; the cursor owns it. -1 without `follow` or on a store that another process writes.
 */
VARVE_API int varve_cursor_fd(varve_cursor *cursor);

VARVE_API void varve_cursor_close(varve_cursor *cursor);

/*
 * One event by its id: VARVE_OK or VARVE_NOT_FOUND. The event borrows from `memory`, which starts
 * from {0} and is the caller's to free with varve_buf_fini.
 */
VARVE_API varve_status varve_event_find(varve_store *store, varve_uuid id, varve_event *event, varve_buf *memory,
                                        varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
