/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include <varve/event.h>

static void test_grows(void **state)
{
    varve_buf buf = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++) {
        varve_buf_add(&buf, "0123456789", 10);
        assert_int_equal(buf.len, (size_t)(i + 1) * 10);
        assert_true(buf.capacity > buf.len);
        assert_int_equal(buf.ptr[buf.len], '\0');
    }
    assert_memory_equal(buf.ptr + 9990, "0123456789", 10);
    varve_buf_fini(&buf);
    assert_null(buf.ptr);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.capacity, 0);
}

static void test_is_terminated_after_appending_nothing(void **state)
{
    varve_buf buf = { 0 };

    (void)state;
    varve_buf_str(&buf, (varve_str){ 0 });
    assert_string_equal(buf.ptr, "");
    varve_buf_fini(&buf);
}

static void test_holds_any_byte(void **state)
{
    varve_buf buf = { 0 };

    (void)state;
    varve_buf_add(&buf, "a\0b", 3);
    varve_buf_add(&buf, "", 1);
    assert_int_equal(buf.len, 4);
    assert_memory_equal(buf.ptr, "a\0b\0", 5);
    varve_buf_fini(&buf);
}

/* At every length around the room that is left. */
static void test_printf(void **state)
{
    char expected[600], text[600];

    (void)state;
    for (int filled = 0; filled < 140; filled++) {
        for (int len = 0; len < 140; len++) {
            varve_buf buf = { 0 };

            memset(text, 'x', sizeof(text));
            varve_buf_add(&buf, text, (size_t)filled);
            varve_buf_printf(&buf, "%.*s=%d", len, text, len);
            snprintf(expected, sizeof(expected), "%.*s%.*s=%d", filled, text, len, text, len);
            assert_string_equal(buf.ptr, expected);
            assert_int_equal(buf.len, strlen(expected));
            varve_buf_fini(&buf);
        }
    }
}

static void test_a_failure_lasts_until_reset(void **state)
{
    varve_buf buf = { 0 };

    (void)state;
    varve_buf_printf(&buf, "kept");
    varve_buf_add(&buf, "", PTRDIFF_MAX); /* fails before a byte is read */
    assert_true(buf.failed);
    varve_buf_add(&buf, "x", 1);
    varve_buf_printf(&buf, "%s", "x");
    varve_buf_json_string(&buf, VARVE_STR("x"));
    assert_true(buf.failed);
    assert_string_equal(buf.ptr, "kept");
    assert_int_equal(buf.len, 4);
    varve_buf_reset(&buf);
    assert_false(buf.failed);
    assert_string_equal(buf.ptr, "");
    varve_buf_add(&buf, "y", 1);
    assert_string_equal(buf.ptr, "y");
    varve_buf_fini(&buf);
}

static void test_reset_keeps_the_memory(void **state)
{
    varve_buf buf = { 0 };
    const char *memory;

    (void)state;
    varve_buf_reset(&buf);
    assert_null(buf.ptr);
    varve_buf_printf(&buf, "%0200d", 7);
    memory = buf.ptr;
    varve_buf_reset(&buf);
    varve_buf_printf(&buf, "%0200d", 8);
    assert_ptr_equal(buf.ptr, memory);
    varve_buf_fini(&buf);
}

static void test_json_string(void **state)
{
    varve_buf buf = { 0 };

    (void)state;
    varve_buf_json_string(&buf, (varve_str){ 0 });
    varve_buf_json_string(&buf, VARVE_STR("plain \xc3\xa9 /"));
    varve_buf_json_string(&buf, VARVE_STR("\"a\\b\"\b\t\n\v\f\r\x01\x1f\x7f"));
    varve_buf_json_string(&buf, VARVE_STR("\0"));
    assert_string_equal(buf.ptr, "\"\"\"plain \xc3\xa9 /\""
                                 "\"\\\"a\\\\b\\\"\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\x7f\"\"\\u0000\"");
    varve_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_is_terminated_after_appending_nothing),
        cmocka_unit_test(test_holds_any_byte),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_a_failure_lasts_until_reset),
        cmocka_unit_test(test_reset_keeps_the_memory),
        cmocka_unit_test(test_json_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
