/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <varve/error.h>

#define STATUS(name, value, word, meaning) name,
static const varve_status statuses[] = { VARVE_STATUS_TABLE(STATUS) };
enum { STATUSES = sizeof(statuses) / sizeof(statuses[0]) };

static void test_words_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < STATUSES; i++) {
        assert_true(strlen(varve_status_word(statuses[i])) > 0);
        assert_true(strlen(varve_status_meaning(statuses[i])) > 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(varve_status_word(statuses[i]), varve_status_word(statuses[j]));
    }
    assert_string_equal(varve_status_word(VARVE_CONFLICT), "version-conflict");
    assert_string_equal(varve_status_meaning(VARVE_OK), "success");
    assert_string_equal(varve_status_word((varve_status)-999), "unknown-status");
    assert_non_null(varve_status_meaning((varve_status)-999));
}

static void test_set(void **state)
{
    varve_error error = { .flags = VARVE_ERROR_FATAL, .detail = 7 };

    (void)state;
    assert_int_equal(varve_error_set(&error, VARVE_CONFLICT, "%s is at %d", "order-1", 4), VARVE_CONFLICT);
    assert_int_equal(error.status, VARVE_CONFLICT);
    assert_int_equal(error.flags, 0);
    assert_int_equal(error.detail, 0);
    assert_string_equal(error.message, "order-1 is at 4");
    assert_int_equal(varve_error_set(NULL, VARVE_IO, "nobody looks"), VARVE_IO);
}

static void test_flags_follow_from_the_status(void **state)
{
    varve_error error;

    (void)state;
    varve_error_set(&error, VARVE_BUSY, "x");
    assert_int_equal(error.flags, VARVE_ERROR_RETRIABLE);
    varve_error_set(&error, VARVE_INDETERMINATE, "x");
    assert_int_equal(error.flags, VARVE_ERROR_RETRIABLE | VARVE_ERROR_UNKNOWN_OUTCOME);
    varve_error_set(&error, VARVE_INVALID, "x");
    assert_int_equal(error.flags, 0);
}

static void test_a_message_may_quote_itself(void **state)
{
    varve_error error;

    (void)state;
    varve_error_set(&error, VARVE_INVALID, "type is empty");
    varve_error_set(&error, error.status, "events[%d]: %s", 3, error.message);
    assert_string_equal(error.message, "events[3]: type is empty");
}

/* Cut at every place inside characters of every length; never in the middle of one. */
static void test_a_long_message_is_cut_between_characters(void **state)
{
    static const char *const characters[] = { "x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    varve_error error;
    char text[400];

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        size_t len = strlen(characters[c]);

        for (size_t before = 240; before < 260; before++) {
            memset(text, 'a', before);
            for (size_t i = 0; i < 20; i++) memcpy(text + before + i * len, characters[c], len + 1);
            varve_error_set(&error, VARVE_INVALID, "%s", text);
            assert_true(strlen(error.message) < sizeof(error.message));
            assert_memory_equal(error.message, text, strlen(error.message));
            assert_true(strlen(error.message) >= sizeof(error.message) - len);
            if (strlen(error.message) > before) assert_int_equal((strlen(error.message) - before) % len, 0);
        }
    }
}

static void test_a_message_is_one_line_of_utf8(void **state)
{
    varve_error error;

    (void)state;
    varve_error_set(&error, VARVE_INVALID, "a\nb\tc\x1b[1md\x7f\xff\xc3(\xc3\xa9");
    assert_string_equal(error.message, "a b c [1md ?"
                                       "?(\xc3\xa9");
    varve_error_set(&error, VARVE_INVALID, "ends in \xe2\x82");
    assert_string_equal(error.message, "ends in ?"
                                       "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_unique),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_flags_follow_from_the_status),
        cmocka_unit_test(test_a_message_may_quote_itself),
        cmocka_unit_test(test_a_long_message_is_cut_between_characters),
        cmocka_unit_test(test_a_message_is_one_line_of_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
