/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <stdio.h>

#include "base/arena.h"

/* Pieces of many sizes: aligned, apart from each other, all usable. */
static void test_pieces(void **state)
{
    enum { PIECES = 500 };
    struct arena arena = { 0 };
    unsigned char *pieces[PIECES];

    (void)state;
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(&arena, i * 7);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)(i & 0xff), i * 7);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t at = 0; at < i * 7; at++) assert_int_equal(pieces[i][at], i & 0xff);
    }
    arena_fini(&arena);
    assert_null(arena.blocks);
}

static void test_empty_pieces_differ(void **state)
{
    struct arena arena = { 0 };

    (void)state;
    assert_ptr_not_equal(arena_alloc(&arena, 0), arena_alloc(&arena, 0));
    arena_fini(&arena);
}

static void test_a_large_piece(void **state)
{
    struct arena arena = { 0 };
    char *large = arena_alloc(&arena, 3 << 20), *small = arena_alloc(&arena, 1);

    (void)state;
    assert_non_null(large);
    assert_non_null(small);
    memset(large, 'x', 3 << 20);
    *small = 'y';
    assert_int_equal(large[(3 << 20) - 1], 'x');
    arena_fini(&arena);
}

static void test_reset_keeps_the_largest_block(void **state)
{
    struct arena arena = { 0 };
    void *first, *large, *again;

    (void)state;
    first = arena_alloc(&arena, 100);
    large = arena_alloc(&arena, 2 << 20);
    assert_non_null(first);
    assert_non_null(arena_alloc(&arena, 5000));
    arena_reset(&arena);
    again = arena_alloc(&arena, 2 << 20);
    assert_ptr_equal(again, large);
    arena_reset(&arena);
    arena_fini(&arena);
    arena_reset(&arena);
    assert_null(arena.blocks);
}

static void test_array_is_zeroed(void **state)
{
    struct arena arena = { 0 };
    uint64_t *array;

    (void)state;
    memset(arena_alloc(&arena, 4000), 0xff, 4000);
    arena_reset(&arena);
    array = arena_array(&arena, 400, sizeof(*array));
    assert_non_null(array);
    for (size_t i = 0; i < 400; i++) assert_true(array[i] == 0);
    arena_fini(&arena);
}

static void test_refuses_what_cannot_be(void **state)
{
    struct arena arena = { 0 };

    (void)state;
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_array(&arena, SIZE_MAX / 2, 3));
    assert_null(arena_array(&arena, SIZE_MAX, SIZE_MAX));
    assert_non_null(arena_alloc(&arena, 1));
    arena_fini(&arena);
}

static void test_copy(void **state)
{
    struct arena arena = { 0 };
    char text[] = "order-1";
    varve_str copy, empty;

    (void)state;
    assert_true(arena_copy(&arena, varve_str_of(text), &copy));
    assert_true(arena_copy(&arena, (varve_str){ 0 }, &empty));
    text[0] = 'x';
    assert_string_equal(copy.ptr, "order-1");
    assert_int_equal(copy.len, 7);
    assert_string_equal(empty.ptr, "");
    assert_int_equal(empty.len, 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_empty_pieces_differ),
        cmocka_unit_test(test_a_large_piece),
        cmocka_unit_test(test_reset_keeps_the_largest_block),
        cmocka_unit_test(test_array_is_zeroed),
        cmocka_unit_test(test_refuses_what_cannot_be),
        cmocka_unit_test(test_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
