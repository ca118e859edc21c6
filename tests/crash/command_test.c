/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process is killed at each point of a command's way, and the next one is sent the same command: it has one outcome,
 * the first, and takes effect once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <varve.h>
#include <cmocka.h>

#include "tests/crash/victim.h"

enum point {
    NOWHERE,
    WHILE_DECIDING,
    WHILE_APPLYING,   /* its events are in the store, or even durable, and the state is brought up to them */
    WHILE_ENCODING,   /* the same, for the snapshot */
    BEFORE_ANSWERING, /* it is durable, and its caller is told next */
    UNDER_WAY,        /* some time after it was queued */
};

struct fixture {
    struct victim_store store;
    uint8_t number;  /* of the last command's id */
    char stream[16]; /* a purse that nothing happened to before: what is applied or encoded is the command's */
};

/* ---- a purse, whose functions are points to die at ---- */

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    int64_t amount = 0;
    if (varve_json_int(event->data, "amount", &amount, error) < 0) return error->status;
    *(int64_t *)state += varve_str_is(event->type, "Put") ? amount : -amount;
    if (varve_str_is(event->type, "Taken")) victim_pass(WHILE_APPLYING);
    return VARVE_OK;
}

static varve_status put(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    (void)state, (void)error;
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Put"), .data = command->data });
}

static varve_status take(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    int64_t amount = 0;
    victim_pass(WHILE_DECIDING);
    if (varve_json_int(command->data, "amount", &amount, error) < 0) return error->status;
    if (amount > *(const int64_t *)state) return varve_reject(decision, "too_little", "not so much is there");
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Taken"), .data = command->data });
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    (void)error;
    victim_pass(WHILE_ENCODING);
    varve_buf_printf(json, "{\"amount\":%lld}", (long long)*(const int64_t *)state);
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    return varve_json_int(json, "amount", state, error);
}

static const varve_command_handler commands[] = { { "Put", put }, { "Take", take }, { NULL, NULL } };

static const varve_decider purse = {
    .category = "purse",
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
    return victim_open_engine(&fixture->store, &purse, 0);
}

static varve_command take_five(const struct fixture *fixture)
{
    return (varve_command){
        .type = VARVE_STR("Take"),
        .stream = varve_str_of(fixture->stream),
        .data = VARVE_STR("{\"amount\":5}"),
        .id = victim_id(0, fixture->number),
    };
}

static void begin(struct fixture *fixture)
{
    fixture->number++;
    snprintf(fixture->stream, sizeof fixture->stream, "purse-%d", fixture->number);
}

static void put_five(const struct fixture *fixture, varve_engine *engine)
{
    const varve_command command = { VARVE_STR("Put"), varve_str_of(fixture->stream),
                                    .data = VARVE_STR("{\"amount\":5}") };
    varve_error error = { 0 };
    if (varve_execute(engine, &command, NULL, &error) != VARVE_OK) fail_msg("%s", error.message);
}

static int64_t balance(const struct fixture *fixture, varve_engine *engine)
{
    varve_aggregate aggregate = { 0 };
    varve_error error = { 0 };
    int64_t amount = 0;
    varve_status status = varve_aggregate_show(engine, varve_str_of(fixture->stream), NULL, &aggregate, &error);
    if (status != VARVE_NOT_FOUND) {
        assert_int_equal(status, VARVE_OK);
        assert_int_equal(varve_json_int(aggregate.state, "amount", &amount, NULL), VARVE_OK);
    }
    varve_aggregate_fini(&aggregate);
    return amount;
}

/* ---- the process that is killed ---- */

static void answered(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    (void)ctx, (void)status, (void)outcome, (void)error;
    victim_pass(BEFORE_ANSWERING);
}

struct death {
    const struct fixture *fixture;
    enum point point;
    long delay_us;
};

static void run_and_die(void *ctx)
{
    const struct death *death = ctx;
    varve_engine *engine = open_engine(death->fixture);
    const varve_command command = take_five(death->fixture);
    varve_error error = { 0 };
    victim_choose_point((int)death->point);
    if (varve_execute_async(engine, &command, answered, NULL, &error) < 0) abort();
    if (death->point == UNDER_WAY) victim_die_in(death->delay_us);
    victim_wait();
}

static void kill_one(const struct fixture *fixture, enum point point, long delay_us)
{
    victim_run(run_and_die, &(struct death){ fixture, point, delay_us });
}

/* ---- after it ---- */

/* The command again, and once more: it is told the same. True when the one that was killed did it, or judged it. */
static bool repeat(const struct fixture *fixture, varve_engine *engine, bool *accepted)
{
    const varve_command command = take_five(fixture);
    varve_outcome first = { 0 }, second = { 0 };
    varve_error error = { 0 };
    varve_status status = varve_execute(engine, &command, &first, &error);
    varve_status again = varve_execute(engine, &command, &second, &error);
    bool repeated = first.repeated;
    *accepted = status == VARVE_OK || status == VARVE_REPEATED;
    assert_true(*accepted || status == VARVE_REJECTED);
    assert_int_equal(again, *accepted ? VARVE_REPEATED : VARVE_REJECTED);
    assert_true(second.repeated);
    assert_int_equal(first.event_count, *accepted ? 1 : 0);
    assert_int_equal(first.first_position, second.first_position);
    assert_int_equal(first.version, second.version);
    assert_true(varve_str_eq(first.code, second.code));
    varve_outcome_fini(&first);
    varve_outcome_fini(&second);
    return repeated;
}

/* Accepted by the one that is killed, if at all; and again. */
static bool kill_an_accepted(struct fixture *fixture, enum point point, long delay_us)
{
    bool accepted = false;
    begin(fixture);
    varve_engine *engine = open_engine(fixture);
    put_five(fixture, engine);
    varve_engine_close(engine);
    kill_one(fixture, point, delay_us);
    engine = open_engine(fixture);
    bool repeated = repeat(fixture, engine, &accepted);
    assert_true(accepted);
    assert_int_equal(balance(fixture, engine), 0);
    varve_engine_close(engine);
    return repeated;
}

/* Rejected by the one that is killed, if at all; when it comes again it could be accepted. */
static bool kill_a_rejected(struct fixture *fixture, enum point point, long delay_us)
{
    bool accepted = false;
    begin(fixture);
    kill_one(fixture, point, delay_us);
    varve_engine *engine = open_engine(fixture);
    assert_int_equal(balance(fixture, engine), 0);
    put_five(fixture, engine);
    bool repeated = repeat(fixture, engine, &accepted);
    assert_int_equal(accepted, !repeated);
    assert_int_equal(balance(fixture, engine), accepted ? 0 : 5);
    varve_engine_close(engine);
    return repeated;
}

static void before_it_is_appended_it_did_not_happen(void **state)
{
    assert_false(kill_an_accepted(*state, WHILE_DECIDING, 0));
    assert_false(kill_a_rejected(*state, WHILE_DECIDING, 0));
}

static void after_it_is_appended_and_before_it_is_answered_it_did(void **state)
{
    assert_true(kill_an_accepted(*state, BEFORE_ANSWERING, 0));
    assert_true(kill_a_rejected(*state, BEFORE_ANSWERING, 0));
    assert_true(kill_an_accepted(*state, WHILE_APPLYING, 0));
    assert_true(kill_an_accepted(*state, WHILE_ENCODING, 0));
}

static void at_any_moment_it_did_or_did_not(void **state)
{
    for (long delay_us = 0; delay_us < 2000; delay_us += 200) {
        kill_an_accepted(*state, UNDER_WAY, delay_us);
        kill_a_rejected(*state, UNDER_WAY, delay_us);
    }
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .number = 0 };
    victim_store_init(&fixture.store);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    victim_store_fini(&fixture->store);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_it_is_appended_it_did_not_happen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_it_is_appended_and_before_it_is_answered_it_did, set_up, tear_down),
        cmocka_unit_test_setup_teardown(at_any_moment_it_did_or_did_not, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
