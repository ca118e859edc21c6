/* SPDX-License-Identifier: Apache-2.0 */
/* Is a model what the log says? Built anew and compared row by row, while events come in. */
#include "query/models_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

/* Tables with a key, without one, with every kind of value, and names that want quotes. */
static const char odd_projection[] =
    "-- @projection counts\n-- @version 1\n-- @create\n" COUNT_TABLE
    "CREATE TABLE \"all \"\"of\"\" them\" (stream TEXT, what TEXT, real_one DOUBLE PRECISION, position BIGINT);\n"
    "CREATE TABLE pairs (b TEXT, a BIGINT, \"the n\" BIGINT, PRIMARY KEY (a, b));\n"
    "-- @sqlite\nCREATE TABLE bytes (b BLOB, t TEXT);\n-- @postgres\nCREATE TABLE bytes (b BYTEA, t TEXT);\n" COUNT_ON
    "-- @on Added, Other\n"
    "INSERT INTO \"all \"\"of\"\" them\" VALUES (:stream, :data.what, 0.1 * :version, :position);\n"
    "INSERT INTO pairs VALUES (:stream, :version, 1) ON CONFLICT (a, b) DO NOTHING;\n"
    "-- @sqlite\nINSERT INTO bytes VALUES (x'00ff', 'a' || char(0) || :stream);\n"
    "-- @postgres\nINSERT INTO bytes VALUES ('\\x00ff', :stream);\n";

struct found {
    char text[2048]; /* "TABLE KIND live fresh\n"… */
    size_t count;
    size_t ends_after; /* so many; 0: never */
    uint64_t progress;
};

static varve_status take(void *ctx, const varve_projection_difference *difference)
{
    struct found *found = ctx;
    varve_buf json = { 0 };
    varve_projection_difference_write_json(difference, &json);
    size_t len = strlen(found->text);
    snprintf(found->text + len, sizeof found->text - len, "%.*s\n", (int)json.len, json.ptr);
    varve_buf_fini(&json);
    found->count++;
    return found->count == found->ends_after ? VARVE_DONE : VARVE_OK;
}

static varve_status follow_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct found *found = ctx;
    assert_true(done <= total);
    assert_true(done >= found->progress || found->progress == 0);
    found->progress = done;
    return VARVE_OK;
}

static varve_status check(struct fixture *fixture, uint64_t limit, struct found *found,
                          varve_projection_check_summary *summary)
{
    const varve_projection_check_options options = {
        .name = VARVE_STR("counts"), .limit = limit, .visit = take, .progress = follow_progress, .ctx = found
    };
    return models_check(fixture->models, &options, summary, &fixture->error);
}

static varve_projection_check_summary check_well(struct fixture *fixture, struct found *found)
{
    varve_projection_check_summary summary;
    *found = (struct found){ 0 };
    varve_status status = check(fixture, 0, found, &summary);
    if (status != VARVE_OK) {
        fail_msg("%d %s", status, fixture->error.message);
    }
    return summary;
}

/* Changes the first generation behind the worker's back. */
static void tamper(struct fixture *fixture, const char *statement)
{
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        char script[400];
        snprintf(script, sizeof script, "SET search_path = \"varve$counts$1\"; %s", statement);
        postgres_exec(&fixture->postgres, script);
        return;
    }
#endif
    struct sql_session *session = NULL;
    const char *path = scratch_path(&fixture->scratch, "models/counts.1.db");
    assert_int_equal(fixture->sql->open(&session, path, SQL_READ_WRITE, NULL), VARVE_OK);
    if (fixture->sql->exec(session, statement, &fixture->error) < 0) {
        fail_msg("%s", fixture->error.message);
    }
    fixture->sql->close(session);
}

/* Is anything of a check there? */
static bool left_over(struct fixture *fixture)
{
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        return postgres_number(&fixture->postgres, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%$check$%'") >
               0;
    }
#endif
    return access(scratch_path(&fixture->scratch, "models/counts$check.1.db"), F_OK) == 0;
}

static void a_model_that_is_right_has_no_differences(void **state)
{
    struct fixture *fixture = *state;
    struct found found;
    start_well(fixture, odd_projection);
    append_many(fixture, 2000);
    uint64_t position = append(fixture, "b-1", "Other", "{\"what\":\"quote ' and \\\\ and \\n\"}");
    ask(fixture, "counts", "a-0", position);
    varve_projection_check_summary summary = check_well(fixture, &found);
    assert_string_equal(found.text, "");
    assert_int_equal(summary.position, position);
    assert_int_equal(summary.tables, 4);
    assert_int_equal(summary.rows_compared, 10 + 3 * 2001);
    assert_int_equal(summary.differing + summary.missing + summary.extra + summary.tables_differing, 0);
    assert_int_equal(found.progress, position);
    assert_false(left_over(fixture));
    /* The live one goes on. */
    position = append(fixture, "a-0", "Added", "{\"amount\":1}");
    assert_string_equal(ask(fixture, "counts", "a-0", position), "[{\"n\":201,\"total\":201}]");
}

static void each_row_that_differs_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct found found;
    start_well(fixture, odd_projection);
    uint64_t position = append_many(fixture, 100);
    ask(fixture, "counts", "a-0", position);
    stop(fixture);
    tamper(fixture, "UPDATE counts SET total = 7 WHERE stream = 'a-3'");
    tamper(fixture, "DELETE FROM counts WHERE stream = 'a-9'");
    tamper(fixture, "INSERT INTO counts VALUES ('A-0', 1, NULL)");
    tamper(fixture, "INSERT INTO \"all \"\"of\"\" them\" SELECT * FROM \"all \"\"of\"\" them\" WHERE position = 50");
    start_well(fixture, odd_projection);
    varve_projection_check_summary summary = check_well(fixture, &found);
    assert_int_equal(summary.differing, 1);
    assert_int_equal(summary.missing, 1);
    assert_int_equal(summary.extra, 2);
    assert_non_null(strstr(found.text, "{\"table\":\"counts\",\"kind\":\"differs\",\"live\":{\"stream\":\"a-3\","
                                       "\"n\":10,\"total\":7},\"fresh\":{\"stream\":\"a-3\",\"n\":10,\"total\":10}}"));
    assert_non_null(strstr(found.text, "{\"table\":\"counts\",\"kind\":\"missing\",\"live\":null,"
                                       "\"fresh\":{\"stream\":\"a-9\",\"n\":10,\"total\":10}}"));
    assert_non_null(strstr(found.text, "{\"table\":\"counts\",\"kind\":\"extra\",\"live\":{\"stream\":\"A-0\","
                                       "\"n\":1,\"total\":null},\"fresh\":null}"));
    assert_non_null(strstr(found.text, "{\"table\":\"all \\\"of\\\" them\",\"kind\":\"extra\","));

    /* As many as are wanted are told, all are counted. */
    found = (struct found){ 0 };
    assert_int_equal(check(fixture, 2, &found, &summary), VARVE_OK);
    assert_int_equal(found.count, 2);
    assert_int_equal(summary.extra + summary.missing + summary.differing, 4);
    found = (struct found){ .ends_after = 1 };
    assert_int_equal(check(fixture, 0, &found, &summary), VARVE_DONE);
    assert_int_equal(found.count, 1);
    assert_false(left_over(fixture));
}

static void tables_that_differ_are_told(void **state)
{
    struct fixture *fixture = *state;
    struct found found;
    start_well(fixture, odd_projection);
    uint64_t position = append_many(fixture, 10);
    ask(fixture, "counts", "a-0", position);
    tamper(fixture, "ALTER TABLE bytes ADD COLUMN more TEXT");
    tamper(fixture, "CREATE TABLE notes (text TEXT)");
    varve_projection_check_summary summary = check_well(fixture, &found);
    assert_int_equal(summary.tables, 5);
    assert_int_equal(summary.tables_differing, 2);
    assert_non_null(
        strstr(found.text, "{\"table\":\"bytes\",\"kind\":\"table_differs\",\"live\":null,\"fresh\":null}"));
    assert_non_null(strstr(found.text, "{\"table\":\"notes\",\"kind\":\"table_differs\""));
}

struct adding {
    struct fixture *fixture;
    atomic_bool stop;
};

static void *keep_adding(void *arg)
{
    struct adding *adding = arg;
    while (!atomic_load(&adding->stop)) {
        append_many(adding->fixture, 5);
        usleep(10000); /* a model on PostgreSQL keeps up with that many, sanitizers or not */
    }
    return NULL;
}

/* Wherever the live one stands while it is looked at, the fresh one stands there too. */
static void events_may_come_in_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    struct adding adding = { .fixture = fixture };
    pthread_t thread;
    struct found found;
    uint64_t position = append_many(fixture, 1000);
    start_well(fixture, count_projection);
    ask(fixture, "counts", "a-0", position);
    assert_int_equal(pthread_create(&thread, NULL, keep_adding, &adding), 0);
    uint64_t before = 0;
    for (int i = 0; i < 3; i++) {
        varve_projection_check_summary summary = check_well(fixture, &found);
        assert_string_equal(found.text, "");
        assert_int_equal(summary.rows_compared, 10);
        assert_true(summary.position >= before);
        before = summary.position;
    }
    atomic_store(&adding.stop, true);
    pthread_join(thread, NULL);
}

static void what_cannot_be_checked_says_why(void **state)
{
    struct fixture *fixture = *state;
    static const char later[] = COUNT_HEAD("2") COUNT_TABLE COUNT_ON;
    static const char strict[] =
        COUNT_HEAD("1") "CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER, total INTEGER NOT NULL);\n" COUNT_ON;
    struct found found = { 0 };
    varve_projection_check_summary summary;
    const varve_projection_check_options nobody = { .name = VARVE_STR("nobody") };
    start_well(fixture, strict);
    assert_int_equal(models_check(fixture->models, &nobody, &summary, NULL), VARVE_NOT_FOUND);
    append(fixture, "a-1", "Added", "{\"amount\":null}");
    uint64_t position = append(fixture, "a-1", "Added", "{\"amount\":1}");
    await(fixture, VARVE_PROJECTION_FAULTED);
    /* It skipped what a fresh one meets again. */
    const varve_projection_action pass = { .name = VARVE_STR("counts"), .position = 1 };
    assert_int_equal(models_skip(fixture->models, &pass, NULL), VARVE_OK);
    ask(fixture, "counts", "a-1", position);
    assert_int_equal(check(fixture, 0, &found, &summary), VARVE_APPLICATION);
    assert_non_null(strstr(fixture->error.message, "position 1, Added of a-1"));
    assert_false(left_over(fixture));
    stop(fixture);

    /* Another process runs an older version: what is served is not what this one would make. */
    start_well(fixture, strict);
    struct models *own = fixture->models;
    assert_int_equal(open_models(fixture, &fixture->models, fixture->store, true), VARVE_OK);
    assert_int_equal(models_add_projection(fixture->models, "counts.sql", varve_str_of(later), NULL), VARVE_OK);
    assert_int_equal(models_start(fixture->models, NULL), VARVE_OK);
    assert_int_equal(check(fixture, 0, &found, &summary), VARVE_UNAVAILABLE);
    assert_non_null(strstr(fixture->error.message, "another version"));
    stop(fixture);
    fixture->models = own;
}

/* A crash in the middle: the next check, or the next start, takes away what is left. */
static void leftovers_of_a_check_are_removed(void **state)
{
    struct fixture *fixture = *state;
    struct found found;
    start_well(fixture, count_projection);
    ask(fixture, "counts", "a-0", append_many(fixture, 10));
    for (int i = 0; i < 2; i++) {
#ifdef VARVE_WITH_POSTGRES
        if (!in_files(fixture)) {
            postgres_exec(&fixture->postgres, "CREATE SCHEMA \"varve$counts$check$1\"");
        }
#endif
        if (in_files(fixture)) {
            if (i == 0) {
                assert_int_not_equal(access(scratch_path(&fixture->scratch, "models/counts$check.lock"), F_OK), 0);
            }
            FILE *left = fopen(scratch_path(&fixture->scratch, "models/counts$check.1.db"), "w");
            assert_non_null(left);
            fclose(left);
        }
        assert_true(left_over(fixture));
        if (i == 0) {
            check_well(fixture, &found);
        } else {
            stop(fixture);
            start_well(fixture, count_projection);
        }
        assert_false(left_over(fixture));
    }
}

int main(void)
{
    static const struct model_case tests[] = {
        CASE(a_model_that_is_right_has_no_differences),
        CASE(each_row_that_differs_is_told),
        CASE(tables_that_differ_are_told),
        CASE(events_may_come_in_meanwhile),
        CASE(what_cannot_be_checked_says_why),
        CASE(leftovers_of_a_check_are_removed),
    };
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
