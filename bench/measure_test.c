/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/measure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void percentiles_are_measured_values(void **state)
{
    (void)state;
    uint64_t ns[100];
    for (size_t i = 0; i < 100; i++) ns[i] = 100 - i;
    assert_int_equal(measure_percentile(ns, 100, 0.50), 50);
    assert_int_equal(measure_percentile(ns, 100, 0.99), 99);
    assert_int_equal(measure_percentile(ns, 100, 0), 1);
    assert_int_equal(measure_percentile(ns, 100, 1), 100);
    assert_int_equal(measure_percentile(ns, 1, 0.99), 1);
    assert_int_equal(measure_percentile(ns, 0, 0.99), 0);
}

static void large_times_are_ordered_too(void **state)
{
    (void)state;
    uint64_t ns[] = { UINT64_MAX, 1, (uint64_t)1 << 40 };
    assert_true(measure_percentile(ns, 3, 0.5) == (uint64_t)1 << 40);
}

static void the_median_is_in_the_middle(void **state)
{
    (void)state;
    double odd[] = { 0.9, 0.1, 0.5 }, even[] = { 4, 1, 3, 2 };
    assert_true(measure_median(odd, 3) == 0.5);
    assert_true(measure_median(even, 4) == 2.5);
    assert_true(measure_median(even, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_measured_values),
        cmocka_unit_test(large_times_are_ordered_too),
        cmocka_unit_test(the_median_is_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
