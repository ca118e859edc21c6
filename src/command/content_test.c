/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/content.h"

static const char *digest_of(const char *type, const char *stream, const char *data)
{
    static char texts[2][CONTENT_DIGEST_BYTES];
    static unsigned next;
    char *text = texts[next++ % 2];
    const varve_command command = { varve_str_of(type), varve_str_of(stream), .data = varve_str_of(data) };
    content_digest(&command, text);
    return text;
}

/* Golden values: they are in the events' metadata of commands that may be repeated. */
static void it_stays_what_it_was(void **state)
{
    (void)state;
    assert_string_equal(digest_of("PlaceOrder", "order-7", "{}"), "40fbd7e5afcc230a");
    assert_string_equal(digest_of("PlaceOrder", "order-7", "{\"a\":[1,\"x y\"]}"), "3b6ea92d60edced0");
}

static void white_space_between_tokens_does_not_count(void **state)
{
    (void)state;
    assert_string_equal(digest_of("T", "s", "{\"a\":[1,\"x y\"]}"),
                        digest_of("T", "s", " { \"a\" :\n[1,\t\"x y\"] }\r\n"));
    assert_string_not_equal(digest_of("T", "s", "{\"a\":\"x y\"}"), digest_of("T", "s", "{\"a\":\"xy\"}"));
    assert_string_not_equal(digest_of("T", "s", "{\"a\":\"\\\" b\"}"), digest_of("T", "s", "{\"a\":\"\\\"b\"}"));
}

static void everything_it_is_about_counts(void **state)
{
    (void)state;
    assert_string_not_equal(digest_of("T", "s", "{}"), digest_of("U", "s", "{}"));
    assert_string_not_equal(digest_of("T", "s", "{}"), digest_of("T", "t", "{}"));
    assert_string_not_equal(digest_of("Ts", "t", "{}"), digest_of("T", "st", "{}"));
    assert_string_not_equal(digest_of("T", "s", "{\"a\":1}"), digest_of("T", "s", "{\"a\":1.0}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stays_what_it_was),
        cmocka_unit_test(white_space_between_tokens_does_not_count),
        cmocka_unit_test(everything_it_is_about_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
