/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command/bank_fixture.h"
#include "store/access.h"

static void ignore_appended(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    (void)ctx, (void)status, (void)appended, (void)error;
}

/* ---- order and lanes ---- */

static void test_commands_on_one_stream_take_effect_in_the_order_they_were_queued(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    struct bank_journal journal = { .bank = &bank };
    char expected[1024] = "";
    bank_open(&bank, 0);
    bank_start(&bank, 2, 1000);
    /* Deposit 1, withdraw 1 fifty times: in any other order some withdrawal would be rejected. */
    for (int i = 0; i < 100; i++) {
        varve_command command = {
            .type = i % 2 == 0 ? VARVE_STR("Deposit") : VARVE_STR("Withdraw"),
            .stream = VARVE_STR("account-1"),
            .data = VARVE_STR("{\"amount\":1}"),
        };
        assert_int_equal(lanes_execute(bank.lanes, &command, bank_write_down, &journal, &error), VARVE_OK);
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "v%d ", i + 1);
    }
    bank_wait_for(&bank, &journal.answers, 100);
    assert_string_equal(journal.text, expected);
    assert_int_equal(bank_balance(&bank, "account-1"), 0);
    bank_close(&bank);
}

static void test_many_streams_over_several_lanes(void **state)
{
    (void)state;
    enum { STREAMS = 100, COMMANDS = 10 };
    struct bank bank;
    struct lanes_stats stats;
    char stream[32];
    bank_open(&bank, 0);
    bank_start(&bank, 4, STREAMS * COMMANDS);
    for (int i = 0; i < COMMANDS; i++) {
        for (int s = 0; s < STREAMS; s++) {
            snprintf(stream, sizeof stream, "account-%d", s);
            assert_int_equal(bank_send(&bank, i == 0 ? "Deposit" : "Withdraw", stream, i == 0 ? COMMANDS - 1 : 1),
                             VARVE_OK);
        }
    }
    bank_wait_for(&bank, &bank.answers, STREAMS * COMMANDS);
    for (int s = 0; s < STREAMS; s++) {
        snprintf(stream, sizeof stream, "account-%d", s);
        assert_int_equal(bank_balance(&bank, stream), 0);
        assert_int_equal(bank_version(&bank, stream), COMMANDS);
    }
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.accepted, STREAMS * COMMANDS);
    assert_int_equal(stats.retries, 0);
    bank_close(&bank);
}

/* One lane, a store that does not answer: every command is decided, of whichever stream. */
static void test_a_lane_goes_on_while_an_append_is_in_flight(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    assert_int_equal(bank_send(&bank, "Deposit", "account-1", 1), VARVE_OK);
    assert_int_equal(bank_send(&bank, "Withdraw", "account-1", 1), VARVE_OK);
    assert_int_equal(bank_send(&bank, "Deposit", "account-2", 1), VARVE_OK);
    assert_int_equal(bank_send(&bank, "Withdraw", "account-3", 1), VARVE_OK);
    bank_wait_for(&bank, &bank.answers, 1); /* account-3's: it is rejected and needs no store */
    pthread_mutex_lock(&bank.mutex);
    assert_int_equal(bank.decided, 4);
    assert_int_equal(bank.answers, 1);
    pthread_mutex_unlock(&bank.mutex);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &bank.answers, 4);
    assert_int_equal(bank_version(&bank, "account-1"), 2);
    assert_int_equal(bank_version(&bank, "account-2"), 1);
    bank_close(&bank);
}

/* ---- looks ---- */

static void *look_at_account_1(void *ctx)
{
    assert_int_equal(bank_balance(ctx, "account-1"), 1);
    return NULL;
}

/* However long a look takes, commands go on, also on the stream that is looked at; the look counts as under way. */
static void test_a_look_holds_up_no_command(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    varve_error error = { 0 };
    pthread_t looker;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 2);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    bank.looks_held = true;
    assert_int_equal(pthread_create(&looker, NULL, look_at_account_1, &bank), 0);
    bank_wait_for(&bank, &bank.looks, 1);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-2", 1, NULL, &error), VARVE_OK);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.queue_length, 1);
    bank_set(&bank, &bank.looks_held, false);
    pthread_join(looker, NULL);
    assert_int_equal(bank_balance(&bank, "account-1"), 2);
    bank_close(&bank);
}

static void test_a_look_passes_a_decider_that_takes_long(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    bank.gate_closed = true;
    assert_int_equal(bank_send(&bank, "Deposit", "account-1", 1), VARVE_OK);
    bank_wait_for(&bank, &bank.decided, 2);
    assert_int_equal(bank_balance(&bank, "account-1"), 1); /* what is durable */
    bank_set(&bank, &bank.gate_closed, false);
    bank_wait_for(&bank, &bank.answers, 1);
    assert_int_equal(bank_balance(&bank, "account-1"), 2);
    bank_close(&bank);
}

/* The look under way and the one behind it fill the queue, for commands too. */
static void test_looks_count_towards_the_limit(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats = { 0 };
    pthread_t lookers[2];
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 2);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    bank.looks_held = true;
    for (size_t i = 0; i < 2; i++) assert_int_equal(pthread_create(&lookers[i], NULL, look_at_account_1, &bank), 0);
    bank_wait_for(&bank, &bank.looks, 1);
    for (; stats.queue_length < 2; lanes_get_stats(bank.lanes, &stats)) sched_yield();
    bank_assert_failure(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_BUSY, &error, "limit");
    bank_set(&bank, &bank.looks_held, false);
    for (size_t i = 0; i < 2; i++) pthread_join(lookers[i], NULL);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    bank_close(&bank);
}

/* ---- limits, stopping ---- */

static void test_more_commands_than_the_limit_are_busy(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct lanes_stats stats;
    bank_open(&bank, 0);
    bank_start(&bank, 2, 3);
    bank_stall_store(&bank, &stall);
    assert_int_equal(bank_send(&bank, "Deposit", "account-1", 1), VARVE_OK);
    assert_int_equal(bank_send(&bank, "Deposit", "account-1", 1), VARVE_OK);
    assert_int_equal(bank_send(&bank, "Deposit", "account-2", 1), VARVE_OK);
    assert_int_equal(bank_send(&bank, "Deposit", "account-3", 1), VARVE_BUSY);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.queue_length, 3);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &bank.answers, 3);
    assert_int_equal(bank_send(&bank, "Deposit", "account-3", 1), VARVE_OK);
    bank_wait_for(&bank, &bank.answers, 4);
    bank_close(&bank);
}

static void test_a_store_that_stays_full_makes_a_command_busy(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    varve_error error = { 0 };
    bank_open(&bank, 1);
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    varve_event event = { .stream = VARVE_STR("other-1"), .type = VARVE_STR("Happened") };
    varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append_async(bank.store, &request, ignore_appended, NULL, &error), VARVE_OK);
    bank_assert_failure(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_BUSY, &error, "waiting");
    assert_true((error.flags & VARVE_ERROR_RETRIABLE) != 0);
    bank_resume_store(&stall);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    bank_close(&bank);
}

static void *close_lanes(void *ctx)
{
    struct bank *bank = ctx;
    lanes_close(bank->lanes);
    return NULL;
}

/* The lane stands in a decider with commands queued behind it when it is closed: all are finished, no new ones come. */
static void test_closing_finishes_what_was_accepted(void **state)
{
    (void)state;
    struct bank bank;
    pthread_t closer;
    unsigned accepted = 0;
    varve_status status = VARVE_OK;
    bank_open(&bank, 0);
    bank.gate_closed = true;
    bank_start(&bank, 1, 1000000);
    for (; accepted < 50; accepted++)
        assert_int_equal(bank_send(&bank, "Deposit", accepted % 2 == 0 ? "account-1" : "account-2", 1), VARVE_OK);
    bank_wait_for(&bank, &bank.decided, 1);
    assert_int_equal(pthread_create(&closer, NULL, close_lanes, &bank), 0);
    while ((status = bank_send(&bank, "Deposit", "account-3", 1)) == VARVE_OK) {
        accepted++;
        sched_yield();
    }
    assert_int_equal(status, VARVE_UNAVAILABLE);
    pthread_mutex_lock(&bank.mutex);
    assert_int_equal(bank.answers, 0);
    bank.gate_closed = false;
    pthread_cond_broadcast(&bank.changed);
    pthread_mutex_unlock(&bank.mutex);
    pthread_join(closer, NULL);
    bank.lanes = NULL;
    assert_int_equal(bank.answers, accepted);
    assert_int_equal(bank_version(&bank, "account-1"), 25);
    assert_int_equal(bank_version(&bank, "account-2"), 25);
    assert_int_equal(bank_version(&bank, "account-3"), accepted - 50);
    bank_close(&bank);
}

/* From its callback a command may queue the next. */
struct chain {
    struct bank *bank;
    unsigned links;
    varve_status refused;
};

static void queue_next(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct chain *chain = ctx;
    (void)error;
    if (status == VARVE_OK && outcome->version < 5) {
        varve_command command = {
            .type = VARVE_STR("Deposit"),
            .stream = outcome->stream,
            .data = VARVE_STR("{\"amount\":1}"),
        };
        chain->refused = lanes_execute(chain->bank->lanes, &command, queue_next, chain, NULL);
    }
    pthread_mutex_lock(&chain->bank->mutex);
    chain->links++;
    pthread_cond_broadcast(&chain->bank->changed);
    pthread_mutex_unlock(&chain->bank->mutex);
}

static void test_a_callback_may_queue_the_next_command(void **state)
{
    (void)state;
    struct bank bank;
    struct chain chain = { .bank = &bank };
    varve_error error = { 0 };
    varve_command command = {
        .type = VARVE_STR("Deposit"),
        .stream = VARVE_STR("account-1"),
        .data = VARVE_STR("{\"amount\":1}"),
    };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 1); /* a limit of one: there is room again before the callback runs */
    assert_int_equal(lanes_execute(bank.lanes, &command, queue_next, &chain, &error), VARVE_OK);
    bank_wait_for(&bank, &chain.links, 5);
    assert_int_equal(chain.refused, VARVE_OK);
    assert_int_equal(bank_version(&bank, "account-1"), 5);
    bank_close(&bank);
}

/* ---- starting ---- */

static varve_status worker_opens_once(void *ctx, void **worker, varve_error *error)
{
    struct bank *bank = ctx;
    if (bank->workers == 1) return varve_error_set(error, VARVE_INVALID, "order.lua:3: no more");
    bank->workers++;
    *worker = bank;
    return VARVE_OK;
}

static void test_a_worker_that_does_not_open_stops_the_start(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_aggregate aggregate = { 0 };
    struct lanes_options options = { .workers = 2, .queue_limit = 10 };
    bank_open(&bank, 0);
    bank.account.worker_open = worker_opens_once;
    assert_int_equal(lanes_open(&bank.lanes, bank.store, &options, &error), VARVE_OK);
    assert_int_equal(lanes_add(bank.lanes, &bank.account, &bank, &error), VARVE_OK);
    bank_assert_failure(lanes_start(bank.lanes, &error), VARVE_INVALID, &error, "order.lua:3: no more");
    bank_assert_failure(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_UNAVAILABLE, &error,
                        "started");
    bank_assert_failure(lanes_show(bank.lanes, VARVE_STR("account-1"), NULL, &aggregate, &error), VARVE_UNAVAILABLE,
                        &error, "started");
    bank_close(&bank);
}

static void test_a_decider_comes_before_the_start(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    bank_assert_failure(lanes_add(bank.lanes, &bank_account, NULL, &error), VARVE_INVALID, &error, "before");
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_on_one_stream_take_effect_in_the_order_they_were_queued),
        cmocka_unit_test(test_many_streams_over_several_lanes),
        cmocka_unit_test(test_a_lane_goes_on_while_an_append_is_in_flight),
        cmocka_unit_test(test_a_look_holds_up_no_command),
        cmocka_unit_test(test_a_look_passes_a_decider_that_takes_long),
        cmocka_unit_test(test_looks_count_towards_the_limit),
        cmocka_unit_test(test_more_commands_than_the_limit_are_busy),
        cmocka_unit_test(test_a_store_that_stays_full_makes_a_command_busy),
        cmocka_unit_test(test_closing_finishes_what_was_accepted),
        cmocka_unit_test(test_a_callback_may_queue_the_next_command),
        cmocka_unit_test(test_a_worker_that_does_not_open_stops_the_start),
        cmocka_unit_test(test_a_decider_comes_before_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
