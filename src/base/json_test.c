/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "tests/support/scratch.h"

/* A copy without a terminator or slack behind it, so that a sanitizer sees a byte read too many. */
static varve_str exact_copy(const char *text, size_t len)
{
    char *bytes = malloc(len > 0 ? len : 1);

    assert_non_null(bytes);
    memcpy(bytes, text, len);
    return (varve_str){ bytes, len };
}

static varve_status check(const char *text, size_t len, varve_error *error)
{
    varve_str copy = exact_copy(text, len);
    varve_status status = json_check(copy, "data", error);

    free((void *)copy.ptr);
    return status;
}

static void test_accepts(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "7",
        "-7",
        "\"\"",
        "true",
        "false",
        "null",
        " \t\r\n1\t ",
        "{\"a\":1}",
        "{\"a\":{\"b\":[{},[],[[]]]}}",
        "[1,2,3]",
        "[ 1 , 2 ]",
        "{ \"a\" : 1 , \"b\" : 2 }",
        "{\"a\":1,\"a\":2}",
        "{\"\":1}",
        "[0]",
        "[-0.0]",
        "1.5",
        "1e5",
        "1E+5",
        "1e-5",
        "0e0",
        "0.10",
        "-1.5e+300",
        "9223372036854775807",
        "-9223372036854775808",
        "1.7976931348623157e308",
        "1e308",
        "123456789e300",
        "1e-400",
        "0e999999999999999999999999",
        "0.0000001e310",
        "2.2250738585072014e-308",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0001\\uABCD\\uabcd\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uDBFF\\uDFFF\"",
        "\"\xc3\xa9\"",
        "\"\xe2\x82\xac\"",
        "\"\xf0\x9f\x98\x80\"",
        "\"\x7f\"",
        "\"12345678\"",
        "\"1234567\xc3\xa9 9\"",
        "\"0123456789abcdef0123456789\\n\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        varve_error error = { 0 };

        if (check(texts[i], strlen(texts[i]), &error) != VARVE_OK) fail_msg("%s: %s", texts[i], error.message);
    }
}

struct refused {
    const char *text;
    const char *problem;
};

static const struct refused refused[] = {
    /* the text as a whole */
    { "", "the text is empty (byte 1)" },
    { " ", "the text ends too early (byte 2)" },
    { "1 2", "something follows the value (byte 3)" },
    { "{}}", "something follows the value (byte 3)" },
    { "null,", "something follows the value (byte 5)" },
    { "\xef\xbb\xbf{}", "expected a value (byte 1)" },
    { "nul", "expected a value (byte 1)" },
    { "True", "expected a value (byte 1)" },
    { "NaN", "expected a value (byte 1)" },
    { "Infinity", "expected a value (byte 1)" },
    { "'a'", "expected a value (byte 1)" },
    { "/* */1", "expected a value (byte 1)" },
    { "\v1", "expected a value (byte 1)" },
    /* containers */
    { "{", "the text ends too early (byte 2)" },
    { "[", "the text ends too early (byte 2)" },
    { "[1", "the text ends too early (byte 3)" },
    { "[1,", "the text ends too early (byte 4)" },
    { "[1,]", "expected a value (byte 4)" },
    { "[,1]", "expected a value (byte 2)" },
    { "[1 2]", "expected ',' or ']' (byte 4)" },
    { "[1}", "expected ',' or ']' (byte 3)" },
    { "]", "expected a value (byte 1)" },
    { "{]", "expected a member's name (byte 2)" },
    { "{1:2}", "expected a member's name (byte 2)" },
    { "{a:2}", "expected a member's name (byte 2)" },
    { "{\"a\"}", "expected ':' (byte 5)" },
    { "{\"a\":}", "expected a value (byte 6)" },
    { "{\"a\":1,}", "expected a member's name (byte 8)" },
    { "{\"a\":1]", "expected ',' or '}' (byte 7)" },
    { "{\"a\":1 \"b\":2}", "expected ',' or '}' (byte 8)" },
    { "{\"a\"", "the text ends too early (byte 5)" },
    { "{\"a\":", "the text ends too early (byte 6)" },
    /* numbers */
    { "-", "the text ends too early (byte 2)" },
    { "-a", "a digit must follow the minus sign (byte 2)" },
    { "+1", "expected a value (byte 1)" },
    { ".5", "expected a value (byte 1)" },
    { "01", "a number must not begin with 0 (byte 1)" },
    { "-012", "a number must not begin with 0 (byte 2)" },
    { "1.", "the text ends too early (byte 3)" },
    { "1.e5", "a digit must follow the decimal point (byte 3)" },
    { "1e", "the text ends too early (byte 3)" },
    { "1e+", "the text ends too early (byte 4)" },
    { "[1e]", "a digit must follow in the exponent (byte 4)" },
    { "0x10", "something follows the value (byte 2)" },
    { "1_000", "something follows the value (byte 2)" },
    { "9223372036854775808", "an integer is beyond 64 bits (byte 1)" },
    { "-9223372036854775809", "an integer is beyond 64 bits (byte 1)" },
    { "18446744073709551616", "an integer is beyond 64 bits (byte 1)" },
    { "18446744073709551617000000000000000000000", "an integer is beyond 64 bits (byte 1)" },
    { "1e309", "a number is beyond the range of a double (byte 1)" },
    { "[-1e309]", "a number is beyond the range of a double (byte 2)" },
    { "1.8e308", "a number is beyond the range of a double (byte 1)" },
    { "1e99999999999999999999", "a number is beyond the range of a double (byte 1)" },
    { "0.001e312", "a number is beyond the range of a double (byte 1)" },
    /* strings */
    { "\"", "the text ends too early (byte 2)" },
    { "\"abc", "the text ends too early (byte 5)" },
    { "\"abcdefghijkl", "the text ends too early (byte 14)" },
    { "\"\\", "the text ends too early (byte 2)" },
    { "\"\\\"", "the text ends too early (byte 4)" },
    { "\"\\x\"", "unknown escape in a string (byte 2)" },
    { "\"\\'\"", "unknown escape in a string (byte 2)" },
    { "\"\n\"", "a control character in a string must be escaped (byte 2)" },
    { "\"12345678\x1f\"", "a control character in a string must be escaped (byte 10)" },
    { "\"\\u12\"", "\\u needs four hexadecimal digits (byte 2)" },
    { "\"\\u12g4\"", "\\u needs four hexadecimal digits (byte 2)" },
    { "\"\\u0000\"", "\\u0000 is not allowed (byte 2)" },
    { "{\"\\u0000\":1}", "\\u0000 is not allowed (byte 3)" },
    { "\"\\ud800\"", "a surrogate stands alone (byte 2)" },
    { "\"\\udc00\"", "a surrogate stands alone (byte 2)" },
    { "\"\\ud800\\ud800\"", "a surrogate stands alone (byte 2)" },
    { "\"\\ud800\\u0041\"", "a surrogate stands alone (byte 2)" },
    { "\"\\ud800x\"", "a surrogate stands alone (byte 2)" },
    { "\"\\udc00\\ud800\"", "a surrogate stands alone (byte 2)" },
    { "\"\xff\"", "not UTF-8 (byte 2)" },
    { "\"\xc0\x80\"", "not UTF-8 (byte 2)" },
    { "\"\xed\xa0\x80\"", "not UTF-8 (byte 2)" },
    { "\"abcdefgh\xe2\x82\"", "not UTF-8 (byte 10)" },
};

static void test_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        varve_error error = { 0 };
        char expected[sizeof(error.message)];

        assert_int_equal(check(refused[i].text, strlen(refused[i].text), &error), VARVE_INVALID);
        snprintf(expected, sizeof(expected), "data is not JSON that varve accepts: %s", refused[i].problem);
        assert_string_equal(error.message, expected);
    }
}

static void test_nul_byte_is_refused_anywhere(void **state)
{
    static const char text[] = "{\"name\": [1, true, \"value of a string\"]}";
    char copy[sizeof(text)];

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        memcpy(copy, text, sizeof(text));
        copy[i] = '\0';
        assert_int_equal(check(copy, sizeof(text) - 1, NULL), VARVE_INVALID);
    }
}

static void test_no_part_of_a_text_is_a_text(void **state)
{
    static const char text[] = "{\"a\":[1,-2.5e3,\"x\\u00e9\xc3\xa9\",null],\"b\":{\"c\":true,\"d\":false}}";

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++) assert_int_equal(check(text, len, NULL), VARVE_INVALID);
    assert_int_equal(check(text, sizeof(text) - 1, NULL), VARVE_OK);
}

static void test_depth(void **state)
{
    char text[2 * VARVE_JSON_DEPTH_MAX + 2];

    (void)state;
    for (size_t depth = VARVE_JSON_DEPTH_MAX; depth <= VARVE_JSON_DEPTH_MAX + 1; depth++) {
        varve_error error = { 0 };

        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        if (depth == VARVE_JSON_DEPTH_MAX) {
            assert_int_equal(check(text, 2 * depth, &error), VARVE_OK);
        } else {
            assert_int_equal(check(text, 2 * depth, &error), VARVE_INVALID);
            assert_non_null(strstr(error.message, "nested too deep (byte 513)"));
        }
    }
}

/* Objects and arrays mixed over several words of the stack of containers. */
static void test_depth_remembers_each_container(void **state)
{
    varve_buf text = { 0 };
    varve_str wrong;

    (void)state;
    for (int i = 0; i < 150; i++) varve_buf_printf(&text, "%s", i % 3 == 0 ? "[" : "{\"k\":");
    varve_buf_printf(&text, "0");
    for (int i = 149; i >= 0; i--) varve_buf_printf(&text, "%s", i % 3 == 0 ? "]" : "}");
    assert_int_equal(json_check(varve_buf_view(&text), "data", NULL), VARVE_OK);
    for (size_t i = text.len - 150; i < text.len; i++) {
        text.ptr[i] = text.ptr[i] == ']' ? '}' : ']';
        wrong = varve_buf_view(&text);
        assert_int_equal(json_check(wrong, "data", NULL), VARVE_INVALID);
        text.ptr[i] = text.ptr[i] == ']' ? '}' : ']';
    }
    varve_buf_fini(&text);
}

static void test_tokens(void **state)
{
    static const struct {
        enum json_token token;
        const char *raw;
    } expected[] = {
        { JSON_OBJECT, "{" },    { JSON_KEY, "a" },        { JSON_ARRAY, "[" },      { JSON_INTEGER, "-12" },
        { JSON_REAL, "1.50" },   { JSON_TRUE, "true" },    { JSON_FALSE, "false" },  { JSON_NULL, "null" },
        { JSON_ARRAY_END, "]" }, { JSON_KEY, "b\\n" },     { JSON_STRING, "c\\td" }, { JSON_KEY, "e" },
        { JSON_OBJECT, "{" },    { JSON_OBJECT_END, "}" }, { JSON_OBJECT_END, "}" }, { JSON_END, "" },
        { JSON_END, "" },
    };
    struct json_scanner scanner;

    (void)state;
    json_start(&scanner, VARVE_STR(" {\"a\":[-12,1.50,true,false,null],\"b\\n\": \"c\\td\", \"e\":{} } "));
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(json_next(&scanner), expected[i].token);
        assert_true(varve_str_is(scanner.raw, expected[i].raw));
        if (expected[i].token == JSON_INTEGER) assert_int_equal(scanner.integer, -12);
        if (expected[i].token == JSON_KEY || expected[i].token == JSON_STRING)
            assert_int_equal(scanner.escaped, strchr(expected[i].raw, '\\') != NULL);
    }
}

static void test_an_error_repeats_itself(void **state)
{
    struct json_scanner scanner;

    (void)state;
    json_start(&scanner, VARVE_STR("[1,x,2]"));
    assert_int_equal(json_next(&scanner), JSON_ARRAY);
    assert_int_equal(json_next(&scanner), JSON_INTEGER);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(json_next(&scanner), JSON_ERROR);
        assert_string_equal(scanner.problem, "expected a value");
        assert_int_equal(scanner.at - scanner.start, 3);
    }
}

static void test_skip_gives_the_bytes_of_a_value(void **state)
{
    static const char *const values[] = { "{\"x\":[1,{}]}", "[ [] , 2 ]", "\"s\\\"t\"", "-1.5", "true", "null", "{}" };
    varve_buf text = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct json_scanner scanner;
        enum json_token token;
        varve_str value;

        varve_buf_reset(&text);
        varve_buf_printf(&text, "[0, %s ,7]", values[i]);
        json_start(&scanner, varve_buf_view(&text));
        json_next(&scanner);
        json_next(&scanner);
        token = json_next(&scanner);
        assert_int_equal(json_skip(&scanner, token, &value), token);
        assert_true(varve_str_is(value, values[i]));
        assert_int_equal(json_next(&scanner), JSON_INTEGER);
        assert_int_equal(scanner.integer, 7);
        assert_int_equal(json_next(&scanner), JSON_ARRAY_END);
        assert_int_equal(json_next(&scanner), JSON_END);
    }
    varve_buf_fini(&text);
}

static void test_skip_fails_in_a_broken_value(void **state)
{
    struct json_scanner scanner;
    varve_str value;

    (void)state;
    json_start(&scanner, VARVE_STR("{\"a\":[1,}"));
    assert_int_equal(json_skip(&scanner, json_next(&scanner), &value), JSON_ERROR);
}

static double double_of(const char *text)
{
    struct json_scanner scanner;
    enum json_token token;

    json_start(&scanner, varve_str_of(text));
    token = json_next(&scanner);
    assert_true(token == JSON_REAL || token == JSON_INTEGER);
    return json_double(&scanner);
}

static void test_doubles(void **state)
{
    static const char *const texts[] = {
        "0",
        "-1",
        "1.5",
        "0.1",
        "123456.789",
        "1e22",
        "1e23",
        "3.141592653589793238462643383279",
        "2.5e-7",
        "5e-324",
        "2.4703282292062327e-324",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "9007199254740993",
        "9007199254740993.0",
        "9223372036854775807",
        "-9223372036854775808",
        "100000000000000000000000.0",
        "0.000000000000000000000000000000000000000123456789012345678",
        "1e-400",
        /* halfway between two doubles, and a little more far behind the decimal point */
        "9007199254740993.00000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double wanted = strtod(texts[i], NULL), got = double_of(texts[i]);

        if (got != wanted) fail_msg("%s: %a, not %a", texts[i], got, wanted);
    }
    assert_true(signbit(double_of("-0.0")));
    assert_true(double_of("0e999999999999") == 0);
}

/* What decides between two doubles may stand behind any number of zeros. */
static void test_a_double_is_rounded_by_its_last_digit(void **state)
{
    varve_buf text = { 0 };

    (void)state;
    varve_buf_printf(&text, "9007199254740993.");
    for (int i = 0; i < 5000; i++) varve_buf_str(&text, VARVE_STR("0"));
    assert_true(double_of(text.ptr) == 9007199254740992.0);
    varve_buf_str(&text, VARVE_STR("1"));
    assert_true(double_of(text.ptr) == 9007199254740994.0);
    varve_buf_fini(&text);
}

/* Makes the locale "comma" in the folder, in which a fraction begins with a comma, and goes over to it. */
static void enter_comma_locale(struct scratch *scratch)
{
    char command[256];
    FILE *source = fopen(scratch_path(scratch, "source"), "w");

    assert_non_null(source);
    fputs("LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n", source);
    fclose(source);
    /* It warns of the categories that are not there, and its exit code tells nothing then: setlocale does. */
    snprintf(command, sizeof(command),
             "cd %s && localedef -c -f UTF-8 -i ./source ./comma >messages 2>&1 || :", scratch->folder);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the command is our own */
    setenv("LOCPATH", scratch->folder, 1);
    if (setlocale(LC_NUMERIC, "comma") == NULL) fail_msg("localedef makes no locale: is the package locales there?");
}

static void test_doubles_need_no_locale(void **state)
{
    struct scratch scratch;

    (void)state;
    scratch_init(&scratch);
    enter_comma_locale(&scratch);
    assert_true(strtod("3,25", NULL) == 3.25);
    assert_true(double_of("3.25") == 3.25);
    assert_true(double_of("3.14159265358979323846264338") > 3.14);
    assert_int_equal(json_check(VARVE_STR("0.1797693134862315807e309"), "data", NULL), VARVE_OK);
    setlocale(LC_NUMERIC, "C");
    scratch_fini(&scratch);
}

static void assert_unescaped(const char *json, const char *expected)
{
    struct json_scanner scanner;
    varve_buf text = { 0 };

    json_start(&scanner, varve_str_of(json));
    assert_int_equal(json_next(&scanner), JSON_STRING);
    json_unescape(scanner.raw, &text);
    assert_true(varve_str_is(varve_buf_view(&text), expected));
    assert_true(json_is(&scanner, expected));
    varve_buf_printf(&text, "x");
    assert_false(json_is(&scanner, text.ptr));
    assert_false(json_is_str(&scanner, varve_buf_view(&text)));
    if (expected[0] != '\0') {
        text.ptr[strlen(expected) - 1] = '\0';
        assert_false(json_is(&scanner, text.ptr));
        assert_false(json_is(&scanner, ""));
    }
    varve_buf_fini(&text);
}

static void test_unescape(void **state)
{
    (void)state;
    assert_unescaped("\"\"", "");
    assert_unescaped("\"plain\"", "plain");
    assert_unescaped("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    assert_unescaped("\"a\\u0041\\u00e9\\u20AC\\ud83d\\uDE00z\"", "aA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
    assert_unescaped("\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf");
    assert_unescaped("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf");
}

/* Any text that is written as a string is read back as it was. */
static void test_written_strings_are_read_back(void **state)
{
    char every[0x7f];
    varve_buf json = { 0 }, text = { 0 };
    struct json_scanner scanner;

    (void)state;
    for (int i = 0; i < 0x7f; i++) every[i] = (char)(i + 1);
    varve_buf_json_string(&json, (varve_str){ every, sizeof(every) });
    json_start(&scanner, varve_buf_view(&json));
    assert_int_equal(json_next(&scanner), JSON_STRING);
    json_unescape(scanner.raw, &text);
    assert_int_equal(text.len, sizeof(every));
    assert_memory_equal(text.ptr, every, sizeof(every));
    assert_int_equal(json_next(&scanner), JSON_END);
    varve_buf_fini(&text);
    varve_buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_nul_byte_is_refused_anywhere),
        cmocka_unit_test(test_no_part_of_a_text_is_a_text),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_remembers_each_container),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_an_error_repeats_itself),
        cmocka_unit_test(test_skip_gives_the_bytes_of_a_value),
        cmocka_unit_test(test_skip_fails_in_a_broken_value),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_a_double_is_rounded_by_its_last_digit),
        cmocka_unit_test(test_doubles_need_no_locale),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_written_strings_are_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
