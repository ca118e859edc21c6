/* SPDX-License-Identifier: Apache-2.0 */
/* Read models on a real store: that they follow, survive, rebuild and say what they know. */
#include "query/models_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

static void a_model_catches_up_and_then_follows(void **state)
{
    struct fixture *fixture = *state;
    uint64_t position = append_many(fixture, 2500);
    start_well(fixture, count_projection);
    assert_string_equal(ask(fixture, "counts", "a-3", position), "[{\"n\":250,\"total\":250}]");
    position = append(fixture, "a-3", "Added", "{\"amount\":5}");
    assert_string_equal(ask(fixture, "counts", "a-3", position), "[{\"n\":251,\"total\":255}]");
    assert_string_equal(ask(fixture, "counts", "nobody", 0), "[]");
    assert_int_equal(await(fixture, VARVE_PROJECTION_LIVE).status.position, position);
}

/* Nobody appends what the projection listens to, and still a wait for such a position ends at once. */
static void a_checkpoint_moves_over_what_does_not_concern_it(void **state)
{
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    append(fixture, "a-1", "Added", "{\"amount\":1}");
    for (int i = 0; i < 20; i++) {
        uint64_t position = append(fixture, "b-1", "Other", "{}");
        assert_string_equal(ask(fixture, "counts", "a-1", position), "[{\"n\":1,\"total\":1}]");
    }
}

static void each_event_takes_effect_once_over_many_restarts(void **state)
{
    struct fixture *fixture = *state;
    uint64_t position = 0;
    for (int i = 0; i < 6; i++) {
        start_well(fixture, count_projection);
        position = append_many(fixture, 1500);
        append(fixture, "b-1", "Other", "{}");
        /* Stopped wherever it is. */
        stop(fixture);
    }
    start_well(fixture, count_projection);
    assert_string_equal(ask(fixture, "counts", "a-9", position), "[{\"n\":900,\"total\":900}]");
    assert_false(look(fixture).status.rebuilding);
}

struct asking {
    struct fixture *fixture;
    atomic_bool stop;
    uint64_t asked;
    bool good;
};

/* Asks all the time; the answer never changes while models are rebuilt. */
static void *keep_asking(void *arg)
{
    struct asking *asking = arg;
    const varve_query_param param = { VARVE_STR("stream"), VARVE_STR("a-4") };
    const varve_query_request request = { .name = VARVE_STR("counts"), .params = &param, .param_count = 1 };
    while (asking->good && !atomic_load(&asking->stop)) {
        varve_answer answer = { 0 };
        varve_error error = { 0 };
        varve_status status = models_query(asking->fixture->models, &request, &answer, &error);
        asking->good = status == VARVE_OK && varve_str_is(answer.rows, "[{\"n\":500,\"total\":500}]");
        if (!asking->good) {
            fprintf(stderr, "%s %.*s\n", error.message, (int)answer.rows.len, answer.rows.ptr);
        }
        varve_answer_fini(&answer);
        asking->asked++;
    }
    return NULL;
}

static void a_rebuild_is_never_seen_by_those_who_ask(void **state)
{
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 5000);
    ask(fixture, "counts", "a-4", position);
    struct asking asking = { .fixture = fixture, .good = true };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_asking, &asking), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(models_rebuild(fixture->models, VARVE_STR("counts"), NULL), VARVE_OK);
        assert_true(look(fixture).status.rebuilding);
        await(fixture, VARVE_PROJECTION_LIVE);
    }
    atomic_store(&asking.stop, true);
    pthread_join(thread, NULL);
    assert_true(asking.good);
    assert_true(asking.asked > 0);
    position = append(fixture, "a-4", "Added", "{\"amount\":2}");
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":501,\"total\":502}]");
    assert_int_equal(models_rebuild(fixture->models, VARVE_STR("nobody"), NULL), VARVE_NOT_FOUND);
}

/* How many generations there are. */
static size_t count_generations(struct fixture *fixture)
{
    size_t count = 0;
    char name[64];
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        return (size_t)postgres_number(&fixture->postgres,
                                       "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^varve[$]counts[$][0-9]+$'");
    }
#endif
    for (int i = 1; i < 100; i++) {
        snprintf(name, sizeof name, "models/counts.%d.db", i);
        count += access(scratch_path(&fixture->scratch, name), F_OK) == 0;
    }
    return count;
}

/* Makes what a crash may leave of a generation, or what belongs to somebody else. */
static void leave(struct fixture *fixture, const char *file, const char *schema)
{
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        char script[128];
        snprintf(script, sizeof script, "CREATE SCHEMA \"%s\"", schema);
        postgres_exec(&fixture->postgres, script);
        return;
    }
#endif
    (void)schema;
    FILE *left = fopen(scratch_path(&fixture->scratch, file), "w");
    assert_non_null(left);
    fclose(left);
}

static bool is_there(struct fixture *fixture, const char *file, const char *schema)
{
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        char question[128];
        snprintf(question, sizeof question, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'", schema);
        return postgres_number(&fixture->postgres, question) == 1;
    }
#endif
    (void)schema;
    return access(scratch_path(&fixture->scratch, file), F_OK) == 0;
}

static void old_generations_and_what_a_crash_left_are_removed(void **state)
{
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 100);
    models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_int_equal(count_generations(fixture), 1);
    stop(fixture);
    leave(fixture, "models/counts.7.db", "varve$counts$7");
    leave(fixture, "models/other.8.db", "varve$other$8");
    leave(fixture, "models/counts.db.old", "varve$counts$old");
    start_well(fixture, count_projection);
    assert_int_equal(count_generations(fixture), 1);
    assert_true(is_there(fixture, "models/other.8.db", "varve$other$8"));
    assert_true(is_there(fixture, "models/counts.db.old", "varve$counts$old"));
    assert_string_equal(ask(fixture, "counts", "a-0", position), "[{\"n\":10,\"total\":10}]");
}

static void another_version_is_built_beside_the_old_one(void **state)
{
    struct fixture *fixture = *state;
    static const char second[] = COUNT_HEAD("2") COUNT_TABLE
        "-- @on Added\nINSERT INTO counts VALUES (:stream, 1, 1000)"
        " ON CONFLICT (stream) DO UPDATE SET n = counts.n + 1, total = counts.total + 1000;\n";
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 1000);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":100,\"total\":100}]");
    stop(fixture);
    start_well(fixture, second);
    const char *rows = ask(fixture, "counts", "a-4", position);
    assert_true(strcmp(rows, "[{\"n\":100,\"total\":100}]") == 0 ||
                strcmp(rows, "[{\"n\":100,\"total\":100000}]") == 0);
    assert_int_equal(await(fixture, VARVE_PROJECTION_LIVE).status.version, 2);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":100,\"total\":100000}]");
}

/* Somebody edited the tables and forgot @version: the old model answers in full until the new one does. */
static void statements_that_do_not_fit_are_built_beside_the_old_model(void **state)
{
    struct fixture *fixture = *state;
    static const char edited[] =
        COUNT_HEAD("1") "CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER NOT NULL, total INTEGER, seen TEXT);\n"
                        "-- @on Added\nINSERT INTO counts VALUES (:stream, 1, 1000, :recorded_at) ON CONFLICT (stream)"
                        " DO UPDATE SET n = counts.n + 1, total = counts.total + 1000, seen = excluded.seen;\n";
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 3000);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":300,\"total\":300}]");
    stop(fixture);
    start_well(fixture, edited);
    assert_true(look(fixture).status.position >= position);
    const char *rows = ask(fixture, "counts", "a-4", 0);
    if (strcmp(rows, "[{\"n\":300,\"total\":300}]") != 0 && strcmp(rows, "[{\"n\":300,\"total\":300000}]") != 0) {
        fail_msg("%s", rows);
    }
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":300,\"total\":300000}]");
    assert_int_equal(count_generations(fixture), 1);
}

/* `amount` must not be null: the 4th event cannot be applied, those around it can. */
static void an_event_that_fails_stops_the_projection_there(void **state)
{
    struct fixture *fixture = *state;
    static const char strict[] =
        COUNT_HEAD("1") "CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER, total INTEGER NOT NULL);\n" COUNT_ON;
    static const char mended[] =
        COUNT_HEAD("2") "CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER, total INTEGER);\n" COUNT_ON;
    append_many(fixture, 3);
    append(fixture, "bad-1", "Added", "{\"amount\":null}");
    uint64_t position = append_many(fixture, 10);
    start_well(fixture, strict);
    struct seen seen = await(fixture, VARVE_PROJECTION_FAULTED);
    assert_non_null(strstr(seen.problem, "position 4, Added of bad-1"));
    assert_non_null(strstr(seen.problem, "counts.sql:6"));
    assert_true(strstr(seen.problem, "NOT NULL") != NULL || strstr(seen.problem, "not-null") != NULL);
    assert_int_equal(seen.status.position, 3);
    assert_string_equal(ask(fixture, "counts", "a-2", 3), "[{\"n\":1,\"total\":1}]");
    /* A rebuild meets the same event, and what serves goes on serving. */
    models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
    seen = await(fixture, VARVE_PROJECTION_FAULTED);
    assert_non_null(strstr(seen.problem, "position 4"));
    assert_string_equal(ask(fixture, "counts", "a-2", 3), "[{\"n\":1,\"total\":1}]");
    stop(fixture);
    start_well(fixture, mended);
    assert_int_equal(await(fixture, VARVE_PROJECTION_LIVE).status.position, position);
    assert_string_equal(ask(fixture, "counts", "bad-1", position), "[{\"n\":1,\"total\":null}]");
    assert_string_equal(ask(fixture, "counts", "a-2", position), "[{\"n\":2,\"total\":2}]");
}

/* A position of another history must never answer for one of this history. */
static void a_model_of_another_history_is_built_anew(void **state)
{
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 1000);
    ask(fixture, "counts", "a-4", position);
    stop(fixture);
    varve_store_close(fixture->store);
    open_store(fixture, "other.db");
    position = append(fixture, "a-4", "Added", "{\"amount\":7}");
    start_well(fixture, count_projection);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":1,\"total\":7}]");
    assert_int_equal(await(fixture, VARVE_PROJECTION_LIVE).status.position, position);
}

static void a_missing_or_damaged_model_is_built_anew(void **state)
{
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 1000);
    ask(fixture, "counts", "a-4", position);
    stop(fixture);
    FILE *file = fopen(scratch_path(&fixture->scratch, "models/counts.1.db"), "r+");
    assert_non_null(file);
    for (int i = 0; i < 8192; i++) {
        fputc('x', file);
    }
    fclose(file);
    start_well(fixture, count_projection);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":100,\"total\":100}]");
    stop(fixture);
    assert_int_equal(unlink(scratch_path(&fixture->scratch, "models/counts.2.db")), 0);
    start_well(fixture, count_projection);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":100,\"total\":100}]");
    stop(fixture);
    assert_int_equal(unlink(scratch_path(&fixture->scratch, "models/counts.db")), 0);
    start_well(fixture, count_projection);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":100,\"total\":100}]");
}

/* Something stands where the model's write-ahead log goes: that is no damage, and nothing is thrown away. */
static void a_model_that_cannot_be_opened_stays(void **state)
{
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 100);
    ask(fixture, "counts", "a-4", position);
    stop(fixture);
    assert_int_equal(mkdir(scratch_path(&fixture->scratch, "models/counts.1.db-wal"), 0777), 0);
    assert_int_equal(start(fixture, count_projection), VARVE_IO);
    assert_non_null(strstr(fixture->error.message, "models/counts.1.db: unable to open"));
    stop(fixture);
    assert_int_equal(rmdir(scratch_path(&fixture->scratch, "models/counts.1.db-wal")), 0);
    start_well(fixture, count_projection);
    assert_int_equal(look(fixture).status.position, position);
    assert_int_equal(access(scratch_path(&fixture->scratch, "models/counts.1.db"), F_OK), 0);
}

/* Waits until the projection reports this problem, its rebuild still being wanted. */
static void await_problem(struct fixture *fixture, const char *problem)
{
    struct seen seen = look(fixture);
    while (strstr(seen.problem, problem) == NULL) {
        assert_true(seen.status.rebuilding);
        usleep(1000);
        seen = look(fixture);
    }
    assert_true(seen.status.rebuilding);
}

/* A rebuild whose file, or whose switch, is in the way of something goes on when that is gone. */
static void a_rebuild_outlives_what_passes(void **state)
{
    static const struct {
        const char *obstacle, *problem;
    } cases[] = {
        { "models/counts.2.db", "the rebuild could not begin" },
        { "models/counts.db.new", "the switch failed" },
    };
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mkdir(scratch_path(&fixture->scratch, cases[i].obstacle), 0777), 0);
        models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
        await_problem(fixture, cases[i].problem);
        uint64_t position = append_many(fixture, 10);
        assert_string_equal(ask(fixture, "counts", "a-4", position),
                            i == 0 ? "[{\"n\":1,\"total\":1}]" : "[{\"n\":2,\"total\":2}]");
        assert_int_equal(rmdir(scratch_path(&fixture->scratch, cases[i].obstacle)), 0);
        assert_string_equal(await(fixture, VARVE_PROJECTION_LIVE).problem, "");
    }
    assert_int_equal(access(scratch_path(&fixture->scratch, "models/counts.3.db"), F_OK), 0);
    assert_int_equal(count_generations(fixture), 1);
}

#ifdef VARVE_WITH_POSTGRES
static void a_missing_or_damaged_schema_is_built_anew(void **state)
{
    static const char *const harm[] = {
        "DROP SCHEMA \"varve$counts$1\" CASCADE",
        "DROP TABLE \"varve$counts$2\".varve_checkpoint",
        "DELETE FROM \"varve$counts$3\".varve_checkpoint",
        "DELETE FROM varve.read_models",
        "DROP SCHEMA varve CASCADE",
    };
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 1000);
    for (size_t i = 0; i < sizeof harm / sizeof *harm; i++) {
        assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":100,\"total\":100}]");
        stop(fixture);
        postgres_exec(&fixture->postgres, harm[i]);
        start_well(fixture, count_projection);
        assert_int_equal(count_generations(fixture), 1);
    }
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":100,\"total\":100}]");
}

/* People's tools have a name that stays. */
static void a_model_has_a_name_that_stays(void **state)
{
    static const char question[] = "SELECT n FROM varve$counts.counts WHERE stream = 'a-4'";
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 10);
    ask(fixture, "counts", "a-4", position);
    assert_int_equal(postgres_number(&fixture->postgres, question), 1);
    models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
    await(fixture, VARVE_PROJECTION_LIVE);
    position = append_many(fixture, 10);
    ask(fixture, "counts", "a-4", position);
    assert_int_equal(postgres_number(&fixture->postgres, question), 2);
    assert_int_equal(postgres_number(&fixture->postgres, "SELECT count(*) FROM pg_views WHERE schemaname ="
                                                         " 'varve$counts' AND definition LIKE '%varve$counts$2%'"),
                     1);
}

/* Two query sides with one database: one owns the projection, the other answers too, and takes over. */
static void a_second_process_is_on_standby_and_takes_over(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = *fixture;
    start_well(fixture, count_projection);
    other.models = NULL;
    start_well(&other, count_projection);
    uint64_t position = append_many(fixture, 10);
    assert_string_equal(ask(&other, "counts", "a-4", position), "[{\"n\":1,\"total\":1}]");
    struct seen seen = await(&other, VARVE_PROJECTION_STANDBY);
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_int_equal(seen.status.position, position);
    assert_true(seen.status.owner.len > 0);
    assert_int_equal(models_rebuild(other.models, VARVE_STR("counts"), &fixture->error), VARVE_UNAVAILABLE);
    models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
    await(fixture, VARVE_PROJECTION_LIVE);
    position = append(fixture, "a-4", "Added", "{\"amount\":90}");
    assert_string_equal(ask(&other, "counts", "a-4", position), "[{\"n\":2,\"total\":91}]");
    stop(fixture);
    await(&other, VARVE_PROJECTION_LIVE);
    position = append(fixture, "a-4", "Added", "{\"amount\":9}");
    assert_string_equal(ask(&other, "counts", "a-4", position), "[{\"n\":3,\"total\":100}]");
    stop(&other);
}

/* All connections are cut again and again, COMMITs among them: each event still takes effect once. */
static void lost_connections_are_made_again(void **state)
{
    struct fixture *fixture = *state;
    start_well(fixture, count_projection);
    uint64_t position = 0;
    for (int i = 0; i < 20; i++) {
        position = append_many(fixture, 1000);
        postgres_exec(&fixture->postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                                          " current_database() AND pid <> pg_backend_pid()");
        if (i % 5 == 0) {
            models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
        }
    }
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":2000,\"total\":2000}]");
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_string_equal(ask(fixture, "counts", "a-4", position), "[{\"n\":2000,\"total\":2000}]");
}
#endif

/* Another process looks on: it reads through the link and sees what the first one commits and switches. */
static void a_second_opener_reads_only(void **state)
{
    struct fixture *fixture = *state;
    varve_store *second = NULL;
    const varve_store_options options = { .read_only = true };
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 100);
    ask(fixture, "counts", "a-4", position);
    varve_status status =
        store_open(&second, &store_sqlite, scratch_path(&fixture->scratch, "log.db"), &options, &fixture->error);
    if (status < 0) {
        fail_msg("%s", fixture->error.message);
    }
    struct fixture other = *fixture;
    other.store = second;
    other.models = NULL;
    assert_int_equal(open_models(&other, &other.models, second, true), VARVE_OK);
    models_add_projection(other.models, "p", varve_str_of(count_projection), NULL);
    models_add_query(other.models, "q", varve_str_of(count_query), NULL);
    assert_int_equal(models_start(other.models, NULL), VARVE_OK);
    assert_string_equal(ask(&other, "counts", "a-4", position), "[{\"n\":10,\"total\":10}]");
    assert_int_equal(look(&other).status.state, VARVE_PROJECTION_STOPPED);
    assert_int_equal(look(&other).status.position, position);
    assert_int_equal(models_rebuild(other.models, VARVE_STR("counts"), NULL), VARVE_UNAVAILABLE);
    models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
    await(fixture, VARVE_PROJECTION_LIVE);
    position = append(fixture, "a-4", "Added", "{\"amount\":90}");
    assert_string_equal(ask(&other, "counts", "a-4", position), "[{\"n\":11,\"total\":100}]");
    models_close(other.models);
    varve_store_close(second);
}

struct called {
    atomic_int calls;
    _Atomic varve_status status;
};

static void note_call(void *ctx, varve_status status)
{
    struct called *called = ctx;
    atomic_store(&called->status, status);
    atomic_fetch_add(&called->calls, 1);
}

static void await_call(struct called *called)
{
    while (atomic_load(&called->calls) == 0) {
        usleep(1000);
    }
}

static void who_waits_is_called_back_once(void **state)
{
    struct fixture *fixture = *state;
    const varve_str name = VARVE_STR("counts");
    struct called reached = { 0 }, late = { 0 }, stopped = { 0 };
    start_well(fixture, count_projection);
    uint64_t position = append_many(fixture, 10);
    assert_int_equal(models_wait(fixture->models, name, 0, 1000, note_call, &reached, NULL), VARVE_DONE);
    assert_int_equal(models_wait(fixture->models, VARVE_STR("nobody"), 1, 1, note_call, &reached, NULL),
                     VARVE_NOT_FOUND);
    ask(fixture, "counts", "a-1", position);
    assert_int_equal(models_wait(fixture->models, name, position, 1000, note_call, &reached, NULL), VARVE_DONE);
    assert_int_equal(models_wait(fixture->models, name, position + 1, 60000, note_call, &reached, NULL), VARVE_OK);
    assert_int_equal(atomic_load(&reached.calls), 0);
    append(fixture, "b-1", "Other", "{}");
    await_call(&reached);
    assert_int_equal(atomic_load(&reached.status), VARVE_OK);
    assert_int_equal(models_wait(fixture->models, name, position + 9, 1, note_call, &late, NULL), VARVE_OK);
    await_call(&late);
    assert_int_equal(atomic_load(&late.status), VARVE_TIMEOUT);
    assert_int_equal(models_wait(fixture->models, name, position + 9, 60000, note_call, &stopped, NULL), VARVE_OK);
    stop(fixture);
    assert_int_equal(atomic_load(&stopped.calls), 1);
    assert_int_equal(atomic_load(&stopped.status), VARVE_UNAVAILABLE);
    assert_int_equal(atomic_load(&reached.calls), 1);
}

static void what_does_not_check_out_is_refused_with_file_and_line(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *projection, *query;
        const char *in_files, *in_schemas; /* what the message has in it; NULL: the same */
    } cases[] = {
        { COUNT_HEAD("1") COUNT_TABLE "-- @on E\nINSERT INTO\n  nobody VALUES (1)", NULL, "p.sql:6: no such table",
          "p.sql:7: relation \"nobody\" does not exist" },
        { COUNT_HEAD("1") COUNT_TABLE "-- @on E\nDELETE FROM counts\nWHERE x = 1", NULL, "p.sql:7: no such column",
          "p.sql:7: column \"x\" does not exist" },
        { COUNT_HEAD("1") "CREATE TABEL t (a);\n-- @on E\nSELECT 1", NULL, "p.sql:4: ", NULL },
        { COUNT_HEAD("1") "CREATE TABLE t (a,);\n-- @on E\nSELECT 1", NULL, "p.sql:4: ", "p.sql:4: syntax error" },
        { COUNT_HEAD("1") COUNT_TABLE "-- @on E\nATTACH 'x' AS y", NULL, "p.sql:6: not authorized", NULL },
        { COUNT_HEAD("1") COUNT_TABLE "-- @on E\nCOMMIT", NULL, "p.sql:6: not authorized", NULL },
        { COUNT_HEAD("1") COUNT_TABLE "-- @on E\nPRAGMA synchronous=OFF", NULL, "p.sql:6: not authorized", NULL },
        { COUNT_HEAD("1") COUNT_TABLE "-- @on E\nDROP TABLE counts", NULL, "p.sql:6: not authorized", NULL },
        { COUNT_HEAD("1") "CREATE TABLE varve_checkpoint (a TEXT);\n-- @on E\nSELECT 1", NULL,
          "p.sql:4: not authorized", NULL },
        { COUNT_HEAD("1") COUNT_TABLE "-- @on E\nINSERT INTO counts VALUES (?, 1, 1)", NULL, "p.sql:6: parameters",
          "p.sql:6: syntax error" },
        { COUNT_HEAD("1") COUNT_TABLE "-- @on E\nINSERT INTO counts VALUES ($1, 1, 1)", NULL,
          "p.sql:6: ", "p.sql:6: parameters" },
        { count_projection, "-- @query q\n-- @reads nobody\nSELECT 1", "q.sql:1: there is no projection nobody", NULL },
        { count_projection, "-- @query q\n-- @reads counts\nSELECT x\nFROM nobody", "q.sql:3: no such table",
          "q.sql:4: relation \"nobody\" does not exist" },
        { count_projection, "-- @query q\n-- @reads counts\nSELECT n,\n\"x\" FROM counts.counts",
          "q.sql:4: no such column", "q.sql:4: column \"x\" does not exist" },
        { count_projection, "-- @query q\n-- @reads counts\nDELETE FROM counts.counts", "q.sql:3: not authorized",
          NULL },
        { count_projection, "-- @query q\n-- @reads counts\nSELECT n, stream AS n FROM counts.counts", "two columns",
          NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        varve_error error = { 0 };
        assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
        varve_status status =
            models_add_projection(fixture->models, "p.sql", varve_str_of(cases[i].projection), &error);
        if (status == VARVE_OK && cases[i].query != NULL) {
            status = models_add_query(fixture->models, "q.sql", varve_str_of(cases[i].query), &error);
        }
        if (status == VARVE_OK) {
            status = models_start(fixture->models, &error);
        }
        const char *says = in_files(fixture) || cases[i].in_schemas == NULL ? cases[i].in_files : cases[i].in_schemas;
        if (status != VARVE_INVALID || strstr(error.message, says) == NULL || error.detail == 0) {
            fail_msg("case %zu: %d %s", i, status, error.message);
        }
        stop(fixture);
    }
    assert_false(is_there(fixture, "models", "varve"));
}

static void a_name_is_given_once(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
    varve_str projection = varve_str_of(count_projection), query = varve_str_of(count_query);
    assert_int_equal(models_add_projection(fixture->models, "a", projection, NULL), VARVE_OK);
    assert_int_equal(models_add_projection(fixture->models, "b", projection, NULL), VARVE_INVALID);
    assert_int_equal(models_add_query(fixture->models, "a", query, NULL), VARVE_OK);
    assert_int_equal(models_add_query(fixture->models, "b", query, NULL), VARVE_INVALID);
}

int main(void)
{
    static const struct model_case tests[] = {
        CASE(a_model_catches_up_and_then_follows),
        CASE(a_checkpoint_moves_over_what_does_not_concern_it),
        CASE(each_event_takes_effect_once_over_many_restarts),
        CASE(a_rebuild_is_never_seen_by_those_who_ask),
        CASE(old_generations_and_what_a_crash_left_are_removed),
        CASE(another_version_is_built_beside_the_old_one),
        CASE(statements_that_do_not_fit_are_built_beside_the_old_model),
        CASE(an_event_that_fails_stops_the_projection_there),
        CASE(a_model_of_another_history_is_built_anew),
        CASE_WITH(a_missing_or_damaged_model_is_built_anew, SQL_IN_A_FILE),
        CASE_WITH(a_model_that_cannot_be_opened_stays, SQL_IN_A_FILE),
        CASE_WITH(a_rebuild_outlives_what_passes, SQL_IN_A_FILE),
#ifdef VARVE_WITH_POSTGRES
        CASE_WITHOUT(a_missing_or_damaged_schema_is_built_anew, SQL_IN_A_FILE),
        CASE_WITHOUT(a_model_has_a_name_that_stays, SQL_IN_A_FILE),
        CASE_WITHOUT(a_second_process_is_on_standby_and_takes_over, SQL_IN_A_FILE),
        CASE_WITHOUT(lost_connections_are_made_again, SQL_IN_A_FILE),
#endif
        CASE(a_second_opener_reads_only),
        CASE(who_waits_is_called_back_once),
        CASE(what_does_not_check_out_is_refused_with_file_and_line),
        CASE(a_name_is_given_once),
    };
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
