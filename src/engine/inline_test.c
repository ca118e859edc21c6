/* SPDX-License-Identifier: Apache-2.0 */
/* Inline projections through the engine: never behind, refusing what they cannot take, rebuilt while others append. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <varve.h>
#include <cmocka.h>

#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

struct house {
    struct scratch scratch;
    char uri[320];
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
    bool on_postgres;
#endif
    varve_engine *engine;
};

#define EMAILS(version, column)                                                                           \
    "-- @projection emails\n-- @version " version "\n-- @mode inline\n-- @create\n"                       \
    "CREATE TABLE emails (email TEXT PRIMARY KEY, customer TEXT NOT NULL, " column " BIGINT NOT NULL);\n" \
    "CREATE INDEX emails_by_customer ON emails (customer);\n"                                             \
    "-- @on Registered\nINSERT INTO emails VALUES (:data.email, :stream, :position);\n"                   \
    "-- @on Left\nDELETE FROM emails WHERE customer = :stream;\n"

static const char emails[] = EMAILS("1", "since"), emails_later[] = EMAILS("2", "position");
static const char lenient[] =
    "-- @projection emails\n-- @version 3\n-- @mode inline\n-- @create\n"
    "CREATE TABLE emails (email TEXT PRIMARY KEY, customer TEXT NOT NULL);\n"
    "-- @on Registered\nINSERT INTO emails VALUES (:data.email, :stream) ON CONFLICT (email) DO NOTHING;\n";
static const char count_query[] = "-- @query taken\n-- @reads emails\nSELECT count(*) AS n FROM emails.emails";
static const char who_query[] = "-- @query who\n-- @reads emails\n-- @param email text\n"
                                "SELECT customer FROM emails.emails WHERE email = :email";

static varve_status open_with(struct house *house, varve_engine **engine, const char *projection, varve_error *error)
{
    const varve_engine_options options = { .store = house->uri };
    varve_status status = varve_engine_open(engine, &options, error);
    if (status >= 0) status = varve_engine_add_projection(*engine, "emails.sql", varve_str_of(projection), error);
    if (status >= 0) status = varve_engine_add_query(*engine, "taken.sql", varve_str_of(count_query), error);
    if (status >= 0) status = varve_engine_add_query(*engine, "who.sql", varve_str_of(who_query), error);
    return status < 0 ? status : varve_engine_start(*engine, error);
}

static void start(struct house *house, const char *projection)
{
    varve_error error = { 0 };
    if (open_with(house, &house->engine, projection, &error) < 0) fail_msg("%s", error.message);
}

static void stop(struct house *house)
{
    varve_engine_close(house->engine);
    house->engine = NULL;
}

static int set_up(void **state)
{
    struct house *house = calloc(1, sizeof *house);
    *state = house;
    scratch_init(&house->scratch);
    snprintf(house->uri, sizeof house->uri, "sqlite:%s", scratch_path(&house->scratch, "s.db"));
#ifdef VARVE_WITH_POSTGRES
    house->on_postgres = getenv("VARVE_TEST_STORE") != NULL;
    if (house->on_postgres) {
        postgres_init(&house->postgres);
        snprintf(house->uri, sizeof house->uri, "%s", postgres_uri(&house->postgres, "log"));
    }
#endif
    return 0;
}

static int tear_down(void **state)
{
    struct house *house = *state;
    stop(house);
#ifdef VARVE_WITH_POSTGRES
    if (house->on_postgres) postgres_fini(&house->postgres);
#endif
    scratch_fini(&house->scratch);
    free(house);
    return 0;
}

static varve_status append(varve_store *store, const char *stream, const char *type, const char *email,
                           varve_error *error)
{
    char data[96];
    snprintf(data, sizeof data, "{\"email\":\"%s\"}", email);
    const varve_event event = { .stream = varve_str_of(stream),
                                .type = varve_str_of(type),
                                .data = varve_str_of(data) };
    return varve_append(store, &(varve_append_request){ .events = &event, .event_count = 1 }, NULL, error);
}

static varve_status register_at(varve_engine *engine, const char *stream, const char *email, varve_error *error)
{
    return append(varve_engine_store(engine), stream, "Registered", email, error);
}

static void registered(varve_engine *engine, const char *stream, const char *email)
{
    varve_error error = { 0 };
    if (register_at(engine, stream, email, &error) < 0) fail_msg("%s", error.message);
}

/* The query's rows, and that the answer is as of the head. */
static void assert_rows(varve_engine *engine, const varve_query_request *request, const char *expected)
{
    varve_answer answer = { 0 };
    varve_error error = { 0 };
    uint64_t head = 0;
    assert_int_equal(varve_store_head(varve_engine_store(engine), &head, NULL), VARVE_OK);
    if (varve_query(engine, request, &answer, &error) < 0) fail_msg("%s", error.message);
    char rows[256];
    snprintf(rows, sizeof rows, "%.*s", (int)answer.rows.len, answer.rows.ptr);
    assert_string_equal(rows, expected);
    assert_true(answer.position >= head);
    varve_answer_fini(&answer);
}

static void taken(varve_engine *engine, unsigned count)
{
    char expected[32];
    snprintf(expected, sizeof expected, "[{\"n\":%u}]", count);
    assert_rows(engine, &(varve_query_request){ .name = VARVE_STR("taken") }, expected);
}

static void holds(varve_engine *engine, const char *email, const char *expected)
{
    const varve_query_param param = { VARVE_STR("email"), varve_str_of(email) };
    assert_rows(engine, &(varve_query_request){ .name = VARVE_STR("who"), .params = &param, .param_count = 1 },
                expected);
}

static void it_is_never_behind(void **state)
{
    struct house *house = *state;
    varve_error error = { 0 };
    start(house, emails);
    taken(house->engine, 0);
    registered(house->engine, "customer-1", "a@x");
    taken(house->engine, 1);
    holds(house->engine, "a@x", "[{\"customer\":\"customer-1\"}]");
    assert_int_equal(append(varve_engine_store(house->engine), "customer-1", "Left", "", &error), VARVE_OK);
    taken(house->engine, 0);
    registered(house->engine, "customer-2", "a@x");
    holds(house->engine, "a@x", "[{\"customer\":\"customer-2\"}]");
    stop(house);
    start(house, emails);
    taken(house->engine, 1);
}

static void it_refuses_what_it_cannot_take(void **state)
{
    struct house *house = *state;
    varve_error error = { 0 };
    uint64_t head = 0;
    start(house, emails);
    registered(house->engine, "customer-1", "a@x");
    assert_int_equal(register_at(house->engine, "customer-2", "a@x", &error), VARVE_PROJECTION_REFUSED);
    assert_non_null(strstr(error.message, "inline projection emails: emails.sql:8: "));
    assert_int_equal(varve_store_head(varve_engine_store(house->engine), &head, NULL), VARVE_OK);
    assert_int_equal(head, 1);
    registered(house->engine, "customer-2", "b@x");
    taken(house->engine, 2);
}

struct answers {
    sem_t over;
    atomic_uint ok, refused, other;
};

static void note(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct answers *answers = ctx;
    (void)appended, (void)error;
    atomic_fetch_add(status == VARVE_OK                   ? &answers->ok
                     : status == VARVE_PROJECTION_REFUSED ? &answers->refused
                                                          : &answers->other,
                     1);
    sem_post(&answers->over);
}

enum { MANY = 256, TWICE = 7 };

/* Of many in one batch, each seventh has somebody's address. */
static void only_the_offender_is_refused(void **state)
{
    struct house *house = *state;
    struct answers answers = { .ok = 0 };
    varve_error error = { 0 };
    unsigned refused = 0;
    start(house, emails);
    registered(house->engine, "customer-first", "taken@x");
    sem_init(&answers.over, 0, 0);
    for (unsigned i = 0; i < MANY; i++) {
        char stream[32], data[64];
        snprintf(stream, sizeof stream, "customer-%u", i);
        snprintf(data, sizeof data, i % TWICE == 3 ? "{\"email\":\"taken@x\"}" : "{\"email\":\"%u@x\"}", i);
        refused += i % TWICE == 3;
        const varve_event event = { .stream = varve_str_of(stream),
                                    .type = VARVE_STR("Registered"),
                                    .data = varve_str_of(data) };
        assert_int_equal(varve_append_async(varve_engine_store(house->engine),
                                            &(varve_append_request){ .events = &event, .event_count = 1 }, note,
                                            &answers, &error),
                         VARVE_OK);
    }
    for (unsigned i = 0; i < MANY; i++) sem_wait(&answers.over);
    sem_destroy(&answers.over);
    assert_int_equal(answers.other, 0);
    assert_int_equal(answers.refused, refused);
    assert_int_equal(answers.ok, MANY - refused);
    taken(house->engine, MANY - refused + 1);
}

static void what_was_appended_without_it_is_caught_up_with(void **state)
{
    struct house *house = *state;
    const varve_store_options options = { .uri = house->uri };
    varve_store *store = NULL;
    varve_error error = { 0 };
    start(house, emails);
    registered(house->engine, "customer-1", "a@x");
    stop(house);
    if (varve_store_open(&store, &options, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(append(store, "customer-2", "Registered", "b@x", &error), VARVE_OK);
    assert_int_equal(append(store, "other-2", "Noted", "b@x", &error), VARVE_OK);
    varve_store_close(store);
    start(house, emails);
    taken(house->engine, 2);
    assert_int_equal(register_at(house->engine, "customer-3", "b@x", &error), VARVE_PROJECTION_REFUSED);
}

static void see(void *ctx, const varve_projection_status *status)
{
    varve_projection_status *seen = ctx;
    *seen = *status;
}

static void assert_faulted(varve_engine *engine, uint64_t position)
{
    varve_projection_status seen = { 0 };
    assert_int_equal(varve_projection_list(engine, VARVE_STR("emails"), see, &seen, NULL), VARVE_OK);
    assert_int_equal(seen.state, VARVE_PROJECTION_FAULTED);
    assert_int_equal(seen.failed_position, position);
    assert_int_equal(seen.position, position - 1);
}

/* Whoever appended what cannot be taken is named, not who comes next; and what the model does not see goes on. */
static void what_cannot_be_caught_up_with_is_named(void **state)
{
    struct house *house = *state;
    const varve_store_options options = { .uri = house->uri };
    varve_store *store = NULL;
    varve_error error = { 0 };
    start(house, emails);
    registered(house->engine, "customer-1", "a@x");
    stop(house);
    if (varve_store_open(&store, &options, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(append(store, "customer-2", "Registered", "a@x", &error), VARVE_OK);
    varve_store_close(store);
    for (int i = 0; i < 2; i++) {
        start(house, i == 0 ? emails : emails_later); /* caught up with, and built anew */
        assert_faulted(house->engine, 2);
        assert_int_equal(register_at(house->engine, "customer-3", "c@x", &error), VARVE_UNAVAILABLE);
        if (strstr(error.message, "position 2, Registered of customer-2") == NULL) fail_msg("%s", error.message);
        store = varve_engine_store(house->engine);
        assert_int_equal(append(store, "other-1", "Noted", "b@x", &error), VARVE_OK);
        stop(house);
    }
    start(house, lenient);
    registered(house->engine, "customer-3", "c@x");
    taken(house->engine, 2);
}

enum { MANY_WITHOUT = 2500 };

/* Much of it is caught up with in several transactions. */
static void much_that_was_appended_without_it_is_caught_up_with(void **state)
{
    static char streams[MANY_WITHOUT][24], data[MANY_WITHOUT][40];
    static varve_event events[MANY_WITHOUT];
    struct house *house = *state;
    varve_store *store = NULL;
    varve_error error = { 0 };
    start(house, emails);
    registered(house->engine, "customer-1", "a@x");
    stop(house);
    for (unsigned i = 0; i < MANY_WITHOUT; i++) {
        snprintf(streams[i], sizeof streams[i], "customer-x%u", i);
        snprintf(data[i], sizeof data[i], "{\"email\":\"%u@x\"}", i);
        events[i] = (varve_event){ .stream = varve_str_of(streams[i]),
                                   .type = VARVE_STR("Registered"),
                                   .data = varve_str_of(data[i]) };
    }
    if (varve_store_open(&store, &(varve_store_options){ .uri = house->uri }, &error) < 0)
        fail_msg("%s", error.message);
    for (unsigned i = 0; i < MANY_WITHOUT; i += 500)
        assert_int_equal(varve_append(store, &(varve_append_request){ .events = events + i, .event_count = 500 }, NULL,
                                      &error),
                         VARVE_OK);
    varve_store_close(store);
    start(house, emails);
    taken(house->engine, MANY_WITHOUT + 1);
}

/* A statement without end ends, and is the event's failure. */
static void a_statement_that_does_not_end_is_refused(void **state)
{
    static const char endless[] =
        "-- @projection emails\n-- @version 1\n-- @mode inline\n-- @create\n"
        "CREATE TABLE emails (email TEXT UNIQUE, customer TEXT);\n"
        "-- @on Registered\nINSERT INTO emails VALUES (:data.email, :stream);\n"
        "-- @on Endless\nINSERT INTO emails WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n % 7 + 1 FROM x)"
        " SELECT CAST(count(*) AS TEXT), '' FROM x;\n";
    struct house *house = *state;
    varve_error error = { 0 };
    start(house, endless);
    varve_store *store = varve_engine_store(house->engine);
    registered(house->engine, "customer-1", "a@x");
    assert_int_equal(append(store, "customer-2", "Endless", "b@x", &error), VARVE_PROJECTION_REFUSED);
    assert_non_null(strstr(error.message, "longer than 10000 ms"));
    registered(house->engine, "customer-2", "b@x");
    taken(house->engine, 2);
}

static void a_new_version_is_built_from_the_whole_log(void **state)
{
    struct house *house = *state;
    start(house, emails);
    registered(house->engine, "customer-1", "a@x");
    registered(house->engine, "customer-2", "b@x");
    stop(house);
    start(house, emails_later);
    taken(house->engine, 2);
    registered(house->engine, "customer-3", "c@x");
    taken(house->engine, 3);
}

struct appender {
    struct house *house;
    atomic_bool stopping;
    unsigned count;
};

static void *append_on(void *ctx)
{
    struct appender *appender = ctx;
    while (!appender->stopping) {
        char stream[32], email[32];
        snprintf(stream, sizeof stream, "load-%u", appender->count);
        snprintf(email, sizeof email, "load-%u@x", appender->count);
        if (register_at(appender->house->engine, stream, email, NULL) != VARVE_OK) return NULL;
        appender->count++;
    }
    return ctx;
}

struct asker {
    struct house *house;
    atomic_bool stopping;
    char problem[256];
};

/* Each event has made a row: an answer has as many as the position that it is said to be as of. */
static void *ask_on(void *ctx)
{
    struct asker *asker = ctx;
    while (!asker->stopping && asker->problem[0] == '\0') {
        varve_answer answer = { 0 };
        varve_error error = { 0 };
        if (varve_query(asker->house->engine, &(varve_query_request){ .name = VARVE_STR("taken") }, &answer, &error) <
            0)
            snprintf(asker->problem, sizeof asker->problem, "%s", error.message);
        else if (strtoul(answer.rows.ptr + strlen("[{\"n\":"), NULL, 10) != answer.position)
            snprintf(asker->problem, sizeof asker->problem, "%.*s as of %llu", (int)answer.rows.len, answer.rows.ptr,
                     (unsigned long long)answer.position);
        varve_answer_fini(&answer);
    }
    return NULL;
}

/* Waits for the end, and says how much there was to do. */
static void rebuild(struct house *house)
{
    varve_projection_status seen = { 0 };
    varve_error error = { 0 };
    if (varve_projection_rebuild(house->engine, VARVE_STR("emails"), &error) < 0) fail_msg("%s", error.message);
    do {
        assert_int_equal(varve_projection_list(house->engine, VARVE_STR("emails"), see, &seen, NULL), VARVE_OK);
        assert_int_equal(seen.rebuild_total, seen.head);
    } while (seen.rebuilding);
    if (seen.problem.len > 0) fail_msg("%.*s", (int)seen.problem.len, seen.problem.ptr);
    assert_true(varve_str_is(seen.mode, "inline"));
    assert_int_equal(seen.state, VARVE_PROJECTION_LIVE);
}

enum { ASKERS = 3, ASKED_REBUILDS = 10 };

static void nobody_sees_a_rebuild(void **state)
{
    struct asker askers[ASKERS] = { 0 };
    pthread_t threads[ASKERS], appending;
    struct house *house = *state;
    struct appender appender = { .house = house };
    void *went_well = NULL;
    start(house, emails);
    registered(house->engine, "customer-1", "a@x");
    assert_int_equal(pthread_create(&appending, NULL, append_on, &appender), 0);
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){ .house = house };
        assert_int_equal(pthread_create(&threads[i], NULL, ask_on, &askers[i]), 0);
    }
    for (int i = 0; i < ASKED_REBUILDS; i++) rebuild(house);
    appender.stopping = true;
    pthread_join(appending, &went_well);
    assert_non_null(went_well);
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i].stopping = true;
        pthread_join(threads[i], NULL);
        assert_string_equal(askers[i].problem, "");
    }
}

static void it_is_rebuilt_while_others_append(void **state)
{
    struct house *house = *state;
    struct appender appender = { .house = house };
    pthread_t thread;
    void *went_well = NULL;
    start(house, emails);
    for (unsigned i = 0; i < 50; i++) {
        char email[32];
        snprintf(email, sizeof email, "%u@x", i);
        registered(house->engine, "customer-1", email);
    }
    assert_int_equal(pthread_create(&thread, NULL, append_on, &appender), 0);
    for (int i = 0; i < 3; i++) rebuild(house);
    appender.stopping = true;
    pthread_join(thread, &went_well);
    assert_non_null(went_well);
    taken(house->engine, 50 + appender.count);
}

/* A constraint that waits for the end of the transaction is the model's all the same. */
static void a_constraint_may_be_deferred(void **state)
{
    static const char deferring[] =
        "-- @projection emails\n-- @version 1\n-- @mode inline\n-- @create\n-- @sqlite\n"
        "CREATE TABLE emails (email TEXT UNIQUE, customer TEXT);\n-- @postgres\n"
        "CREATE TABLE emails (email TEXT UNIQUE DEFERRABLE INITIALLY DEFERRED, customer TEXT);\n"
        "-- @on Registered\nINSERT INTO emails VALUES (:data.email, :stream);\n";
    struct house *house = *state;
    varve_error error = { 0 };
    start(house, deferring);
    registered(house->engine, "customer-1", "a@x");
    assert_int_equal(register_at(house->engine, "customer-2", "a@x", &error), VARVE_PROJECTION_REFUSED);
    assert_non_null(strstr(error.message, "inline projection emails: "));
    registered(house->engine, "customer-2", "b@x");
    taken(house->engine, 2);
}

/* Columns that are computed, keys that are given, views, triggers where there are any. */
static void its_tables_may_be_of_any_kind(void **state)
{
    static const char projection[] =
        "-- @projection emails\n-- @version 1\n-- @mode inline\n-- @create\n"
        "CREATE TABLE emails (email TEXT PRIMARY KEY, customer TEXT NOT NULL, host TEXT GENERATED ALWAYS AS"
        " (substr(email, 3)) STORED, \"the order\" BIGINT NOT NULL);\n"
        "CREATE VIEW hosts AS SELECT DISTINCT host FROM emails;\n"
        "-- @on Registered\nINSERT INTO emails (email, customer, \"the order\")"
        " VALUES (:data.email, :stream, :position);\n";
    struct house *house = *state;
    start(house, projection);
    registered(house->engine, "customer-1", "a@x");
    registered(house->engine, "customer-2", "b@y");
    rebuild(house);
    rebuild(house);
    registered(house->engine, "customer-3", "c@x");
    taken(house->engine, 3);
    holds(house->engine, "b@y", "[{\"customer\":\"customer-2\"}]");
}

/* Changes the model behind the engine's back, which is closed. */
static void tamper(struct house *house, const char *statement)
{
#ifdef VARVE_WITH_POSTGRES
    if (house->on_postgres) {
        char script[256];
        snprintf(script, sizeof script, "SET search_path = log; %s", statement);
        postgres_exec(&house->postgres, script);
        return;
    }
#endif
    sqlite3 *file = NULL;
    assert_int_equal(sqlite3_open(scratch_path(&house->scratch, "s.db"), &file), SQLITE_OK);
    assert_int_equal(sqlite3_exec(file, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(file);
}

static varve_status note_difference(void *ctx, const varve_projection_difference *difference)
{
    char *told = ctx;
    size_t len = strlen(told);
    snprintf(told + len, 512 - len, "%.*s %s %.*s; ", (int)difference->table.len, difference->table.ptr,
             varve_projection_difference_word(difference->kind), (int)difference->live.len, difference->live.ptr);
    return VARVE_OK;
}

static varve_projection_check_summary check(struct house *house, char told[512])
{
    varve_projection_check_summary summary;
    varve_error error = { 0 };
    const varve_projection_check_options options = { .name = VARVE_STR("emails"),
                                                     .visit = note_difference,
                                                     .ctx = told };
    told[0] = '\0';
    if (varve_projection_check(house->engine, &options, &summary, &error) < 0) fail_msg("%s", error.message);
    return summary;
}

static void it_is_held_against_the_log(void **state)
{
    struct house *house = *state;
    char told[512];
    start(house, emails);
    assert_int_equal(check(house, told).rows_compared, 0);
    registered(house->engine, "customer-1", "a@x");
    registered(house->engine, "customer-2", "b@x");
    varve_projection_check_summary summary = check(house, told);
    assert_string_equal(told, "");
    assert_int_equal(summary.tables, 1);
    assert_int_equal(summary.rows_compared, 2);
    assert_int_equal(summary.position, 2);
    rebuild(house);
    check(house, told);
    assert_string_equal(told, "");
    stop(house);
    tamper(house, "UPDATE emails SET since = 7 WHERE email = 'a@x'");
    tamper(house, "DELETE FROM emails WHERE email = 'b@x'");
    start(house, emails);
    summary = check(house, told);
    assert_string_equal(told, "emails differs {\"email\":\"a@x\",\"customer\":\"customer-1\",\"since\":7}; "
                              "emails missing ; ");
    assert_int_equal(summary.differing + summary.missing, 2);
    rebuild(house);
    check(house, told);
    assert_string_equal(told, "");
}

static void it_keeps_to_its_own_tables(void **state)
{
    static const char *const files[] = {
        "-- @projection emails\n-- @version 1\n-- @mode inline\n-- @create\nCREATE TABLE events (id TEXT);\n"
        "-- @on Registered\nINSERT INTO events VALUES (:stream);\n",
        "-- @projection emails\n-- @version 1\n-- @mode inline\n-- @create\nCREATE TABLE emails (id TEXT);\n"
        "-- @on Registered\nDELETE FROM records WHERE key = :stream;\n",
        "-- @projection emails\n-- @version 1\n-- @mode inline\n-- @on_error park\n-- @create\n"
        "CREATE TABLE emails (id TEXT);\n-- @on Registered\nINSERT INTO emails VALUES (:stream);\n",
    };
    struct house *house = *state;
    for (size_t i = 0; i < 3; i++) {
        const varve_engine_options options = { .store = house->uri };
        varve_error error = { 0 };
        varve_engine *engine = NULL;
        assert_int_equal(varve_engine_open(&engine, &options, &error), VARVE_OK);
        varve_status status = varve_engine_add_projection(engine, "emails.sql", varve_str_of(files[i]), &error);
        if (status >= 0) status = varve_engine_start(engine, &error);
        assert_true(status < 0);
        if (strstr(error.message, "emails.sql:") == NULL) fail_msg("%s", error.message);
        varve_engine_close(engine);
    }
}

#ifdef VARVE_WITH_POSTGRES
/* Two engines on one store: what the one appends, the other's model has. */
static void processes_share_it(void **state)
{
    struct house *house = *state;
    varve_engine *other = NULL;
    varve_error error = { 0 };
    if (!house->on_postgres) return;
    start(house, emails);
    if (open_with(house, &other, emails, &error) < 0) fail_msg("%s", error.message);
    for (unsigned i = 0; i < 20; i++) {
        char stream[32], email[32];
        snprintf(stream, sizeof stream, "customer-%u", i);
        snprintf(email, sizeof email, "%u@x", i);
        registered(i % 3 == 0 ? other : house->engine, stream, email);
    }
    assert_int_equal(register_at(other, "customer-x", "1@x", &error), VARVE_PROJECTION_REFUSED);
    assert_int_equal(register_at(house->engine, "customer-x", "0@x", &error), VARVE_PROJECTION_REFUSED);
    taken(other, 20);
    taken(house->engine, 20);
    varve_engine_close(other);
}

/* Another session, in a transaction that goes on once somebody waits for it; it fails if nobody does. */
struct session {
    struct postgres postgres;
    char script[700];
};

static void *run_script(void *ctx)
{
    struct session *session = ctx;
    postgres_exec(&session->postgres, session->script);
    return NULL;
}

static pthread_t hold_models(struct house *house, struct session *session, const char *mode, const char *statement)
{
    pthread_t thread;
    session->postgres = house->postgres;
    snprintf(session->script, sizeof session->script,
             "BEGIN; LOCK TABLE log.varve_inline IN %s MODE;"
             "DO $$ BEGIN FOR i IN 1..2000 LOOP"
             " IF EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'log.varve_inline'::regclass)"
             " THEN RETURN; END IF; PERFORM pg_sleep(0.01); END LOOP; RAISE 'nobody waits'; END $$; %s; COMMIT",
             mode, statement);
    assert_int_equal(pthread_create(&thread, NULL, run_script, session), 0);
    while (postgres_number(&house->postgres, "SELECT count(*) FROM pg_locks WHERE granted AND pid <> pg_backend_pid()"
                                             " AND relation = 'log.varve_inline'::regclass") == 0) {
    }
    return thread;
}

/* Names are those of now, whatever the snapshot: so a query has its snapshot after, and a rebuild waits for queries. */
static void a_query_and_an_exchange_wait_for_each_other(void **state)
{
    struct house *house = *state;
    static struct session session;
    if (!house->on_postgres) return;
    start(house, emails);
    registered(house->engine, "customer-1", "a@x");
    pthread_t thread =
        hold_models(house, &session, "ACCESS EXCLUSIVE", "INSERT INTO log.emails VALUES ('b@x', 'customer-2', 2)");
    taken(house->engine, 2);
    pthread_join(thread, NULL);
    thread = hold_models(house, &session, "ACCESS SHARE", "DELETE FROM log.emails WHERE email = 'a@x'");
    rebuild(house);
    pthread_join(thread, NULL);
    taken(house->engine, 1);
    holds(house->engine, "a@x", "[{\"customer\":\"customer-1\"}]");
}

/* Who reads for long holds up the exchange, but no appends: it gives way and is tried again. */
static void an_exchange_gives_way(void **state)
{
    struct house *house = *state;
    static struct session session;
    if (!house->on_postgres) return;
    start(house, emails);
    registered(house->engine, "customer-1", "a@x");
    pthread_t thread = hold_models(house, &session, "ACCESS SHARE",
                                   "DO $$ BEGIN FOR i IN 1..1000 LOOP IF NOT EXISTS (SELECT FROM pg_locks"
                                   " WHERE NOT granted AND relation = 'log.varve_inline'::regclass)"
                                   " THEN RETURN; END IF; PERFORM pg_sleep(0.01); END LOOP;"
                                   " RAISE 'nobody gives way'; END $$");
    rebuild(house);
    pthread_join(thread, NULL);
    taken(house->engine, 1);
}

/* Somebody is in the way the first two times. */
static void a_rebuild_is_patient(void **state)
{
    static const char hiccups[] =
        "-- @projection emails\n-- @version 1\n-- @mode inline\n-- @create\n"
        "CREATE TABLE emails (email TEXT PRIMARY KEY, customer TEXT NOT NULL);\n"
        "-- @on Registered\nINSERT INTO emails VALUES (public.hiccup(:data.email), :stream);\n";
    struct house *house = *state;
    if (!house->on_postgres) return;
    postgres_exec(&house->postgres, "CREATE SEQUENCE public.hiccups START 10;"
                                    "CREATE FUNCTION public.hiccup(email text) RETURNS text LANGUAGE plpgsql AS $$"
                                    " BEGIN IF nextval('public.hiccups') < 3 THEN RAISE 'in the way'"
                                    " USING ERRCODE = '55P03'; END IF; RETURN email; END $$");
    start(house, hiccups);
    registered(house->engine, "customer-1", "a@x");
    registered(house->engine, "customer-2", "b@x");
    postgres_exec(&house->postgres, "ALTER SEQUENCE public.hiccups RESTART WITH 1");
    rebuild(house);
    taken(house->engine, 2);
}

/* One has the model of a later version built: for the other nothing that it sees can be appended, all else can. */
static void who_is_of_another_version_appends_the_rest(void **state)
{
    struct house *house = *state;
    struct answers seen = { .ok = 0 }, others = { .ok = 0 };
    varve_engine *later = NULL;
    varve_error error = { 0 };
    if (!house->on_postgres) return;
    start(house, emails);
    if (open_with(house, &later, emails_later, &error) < 0) fail_msg("%s", error.message);
    sem_init(&seen.over, 0, 0);
    sem_init(&others.over, 0, 0);
    for (unsigned i = 0; i < MANY; i++) {
        char stream[32];
        snprintf(stream, sizeof stream, "customer-%u", i);
        const varve_event event = { .stream = varve_str_of(stream),
                                    .type = i % TWICE == 3 ? VARVE_STR("Registered") : VARVE_STR("Noted"),
                                    .data = VARVE_STR("{\"email\":\"a@x\"}") };
        assert_int_equal(varve_append_async(varve_engine_store(house->engine),
                                            &(varve_append_request){ .events = &event, .event_count = 1 }, note,
                                            i % TWICE == 3 ? &seen : &others, &error),
                         VARVE_OK);
    }
    for (unsigned i = 0; i < MANY; i++) sem_wait(i % TWICE == 3 ? &seen.over : &others.over);
    assert_int_equal(seen.ok + seen.refused, 0);
    assert_int_equal(others.refused + others.other, 0);
    assert_int_equal(register_at(house->engine, "customer-1", "b@x", &error), VARVE_UNAVAILABLE);
    assert_non_null(strstr(error.message, "another version"));
    assert_int_equal(append(varve_engine_store(house->engine), "customer-1", "Noted", "", &error), VARVE_OK);
    registered(later, "customer-1", "b@x");
    sem_destroy(&seen.over);
    sem_destroy(&others.over);
    varve_engine_close(later);
}

/* What somebody without the projection appends meanwhile is caught up with, or named. */
static void who_appends_without_it_is_named(void **state)
{
    struct house *house = *state;
    const varve_store_options options = { .uri = house->uri };
    varve_store *store = NULL;
    varve_error error = { 0 };
    if (!house->on_postgres) return;
    start(house, emails);
    if (varve_store_open(&store, &options, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(append(store, "customer-1", "Registered", "a@x", &error), VARVE_OK);
    assert_int_equal(register_at(house->engine, "customer-2", "a@x", &error), VARVE_PROJECTION_REFUSED);
    registered(house->engine, "customer-2", "b@x");
    assert_int_equal(append(store, "customer-3", "Registered", "b@x", &error), VARVE_OK);
    assert_int_equal(register_at(house->engine, "customer-4", "c@x", &error), VARVE_UNAVAILABLE);
    if (strstr(error.message, "position 3, Registered of customer-3, which was appended without it") == NULL)
        fail_msg("%s", error.message);
    assert_int_equal(append(store, "customer-3", "Noted", "", &error), VARVE_OK);
    varve_store_close(store);
}
#endif

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_is_never_behind),
        CASE(it_refuses_what_it_cannot_take),
        CASE(only_the_offender_is_refused),
        CASE(what_was_appended_without_it_is_caught_up_with),
        CASE(what_cannot_be_caught_up_with_is_named),
        CASE(much_that_was_appended_without_it_is_caught_up_with),
        CASE(a_statement_that_does_not_end_is_refused),
        CASE(a_new_version_is_built_from_the_whole_log),
        CASE(it_is_rebuilt_while_others_append),
        CASE(nobody_sees_a_rebuild),
        CASE(a_constraint_may_be_deferred),
        CASE(its_tables_may_be_of_any_kind),
        CASE(it_is_held_against_the_log),
        CASE(it_keeps_to_its_own_tables),
#ifdef VARVE_WITH_POSTGRES
        CASE(processes_share_it),
        CASE(a_query_and_an_exchange_wait_for_each_other),
        CASE(an_exchange_gives_way),
        CASE(a_rebuild_is_patient),
        CASE(who_is_of_another_version_appends_the_rest),
        CASE(who_appends_without_it_is_named),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
