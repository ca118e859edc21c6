/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that appends, follows, rebuilds and checks two read models, one kept by SQL and one by Lua, is killed at
 * any moment, and sometimes frozen first. Whoever comes next has every event in each model once, finds it equal to one
 * that is built from scratch, and nothing of the generations that were under way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <varve.h>
#include <cmocka.h>

#include "lua/projection.h"
#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

enum { LOT = 50, STREAMS = 7 };
static long kills = 12; /* a check goes through the whole log, so each costs more than the one before */

/* `n` runs with the stream's version unless an event is lost or takes effect twice; each hundredth is parked. */
static const char projection[] = "-- @projection tally\n-- @version 1\n-- @on_error park\n-- @create\n"
                                 "CREATE TABLE tally (stream TEXT PRIMARY KEY, n BIGINT NOT NULL);\n"
                                 "CREATE TABLE seen (position BIGINT PRIMARY KEY, amount BIGINT NOT NULL);\n"
                                 "-- @on Counted\nINSERT INTO seen VALUES (:position, :data.amount);\n"
                                 "INSERT INTO tally VALUES (:stream, 1)"
                                 " ON CONFLICT (stream) DO UPDATE SET n = tally.n + 1;\n";
/* The same in Lua, which reads what it wrote: adding to something stale shows too. */
static const char projection_lua[] =
    "return { name = 'tally_in_lua', version = 1, on_error = 'park', create = [[\n"
    "CREATE TABLE tally (stream TEXT PRIMARY KEY, n BIGINT NOT NULL);\n"
    "CREATE TABLE seen (position BIGINT PRIMARY KEY, amount BIGINT NOT NULL)]],\n"
    "on = { Counted = function(event, db)\n"
    "  local row = db.one('SELECT n FROM tally WHERE stream = :stream', { stream = event.stream })\n"
    "  db.run('INSERT INTO tally VALUES (:stream, :n) ON CONFLICT (stream) DO UPDATE SET n = :n',\n"
    "    { stream = event.stream, n = (row and row.n or 0) + 1 })\n"
    "  db.run('INSERT INTO seen VALUES (:position, :amount)',\n"
    "    { position = event.position, amount = event.data.amount })\n"
    "end } }\n";

#define SUM_OF(model)  "(SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM " model ".tally) AS n"
#define SEEN_OF(model) "(SELECT count(*) FROM " model ".seen) AS seen"
static const char query[] = "-- @query tally\n-- @reads tally, tally_in_lua\n"
                            "SELECT " SUM_OF("tally") ", " SEEN_OF("tally") ", " SUM_OF(
                                "tally_in_lua") "_in_lua"
                                                ", " SEEN_OF("tally_in_lua") "_in_lua\n";

enum { MODELS = 2 };
static const char *const models[MODELS] = { "tally", "tally_in_lua" };

struct fixture {
    struct scratch scratch;
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
#endif
    char uri[400];
    bool in_files;
};

static varve_engine *open_engine(const struct fixture *fixture)
{
    static struct lua_projection *lua; /* of whichever engine there is */
    varve_engine *engine = NULL;
    varve_error error = { 0 };
    /* A short lease, so that whoever is killed is not waited for. */
    const varve_engine_options options = { .store = fixture->uri, .lease_ms = 300 };
    if (varve_engine_open(&engine, &options, &error) < 0 ||
        varve_engine_add_projection(engine, "tally.sql", varve_str_of(projection), &error) < 0 ||
        (lua == NULL && lua_projection_open(&lua, "tally.lua", varve_str_of(projection_lua), &error) < 0) ||
        lua_projection_add(lua, engine, &error) < 0 ||
        varve_engine_add_query(engine, "query.sql", varve_str_of(query), &error) < 0 ||
        varve_engine_start(engine, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return engine;
}

static uint64_t add_events(varve_engine *engine)
{
    varve_event events[LOT];
    char streams[LOT][8];
    varve_appended appended = { 0 };
    varve_error error = { 0 };
    for (size_t i = 0; i < LOT; i++) {
        snprintf(streams[i], sizeof streams[i], "s-%zu", i % STREAMS);
        events[i] = (varve_event){ .stream = varve_str_of(streams[i]),
                                   .type = VARVE_STR("Counted"),
                                   .data = i == 13 ? VARVE_STR("{\"amount\":null}") : VARVE_STR("{\"amount\":3}") };
    }
    const varve_append_request request = { .events = events, .event_count = LOT };
    if (varve_append(varve_engine_store(engine), &request, &appended, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    uint64_t position = appended.last_position;
    varve_appended_fini(&appended);
    return position;
}

/* ---- the process that is killed ---- */

static void *keep_checking(void *engine)
{
    for (unsigned i = 0;; i++) {
        const varve_projection_check_options options = { .name = varve_str_of(models[i % MODELS]) };
        varve_projection_check_summary summary;
        if (varve_projection_check(engine, &options, &summary, NULL) >= 0 &&
            summary.differing + summary.missing + summary.extra > 0)
            abort();
    }
}

static void run_until_killed(const struct fixture *fixture, int told)
{
    varve_engine *engine = open_engine(fixture);
    pthread_t thread;
    if (pthread_create(&thread, NULL, keep_checking, engine) != 0 || write(told, "", 1) != 1) abort();
    for (;;) {
        add_events(engine);
        for (unsigned i = 0; i < MODELS; i++) /* on standby for a moment: then it is not done */
            varve_projection_rebuild(engine, varve_str_of(models[i]), NULL);
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
}

static void kill_one(const struct fixture *fixture, long delay_ms, bool freeze)
{
    int told[2], status = 0;
    char byte;
    assert_int_equal(pipe(told), 0);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) run_until_killed(fixture, told[1]);
    close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    close(told[0]);
    nanosleep(&(struct timespec){ .tv_nsec = delay_ms * 1000000 }, NULL);
    if (freeze) {
        kill(process, SIGSTOP);
        nanosleep(&(struct timespec){ .tv_nsec = 400000000 }, NULL); /* longer than the lease */
        kill(process, SIGCONT);
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    }
    kill(process, SIGKILL);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- after it ---- */

static void assert_like_a_fresh_one(varve_engine *engine, const char *model, uint64_t applied, uint64_t parked)
{
    const varve_projection_check_options options = { .name = varve_str_of(model) };
    varve_projection_check_summary summary;
    varve_error error = { 0 };
    if (varve_projection_check(engine, &options, &summary, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(summary.differing + summary.missing + summary.extra + summary.tables_differing, 0);
    assert_int_equal(summary.rows_compared, STREAMS + applied);
    assert_int_equal(summary.parked_live, parked);
    assert_int_equal(summary.parked_fresh, parked);
}

static void assert_right(varve_engine *engine)
{
    char rows[200];
    uint64_t position = add_events(engine), parked = position / LOT, applied = position - parked;
    unsigned long long n = applied;
    varve_error error = { 0 };
    varve_answer answer = { 0 };
    const varve_query_request request = { .name = VARVE_STR("tally"), .after_position = position, .wait_ms = 60000 };
    if (varve_query(engine, &request, &answer, &error) < 0) fail_msg("%s", error.message);
    snprintf(rows, sizeof rows, "[{\"n\":%llu,\"seen\":%llu,\"n_in_lua\":%llu,\"seen_in_lua\":%llu}]", n, n, n, n);
    if (!varve_str_is(answer.rows, rows)) fail_msg("%s, not %s", answer.rows.ptr, rows);
    varve_answer_fini(&answer);
    for (unsigned i = 0; i < MODELS; i++) assert_like_a_fresh_one(engine, models[i], applied, parked);
}

/* How many generations there are, of whatever kind. */
static size_t count_generations(struct fixture *fixture)
{
    size_t count = 0;
#ifdef VARVE_WITH_POSTGRES
    if (!fixture->in_files)
        return (size_t)
            postgres_number(&fixture->postgres,
                            "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^varve[$]tally(_in_lua)?[$].*[0-9]$'");
#endif
    DIR *folder = opendir(scratch_path(&fixture->scratch, "models.db.models"));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        size_t len = strlen(entry->d_name);
        count += len > 4 && strcmp(entry->d_name + len - 3, ".db") == 0 && entry->d_name[len - 4] >= '0' &&
                 entry->d_name[len - 4] <= '9';
    }
    closedir(folder);
    return count;
}

static void wherever_it_ends_the_next_one_has_it_right(void **state)
{
    struct fixture *fixture = *state;
    for (long i = 0; i < (fixture->in_files ? kills : kills / 2); i++) {
        kill_one(fixture, i * 37 % 120, i % 4 == 3);
        varve_engine *engine = open_engine(fixture);
        assert_right(engine);
        assert_int_equal(count_generations(fixture), MODELS);
        varve_engine_close(engine);
    }
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .in_files = true };
    scratch_init(&fixture.scratch);
    snprintf(fixture.uri, sizeof fixture.uri, "sqlite:%s", scratch_path(&fixture.scratch, "models.db"));
#ifdef VARVE_WITH_POSTGRES
    if (getenv("VARVE_TEST_STORE") != NULL) {
        fixture.in_files = false;
        postgres_init(&fixture.postgres);
        snprintf(fixture.uri, sizeof fixture.uri, "%s", postgres_uri(&fixture.postgres, "varve"));
    }
#endif
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
#ifdef VARVE_WITH_POSTGRES
    if (!fixture->in_files) postgres_fini(&fixture->postgres);
#endif
    scratch_fini(&fixture->scratch);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wherever_it_ends_the_next_one_has_it_right, set_up, tear_down),
    };
    if (argc > 1) kills = strtol(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
