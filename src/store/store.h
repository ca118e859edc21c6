/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store seam: what a database must do to hold the log.
 *
 * The work is split so that a driver stays small. Above the seam, once for all drivers: checking
 * requests, ids, the queue and the group commit (writer.c), cursors that follow (cursor.c). Below
 * it: one transaction for a batch of appends, one page of events, and a few look-ups.
 */
#ifndef VARVE_STORE_STORE_H
#define VARVE_STORE_STORE_H

#include "store/conditions.h"
#include "store/inline.h"
#include "store/record.h"
#include "store/thinning.h"
#include "store/work.h"

/* Capabilities of a driver; the only reason for which the conformance suite leaves out a case. */
enum {
    STORE_ONE_WRITER = 1 << 0,   /* one process at a time may open the log for writing */
    STORE_IN_A_FILE = 1 << 1,    /* `path` names a file that can be copied and damaged */
    STORE_MANY_WRITERS = 1 << 2, /* several processes may: the driver tells of what others appended */
    STORE_LEAVES_TIME = 1 << 3,  /* a commit mostly waits for somebody else, and calls `meanwhile` as it begins to */
};

/* Gives a load its next event, complete and with everything the log sets; DONE after the last. */
typedef varve_status (*store_next_event)(void *ctx, varve_event *event, varve_error *error);

/*
 * A store driver: one constant table. `commit` and `tend` are called by one thread at a time, the
 * store's writer, and never on a log opened read-only; everything else by any threads at once.
 * Any function may block on the disk or the network. Failures are reported through `error`.
 */
struct store_driver {
    const char *scheme;    /* "sqlite" */
    unsigned capabilities; /* STORE_… */

    /* Opens the log, and creates it where that is asked for. LOCKED, INCOMPATIBLE, NOT_FOUND, DENIED, IO, NOMEM. */
    varve_status (*open)(struct store_log **log, const struct store_location *location, varve_error *error);
    /* Releases everything; `log` may be NULL. No cursor is open any more. */
    void (*close)(struct store_log *log);

    /*
     * Checks and applies the appends in their order, in one transaction, and commits it durably: ids first (a
     * repeat), then whether the one that it was decided on came about, then what its writes expect, then its
     * conditions. Each append's own outcome goes into it: a refused one has written nothing and disturbs no other, and
     * sees what those before it wrote. `head` becomes the new head. Where a snapshot is added, those of its stream that
     * are surplus (thinning.h) or of another state_version go in the same transaction; one of an unknown stream is
     * dropped.
     * Returns OK when every outcome is set, and durable where it is a success. A failure means that nothing of the
     * batch was committed (FULL, BUSY, NOMEM: the next batch may succeed), or, with VARVE_ERROR_UNKNOWN_OUTCOME,
     * that nobody knows; with VARVE_ERROR_FATAL the writer must stop. Bounded in time; with `unreachable` set nothing
     * that waits would fare better now.
     */
    varve_status (*commit)(struct store_log *log, struct store_batch *batch, struct store_head *head,
                           varve_error *error);
    /* From now on what `inlined` does is part of every transaction with events, and a failure of it the batch's; with
     * NULL no longer. It lives as long. By the writer's thread, as these two. NULL: not on a log like this. */
    varve_status (*set_inline)(struct store_log *log, const struct store_inline *inlined, varve_error *error);
    /* One transaction while which nobody appends, after set_inline. Durable on OK; failures as of `commit`. */
    varve_status (*change)(struct store_log *log, store_change change, void *ctx, varve_error *error);
    /* What need not be waited for, such as a checkpoint, and snapshots that `commit` left for it; bounded in time,
     * failures are only logged. */
    void (*tend)(struct store_log *log);

    /* Visits records in the order of their keys (bytes), but for those that have expired. `*now` is the time by the
     * clock that expiry is judged by, that of `commit`. CORRUPT when a record fails its checksum. */
    varve_status (*records)(struct store_log *log, const struct store_record_range *range, store_record_visit visit,
                            void *ctx, varve_time *now, varve_error *error);

    /* The head as a reader sees it now. */
    varve_status (*head)(struct store_log *log, struct store_head *head, varve_error *error);
    /* Fills `page`, which was reset. CORRUPT names a position whose checksum is wrong. No snapshot is kept. */
    varve_status (*read)(struct store_log *log, const struct store_read *read, struct store_page *page,
                         varve_error *error);
    /* One event by id, its memory in `page` (count 0 or 1). */
    varve_status (*find)(struct store_log *log, varve_uuid id, struct store_page *page, varve_error *error);
    /* A stream's version; 0 when it does not exist. */
    varve_status (*stream_version)(struct store_log *log, varve_str stream, uint64_t *version, varve_error *error);
    /* As varve_stream_list. */
    varve_status (*streams)(struct store_log *log, varve_str category, varve_str after, uint64_t limit,
                            varve_stream_visit visit, void *ctx, varve_error *error);
    /* The version that the stream had when the log's clock said `at`, 0 when it had no event yet. recorded_at never
     * decreases, so this looks at as many events as the logarithm of the stream's length. CORRUPT as in `read`. */
    varve_status (*version_at)(struct store_log *log, varve_str stream, varve_time at, uint64_t *version,
                               varve_error *error);
    /* The newest snapshot of this state_version at or before `max_version`: appends its state, sets `version`.
     * NOT_FOUND when there is none; a damaged one is as good as none: an older one is looked for. */
    varve_status (*snapshot)(struct store_log *log, varve_str stream, uint64_t state_version, uint64_t max_version,
                             uint64_t *version, varve_buf *state, varve_error *error);
    /* Which history the log is, as the driver last saw it, and its number (struct store_head). */
    varve_status (*incarnation)(struct store_log *log, char incarnation[VARVE_UUID_TEXT_BYTES], uint64_t *history,
                                varve_error *error);
    /* Everything but read_only, which the store sets. */
    varve_status (*info)(struct store_log *log, varve_store_info *info, varve_error *error);
    /* As varve_store_verify. */
    varve_status (*verify)(struct store_log *log, const varve_verify_options *options, uint64_t *events,
                           varve_error *error);

    /* As varve_store_backup; with `renew` the copy gets a new incarnation. NULL: a backup is an export. */
    varve_status (*copy)(struct store_log *log, const char *path, bool renew, const varve_progress_options *options,
                         varve_error *error);
    /* Fills a new or empty log with the events that `next` gives, exactly as they are, in one transaction, and gives it
     * a new incarnation. After a failure what did not exist before does not exist, a lock file left aside. */
    varve_status (*load)(const struct store_location *location, store_next_event next, void *ctx, varve_error *error);
    /* Gives a log that is not open a new incarnation. */
    varve_status (*renew)(const struct store_location *location, varve_error *error);
};

extern const struct store_driver store_sqlite;
extern const struct store_driver store_postgres; /* in its module */

#endif
