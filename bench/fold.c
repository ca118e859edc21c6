/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/fold.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/measure.h"
#include "bench/orders.h"

/* ---- varve ---- */

varve_status folding_open(struct folding *folding, const char *uri, bool lua, bool quick, varve_error *error)
{
    const varve_engine_options options = { .store = uri, .must_exist = true };
    folding->folds = quick ? 2 : FOLDS;
    varve_status status = varve_engine_open(&folding->engine, &options, error);
    if (status >= 0 && lua)
        status = lua_decider_open(&folding->lua, "order.lua", varve_str_of(orders_lua_without_snapshots), error);
    if (status >= 0)
        status = lua ? lua_decider_add(folding->lua, folding->engine, error)
                     : varve_engine_add_decider(folding->engine, &orders_decider_without_snapshots, NULL, error);
    return status >= 0 ? varve_engine_start(folding->engine, error) : status;
}

void folding_close(struct folding *folding)
{
    varve_engine_close(folding->engine);
    lua_decider_close(folding->lua);
}

varve_status folding_check(const struct folding *folding, uint64_t events, varve_error *error)
{
    uint64_t wanted = folding->folds * FOLDED_EVENTS;
    if (events == wanted) return VARVE_OK;
    return varve_error_set(error, VARVE_CORRUPT, "%llu events were read, not %llu", (unsigned long long)events,
                           (unsigned long long)wanted);
}

varve_status folding_sample(struct folding *folding, struct sample *sample, varve_error *error)
{
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
    return status < 0 ? status : folding_check(folding, events, error);
}

/* ---- a file, and its limit ---- */

struct file_folding {
    struct folding folding;
    char path[PLACE_BYTES];
    uint64_t touched; /* keeps what is read from being left out */
};

static void close_file(void *state)
{
    struct file_folding *file = state;
    folding_close(&file->folding);
    free(file);
}

static varve_status open_file(void **state, struct bench *bench, bool lua, varve_error *error)
{
    struct file_folding *file = calloc(1, sizeof *file);
    if (file == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char uri[PLACE_BYTES + 8];
    varve_status status = place_path(file->path, bench->folder, "fold.db", error);
    place_remove(file->path);
    if (status >= 0) status = corpus_write(&bench->corpus, file->path, FOLDED_EVENTS, FOLDED, error);
    snprintf(uri, sizeof uri, "sqlite:%s", file->path);
    if (status >= 0) status = folding_open(&file->folding, uri, lua, bench->quick, error);
    if (status < 0) {
        close_file(file);
        return status;
    }
    *state = file;
    return VARVE_OK;
}

static varve_status open_c(void **state, struct bench *bench, varve_error *error)
{
    return open_file(state, bench, false, error);
}

static varve_status open_lua(void **state, struct bench *bench, varve_error *error)
{
    return open_file(state, bench, true, error);
}

static varve_status ours(void *state, struct sample *sample, varve_error *error)
{
    struct file_folding *file = state;
    return folding_sample(&file->folding, sample, error);
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct file_folding *file = state;
    varve_status status = VARVE_OK;
    uint64_t events = 0, start = clock_ns();
    for (uint64_t i = 0; i < file->folding.folds && status >= 0; i++) {
        uint64_t read = 0;
        status = bare_read(file->path, FOLDED, &read, &file->touched, error);
        events += read;
    }
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    return status < 0 ? status : folding_check(&file->folding, events, error);
}

/* ---- the rows ---- */

const struct row fold_c = { "fold_c",  "fold 10,000 events, decider in C", "events/s", 0.6, open_c, ours, limit,
                            close_file };

const struct row fold_lua = { "fold_lua", "fold 10,000 events, decider in Lua", "events/s", 0.10, open_lua, ours, limit,
                              close_file };
