/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <varve/replay.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/orders.h"

enum { STREAMS = 10000, QUICK_STREAMS = 200, EVENTS_EACH = 100 };

void replaying_corpus(struct corpus *corpus, bool quick)
{
    uint64_t streams = quick ? QUICK_STREAMS : STREAMS;
    corpus_init(corpus, streams, streams * EVENTS_EACH);
}

/* ---- varve ---- */

varve_status replaying_open(struct replaying *replaying, const char *uri, const struct corpus *corpus, bool lua,
                            varve_error *error)
{
    const varve_store_options options = { .uri = uri, .must_exist = true };
    replaying->events = corpus->events;
    replaying->streams = corpus->streams;
    varve_status status = varve_store_open(&replaying->store, &options, error);
    if (status >= 0 && lua) status = lua_decider_open(&replaying->lua, "order.lua", varve_str_of(orders_lua), error);
    return status;
}

void replaying_close(struct replaying *replaying)
{
    varve_store_close(replaying->store);
    lua_decider_close(replaying->lua);
}

varve_status replaying_check(const struct replaying *replaying, uint64_t events, varve_error *error)
{
    if (events == replaying->events) return VARVE_OK;
    return varve_error_set(error, VARVE_CORRUPT, "%llu events were read, not %llu", (unsigned long long)events,
                           (unsigned long long)replaying->events);
}

static varve_status ignore(void *ctx, const varve_replay_finding *finding)
{
    (void)ctx;
    (void)finding;
    return VARVE_OK; /* the summary counts it */
}

varve_status replaying_sample(struct replaying *replaying, struct sample *sample, varve_error *error)
{
    const struct lua_decider *lua = replaying->lua;
    const varve_candidate candidate = {
        .decider = lua != NULL ? lua_decider_table(lua) : &orders_decider,
        .ctx = replaying->lua,
    };
    const varve_replay_options options = { .candidate = candidate, .against = candidate, .visit = ignore };
    varve_replay_summary summary = { 0 };
    uint64_t start = clock_ns();
    varve_status status = varve_aggregate_replay(replaying->store, &options, &summary, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)summary.events;
    if (status >= 0) status = replaying_check(replaying, summary.events, error);
    const uint64_t found = summary.differing + summary.failed;
    if (status >= 0 && (summary.streams != replaying->streams || found > 0))
        status = varve_error_set(error, VARVE_CORRUPT, "of %llu streams %llu were replayed, and %llu differ or fail",
                                 (unsigned long long)replaying->streams, (unsigned long long)summary.streams,
                                 (unsigned long long)found);
    return status;
}

/* ---- a file, and its limit ---- */

struct file_replaying {
    struct replaying replaying;
    struct corpus corpus;
    char path[PLACE_BYTES];
    uint64_t touched; /* keeps what is read from being left out */
};

static void close_file(void *state)
{
    struct file_replaying *file = state;
    replaying_close(&file->replaying);
    free(file);
}

static varve_status write_log(struct bench *bench, struct file_replaying *file, varve_error *error)
{
    varve_status status = place_path(file->path, bench->folder, "replay.db", error);
    if (status < 0 || bench->replay_log_written) return status;
    fprintf(stderr, "varve-bench: writing a log of %llu events\n", (unsigned long long)file->corpus.events);
    status = corpus_write(&file->corpus, file->path, file->corpus.events, NULL, error);
    bench->replay_log_written = status >= 0;
    return status;
}

static varve_status open_file(void **state, struct bench *bench, bool lua, varve_error *error)
{
    struct file_replaying *file = calloc(1, sizeof *file);
    if (file == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char uri[PLACE_BYTES + 8];
    replaying_corpus(&file->corpus, bench->quick);
    varve_status status = write_log(bench, file, error);
    snprintf(uri, sizeof uri, "sqlite:%s", file->path);
    if (status >= 0) status = replaying_open(&file->replaying, uri, &file->corpus, lua, error);
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
    struct file_replaying *file = state;
    return replaying_sample(&file->replaying, sample, error);
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct file_replaying *file = state;
    uint64_t events = 0, start = clock_ns();
    varve_status status = bare_read(file->path, NULL, &events, &file->touched, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    return status < 0 ? status : replaying_check(&file->replaying, events, error);
}

/* ---- the rows ---- */

const struct row replay_c = {
    "replay_c", "replay a million events and compare, decider in C", "events/s", 0, open_c, ours, limit, close_file
};

const struct row replay_lua = {
    "replay_lua", "replay a million events and compare, in Lua", "events/s", 0, open_lua, ours, limit, close_file
};
