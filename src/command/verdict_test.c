/* SPDX-License-Identifier: Apache-2.0 */
#include "command/verdict.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_what_follows_from_an_answer(void **state)
{
    (void)state;
    static const struct {
        varve_status answer;
        varve_condition_kind expected;
        enum verdict verdict;
    } cases[] = {
        { VARVE_OK, VARVE_STREAM_ANY, VERDICT_ACCEPTED },
        { VARVE_OK, VARVE_STREAM_AT, VERDICT_ACCEPTED },
        { VARVE_REPEATED, VARVE_STREAM_AT, VERDICT_READ_BACK },
        { VARVE_ID_CONFLICT, VARVE_STREAM_ANY, VERDICT_READ_BACK },
        { VARVE_CONFLICT, VARVE_STREAM_ANY, VERDICT_DECIDE_AGAIN },
        { VARVE_CONFLICT, VARVE_STREAM_EXISTS, VERDICT_DECIDE_AGAIN },
        { VARVE_CONFLICT, VARVE_STREAM_AT, VERDICT_FAILED },
        { VARVE_CONFLICT, VARVE_STREAM_NONE, VERDICT_FAILED },
        { VARVE_BUSY, VARVE_STREAM_AT, VERDICT_APPEND_AGAIN },
        { VARVE_INDETERMINATE, VARVE_STREAM_ANY, VERDICT_FAILED },
        { VARVE_FULL, VARVE_STREAM_ANY, VERDICT_FAILED },
        { VARVE_IO, VARVE_STREAM_ANY, VERDICT_FAILED },
        { VARVE_TOO_LARGE, VARVE_STREAM_ANY, VERDICT_FAILED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verdict_tries tries = { 0 };
        uint32_t delay_ms = 99;
        assert_int_equal(verdict_of(cases[i].answer, cases[i].expected, &tries, 0, &delay_ms), cases[i].verdict);
        assert_int_equal(delay_ms, cases[i].verdict == VERDICT_APPEND_AGAIN ? 1 : 0);
    }
}

/* The longest delays, drawn with all bits set: nothing, then doubling, then a ceiling; and an end. */
static void test_conflicts_wait_longer_and_are_bounded(void **state)
{
    (void)state;
    static const uint32_t longest_ms[] = { 0, 1, 3, 7, 15, 31, 63, 63, 63 };
    struct verdict_tries tries = { 0 };
    uint32_t delay_ms = 0;
    for (uint32_t i = 0; i < VERDICT_CONFLICTS_MAX; i++) {
        assert_int_equal(verdict_of(VARVE_CONFLICT, VARVE_STREAM_ANY, &tries, UINT64_MAX, &delay_ms),
                         VERDICT_DECIDE_AGAIN);
        if (i < sizeof longest_ms / sizeof longest_ms[0]) assert_int_equal(delay_ms, longest_ms[i]);
    }
    assert_int_equal(verdict_of(VARVE_CONFLICT, VARVE_STREAM_ANY, &tries, UINT64_MAX, &delay_ms), VERDICT_FAILED);
    assert_int_equal(tries.conflicts, VERDICT_CONFLICTS_MAX);
}

static void test_a_full_store_is_offered_the_append_a_bounded_number_of_times(void **state)
{
    (void)state;
    struct verdict_tries tries = { 0 };
    uint32_t delay_ms = 0;
    for (uint32_t i = 0; i < VERDICT_BUSY_MAX; i++) {
        assert_int_equal(verdict_of(VARVE_BUSY, VARVE_STREAM_ANY, &tries, 0, &delay_ms), VERDICT_APPEND_AGAIN);
        assert_int_equal(delay_ms, 1); /* never at once: the lane would spin */
    }
    assert_int_equal(verdict_of(VARVE_BUSY, VARVE_STREAM_ANY, &tries, 0, &delay_ms), VERDICT_FAILED);
    /* Conflicts are counted on their own. */
    assert_int_equal(verdict_of(VARVE_CONFLICT, VARVE_STREAM_ANY, &tries, 0, &delay_ms), VERDICT_DECIDE_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_follows_from_an_answer),
        cmocka_unit_test(test_conflicts_wait_longer_and_are_bounded),
        cmocka_unit_test(test_a_full_store_is_offered_the_append_a_bounded_number_of_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
