/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator does with projections: events that could not be applied, and whether a model is what its log says.
 *
 * An event that cannot be applied for good (a constraint, a value out of range) stops its projection there: its state
 * is faulted, `problem` names the event and `failed_position` is where. It goes on by varve_projection_retry once the
 * cause is gone, by varve_projection_skip without the event, or by a rebuild. A projection that says
 * `-- @on_error park` instead sets such an event aside and goes on: it is parked in the model's own database until it
 * is retried or skipped. At most VARVE_PROJECTION_PARKED_MAX are; the next one stops the projection. Each generation
 * has its own: a rebuild tries everything again.
 *
 * Threads: every function may be called from any thread, but not from a callback. All of them may wait.
 */
#ifndef VARVE_PROJECTION_H
#define VARVE_PROJECTION_H

#include <varve/query.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VARVE_PROJECTION_PARKED_MAX 1000u

/* A parked event. Texts are borrowed for the call. */
typedef struct varve_projection_parked_event {
    uint64_t position;
    varve_str id;
    varve_str type, stream; /* as it is in the log */
    uint64_t version;
    uint32_t attempts;   /* that failed */
    varve_str error;     /* why the last one did */
    varve_str parked_at; /* RFC 3339, UTC */
} varve_projection_parked_event;

/* A positive return ends the visit. */
typedef varve_status (*varve_projection_parked_visit)(void *ctx, const varve_projection_parked_event *parked);

/*
 * Visits the parked events of the generation that serves, behind the position `after` (0: from the first), `limit` at
 * most (0: all), whoever runs the projection. VARVE_DONE: no more; VARVE_OK: there may be more. VARVE_NOT_FOUND: no
 * such projection, or it has no model yet.
 */
VARVE_API varve_status varve_projection_parked(varve_engine *engine, varve_str name, uint64_t after, uint64_t limit,
                                               varve_projection_parked_visit visit, void *ctx, varve_error *error);

/* Appends {"position","id","type","stream","version","attempts","error","parked_at"}. */
VARVE_API void varve_projection_parked_write_json(const varve_projection_parked_event *parked, varve_buf *out);

typedef struct varve_projection_action {
    size_t size; /* sizeof(varve_projection_action), or 0 for this version's */
    varve_str name;
    uint64_t position;
    varve_str actor, reason; /* for the engine's log; may be empty */
} varve_projection_action;

/*
 * With a position: applies this parked event now, as upcasters make it today, to the model as it is now, and takes it
 * off the list in the same transaction. VARVE_APPLICATION: it failed again, and stays. VARVE_NOT_FOUND: it is not
 * parked. Without: has a faulted projection go on where it stopped. VARVE_APPLICATION: it stopped there again.
 * VARVE_CONFLICT: it is not faulted. Both: VARVE_UNAVAILABLE (nobody runs projections here, or this one is on standby:
 * its owner has to be asked).
 */
VARVE_API varve_status varve_projection_retry(varve_engine *engine, const varve_projection_action *action,
                                              varve_error *error);

/*
 * Gives an event up: takes a parked one off the list, or has a projection that is faulted at this position go on behind
 * it. A rebuild meets it again. VARVE_NOT_FOUND: it is neither. UNAVAILABLE as above.
 */
VARVE_API varve_status varve_projection_skip(varve_engine *engine, const varve_projection_action *action,
                                             varve_error *error);

/* ---- checking ---- */

typedef enum varve_projection_difference_kind {
    VARVE_ROW_DIFFERS,   /* the same key, other values */
    VARVE_ROW_MISSING,   /* the log makes it, the model does not have it */
    VARVE_ROW_EXTRA,     /* the model has it, the log does not make it */
    VARVE_TABLE_DIFFERS, /* its columns, or it is in one of them only; its rows are not compared */
} varve_projection_difference_kind;

VARVE_API const char *varve_projection_difference_word(varve_projection_difference_kind kind); /* "differs", … */

/* Texts are borrowed for the call. */
typedef struct varve_projection_difference {
    varve_projection_difference_kind kind;
    varve_str table;
    varve_str live, fresh; /* the row as a JSON object; empty where there is none */
} varve_projection_difference;

typedef struct varve_projection_check_options {
    size_t size; /* sizeof(varve_projection_check_options), or 0 for this version's */
    varve_str name;
    uint64_t limit; /* differences to tell of; 0: 100. All are counted */
    /* A positive return ends the check. NULL: none wanted. */
    varve_status (*visit)(void *ctx, const varve_projection_difference *difference);
    /* Now and then while the fresh model is built, up to `done` of `total` positions, and while rows are compared. A
     * positive return ends the check. NULL: none wanted. */
    varve_status (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
} varve_projection_check_options;

typedef struct varve_projection_check_summary {
    uint64_t position; /* both models stood here */
    uint64_t tables;
    uint64_t rows_compared;
    uint64_t differing, missing, extra, tables_differing;
    uint64_t parked_live, parked_fresh; /* events that are parked in each of them, which may be why they differ */
} varve_projection_check_summary;

/*
 * Builds a fresh generation beside the one that serves, up to the same position, and compares all tables of the two,
 * row by row. Events may come in and queries be asked meanwhile: the live model is read in one snapshot and nothing of
 * it is changed; the fresh one is removed again. Works beside the process that runs the projections, too. It takes as
 * long as a rebuild, on the calling thread, and the space of another model.
 *
 * VARVE_OK: compared; the summary says how many differences there are. VARVE_DONE: a callback ended it.
 * VARVE_NOT_FOUND: no such projection, or it has no model. VARVE_BUSY: it is being checked already. VARVE_UNAVAILABLE:
 * the live model was made by another version, or does not fit the log, and is about to be rebuilt. VARVE_APPLICATION:
 * the fresh one met an event that cannot be applied.
 */
VARVE_API varve_status varve_projection_check(varve_engine *engine, const varve_projection_check_options *options,
                                              varve_projection_check_summary *summary, varve_error *error);

/*
 * The same on a thread of the engine's own, and comes back at once. One check runs at a time (VARVE_BUSY), and what it
 * found is kept until the next one begins. VARVE_NOT_FOUND.
 */
VARVE_API varve_status varve_projection_check_start(varve_engine *engine, varve_str name, varve_error *error);

/*
 * Appends how the check that was started last stands: {"state":"running"|"done"|"failed","done","total",
 * "problem":TEXT|null,"differences":[…], and what varve_projection_check_write_json writes}. At most 100 differences
 * and 1 MiB of them. VARVE_NOT_FOUND: there is no such projection, or it was not this one's.
 */
VARVE_API varve_status varve_projection_check_look(varve_engine *engine, varve_str name, varve_buf *out,
                                                   varve_error *error);

/* Appends "name", "position", "tables", "rows_compared", "differing", "missing", "extra", "tables_differing" and
 * "parked":{"live","fresh"}: the members of an object, without its braces. */
VARVE_API void varve_projection_check_write_json(varve_str name, const varve_projection_check_summary *summary,
                                                 varve_buf *out);

/* Appends {"table","kind","live":{…}|null,"fresh":{…}|null}. */
VARVE_API void varve_projection_difference_write_json(const varve_projection_difference *difference, varve_buf *out);

#ifdef __cplusplus
}
#endif
#endif
