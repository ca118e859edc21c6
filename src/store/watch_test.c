/* SPDX-License-Identifier: Apache-2.0 */
/* Which heads count: positions of another history say nothing about those of this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/watch.h"

static void move(struct watch *watch, uint64_t position, uint64_t history)
{
    watch_move(watch, (struct store_head){ .position = position, .history = history });
}

static void a_head_of_another_history_is_none(void **state)
{
    struct watch watch;
    (void)state;
    watch_init(&watch);
    watch_renew(&watch, "first", 1);
    move(&watch, 100, 1);
    move(&watch, 90, 1);
    assert_int_equal(watch_head(&watch).position, 100);
    watch_renew(&watch, "second", 2);
    assert_int_equal(watch_head(&watch).position, 0);
    move(&watch, 101, 1); /* a commit that was told too late */
    assert_int_equal(watch_head(&watch).position, 0);
    move(&watch, 40, 2);
    assert_int_equal(watch_head(&watch).position, 40);
    watch_fini(&watch);
}

static void an_older_history_does_not_come_back(void **state)
{
    struct watch watch;
    char incarnation[VARVE_UUID_TEXT_BYTES];
    (void)state;
    watch_init(&watch);
    watch_renew(&watch, "second", 2); /* the driver's thread was quicker than the opening */
    watch_renew(&watch, "first", 1);
    assert_int_equal(watch_history(&watch, incarnation), 2);
    assert_string_equal(incarnation, "second");
    watch_fini(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_of_another_history_is_none),
        cmocka_unit_test(an_older_history_does_not_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
