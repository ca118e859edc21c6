/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/stored_hash.h"

/* Golden values: a change of any of them would move streams to other members of subscriptions that are in use. */
static void test_golden(void **state)
{
    (void)state;
    assert_true(stored_hash((varve_str){ 0 }) == 0x2d06800538d394c2u);
    assert_true(stored_hash(VARVE_STR("order-1")) == 0x5fc46503368e2876u);
    assert_true(stored_hash(VARVE_STR("order-2")) == 0x1180871cd943115cu);
    assert_true(stored_hash(VARVE_STR("inventory-main")) == 0x0b2b1d00ea198f4au);
    assert_true(stored_hash(VARVE_STR("konto-\xc3\xa4\xc3\xb6\xc3\xbc")) == 0xb1bc3a345ad07fa1u);
    assert_true(stored_hash(VARVE_STR("a stream whose name is longer than the two hundred and forty bytes up to which "
                                      "XXH3 takes another way through the text than it does beyond them, so that this "
                                      "way too is held to what it was when the first subscription was stored with "
                                      "it, number one")) == 0xa4ae6135dee139f4u);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
