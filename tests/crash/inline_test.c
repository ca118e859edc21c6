/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that appends under an inline projection and rebuilds it all the time is killed at any moment, and sometimes
 * frozen first. Whoever comes next finds each event in the model once, nothing acknowledged missing, the model as one
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
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <varve.h>
#include <cmocka.h>

#include <stdatomic.h>

#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

enum { KILLS = 24, LOT = 20, STREAMS = 7 };

/* Each event makes a row and is counted, so that one that is lost or takes effect twice is seen. */
static const char projection[] = "-- @projection tally\n-- @version 1\n-- @mode inline\n-- @create\n"
                                 "CREATE TABLE seen (position BIGINT PRIMARY KEY, amount BIGINT NOT NULL);\n"
                                 "CREATE TABLE tally (stream TEXT PRIMARY KEY, n BIGINT NOT NULL);\n"
                                 "-- @on Counted\nINSERT INTO seen VALUES (:position, :data.amount);\n"
                                 "INSERT INTO tally VALUES (:stream, 1)"
                                 " ON CONFLICT (stream) DO UPDATE SET n = tally.n + 1;\n";
static const char total_query[] = "-- @query total\n-- @reads tally\n"
                                  "SELECT CAST(coalesce(sum(n), 0) AS BIGINT) AS n,"
                                  " (SELECT count(*) FROM tally.seen) AS seen,"
                                  " (SELECT coalesce(max(position), 0) FROM tally.seen) AS last FROM tally.tally\n";
static const char rows_query[] = "-- @query rows\n-- @reads tally\nSELECT stream, n FROM tally.tally ORDER BY stream\n";

struct fixture {
    struct scratch scratch;
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
#endif
    char uri[400];
    bool in_files;
    _Atomic uint64_t *acknowledged; /* the last position, in memory that is shared with the process that is killed */
};

static varve_engine *open_engine(const struct fixture *fixture)
{
    varve_engine *engine = NULL;
    varve_error error = { 0 };
    const varve_engine_options options = { .store = fixture->uri };
    if (varve_engine_open(&engine, &options, &error) < 0 ||
        varve_engine_add_projection(engine, "tally.sql", varve_str_of(projection), &error) < 0 ||
        varve_engine_add_query(engine, "total.sql", varve_str_of(total_query), &error) < 0 ||
        varve_engine_add_query(engine, "rows.sql", varve_str_of(rows_query), &error) < 0 ||
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
                                   .data = VARVE_STR("{\"amount\":3}") };
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

static void *keep_rebuilding(void *engine)
{
    for (;;) {
        varve_status status = varve_projection_rebuild(engine, VARVE_STR("tally"), NULL);
        if (status != VARVE_OK && status != VARVE_BUSY) abort(); /* busy while the one before goes on */
    }
}

static void run_until_killed(const struct fixture *fixture, int told)
{
    varve_engine *engine = open_engine(fixture);
    pthread_t thread;
    if (pthread_create(&thread, NULL, keep_rebuilding, engine) != 0 || write(told, "", 1) != 1) abort();
    for (;;) atomic_store(fixture->acknowledged, add_events(engine));
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
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
        kill(process, SIGCONT);
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    kill(process, SIGKILL);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- after it ---- */

static void ask(varve_engine *engine, const char *name, char *rows, size_t size)
{
    varve_error error = { 0 };
    varve_answer answer = { 0 };
    const varve_query_request request = { .name = varve_str_of(name) };
    if (varve_query(engine, &request, &answer, &error) < 0) fail_msg("%s", error.message);
    snprintf(rows, size, "%.*s", (int)answer.rows.len, answer.rows.ptr);
    varve_answer_fini(&answer);
}

static void assert_total(varve_engine *engine, uint64_t head)
{
    char rows[160], expected[160];
    ask(engine, "total", rows, sizeof rows);
    snprintf(expected, sizeof expected, "[{\"n\":%llu,\"seen\":%llu,\"last\":%llu}]", (unsigned long long)head,
             (unsigned long long)head, (unsigned long long)head);
    assert_string_equal(rows, expected);
}

static void see(void *ctx, const varve_projection_status *status)
{
    bool *rebuilding = ctx;
    *rebuilding = status->rebuilding;
    assert_int_equal(status->problem.len, 0);
}

static void assert_right(const struct fixture *fixture, varve_engine *engine)
{
    char found[512], built[512];
    uint64_t head = 0;
    bool rebuilding = true;
    varve_error error = { 0 };
    assert_int_equal(varve_store_head(varve_engine_store(engine), &head, NULL), VARVE_OK);
    assert_true(head >= atomic_load(fixture->acknowledged));
    assert_total(engine, head);
    head = add_events(engine);
    assert_total(engine, head);
    ask(engine, "rows", found, sizeof found);
    if (varve_projection_rebuild(engine, VARVE_STR("tally"), &error) < 0) fail_msg("%s", error.message);
    while (rebuilding) assert_int_equal(varve_projection_list(engine, VARVE_STR("tally"), see, &rebuilding, NULL), 0);
    ask(engine, "rows", built, sizeof built);
    assert_string_equal(found, built);
    assert_total(engine, head);
}

/* How many generations there are, of whatever kind. */
static size_t count_generations(struct fixture *fixture)
{
    size_t count = 0;
#ifdef VARVE_WITH_POSTGRES
    if (!fixture->in_files)
        return (size_t)postgres_number(&fixture->postgres,
                                       "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^varve[$]tally[$].*[0-9]$'");
#endif
    DIR *folder = opendir(scratch_path(&fixture->scratch, "models.db.models"));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        size_t len = strlen(entry->d_name);
        count += len > 4 && strcmp(entry->d_name + len - 3, ".db") == 0;
    }
    closedir(folder);
    return count;
}

static void wherever_it_ends_the_next_one_has_it_right(void **state)
{
    struct fixture *fixture = *state;
    for (long i = 0; i < (fixture->in_files ? KILLS : KILLS / 2); i++) {
        kill_one(fixture, i * 37 % 120, i % 4 == 3);
        varve_engine *engine = open_engine(fixture);
        assert_int_equal(count_generations(fixture), 0);
        assert_right(fixture, engine);
        varve_engine_close(engine);
    }
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .in_files = true };
    fixture.acknowledged =
        mmap(NULL, sizeof *fixture.acknowledged, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fixture.acknowledged == MAP_FAILED) return -1;
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
    munmap(fixture->acknowledged, sizeof *fixture->acknowledged);
    scratch_fini(&fixture->scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wherever_it_ends_the_next_one_has_it_right, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
