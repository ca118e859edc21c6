/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

static const char order[] = "{\"id\":\"o-1\",\"total\":1250,\"rate\":1.5,\"paid\":true,\"open\":false,\"note\":null,"
                            "\"customer\":{\"address\":{\"city\":\"K\\u00f6ln\"}},\"big\":9223372036854775807,"
                            "\"items\":[{\"sku\":\"a\",\"qty\":1},{\"sku\":\"b\",\"qty\":2,\"sizes\":[[1,2],[3]]}],"
                            "\"twice\":1,\"twice\":2,\"es\\u0063aped\":3,\"nested\":{\"x\":1},\"nested\":{\"y\":2}}";

static void assert_found(const char *path, enum json_token token, const char *expected)
{
    varve_str value;

    assert_int_equal(json_find(varve_str_of(order), varve_str_of(path), &value), token);
    assert_true(varve_str_is(value, expected));
}

static void test_find(void **state)
{
    (void)state;
    assert_found("", JSON_OBJECT, order);
    assert_found("id", JSON_STRING, "\"o-1\"");
    assert_found("total", JSON_INTEGER, "1250");
    assert_found("customer.address", JSON_OBJECT, "{\"city\":\"K\\u00f6ln\"}");
    assert_found("customer.address.city", JSON_STRING, "\"K\\u00f6ln\"");
    assert_found("items[0].sku", JSON_STRING, "\"a\"");
    assert_found("items[1].sizes[0][1]", JSON_INTEGER, "2");
    assert_found("items[1].sizes[1]", JSON_ARRAY, "[3]");
    assert_found("escaped", JSON_INTEGER, "3");
    assert_found("note", JSON_NULL, "null");
    assert_found("paid", JSON_TRUE, "true");
}

static void test_the_last_of_two_members_counts(void **state)
{
    (void)state;
    assert_found("twice", JSON_INTEGER, "2");
    assert_found("nested.y", JSON_INTEGER, "2");
    assert_found("nested.x", JSON_END, "");
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    assert_found("nothing", JSON_END, "");
    assert_found("id.x", JSON_END, "");
    assert_found("id[0]", JSON_END, "");
    assert_found("items[2]", JSON_END, "");
    assert_found("items.sku", JSON_END, "");
    assert_found("customer[0]", JSON_END, "");
    assert_found("customer.address.city.x.y", JSON_END, "");
    assert_found("to", JSON_END, "");
}

static void test_a_broken_text_is_noticed_wherever_it_breaks(void **state)
{
    static const char *const texts[] = {
        "", "{", "{\"a\":1", "{\"a\":1}x", "{\"a\":1,\"b\":[}", "[1,]", "12x", "{\"z\":\"\\u0000\",\"a\":1}"
    };
    varve_str value;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(json_find(varve_str_of(texts[i]), VARVE_STR("a"), &value), JSON_ERROR);
        assert_int_equal(json_find(varve_str_of(texts[i]), VARVE_STR("b.c"), &value), JSON_ERROR);
        assert_int_equal(json_find(varve_str_of(texts[i]), VARVE_STR(""), &value), JSON_ERROR);
    }
}

static void test_int(void **state)
{
    varve_str json = varve_str_of(order);
    int64_t value = 0;

    (void)state;
    assert_int_equal(varve_json_int(json, "total", &value, NULL), VARVE_OK);
    assert_int_equal(value, 1250);
    assert_int_equal(varve_json_int(json, "big", &value, NULL), VARVE_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(varve_json_int(json, "rate", &value, NULL), VARVE_INVALID);
    assert_int_equal(varve_json_int(json, "id", &value, NULL), VARVE_INVALID);
    assert_int_equal(varve_json_int(json, "note", &value, NULL), VARVE_NOT_FOUND);
    assert_int_equal(varve_json_int(json, "nothing", &value, NULL), VARVE_NOT_FOUND);
    assert_int_equal(varve_json_int(VARVE_STR("{\"total\":1"), "total", &value, NULL), VARVE_INVALID);
    assert_true(value == INT64_MAX);
}

static void test_double(void **state)
{
    varve_str json = varve_str_of(order);
    double value = 0;

    (void)state;
    assert_int_equal(varve_json_double(json, "rate", &value, NULL), VARVE_OK);
    assert_true(value == 1.5);
    assert_int_equal(varve_json_double(json, "items[1].qty", &value, NULL), VARVE_OK);
    assert_true(value == 2);
    assert_int_equal(varve_json_double(json, "paid", &value, NULL), VARVE_INVALID);
    assert_int_equal(varve_json_double(json, "note", &value, NULL), VARVE_NOT_FOUND);
}

static void test_bool(void **state)
{
    varve_str json = varve_str_of(order);
    bool value = false;

    (void)state;
    assert_int_equal(varve_json_bool(json, "paid", &value, NULL), VARVE_OK);
    assert_true(value);
    assert_int_equal(varve_json_bool(json, "open", &value, NULL), VARVE_OK);
    assert_false(value);
    assert_int_equal(varve_json_bool(json, "total", &value, NULL), VARVE_INVALID);
    assert_int_equal(varve_json_bool(json, "note", &value, NULL), VARVE_NOT_FOUND);
}

static void test_string(void **state)
{
    varve_str json = varve_str_of(order);
    varve_error error = { 0 };
    varve_buf value = { 0 };

    (void)state;
    varve_buf_printf(&value, "city: ");
    assert_int_equal(varve_json_string(json, "customer.address.city", &value, &error), VARVE_OK);
    assert_string_equal(value.ptr, "city: K\xc3\xb6ln");
    assert_int_equal(varve_json_string(json, "total", &value, &error), VARVE_INVALID);
    assert_string_equal(error.message, "\"total\" is not a string");
    assert_int_equal(varve_json_string(json, "note", &value, &error), VARVE_NOT_FOUND);
    assert_string_equal(value.ptr, "city: K\xc3\xb6ln");
    varve_buf_add(&value, "", PTRDIFF_MAX);
    assert_int_equal(varve_json_string(json, "id", &value, &error), VARVE_NOMEM);
    varve_buf_fini(&value);
}

static void test_raw(void **state)
{
    varve_str json = varve_str_of(order), value;

    (void)state;
    assert_int_equal(varve_json_raw(json, "note", &value, NULL), VARVE_OK);
    assert_true(varve_str_is(value, "null"));
    assert_int_equal(varve_json_raw(json, "", &value, NULL), VARVE_OK);
    assert_true(varve_str_is(value, order));
    assert_int_equal(varve_json_raw(VARVE_STR("[5,6]"), "[1]", &value, NULL), VARVE_OK);
    assert_true(varve_str_is(value, "6"));
    assert_int_equal(varve_json_raw(json, "nothing", &value, NULL), VARVE_NOT_FOUND);
    assert_int_equal(value.len, 0);
}

static void test_a_malformed_path_is_refused(void **state)
{
    static const char *const paths[] = { ".",   "a.",    ".a", "a..b",  "a[",    "a[]",  "a[x]",
                                         "a[1", "a[-1]", "a]", "a[1]b", "a.[0]", "[0]a", "a[99999999999999999999999]" };
    varve_str value;

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(varve_json_raw(varve_str_of(order), paths[i], &value, NULL), VARVE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_the_last_of_two_members_counts),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_a_broken_text_is_noticed_wherever_it_breaks),
        cmocka_unit_test(test_int),
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_string),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_a_malformed_path_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
