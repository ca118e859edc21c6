/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The differences as lines "path: expected | got". */
static void differ_by(bool is_part, const char *expected, const char *got, const char *wanted)
{
    struct arena arena = { 0 };
    struct spec_differences differences = { .arena = &arena };
    struct spec_json json = { varve_str_of(expected), is_part };
    varve_buf lines = { 0 };
    assert_int_equal(spec_compare(&differences, VARVE_STR("it"), &json, varve_str_of(got), NULL), VARVE_OK);
    varve_buf_str(&lines, VARVE_STR(""));
    for (size_t i = 0; i < differences.count; i++) {
        const struct spec_difference *one = &differences.list[i];
        varve_buf_printf(&lines, "%.*s: %.*s | %.*s\n", (int)one->path.len, one->path.ptr, (int)one->expected.len,
                         one->expected.ptr, (int)one->got.len, one->got.ptr);
    }
    assert_string_equal(lines.ptr == NULL ? "" : lines.ptr, wanted);
    varve_buf_fini(&lines);
    arena_fini(&arena);
}

static void values_that_mean_the_same_are_equal(void **unused)
{
    (void)unused;
    differ_by(false, "{\"a\":1,\"b\":[true,null]}", " { \"b\" : [ true , null ] , \"a\" : 1 } ", "");
    differ_by(false, "[\"\xc3\xa9/\",1.50,1e3,0.0]", "[\"\\u00e9\\/\",1.5,1000.0,-0.0]", "");
    differ_by(false, "[9223372036854775807,0]", "[9223372036854775807,-0]", "");
}

static void differences_say_where_they_are(void **unused)
{
    (void)unused;
    differ_by(false, "1", "2", "it: 1 | 2\n");
    differ_by(false, "[1,1,\"1\",9007199254740993]", "[1.0,true,1,9007199254740992]",
              "it[0]: 1 | 1.0\nit[1]: 1 | true\nit[2]: \"1\" | 1\nit[3]: 9007199254740993 | 9007199254740992\n");
    differ_by(false, "{\"a\":{\"b\":[{\"c\":1}]}}", "{\"a\":{\"b\":[{\"c\":2},3]}}",
              "it.a.b[0].c: 1 | 2\nit.a.b[1]:  | 3\n");
    differ_by(false, "{\"a\":1,\"c\":null}", "{\"b\":2}", "it.a: 1 | \nit.b:  | 2\nit.c: null | \n");
    differ_by(false, "{\"a.b\":1,\"\":1,\"x y\":1}", "{\"a.b\":2,\"\":2,\"x y\":2}",
              "it[\"\"]: 1 | 2\nit[\"a.b\"]: 1 | 2\nit[\"x y\"]: 1 | 2\n");
    differ_by(false, "{}", "[]", "it: {} | []\n");
    differ_by(false, "{\"a\":{}}", "{\"a\":null}", "it.a: {} | null\n");
}

static void a_part_leaves_members_out_at_any_depth(void **unused)
{
    (void)unused;
    differ_by(true, "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1,\"c\":2},\"d\":3}", "");
    differ_by(true, "{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":1,\"c\":2}],\"d\":3}", "");
    differ_by(true, "{\"a\":[1]}", "{\"a\":[1,2]}", "it.a[1]:  | 2\n");
    differ_by(true, "{\"a\":null}", "{\"d\":3}", "it.a: null | \n");
}

static void no_more_differences_are_kept_than_can_be_read(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    struct spec_differences differences = { .arena = &arena };
    varve_buf got = { 0 };
    varve_buf_str(&got, VARVE_STR("[0"));
    for (unsigned i = 1; i < 100; i++) varve_buf_str(&got, VARVE_STR(",0"));
    varve_buf_str(&got, VARVE_STR("]"));
    struct spec_json none = { VARVE_STR("[]"), false };
    assert_int_equal(spec_compare(&differences, VARVE_STR("it"), &none, varve_buf_view(&got), NULL), VARVE_OK);
    assert_int_equal(differences.count, SPEC_DIFFERENCES_MAX);
    assert_int_equal(differences.more, 100 - SPEC_DIFFERENCES_MAX);
    varve_buf_fini(&got);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_mean_the_same_are_equal),
        cmocka_unit_test(differences_say_where_they_are),
        cmocka_unit_test(a_part_leaves_members_out_at_any_depth),
        cmocka_unit_test(no_more_differences_are_kept_than_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
