/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query side on a real store in a folder of its own, and short words for the tests of models. The
 * models are in a database of the driver under test: files of that folder, or schemas.
 */
#ifndef VARVE_QUERY_MODELS_FIXTURE_H
#define VARVE_QUERY_MODELS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <varve.h>
#include <cmocka.h>

#include "query/models.h"
#include "sql/sql.h"
#include "store/access.h"
#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

struct fixture {
    const struct sql_driver *sql;
    struct scratch scratch;
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres; /* for SQL_IN_A_SCHEMA */
#endif
    varve_store *store;
    struct models *models;
    varve_error error;
};

#define COUNT_HEAD(version) "-- @projection counts\n-- @version " version "\n-- @create\n"
#define COUNT_TABLE         "CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER NOT NULL, total INTEGER);\n"
#define COUNT_ON                                                         \
    "-- @on Added\nINSERT INTO counts VALUES (:stream, 1, :data.amount)" \
    " ON CONFLICT (stream) DO UPDATE SET n = counts.n + 1, total = counts.total + excluded.total;\n"

/* Counts events and adds up their amounts, so that an event lost or applied twice shows. */
static const char count_projection[] = COUNT_HEAD("1") COUNT_TABLE COUNT_ON;

static const char count_query[] = "-- @query counts\n-- @reads counts\n-- @param stream text\n"
                                  "SELECT n, total FROM counts.counts WHERE stream = :stream";
static const char all_query[] = "-- @query all_counts\n-- @reads counts\n"
                                "SELECT stream, n FROM counts.counts ORDER BY stream";

static inline void open_store(struct fixture *fixture, const char *name)
{
    const varve_store_options options = { .queue_limit = 64 };
    if (store_open(&fixture->store, &store_sqlite, scratch_path(&fixture->scratch, name), &options, &fixture->error) <
        0) {
        fail_msg("%s", fixture->error.message);
    }
}

static inline bool in_files(const struct fixture *fixture)
{
    return (fixture->sql->capabilities & SQL_IN_A_FILE) != 0;
}

/* Where the models are. */
static inline const char *models_place(struct fixture *fixture)
{
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        return postgres_uri(&fixture->postgres, "varve");
    }
#endif
    return scratch_path(&fixture->scratch, "models");
}

static inline varve_status open_models(struct fixture *fixture, struct models **models, varve_store *store,
                                       bool read_only)
{
    const struct models_options options = {
        .sql = fixture->sql,
        .location = models_place(fixture),
        .read_only = read_only,
    };
    return models_open(models, store, &options, &fixture->error);
}

/* Opens the query side with one projection and the two queries on it. */
static inline varve_status start(struct fixture *fixture, const char *projection)
{
    varve_status status = open_models(fixture, &fixture->models, fixture->store, false);
    if (status == VARVE_OK) {
        status = models_add_projection(fixture->models, "counts.sql", varve_str_of(projection), &fixture->error);
    }
    if (status == VARVE_OK) {
        status = models_add_query(fixture->models, "q.sql", varve_str_of(count_query), &fixture->error);
    }
    if (status == VARVE_OK) {
        status = models_add_query(fixture->models, "a.sql", varve_str_of(all_query), &fixture->error);
    }
    return status == VARVE_OK ? models_start(fixture->models, &fixture->error) : status;
}

static inline void start_well(struct fixture *fixture, const char *projection)
{
    if (start(fixture, projection) < 0) {
        fail_msg("%s", fixture->error.message);
    }
}

static inline void stop(struct fixture *fixture)
{
    models_close(fixture->models);
    fixture->models = NULL;
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->sql = *state;
    *state = fixture;
    scratch_init(&fixture->scratch);
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        postgres_init(&fixture->postgres);
    }
#endif
    open_store(fixture, "log.db");
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    stop(fixture);
    varve_store_close(fixture->store);
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        postgres_fini(&fixture->postgres);
    }
#endif
    scratch_fini(&fixture->scratch);
    free(fixture);
    return 0;
}

/* Appends one event and returns its position. */
static inline uint64_t append(struct fixture *fixture, const char *stream, const char *type, const char *data)
{
    const varve_event event = { .stream = varve_str_of(stream),
                                .type = varve_str_of(type),
                                .data = varve_str_of(data) };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    varve_appended appended = { 0 };
    if (varve_append(fixture->store, &request, &appended, &fixture->error) < 0) {
        fail_msg("%s", fixture->error.message);
    }
    uint64_t position = appended.last_position;
    varve_appended_fini(&appended);
    return position;
}

/* Appends `count` Added events of amount 1 over ten streams; returns the last position. */
static inline uint64_t append_many(struct fixture *fixture, size_t count)
{
    static const char *const streams[] = { "a-0", "a-1", "a-2", "a-3", "a-4", "a-5", "a-6", "a-7", "a-8", "a-9" };
    varve_event events[100];
    uint64_t position = 0;
    while (count > 0) {
        size_t some = count < 100 ? count : 100;
        for (size_t i = 0; i < some; i++) {
            events[i] = (varve_event){ .stream = varve_str_of(streams[i % 10]),
                                       .type = VARVE_STR("Added"),
                                       .data = VARVE_STR("{\"amount\":1}") };
        }
        varve_appended appended = { 0 };
        const varve_append_request request = { .events = events, .event_count = some };
        assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_OK);
        position = appended.last_position;
        varve_appended_fini(&appended);
        count -= some;
    }
    return position;
}

/* Asks with one parameter at most; the answer as JSON rows, kept until the next call. */
static inline const char *ask(struct fixture *fixture, const char *query, const char *stream, uint64_t after)
{
    static char text[4096];
    const varve_query_param param = { VARVE_STR("stream"), varve_str_of(stream) };
    const varve_query_request request = {
        .name = varve_str_of(query),
        .params = &param,
        .param_count = stream != NULL,
        .after_position = after,
        .wait_ms = 60000,
    };
    varve_answer answer = { 0 };
    if (models_query(fixture->models, &request, &answer, &fixture->error) < 0) {
        snprintf(text, sizeof text, "%s", fixture->error.message);
        return text;
    }
    assert_true(answer.position >= after);
    snprintf(text, sizeof text, "%.*s", (int)answer.rows.len, answer.rows.ptr);
    varve_answer_fini(&answer);
    return text;
}

/* A projection's status, with texts of its own. */
struct seen {
    varve_projection_status status;
    char problem[256];
};

static inline void copy_status(void *ctx, const varve_projection_status *status)
{
    struct seen *seen = ctx;
    seen->status = *status;
    snprintf(seen->problem, sizeof seen->problem, "%.*s", (int)status->problem.len, status->problem.ptr);
}

static inline struct seen look(struct fixture *fixture)
{
    struct seen seen = { 0 };
    assert_int_equal(models_list(fixture->models, VARVE_STR("counts"), copy_status, &seen, NULL), VARVE_OK);
    return seen;
}

/* Looks again until the projection is in this state and nothing is being built. */
static inline struct seen await(struct fixture *fixture, varve_projection_state state)
{
    for (;;) {
        struct seen seen = look(fixture);
        if (seen.status.state == state && !seen.status.rebuilding) {
            return seen;
        }
        usleep(1000);
    }
}

/* A case, and what the driver's capabilities (SQL_…) must have, and must not have, for it to mean anything. */
struct model_case {
    struct CMUnitTest test;
    unsigned with, without;
};

enum { CASES_MAX = 32 };

#define CASE(name)                                                     \
    {                                                                  \
        cmocka_unit_test_setup_teardown(name, set_up, tear_down), 0, 0 \
    }
#define CASE_WITH(name, bits)                                               \
    {                                                                       \
        cmocka_unit_test_setup_teardown(name, set_up, tear_down), (bits), 0 \
    }
#define CASE_WITHOUT(name, bits)                                            \
    {                                                                       \
        cmocka_unit_test_setup_teardown(name, set_up, tear_down), 0, (bits) \
    }

static inline int run_on(const struct sql_driver *sql, const struct model_case *cases, size_t count)
{
    struct CMUnitTest tests[CASES_MAX];
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        if ((sql->capabilities & cases[i].with) != cases[i].with || (sql->capabilities & cases[i].without) != 0)
            continue;
        if (chosen == CASES_MAX) abort();
        tests[chosen] = cases[i].test;
        tests[chosen++].initial_state = (void *)(uintptr_t)sql;
    }
    return _cmocka_run_group_tests(sql->name, tests, chosen, NULL, NULL);
}

/* Runs the cases on every driver; returns how many failed. */
static inline int run_on_all(const struct model_case *cases, size_t count)
{
    int failed = run_on(&sql_sqlite, cases, count);
#ifdef VARVE_WITH_POSTGRES
    failed += run_on(postgres_sql(), cases, count);
#endif
    return failed;
}

#endif
