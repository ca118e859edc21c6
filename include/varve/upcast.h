/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upcasters: what an event that was written years ago is today. The log keeps what was appended; aggregates and
 * projections see what the upcasters make of it when it is read, and so does whoever asks for it (varve_shapes).
 *
 * Threads: an upcaster's functions run on the engine's workers, several at once where it has no worker_open. One
 * varve_shapes is used by one thread at a time.
 */
#ifndef VARVE_UPCAST_H
#define VARVE_UPCAST_H

#include <varve/event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_engine varve_engine;

#define VARVE_UPCASTERS_MAX 1000u /* of an engine */
#define VARVE_SHAPES_MAX    1000u /* events that one event can become, those on the way there included */

/* A shape of event: its type, and the version of what its data looks like. */
typedef struct varve_shape {
    const char *type;
    uint32_t schema_version; /* 0 means 1 */
} varve_shape;

/* Where an upcaster puts what an event becomes; alive for one call of it. */
typedef struct varve_upcasting varve_upcasting;

/*
 * Gives an event (copied) in the place of the one that is upcast; several times for one that is split, never for one
 * that is dropped. Only type, data, content_type, tags, schema_version and occurred_at are looked at; nothing of these
 * is taken over from the old event but occurred_at, where it is 0 here. All else stays what it was: stream, version,
 * position, id. An empty type, and a schema_version 0, is the declared one where only one is declared. Returns
 * VARVE_OK, or a failure (it is no event, or of a shape that was not declared) that the upcaster returns in turn.
 */
VARVE_API varve_status varve_upcast_emit(varve_upcasting *into, const varve_event *event);

/*
 * Makes events of one shape events of others. What it gives is upcast in turn where there is an upcaster for it, so
 * that each knows one step. A constant table, borrowed until the engine is closed.
 */
typedef struct varve_upcaster {
    varve_shape from;
    const varve_shape *into; /* the shapes that it may give; NULL: `from` with the next schema_version */
    size_t into_count;
    /* Another text when the upcaster gives something else than before: snapshots and read models are made of what it
     * gave, and are made anew then. May be empty. */
    varve_str revision;

    /* Optional: a worker's own copy of the context, as in varve_decider, opened when it is first needed. */
    varve_status (*worker_open)(void *ctx, void **worker, varve_error *error);
    void (*worker_close)(void *worker);

    /* Pure: no I/O, no clock, no randomness. As in evolve there is no position and no recorded_at, and occurred_at only
     * where it was given. */
    varve_status (*upcast)(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error);
} varve_upcaster;

/* An upcaster with its ctx, where there is no engine to add them to (varve/trial.h). */
typedef struct varve_upcaster_item {
    const varve_upcaster *upcaster;
    void *ctx;
} varve_upcaster_item;

/*
 * Registers an upcaster before varve_engine_start. VARVE_INVALID: it is incomplete, there is one for its shape already,
 * or with the others it would lead back to its own shape, so that events went round for ever.
 */
VARVE_API varve_status varve_engine_add_upcaster(varve_engine *engine, const varve_upcaster *upcaster, void *ctx,
                                                 varve_error *error);

/* ---- for subscribers, and whoever else reads the log ---- */

/* What upcasters make of one event after another. */
typedef struct varve_shapes varve_shapes;

/* On a started engine, before which it is closed. VARVE_UNAVAILABLE, VARVE_NOMEM. */
VARVE_API varve_status varve_shapes_open(varve_shapes **shapes, varve_engine *engine, varve_error *error);

/*
 * What `event` is today: `*events` are `*count` events, which are the event itself where there is no upcaster for it,
 * and none when it is dropped. All have its stream, version, position and id: a reader notes a position when it is done
 * with all of them. Borrowed from the event and until the next call. VARVE_APPLICATION names the upcaster that failed.
 */
VARVE_API varve_status varve_shapes_of(varve_shapes *shapes, const varve_event *event, const varve_event **events,
                                       size_t *count, varve_error *error);

/*
 * The types that events can have in the log which are, or become, one of these today: what to read by. `*stored` is
 * borrowed until the next call. VARVE_NOMEM.
 */
VARVE_API varve_status varve_shapes_types(varve_shapes *shapes, const varve_str *types, size_t type_count,
                                          const varve_str **stored, size_t *stored_count, varve_error *error);

/* NULL is allowed. */
VARVE_API void varve_shapes_close(varve_shapes *shapes);

#ifdef __cplusplus
}
#endif
#endif
