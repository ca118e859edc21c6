/* SPDX-License-Identifier: Apache-2.0 */
/* Replaying a whole log on PostgreSQL. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bare_postgres.h"
#include "bench/replay.h"
#include "bench/server.h"

enum { PAGE_EVENTS = 1000 };

struct server_replaying {
    struct replaying replaying;
    struct corpus corpus;
    const struct server *server;
    struct bare_postgres *bare;
    uint64_t touched; /* keeps what is read from being left out */
};

static void close_replaying(void *state)
{
    struct server_replaying *replaying = state;
    replaying_close(&replaying->replaying);
    bare_postgres_close(replaying->bare);
    free(replaying);
}

static varve_status write_log(struct bench *bench, const struct corpus *corpus, char uri[SERVER_URI_BYTES],
                              varve_error *error)
{
    varve_store *store = NULL;
    varve_status status = bench_server(bench, error);
    if (status >= 0) server_uri(bench->server, "replay", uri);
    if (status < 0 || bench->replay_database_written) return status;
    fprintf(stderr, "varve-bench: writing a log of %llu events to PostgreSQL\n", (unsigned long long)corpus->events);
    status = server_copy(bench->server, NULL, "replay", error);
    const varve_store_options options = { .uri = uri };
    if (status >= 0) status = varve_store_open(&store, &options, error);
    if (status >= 0) status = corpus_append(corpus, store, corpus->events, NULL, error);
    varve_store_close(store);
    if (status >= 0) status = server_exec(bench->server, "replay", "VACUUM (FREEZE, ANALYZE)", error);
    bench->replay_database_written = status >= 0;
    return status;
}

static varve_status open_replaying(void **state, struct bench *bench, bool lua, varve_error *error)
{
    struct server_replaying *replaying = calloc(1, sizeof *replaying);
    if (replaying == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char uri[SERVER_URI_BYTES];
    replaying_corpus(&replaying->corpus, bench->quick);
    varve_status status = write_log(bench, &replaying->corpus, uri, error);
    replaying->server = bench->server;
    if (status >= 0) status = replaying_open(&replaying->replaying, uri, &replaying->corpus, lua, error);
    if (status >= 0) status = bare_postgres_open(&replaying->bare, uri, &replaying->corpus, error);
    if (status < 0) {
        close_replaying(replaying);
        return status;
    }
    *state = replaying;
    return VARVE_OK;
}

static varve_status open_c(void **state, struct bench *bench, varve_error *error)
{
    return open_replaying(state, bench, false, error);
}

static varve_status open_lua(void **state, struct bench *bench, varve_error *error)
{
    return open_replaying(state, bench, true, error);
}

static varve_status ours(void *state, struct sample *sample, varve_error *error)
{
    struct server_replaying *replaying = state;
    double cpu = server_cpu_us(replaying->server);
    varve_status status = replaying_sample(&replaying->replaying, sample, error);
    sample->other_cpu_us = server_cpu_us(replaying->server) - cpu;
    return status;
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct server_replaying *replaying = state;
    double cpu = server_cpu_us(replaying->server);
    uint64_t events = 0, start = clock_ns();
    varve_status status = bare_postgres_read(replaying->bare, NULL, PAGE_EVENTS, &events, &replaying->touched, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    sample->other_cpu_us = server_cpu_us(replaying->server) - cpu;
    return status < 0 ? status : replaying_check(&replaying->replaying, events, error);
}

const struct row pg_replay_c = { "pg_replay_c", "PostgreSQL: replay a million events and compare, decider in C",
                                 "events/s",    0,
                                 open_c,        ours,
                                 limit,         close_replaying };

const struct row pg_replay_lua = { "pg_replay_lua", "PostgreSQL: replay a million events and compare, in Lua",
                                   "events/s",      0,
                                   open_lua,        ours,
                                   limit,           close_replaying };
