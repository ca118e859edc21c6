/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that executes scheduled commands is killed, at each point of their way and at any moment: every one that
 * was acknowledged takes effect once, and none of the others more than once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <varve.h>
#include <cmocka.h>

#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

enum point {
    NOWHERE,
    WHILE_DECIDING,
    AFTER_THE_COMMIT, /* its event is durable, and the scheduler does not know it yet */
};

enum { COUNT = 40 };

/* What a process that is killed leaves of itself. */
struct remains {
    unsigned acknowledged; /* of the commands, in order of number */
};

struct fixture {
    struct scratch scratch;
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
#endif
    char uri[400];
    uint8_t round;
    struct remains *remains; /* shared with the processes */
};

/* ---- a bell that rings once a command ---- */

static enum point dies = NOWHERE; /* of the process */

static void die_at(enum point point)
{
    if (dies == point) kill(getpid(), SIGKILL);
}

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    (void)event, (void)error;
    ++*(int64_t *)state;
    return VARVE_OK;
}

static varve_status ring(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    (void)state, (void)command, (void)error;
    die_at(WHILE_DECIDING);
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Rung") });
}

static varve_status refuse(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    (void)state, (void)command, (void)error;
    die_at(WHILE_DECIDING);
    return varve_reject(decision, "broken", "it does not ring");
}

/* For the snapshot, which is made when the event is durable. */
static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    (void)error;
    die_at(AFTER_THE_COMMIT);
    varve_buf_printf(json, "{\"rung\":%lld}", (long long)*(const int64_t *)state);
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    return varve_json_int(json, "rung", state, error);
}

static const varve_command_handler commands[] = { { "Ring", ring }, { "Refuse", refuse }, { NULL, NULL } };

static const varve_decider bell = {
    .category = "bell",
    .state_size = sizeof(int64_t),
    .snapshot_every = 1,
    .state_version = 1,
    .evolve = evolve,
    .commands = commands,
    .encode = encode,
    .decode = decode,
};

/* ---- engines and commands ---- */

static varve_engine *open_engine(const struct fixture *fixture)
{
    varve_engine *engine = NULL;
    varve_error error = { 0 };
    /* A short lease, so that whoever is killed is not waited for. */
    const varve_engine_options options = { .store = fixture->uri, .lease_ms = 300 };
    if (varve_engine_open(&engine, &options, &error) < 0 || varve_engine_add_decider(engine, &bell, NULL, &error) < 0 ||
        varve_engine_start(engine, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return engine;
}

static varve_uuid id_of(const struct fixture *fixture, unsigned number)
{
    varve_uuid id;
    if (varve_uuid_parse(&id, VARVE_STR("01890a5d-ac96-774b-bcce-b302099a8057"), NULL) < 0) abort();
    id.bytes[14] = fixture->round;
    id.bytes[15] = (uint8_t)number;
    return id;
}

/* Four to a stream, due within 20 ms. */
static varve_status schedule(const struct fixture *fixture, varve_engine *engine, const char *type, unsigned number)
{
    char stream[32];
    varve_error error = { 0 };
    snprintf(stream, sizeof stream, "bell-%d.%u", fixture->round, number % 10);
    const varve_command command = {
        .type = varve_str_of(type),
        .stream = varve_str_of(stream),
        .id = id_of(fixture, number),
        .not_before = varve_time_now() + number % 20 * 1000,
    };
    varve_status status = varve_schedule(engine, &command, NULL, &error);
    if (status < 0) fprintf(stderr, "%s\n", error.message);
    return status;
}

/* ---- the process that is killed ---- */

static void run_and_die(const struct fixture *fixture, const char *type, enum point point, unsigned count,
                        long delay_us)
{
    varve_engine *engine = open_engine(fixture);
    dies = point;
    for (unsigned i = 0; i < count; i++) {
        if (schedule(fixture, engine, type, i) < 0) abort();
        fixture->remains->acknowledged++;
    }
    if (point == NOWHERE) {
        nanosleep(&(struct timespec){ .tv_nsec = delay_us * 1000 }, NULL);
        kill(getpid(), SIGKILL);
    }
    for (;;) pause();
}

static void kill_one(struct fixture *fixture, const char *type, enum point point, unsigned count, long delay_us)
{
    int status = 0;
    fixture->round++;
    fixture->remains->acknowledged = 0;
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) run_and_die(fixture, type, point, count, delay_us);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- after it ---- */

/* Until the scheduler is done with it: what it was in the end, DONE when it is gone. */
static varve_scheduled_state state_in_the_end(const struct fixture *fixture, varve_engine *engine, unsigned number)
{
    for (;;) {
        varve_scheduled scheduled = { 0 };
        varve_error error = { 0 };
        varve_status status =
            varve_scheduled_get(varve_engine_store(engine), id_of(fixture, number), &scheduled, &error);
        varve_scheduled_state state = scheduled.state;
        varve_scheduled_fini(&scheduled);
        if (status == VARVE_NOT_FOUND) return VARVE_SCHEDULED_DONE;
        if (status < 0) fail_msg("%s", error.message);
        if (state != VARVE_SCHEDULED_WAITING && state != VARVE_SCHEDULED_RUNNING) return state;
        sched_yield();
    }
}

/* How often each command of the round rang. */
static void count_rings(const struct fixture *fixture, varve_engine *engine, unsigned rings[COUNT])
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    memset(rings, 0, COUNT * sizeof *rings);
    assert_int_equal(varve_cursor_open(&cursor, varve_engine_store(engine), &(varve_read_options){ 0 }, &error),
                     VARVE_OK);
    while (varve_cursor_next(cursor, &event, &error) == VARVE_OK) {
        varve_buf text = { 0 };
        varve_uuid id;
        assert_int_equal(varve_json_string(event->metadata, "causation_id", &text, NULL), VARVE_OK);
        assert_int_equal(varve_uuid_parse(&id, varve_buf_view(&text), NULL), VARVE_OK);
        if (id.bytes[14] == fixture->round) rings[id.bytes[15]]++;
        varve_buf_fini(&text);
    }
    varve_cursor_close(cursor);
}

static void next_one_rings_the_rest(const struct fixture *fixture)
{
    unsigned rings[COUNT];
    varve_engine *engine = open_engine(fixture);
    for (unsigned i = 0; i < COUNT; i++) assert_int_equal(state_in_the_end(fixture, engine, i), VARVE_SCHEDULED_DONE);
    count_rings(fixture, engine, rings);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i < fixture->remains->acknowledged)
            assert_int_equal(rings[i], 1);
        else
            assert_true(rings[i] <= 1);
    }
    varve_engine_close(engine);
}

static void before_and_after_the_commit_it_rings_once(void **state)
{
    kill_one(*state, "Ring", WHILE_DECIDING, 1, 0);
    next_one_rings_the_rest(*state);
    kill_one(*state, "Ring", AFTER_THE_COMMIT, 1, 0);
    next_one_rings_the_rest(*state);
    kill_one(*state, "Ring", AFTER_THE_COMMIT, COUNT, 0);
    next_one_rings_the_rest(*state);
}

static void a_rejection_is_kept_by_the_next(void **state)
{
    const struct fixture *fixture = *state;
    kill_one(*state, "Refuse", WHILE_DECIDING, 1, 0);
    varve_engine *engine = open_engine(fixture);
    assert_int_equal(state_in_the_end(fixture, engine, 0), VARVE_SCHEDULED_REJECTED);
    varve_engine_close(engine);
}

static void at_any_moment_each_rings_once(void **state)
{
    for (long delay_us = 0; delay_us < 40000; delay_us += 2000) {
        kill_one(*state, "Ring", NOWHERE, (unsigned)(delay_us / 1000) % COUNT + 1, delay_us * 7 % 23000);
        next_one_rings_the_rest(*state);
    }
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .round = 0 };
    fixture.remains = mmap(NULL, sizeof *fixture.remains, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(fixture.remains != MAP_FAILED);
    scratch_init(&fixture.scratch);
    snprintf(fixture.uri, sizeof fixture.uri, "sqlite:%s", scratch_path(&fixture.scratch, "scheduled.db"));
#ifdef VARVE_WITH_POSTGRES
    if (getenv("VARVE_TEST_STORE") != NULL) {
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
    if (getenv("VARVE_TEST_STORE") != NULL) postgres_fini(&fixture->postgres);
#endif
    munmap(fixture->remains, sizeof *fixture->remains);
    scratch_fini(&fixture->scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_and_after_the_commit_it_rings_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rejection_is_kept_by_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(at_any_moment_each_rings_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
