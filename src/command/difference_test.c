/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command/bank_fixture.h"

/* Appends a deposit to account-1 that occurred at `occurred_at` (0: now) and returns when it was recorded. */
static varve_time deposit(struct bank *bank, const char *data, varve_time occurred_at)
{
    varve_appended appended = { 0 };
    varve_error error = { 0 };
    const varve_event event = { .stream = VARVE_STR("account-1"),
                                .type = VARVE_STR("Deposited"),
                                .data = varve_str_of(data),
                                .occurred_at = occurred_at };
    if (varve_append(bank->store, &(varve_append_request){ .events = &event, .event_count = 1 }, &appended, &error) < 0)
        fail_msg("%s", error.message);
    varve_time recorded_at = appended.recorded_at;
    varve_appended_fini(&appended);
    while (varve_time_now() <= recorded_at) {
    }
    return recorded_at;
}

static void assert_differs(struct bank *bank, const varve_aggregate_options *from, const varve_aggregate_options *to,
                           uint64_t from_version, uint64_t to_version, const char *patch)
{
    varve_difference difference = { 0 };
    varve_error error = { 0 };
    if (lanes_diff(bank->lanes, VARVE_STR("account-1"), from, to, &difference, &error) < 0)
        fail_msg("%s", error.message);
    bank_assert_text(difference.stream, "account-1");
    bank_assert_text(difference.patch, patch);
    assert_int_equal(difference.from, from_version);
    assert_int_equal(difference.to, to_version);
    varve_difference_fini(&difference);
}

static void assert_refused(struct bank *bank, const char *stream, const varve_aggregate_options *from,
                           const varve_aggregate_options *to, varve_status expected, const char *part)
{
    varve_difference difference = { 0 };
    varve_error error = { 0 };
    varve_status status = lanes_diff(bank->lanes, varve_str_of(stream), from, to, &difference, &error);
    bank_assert_failure(status, expected, &error, part);
    assert_null(difference.memory);
}

static void test_between_two_versions(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.snapshot_every = 2;
    bank_start(&bank, 1, 10);
    deposit(&bank, "{\"amount\":1}", 0);
    deposit(&bank, "{\"amount\":0}", 0);
    deposit(&bank, "{\"amount\":7}", 0);
    const varve_aggregate_options newest = { 0 }, first = { .version = 1 }, second = { .version = 2 };
    assert_differs(&bank, &first, &newest, 1, 3, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":8}]");
    assert_differs(&bank, &newest, &first, 3, 1, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":1}]");
    assert_differs(&bank, &first, &second, 1, 2, "[]");
    assert_differs(&bank, &first, &first, 1, 1, "[]");
    assert_differs(&bank, &first, NULL, 1, 3, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":8}]");
    assert_differs(&bank, NULL, &first, 0, 1, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":1}]");
    bank_close(&bank);
}

static void test_between_two_times(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    varve_time first = deposit(&bank, "{\"amount\":1}", 3000000);
    varve_time second = deposit(&bank, "{\"amount\":10}", 1000000);
    deposit(&bank, "{\"amount\":100}", 2000000);
    const varve_aggregate_options before = { .at = first - 1 }, then = { .at = second - 1 }, later = { .at = second };
    assert_differs(&bank, &then, &later, 1, 2, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":11}]");
    assert_differs(&bank, &before, &later, 0, 2, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":11}]");
    assert_differs(&bank, &before, &before, 0, 0, "[]");

    const varve_aggregate_options early = { .at = 1500000, .clock = VARVE_CLOCK_OCCURRED };
    const varve_aggregate_options late = { .at = 2500000, .clock = VARVE_CLOCK_OCCURRED };
    const varve_aggregate_options never = { .at = 500000, .clock = VARVE_CLOCK_OCCURRED };
    assert_differs(&bank, &early, &late, 2, 3, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":110}]");
    assert_differs(&bank, &never, &early, 0, 2, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":10}]");
    assert_differs(&bank, &late, &then, 3, 1, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":1}]");
    bank_close(&bank);
}

static void test_what_cannot_be_compared(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    varve_time recorded = deposit(&bank, "{\"amount\":1}", 0);
    const varve_aggregate_options first = { .version = 1 }, second = { .version = 2 }, both = { .version = 1, .at = 1 };
    const varve_aggregate_options past = { .at = 1 }, future = { .at = recorded + INT64_C(3600000000) };
    assert_refused(&bank, "account-1", &first, &second, VARVE_NOT_FOUND, "it is at 1");
    assert_refused(&bank, "account-1", &second, &first, VARVE_NOT_FOUND, "it is at 1");
    assert_refused(&bank, "account-1", &first, &both, VARVE_INVALID, "not both");
    assert_refused(&bank, "account-1", &first, &future, VARVE_INVALID, "future");
    assert_refused(&bank, "account-9", NULL, NULL, VARVE_NOT_FOUND, "account-9");
    assert_refused(&bank, "account-9", &past, &past, VARVE_NOT_FOUND, "account-9");
    assert_refused(&bank, "account-9", &first, NULL, VARVE_NOT_FOUND, "account-9");
    assert_refused(&bank, "order-1", NULL, NULL, VARVE_NOT_FOUND, "'order'");
    bank_close(&bank);
}

static void test_a_decider_without_encode_has_no_differences(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.encode = NULL;
    bank.account.decode = NULL;
    bank_start(&bank, 1, 10);
    deposit(&bank, "{\"amount\":1}", 0);
    assert_refused(&bank, "account-1", NULL, NULL, VARVE_UNSUPPORTED, "encode");
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_between_two_versions),
        cmocka_unit_test(test_between_two_times),
        cmocka_unit_test(test_what_cannot_be_compared),
        cmocka_unit_test(test_a_decider_without_encode_has_no_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
