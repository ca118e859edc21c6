/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projections in C: for read models that statements in a SQL file (query.h) cannot keep. Everything else is as there:
 * generations, rebuilds and the switch, upcast events, one owner among processes, queries; and whatever crashes, each
 * event takes effect exactly once, because the statements that it leads to commit together with the checkpoint.
 *
 * Threads: a projector's functions run on the engine's workers, each worker with a `worker` of its own; a rebuild has
 * one more, beside the one that serves, and each partition has one. A varve_model belongs to the call of `apply` that
 * it was given to.
 */
#ifndef VARVE_PROJECTOR_H
#define VARVE_PROJECTOR_H

#include <varve/event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_engine varve_engine;

#define VARVE_PARTITIONS_MAX       16u
#define VARVE_MODEL_STATEMENTS_MAX 64u /* that a worker keeps prepared; of more the one not used for longest goes */

/* A read model while an event changes it; alive for one call of `apply`. */
typedef struct varve_model varve_model;

typedef enum varve_value_kind {
    VARVE_VALUE_NULL,
    VARVE_VALUE_INTEGER,
    VARVE_VALUE_REAL,
    VARVE_VALUE_TEXT,
    VARVE_VALUE_BLOB,
    VARVE_VALUE_BOOLEAN, /* where a database has no booleans it is kept as 0 or 1, and comes back as an integer */
    VARVE_VALUE_JSON,    /* JSON text; where a database has no such type it is kept, and comes back, as text */
} varve_value_kind;

/* A value on its way to the database or back. A number too long for the two fields comes back as JSON. */
typedef struct varve_value {
    varve_value_kind kind;
    int64_t integer; /* INTEGER; BOOLEAN: 0 or 1 */
    double real;     /* REAL, finite */
    varve_str text;  /* TEXT and JSON: UTF-8 without NUL; BLOB */
} varve_value;

typedef struct varve_model_param {
    varve_str name; /* without the colon */
    varve_value value;
} varve_model_param;

typedef struct varve_model_row {
    size_t column_count;
    const varve_str *names;
    const varve_value *values;
} varve_model_row;

/*
 * Runs one statement to its end: it changes rows of the model, and nothing else. Its parameters are written `:name`;
 * one that is not given is NULL, and a name that the statement does not have is an error. A part behind a line
 * `-- @sqlite` or `-- @postgres` is for that database alone. The text is prepared once and found again by what it says,
 * so values belong into parameters. Texts are borrowed for the call. VARVE_OK may come before the database has said so:
 * then a later call tells the failure, or none does; the event fails all the same.
 *
 * After a failure, here or below, the event has failed: what it changed is undone, `apply` cannot go on with something
 * else, and every further call fails the same way. VARVE_INVALID: the statement, its parameters or a value are wrong;
 * VARVE_CONFLICT: a constraint does not hold; VARVE_DENIED: it does more than change rows, or names varve's own tables;
 * VARVE_BUSY, VARVE_IO … : what may pass is tried again by the engine. Only within `apply`, on its thread.
 */
VARVE_API varve_status varve_model_run(varve_model *model, varve_str statement, const varve_model_param *params,
                                       size_t param_count, varve_error *error);

/*
 * The same for a statement whose rows are wanted; it sees what was written before. Rows are taken one by one with
 * varve_model_next, which returns VARVE_OK, or VARVE_DONE when there is none left; a row is borrowed until the next
 * call with this model. The next statement ends the question.
 */
VARVE_API varve_status varve_model_ask(varve_model *model, varve_str statement, const varve_model_param *params,
                                       size_t param_count, varve_error *error);
VARVE_API varve_status varve_model_next(varve_model *model, varve_model_row *row, varve_error *error);

/* A constant table; it and its texts are borrowed until the engine is closed. */
typedef struct varve_projector {
    const char *name;         /* snake_case: what queries call the model */
    uint32_t version;         /* from 1; change it when `apply` makes something else of the same events: the model is
                                 built anew then, as it is when `create` or `types` change */
    const char *const *types; /* the types of event that it wants, as they are today; ended by NULL */
    const char *create;       /* the statements that make its tables, as behind `-- @create` in a file */
    const char *file;         /* what errors call the place of `create`; NULL: the name */
    uint32_t line;            /* of `file`, on which `create` begins; 0 means 1 */
    bool parks;               /* `-- @on_error park`: an event that fails for good is set aside (projection.h) */
    uint32_t partitions;      /* `-- @partitions N`: from 2 to VARVE_PARTITIONS_MAX it says that each row belongs to one
                                 stream, and where several connections can write a model, so many threads call `apply`
                                 at once, each for streams of its own; 0 and 1: one does */

    /* Optional: a worker's own copy of the ctx, as in varve_decider. Without it `worker` is the ctx itself. */
    varve_status (*worker_open)(void *ctx, void **worker, varve_error *error);
    void (*worker_close)(void *worker);

    /*
     * Changes the model by an event of one of its types, with the functions above and through nothing else. The same
     * event comes again after a failure, a crash or in a rebuild, so it has to lead to the same: no clock, no
     * randomness, no I/O, and nothing remembered in the worker that the model does not say. A failure of its own stops
     * the projection at this event, which its status names.
     */
    varve_status (*apply)(void *worker, const varve_event *event, varve_model *model, varve_error *error);
} varve_projector;

/*
 * Registers a projection in C before varve_engine_start. VARVE_INVALID: something is missing, the name is taken, or the
 * database refuses `create`, with its file and line. Opens and closes a worker, to see whether it can.
 */
VARVE_API varve_status varve_engine_add_projector(varve_engine *engine, const varve_projector *projector, void *ctx,
                                                  varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
