/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/target.h"

#define assert_str(view, text) assert_true(varve_str_is((view), (text)))

static varve_status parse(struct target *target, const char *text, char memory[512])
{
    *target = (struct target){ 0 };
    return target_parse(target, varve_str_of(text), memory, NULL);
}

static void a_path_is_cut_and_decoded(void **state)
{
    char memory[512];
    struct target target;
    (void)state;
    assert_int_equal(parse(&target, "/streams/order-%C3%A9%2F1", memory), VARVE_OK);
    assert_int_equal(target.segment_count, 2);
    assert_str(target.segments[0], "streams");
    assert_str(target.segments[1], "order-\xc3\xa9/1");
    assert_int_equal(parse(&target, "/a+b", memory), VARVE_OK);
    assert_str(target.segments[0], "a+b");
    assert_int_equal(parse(&target, "/", memory), VARVE_OK);
    assert_int_equal(target.segment_count, 0);
}

static void a_path_that_no_route_has_is_not_found(void **state)
{
    static const char *const paths[] = {
        "", "streams", "*", "http://localhost/log", "//", "/a//b", "/a/", "/a/b/c/d/e"
    };
    char memory[512];
    struct target target;
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(parse(&target, paths[i], memory), VARVE_NOT_FOUND);
    }
}

static void encoding_is_strict(void **state)
{
    static const char *const texts[] = {
        "/%",        "/%4",        "/%4g",        "/a%00",      "/a%0A",        "/%FF",
        "/%C3",      "/%ED%A0%80", "/log?a=%",    "/log?a=%zz", "/log?=1",      "/log?&",
        "/log?a&&b", "/log?%FF=1", "/log?a=%00b", "/log?a%0A=", "/log?a=1&a=2", "/log?a&%61=1",
    };
    char memory[512];
    struct target target;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(parse(&target, texts[i], memory), VARVE_INVALID);
    }
}

static void parameters_are_decoded(void **state)
{
    char memory[512];
    struct target target;
    (void)state;
    assert_int_equal(parse(&target, "/log?after=12&text=a+b%2Bc%0A&empty=&bare", memory), VARVE_OK);
    assert_int_equal(target.param_count, 4);
    assert_str(target_param(&target, "after")->value, "12");
    assert_str(target_param(&target, "text")->value, "a b+c\n");
    assert_str(target_param(&target, "empty")->value, "");
    assert_str(target_param(&target, "bare")->value, "");
    assert_null(target_param(&target, "limit"));
}

static void too_many_parameters_are_refused(void **state)
{
    char text[512] = "/log?p0=", memory[512];
    struct target target;
    (void)state;
    for (int i = 1; i <= TARGET_PARAMS_MAX; i++) {
        size_t len = strlen(text);
        assert_int_equal(parse(&target, text, memory), VARVE_OK);
        snprintf(text + len, sizeof text - len, "&p%d=", i);
    }
    assert_int_equal(parse(&target, text, memory), VARVE_INVALID);
}

static void lists_are_cut_before_they_are_decoded(void **state)
{
    char memory[512];
    struct target target;
    struct arena arena = { 0 };
    const varve_str *items = NULL;
    size_t count = 9;
    (void)state;
    assert_int_equal(parse(&target, "/log?types=A%2CB,C+D&none=&gap=a,,b", memory), VARVE_OK);
    assert_int_equal(target_list(&target, "types", &arena, &items, &count, NULL), VARVE_OK);
    assert_int_equal(count, 2);
    assert_str(items[0], "A,B");
    assert_str(items[1], "C D");
    assert_int_equal(target_list(&target, "absent", &arena, &items, &count, NULL), VARVE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(target_list(&target, "none", &arena, &items, &count, NULL), VARVE_INVALID);
    assert_int_equal(target_list(&target, "gap", &arena, &items, &count, NULL), VARVE_INVALID);
    arena_fini(&arena);
}

static void numbers_are_digits_within_63_bits(void **state)
{
    static const char *const wrong[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1.0", "9223372036854775808", "99999999999999999999"
    };
    uint64_t value = 7;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(target_digits(varve_str_of(wrong[i]), &value));
        assert_int_equal(value, 7);
    }
    assert_true(target_digits(VARVE_STR("9223372036854775807"), &value));
    assert_int_equal(value, INT64_MAX);
    assert_true(target_digits(VARVE_STR("0"), &value));
    assert_int_equal(value, 0);
}

static void absent_parameters_keep_their_default(void **state)
{
    char memory[512];
    struct target target;
    uint64_t number = 5;
    varve_time time = 6;
    (void)state;
    assert_int_equal(parse(&target, "/log?n=x&t=yesterday&ok=2026-01-02T03:04:05%2B00:00", memory), VARVE_OK);
    assert_int_equal(target_number(&target, "absent", &number, NULL), VARVE_OK);
    assert_int_equal(number, 5);
    assert_int_equal(target_number(&target, "n", &number, NULL), VARVE_INVALID);
    assert_int_equal(target_time(&target, "absent", &time, NULL), VARVE_OK);
    assert_int_equal(time, 6);
    assert_int_equal(target_time(&target, "t", &time, NULL), VARVE_INVALID);
    assert_int_equal(target_time(&target, "ok", &time, NULL), VARVE_OK);
    assert_int_equal(time, 1767323045000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_cut_and_decoded),
        cmocka_unit_test(a_path_that_no_route_has_is_not_found),
        cmocka_unit_test(encoding_is_strict),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(too_many_parameters_are_refused),
        cmocka_unit_test(lists_are_cut_before_they_are_decoded),
        cmocka_unit_test(numbers_are_digits_within_63_bits),
        cmocka_unit_test(absent_parameters_keep_their_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
