/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

static void test_depends_on_bytes_and_length_only(void **state)
{
    char text[64];

    (void)state;
    for (size_t len = 0; len < 40; len++) {
        memset(text, 'x', sizeof(text));
        for (size_t at = 1; at < 9; at++)
            assert_true(hash_str((varve_str){ text, len }) == hash_str((varve_str){ text + at, len }));
        for (size_t at = 0; at < len; at++) {
            uint64_t before = hash_str((varve_str){ text, len });

            text[at] ^= 1;
            assert_true(hash_str((varve_str){ text, len }) != before);
            text[at] ^= 1;
        }
        assert_true(hash_str((varve_str){ text, len }) != hash_str((varve_str){ text, len + 1 }));
    }
    assert_true(hash_str((varve_str){ 0 }) == hash_str(VARVE_STR("")));
    assert_true(hash_str(VARVE_STR("a")) != hash_str(VARVE_STR("a\0")));
}

/* Names as applications make them spread evenly over a few workers, by the low bits and by the high ones. */
static void test_spreads(void **state)
{
    enum { NAMES = 64000, WORKERS = 64 };
    unsigned low[WORKERS] = { 0 }, high[WORKERS] = { 0 };

    (void)state;
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        uint64_t hash;

        snprintf(name, sizeof(name), "order-%d", i);
        hash = hash_str(varve_str_of(name));
        low[hash % WORKERS]++;
        high[hash >> 58]++;
    }
    /* 1000 are expected; 250 off is 8 standard deviations. */
    for (int i = 0; i < WORKERS; i++) {
        assert_in_range(low[i], 750, 1250);
        assert_in_range(high[i], 750, 1250);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depends_on_bytes_and_length_only),
        cmocka_unit_test(test_spreads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
