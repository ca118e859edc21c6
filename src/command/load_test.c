/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command/bank_fixture.h"

/* The newest stored snapshot's version, 0 for none. Snapshots go with the next batch, or at the latest before the one
 * after it. */
static uint64_t snapshot_version(struct bank *bank, const char *stream)
{
    varve_buf json = { 0 };
    varve_error error = { 0 };
    uint64_t version = 0;
    bank_deposit_directly(bank, VARVE_STR("other-1"), 0);
    bank_deposit_directly(bank, VARVE_STR("other-1"), 0);
    varve_status status = store_snapshot_get(bank->store, varve_str_of(stream), bank->account.state_version, INT64_MAX,
                                             &version, &json, &error);
    if (status == VARVE_NOT_FOUND)
        version = 0;
    else
        assert_int_equal(status, VARVE_OK);
    varve_buf_fini(&json);
    return version;
}

static void deposit(struct bank *bank, const char *stream, int times)
{
    varve_error error = { 0 };
    for (int i = 0; i < times; i++)
        if (bank_execute(bank, "Deposit", stream, 1, NULL, &error) != VARVE_OK) fail_msg("%s", error.message);
}

static varve_aggregate show(struct bank *bank, const char *stream, varve_aggregate_options options)
{
    varve_aggregate aggregate = { 0 };
    varve_error error = { 0 };
    if (lanes_show(bank->lanes, varve_str_of(stream), &options, &aggregate, &error) < 0) fail_msg("%s", error.message);
    bank_assert_text(aggregate.stream, stream);
    return aggregate;
}

/* Shows as of `options` and compares state, version, the snapshot it began with and how many events followed. */
static void assert_shows(struct bank *bank, varve_aggregate_options options, const char *state, uint64_t version,
                         uint64_t snapshot, uint64_t replayed)
{
    varve_aggregate aggregate = show(bank, "account-1", options);
    bank_assert_text(aggregate.state, state);
    assert_int_equal(aggregate.version, version);
    assert_int_equal(aggregate.snapshot_version, snapshot);
    assert_int_equal(aggregate.events_replayed, replayed);
    varve_aggregate_fini(&aggregate);
}

static void assert_not_shown(struct bank *bank, const char *stream, varve_aggregate_options options,
                             varve_status expected, const char *part)
{
    varve_aggregate aggregate = { 0 };
    varve_error error = { 0 };
    varve_status status = lanes_show(bank->lanes, varve_str_of(stream), &options, &aggregate, &error);
    bank_assert_failure(status, expected, &error, part);
    assert_null(aggregate.memory);
}

/* ---- snapshots ---- */

static void test_a_snapshot_is_kept_every_so_many_events(void **state)
{
    (void)state;
    struct bank bank;
    const varve_aggregate_options now = { 0 };
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 4);
    assert_int_equal(snapshot_version(&bank, "account-1"), 0);
    assert_shows(&bank, now, "{\"balance\":4}", 4, 0, 4);
    deposit(&bank, "account-1", 1);
    assert_int_equal(snapshot_version(&bank, "account-1"), 5);
    assert_shows(&bank, now, "{\"balance\":5}", 5, 5, 0);
    /* … and again when the state was loaded from a snapshot. */
    deposit(&bank, "account-1", 4);
    assert_int_equal(snapshot_version(&bank, "account-1"), 5);
    assert_shows(&bank, now, "{\"balance\":9}", 9, 5, 4);
    deposit(&bank, "account-1", 1);
    assert_int_equal(snapshot_version(&bank, "account-1"), 10);
    assert_shows(&bank, now, "{\"balance\":10}", 10, 10, 0);
    bank_close(&bank);
}

static void test_a_command_may_step_over_the_multiple(void **state)
{
    (void)state;
    static const uint64_t expected[] = { 0, 6, 6, 12, 12, 18 };
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(bank_execute(&bank, "DepositThrice", "account-1", 1, NULL, &error), VARVE_OK);
        assert_int_equal(snapshot_version(&bank, "account-1"), expected[i]);
    }
    assert_int_equal(bank_balance(&bank, "account-1"), 18);
    bank_close(&bank);
}

static void test_loading_costs_the_same_however_long_the_stream(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.snapshot_every = 10;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 200);
    assert_int_equal(snapshot_version(&bank, "account-1"), 200);
    unsigned evolved = bank.evolved;
    deposit(&bank, "account-1", 1);
    assert_int_equal(bank.evolved, evolved + 1); /* its own event, nothing before */
    bank_close(&bank);
}

/* Due by what others appended, and the first to find it so is a rejection, on which a deposit is decided. */
static void test_a_rejection_does_not_swallow_a_snapshot(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    for (int i = 0; i < 6; i++) bank_deposit_directly(&bank, VARVE_STR("account-1"), 1);
    struct bank_journal journal = { &bank, .answers = 0 };
    bank_stall_store(&bank, &stall);
    bank_order(&journal, "Withdraw", 100, 1);
    bank_order(&journal, "Deposit", 1, 0);
    bank_wait_until_queued(&bank, 2);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 2);
    assert_string_equal(journal.text, "no0 v7 ");
    assert_int_equal(snapshot_version(&bank, "account-1"), 7);
    bank_close(&bank);
}

static void test_a_look_keeps_a_snapshot_too(void **state)
{
    (void)state;
    struct bank bank;
    const varve_aggregate_options now = { 0 };
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    for (int i = 0; i < 7; i++) bank_deposit_directly(&bank, VARVE_STR("account-1"), 1);
    assert_shows(&bank, (varve_aggregate_options){ .version = 6 }, "{\"balance\":6}", 6, 0, 6);
    assert_int_equal(snapshot_version(&bank, "account-1"), 0); /* the past is only read */
    assert_shows(&bank, now, "{\"balance\":7}", 7, 0, 7);
    assert_int_equal(snapshot_version(&bank, "account-1"), 7);
    assert_shows(&bank, now, "{\"balance\":7}", 7, 7, 0);
    bank_close(&bank);
}

static void test_a_snapshot_of_another_state_version_is_ignored_and_replaced(void **state)
{
    (void)state;
    struct bank bank;
    const varve_aggregate_options now = { 0 };
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 6);
    assert_int_equal(snapshot_version(&bank, "account-1"), 5);
    lanes_close(bank.lanes);
    bank.account.state_version = 2;
    bank_start(&bank, 1, 10);
    assert_shows(&bank, now, "{\"balance\":6}", 6, 0, 6);
    assert_int_equal(snapshot_version(&bank, "account-1"), 6);
    assert_shows(&bank, now, "{\"balance\":6}", 6, 6, 0);
    bank_close(&bank);
}

static void test_a_snapshot_that_cannot_be_decoded_is_ignored_aloud(void **state)
{
    (void)state;
    struct bank bank;
    const varve_aggregate_options now = { 0 };
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 6);
    assert_int_equal(snapshot_version(&bank, "account-1"), 5);
    bank.refuse_decode = true;
    assert_int_equal(bank.warnings, 0);
    assert_shows(&bank, now, "{\"balance\":6}", 6, 0, 6);
    assert_int_equal(bank.warnings, 1);
    bank_close(&bank);
}

static void test_no_snapshots_when_the_decider_wants_none(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10); /* VARVE_NO_SNAPSHOTS */
    deposit(&bank, "account-1", 60);
    assert_int_equal(snapshot_version(&bank, "account-1"), 0);
    bank_close(&bank);
}

static void test_fifty_events_make_a_snapshot_by_default(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.snapshot_every = 0;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 49);
    assert_int_equal(snapshot_version(&bank, "account-1"), 0);
    deposit(&bank, "account-1", 2);
    assert_int_equal(snapshot_version(&bank, "account-1"), 50);
    bank_close(&bank);
}

/* ---- the past ---- */

static void test_the_state_at_a_version(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 12);
    assert_int_equal(snapshot_version(&bank, "account-1"), 10);
    assert_shows(&bank, (varve_aggregate_options){ .version = 12 }, "{\"balance\":12}", 12, 10, 2);
    assert_shows(&bank, (varve_aggregate_options){ .version = 10 }, "{\"balance\":10}", 10, 10, 0);
    assert_not_shown(&bank, "account-1", (varve_aggregate_options){ .version = 13 }, VARVE_NOT_FOUND, "it is at 12");

    /* Whether an older snapshot is still there is the store's choice; the state must not depend on it. */
    varve_aggregate third = show(&bank, "account-1", (varve_aggregate_options){ .version = 3 });
    bank_assert_text(third.state, "{\"balance\":3}");
    assert_int_equal(third.version, 3);
    assert_int_equal(third.events_replayed, 3);
    varve_aggregate_fini(&third);
    varve_aggregate seventh = show(&bank, "account-1", (varve_aggregate_options){ .version = 7 });
    bank_assert_text(seventh.state, "{\"balance\":7}");
    assert_int_equal(seventh.snapshot_version + seventh.events_replayed, 7);
    varve_aggregate_fini(&seventh);
    bank_close(&bank);
}

/* Appends a deposit that occurred at `occurred_at` and returns when it was recorded. */
static varve_time append_at(struct bank *bank, int amount, varve_time occurred_at)
{
    varve_appended appended = { 0 };
    varve_error error = { 0 };
    varve_buf data = { 0 };
    varve_buf_printf(&data, "{\"amount\":%d}", amount);
    varve_event event = {
        .stream = VARVE_STR("account-1"),
        .type = VARVE_STR("Deposited"),
        .data = varve_buf_view(&data),
        .occurred_at = occurred_at,
    };
    varve_append_request request = { .events = &event, .event_count = 1 };
    if (varve_append(bank->store, &request, &appended, &error) != VARVE_OK) fail_msg("%s", error.message);
    varve_time recorded_at = appended.recorded_at;
    varve_appended_fini(&appended);
    varve_buf_fini(&data);
    while (varve_time_now() <= recorded_at) {
    }
    return recorded_at;
}

static void test_the_state_at_a_time(void **state)
{
    (void)state;
    struct bank bank;
    varve_time recorded[4];
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    recorded[0] = append_at(&bank, 1, 3000000);
    recorded[1] = append_at(&bank, 10, 1000000); /* told later, happened earlier */
    recorded[2] = append_at(&bank, 100, 2000000);
    recorded[3] = append_at(&bank, 1000, 0);
    assert_shows(&bank, (varve_aggregate_options){ .at = recorded[1] }, "{\"balance\":11}", 2, 0, 2);
    assert_shows(&bank, (varve_aggregate_options){ .at = recorded[2] - 1 }, "{\"balance\":11}", 2, 0, 2);
    assert_shows(&bank, (varve_aggregate_options){ .at = recorded[3] }, "{\"balance\":1111}", 4, 0, 4);
    assert_not_shown(&bank, "account-1", (varve_aggregate_options){ .at = recorded[0] - 1 }, VARVE_NOT_FOUND,
                     "by then");

    varve_aggregate_options occurred = { .at = 1000000, .clock = VARVE_CLOCK_OCCURRED };
    assert_shows(&bank, occurred, "{\"balance\":10}", 2, 0, 1);
    occurred.at = 2999999;
    assert_shows(&bank, occurred, "{\"balance\":110}", 3, 0, 2);
    occurred.at = 3000000;
    assert_shows(&bank, occurred, "{\"balance\":111}", 3, 0, 3);
    occurred.at = 999999;
    assert_not_shown(&bank, "account-1", occurred, VARVE_NOT_FOUND, "by then");
    bank_close(&bank);
}

static void test_a_recorded_time_begins_with_a_snapshot_an_occurred_time_does_not(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 7);
    assert_int_equal(snapshot_version(&bank, "account-1"), 5);
    varve_time now = varve_time_now();
    assert_shows(&bank, (varve_aggregate_options){ .at = now }, "{\"balance\":7}", 7, 5, 2);
    assert_shows(&bank, (varve_aggregate_options){ .at = now, .clock = VARVE_CLOCK_OCCURRED }, "{\"balance\":7}", 7, 0,
                 7);
    bank_close(&bank);
}

static void test_what_cannot_be_shown(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 1);
    const varve_time in_an_hour = varve_time_now() + INT64_C(3600) * 1000000;
    assert_not_shown(&bank, "order-1", (varve_aggregate_options){ 0 }, VARVE_NOT_FOUND, "'order'");
    assert_not_shown(&bank, "", (varve_aggregate_options){ 0 }, VARVE_INVALID, "stream");
    assert_not_shown(&bank, "account-9", (varve_aggregate_options){ 0 }, VARVE_NOT_FOUND, "account-9");
    assert_not_shown(&bank, "account-9", (varve_aggregate_options){ .version = 1 }, VARVE_NOT_FOUND, "account-9");
    assert_not_shown(&bank, "account-1", (varve_aggregate_options){ .version = 1, .at = 1 }, VARVE_INVALID, "both");
    assert_not_shown(&bank, "account-1", (varve_aggregate_options){ .clock = VARVE_CLOCK_OCCURRED }, VARVE_INVALID,
                     "clock");
    assert_not_shown(&bank, "account-1", (varve_aggregate_options){ .at = in_an_hour }, VARVE_INVALID, "future");
    bank_close(&bank);
}

static varve_status encode_nonsense(const void *state, varve_buf *json, varve_error *error)
{
    (void)state, (void)error;
    varve_buf_str(json, VARVE_STR("{\"balance\":"));
    return VARVE_OK;
}

static void test_a_state_that_is_not_encoded_as_json_is_not_shown(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.encode = encode_nonsense;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 1);
    assert_not_shown(&bank, "account-1", (varve_aggregate_options){ 0 }, VARVE_APPLICATION, "encode on account-1");
    bank_close(&bank);
}

static void test_a_decider_without_encode_shows_nothing(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.encode = NULL;
    bank.account.decode = NULL;
    bank_start(&bank, 1, 10);
    deposit(&bank, "account-1", 1);
    assert_not_shown(&bank, "account-1", (varve_aggregate_options){ 0 }, VARVE_UNSUPPORTED, "encode");
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_snapshot_is_kept_every_so_many_events),
        cmocka_unit_test(test_a_rejection_does_not_swallow_a_snapshot),
        cmocka_unit_test(test_a_command_may_step_over_the_multiple),
        cmocka_unit_test(test_loading_costs_the_same_however_long_the_stream),
        cmocka_unit_test(test_a_look_keeps_a_snapshot_too),
        cmocka_unit_test(test_a_snapshot_of_another_state_version_is_ignored_and_replaced),
        cmocka_unit_test(test_a_snapshot_that_cannot_be_decoded_is_ignored_aloud),
        cmocka_unit_test(test_no_snapshots_when_the_decider_wants_none),
        cmocka_unit_test(test_fifty_events_make_a_snapshot_by_default),
        cmocka_unit_test(test_the_state_at_a_version),
        cmocka_unit_test(test_the_state_at_a_time),
        cmocka_unit_test(test_a_recorded_time_begins_with_a_snapshot_an_occurred_time_does_not),
        cmocka_unit_test(test_what_cannot_be_shown),
        cmocka_unit_test(test_a_state_that_is_not_encoded_as_json_is_not_shown),
        cmocka_unit_test(test_a_decider_without_encode_shows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
