/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store seam: what a database must do to hold the log, and what the engine's modules may ask of
 * a store beyond its public interface.
 *
 * The work is split so that a driver stays small. Above the seam, once for all drivers: checking
 * requests, ids, the queue and the group commit (writer.c), cursors that follow (cursor.c). Below
 * it: one transaction for a batch of appends, one page of events, and a few look-ups.
 */
#ifndef VARVE_STORE_STORE_H
#define VARVE_STORE_STORE_H

#include <varve/read.h>
#include <varve/upkeep.h>

#include "base/arena.h"
#include "base/log.h"

/* A driver's own handle on an open log. */
struct store_log;

/* What a driver needs to know to open a log. Views live until open returns. */
struct store_location {
    const char *path; /* what follows the scheme in the URI */
    bool read_only;
    bool must_exist;
    varve_durability durability;
    uint32_t checkpoint_pages;
    struct log log;
};

/*
 * One append on its way through the writer. Events are complete and checked; their streams are
 * listed once each. The driver fills what stands below the line.
 */
struct store_append {
    const varve_event *events;
    size_t event_count;
    const uint32_t *event_stream; /* for each event, its place in `streams` */
    const varve_condition *conditions;
    size_t condition_count;
    const uint32_t *condition_stream; /* for each condition, its place in `streams` */
    bool ids_are_new;                 /* just made by us: no use looking for a repeat */

    varve_stream_version *streams; /* in: names; out: each stream's version after the append */
    size_t stream_count;
    /* ---- */
    varve_status status; /* OK, REPEATED, CONFLICT, ID_CONFLICT, or why the append was refused */
    varve_error error;
    uint64_t first_position, last_position;
    varve_time recorded_at;
    varve_failed_condition *failed; /* room for condition_count; in order */
    size_t failed_count;
};

/*
 * A snapshot to be kept; it shares the next batch's transaction and its loss costs nothing. Older ones of its
 * stream are kept thinly, for reading the past.
 */
struct store_snapshot {
    varve_str stream;
    uint64_t version;
    uint32_t state_version;
    varve_str state;
};

/* One transaction's worth of work, in order of arrival. */
struct store_batch {
    struct store_append **appends;
    size_t append_count;
    const struct store_snapshot *snapshots;
    size_t snapshot_count;
};

/* The state of the log as the writer knows it. */
struct store_head {
    uint64_t position;
    varve_time recorded_at;
};

/* What one page of events is read by: the cursor's options and where it stands. */
struct store_read {
    const varve_read_options *options;
    uint64_t next_version;   /* a stream: the next version wanted (backward: counting down) */
    uint64_t after_position; /* the log: events after this position … */
    uint64_t until_position; /* … up to and including this one (never 0) */
    size_t event_limit;      /* events on the page at most, at least 1 */
    size_t byte_limit;       /* stop when this much is on the page; one event is always taken */
};

/* A page of events, whose memory is the arena's. */
struct store_page {
    struct arena arena;
    varve_event *events;
    size_t count;
    size_t capacity;
    uint64_t scanned; /* the last position (a stream: version) looked at, matching or not; a stream: 0 when none was */
    bool more;        /* there may be more within the bounds of the read */
};

/* Capabilities of a driver; the only reason for which the conformance suite leaves out a case. */
enum {
    STORE_ONE_WRITER = 1 << 0, /* one process at a time may open the log for writing */
    STORE_IN_A_FILE = 1 << 1,  /* `path` names a file that can be copied and damaged */
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
     * Checks and applies the appends in their order, in one transaction, and commits it durably. Each
     * append's own outcome goes into it: a refused one has written nothing and disturbs no other. `head`
     * becomes the new head. Where a snapshot is added, those of its stream that are surplus (thinning.h) or of
     * another state_version go in the same transaction; one of an unknown stream is dropped. Returns OK when every outcome is set and durable. A failure means that
     * nothing of the batch was committed (FULL, BUSY, NOMEM: the next batch may succeed), or, with
     * VARVE_ERROR_UNKNOWN_OUTCOME, that nobody knows; with VARVE_ERROR_FATAL the writer must stop.
     */
    varve_status (*commit)(struct store_log *log, struct store_batch *batch, struct store_head *head,
                           varve_error *error);
    /* Housekeeping between transactions, such as a checkpoint; bounded in time, failures are only logged. */
    void (*tend)(struct store_log *log);

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
    varve_status (*snapshot)(struct store_log *log, varve_str stream, uint32_t state_version, uint64_t max_version,
                             uint64_t *version, varve_buf *state, varve_error *error);
    /* Everything but read_only, which the store sets. */
    varve_status (*info)(struct store_log *log, varve_store_info *info, varve_error *error);
    /* As varve_store_verify. */
    varve_status (*verify)(struct store_log *log, const varve_verify_options *options, uint64_t *events,
                           varve_error *error);

    /* As varve_store_backup; with `renew` the copy gets a new incarnation. */
    varve_status (*copy)(struct store_log *log, const char *path, bool renew, const varve_progress_options *options,
                         varve_error *error);
    /* Fills a new or empty log with the events that `next` gives, exactly as they are, in one transaction, and gives it
     * a new incarnation. After a failure what did not exist before does not exist. */
    varve_status (*load)(const struct store_location *location, store_next_event next, void *ctx, varve_error *error);
    /* Gives a log that is not open a new incarnation. */
    varve_status (*renew)(const struct store_location *location, varve_error *error);
};

extern const struct store_driver store_sqlite;

/* ---- what the engine's modules use beyond the public interface ---- */

/* Opens a store on a driver; `path` is what follows "scheme:". varve_store_open finds the driver by URI. */
varve_status store_open(varve_store **store, const struct store_driver *driver, const char *path,
                        const varve_store_options *options, varve_error *error);

/* varve_store_restore, varve_store_import and varve_store_new_incarnation, on a driver. */
varve_status store_restore(const struct store_driver *driver, const char *path, const char *backup,
                           const varve_progress_options *options, varve_error *error);
varve_status store_import(const struct store_driver *driver, const char *path, FILE *in,
                          const varve_progress_options *options, uint64_t *events, varve_error *error);
varve_status store_new_incarnation(const struct store_driver *driver, const char *path, varve_error *error);

/* What was given as `path`; for files that stand beside a SQLite store. Borrowed. */
const char *store_path(const varve_store *store);

/* The incarnation as text, as it was when the store was opened. Borrowed. */
const char *store_incarnation(const varve_store *store);

bool store_is_read_only(const varve_store *store);

/*
 * Hands a snapshot (copied) to the writer and returns; it is written with the next batch, or dropped
 * when the queue is full or the store is stopping.
 */
void store_snapshot_put(varve_store *store, const struct store_snapshot *snapshot);

/* The newest snapshot of this state_version with a version ≤ max_version. VARVE_NOT_FOUND when there is none. */
varve_status store_snapshot_get(varve_store *store, varve_str stream, uint32_t state_version, uint64_t max_version,
                                uint64_t *version, varve_buf *state, varve_error *error);

/*
 * The version that the stream had at a recorded time, 0 when it had no event yet; what came later costs nothing.
 * VARVE_INVALID when the time lies in the future.
 */
varve_status store_version_at(varve_store *store, varve_str stream, varve_time at, uint64_t *version,
                              varve_error *error);

/* Counters since opening; see varve_engine_stats for their meaning. */
struct store_stats {
    uint64_t appends_accepted, appends_refused, events_appended, commits, queue_length;
};
void store_get_stats(varve_store *store, struct store_stats *stats);

#endif
