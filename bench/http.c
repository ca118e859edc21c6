/* SPDX-License-Identifier: Apache-2.0 */
/* Durable appends over HTTP; server and endpoint run in this process, wrk beside it. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bare_http.h"
#include "bench/bench.h"
#include "bench/load.h"
#include "server/server.h"

enum { CONNECTIONS = 64, THREADS = 2, SECONDS = 3 };

struct serving {
    varve_engine *engine;
    struct server *server;
    struct bare_http *bare;
    unsigned seconds;
};

static void close_serving(void *state)
{
    struct serving *serving = state;
    server_close(serving->server);
    varve_engine_close(serving->engine);
    bare_http_close(serving->bare);
    free(serving);
}

static varve_status open_ours(struct serving *serving, const char *path, varve_error *error)
{
    char uri[PLACE_BYTES + 8];
    snprintf(uri, sizeof uri, "sqlite:%s", path);
    const varve_engine_options options = { .store = uri, .must_exist = true };
    varve_status status = varve_engine_open(&serving->engine, &options, error);
    if (status >= 0) status = varve_engine_start(serving->engine, error);
    if (status < 0) return status;
    const struct server_options server = { .engine = serving->engine, .listen = "127.0.0.1:0", .threads = THREADS };
    return server_open(&serving->server, &server, error);
}

static varve_status open_serving(void **state, struct bench *bench, varve_error *error)
{
    struct serving *serving = calloc(1, sizeof *serving);
    if (serving == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char path[PLACE_BYTES];
    serving->seconds = bench->quick ? 1 : SECONDS;
    varve_status status = bench_log(bench, "http.db", path, error);
    if (status >= 0) status = open_ours(serving, path, error);
    if (status >= 0) status = place_path(path, bench->folder, "http.bodies", error);
    if (status >= 0) status = bare_http_open(&serving->bare, path, THREADS, error);
    if (status < 0) {
        close_serving(serving);
        return status;
    }
    *state = serving;
    return VARVE_OK;
}

static varve_status put_load(uint16_t port, unsigned seconds, struct sample *sample, varve_error *error)
{
    struct load_result result = { 0 };
    varve_status status = load_run(port, CONNECTIONS, seconds, &result, error);
    sample->units = (double)result.requests;
    sample->seconds = result.seconds;
    sample->p50_ns = result.p50_ns;
    sample->p99_ns = result.p99_ns;
    return status;
}

static varve_status ours(void *state, struct sample *sample, varve_error *error)
{
    struct serving *serving = state;
    varve_engine_stats before, after;
    varve_engine_get_stats(serving->engine, &before);
    varve_status status = put_load(server_port(serving->server), serving->seconds, sample, error);
    varve_engine_get_stats(serving->engine, &after);
    if (after.commits > before.commits)
        sample->batch =
            (double)(after.events_appended - before.events_appended) / (double)(after.commits - before.commits);
    return status;
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct serving *serving = state;
    uint64_t flushes, bodies, flushes_before, bodies_before;
    bare_http_counts(serving->bare, &flushes_before, &bodies_before);
    varve_status status = put_load(bare_http_port(serving->bare), serving->seconds, sample, error);
    bare_http_counts(serving->bare, &flushes, &bodies);
    if (flushes > flushes_before) sample->batch = (double)(bodies - bodies_before) / (double)(flushes - flushes_before);
    return status;
}

const struct row http_append = { "http_append", "durable append over HTTP, 64 connections",
                                 "requests/s",  0.5,
                                 open_serving,  ours,
                                 limit,         close_serving };
