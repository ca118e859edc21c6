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
#include <sys/mman.h>
#include <varve.h>
#include <cmocka.h>

#include "tests/crash/victim.h"

enum point {
    NOWHERE,
    WHILE_DECIDING,
    AFTER_THE_COMMIT, /* its event is durable, and the scheduler does not know it yet */
    WHILE_CRACKING,
};

enum { COUNT = 40 };

/* What a process that is killed leaves of itself. */
struct remains {
    unsigned acknowledged; /* of the commands, in order of number */
};

struct fixture {
    struct victim_store store;
    uint8_t round;
    struct remains *remains; /* shared with the processes */
};

/* ---- a bell that rings once a command ---- */

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    (void)event, (void)error;
    ++*(int64_t *)state;
    return VARVE_OK;
}

static varve_status ring(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    (void)state, (void)command, (void)error;
    victim_pass(WHILE_DECIDING);
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Rung") });
}

static varve_status refuse(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    (void)state, (void)command, (void)error;
    victim_pass(WHILE_DECIDING);
    return varve_reject(decision, "broken", "it does not ring");
}

static varve_status crack(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    (void)state, (void)command, (void)decision, (void)error;
    victim_pass(WHILE_CRACKING);
    return VARVE_OK;
}

/* For the snapshot, which is made when the event is durable. */
static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    (void)error;
    victim_pass(AFTER_THE_COMMIT);
    varve_buf_printf(json, "{\"rung\":%lld}", (long long)*(const int64_t *)state);
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    return varve_json_int(json, "rung", state, error);
}

static const varve_command_handler commands[] = {
    { "Ring", ring }, { "Refuse", refuse }, { "Crack", crack }, { NULL, NULL }
};

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

/* With a short lease, so that whoever is killed is not waited for. */
static varve_engine *open_engine(const struct fixture *fixture)
{
    return victim_open_engine(&fixture->store, &bell, 300);
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
        .id = victim_id(fixture->round, (uint8_t)number),
        .not_before = varve_time_now() + number % 20 * 1000,
    };
    varve_status status = varve_schedule(engine, &command, NULL, &error);
    if (status < 0) fprintf(stderr, "%s\n", error.message);
    return status;
}

/* ---- the process that is killed ---- */

struct death {
    const struct fixture *fixture;
    const char *type;
    enum point point;
    unsigned count;
    long delay_us;
};

static void run_and_die(void *ctx)
{
    const struct death *death = ctx;
    const struct fixture *fixture = death->fixture;
    varve_engine *engine = open_engine(fixture);
    victim_choose_point((int)death->point);
    for (unsigned i = 0; i < death->count; i++) {
        if (schedule(fixture, engine, death->type, i) < 0) abort();
        fixture->remains->acknowledged++;
    }
    if (death->point == NOWHERE) victim_die_in(death->delay_us);
    victim_wait();
}

static void kill_one(struct fixture *fixture, const char *type, enum point point, unsigned count, long delay_us)
{
    fixture->round++;
    fixture->remains->acknowledged = 0;
    victim_run(run_and_die, &(struct death){ fixture, type, point, count, delay_us });
}

/* ---- after it ---- */

/* Until the scheduler is done with it: what it was in the end, DONE when it is gone. */
static varve_scheduled_state state_in_the_end(const struct fixture *fixture, varve_engine *engine, unsigned number)
{
    for (;;) {
        varve_scheduled scheduled = { 0 };
        varve_error error = { 0 };
        varve_status status = varve_scheduled_get(varve_engine_store(engine),
                                                  victim_id(fixture->round, (uint8_t)number), &scheduled, &error);
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

static void start_and_die(void *ctx)
{
    victim_choose_point(WHILE_CRACKING);
    open_engine(ctx);
    victim_wait();
}

/* What ends each process that executes it is executed by the next one, and then later and later: meanwhile the others
 * are. */
static void one_that_kills_holds_up_no_other(void **state)
{
    struct fixture *fixture = *state;
    varve_scheduled scheduled = { 0 };
    varve_error error = { 0 };
    kill_one(fixture, "Crack", WHILE_CRACKING, 1, 0);
    victim_run(start_and_die, fixture);
    victim_run(start_and_die, fixture); /* a second after it looked for it */
    varve_engine *engine = open_engine(fixture);
    assert_int_equal(schedule(fixture, engine, "Ring", 1), VARVE_OK);
    assert_int_equal(state_in_the_end(fixture, engine, 1), VARVE_SCHEDULED_DONE);
    const varve_uuid id = victim_id(fixture->round, 0);
    assert_int_equal(varve_scheduled_get(varve_engine_store(engine), id, &scheduled, &error), VARVE_OK);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_RUNNING);
    assert_int_equal(scheduled.attempts, 3);
    assert_int_equal(scheduled.interrupted, 3);
    varve_scheduled_fini(&scheduled);
    assert_int_equal(state_in_the_end(fixture, engine, 0), VARVE_SCHEDULED_DONE); /* it does not end this one */
    varve_engine_close(engine);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .round = 0 };
    fixture.remains = mmap(NULL, sizeof *fixture.remains, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(fixture.remains != MAP_FAILED);
    victim_store_init(&fixture.store);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    victim_store_fini(&fixture->store);
    munmap(fixture->remains, sizeof *fixture->remains);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_and_after_the_commit_it_rings_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rejection_is_kept_by_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_kills_holds_up_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(at_any_moment_each_rings_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
