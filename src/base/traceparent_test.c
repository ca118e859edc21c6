/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/traceparent.h"

static void only_the_form_of_version_00_is_valid(void **state)
{
    (void)state;
    assert_true(traceparent_is_valid(VARVE_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")));
    assert_true(traceparent_is_valid(VARVE_STR("00-00000000000000000000000000000001-0000000000000001-00")));
    static const char *const bad[] = {
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c8031\0c-b7ad6b7169203331-01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(traceparent_is_valid(varve_str_of(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(only_the_form_of_version_00_is_valid) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
