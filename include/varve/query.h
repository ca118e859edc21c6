/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The query side: SQL projections, which keep read models, and named queries, which ask them.
 *
 * Threads: every function may be called from any thread.
 */
#ifndef VARVE_QUERY_H
#define VARVE_QUERY_H

#include <varve/event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_engine varve_engine;

/*
 * Registers a projection or a query, written as SQL text with `-- @…` directives, before
 * varve_engine_start. `file` is what errors call it: "projections/order_summary.sql:7: …". The text
 * is checked as far as possible without its tables, the rest when the engine starts; both ways a
 * mistake is VARVE_INVALID with file and line. Text is copied.
 */
VARVE_API varve_status varve_engine_add_projection(varve_engine *engine, const char *file, varve_str text,
                                                   varve_error *error);
VARVE_API varve_status varve_engine_add_query(varve_engine *engine, const char *file, varve_str text,
                                              varve_error *error);

/* ---- projections ---- */

typedef enum varve_projection_state {
    VARVE_PROJECTION_CATCHING_UP,
    VARVE_PROJECTION_LIVE,
    VARVE_PROJECTION_FAULTED, /* stopped at an event that fails for good; `problem` says which and why */
    VARVE_PROJECTION_STOPPED, /* nobody runs it: the engine is read-only or not started */
    VARVE_PROJECTION_STANDBY, /* `owner`, another process on this store, runs it; when that ends, this one may */
} varve_projection_state;

VARVE_API const char *varve_projection_state_word(varve_projection_state state); /* "live", … */

/* A projection as it stands; views are borrowed for the visit. */
typedef struct varve_projection_status {
    varve_str name;
    uint32_t version;
    varve_str mode;      /* "async" */
    uint32_t partitions; /* that it declares; 1: none */
    varve_projection_state state;
    uint64_t position; /* of the generation that serves */
    uint64_t head;
    varve_str problem; /* empty unless faulted, the last rebuild failed or it belongs to another history of the log */
    varve_str owner;   /* the process that runs it, on a store that several processes may share; else empty */
    uint64_t failed_position; /* the event that it is faulted at; 0: none (projection.h says how it goes on) */
    uint64_t parked;          /* events set aside in the generation that serves (projection.h) */
    uint64_t events_applied;  /* by this process, rebuilds included */
    uint64_t failures;        /* attempts of this process that failed, those that were repeated included */
    bool rebuilding;          /* the five below are about the generation being built */
    bool rebuild_queued;      /* its turn has not come: only so many are built at once */
    uint64_t rebuild_done;
    uint64_t rebuild_total;
    double rebuild_rate; /* events a second */
    double rebuild_seconds_left;
} varve_projection_status;

typedef void (*varve_projection_visit)(void *ctx, const varve_projection_status *status);

/* Visits all projections in order of name, or the one called `name` (VARVE_NOT_FOUND). */
VARVE_API varve_status varve_projection_list(varve_engine *engine, varve_str name, varve_projection_visit visit,
                                             void *ctx, varve_error *error);

/*
 * Appends {"name","version","mode","state","position","head","lag","parked","rebuild":{"done","total","rate",
 * "seconds_left","queued"}|null}; "owner", "problem" and "failed_position" are there when there is one, "partitions"
 * when there are several.
 */
VARVE_API void varve_projection_write_json(const varve_projection_status *status, varve_buf *out);

/*
 * Starts building a new generation from position 0 beside the one that serves, and returns; the
 * switch comes when it has caught up. It may have to wait for its turn (varve_engine_options.rebuilds).
 * VARVE_OK also when one is being built already. VARVE_NOT_FOUND,
 * VARVE_UNAVAILABLE (nobody runs projections here, or this one is on standby: its owner has to be asked).
 */
VARVE_API varve_status varve_projection_rebuild(varve_engine *engine, varve_str name, varve_error *error);

/* ---- queries ---- */

typedef struct varve_query_param {
    varve_str name;
    varve_str value; /* as text; read by the type the query declares */
} varve_query_param;

typedef struct varve_query_request {
    varve_str name;
    const varve_query_param *params;
    size_t param_count;
    uint32_t limit;          /* rows; 0 means 20; at most 1000 */
    varve_str cursor;        /* `next` of the answer before, with the same parameters; empty: the first page */
    uint64_t after_position; /* the models must have reached this position; 0: as they are */
    uint32_t wait_ms;        /* for that, at most; 0 means 5000 */
} varve_query_request;

/* An answer; start from {0}, end with varve_answer_fini. */
typedef struct varve_answer {
    varve_str rows; /* a JSON array of objects, one a row */
    size_t row_count;
    uint64_t position; /* the answer reflects the log up to here (the smallest of the models it read) */
    varve_str next;    /* cursor of the next page; empty: there is none */
    void *memory;
} varve_answer;

VARVE_API void varve_answer_fini(varve_answer *answer);

/* Appends {"rows":[…],"position","next":CURSOR|null}. */
VARVE_API void varve_answer_write_json(const varve_answer *answer, varve_buf *out);

/*
 * Asks a named query. A page begins behind the values of the last row of the page before, so rows that
 * come or go meanwhile make no other row come twice or not at all; one whose place in the order changes
 * may. VARVE_NOT_FOUND: no such query. VARVE_INVALID: a parameter is missing, unknown
 * or not of its type; a cursor that is not one of ours. VARVE_TIMEOUT: the models did not reach
 * after_position in time, or the query ran longer than 10 s. VARVE_TOO_LARGE: a page over 16 MiB, or
 * rows that only values too long for a cursor tell apart.
 * VARVE_UNAVAILABLE: there is no read model yet that fits the query, or the engine stops.
 * VARVE_APPLICATION: the database refused it. May wait; not from a callback.
 */
VARVE_API varve_status varve_query(varve_engine *engine, const varve_query_request *request, varve_answer *answer,
                                   varve_error *error);

/*
 * Says how the database would answer the request, which is not run: appends {"query","statement",
 * "parameters":{"p1":NAME,…},"reads":[{"projection","generation"|null,"position"}],"position","plan":[LINE,…],
 * "warnings":[TEXT,…]}. `statement` is the one that is run first for this page, `plan` the database's own
 * words, and a warning says what will be slow once the model has grown. Fails as varve_query.
 */
VARVE_API varve_status varve_query_explain(varve_engine *engine, const varve_query_request *request, varve_buf *out,
                                           varve_error *error);

/* VARVE_OK or VARVE_TIMEOUT, or VARVE_UNAVAILABLE when the engine stops. On an engine thread: must not block. */
typedef void (*varve_query_ready)(void *ctx, varve_status status);

/*
 * Calls back once, when the models that the query reads have reached after_position or wait_ms is
 * over, so that a server need not hold a thread for read-your-writes. VARVE_DONE: nothing to wait
 * for, the callback will not be called. VARVE_OK: it will be. VARVE_BUSY: too many are waiting.
 */
VARVE_API varve_status varve_query_wait(varve_engine *engine, varve_str name, uint64_t after_position, uint32_t wait_ms,
                                        varve_query_ready ready, void *ctx, varve_error *error);

/*
 * Have the models that the query reads reached the position? VARVE_TIMEOUT: not yet; the error says which one is
 * behind, and why it may stay there. VARVE_NOT_FOUND: no such query. May block on the database, briefly.
 */
VARVE_API varve_status varve_query_reached(varve_engine *engine, varve_str name, uint64_t position, varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
