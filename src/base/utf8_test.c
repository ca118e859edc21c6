/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

static bool valid(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1); /* exactly as long as the text, for a sanitizer */
    bool result;

    assert_non_null(copy);
    memcpy(copy, text, len);
    result = utf8_valid((varve_str){ copy, len });
    free(copy);
    return result;
}

static void test_valid(void **state)
{
    static const char *const texts[] = { "",
                                         "a",
                                         "plain ASCII text that is longer than a word",
                                         "\x7f",
                                         "\xc2\x80",
                                         "\xdf\xbf",
                                         "\xe0\xa0\x80",
                                         "\xed\x9f\xbf",
                                         "\xee\x80\x80",
                                         "\xef\xbf\xbf",
                                         "\xf0\x90\x80\x80",
                                         "\xf4\x8f\xbf\xbf",
                                         "12345678\xe2\x82\xac 12345678 \xc3\xa9" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) assert_true(valid(texts[i], strlen(texts[i])));
    assert_true(utf8_valid((varve_str){ 0 }));
}

static void test_invalid(void **state)
{
    static const char *const texts[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2 ",
        "\xc2\xc2",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xe2\x82 ",
        "\xe2 \xac",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf0\x9f\x98 ",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "12345678\xff",
        "\xe2\x82\xac\x80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (valid(texts[i], strlen(texts[i]))) fail_msg("text %zu is accepted", i);
    }
}

/* Every scalar value is written as valid UTF-8 of the shortest form, and no other number is. */
static void test_every_code(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char bytes[4];
        size_t len = utf8_encode(code, bytes);
        bool surrogate = code >= 0xd800 && code < 0xe000;

        assert_int_equal(len, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
        assert_int_equal(utf8_sequence(bytes, bytes + len), surrogate ? 0 : len);
        if (len > 1) assert_int_equal(utf8_sequence(bytes, bytes + len - 1), 0);
    }
}

static void test_printable(void **state)
{
    static const char *const no[] = { "\n", "a\tb", "\x1b[0m", "\x7f", "\xc2\x80", "\xc2\x9f", "a\xff", "\xc2" };

    (void)state;
    assert_true(utf8_printable(VARVE_STR("")));
    assert_true(utf8_printable(VARVE_STR("order-1")));
    assert_true(utf8_printable(VARVE_STR("bestellung-\xc3\xa4 \xe4\xb8\xad\xf0\x9f\x98\x80 \xc2\xa0")));
    assert_false(utf8_printable(VARVE_STR("a\0b")));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) assert_false(utf8_printable(varve_str_of(no[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
