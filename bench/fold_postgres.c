/* SPDX-License-Identifier: Apache-2.0 */
/* Folding one long stream of a store on PostgreSQL. */
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bare_postgres.h"
#include "bench/fold.h"
#include "bench/server.h"

enum { PAGE_EVENTS = 1000 };

struct server_folding {
    struct folding folding;
    const struct server *server;
    struct bare_postgres *bare;
    uint64_t touched; /* keeps what is read from being left out */
};

static void close_folding(void *state)
{
    struct server_folding *folding = state;
    folding_close(&folding->folding);
    bare_postgres_close(folding->bare);
    free(folding);
}

/* A database that has the stream and nothing else. */
static varve_status write_stream(struct bench *bench, char uri[SERVER_URI_BYTES], varve_error *error)
{
    varve_store *store = NULL;
    varve_status status = bench_server(bench, error);
    if (status >= 0) status = server_copy(bench->server, NULL, "fold", error);
    if (status < 0) return status;
    server_uri(bench->server, "fold", uri);
    const varve_store_options options = { .uri = uri };
    status = varve_store_open(&store, &options, error);
    if (status >= 0) status = corpus_append(&bench->corpus, store, FOLDED_EVENTS, FOLDED, error);
    varve_store_close(store);
    return status >= 0 ? server_exec(bench->server, "fold", "VACUUM (FREEZE, ANALYZE)", error) : status;
}

static varve_status open_folding(void **state, struct bench *bench, bool lua, varve_error *error)
{
    struct server_folding *folding = calloc(1, sizeof *folding);
    if (folding == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char uri[SERVER_URI_BYTES];
    varve_status status = write_stream(bench, uri, error);
    folding->server = bench->server;
    if (status >= 0) status = folding_open(&folding->folding, uri, lua, bench->quick, error);
    if (status >= 0) status = bare_postgres_open(&folding->bare, uri, &bench->corpus, error);
    if (status < 0) {
        close_folding(folding);
        return status;
    }
    *state = folding;
    return VARVE_OK;
}

static varve_status open_c(void **state, struct bench *bench, varve_error *error)
{
    return open_folding(state, bench, false, error);
}

static varve_status open_lua(void **state, struct bench *bench, varve_error *error)
{
    return open_folding(state, bench, true, error);
}

static varve_status ours(void *state, struct sample *sample, varve_error *error)
{
    struct server_folding *folding = state;
    double cpu = server_cpu_us(folding->server);
    varve_status status = folding_sample(&folding->folding, sample, error);
    sample->other_cpu_us = server_cpu_us(folding->server) - cpu;
    return status;
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct server_folding *folding = state;
    varve_status status = VARVE_OK;
    double cpu = server_cpu_us(folding->server);
    uint64_t events = 0, start = clock_ns();
    for (uint64_t i = 0; i < folding->folding.folds && status >= 0; i++) {
        uint64_t read = 0;
        status = bare_postgres_read(folding->bare, FOLDED, PAGE_EVENTS, &read, &folding->touched, error);
        events += read;
    }
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    sample->other_cpu_us = server_cpu_us(folding->server) - cpu;
    return status < 0 ? status : folding_check(&folding->folding, events, error);
}

const struct row pg_fold_c = {
    "pg_fold_c", "PostgreSQL: fold 10,000 events, decider in C", "events/s", 0, open_c, ours, limit, close_folding
};

const struct row pg_fold_lua = {
    "pg_fold_lua", "PostgreSQL: fold 10,000 events, decider in Lua", "events/s", 0, open_lua, ours, limit, close_folding
};
