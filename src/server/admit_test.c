/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/admit.h"

static void loopback_hosts_are_let_in(void **state)
{
    static const char *const hosts[] = { "127.0.0.1",   "127.0.0.1:8080", "localhost",  "localhost:",
                                         "LocalHost:1", "[::1]",          "[::1]:65535" };
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) assert_true(admit_host(varve_str_of(hosts[i])));
}

static void other_hosts_are_not(void **state)
{
    static const char *const hosts[] = {
        "",    "example.com",       "localhost.example.com", "127.0.0.1.example.com", "127.0.0.10", "localhost:80x",
        "::1", "[::1].example.com", "127.0.0.1:80@evil",     "localhost:123456",      " localhost", "evil:80/localhost",
    };
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) assert_false(admit_host(varve_str_of(hosts[i])));
}

static void media_types_are_told_apart(void **state)
{
    static const struct {
        const char *header;
        enum media_type type;
    } cases[] = {
        { "application/json", MEDIA_JSON },
        { "Application/JSON ; charset=UTF-8", MEDIA_JSON },
        { "application/json;charset=\"utf-8\"", MEDIA_JSON },
        { "application/json; charset=latin1", MEDIA_OTHER },
        { "application/jsonp", MEDIA_OTHER },
        { "application/x-ndjson", MEDIA_NDJSON },
        { "application/ndjson", MEDIA_NDJSON },
        { "application/cloudevents+json; charset=utf-8", MEDIA_CLOUDEVENTS },
        { "application/cloudevents-batch+json", MEDIA_CLOUDEVENTS },
        { "text/plain", MEDIA_OTHER },
        { "application/x-www-form-urlencoded", MEDIA_OTHER },
        { "", MEDIA_OTHER },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(admit_media_type(varve_str_of(cases[i].header)), cases[i].type);
    }
    assert_int_equal(admit_media_type((varve_str){ NULL, 0 }), MEDIA_OTHER);
}

static void an_event_stream_is_asked_for_by_name(void **state)
{
    (void)state;
    assert_true(admit_event_stream(VARVE_STR("text/event-stream")));
    assert_true(admit_event_stream(VARVE_STR("application/json;q=0.5, Text/Event-Stream ;q=1")));
    assert_false(admit_event_stream(VARVE_STR("*/*")));
    assert_false(admit_event_stream(VARVE_STR("text/event-streams")));
    assert_false(admit_event_stream((varve_str){ NULL, 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_hosts_are_let_in),
        cmocka_unit_test(other_hosts_are_not),
        cmocka_unit_test(media_types_are_told_apart),
        cmocka_unit_test(an_event_stream_is_asked_for_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
