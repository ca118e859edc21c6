/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the whole log, and folding one long stream into an aggregate's state. */
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/bench.h"
#include "bench/measure.h"
#include "bench/orders.h"
#include "lua/decider.h"

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory");
}

static varve_status wrong_count(uint64_t got, uint64_t wanted, varve_error *error)
{
    if (got == wanted) return VARVE_OK;
    return varve_error_set(error, VARVE_CORRUPT, "%llu events were read, not %llu", (unsigned long long)got,
                           (unsigned long long)wanted);
}

/* ---- the whole log ---- */

enum { PAGE_EVENTS = 1000 };

struct reading {
    char path[PLACE_BYTES];
    varve_store *store;
    uint64_t events;
    uint64_t *ns;     /* the time each page of ours took */
    uint64_t touched; /* keeps what is read from being left out */
};

static void close_reading(void *state)
{
    struct reading *reading = state;
    varve_store_close(reading->store);
    free(reading->ns);
    free(reading);
}

static varve_status open_reading(void **state, struct bench *bench, varve_error *error)
{
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL) return no_memory(error);
    char uri[PLACE_BYTES + 8];
    reading->events = bench->corpus.events;
    reading->ns = calloc(reading->events / PAGE_EVENTS + 1, sizeof *reading->ns);
    varve_status status = reading->ns == NULL ? no_memory(error) : VARVE_OK;
    if (status >= 0) status = bench_log(bench, "read.db", reading->path, error);
    if (status >= 0) {
        snprintf(uri, sizeof uri, "sqlite:%s", reading->path);
        const varve_store_options options = { .uri = uri, .must_exist = true };
        status = varve_store_open(&reading->store, &options, error);
    }
    if (status < 0) {
        close_reading(reading);
        return status;
    }
    *state = reading;
    return VARVE_OK;
}

static varve_status ours_reading(void *state, struct sample *sample, varve_error *error)
{
    struct reading *reading = state;
    const varve_read_options whole = { 0 };
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
    uint64_t events = 0, start = clock_ns(), page_start = start;
    varve_status status = varve_cursor_open(&cursor, reading->store, &whole, error);
    while (status >= 0 && (status = varve_cursor_next(cursor, &event, error)) == VARVE_OK) {
        reading->touched += (uint8_t)event->data.ptr[0] + event->stream.len;
        if (++events % PAGE_EVENTS != 0 || events > reading->events) continue;
        uint64_t now = clock_ns();
        reading->ns[events / PAGE_EVENTS - 1] = now - page_start;
        page_start = now;
    }
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    sample->p50_ns = measure_percentile(reading->ns, reading->events / PAGE_EVENTS, 0.50);
    sample->p99_ns = measure_percentile(reading->ns, reading->events / PAGE_EVENTS, 0.99);
    varve_cursor_close(cursor);
    return status < 0 ? status : wrong_count(events, reading->events, error);
}

static varve_status limit_reading(void *state, struct sample *sample, varve_error *error)
{
    struct reading *reading = state;
    uint64_t events = 0, start = clock_ns();
    varve_status status = bare_read(reading->path, NULL, &events, &reading->touched, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    return status < 0 ? status : wrong_count(events, reading->events, error);
}

/* ---- one stream ---- */

#define FOLDED "order-000001"

enum { FOLDED_EVENTS = 10000, FOLDS = 20 };

struct folding {
    char path[PLACE_BYTES];
    varve_engine *engine;
    struct lua_decider *lua; /* NULL: the decider is in C */
    uint64_t folds;          /* a sample */
    uint64_t ns[FOLDS];      /* the time each of ours took */
    uint64_t touched;
};

static const char lua_source[] = "local function add(state, event)\n"
                                 "  state.events = state.events + 1\n"
                                 "  state.total_amount = state.total_amount + event.data.total_amount\n"
                                 "  return state\n"
                                 "end\n"
                                 "return {\n"
                                 "  category = 'order', snapshot_every = false,\n"
                                 "  initial = function() return { events = 0, total_amount = 0 } end,\n"
                                 "  decide = {},\n"
                                 "  evolve = { OrderPlaced = add, OrderAmended = add, OrderPaid = add,\n"
                                 "             OrderShipped = add },\n"
                                 "}\n";

static void close_folding(void *state)
{
    struct folding *folding = state;
    varve_engine_close(folding->engine);
    lua_decider_close(folding->lua);
    free(folding);
}

static varve_status open_folding(void **state, struct bench *bench, bool lua, varve_error *error)
{
    struct folding *folding = calloc(1, sizeof *folding);
    if (folding == NULL) return no_memory(error);
    char uri[PLACE_BYTES + 8];
    folding->folds = bench->quick ? 2 : FOLDS;
    varve_status status = place_path(folding->path, bench->folder, "fold.db", error);
    place_remove(folding->path);
    if (status >= 0) status = corpus_write(&bench->corpus, folding->path, FOLDED_EVENTS, FOLDED, error);
    if (status >= 0) {
        snprintf(uri, sizeof uri, "sqlite:%s", folding->path);
        const varve_engine_options options = { .store = uri, .must_exist = true };
        status = varve_engine_open(&folding->engine, &options, error);
    }
    if (status >= 0 && lua) status = lua_decider_open(&folding->lua, "order.lua", varve_str_of(lua_source), error);
    if (status >= 0)
        status = lua ? lua_decider_add(folding->lua, folding->engine, error)
                     : varve_engine_add_decider(folding->engine, &orders_decider_without_snapshots, NULL, error);
    if (status >= 0) status = varve_engine_start(folding->engine, error);
    if (status < 0) {
        close_folding(folding);
        return status;
    }
    *state = folding;
    return VARVE_OK;
}

static varve_status open_fold_c(void **state, struct bench *bench, varve_error *error)
{
    return open_folding(state, bench, false, error);
}

static varve_status open_fold_lua(void **state, struct bench *bench, varve_error *error)
{
    return open_folding(state, bench, true, error);
}

static varve_status ours_folding(void *state, struct sample *sample, varve_error *error)
{
    struct folding *folding = state;
    varve_status status = VARVE_OK;
    uint64_t events = 0, start = clock_ns();
    for (uint64_t i = 0; i < folding->folds && status >= 0; i++) {
        varve_aggregate aggregate = { 0 };
        uint64_t called = clock_ns();
        status = varve_aggregate_show(folding->engine, VARVE_STR(FOLDED), NULL, &aggregate, error);
        folding->ns[i] = clock_ns() - called;
        events += aggregate.events_replayed;
        varve_aggregate_fini(&aggregate);
    }
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    sample->p50_ns = measure_percentile(folding->ns, folding->folds, 0.50);
    sample->p99_ns = measure_percentile(folding->ns, folding->folds, 0.99);
    return status < 0 ? status : wrong_count(events, folding->folds * FOLDED_EVENTS, error);
}

static varve_status limit_folding(void *state, struct sample *sample, varve_error *error)
{
    struct folding *folding = state;
    varve_status status = VARVE_OK;
    uint64_t events = 0, start = clock_ns();
    for (uint64_t i = 0; i < folding->folds && status >= 0; i++) {
        uint64_t read = 0;
        status = bare_read(folding->path, FOLDED, &read, &folding->touched, error);
        events += read;
    }
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    return status < 0 ? status : wrong_count(events, folding->folds * FOLDED_EVENTS, error);
}

/* ---- the rows ---- */

const struct row read_log = { "read_log",   "read the whole log", "events/s",    0.7,
                              open_reading, ours_reading,         limit_reading, close_reading };

const struct row fold_c = { "fold_c",      "fold 10,000 events, decider in C",
                            "events/s",    0.6,
                            open_fold_c,   ours_folding,
                            limit_folding, close_folding };

const struct row fold_lua = { "fold_lua",    "fold 10,000 events, decider in Lua",
                              "events/s",    0.10,
                              open_fold_lua, ours_folding,
                              limit_folding, close_folding };
