/* SPDX-License-Identifier: Apache-2.0 */
/* SQL projections that start at position 0 of a log that is there: one, and twenty at once. */
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/bench.h"

/* The engine commits after as many events: BATCH_EVENTS in query/follower.c. */
enum { BATCH = 1000, PATIENCE_MS = 600000, MANY = 20 };

#define TABLE                                                                                                   \
    "CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL, event_count INTEGER NOT NULL, " \
    "total_amount INTEGER NOT NULL)"
#define CHANGE(stream, customer, amount)                                                                         \
    "INSERT INTO orders (order_id, customer_id, event_count, total_amount) VALUES (" stream ", " customer        \
    ", 1, " amount                                                                                               \
    ") ON CONFLICT (order_id) DO UPDATE SET customer_id = excluded.customer_id, event_count = event_count + 1, " \
    "total_amount = total_amount + excluded.total_amount"

static const char projection_sql[] =
    "-- @projection orders_%u\n"
    "-- @version 1\n"
    "-- @create\n" TABLE ";\n"
    "-- @on OrderPlaced, OrderAmended, OrderPaid, OrderShipped\n" CHANGE(":stream", ":data.customer_id",
                                                                         ":data.total_amount") ";\n";

static const char query_sql[] = "-- @query totals_%u\n"
                                "-- @reads orders_%u\n"
                                "SELECT count(*) AS orders, sum(event_count) AS events FROM orders_%u.orders\n";

struct projecting {
    char path[PLACE_BYTES];
    char models[PLACE_BYTES]; /* the engine's folder of models */
    char model[PLACE_BYTES];  /* the bare one */
    uint64_t events;
    unsigned count; /* of projections */
};

static void close_projecting(void *state)
{
    free(state);
}

static varve_status open_projecting(void **state, struct bench *bench, unsigned count, varve_error *error)
{
    struct projecting *projecting = calloc(1, sizeof *projecting);
    if (projecting == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    projecting->events = bench->corpus.events;
    projecting->count = count;
    varve_status status = bench_log(bench, "log.db", projecting->path, error);
    if (status >= 0) status = place_path(projecting->models, bench->folder, "log.db.models", error);
    if (status >= 0) status = place_path(projecting->model, bench->folder, "model.db", error);
    if (status < 0) {
        close_projecting(projecting);
        return status;
    }
    *state = projecting;
    return VARVE_OK;
}

static varve_status open_one(void **state, struct bench *bench, varve_error *error)
{
    return open_projecting(state, bench, 1, error);
}

static varve_status open_many(void **state, struct bench *bench, varve_error *error)
{
    return open_projecting(state, bench, MANY, error);
}

static varve_status add_projection(varve_engine *engine, unsigned number, varve_error *error)
{
    char file[64], text[2048];
    snprintf(file, sizeof file, "projections/orders_%u.sql", number);
    snprintf(text, sizeof text, projection_sql, number);
    varve_status status = varve_engine_add_projection(engine, file, varve_str_of(text), error);
    snprintf(file, sizeof file, "queries/totals_%u.sql", number);
    snprintf(text, sizeof text, query_sql, number, number, number);
    return status < 0 ? status : varve_engine_add_query(engine, file, varve_str_of(text), error);
}

/* Asks for a position, which waits until the model is there, and checks that nothing was left out. */
static varve_status wait_for(varve_engine *engine, unsigned number, uint64_t events, varve_error *error)
{
    char name[32];
    varve_answer answer = { 0 };
    snprintf(name, sizeof name, "totals_%u", number);
    const varve_query_request request = {
        .name = varve_str_of(name),
        .after_position = events,
        .wait_ms = PATIENCE_MS,
    };
    int64_t counted = 0;
    varve_status status = varve_query(engine, &request, &answer, error);
    if (status >= 0) status = varve_json_int(answer.rows, "[0].events", &counted, error);
    if (status >= 0 && counted != (int64_t)events)
        status = varve_error_set(error, VARVE_CORRUPT, "the model counted %lld events, not %llu", (long long)counted,
                                 (unsigned long long)events);
    varve_answer_fini(&answer);
    return status;
}

static varve_status ours(void *state, struct sample *sample, varve_error *error)
{
    struct projecting *projecting = state;
    char uri[PLACE_BYTES + 8];
    varve_engine *engine = NULL;
    snprintf(uri, sizeof uri, "sqlite:%s", projecting->path);
    const varve_engine_options options = { .store = uri, .must_exist = true };
    place_remove(projecting->models);
    varve_status status = varve_engine_open(&engine, &options, error);
    for (unsigned i = 0; i < projecting->count && status >= 0; i++) status = add_projection(engine, i, error);
    uint64_t start = clock_ns();
    if (status >= 0) status = varve_engine_start(engine, error);
    for (unsigned i = 0; i < projecting->count && status >= 0; i++)
        status = wait_for(engine, i, projecting->events, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)projecting->events * projecting->count;
    varve_engine_close(engine);
    return status;
}

/* One model after the other. */
static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct projecting *projecting = state;
    static const char *const side_files[] = { "", "-wal", "-shm" };
    varve_status status = VARVE_OK;
    uint64_t start = clock_ns();
    for (unsigned n = 0; n < projecting->count && status >= 0; n++) {
        for (size_t i = 0; i < 3; i++) {
            char path[PLACE_BYTES + 4];
            snprintf(path, sizeof path, "%s%s", projecting->model, side_files[i]);
            place_remove(path);
        }
        uint64_t events = 0;
        status =
            bare_project(projecting->path, projecting->model, TABLE, CHANGE("?1", "?2", "?3"), BATCH, &events, error);
        sample->units += (double)events;
    }
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    if (status >= 0 && sample->units != (double)projecting->events * projecting->count)
        status = varve_error_set(error, VARVE_CORRUPT, "the bare loop saw %.0f events", sample->units);
    return status;
}

const struct row projection_catch_up = {
    "projection", "SQL projection catches up", "events/s", 0.7, open_one, ours, limit, close_projecting
};

const struct row projections_catch_up = {
    "projections_20", "20 SQL projections catch up", "events/s", 0.7, open_many, ours, limit, close_projecting
};
