/* SPDX-License-Identifier: Apache-2.0 */
/* Looking back over HTTP: history and differences of an aggregate, streams by name, events by id, incarnations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/scenario/http_fixture.h"

static struct fixture fixture;

static void get(const char *path, long status, const char *body)
{
    http_expect(&fixture, "GET", path, NULL, NULL, status, body);
}

static void add(const char *tally, int amount)
{
    char body[128];
    snprintf(body, sizeof body, "{\"stream\":\"%s\",\"data\":{\"amount\":%d}}", tally, amount);
    http_expect(&fixture, "POST", "/commands/Add", NULL, body, 200, "{…");
}

static int start(void **state)
{
    (void)state;
    fixture_init(&fixture, 0);
    for (int i = 1; i <= 3; i++) add("tally-1", i);
    add("tally-2", 9);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

static void has(const char *path, const char *headers, const char *const *wanted)
{
    struct reply reply = { 0 };
    http_send(&fixture, "GET", path, headers, NULL, &reply);
    assert_int_equal(reply.status, 200);
    for (size_t i = 0; wanted[i] != NULL; i++) {
        if (strstr(reply.body.ptr, wanted[i]) == NULL) fail_msg("%s has no %s: %s", path, wanted[i], reply.body.ptr);
    }
    reply_fini(&reply);
}

static void a_history_says_what_each_event_changed(void **state)
{
    static const char *const whole[] = {
        "{\"stream\":\"tally-1\",\"entries\":[{\"version\":1,\"position\":1,\"type\":\"",
        "\"event_id\":\"",
        "\"metadata\":{\"correlation_id\":\"",
        "{\"version\":3,\"position\":3,",
        "\"patch\":[{\"op\":\"replace\",\"path\":\"/total\",\"value\":6}]}],\"next\":null}",
        NULL,
    };
    static const char *const page[] = { "\"entries\":[{\"version\":2,", "\"value\":3}]}],\"next\":3}", NULL };
    (void)state;
    has("/aggregates/tally-1/history", NULL, whole);
    has("/aggregates/tally-1/history?from=2&limit=1", NULL, page);
    get("/aggregates/tally-404/history", 404, "{\"type\":\"urn:varve:problem:not-found\",…");
    get("/aggregates/nobody-1/history", 404, "{…");
    get("/aggregates/tally-1/history?limit=0", 400, "{…");
    get("/aggregates/tally-1/history?limit=1001", 400, "{…");
    get("/aggregates/tally-1/history?from=first", 400, "{…");
    get("/aggregates/tally-1/history?at=2020-01-01T00:00:00Z", 400, "{…");
}

static void a_difference_lies_between_two_points(void **state)
{
    (void)state;
#define DIFF(from, to) "{\"stream\":\"tally-1\",\"from\":" #from ",\"to\":" #to ",\"patch\":["
#define TOTAL(value)   "{\"op\":\"replace\",\"path\":\"/total\",\"value\":" #value "}]}"
    get("/aggregates/tally-1/diff?from=1&to=3", 200, DIFF(1, 3) TOTAL(6));
    get("/aggregates/tally-1/diff?from=3&to=1", 200, DIFF(3, 1) TOTAL(1));
    get("/aggregates/tally-1/diff?from=2&to=2", 200, DIFF(2, 2) "]}");
    get("/aggregates/tally-1/diff", 200, DIFF(0, 3) TOTAL(6));
    get("/aggregates/tally-1/diff?from_at=2020-01-01T00:00:00Z&to=1", 200, DIFF(0, 1) TOTAL(1));
    get("/aggregates/tally-1/diff?from_at=2020-01-01T00:00:00Z&clock=occurred", 200, DIFF(0, 3) TOTAL(6));
    get("/aggregates/tally-1/diff?from=2&to_at=2020-01-01T00:00:00Z&clock=occurred", 200, DIFF(2, 0) TOTAL(0));
#undef DIFF
#undef TOTAL
    static const char *const wrong[] = {
        "from=0",
        "to=0",
        "from=1&from_at=2020-01-01T00:00:00Z",
        "to=1&to_at=2020-01-01T00:00:00Z",
        "from=1&to=2&clock=occurred",
        "to_at=2020-01-01T00:00:00Z&clock=mine",
        "from_at=yesterday",
        "to_at=2999-01-01T00:00:00Z",
        "until=3",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[128];
        snprintf(path, sizeof path, "/aggregates/tally-1/diff?%s", wrong[i]);
        get(path, 400, "{\"type\":\"urn:varve:problem:invalid\",…");
    }
    get("/aggregates/tally-1/diff?from=1&to=4", 404, "{…");
    get("/aggregates/tally-404/diff", 404, "{…");
}

static void streams_are_listed_in_pages(void **state)
{
    (void)state;
    http_expect(&fixture, "POST", "/streams/a%20%22b%22-1", NULL, "{\"events\":[{\"type\":\"X\"}]}", 200, "{…");
    get("/streams", 200,
        "{\"streams\":[{\"stream\":\"a \\\"b\\\"-1\",\"version\":1},{\"stream\":\"tally-1\",\"version\":3},"
        "{\"stream\":\"tally-2\",\"version\":1}],\"next\":null}");
    get("/streams?limit=1", 200,
        "{\"streams\":[{\"stream\":\"a \\\"b\\\"-1\",\"version\":1}],\"next\":\"a \\\"b\\\"-1\"}");
    get("/streams?limit=1&after=a+%22b%22-1", 200,
        "{\"streams\":[{\"stream\":\"tally-1\",\"version\":3}],\"next\":\"tally-1\"}");
    get("/streams?category=tally&after=tally-1", 200,
        "{\"streams\":[{\"stream\":\"tally-2\",\"version\":1}],\"next\":null}");
    get("/streams?category=nothing", 200, "{\"streams\":[],\"next\":null}");
    get("/streams?limit=0", 400, "{…");
    get("/streams?limit=1001", 400, "{…");
    get("/streams?colour=red", 400, "{…");
}

static void an_event_is_found_by_its_id(void **state)
{
    static const char id[] = "01900000-0000-7000-8000-0000000000aa";
    char path[64], body[128], found[128];
    (void)state;
    snprintf(body, sizeof body, "{\"events\":[{\"type\":\"X\",\"id\":\"%s\"}]}", id);
    http_expect(&fixture, "POST", "/streams/known-1", NULL, body, 200, "{…");
    snprintf(path, sizeof path, "/events/%s", id);
    snprintf(found, sizeof found, "\"stream\":\"known-1\",\"aggregate_id\":\"1\",\"version\":1,\"id\":\"%s\",", id);
    has(path, NULL, (const char *const[]){ found, NULL });
    get("/events/01900000-0000-7000-8000-0000000000ab", 404, "{…");
    get("/events/7", 400, "{…");
}

/* Copies the incarnation that the log's answers name. */
static void incarnation_of_the_log(char incarnation[VARVE_UUID_TEXT_BYTES])
{
    struct reply reply = { 0 };
    http_send(&fixture, "GET", "/log?limit=1", NULL, NULL, &reply);
    assert_int_equal(reply.status, 200);
    const char *header = reply_header(&reply, "Varve-Incarnation");
    const char *member = strstr(reply.body.ptr, ",\"incarnation\":\"");
    assert_non_null(header);
    assert_non_null(member);
    memcpy(incarnation, header, VARVE_UUID_TEXT_BYTES - 1);
    incarnation[VARVE_UUID_TEXT_BYTES - 1] = '\0';
    assert_memory_equal(member + strlen(",\"incarnation\":\""), incarnation, VARVE_UUID_TEXT_BYTES - 1);
    reply_fini(&reply);
}

static void a_position_of_another_history_is_noticed(void **state)
{
    static const char changed[] = "{\"type\":\"urn:varve:problem:history-changed\",…";
    static const char *const accepts[] = { NULL, "Accept: text/event-stream" };
    char ours[VARVE_UUID_TEXT_BYTES], path[128], request[256];
    varve_buf text = { 0 };
    (void)state;
    incarnation_of_the_log(ours);
    for (size_t i = 0; i < 2; i++) {
        const char *path_of_another = "/log?after=1&incarnation=01900000-0000-7000-8000-000000000000";
        http_expect(&fixture, "GET", path_of_another, accepts[i], NULL, 409, changed);
        http_expect(&fixture, "GET", "/log?after=999999", accepts[i], NULL, 409, changed);
        http_expect(&fixture, "GET", "/log?incarnation=", accepts[i], NULL, 400, "{…");
    }
    http_expect(&fixture, "GET", "/log", "Accept: text/event-stream\nLast-Event-ID: 999999", NULL, 409, changed);
    snprintf(path, sizeof path, "/log?after=1&incarnation=%s", ours);
    get(path, 200, "{\"events\":[{\"position\":2,…");

    int fd = wire_open(&fixture);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", path);
    wire_send(fd, request);
    assert_true(wire_until(fd, &text, "event: caught_up\n"));
    assert_true(wire_until(fd, &text, "\"}\n\n"));
    snprintf(request, sizeof request, "Varve-Incarnation: %s\r\n", ours);
    assert_non_null(strstr(text.ptr, request));
    snprintf(request, sizeof request, ",\"incarnation\":\"%s\"}\n\n", ours);
    assert_non_null(strstr(text.ptr, request));
    close(fd);
    varve_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_history_says_what_each_event_changed),
        cmocka_unit_test(a_difference_lies_between_two_points),
        cmocka_unit_test(streams_are_listed_in_pages),
        cmocka_unit_test(an_event_is_found_by_its_id),
        cmocka_unit_test(a_position_of_another_history_is_noticed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
