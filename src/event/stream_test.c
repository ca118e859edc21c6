/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <varve/event.h>

static void assert_parts(const char *stream, const char *category, const char *aggregate_id)
{
    assert_true(varve_str_is(varve_stream_category(varve_str_of(stream)), category));
    assert_true(varve_str_is(varve_stream_aggregate_id(varve_str_of(stream)), aggregate_id));
}

static void test_parts(void **state)
{
    (void)state;
    assert_parts("order-1", "order", "1");
    assert_parts("order-item-1", "order", "item-1");
    assert_parts("order", "order", "");
    assert_parts("order-", "order", "");
    assert_parts("-1", "", "1");
    assert_parts("-", "", "");
    assert_parts("", "", "");
    assert_int_equal(varve_stream_category((varve_str){ 0 }).len, 0);
    assert_int_equal(varve_stream_aggregate_id((varve_str){ 0 }).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_parts) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
