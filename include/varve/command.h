/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command side: deciders and executing commands. Looking at aggregates is in aggregate.h.
 *
 * Threads: every function that takes an engine may be called from any thread. A decider's functions run on the engine's
 * workers: one stream's commands in one of them, looks in one more.
 */
#ifndef VARVE_COMMAND_H
#define VARVE_COMMAND_H

#include <varve/aggregate.h>
#include <varve/read.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_engine varve_engine;

/* An intent. Views need to live until the call that takes the command returns (async: it is copied). */
typedef struct varve_command {
    varve_str type;                /* "PlaceOrder" */
    varve_str stream;              /* the aggregate: "order-7" */
    varve_str data;                /* JSON; default "{}" */
    varve_uuid id;                 /* the idempotency key; default: a new UUIDv7 */
    varve_time time;               /* the command's own time, the only clock a decider sees; default: now */
    varve_condition_kind expected; /* VARVE_STREAM_ANY (default), _EXISTS, or _AT and _NONE, which are not retried */
    uint64_t expected_version;     /* with VARVE_STREAM_AT */
    varve_str correlation_id;      /* default: the command's id */
    varve_str causation_id;        /* what caused the command, if known; events name the command itself */
    varve_str actor;               /* who asked */
    varve_str
        context; /* JSON: what the decider's enrich fetched, for decide; empty: nothing. Not the caller's to set */
    varve_str traceparent; /* W3C trace context, version 00; checked */
    varve_time not_before; /* for varve_schedule (scheduled.h) alone: when it is due; others refuse it */
} varve_command;

/* What a decider decides; alive for one call of its decide function. */
typedef struct varve_decision varve_decision;

/*
 * Adds an event to the decision (copied). Only type, data, content_type, tags, schema_version and occurred_at are
 * looked at; id, stream and metadata are the engine's. Returns VARVE_OK, or a failure that the decider returns in turn.
 */
VARVE_API varve_status varve_emit(varve_decision *decision, const varve_event *event);

/*
 * Rejects the command: an outcome, not a failure. `code` is a stable word of the domain, the message is for people.
 * Events emitted before are dropped. Returns VARVE_REJECTED for the decider to return.
 */
VARVE_API varve_status varve_reject(varve_decision *decision, const char *code, const char *format, ...)
    VARVE_PRINTF(3, 4);

/* Decides one type of command: emits events, or rejects. Pure: no I/O, no clock, no randomness. */
typedef varve_status (*varve_decide)(const void *state, const varve_command *command, varve_decision *decision,
                                     varve_error *error);

typedef struct varve_command_handler {
    const char *type;
    varve_decide decide;
} varve_command_handler;

/* What a decision is to rest on, being put together; alive for one call of reads. */
typedef struct varve_reading varve_reading;

/* Adds an alternative (copied). VARVE_OK, or a failure that `reads` returns in turn. */
VARVE_API varve_status varve_read_item(varve_reading *reading, const varve_query_item *item);

/* For a decision over several aggregates: which events, of whatever streams, the state is folded from. Pure; called
 * once a command. Give items tags: the append looks at what each matches. */
typedef varve_status (*varve_reads)(void *worker, const varve_command *command, varve_reading *reading,
                                    varve_error *error);

/* A command being enriched, with what may be asked for it (enrich.h); alive for one call of enrich. */
typedef struct varve_enrichment varve_enrichment;

/*
 * Fetches what the decision needs from outside, once a command (not once a try), before it, on a thread that no other
 * stream waits for; appends it to `context` as JSON. A failure is the command's, and nothing is written:
 * VARVE_ENRICH_FAILED when something that was asked for could not be had, else VARVE_APPLICATION. `worker` is one of
 * its own thread.
 */
typedef varve_status (*varve_enrich)(void *worker, const varve_command *command, varve_enrichment *enrichment,
                                     varve_buf *context, varve_error *error);

#define VARVE_NO_SNAPSHOTS UINT32_MAX

/*
 * A decider: a constant table, of an aggregate or over a query. With `reads` in place of a category it decides the
 * types in `commands`, on whatever stream: the state is folded from what matches, the events go to the command's stream
 * as ever, and only if nothing new matches by then; else it is decided again. It has no snapshots.
 * A state is `state_size` zeroed bytes, made ready by `initial` and released
 * by `fini`, both optional. A state is only ever used by the worker that made it.
 */
typedef struct varve_decider {
    const char *category;    /* streams "category-…" are this decider's; NULL with `reads` */
    size_t state_size;       /* bytes, at least 1 */
    uint32_t snapshot_every; /* events; 0 means 50; VARVE_NO_SNAPSHOTS */
    uint32_t state_version;  /* change it when the encoded state changes its meaning: older snapshots are ignored */

    /* Optional: a worker's own copy of the decider's context, for hosts whose interpreter is bound to one thread.
     * Without it `worker` is the ctx given to varve_engine_add_decider. */
    varve_status (*worker_open)(void *ctx, void **worker, varve_error *error);
    void (*worker_close)(void *worker);
    /* Optional: true when states take nearly all the worker's memory; those kept for later are given up then. */
    bool (*worker_is_full)(void *worker);

    varve_status (*initial)(void *worker, void *state, varve_error *error);
    void (*fini)(void *state);

    /* Pure: applies one event to the state. A type that it does not know is not an error. There is no position and no
     * recorded_at, and occurred_at only where it was given: the event may not be committed yet. */
    varve_status (*evolve)(void *state, const varve_event *event, varve_error *error);

    /* Either a table of handlers, ended by { NULL, NULL }, … */
    const varve_command_handler *commands;
    /* … or one function for all commands, which returns VARVE_NOT_FOUND for a type it does not know. */
    varve_decide decide;

    /* State to JSON and back, for snapshots and for showing. Without encode a state cannot be shown;
     * without both there are no snapshots. `decode` gets a state fresh from `initial`. */
    varve_status (*encode)(const void *state, varve_buf *json, varve_error *error);
    varve_status (*decode)(void *state, varve_str json, varve_error *error);

    varve_reads reads;           /* in place of `category`; then `commands` is the table of handlers */
    varve_enrich enrich;         /* optional */
    const char *const *enriched; /* the types of command that it is called for, ended by NULL; NULL: all */
    uint32_t enrich_timeout_ms;  /* from the command's arrival until all is asked; 0 means 5000, 60000 at most */
    bool record_context;         /* the context stands in the metadata of the command's events, as "context" */
} varve_decider;

/*
 * Registers a decider before varve_engine_start. The table is borrowed until the engine is closed.
 * VARVE_INVALID when it is incomplete or its category has a decider already.
 */
VARVE_API varve_status varve_engine_add_decider(varve_engine *engine, const varve_decider *decider, void *ctx,
                                                varve_error *error);

/* What became of a command; start from {0}, end with varve_outcome_fini. */
typedef struct varve_outcome {
    varve_str stream;
    uint64_t version;        /* the stream's, after the command */
    uint64_t first_position; /* 0 when the command was accepted without an event */
    uint64_t last_position;
    const varve_event *events;
    size_t event_count;
    varve_str code;           /* VARVE_REJECTED: the domain's word … */
    varve_str message;        /* … and its explanation */
    uint64_t current_version; /* VARVE_CONFLICT with an error's detail that is not negative: the stream's */
    varve_uuid id;            /* the command's */
    bool repeated;            /* the first outcome of a command that was sent before */
    void *memory;             /* holds all of the above */
} varve_outcome;

VARVE_API void varve_outcome_fini(varve_outcome *outcome);
/* Appends {"stream","version","first_position","last_position","events":[…]}, or for a rejection {"code","message"};
 * with "repeated":true when it is a repeat. */
VARVE_API void varve_outcome_write_json(const varve_outcome *outcome, varve_buf *out);

/*
 * Executes a command, again when somebody else was faster (bounded), and waits; not from a callback. VARVE_OK: it is
 * durable. VARVE_REPEATED: this id was accepted before, here is the first outcome. VARVE_REJECTED: by the domain; it is
 * kept when the caller gave the id, and a repeat is told it again. VARVE_ID_CONFLICT: the id is another command's.
 * VARVE_NOT_FOUND: no decider for the category or the command. VARVE_CONFLICT: the pinned version does not hold; or,
 * with a detail of -1, new events matched a decider's query each time. VARVE_APPLICATION: its own code failed.
 * VARVE_ENRICH_FAILED: see varve_enrich. Otherwise as varve_append. `outcome` may be NULL.
 */
VARVE_API varve_status varve_execute(varve_engine *engine, const varve_command *command, varve_outcome *outcome,
                                     varve_error *error);

/* Receives what varve_execute would have returned, borrowed for the call, on an engine thread: must not block. */
typedef void (*varve_execute_callback)(void *ctx, varve_status status, const varve_outcome *outcome,
                                       const varve_error *error);

/*
 * Queues a command (copied) and returns at once. Commands on one stream take effect in the order they were
 * queued, and may share one flush; each is accepted or rejected by itself, when what it was decided on is durable.
 * VARVE_OK when the callback will be called exactly once; a failure when it never will (VARVE_INVALID,
 * VARVE_NOT_FOUND: no decider for the category, VARVE_BUSY, VARVE_UNAVAILABLE, VARVE_NOMEM).
 */
VARVE_API varve_status varve_execute_async(varve_engine *engine, const varve_command *command,
                                           varve_execute_callback callback, void *ctx, varve_error *error);

/* Reads the JSON of a command; free with varve_command_json_free. */
typedef struct varve_command_json varve_command_json;

/*
 * Parses {"type","stream","data"?,"id"?,"expected_version"?,"correlation_id"?,"causation_id"?,"not_before"?}. When
 * `type` is not empty it is the command's type and "type" is not allowed. expected_version is a number, "any", "none"
 * or "exists"; not_before a time. Views point into `json`, which must outlive the result. VARVE_INVALID names the
 * field; unknown fields are refused.
 */
VARVE_API varve_status varve_command_json_parse(varve_command_json **parsed, varve_str json, varve_str type,
                                                varve_error *error);
/* Borrowed from `parsed`; may be changed before use. */
VARVE_API varve_command *varve_command_json_command(varve_command_json *parsed);
VARVE_API void varve_command_json_free(varve_command_json *parsed);

#ifdef __cplusplus
}
#endif
#endif
