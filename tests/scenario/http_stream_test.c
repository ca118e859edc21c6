/* SPDX-License-Identifier: Apache-2.0 */
/* GET /log as server-sent events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/scenario/http_fixture.h"

#define STREAMS 100

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    fixture_init(&fixture, 100);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

static void append(const char *stream, const char *type)
{
    char path[128], body[128];
    snprintf(path, sizeof path, "/streams/%s", stream);
    snprintf(body, sizeof body, "{\"events\":[{\"type\":\"%s\"}]}", type);
    http_expect(&fixture, "POST", path, NULL, body, 200, "{…");
}

static int subscribe(const char *path, const char *headers)
{
    char request[512];
    int fd = wire_open(&fixture);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n%s\r\n", path,
             headers);
    wire_send(fd, request);
    return fd;
}

static size_t count(const varve_buf *text, const char *what)
{
    size_t found = 0;
    for (const char *at = text->ptr; at != NULL && (at = strstr(at, what)) != NULL; at++) found++;
    return found;
}

static void the_backlog_comes_first_and_then_what_follows(void **state)
{
    varve_buf text = { 0 };
    (void)state;
    append("s-1", "One");
    append("s-1", "Two");
    int fd = subscribe("/log", "");
    assert_true(wire_until(fd, &text, "id: 2\nevent: caught_up\ndata: {\"position\":2,\"incarnation\":\""));
    assert_true(wire_until(fd, &text, "\"}\n\n"));
    assert_non_null(strstr(text.ptr, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text.ptr, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(text.ptr, "id: 1\nevent: event\ndata: {\"position\":1,\"stream\":\"s-1\",\"aggregate_id\":"
                                     "\"1\",\"version\":1,"));
    assert_true(strstr(text.ptr, "id: 1\n") < strstr(text.ptr, "id: 2\n"));
    assert_true(strstr(text.ptr, "id: 2\n") < strstr(text.ptr, "caught_up"));
    append("s-1", "Three");
    assert_true(wire_until(fd, &text, "id: 3\nevent: event\ndata: {\"position\":3,"));
    append("s-2", "Four");
    assert_true(wire_until(fd, &text, "id: 4\nevent: event\ndata: {\"position\":4,"));
    assert_int_equal(count(&text, "caught_up"), 1);
    assert_int_equal(count(&text, "event: event\n"), 4);
    close(fd);
    varve_buf_fini(&text);
}

static void a_stream_resumes_where_it_was(void **state)
{
    varve_buf text = { 0 };
    (void)state;
    int fd = subscribe("/log?after=1", "Last-Event-ID: 3\r\n");
    assert_true(wire_until(fd, &text, "caught_up"));
    assert_int_equal(count(&text, "event: event\n"), 1);
    assert_non_null(strstr(text.ptr, "id: 4\n"));
    close(fd);
    varve_buf_fini(&text);
}

static void a_stream_is_filtered(void **state)
{
    varve_buf text = { 0 };
    (void)state;
    int fd = subscribe("/log?types=Rare&categories=s,r", "");
    assert_true(wire_until(fd, &text, "caught_up"));
    append("s-1", "Common");
    append("t-1", "Rare");
    append("r-1", "Rare");
    assert_true(wire_until(fd, &text, "\"stream\":\"r-1\""));
    assert_int_equal(count(&text, "event: event\n"), 1);
    close(fd);
    varve_buf_fini(&text);
}

/* The position that the newest heartbeat carries, as its id and as its data. */
static unsigned long long heartbeat(const varve_buf *text)
{
    const char *last = NULL;
    for (const char *at = text->ptr; (at = strstr(at, "event: position\n")) != NULL; at++) last = at;
    assert_non_null(last);
    unsigned long long position = strtoull(last + strlen("event: position\ndata: {\"position\":"), NULL, 10);
    char whole[128];
    snprintf(whole, sizeof whole, "id: %llu\nevent: position\ndata: {\"position\":%llu}\n\n", position, position);
    assert_non_null(strstr(text->ptr, whole));
    return position;
}

static void a_quiet_stream_has_a_heartbeat(void **state)
{
    varve_buf text = { 0 };
    (void)state;
    int fd = subscribe("/log?types=Never", "");
    assert_true(wire_until(fd, &text, "caught_up"));
    for (int i = 0; i < 2; i++) {
        varve_buf_reset(&text);
        assert_true(wire_until(fd, &text, "event: position\n"));
        assert_true(wire_until(fd, &text, "}\n\n"));
        assert_int_equal(count(&text, "event: event"), 0);
        assert_true(heartbeat(&text) > 0);
    }
    close(fd);
    varve_buf_fini(&text);
}

/* Nothing that matches comes, yet each commit wakes the stream: its heartbeat must come nevertheless and move on. */
static void a_rare_filter_moves_on_over_a_busy_log(void **state)
{
    varve_buf text = { 0 };
    char header[64], id[32];
    (void)state;
    int fd = subscribe("/log?types=Never", "");
    assert_true(wire_until(fd, &text, "caught_up"));
    varve_buf_reset(&text);
    assert_true(wire_until(fd, &text, "event: position\n"));
    assert_true(wire_until(fd, &text, "}\n\n"));
    unsigned long long first = heartbeat(&text), latest = first;
    for (int i = 0; latest < first + 3; i++) {
        struct pollfd readable = { .fd = fd, .events = POLLIN };
        append("busy-1", "Common");
        assert_true(i < 10000);
        if (poll(&readable, 1, 0) == 0) continue;
        varve_buf_reset(&text);
        assert_true(wire_until(fd, &text, "event: position\n"));
        assert_true(wire_until(fd, &text, "}\n\n"));
        latest = heartbeat(&text);
    }
    close(fd);

    /* What the client has seen as its last id is where it resumes, although no event ever came. */
    snprintf(header, sizeof header, "Last-Event-ID: %llu\r\n", latest);
    snprintf(id, sizeof id, "id: %llu\n", latest + 1);
    append("busy-1", "Common");
    fd = subscribe("/log", header);
    varve_buf_reset(&text);
    assert_true(wire_until(fd, &text, "event: event\n"));
    assert_non_null(strstr(text.ptr, id));
    close(fd);
    varve_buf_fini(&text);
}

static void a_wrong_start_is_refused(void **state)
{
    static const char accept[] = "Accept: text/event-stream";
    (void)state;
    http_expect(&fixture, "GET", "/log?after=999999", accept, NULL, 409,
                "{\"type\":\"urn:varve:problem:history-changed\",…");
    http_expect(&fixture, "GET", "/log", "Accept: text/event-stream\nLast-Event-ID: x", NULL, 400, "{…");
    http_expect(&fixture, "GET", "/log?limit=5", accept, NULL, 400, "{…");
    http_expect(&fixture, "GET", "/log?tags=a", accept, NULL, 501, "{…");
}

static void many_streams_get_every_event_and_nobody_waits_for_a_reader_that_does_not(void **state)
{
    int fds[STREAMS];
    varve_buf texts[STREAMS] = { { 0 } };
    (void)state;
    for (size_t i = 0; i < STREAMS; i++) fds[i] = subscribe("/log?types=Fan", "");
    for (size_t i = 0; i < STREAMS; i++) assert_true(wire_until(fds[i], &texts[i], "caught_up"));
    /* The first reader stops reading here; requests and the other streams go on. */
    for (int i = 0; i < 20; i++) append("f-1", "Fan");
    append("f-2", "Fan");
    for (size_t i = 1; i < STREAMS; i++) {
        assert_true(wire_until(fds[i], &texts[i], "\"stream\":\"f-2\""));
        assert_int_equal(count(&texts[i], "event: event\n"), 21);
        assert_int_equal(count(&texts[i], "caught_up"), 1);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        close(fds[i]);
        varve_buf_fini(&texts[i]);
    }
    append("f-3", "Fan");
}

static void a_large_backlog_comes_whole_and_in_order(void **state)
{
    varve_buf text = { 0 }, body = { 0 };
    (void)state;
    varve_buf_printf(&body, "{\"events\":[");
    for (int i = 0; i < 500; i++) {
        varve_buf_printf(&body, "%s{\"type\":\"Big\",\"data\":{\"text\":\"%0500d\"}}", i == 0 ? "" : ",", i);
    }
    varve_buf_printf(&body, "]}");
    for (int i = 0; i < 4; i++) http_expect(&fixture, "POST", "/streams/big-1", NULL, body.ptr, 200, "{…");
    int fd = subscribe("/log?types=Big", "");
    assert_true(wire_until(fd, &text, "event: caught_up"));
    assert_int_equal(count(&text, "event: event"), 2000);
    const char *at = text.ptr;
    for (int version = 1; version <= 2000; version++) {
        char expected[64];
        snprintf(expected, sizeof expected, "\"stream\":\"big-1\",\"aggregate_id\":\"1\",\"version\":%d,", version);
        at = strstr(at, "\"stream\":\"big-1\"");
        assert_non_null(at);
        /* A chunk may begin in the middle of it: then only its beginning is there to compare. */
        if (memchr(at, '\r', strlen(expected)) == NULL) assert_memory_equal(at, expected, strlen(expected));
        at++;
    }
    close(fd);
    varve_buf_fini(&text);
    varve_buf_fini(&body);
}

static void streams_end_when_the_server_closes(void **state)
{
    varve_buf text = { 0 };
    (void)state;
    int fd = subscribe("/log?types=Never", "");
    assert_true(wire_until(fd, &text, "caught_up"));
    server_close(fixture.server);
    fixture.server = NULL;
    wire_rest(fd, &text);
    assert_true(text.len > 5);
    assert_string_equal(text.ptr + text.len - 5, "0\r\n\r\n");
    close(fd);
    varve_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backlog_comes_first_and_then_what_follows),
        cmocka_unit_test(a_stream_resumes_where_it_was),
        cmocka_unit_test(a_stream_is_filtered),
        cmocka_unit_test(a_quiet_stream_has_a_heartbeat),
        cmocka_unit_test(a_rare_filter_moves_on_over_a_busy_log),
        cmocka_unit_test(a_wrong_start_is_refused),
        cmocka_unit_test(many_streams_get_every_event_and_nobody_waits_for_a_reader_that_does_not),
        cmocka_unit_test(a_large_backlog_comes_whole_and_in_order),
        cmocka_unit_test(streams_end_when_the_server_closes),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
