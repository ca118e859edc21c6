/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/listen.h"

static void a_free_port_is_picked_and_named(void **state)
{
    char text[LISTEN_TEXT_BYTES], expected[LISTEN_TEXT_BYTES];
    uint16_t port = 0;
    int fd = -1;
    (void)state;
    assert_int_equal(listen_open(&fd, "localhost:0", text, &port, NULL), VARVE_OK);
    assert_true(port > 0);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", port);
    assert_string_equal(text, expected);
    close(fd);
}

static void a_port_in_use_is_unavailable(void **state)
{
    char text[LISTEN_TEXT_BYTES], again[LISTEN_TEXT_BYTES];
    varve_error error = { 0 };
    uint16_t port = 0;
    int fd = -1, second = -1;
    (void)state;
    assert_int_equal(listen_open(&fd, "127.0.0.1:0", text, &port, NULL), VARVE_OK);
    assert_int_equal(listen_open(&second, text, again, &port, &error), VARVE_UNAVAILABLE);
    assert_non_null(strstr(error.message, text));
    assert_int_equal(second, -1);
    close(fd);
}

static void only_loopback_addresses_are_taken(void **state)
{
    static const char *const others[] = { "0.0.0.0:8080", "192.0.2.1:80", "[::]:80", "[2001:db8::1]:80" };
    static const char *const wrong[] = {
        "",       "8080",  ":8080",          "127.0.0.1",     "127.0.0.1:",     "127.0.0.1:65536", "127.0.0.1:-1",
        "::1:80", "[::1]", "example.com:80", "[127.0.0.1:80", "127.0.0.1:80:80"
    };
    char text[LISTEN_TEXT_BYTES];
    uint16_t port = 0;
    int fd = -1;
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(listen_open(&fd, others[i], text, &port, NULL), VARVE_UNSUPPORTED);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(listen_open(&fd, wrong[i], text, &port, NULL), VARVE_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_port_is_picked_and_named),
        cmocka_unit_test(a_port_in_use_is_unavailable),
        cmocka_unit_test(only_loopback_addresses_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
