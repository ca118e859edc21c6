/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"

enum { THREADS = 4, IDS = 20000 };

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(varve_uuid));
}

static bool increase(const varve_uuid *ids, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (by_bytes(&ids[i - 1], &ids[i]) >= 0) return false;
    }
    return true;
}

static void *make_ids(void *ctx)
{
    varve_uuid *ids = ctx;

    for (size_t i = 0; i < IDS; i++) ids[i] = varve_uuid_new();
    return NULL;
}

static void test_ids_of_several_threads_increase_and_differ(void **state)
{
    varve_uuid *ids = calloc((size_t)THREADS * IDS, sizeof(*ids));
    pthread_t threads[THREADS];

    (void)state;
    assert_non_null(ids);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, ids + i * IDS), 0);
    for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < THREADS; i++) assert_true(increase(ids + i * IDS, IDS));
    qsort(ids, (size_t)THREADS * IDS, sizeof(*ids), by_bytes);
    assert_true(increase(ids, (size_t)THREADS * IDS));
    free(ids);
}

static uint64_t milliseconds_of(varve_uuid id)
{
    uint64_t ms = 0;

    for (int i = 0; i < 6; i++) ms = ms << 8 | id.bytes[i];
    return ms;
}

static void test_a_new_id_is_a_uuid_of_version_7(void **state)
{
    varve_time before = varve_time_now();
    varve_uuid id = varve_uuid_new();
    varve_time after = varve_time_now();

    (void)state;
    assert_int_equal(id.bytes[6] >> 4, 7);
    assert_int_equal(id.bytes[8] >> 6, 2);
    assert_true(milliseconds_of(id) >= (uint64_t)before / 1000);
    /* Ids made faster than the counter counts borrow from the next milliseconds: 80,000 at most so far. */
    assert_true(milliseconds_of(id) <= (uint64_t)after / 1000 + (uint64_t)THREADS * IDS / 4096 + 1);
}

/* The bits behind the variant are random: each is set in about half of the ids. */
static void test_the_tail_is_random(void **state)
{
    unsigned set[64] = { 0 };

    (void)state;
    for (int i = 0; i < 4096; i++) {
        varve_uuid id = varve_uuid_new();

        for (size_t bit = 2; bit < 64; bit++) set[bit] += id.bytes[8 + bit / 8] >> (7 - bit % 8) & 1;
    }
    /* 2048 are expected; 512 off is 16 standard deviations. */
    for (size_t bit = 2; bit < 64; bit++) assert_in_range(set[bit], 2048 - 512, 2048 + 512);
}

/* Parent and child use the same times and counters, so only the key of the child keeps their ids apart. */
static void test_a_forked_child_makes_other_ids(void **state)
{
    varve_uuid *ids = calloc(2 * (size_t)IDS, sizeof(*ids));
    varve_uuid first = varve_uuid_new();
    int ends[2], status = 0;
    size_t got = 0;
    pid_t child;

    (void)state;
    assert_non_null(ids);
    assert_false(varve_uuid_is_nil(first));
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    make_ids(ids);
    if (child == 0) {
        ssize_t put, left = IDS * (ssize_t)sizeof(*ids);

        for (char *at = (char *)ids; left > 0 && (put = write(ends[1], at, (size_t)left)) > 0; at += put) left -= put;
        _exit(left > 0 ? 1 : 0);
    }
    close(ends[1]);
    while (got < IDS * sizeof(*ids)) {
        ssize_t count = read(ends[0], (char *)(ids + IDS) + got, IDS * sizeof(*ids) - got);

        assert_true(count > 0);
        got += (size_t)count;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    qsort(ids, 2 * (size_t)IDS, sizeof(*ids), by_bytes);
    assert_true(increase(ids, 2 * (size_t)IDS));
    free(ids);
}

static const char *derived(const char *parent, uint32_t ordinal, char text[VARVE_UUID_TEXT_BYTES])
{
    varve_uuid id;

    assert_int_equal(varve_uuid_parse(&id, varve_str_of(parent), NULL), VARVE_OK);
    varve_uuid_format(id_derive(id, ordinal), text);
    return text;
}

/* Derived ids are stored: what follows from a parent may never change. Computed with another implementation. */
static void test_derived_ids(void **state)
{
    static const char parent[] = "019a1b2c-3d4e-7f60-8a7b-9c8d0e1f2a3b";
    char text[VARVE_UUID_TEXT_BYTES];

    (void)state;
    assert_string_equal(derived(parent, 0, text), "019a1b2c-3d4e-72a7-abc5-f5318f38b232");
    assert_string_equal(derived(parent, 1, text), "019a1b2c-3d4e-7d51-9f1a-2278eab7b298");
    assert_string_equal(derived(parent, 2, text), "019a1b2c-3d4e-7616-9b24-c461ceab3eb1");
    assert_string_equal(derived(parent, UINT32_MAX, text), "019a1b2c-3d4e-72c9-b863-4ad5c15e1945");
}

static void test_text(void **state)
{
    static const char *const wrong[] = { "",
                                         "x",
                                         "019a1b2c-3d4e-7f60-8a7b-9c8d0e1f2a3",
                                         "019a1b2c3d4e7f608a7b9c8d0e1f2a3b",
                                         "019a1b2c-3d4e-7f60-8a7b-9c8d0e1f2a3b0",
                                         "019a1b2c-3d4e-7f60-8a7b-9c8d0e1f2a3g",
                                         "019a1b2c_3d4e-7f60-8a7b-9c8d0e1f2a3b",
                                         "{19a1b2c-3d4e-7f60-8a7b-9c8d0e1f2a3}",
                                         "00000000-0000-0000-0000-000000000000" };
    char text[VARVE_UUID_TEXT_BYTES];
    varve_uuid id, again;

    (void)state;
    assert_int_equal(varve_uuid_parse(&id, VARVE_STR("019A1b2C-3d4E-7f60-8A7b-9c8d0E1f2a3B"), NULL), VARVE_OK);
    varve_uuid_format(id, text);
    assert_string_equal(text, "019a1b2c-3d4e-7f60-8a7b-9c8d0e1f2a3b");
    id = varve_uuid_new();
    varve_uuid_format(id, text);
    assert_int_equal(varve_uuid_parse(&again, varve_str_of(text), NULL), VARVE_OK);
    assert_memory_equal(&id, &again, sizeof(id));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(varve_uuid_parse(&id, varve_str_of(wrong[i]), NULL), VARVE_INVALID);
        assert_true(varve_uuid_is_nil(id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_of_several_threads_increase_and_differ),
        cmocka_unit_test(test_a_new_id_is_a_uuid_of_version_7),
        cmocka_unit_test(test_the_tail_is_random),
        cmocka_unit_test(test_a_forked_child_makes_other_ids),
        cmocka_unit_test(test_derived_ids),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
