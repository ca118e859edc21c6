/* SPDX-License-Identifier: Apache-2.0 */
/* Many generations at once: rebuilds take turns, one projection's failure is its own, and nobody who asks sees any. */
#include "query/models_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PROJECTIONS = 20, TEXT_BYTES = 700 };

/* Opens the query side with the projections p_0, p_1 … and a query on each; `odd` is appended to the @on of p_1. */
static void start_many(struct fixture *fixture, unsigned count, uint32_t rebuilds, const char *version, const char *odd)
{
    const struct models_options options = { .sql = fixture->sql,
                                            .location = models_place(fixture),
                                            .rebuilds = rebuilds };
    char text[TEXT_BYTES], file[32];
    assert_int_equal(models_open(&fixture->models, fixture->store, &options, &fixture->error), VARVE_OK);
    for (unsigned i = 0; i < count; i++) {
        snprintf(file, sizeof file, "p_%u.sql", i);
        snprintf(text, sizeof text,
                 "-- @projection p_%u\n-- @version %s\n-- @create\n"
                 "CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER NOT NULL CHECK (n < 1000000));\n"
                 "-- @on Added\nINSERT INTO counts VALUES (:stream, 1) ON CONFLICT (stream) DO UPDATE"
                 " SET n = counts.n + 1;\n%s",
                 i, version, i == 1 ? odd : "");
        if (models_add_projection(fixture->models, file, varve_str_of(text), &fixture->error) < 0) {
            fail_msg("%s", fixture->error.message);
        }
        snprintf(file, sizeof file, "q_%u.sql", i);
        snprintf(text, sizeof text,
                 "-- @query q_%u\n-- @reads p_%u\nSELECT CAST(sum(n) AS INTEGER) AS n FROM p_%u.counts", i, i, i);
        assert_int_equal(models_add_query(fixture->models, file, varve_str_of(text), &fixture->error), VARVE_OK);
    }
    if (models_start(fixture->models, &fixture->error) < 0) {
        fail_msg("%s", fixture->error.message);
    }
}

static const char *name_of(unsigned i)
{
    static _Alignas(8) char names[PROJECTIONS][8];
    snprintf(names[i], sizeof names[i], "p_%u", i);
    return names[i];
}

static struct seen look_at(struct fixture *fixture, unsigned i)
{
    struct seen seen = { 0 };
    assert_int_equal(models_list(fixture->models, varve_str_of(name_of(i)), copy_status, &seen, NULL), VARVE_OK);
    return seen;
}

/* Each of them has all events, once. */
static void assert_counts(struct fixture *fixture, unsigned count, uint64_t position, const char *rows)
{
    char query[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(query, sizeof query, "q_%u", i);
        assert_string_equal(ask(fixture, query, NULL, position), rows);
    }
}

/* Looks until nothing is rebuilt any more; returns how many were seen at it at once. */
static unsigned await_all(struct fixture *fixture, unsigned count, bool *queued)
{
    unsigned most = 0;
    for (unsigned open = 1; open > 0;) {
        unsigned building = 0;
        open = 0;
        for (unsigned i = 0; i < count; i++) {
            struct seen seen = look_at(fixture, i);
            open += seen.status.rebuilding;
            building += seen.status.rebuilding && !seen.status.rebuild_queued;
            *queued = *queued || seen.status.rebuild_queued;
        }
        /* One may have ended between two looks, and another begun. */
        most = building > most ? building : most;
        usleep(1000);
    }
    return most;
}

static void twenty_projections_follow_and_are_rebuilt_in_turns(void **state)
{
    struct fixture *fixture = *state;
    bool queued = false;
    uint64_t position = append_many(fixture, 2000);
    start_many(fixture, PROJECTIONS, 0, "1", "");
    assert_counts(fixture, PROJECTIONS, position, "[{\"n\":2000}]");
    for (unsigned i = 0; i < PROJECTIONS; i++) {
        assert_int_equal(models_rebuild(fixture->models, varve_str_of(name_of(i)), NULL), VARVE_OK);
    }
    position = append_many(fixture, 100);
    assert_counts(fixture, PROJECTIONS, position, "[{\"n\":2100}]");
    unsigned most = await_all(fixture, PROJECTIONS, &queued);
    assert_true(queued);
    assert_true(most <= 2 * MODELS_REBUILDS); /* seen one after the other, not at one moment */
    assert_counts(fixture, PROJECTIONS, position, "[{\"n\":2100}]");
    for (unsigned i = 0; i < PROJECTIONS; i++) {
        assert_string_equal(look_at(fixture, i).problem, "");
        assert_true(look_at(fixture, i).status.events_applied >= 4100);
    }
}

/* With one place, whose rebuild cannot end, nobody else begins; when it ends, the next does. */
static void a_rebuild_waits_for_its_turn(void **state)
{
    struct fixture *fixture = *state;
    bool queued = false;
    uint64_t position = append_many(fixture, 4000);
    start_many(fixture, 3, 1, "1", "");
    assert_counts(fixture, 3, position, "[{\"n\":4000}]");
    for (unsigned i = 0; i < 3; i++) {
        models_rebuild(fixture->models, varve_str_of(name_of(i)), NULL);
    }
    assert_int_equal(look_at(fixture, 2).status.rebuilding, true);
    await_all(fixture, 3, &queued);
    assert_true(queued);
    /* One that is stopped in the middle leaves its place. */
    for (unsigned i = 0; i < 3; i++) {
        models_rebuild(fixture->models, varve_str_of(name_of(i)), NULL);
    }
    stop(fixture);
    start_many(fixture, 3, 1, "2", "");
    await_all(fixture, 3, &queued);
    assert_counts(fixture, 3, position, "[{\"n\":4000}]");
}

static void one_that_is_faulted_stops_no_other(void **state)
{
    struct fixture *fixture = *state;
    static const char bad[] = "-- @on Spoiled\nINSERT INTO counts VALUES (:stream, NULL);\n";
    bool queued = false;
    append_many(fixture, 100);
    uint64_t spoiled = append(fixture, "s-1", "Spoiled", "{}");
    uint64_t position = append_many(fixture, 100);
    start_many(fixture, 3, 1, "1", bad);
    assert_string_equal(ask(fixture, "q_0", NULL, position), "[{\"n\":200}]");
    assert_string_equal(ask(fixture, "q_2", NULL, position), "[{\"n\":200}]");
    while (look_at(fixture, 1).status.state != VARVE_PROJECTION_FAULTED) {
        usleep(1000);
    }
    assert_int_equal(look_at(fixture, 1).status.failed_position, spoiled);
    assert_string_equal(ask(fixture, "q_1", NULL, 0), "[{\"n\":100}]");
    /* Its rebuild fails too, and gives its place to the others. */
    for (unsigned i = 0; i < 3; i++) {
        models_rebuild(fixture->models, varve_str_of(name_of(2 - i)), NULL);
    }
    await_all(fixture, 3, &queued);
    struct seen seen = look_at(fixture, 1);
    assert_non_null(strstr(seen.problem, "the rebuild failed: position 101"));
    assert_true(seen.status.failures >= 2);
    assert_string_equal(ask(fixture, "q_1", NULL, 0), "[{\"n\":100}]");
    assert_string_equal(look_at(fixture, 0).problem, "");
    position = append_many(fixture, 10);
    assert_string_equal(ask(fixture, "q_0", NULL, position), "[{\"n\":210}]");
    assert_string_equal(ask(fixture, "q_2", NULL, position), "[{\"n\":210}]");
}

/* A client that asks a hundred times a second, and looks that what it is told never goes back. */
struct client {
    struct fixture *fixture;
    atomic_bool stop;
    unsigned asked;
    int64_t least; /* no answer may have less */
    uint64_t position;
    char problem[256];
};

static void *be_a_client(void *arg)
{
    struct client *client = arg;
    const varve_query_request request = { .name = VARVE_STR("q_0") };
    while (!atomic_load(&client->stop) && *client->problem == '\0') {
        varve_answer answer = { 0 };
        varve_error error = { 0 };
        int64_t n = 0;
        if (models_query(client->fixture->models, &request, &answer, &error) < 0) {
            snprintf(client->problem, sizeof client->problem, "%s", error.message);
        } else if (sscanf(answer.rows.ptr, "[{\"n\":%ld}]", &n) != 1 || n < client->least ||
                   answer.position < client->position) {
            snprintf(client->problem, sizeof client->problem, "%.*s at %llu after %ld at %llu", (int)answer.rows.len,
                     answer.rows.ptr, (unsigned long long)answer.position, client->least,
                     (unsigned long long)client->position);
        }
        client->least = n;
        client->position = answer.position;
        client->asked++;
        varve_answer_fini(&answer);
        usleep(10000);
    }
    return NULL;
}

static void a_client_sees_nothing_of_ten_rebuilds(void **state)
{
    struct fixture *fixture = *state;
    struct client client = { .fixture = fixture, .least = 5000 };
    bool queued = false;
    pthread_t thread;
    uint64_t position = append_many(fixture, 5000);
    start_many(fixture, 1, 0, "1", "");
    assert_counts(fixture, 1, position, "[{\"n\":5000}]");
    assert_int_equal(pthread_create(&thread, NULL, be_a_client, &client), 0);
    for (unsigned i = 1; i <= 10; i++) {
        char rows[32];
        assert_int_equal(models_rebuild(fixture->models, VARVE_STR("p_0"), NULL), VARVE_OK);
        position = append_many(fixture, 100);
        snprintf(rows, sizeof rows, "[{\"n\":%u}]", 5000 + i * 100);
        assert_counts(fixture, 1, position, rows);
        await_all(fixture, 1, &queued);
        assert_counts(fixture, 1, position, rows);
    }
    atomic_store(&client.stop, true);
    pthread_join(thread, NULL);
    assert_string_equal(client.problem, "");
    assert_true(client.asked > 0);
}

/* ---- a full disk ---- */

#ifdef VARVE_WITH_POSTGRES
/* The server's own error of a full disk, raised where the new generation writes; the old one, and the log, go on. */
static void a_rebuild_that_fills_the_disk_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    bool queued = false;
    uint64_t position = append_many(fixture, 1000);
    start_many(fixture, 1, 0, "1", "");
    assert_counts(fixture, 1, position, "[{\"n\":1000}]");
    postgres_exec(
        &fixture->postgres,
        "CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF TG_TABLE_SCHEMA = 'varve$p_0$2' THEN RAISE 'no space left on device' USING ERRCODE = '53100';"
        " END IF; RETURN NEW; END $$;"
        "CREATE FUNCTION public.spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF to_regclass('\"varve$p_0$2\".counts') IS NOT NULL THEN"
        " IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('\"varve$p_0$2\".counts')) THEN"
        " CREATE TRIGGER spoil BEFORE INSERT ON \"varve$p_0$2\".counts FOR EACH ROW"
        " EXECUTE FUNCTION public.full_disk(); END IF; END IF; END $$;"
        "CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.spoil()");
    models_rebuild(fixture->models, VARVE_STR("p_0"), NULL);
    await_all(fixture, 1, &queued);
    struct seen seen = look_at(fixture, 0);
    if (strstr(seen.problem, "the rebuild failed: ") == NULL || strstr(seen.problem, "no space left") == NULL) {
        fail_msg("%s", seen.problem);
    }
    assert_int_equal(seen.status.state, VARVE_PROJECTION_LIVE);
    assert_int_equal(postgres_number(&fixture->postgres,
                                     "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'varve$p\\_0$%'"),
                     1);
    position = append_many(fixture, 10);
    assert_counts(fixture, 1, position, "[{\"n\":1010}]");
    postgres_exec(&fixture->postgres, "DROP EVENT TRIGGER spoil");
    models_rebuild(fixture->models, VARVE_STR("p_0"), NULL);
    await_all(fixture, 1, &queued);
    assert_string_equal(look_at(fixture, 0).problem, "");
    assert_counts(fixture, 1, position, "[{\"n\":1010}]");
}
#endif

int main(void)
{
    static const struct model_case tests[] = {
        CASE(twenty_projections_follow_and_are_rebuilt_in_turns),
        CASE(a_rebuild_waits_for_its_turn),
        CASE(one_that_is_faulted_stops_no_other),
        CASE(a_client_sees_nothing_of_ten_rebuilds),
#ifdef VARVE_WITH_POSTGRES
        CASE_WITHOUT(a_rebuild_that_fills_the_disk_is_given_up, SQL_IN_A_FILE),
#endif
    };
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
