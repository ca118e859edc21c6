/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <cmocka.h>

#include "command/patch.h"

/* The patch from one text to another; the caller's to free. */
static varve_buf patch_of(const char *before, const char *after)
{
    struct arena arena = { 0 };
    struct tree_node from, to;
    varve_buf patch = { 0 };
    varve_error error = { 0 };
    assert_int_equal(tree_read(varve_str_of(before), &arena, &from, &error), VARVE_OK);
    assert_int_equal(tree_read(varve_str_of(after), &arena, &to, &error), VARVE_OK);
    assert_int_equal(patch_write(&from, &to, &patch, &error), VARVE_OK);
    arena_fini(&arena);
    return patch;
}

/* ---- a small applier, by the book ---- */

/* Takes the last name off the pointer and finds the container it is in; NULL when there is none. */
static json_t *container_of(json_t *root, const char *pointer, char *last, size_t size)
{
    json_t *at = root;
    assert_int_equal(*pointer, '/');
    for (;;) {
        size_t len = 0;
        for (pointer++; *pointer != '\0' && *pointer != '/'; pointer++) {
            assert_true(len + 1 < size);
            if (*pointer == '~') pointer++;
            last[len++] = pointer[-1] != '~' ? *pointer : *pointer == '0' ? '~' : '/';
        }
        last[len] = '\0';
        if (*pointer == '\0') return at;
        at = json_is_array(at) ? json_array_get(at, strtoul(last, NULL, 10)) : json_object_get(at, last);
        assert_non_null(at);
    }
}

/* Applies one operation; *root may become another value. */
static void apply_op(json_t **root, json_t *op)
{
    const char *kind = json_string_value(json_object_get(op, "op"));
    const char *path = json_string_value(json_object_get(op, "path"));
    json_t *value = json_deep_copy(json_object_get(op, "value"));
    char last[256];
    assert_true((value == NULL) == (strcmp(kind, "remove") == 0));
    if (*path == '\0') {
        assert_string_equal(kind, "replace");
        json_decref(*root);
        *root = value;
        return;
    }
    json_t *in = container_of(*root, path, last, sizeof last);
    int failed = 0;
    if (json_is_array(in)) {
        size_t index = strtoul(last, NULL, 10);
        assert_true(index < json_array_size(in) + (strcmp(kind, "add") == 0));
        if (strcmp(kind, "add") == 0) failed = json_array_insert_new(in, index, value);
        if (strcmp(kind, "remove") == 0) failed = json_array_remove(in, index);
        if (strcmp(kind, "replace") == 0) failed = json_array_set_new(in, index, value);
    } else {
        assert_true(json_is_object(in));
        assert_int_equal(json_object_get(in, last) != NULL, strcmp(kind, "add") != 0);
        failed = value == NULL ? json_object_del(in, last) : json_object_set_new(in, last, value);
    }
    assert_int_equal(failed, 0);
}

static void assert_patch_leads(const char *before, const char *after, varve_str patch)
{
    json_t *value = json_loads(before, JSON_DECODE_ANY, NULL), *wanted = json_loads(after, JSON_DECODE_ANY, NULL);
    json_t *ops = json_loadb(patch.ptr, patch.len, 0, NULL);
    assert_non_null(value);
    assert_non_null(wanted);
    assert_true(json_is_array(ops));
    for (size_t i = 0; i < json_array_size(ops); i++) apply_op(&value, json_array_get(ops, i));
    if (!json_equal(value, wanted))
        fail_msg("from %s to %s does not lead %.*s", before, after, (int)patch.len, patch.ptr);
    json_decref(value);
    json_decref(wanted);
    json_decref(ops);
}

/* ---- what a patch looks like ---- */

static void assert_patch(const char *before, const char *after, const char *expected)
{
    varve_buf patch = patch_of(before, after);
    assert_string_equal(patch.ptr, expected);
    assert_patch_leads(before, after, varve_buf_view(&patch));
    varve_buf_fini(&patch);
}

static void test_equal_values_need_no_patch(void **state)
{
    (void)state;
    assert_patch("{}", "{}", "[]");
    assert_patch("[1,{\"a\":[null,true]}]", "[1,{\"a\":[null,true]}]", "[]");
    assert_patch("{\"a\":1,\"b\":[2]}", " { \"b\" : [ 2 ] , \"a\" : 1 } ", "[]");
    assert_patch("{\"a\":1,\"a\":2}", "{\"a\":2}", "[]");
    assert_patch("{\"\\u0061\":1}", "{\"a\":1}", "[]");
}

static void test_members_come_change_and_go(void **state)
{
    (void)state;
    assert_patch("{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":5,\"c\":3,\"d\":{\"e\":[]}}",
                 "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"replace\",\"path\":\"/b\",\"value\":5},"
                 "{\"op\":\"add\",\"path\":\"/d\",\"value\":{\"e\":[]}}]");
    assert_patch("{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":null}}}",
                 "[{\"op\":\"replace\",\"path\":\"/a/b/c\",\"value\":null}]");
    assert_patch("{\"a\":{\"b\":1}}", "{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[1]}]");
    assert_patch("{}", "7", "[{\"op\":\"replace\",\"path\":\"\",\"value\":7}]");
}

static void test_names_are_escaped(void **state)
{
    (void)state;
    assert_patch("{\"a/b\":1,\"~\":1,\"~1\":1,\"\":1,\"\\\"\":1}", "{\"a/b\":2,\"~\":2,\"~1\":2,\"\":2,\"\\\"\":2}",
                 "[{\"op\":\"replace\",\"path\":\"/\",\"value\":2},"
                 "{\"op\":\"replace\",\"path\":\"/\\\"\",\"value\":2},"
                 "{\"op\":\"replace\",\"path\":\"/a~1b\",\"value\":2},"
                 "{\"op\":\"replace\",\"path\":\"/~0\",\"value\":2},"
                 "{\"op\":\"replace\",\"path\":\"/~01\",\"value\":2}]");
}

static void test_elements_in_the_middle(void **state)
{
    (void)state;
    assert_patch("[1,2,3,4]", "[1,2,9,3,4]", "[{\"op\":\"add\",\"path\":\"/2\",\"value\":9}]");
    assert_patch("[1,2,3,4]", "[1,4]", "[{\"op\":\"remove\",\"path\":\"/2\"},{\"op\":\"remove\",\"path\":\"/1\"}]");
    assert_patch("[1,1,1]", "[1,1]", "[{\"op\":\"remove\",\"path\":\"/2\"}]");
    assert_patch("[1,2,3]", "[1,2,3,4,5]",
                 "[{\"op\":\"add\",\"path\":\"/3\",\"value\":4},{\"op\":\"add\",\"path\":\"/4\",\"value\":5}]");
    assert_patch("[{\"a\":1},{\"a\":2}]", "[{\"a\":1},{\"a\":3}]",
                 "[{\"op\":\"replace\",\"path\":\"/1/a\",\"value\":3}]");
    assert_patch("[]", "[1]", "[{\"op\":\"add\",\"path\":\"/0\",\"value\":1}]");
    assert_patch("[1]", "[]", "[{\"op\":\"remove\",\"path\":\"/0\"}]");
}

static void test_an_array_of_which_nothing_stays_is_replaced(void **state)
{
    (void)state;
    assert_patch("{\"a\":[1,2,3]}", "{\"a\":[7,8]}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[7,8]}]");
    assert_patch("{\"a\":[]}", "{\"a\":[7,8]}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[7,8]}]");
    assert_patch("{\"a\":[7,8]}", "{\"a\":[]}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[]}]");
}

static void test_numbers_keep_their_digits(void **state)
{
    (void)state;
    assert_patch("{\"a\":0}", "{\"a\":0.10}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":0.10}]");
    assert_patch("[0.1]", "[0.1,9223372036854775807]",
                 "[{\"op\":\"add\",\"path\":\"/1\",\"value\":9223372036854775807}]");
    assert_patch("[1]", "[1.000000000000000000001]",
                 "[{\"op\":\"replace\",\"path\":\"/0\",\"value\":1.000000000000000000001}]");
    varve_buf patch = patch_of("[1]", "[1.0]"); /* written otherwise counts as changed */
    assert_string_equal(patch.ptr, "[{\"op\":\"replace\",\"path\":\"/0\",\"value\":1.0}]");
    varve_buf_fini(&patch);
}

static void test_a_patch_is_appended(void **state)
{
    (void)state;
    struct arena arena = { 0 };
    struct tree_node from, to;
    varve_buf out = { 0 };
    varve_buf_str(&out, VARVE_STR("x"));
    assert_int_equal(tree_read(VARVE_STR("[1]"), &arena, &from, NULL), VARVE_OK);
    assert_int_equal(tree_read(VARVE_STR("2"), &arena, &to, NULL), VARVE_OK);
    assert_int_equal(patch_write(&from, &to, &out, NULL), VARVE_OK);
    assert_string_equal(out.ptr, "x[{\"op\":\"replace\",\"path\":\"\",\"value\":2}]");
    varve_buf_fini(&out);
    arena_fini(&arena);
}

/* A name of 64 KiB over a thousand changed elements would repeat it a thousand times. */
static void test_a_patch_that_would_be_huge_replaces_everything(void **state)
{
    (void)state;
    varve_buf before = { 0 }, after = { 0 };
    for (int which = 0; which < 2; which++) {
        varve_buf *out = which == 0 ? &before : &after;
        varve_buf_str(out, VARVE_STR("{\""));
        for (int i = 0; i < 1 << 16; i++) varve_buf_str(out, VARVE_STR("n"));
        varve_buf_str(out, VARVE_STR("\":[true"));
        for (int i = 0; i < 1000; i++) varve_buf_printf(out, ",%d", i * 2 + which);
        varve_buf_str(out, VARVE_STR("]}"));
    }
    varve_buf patch = patch_of(before.ptr, after.ptr), expected = { 0 };
    varve_buf_printf(&expected, "[{\"op\":\"replace\",\"path\":\"\",\"value\":%s}]", after.ptr);
    assert_string_equal(patch.ptr, expected.ptr);
    varve_buf_fini(&before);
    varve_buf_fini(&after);
    varve_buf_fini(&patch);
    varve_buf_fini(&expected);
}

static void test_values_as_deep_as_they_may_be(void **state)
{
    (void)state;
    varve_buf before = { 0 }, after = { 0 };
    for (unsigned i = 0; i < VARVE_JSON_DEPTH_MAX; i++) varve_buf_str(&before, VARVE_STR("["));
    varve_buf_str(&after, varve_buf_view(&before));
    varve_buf_str(&before, VARVE_STR("1"));
    varve_buf_str(&after, VARVE_STR("2"));
    for (unsigned i = 0; i < VARVE_JSON_DEPTH_MAX; i++) {
        varve_buf_str(&before, VARVE_STR("]"));
        varve_buf_str(&after, VARVE_STR("]"));
    }
    varve_buf patch = patch_of(before.ptr, after.ptr);
    assert_patch_leads(before.ptr, after.ptr, varve_buf_view(&patch));
    assert_int_equal(patch.len, strlen("[{\"op\":\"replace\",\"path\":\"\",\"value\":2}]") + 2 * VARVE_JSON_DEPTH_MAX);
    varve_buf_fini(&before);
    varve_buf_fini(&after);
    varve_buf_fini(&patch);
}

/* ---- any two values ---- */

/* Park and Miller's generator: the same values in every run. */
static unsigned next_random(uint32_t *random, unsigned below)
{
    *random = (uint32_t)((uint64_t)*random * 48271 % 2147483647);
    return *random % below;
}

static const char *const names[] = { "a", "b", "c/d", "~e", "", "\\u00e9\\n" };
static const char *const scalars[] = { "0", "1", "-7", "2.5", "1e3", "\"x\"", "\"\\\"/~\"", "true", "null" };

/* Few names and values, so that two values made apart have much in common. */
static void add_value(uint32_t *random, unsigned depth, varve_buf *out)
{
    unsigned kind = depth == 0 ? 0 : next_random(random, 3), count = next_random(random, 5);
    if (kind == 0) {
        varve_buf_str(out, varve_str_of(scalars[next_random(random, 9)]));
        return;
    }
    varve_buf_str(out, kind == 1 ? VARVE_STR("[") : VARVE_STR("{"));
    for (unsigned i = 0; i < count; i++) {
        if (i > 0) varve_buf_str(out, VARVE_STR(","));
        if (kind == 2) varve_buf_printf(out, "\"%s\":", names[(i + count) % 6]);
        add_value(random, depth - 1, out);
    }
    varve_buf_str(out, kind == 1 ? VARVE_STR("]") : VARVE_STR("}"));
}

static void test_a_patch_leads_from_any_value_to_any_other(void **state)
{
    (void)state;
    uint32_t random = 20260101;
    for (int round = 0; round < 5000; round++) {
        varve_buf before = { 0 }, after = { 0 };
        add_value(&random, 4, &before);
        add_value(&random, 4, &after);
        varve_buf patch = patch_of(before.ptr, after.ptr);
        assert_patch_leads(before.ptr, after.ptr, varve_buf_view(&patch));
        varve_buf_fini(&before);
        varve_buf_fini(&after);
        varve_buf_fini(&patch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_values_need_no_patch),
        cmocka_unit_test(test_members_come_change_and_go),
        cmocka_unit_test(test_names_are_escaped),
        cmocka_unit_test(test_elements_in_the_middle),
        cmocka_unit_test(test_an_array_of_which_nothing_stays_is_replaced),
        cmocka_unit_test(test_numbers_keep_their_digits),
        cmocka_unit_test(test_a_patch_is_appended),
        cmocka_unit_test(test_a_patch_that_would_be_huge_replaces_everything),
        cmocka_unit_test(test_values_as_deep_as_they_may_be),
        cmocka_unit_test(test_a_patch_leads_from_any_value_to_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
