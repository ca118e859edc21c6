/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read model in use, on both stores: how long it takes to catch up with a long log and to be rebuilt, what a query
 * takes meanwhile and otherwise, and how far behind an append's answer it is while appends come steadily.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>
#include <varve/query.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/measure.h"
#include "bench/model.h"
#include "bench/print.h"

enum {
    EVENTS = 1000000,
    QUICK_EVENTS = 20000,
    QUERIES_A_SECOND = 100,
    SECONDS = 5,
    QUICK_SECONDS = 1,
    TIMES_MOST = 20000,
    EVENTS_AN_APPEND = 10,
    APPENDS_A_SECOND = 500,
    PATIENCE_MS = 600000,
};

#define SECOND_NS UINT64_C(1000000000)

static const char projection_sql[] = MODEL_PROJECTION("");
static const char in_partitions[] = MODEL_PROJECTION("-- @partitions 2\n");

static const char query_sql[] = "-- @query one_order\n-- @reads orders\n-- @param order_id text\n"
                                "SELECT * FROM orders.orders WHERE order_id = :order_id\n";

/* Times of calls. */
struct times {
    uint64_t ns[TIMES_MOST];
    size_t count;
};

struct using
{
    const struct corpus *corpus;
    varve_engine *engine;
    varve_store *store;
    uint64_t seconds;
    struct times idle, meanwhile, lag;
    double caught_up_s, rebuilt_s;
    uint64_t events;
};

/* ---- queries ---- */

static varve_status ask(struct using *using, uint64_t number, uint64_t after, varve_error *error)
{
    char name[CORPUS_NAME_BYTES];
    const varve_query_param param = { VARVE_STR("order_id"),
                                      { name, corpus_name(number % using->corpus->streams, name) } };
    const varve_query_request request = {
        .name = VARVE_STR("one_order"),
        .params = &param,
        .param_count = 1,
        .after_position = after,
        .wait_ms = PATIENCE_MS,
    };
    varve_answer answer = { 0 };
    varve_status status = varve_query(using->engine, &request, &answer, error);
    varve_answer_fini(&answer);
    return status;
}

/* One query each hundredth of a second, whatever the one before took. */
static varve_status ask_next(struct using *using, struct times *times, uint64_t *due_ns, varve_error *error)
{
    uint64_t now = clock_ns();
    if (*due_ns > now) {
        uint64_t left = *due_ns - now;
        nanosleep(&(struct timespec){ .tv_sec = (time_t)(left / SECOND_NS), .tv_nsec = (long)(left % SECOND_NS) },
                  NULL);
    }
    uint64_t start = clock_ns();
    varve_status status = ask(using, times->count * 7919, 0, error);
    if (times->count < TIMES_MOST) times->ns[times->count++] = clock_ns() - start;
    *due_ns += SECOND_NS / QUERIES_A_SECOND;
    return status >= 0 ? bench_go_on(error) : status;
}

static varve_status ask_idle(struct using *using, varve_error *error)
{
    uint64_t due = clock_ns(), end = due + using->seconds * SECOND_NS;
    varve_status status = VARVE_OK;
    while (status >= 0 && clock_ns() < end) status = ask_next(using, &using->idle, &due, error);
    return status;
}

/* ---- catching up, rebuilding ---- */

static varve_status catch_up(struct using *using, varve_error *error)
{
    uint64_t start = clock_ns();
    varve_status status = varve_engine_start(using->engine, error);
    if (status >= 0) status = ask(using, 0, using->events, error);
    using->caught_up_s = (double)(clock_ns() - start) / 1e9;
    return status;
}

static void see(void *ctx, const varve_projection_status *status)
{
    varve_projection_status *seen = ctx;
    *seen = *status;
}

static varve_status rebuild(struct using *using, varve_error *error)
{
    varve_projection_status seen = { .rebuilding = true };
    uint64_t start = clock_ns(), due = start;
    varve_status status = varve_projection_rebuild(using->engine, VARVE_STR("orders"), error);
    while (status >= 0 && seen.rebuilding) {
        status = ask_next(using, &using->meanwhile, &due, error);
        if (status >= 0) status = varve_projection_list(using->engine, VARVE_STR("orders"), see, &seen, error);
    }
    using->rebuilt_s = (double)(clock_ns() - start) / 1e9;
    return status;
}

/* ---- lag ---- */

static varve_status append_some(struct using *using, uint64_t number, uint64_t *position, varve_error *error)
{
    char names[EVENTS_AN_APPEND][CORPUS_NAME_BYTES];
    varve_event events[EVENTS_AN_APPEND];
    varve_appended appended = { 0 };
    for (uint64_t i = 0; i < EVENTS_AN_APPEND; i++)
        events[i] = corpus_event(using->corpus, number * EVENTS_AN_APPEND + i, names[i]);
    const varve_append_request request = { .events = events, .event_count = EVENTS_AN_APPEND };
    varve_status status = varve_append(using->store, &request, &appended, error);
    *position = appended.last_position;
    varve_appended_fini(&appended);
    return status;
}

/* What the appender tells the one who asks: the latest position, and when it was answered. */
struct pace {
    struct using *using;
    atomic_uint_fast64_t position, answered_ns;
    atomic_bool ending;
    varve_status status;
    varve_error error;
};

static void *append_steadily(void *ctx)
{
    struct pace *pace = ctx;
    uint64_t due = clock_ns();
    for (uint64_t i = 0; !pace->ending && pace->status >= 0; i++) {
        uint64_t position = 0, now = clock_ns();
        if (due > now) nanosleep(&(struct timespec){ .tv_nsec = (long)(due - now) }, NULL);
        pace->status = append_some(pace->using, i, &position, &pace->error);
        pace->answered_ns = clock_ns();
        pace->position = position;
        due += SECOND_NS / APPENDS_A_SECOND;
    }
    return NULL;
}

static varve_status measure_lag(struct using *using, varve_error *error)
{
    struct pace pace = { .using = using };
    pthread_t thread;
    varve_status status = VARVE_OK;
    uint64_t end = clock_ns() + using->seconds * SECOND_NS, last = 0;
    if (pthread_create(&thread, NULL, append_steadily, &pace) != 0)
        return varve_error_set(error, VARVE_NOMEM, "no thread");
    while (status >= 0 && clock_ns() < end && using->lag.count < TIMES_MOST) {
        uint64_t position = pace.position, answered = pace.answered_ns;
        if (position == last) {
            nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
            continue;
        }
        last = position;
        status = ask(using, position, position, error);
        using->lag.ns[using->lag.count++] = clock_ns() - answered;
    }
    pace.ending = true;
    pthread_join(thread, NULL);
    if (status >= 0 && pace.status < 0) {
        *error = pace.error;
        return pace.status;
    }
    return status;
}

/* ---- a store ---- */

static varve_status write_log(struct bench *bench, struct using *using, const char *uri, varve_error *error)
{
    const varve_store_options options = { .uri = uri };
    varve_store *store = NULL;
    fprintf(stderr, "varve-bench: models, writing a log of %llu events\n", (unsigned long long)using->events);
    varve_status status = varve_store_open(&store, &options, error);
    if (status >= 0) status = corpus_append(&bench->corpus, store, using->events, NULL, error);
    varve_store_close(store);
    return status;
}

static varve_status find_place(struct bench *bench, bool postgres, char *uri, size_t size, varve_error *error)
{
    char path[PLACE_BYTES];
    varve_status status = VARVE_OK;
    if (!postgres) {
        status = place_path(path, bench->folder, "models.db", error);
        snprintf(uri, size, "sqlite:%s", path);
        return status;
    }
    status = bench_server(bench, error);
    if (status >= 0) status = server_copy(bench->server, NULL, "models", error);
    if (status >= 0) server_uri(bench->server, "models", uri);
    return status;
}

static void print_percentiles(struct times *times)
{
    print_time((double)measure_percentile(times->ns, times->count, 0.50));
    print_time((double)measure_percentile(times->ns, times->count, 0.99));
}

static varve_status run_store(struct bench *bench, const char *title, bool postgres, const char *projection,
                              varve_error *error)
{
    char uri[SERVER_URI_BYTES + PLACE_BYTES];
    struct using *using = calloc(1, sizeof *using);
    if (using == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    using->corpus = &bench->corpus;
    using->events = bench->quick ? QUICK_EVENTS : EVENTS;
    using->seconds = bench->quick ? QUICK_SECONDS : SECONDS;
    const varve_engine_options options = { .store = uri, .must_exist = true };
    varve_status status = find_place(bench, postgres, uri, sizeof uri, error);
    if (status >= 0) status = write_log(bench, using, uri, error);
    if (status >= 0) status = varve_engine_open(&using->engine, &options, error);
    if (status >= 0) status = varve_engine_add_projection(using->engine, "orders.sql", varve_str_of(projection), error);
    if (status >= 0) status = varve_engine_add_query(using->engine, "one_order.sql", varve_str_of(query_sql), error);
    if (status >= 0) using->store = varve_engine_store(using->engine);
    if (status >= 0) status = catch_up(using, error);
    if (status >= 0) status = ask_idle(using, error);
    if (status >= 0) status = rebuild(using, error);
    if (status >= 0) status = measure_lag(using, error);
    varve_engine_close(using->engine);
    if (status >= 0) {
        printf("%-24s", title);
        print_number((double)using->events / using->caught_up_s, "/s", 11);
        print_number((double)using->events / using->rebuilt_s, "/s", 11);
        printf(" %7.1f s", using->rebuilt_s);
        print_percentiles(&using->idle);
        print_percentiles(&using->meanwhile);
        print_percentiles(&using->lag);
        printf("\n");
        fflush(stdout);
    }
    free(using);
    return status;
}

static varve_status run_models(struct bench *bench, varve_error *error)
{
    printf(
        "\na read model in use: catching up, a rebuild beside 100 queries a second, a query's p50 and p99 without and\n"
        "with a rebuild, and how long after an append's answer the model has it, at 5,000 events a second\n\n");
    printf("%-24s %11s %11s %9s %16s %17s %17s\n", "store", "catch-up", "rebuild", "", "query", "query, rebuild",
           "lag");
    varve_status status = run_store(bench, "SQLite", false, projection_sql, error);
    if (status >= 0) status = run_store(bench, "PostgreSQL", true, projection_sql, error);
    return status >= 0 ? run_store(bench, "PostgreSQL, 2 partitions", true, in_partitions, error) : status;
}

const struct report models_report = { "models", "a read model in use: catch-up, rebuild, queries, lag", run_models };
