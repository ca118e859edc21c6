/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: append with conditions, read, subscribe. A store can be used alone, without an engine.
 *
 * Threads: every function may be called from any thread at once, except that one cursor is used by
 * one thread at a time and varve_store_close is the last call.
 */
#ifndef VARVE_STORE_H
#define VARVE_STORE_H

#include <varve/event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_store varve_store;
typedef struct varve_cursor varve_cursor;

typedef enum varve_durability {
    VARVE_DURABILITY_FULL = 0, /* an acknowledged append survives a power cut */
    VARVE_DURABILITY_RELAXED,  /* a power cut may undo the latest acknowledged appends, never a middle one */
} varve_durability;

typedef struct varve_store_options {
    size_t size;     /* sizeof(varve_store_options), or 0 for this version's */
    const char *uri; /* "sqlite:PATH"; copied */
    bool read_only;  /* read beside a process that writes; the store must exist */
    bool must_exist; /* refuse to create the store (default: created on first opening for writing) */
    varve_durability durability;
    uint32_t queue_limit;      /* appends waiting at most; 0 means 8192 */
    uint32_t checkpoint_pages; /* pages of write-ahead log that make the writer checkpoint; 0 means 1000 */
    varve_log_function log;    /* NULL: silent */
    void *log_ctx;
} varve_store_options;

/*
 * Opens a store; close it with varve_store_close. VARVE_LOCKED when another process has it open for
 * writing (`detail` is its process id), VARVE_INCOMPATIBLE when the file is no varve store or from
 * a newer version, VARVE_NOT_FOUND when it must exist and does not.
 */
VARVE_API varve_status varve_store_open(varve_store **store, const varve_store_options *options, varve_error *error);

/* Waits for what was queued, stops the writer, frees the store. Its cursors must be closed. NULL is allowed. */
VARVE_API void varve_store_close(varve_store *store);

/* ---- append ---- */

typedef enum varve_condition_kind {
    VARVE_STREAM_ANY = 0, /* nothing is required of `stream` */
    VARVE_STREAM_AT,      /* `stream` is at `version` (0: it does not exist) */
    VARVE_STREAM_NONE,    /* `stream` does not exist */
    VARVE_STREAM_EXISTS,  /* `stream` has at least one event */
    VARVE_FAIL_IF_MATCH,  /* no event after `after` matches `items`: refused with VARVE_UNSUPPORTED so far */
} varve_condition_kind;

/* One alternative of an event query: any of the types and all of the tags. */
typedef struct varve_query_item {
    const varve_str *types;
    size_t type_count;
    const varve_str *tags;
    size_t tag_count;
} varve_query_item;

/* What must hold at commit for an append to be accepted. */
typedef struct varve_condition {
    varve_condition_kind kind;
    varve_str stream;
    uint64_t version;
    const varve_query_item *items;
    size_t item_count;
    uint64_t after;
} varve_condition;

/* Reads "any", "none", "exists" or a number into what a condition says of its stream. VARVE_INVALID. */
VARVE_API varve_status varve_expected_version_parse(varve_str text, varve_condition_kind *kind, uint64_t *version,
                                                    varve_error *error);

/* Events + conditions, all or nothing. Every event names its stream. */
typedef struct varve_append_request {
    const varve_event *events;
    size_t event_count;
    const varve_condition *conditions;
    size_t condition_count;
    varve_str idempotency_key; /* refused with VARVE_UNSUPPORTED so far; event ids already make appends repeatable */
} varve_append_request;

typedef struct varve_stream_version {
    varve_str stream;
    uint64_t version;
} varve_stream_version;

/* A condition that did not hold. */
typedef struct varve_failed_condition {
    size_t index;             /* into the request's conditions */
    uint64_t current_version; /* of the condition's stream */
} varve_failed_condition;

/*
 * What became of an append; start from {0}, end with varve_appended_fini. `ids` (one an event) is
 * set as soon as the append is queued, so that an unknown outcome can be resolved by repeating the
 * same append with the same ids.
 */
typedef struct varve_appended {
    uint64_t first_position;
    uint64_t last_position;
    varve_time recorded_at;
    varve_stream_version *streams; /* each stream's new version, in order of first mention */
    size_t stream_count;
    varve_failed_condition *failed; /* with VARVE_CONFLICT: what did not hold */
    size_t failed_count;
    varve_uuid *ids;
    size_t id_count;
    void *memory; /* holds the arrays above */
} varve_appended;

VARVE_API void varve_appended_fini(varve_appended *appended);

/*
 * Appends, and returns when the outcome is durable and known. VARVE_OK; VARVE_REPEATED when all ids
 * were appended before (the first result is returned, conditions are not looked at); VARVE_CONFLICT
 * (`appended->failed`, and `error->detail` is the first one's current version); VARVE_ID_CONFLICT;
 * VARVE_INVALID, VARVE_TOO_LARGE: nothing was queued; VARVE_BUSY: the queue stayed full;
 * VARVE_FULL: refused, the store goes on; VARVE_IO: the store refuses further writes;
 * VARVE_INDETERMINATE. `appended` may be NULL. Waits for a disk flush shared with other callers.
 */
VARVE_API varve_status varve_append(varve_store *store, const varve_append_request *request, varve_appended *appended,
                                    varve_error *error);

/*
 * Receives the outcome of varve_append_async: the same status, result and error that varve_append
 * would have returned, borrowed for the call. Runs on the store's writer thread: it must be quick,
 * must not block and may call varve_append_async.
 */
typedef void (*varve_append_callback)(void *ctx, varve_status status, const varve_appended *appended,
                                      const varve_error *error);

/*
 * Queues an append and returns at once: VARVE_OK when the callback will be called exactly once (it
 * may already have been), a failure when it never will (VARVE_INVALID, VARVE_TOO_LARGE, VARVE_BUSY,
 * VARVE_UNAVAILABLE, VARVE_NOMEM). The request is copied.
 */
VARVE_API varve_status varve_append_async(varve_store *store, const varve_append_request *request,
                                          varve_append_callback callback, void *ctx, varve_error *error);

/* Reads the JSON of an append; free with varve_append_json_free. */
typedef struct varve_append_json varve_append_json;

/*
 * Parses {"events":[{"stream","type","data"?,"data_base64"?,"content_type"?,"metadata"?,"tags"?,"id"?,
 * "schema_version"?,"occurred_at"?}],"conditions":[…]?,"idempotency_key"?}. When `stream` is not
 * empty it is every event's stream and neither "stream" nor the fields after "events" are allowed.
 * Views point into `json`, which must outlive the result. VARVE_INVALID says which field of which
 * event is wrong; unknown fields are refused.
 */
VARVE_API varve_status varve_append_json_parse(varve_append_json **parsed, varve_str json, varve_str stream,
                                               varve_error *error);
/* Borrowed from `parsed`. */
VARVE_API varve_append_request *varve_append_json_request(varve_append_json *parsed);
VARVE_API void varve_append_json_free(varve_append_json *parsed);

/* ---- read and subscribe ---- */

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
    uint64_t until_position; /* inclusive; 0: no bound */
    const varve_str *categories;
    size_t category_count;
    varve_str correlation_id;

    /* Both. Types, categories, tags: any of the types and any of the categories and all of the tags. */
    const varve_str *types;
    size_t type_count;
    const varve_str *tags;
    size_t tag_count;
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
 * VARVE_REWOUND when after_position lies beyond the head.
 */
VARVE_API varve_status varve_cursor_open(varve_cursor **cursor, varve_store *store, const varve_read_options *options,
                                         varve_error *error);

/*
 * The next event. VARVE_OK: `*event` is borrowed until the next call on this cursor. VARVE_DONE: no
 * more. With `follow`: VARVE_CAUGHT_UP once, when the backlog is through; VARVE_IDLE when nothing
 * came within wait_ms. VARVE_CORRUPT names the position that fails its checksum. Memory is bounded
 * and no database snapshot is held between calls.
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

/* ---- looking at a store ---- */

typedef struct varve_store_info {
    char incarnation[VARVE_UUID_TEXT_BYTES]; /* the identity of this unbroken history */
    char driver[16];                         /* "sqlite" */
    char driver_version[32];                 /* the database library's */
    uint32_t format_version;                 /* of the tables */
    uint64_t last_position;                  /* the head; also the number of events */
    uint64_t stream_count;
    varve_time created_at;
    varve_time last_recorded_at;
    uint64_t file_bytes;
    uint64_t log_file_bytes; /* write-ahead log not yet checkpointed */
    bool read_only;
    bool reset_bug; /* the SQLite in use has the WAL-reset bug that the store's locking rules work around */
} varve_store_info;

VARVE_API varve_status varve_store_get_info(varve_store *store, varve_store_info *info, varve_error *error);

/* The newest position a reader can see. Does not touch the disk on a store opened for writing. */
VARVE_API varve_status varve_store_head(varve_store *store, uint64_t *position, varve_error *error);

/* A stream's current version; 0 when it does not exist. */
VARVE_API varve_status varve_stream_get_version(varve_store *store, varve_str stream, uint64_t *version,
                                                varve_error *error);

/* Called for each stream in order of name; a positive return ends the visit early. Views are borrowed for the call. */
typedef varve_status (*varve_stream_visit)(void *ctx, const varve_stream_version *stream);

/*
 * Visits streams with names after `after`, of `category` (empty: all), `limit` at most (0: no
 * limit). VARVE_DONE at the end, VARVE_OK when ended by the limit or the visitor.
 */
VARVE_API varve_status varve_stream_list(varve_store *store, varve_str category, varve_str after, uint64_t limit,
                                         varve_stream_visit visit, void *ctx, varve_error *error);

/* One finding of varve_store_verify; borrowed for the call. */
typedef void (*varve_verify_problem)(void *ctx, const char *problem);
/* Called now and then while verifying: events checked so far and in all. */
typedef void (*varve_verify_progress)(void *ctx, uint64_t done, uint64_t total);

typedef struct varve_verify_options {
    varve_verify_problem problem;
    varve_verify_progress progress;
    void *ctx;
} varve_verify_options;

/*
 * Checks the whole store: the database's own integrity, every event's checksum, dense positions and
 * versions, recorded_at that never decreases, indexes that agree. VARVE_OK, or VARVE_CORRUPT after
 * all problems were reported (at most 100 of them). `*events` is the number checked.
 */
VARVE_API varve_status varve_store_verify(varve_store *store, const varve_verify_options *options, uint64_t *events,
                                          varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
