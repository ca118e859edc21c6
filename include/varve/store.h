/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: opening it and appending with conditions. Reading is in read.h, looking after it in
 * upkeep.h. A store can be used alone, without an engine.
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
    uint32_t checkpoint_pages; /* SQLite: pages of write-ahead log that make the writer checkpoint; 0 means 1000 */
    uint32_t idempotency_retention_s; /* how long an idempotency key is remembered; 0 means 86400, a day */
    varve_log_function log;           /* NULL: silent */
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
    VARVE_FAIL_IF_MATCH,  /* no event after `after` matches `items` */
} varve_condition_kind;

/*
 * What must hold at commit for an append to be accepted. VARVE_FAIL_IF_MATCH is for a rule over several
 * aggregates: read what the decision rests on by a query (varve_read_options.items), then append with the same
 * query and the last position read. It costs as much as the rarest tag of each item has events after `after`; an
 * item without tags costs as much as there are events after `after`.
 */
typedef struct varve_condition {
    varve_condition_kind kind;
    varve_str stream;              /* not with VARVE_FAIL_IF_MATCH */
    uint64_t version;              /* VARVE_STREAM_AT */
    const varve_query_item *items; /* VARVE_FAIL_IF_MATCH: at least one, VARVE_QUERY_ITEMS_MAX at most */
    size_t item_count;
    uint64_t after; /* VARVE_FAIL_IF_MATCH: the position up to which matching events are known */
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
    /*
     * For a caller that does not keep event ids: an accepted append is remembered under its key, so that the same
     * request with the same key is a repeat and another request is refused. 1 to 255 bytes of printable UTF-8;
     * empty: none. What was refused is not remembered.
     */
    varve_str idempotency_key;
} varve_append_request;

typedef struct varve_stream_version {
    varve_str stream;
    uint64_t version;
} varve_stream_version;

/* A condition that did not hold. */
typedef struct varve_failed_condition {
    size_t index;             /* into the request's conditions */
    uint64_t current_version; /* of the condition's stream */
    uint64_t position;        /* VARVE_FAIL_IF_MATCH: of an event that matches; else 0 */
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
 * were appended before, or the same request under its idempotency key (the first result is returned,
 * conditions are not looked at; by key `ids` are the first ones); VARVE_CONFLICT (`appended->failed`, and
 * `error->detail` is the first one's current version, or position); VARVE_ID_CONFLICT; VARVE_KEY_CONFLICT;
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
 * "schema_version"?,"occurred_at"?}],"conditions":[…]?,"idempotency_key"?}, a condition being
 * {"stream","expected_version"} or {"fail_if_match":[{"types"?,"tags"?}],"after"}. When `stream` is not
 * empty it is every event's stream and neither "stream" nor the fields after "events" are allowed.
 * Views point into `json`, which must outlive the result. VARVE_INVALID says which field of which
 * event is wrong; unknown fields are refused, and fields given twice.
 */
VARVE_API varve_status varve_append_json_parse(varve_append_json **parsed, varve_str json, varve_str stream,
                                               varve_error *error);
/* Borrowed from `parsed`. */
VARVE_API varve_append_request *varve_append_json_request(varve_append_json *parsed);
VARVE_API void varve_append_json_free(varve_append_json *parsed);

#ifdef __cplusplus
}
#endif
#endif
