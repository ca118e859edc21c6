/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"

static uint64_t ns_of(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void test_a_deadline_lies_ahead_by_the_wait(void **state)
{
    static const uint32_t waits[] = { 0, 1, 999, 1000, 86400000, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        uint64_t wait = (uint64_t)waits[i] * 1000000u;
        uint64_t before = clock_ns();
        struct timespec deadline = clock_deadline(waits[i]);
        uint64_t after = clock_ns();

        assert_true(before <= after);
        assert_in_range(deadline.tv_nsec, 0, 999999999);
        assert_true(ns_of(deadline) >= before + wait && ns_of(deadline) <= after + wait);
    }
}

/* The deadline is of the clock that it is documented for. */
static void test_a_wait_ends_at_the_deadline(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t nothing = PTHREAD_COND_INITIALIZER;
    struct timespec deadline = clock_deadline(5);

    (void)state;
    pthread_mutex_lock(&mutex);
    while (pthread_cond_clockwait(&nothing, &mutex, CLOCK_MONOTONIC, &deadline) != ETIMEDOUT) continue;
    pthread_mutex_unlock(&mutex);
    assert_true(clock_ns() >= ns_of(deadline));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_deadline_lies_ahead_by_the_wait),
        cmocka_unit_test(test_a_wait_ends_at_the_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
