/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projections that start at position 0 of a log that is there: one in SQL, twenty of them at once, and what the one
 * does in C and in Lua.
 */
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>
#include <varve/projector.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/bench.h"
#include "lua/projection.h"

/* The engine commits after as many events: BATCH_EVENTS in query/follower.c. */
enum { BATCH = 8000, PATIENCE_MS = 600000, MANY = 20 };

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

/* ---- the same in code ---- */

static varve_status apply(void *worker, const varve_event *event, varve_model *model, varve_error *error)
{
    int64_t amount = 0;
    varve_buf *customer = worker;
    varve_buf_reset(customer);
    varve_status status = varve_json_string(event->data, "customer_id", customer, error);
    if (status >= 0) status = varve_json_int(event->data, "total_amount", &amount, error);
    if (status < 0) return status;
    const varve_model_param params[] = {
        { VARVE_STR("stream"), { .kind = VARVE_VALUE_TEXT, .text = event->stream } },
        { VARVE_STR("customer"), { .kind = VARVE_VALUE_TEXT, .text = varve_buf_view(customer) } },
        { VARVE_STR("amount"), { .kind = VARVE_VALUE_INTEGER, .integer = amount } },
    };
    return varve_model_run(model, VARVE_STR(CHANGE(":stream", ":customer", ":amount")), params, 3, error);
}

static const char *const types[] = { "OrderPlaced", "OrderAmended", "OrderPaid", "OrderShipped", NULL };

static const varve_projector projector = {
    .name = "orders_0",
    .version = 1,
    .types = types,
    .create = TABLE,
    .apply = apply,
};

#define CHANGE_IN_CODE CHANGE(":stream", ":customer", ":amount")

static const char projection_lua[] =
    "local function change(event, db)\n"
    "  local data = event.data\n"
    "  db.run([[" CHANGE_IN_CODE "]],\n"
    "    { stream = event.stream, customer = data.customer_id, amount = data.total_amount })\n"
    "end\n"
    "return { name = 'orders_0', version = 1, create = '" TABLE "',\n"
    "  on = { OrderPlaced = change, OrderAmended = change, OrderPaid = change,\n"
    "    OrderShipped = change } }\n";

/* ---- the rows ---- */

enum written { IN_SQL, IN_C, IN_LUA };

struct projecting {
    enum written written;
    struct lua_projection *lua; /* of an engine that runs */
    varve_buf customer;         /* the projector's worker */
    char path[PLACE_BYTES];
    char models[PLACE_BYTES]; /* the engine's folder of models */
    char model[PLACE_BYTES];  /* the bare one */
    uint64_t events;
    unsigned count; /* of projections */
};

static void close_projecting(void *state)
{
    struct projecting *projecting = state;
    varve_buf_fini(&projecting->customer);
    free(projecting);
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

static varve_status open_as(void **state, struct bench *bench, enum written written, varve_error *error)
{
    varve_status status = open_projecting(state, bench, 1, error);
    if (status >= 0) ((struct projecting *)*state)->written = written;
    return status;
}

static varve_status open_in_c(void **state, struct bench *bench, varve_error *error)
{
    return open_as(state, bench, IN_C, error);
}

static varve_status open_in_lua(void **state, struct bench *bench, varve_error *error)
{
    return open_as(state, bench, IN_LUA, error);
}

static varve_status add_written(struct projecting *projecting, varve_engine *engine, unsigned number,
                                varve_error *error)
{
    char file[64], text[2048];
    varve_status status = VARVE_OK;
    switch (projecting->written) {
    case IN_C:
        return varve_engine_add_projector(engine, &projector, &projecting->customer, error);
    case IN_LUA:
        status = lua_projection_open(&projecting->lua, "orders.lua", varve_str_of(projection_lua), error);
        return status < 0 ? status : lua_projection_add(projecting->lua, engine, error);
    default:
        snprintf(file, sizeof file, "projections/orders_%u.sql", number);
        snprintf(text, sizeof text, projection_sql, number);
        return varve_engine_add_projection(engine, file, varve_str_of(text), error);
    }
}

static varve_status add_projection(struct projecting *projecting, varve_engine *engine, unsigned number,
                                   varve_error *error)
{
    char file[64], text[2048];
    varve_status status = add_written(projecting, engine, number, error);
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
    for (unsigned i = 0; i < projecting->count && status >= 0; i++)
        status = add_projection(projecting, engine, i, error);
    uint64_t start = clock_ns();
    if (status >= 0) status = varve_engine_start(engine, error);
    for (unsigned i = 0; i < projecting->count && status >= 0; i++)
        status = wait_for(engine, i, projecting->events, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)projecting->events * projecting->count;
    varve_engine_close(engine);
    lua_projection_close(projecting->lua);
    projecting->lua = NULL;
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

const struct row projection_in_c = { "projection_c", "the same in C", "events/s",      0.7, open_in_c,
                                     ours,           limit,           close_projecting };

const struct row projection_in_lua = { "projection_lua", "the same in Lua", "events/s", 0.35, open_in_lua, ours, limit,
                                       close_projecting };
