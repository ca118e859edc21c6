/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What snapshots are worth: commands on streams of some lengths whose state is not in memory, with snapshots and
 * without, on both stores, decided in C and in Lua. Each stream is sent two commands: the first one loads the state,
 * the second one finds it kept. Engines are opened anew for each round.
 */
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/measure.h"
#include "bench/orders.h"
#include "bench/print.h"
#include "lua/decider.h"

/* With a tail of 25 and two commands a round, no snapshot comes to be taken while anything is measured. */
enum { LENGTHS = 3, STREAMS = 20, QUICK_STREAMS = 4, TAIL = 25, ROUNDS = 7, QUICK_ROUNDS = 2, STREAM_NAME_BYTES = 32 };

static const unsigned lengths[LENGTHS] = { 100, 1000, 10000 };

enum kind { WITH, WITHOUT, KINDS };

/* One of two stores that differ in nothing but the snapshots. */
struct side {
    enum kind kind;
    bool lua;
    char uri[SERVER_URI_BYTES + PLACE_BYTES];
    struct lua_decider *decider;
    varve_engine *engine; /* while it is open */
};

struct loading {
    const struct corpus *corpus;
    const char *store;
    unsigned streams; /* of each length */
    int rounds;
    struct side sides[KINDS];
    uint64_t cold[KINDS][LENGTHS][STREAMS * ROUNDS], kept[LENGTHS][STREAMS * ROUNDS];
    double ratios[LENGTHS][ROUNDS]; /* of the medians of a round */
};

static varve_str stream_name(unsigned length, unsigned number, char name[STREAM_NAME_BYTES])
{
    int len = snprintf(name, STREAM_NAME_BYTES, "order-%u-%u", length, number);
    return (varve_str){ name, (size_t)len };
}

/* ---- an engine ---- */

static void close_side(struct side *side)
{
    varve_engine_close(side->engine);
    lua_decider_close(side->decider);
    side->engine = NULL;
    side->decider = NULL;
}

static varve_status add_lua(struct side *side, varve_error *error)
{
    const char *source = side->kind == WITH ? orders_lua : orders_lua_without_snapshots;
    varve_status status = lua_decider_open(&side->decider, "order.lua", varve_str_of(source), error);
    return status >= 0 ? lua_decider_add(side->decider, side->engine, error) : status;
}

static varve_status open_side(struct side *side, varve_error *error)
{
    const varve_engine_options options = { .store = side->uri, .must_exist = true };
    const varve_decider *in_c = side->kind == WITH ? &orders_decider : &orders_decider_without_snapshots;
    varve_status status = varve_engine_open(&side->engine, &options, error);
    if (status >= 0)
        status = side->lua ? add_lua(side, error) : varve_engine_add_decider(side->engine, in_c, NULL, error);
    if (status >= 0) status = varve_engine_start(side->engine, error);
    if (status < 0) close_side(side);
    return status;
}

/* ---- what is loaded ---- */

/* A log of all streams, but for their tails. */
static varve_status write_log(const struct loading *loading, const char *uri, varve_error *error)
{
    const varve_store_options options = { .uri = uri, .durability = VARVE_DURABILITY_RELAXED };
    varve_store *store = NULL;
    varve_status status = varve_store_open(&store, &options, error);
    for (size_t i = 0; i < LENGTHS; i++)
        for (unsigned number = 0; number < loading->streams && status >= 0; number++) {
            char name[STREAM_NAME_BYTES];
            stream_name(lengths[i], number, name);
            status = corpus_append(loading->corpus, store, lengths[i] - TAIL, name, error);
            if (status >= 0) status = bench_go_on(error);
        }
    varve_store_close(store);
    return status;
}

/* One stream of a side whose engine is open. */
typedef varve_status each_stream(const struct loading *loading, const struct side *side, unsigned length,
                                 varve_str stream, varve_error *error);

static varve_status for_each(const struct loading *loading, struct side *side, each_stream *call, varve_error *error)
{
    varve_status status = open_side(side, error);
    for (size_t i = 0; i < LENGTHS; i++)
        for (unsigned number = 0; number < loading->streams && status >= 0; number++) {
            char name[STREAM_NAME_BYTES];
            status = call(loading, side, lengths[i], stream_name(lengths[i], number, name), error);
        }
    close_side(side);
    return status;
}

/* A look leaves a snapshot, which goes with the append of the tail, or soon after it. */
static varve_status add_tail(const struct loading *loading, const struct side *side, unsigned length, varve_str stream,
                             varve_error *error)
{
    varve_aggregate aggregate = { 0 };
    (void)length;
    varve_status status = varve_aggregate_show(side->engine, stream, NULL, &aggregate, error);
    varve_aggregate_fini(&aggregate);
    return status >= 0 ? corpus_append(loading->corpus, varve_engine_store(side->engine), TAIL, stream.ptr, error)
                       : status;
}

static varve_status check_stream(const struct loading *loading, const struct side *side, unsigned length,
                                 varve_str stream, varve_error *error)
{
    const uint64_t wanted = side->kind == WITH ? TAIL : length;
    varve_aggregate aggregate = { 0 };
    (void)loading;
    varve_status status = varve_aggregate_show(side->engine, stream, NULL, &aggregate, error);
    if (status >= 0 && aggregate.events_replayed != wanted)
        status = varve_error_set(error, VARVE_CORRUPT, "%.*s: %llu events were folded, not %llu", (int)stream.len,
                                 stream.ptr, (unsigned long long)aggregate.events_replayed, (unsigned long long)wanted);
    varve_aggregate_fini(&aggregate);
    return status;
}

static varve_status prepare_files(struct loading *loading, struct bench *bench, varve_error *error)
{
    char original[PLACE_BYTES], path[PLACE_BYTES], uri[PLACE_BYTES + 8];
    varve_status status = place_path(original, bench->folder, "snapshots.db", error);
    place_remove(original);
    snprintf(uri, sizeof uri, "sqlite:%s", original);
    if (status >= 0) status = write_log(loading, uri, error);
    for (int kind = 0; kind < KINDS && status >= 0; kind++) {
        status = place_path(path, bench->folder, kind == WITH ? "with.db" : "without.db", error);
        if (status >= 0) status = place_copy(original, path, error);
        snprintf(loading->sides[kind].uri, sizeof loading->sides[kind].uri, "sqlite:%s", path);
    }
    return status;
}

static varve_status prepare_databases(struct loading *loading, struct bench *bench, varve_error *error)
{
    char uri[SERVER_URI_BYTES];
    varve_status status = bench_server(bench, error);
    if (status >= 0) status = server_copy(bench->server, NULL, "snapshots", error);
    if (status < 0) return status;
    server_uri(bench->server, "snapshots", uri);
    status = write_log(loading, uri, error);
    if (status >= 0) status = server_exec(bench->server, "snapshots", "VACUUM (FREEZE, ANALYZE)", error);
    for (int kind = 0; kind < KINDS && status >= 0; kind++) {
        const char *name = kind == WITH ? "with_snapshots" : "without_snapshots";
        status = server_copy(bench->server, "snapshots", name, error);
        server_uri(bench->server, name, uri);
        snprintf(loading->sides[kind].uri, sizeof loading->sides[kind].uri, "%s", uri);
    }
    return status;
}

/* ---- measuring ---- */

static varve_status execute(const struct loading *loading, const struct side *side, varve_str stream, uint64_t *ns,
                            varve_error *error)
{
    const varve_command command = { .type = orders_command_type(0),
                                    .stream = stream,
                                    .data = corpus_data(loading->corpus, 0) };
    uint64_t start = clock_ns();
    varve_status status = varve_execute(side->engine, &command, NULL, error);
    *ns = clock_ns() - start;
    return status;
}

static varve_status measure_side(struct loading *loading, struct side *side, int round, varve_error *error)
{
    const size_t first = (size_t)round * loading->streams;
    varve_status status = open_side(side, error);
    if (status < 0) return status;
    for (size_t i = 0; i < LENGTHS; i++)
        for (unsigned number = 0; number < loading->streams && status >= 0; number++) {
            char name[STREAM_NAME_BYTES];
            uint64_t again = 0;
            varve_str stream = stream_name(lengths[i], number, name);
            status = execute(loading, side, stream, &loading->cold[side->kind][i][first + number], error);
            if (status >= 0) status = execute(loading, side, stream, &again, error);
            if (side->kind == WITH) loading->kept[i][first + number] = again;
        }
    close_side(side);
    return status;
}

static varve_status measure_rounds(struct loading *loading, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (int round = 0; round < loading->rounds && status >= 0; round++) {
        const size_t first = (size_t)round * loading->streams;
        fprintf(stderr, "varve-bench: snapshots, %s, round %d of %d\n", loading->store, round + 1, loading->rounds);
        for (int i = 0; i < KINDS && status >= 0; i++)
            status = measure_side(loading, &loading->sides[(round + i) % KINDS], round, error);
        for (size_t i = 0; i < LENGTHS && status >= 0; i++) {
            double p50[KINDS];
            for (int kind = 0; kind < KINDS; kind++)
                p50[kind] = (double)measure_percentile(loading->cold[kind][i] + first, loading->streams, 0.50);
            loading->ratios[i][round] = p50[WITHOUT] / p50[WITH];
        }
        if (status >= 0) status = bench_go_on(error);
    }
    return status;
}

static void print_lengths(struct loading *loading)
{
    const size_t calls = (size_t)loading->rounds * loading->streams;
    for (size_t i = 0; i < LENGTHS; i++) {
        double *ratios = loading->ratios[i], ratio = measure_median(ratios, (size_t)loading->rounds);
        printf("%-10s %-7s %10u", loading->store, loading->sides[WITH].lua ? "Lua" : "C", lengths[i]);
        for (int kind = 0; kind < KINDS; kind++) {
            print_time((double)measure_percentile(loading->cold[kind][i], calls, 0.50));
            print_time((double)measure_percentile(loading->cold[kind][i], calls, 0.99));
        }
        print_time((double)measure_percentile(loading->kept[i], calls, 0.50));
        print_time((double)measure_percentile(loading->kept[i], calls, 0.99));
        printf("  %6.2f  %.2f-%.2f\n", ratio, ratios[0], ratios[loading->rounds - 1]); /* the median has sorted them */
    }
    fflush(stdout);
}

static varve_status run_one(struct bench *bench, bool postgres, bool lua, varve_error *error)
{
    struct loading *loading = calloc(1, sizeof *loading);
    if (loading == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    loading->corpus = &bench->corpus;
    loading->store = postgres ? "PostgreSQL" : "SQLite";
    loading->streams = bench->quick ? QUICK_STREAMS : STREAMS;
    loading->rounds = bench->quick ? QUICK_ROUNDS : ROUNDS;
    for (int kind = 0; kind < KINDS; kind++)
        loading->sides[kind] = (struct side){ .kind = (enum kind)kind, .lua = lua };
    varve_status status = postgres ? prepare_databases(loading, bench, error) : prepare_files(loading, bench, error);
    for (int kind = 0; kind < KINDS && status >= 0; kind++) {
        status = for_each(loading, &loading->sides[kind], add_tail, error);
        if (status >= 0) status = for_each(loading, &loading->sides[kind], check_stream, error);
    }
    if (status >= 0) status = measure_rounds(loading, error);
    if (status >= 0) print_lengths(loading);
    free(loading);
    return status;
}

static varve_status run_snapshots(struct bench *bench, varve_error *error)
{
    printf("\na command on an aggregate that is not in memory, with and without snapshots, and on one that is: p50 and "
           "p99\n\n");
    printf("%-10s %-7s %10s %17s %17s %17s  %6s  %s\n", "store", "decider", "events", "snapshots", "none", "kept",
           "ratio", "from-to");
    varve_status status = VARVE_OK;
    for (int postgres = 0; postgres < 2; postgres++)
        for (int lua = 0; lua < 2 && status >= 0; lua++) status = run_one(bench, postgres, lua, error);
    return status;
}

const struct report snapshots_report = { "snapshots", "commands on cold aggregates, with and without snapshots",
                                         run_snapshots };
