/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/attempt.h"

#define SECOND INT64_C(1000000)

static void assert_judged(const struct attempt *attempt, enum attempt_verdict verdict, varve_time delay_s)
{
    varve_time delay_us = 0;
    assert_int_equal(attempt_judge(attempt, &delay_us), verdict);
    assert_int_equal(delay_us, delay_s * SECOND);
}

static void what_passes_is_tried_again_and_not_for_ever(void **state)
{
    (void)state;
    static const struct {
        varve_status status;
        uint32_t number;
        enum attempt_verdict verdict;
        varve_time delay_s;
    } cases[] = {
        { VARVE_OK, 1, ATTEMPT_DONE, 1 },
        { VARVE_REPEATED, 100, ATTEMPT_DONE, 300 },
        { VARVE_REJECTED, 1, ATTEMPT_REJECTED, 1 },
        { VARVE_APPLICATION, 1, ATTEMPT_FAILED, 1 },
        { VARVE_ENRICH_FAILED, 9, ATTEMPT_AGAIN, 256 },
        { VARVE_ENRICH_FAILED, 10, ATTEMPT_AGAIN, 300 },
        { VARVE_ENRICH_FAILED, 99, ATTEMPT_AGAIN, 300 },
        { VARVE_ENRICH_FAILED, 100, ATTEMPT_FAILED, 300 },
        { VARVE_BUSY, 1000, ATTEMPT_NONE, 300 },
        { VARVE_NOT_FOUND, 1000, ATTEMPT_NONE, 60 },
        { VARVE_INDETERMINATE, 1000, ATTEMPT_PERHAPS_AGAIN, 300 },
    };
    const varve_command command = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_judged(&(struct attempt){ &command, cases[i].status, .number = cases[i].number }, cases[i].verdict,
                      cases[i].delay_s);
}

/* Only a version that does not hold is the end of it: whoever lost a race may win the next one. */
static void a_lost_race_is_run_again(void **state)
{
    (void)state;
    static const struct {
        varve_condition_kind expected;
        int64_t current_version;
        enum attempt_verdict verdict;
    } cases[] = {
        { VARVE_STREAM_ANY, 7, ATTEMPT_AGAIN },     { VARVE_STREAM_ANY, -1, ATTEMPT_AGAIN },
        { VARVE_STREAM_EXISTS, 7, ATTEMPT_AGAIN },  { VARVE_STREAM_EXISTS, -1, ATTEMPT_AGAIN },
        { VARVE_STREAM_EXISTS, 0, ATTEMPT_FAILED }, { VARVE_STREAM_AT, 7, ATTEMPT_FAILED },
        { VARVE_STREAM_AT, -1, ATTEMPT_AGAIN },     { VARVE_STREAM_NONE, 7, ATTEMPT_FAILED },
        { VARVE_STREAM_NONE, -1, ATTEMPT_AGAIN },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const varve_command command = { .expected = cases[i].expected, .expected_version = 3 };
        assert_judged(&(struct attempt){ &command, VARVE_CONFLICT, cases[i].current_version, 2, 0 }, cases[i].verdict,
                      2);
    }
}

static void who_is_interrupted_waits_longer_each_time(void **state)
{
    (void)state;
    static const struct {
        uint32_t interrupted;
        enum attempt_verdict verdict;
        varve_time delay_s;
    } cases[] = {
        { 1, ATTEMPT_PERHAPS_AGAIN, 0 }, { 2, ATTEMPT_PERHAPS_AGAIN, 1 },   { 3, ATTEMPT_PERHAPS_AGAIN, 2 },
        { 4, ATTEMPT_PERHAPS_AGAIN, 4 }, { 9, ATTEMPT_PERHAPS_AGAIN, 128 }, { 10, ATTEMPT_FAILED, 256 },
    };
    const varve_command command = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_judged(&(struct attempt){ &command, VARVE_INDETERMINATE, 0, 50, cases[i].interrupted }, cases[i].verdict,
                      cases[i].delay_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_is_tried_again_and_not_for_ever),
        cmocka_unit_test(a_lost_race_is_run_again),
        cmocka_unit_test(who_is_interrupted_waits_longer_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
