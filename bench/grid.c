/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands by how many callers there are and over how many aggregates, decided in C and in Lua, on both stores; beside
 * appends of the same events from as many callers, in turns. Streams are the first of the corpus, with two events each.
 */
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>

#include "bench/bench.h"
#include "bench/callers.h"
#include "bench/measure.h"
#include "bench/orders.h"
#include "bench/print.h"
#include "lua/decider.h"

enum { CALLERS_MOST = 256, CALLS_EACH = 40, CALLS_LEAST = 400, ROUNDS = 5, QUICK_ROUNDS = 1 };

static const unsigned caller_counts[] = { 1, 64, 256 };
static const uint64_t aggregate_counts[] = { 1, 1000, 100000 };

enum who { IN_C, IN_LUA, APPENDS, WHOS };
static const char *const whos[WHOS] = { "C", "Lua", "appends" };

static const char lua_source[] = "local function add(state, event) state.events = state.events + 1 return state end\n"
                                 "local function as(type)\n"
                                 "  return function(state, command) return { type = type, data = command.data } end\n"
                                 "end\n"
                                 "return {\n"
                                 "  category = \"order\",\n"
                                 "  initial = function() return { events = 0 } end,\n"
                                 "  decide = { PlaceOrder = as(\"OrderPlaced\"), AmendOrder = as(\"OrderAmended\"),\n"
                                 "             PayOrder = as(\"OrderPaid\"), ShipOrder = as(\"OrderShipped\") },\n"
                                 "  evolve = { OrderPlaced = add, OrderAmended = add, OrderPaid = add,\n"
                                 "             OrderShipped = add },\n"
                                 "}\n";

/* One of the three, on a log of its own. */
struct side {
    const struct corpus *corpus;
    varve_engine *engine; /* NULL: appends */
    varve_store *store;
    uint64_t aggregates, next;
};

struct grid {
    const struct corpus *corpus;
    struct side sides[WHOS];
    struct lua_decider *lua;
    uint64_t *ns;
};

/* ---- one call ---- */

static varve_status execute(void *ctx, uint64_t index, varve_error *error)
{
    struct side *side = ctx;
    uint64_t number = side->next + index;
    char name[CORPUS_NAME_BYTES];
    const varve_command command = {
        .type = orders_command_type(number % CORPUS_TYPES),
        .stream = { name, corpus_name(number % side->aggregates, name) },
        .data = corpus_data(side->corpus, number),
    };
    return varve_execute(side->engine, &command, NULL, error);
}

static varve_status append(void *ctx, uint64_t index, varve_error *error)
{
    struct side *side = ctx;
    uint64_t number = side->next + index;
    char name[CORPUS_NAME_BYTES], id[VARVE_UUID_TEXT_BYTES], metadata[128];
    varve_uuid_format(varve_uuid_new(), id); /* what a command's events say of it */
    snprintf(metadata, sizeof metadata, "{\"correlation_id\":\"%s\",\"causation_id\":\"%s\"}", id, id);
    const varve_event event = {
        .stream = { name, corpus_name(number % side->aggregates, name) },
        .type = varve_str_of(corpus_types[number % CORPUS_TYPES]),
        .data = corpus_data(side->corpus, number),
        .metadata = varve_str_of(metadata),
    };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append(side->store, &request, NULL, error);
}

/* ---- one cell ---- */

static varve_status sample(struct grid *grid, enum who who, unsigned callers, uint64_t count, double *rate,
                           varve_error *error)
{
    struct side *side = &grid->sides[who];
    const struct callers calls = {
        .callers = callers, .count = count, .ctx = side, .call = who == APPENDS ? append : execute, .ns = grid->ns
    };
    double seconds = 0;
    varve_status status = callers_wait(&calls, &seconds, error);
    side->next += count;
    *rate = (double)count / seconds;
    return status >= 0 ? bench_go_on(error) : status;
}

static double median(double values[ROUNDS], int count)
{
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && values[j - 1] > values[j]; j--) {
            double other = values[j];
            values[j] = values[j - 1];
            values[j - 1] = other;
        }
    return values[count / 2];
}

static varve_status measure_cell(struct grid *grid, const char *store, unsigned callers, uint64_t aggregates,
                                 int rounds, varve_error *error)
{
    double rates[WHOS][ROUNDS], ratios[WHOS][ROUNDS];
    uint64_t count = callers * CALLS_EACH > CALLS_LEAST ? callers * CALLS_EACH : CALLS_LEAST;
    uint64_t p50[WHOS] = { 0 }, p99[WHOS] = { 0 };
    varve_status status = VARVE_OK;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < WHOS && status >= 0; i++) {
            int who = (round + i) % WHOS; /* none is always the first */
            grid->sides[who].aggregates = aggregates;
            status = sample(grid, (enum who)who, callers, count, &rates[who][round], error);
            p50[who] = measure_percentile(grid->ns, count, 0.50);
            p99[who] = measure_percentile(grid->ns, count, 0.99);
        }
    if (status < 0) return status;
    for (int round = 0; round < rounds; round++)
        for (int who = 0; who < WHOS; who++) ratios[who][round] = rates[who][round] / rates[APPENDS][round];
    printf("%-10s %8llu %8u", store, (unsigned long long)aggregates, callers);
    for (int who = 0; who < WHOS; who++) print_number(median(rates[who], rounds), "/s", 10);
    for (int who = 0; who < APPENDS; who++) printf("  %5.2f", median(ratios[who], rounds));
    for (int who = 0; who < WHOS; who++) {
        print_time((double)p50[who]);
        print_time((double)p99[who]);
    }
    printf("\n");
    fflush(stdout);
    return VARVE_OK;
}

/* ---- a store ---- */

static varve_status open_side(struct grid *grid, enum who who, const char *uri, varve_error *error)
{
    struct side *side = &grid->sides[who];
    const varve_store_options plain = { .uri = uri, .must_exist = true };
    const varve_engine_options options = { .store = uri, .must_exist = true };
    side->corpus = grid->corpus;
    side->next = grid->corpus->events;
    if (who == APPENDS) return varve_store_open(&side->store, &plain, error);
    varve_status status = varve_engine_open(&side->engine, &options, error);
    if (status >= 0 && who == IN_C) status = varve_engine_add_decider(side->engine, &orders_decider, NULL, error);
    if (status >= 0 && who == IN_LUA)
        status = lua_decider_open(&grid->lua, "order.lua", varve_str_of(lua_source), error);
    if (status >= 0 && who == IN_LUA) status = lua_decider_add(grid->lua, side->engine, error);
    return status >= 0 ? varve_engine_start(side->engine, error) : status;
}

static varve_status open_sides(struct grid *grid, struct bench *bench, bool postgres, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (int who = 0; who < WHOS && status >= 0; who++) {
        char name[32], path[PLACE_BYTES], uri[SERVER_URI_BYTES + PLACE_BYTES];
        snprintf(name, sizeof name, postgres ? "grid_%d" : "grid_%d.db", who);
        if (postgres) {
            status = bench_database(bench, name, uri, error);
        } else {
            status = bench_log(bench, name, path, error);
            snprintf(uri, sizeof uri, "sqlite:%s", path);
        }
        if (status >= 0) status = open_side(grid, (enum who)who, uri, error);
    }
    return status;
}

static varve_status run_store(struct bench *bench, bool postgres, varve_error *error)
{
    struct grid grid = { .corpus = &bench->corpus };
    const size_t caller_kinds = sizeof caller_counts / sizeof caller_counts[0];
    const size_t aggregate_kinds = sizeof aggregate_counts / sizeof aggregate_counts[0];
    grid.ns = calloc(CALLERS_MOST * CALLS_EACH, sizeof *grid.ns);
    varve_status status = grid.ns == NULL ? varve_error_set(error, VARVE_NOMEM, "no memory") : VARVE_OK;
    if (status >= 0) status = open_sides(&grid, bench, postgres, error);
    for (size_t i = 0; i < aggregate_kinds && status >= 0; i++)
        for (size_t j = 0; j < caller_kinds && status >= 0; j++) {
            uint64_t aggregates = aggregate_counts[i];
            if (aggregates > bench->corpus.streams) aggregates = bench->corpus.streams;
            status = measure_cell(&grid, postgres ? "PostgreSQL" : "SQLite", caller_counts[j], aggregates,
                                  bench->quick ? QUICK_ROUNDS : ROUNDS, error);
        }
    for (int who = 0; who < WHOS; who++) {
        varve_engine_close(grid.sides[who].engine);
        varve_store_close(grid.sides[who].store);
    }
    lua_decider_close(grid.lua);
    free(grid.ns);
    return status;
}

static varve_status run_grid(struct bench *bench, varve_error *error)
{
    printf("\ncommands by callers and aggregates: a second, their ratio to appends, p50 and p99 of a call\n\n");
    printf("%-10s %8s %8s %10s %10s %10s  %5s  %5s", "store", "streams", "callers", whos[IN_C], whos[IN_LUA],
           whos[APPENDS], whos[IN_C], whos[IN_LUA]);
    for (int who = 0; who < WHOS; who++) printf("%17s", whos[who]);
    printf("\n");
    varve_status status = run_store(bench, false, error);
    return status >= 0 ? run_store(bench, true, error) : status;
}

const struct report grid_report = { "grid", "commands by callers and aggregates, in C and Lua, on both stores",
                                    run_grid };
