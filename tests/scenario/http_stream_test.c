/* SPDX-License-Identifier: Apache-2.0 */
/* GET /log as server-sent events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/scenario/http_fixture.h"

#define STREAMS_MAX 1000

#define BULK_EVENTS 32u    /* with … */
#define BULK_BYTES  200000 /* … each: more than the buffers of a connection hold */
#define PAST_EVENTS 22000u /* more than a cursor looks at in one go */

static struct fixture fixture;
static size_t streams_wanted = STREAMS_MAX; /* fewer where not so many files may be open */

static int start(void **state)
{
    struct rlimit files = { 0 };
    (void)state;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
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

/* Appends so many events with so many bytes of text each, in one go. */
static void append_many(const char *stream, const char *type, unsigned count, int bytes)
{
    char path[128];
    varve_buf body = { 0 };
    snprintf(path, sizeof path, "/streams/%s", stream);
    varve_buf_printf(&body, "{\"events\":[");
    for (unsigned i = 0; i < count; i++) {
        varve_buf_printf(&body, "%s{\"type\":\"%s\",\"data\":{\"text\":\"%0*u\"}}", i == 0 ? "" : ",", type, bytes, i);
    }
    varve_buf_printf(&body, "]}");
    http_expect(&fixture, "POST", path, NULL, body.ptr, 200, "{…");
    varve_buf_fini(&body);
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
    static const char mark[] = "event: position\n";
    const char *start = text->ptr == NULL ? "" : text->ptr, *last = strstr(start, mark);
    for (const char *next = last; next != NULL; next = strstr(next + 1, mark)) last = next;
    if (last == NULL) {
        fail_msg("there is no heartbeat in %s", start);
        return 0;
    }
    unsigned long long position = strtoull(last + strlen("event: position\ndata: {\"position\":"), NULL, 10);
    char whole[128];
    snprintf(whole, sizeof whole, "id: %llu\nevent: position\ndata: {\"position\":%llu}\n\n", position, position);
    assert_non_null(strstr(start, whole));
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
}

static size_t stream_count(void)
{
    struct rlimit files = { 0 };
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    return files.rlim_cur >= 5 * streams_wanted ? streams_wanted : streams_wanted / 10;
}

static void many_streams_get_every_event_and_nobody_waits_for_a_reader_that_does_not(void **state)
{
    size_t streams = stream_count();
    int fds[STREAMS_MAX], small = 65536;
    varve_buf texts[STREAMS_MAX] = { { 0 } };
    (void)state;
    if (streams < streams_wanted) print_message("only %zu streams: more files may not be open\n", streams);
    fds[0] = subscribe("/log?types=Fan,Bulk", "");
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    for (size_t i = 1; i < streams; i++) fds[i] = subscribe("/log?types=Fan", "");
    for (size_t i = 0; i < streams; i++) assert_true(wire_until(fds[i], &texts[i], "caught_up"));
    /* The first reader stops reading here, with more to come for it than sockets hold; everything else goes on. */
    append_many("bulk-1", "Bulk", BULK_EVENTS, BULK_BYTES);
    for (int i = 0; i < 20; i++) append("f-1", "Fan");
    append("f-2", "Fan");
    for (size_t i = 1; i < streams; i++) {
        assert_true(wire_until(fds[i], &texts[i], "\"stream\":\"f-2\""));
        assert_int_equal(count(&texts[i], "event: event\n"), 21);
        assert_int_equal(count(&texts[i], "caught_up"), 1);
    }
    assert_true(wire_until(fds[0], &texts[0], "\"stream\":\"f-2\""));
    assert_in_range(count(&texts[0], "\"type\":\"Bulk\""), BULK_EVENTS - 4, BULK_EVENTS); /* chunks may cut some */
    for (size_t i = 0; i < streams; i++) {
        close(fds[i]);
        varve_buf_fini(&texts[i]);
    }
    append("f-3", "Fan");
}

/* A server that has room for two streams takes two others once it has given up on readers that do not read. */
static void a_reader_that_stops_reading_is_cut_off(void **state)
{
    struct server_options options = { .connections = 4, .threads = 1, .idle_s = 3, .heartbeat_ms = 600000 };
    struct fixture beside = fixture_beside(&fixture, &options);
    struct fixture usual = fixture;
    varve_buf text = { 0 };
    int fds[2], others[2];
    (void)state;
    append_many("bulk-2", "Unread", BULK_EVENTS, BULK_BYTES);
    fixture = beside;
    for (size_t i = 0; i < 2; i++) {
        int small = 65536;
        fds[i] = subscribe("/log?types=Unread", "");
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
        varve_buf_reset(&text);
        assert_true(wire_until(fds[i], &text, "HTTP/1.1 200 "));
    }
    bool refused = false;
    for (size_t taken = 0; taken < 2;) {
        int late = subscribe("/log?types=Never", "");
        varve_buf_reset(&text);
        assert_true(wire_until(late, &text, "\r\n\r\n"));
        refused = refused || strncmp(text.ptr, "HTTP/1.1 503 ", 13) == 0;
        assert_true(refused);
        if (strncmp(text.ptr, "HTTP/1.1 200 ", 13) == 0)
            others[taken++] = late;
        else
            close(late);
    }
    varve_buf_reset(&text);
    wire_rest(fds[0], &text);
    assert_null(strstr(text.ptr, "caught_up"));
    fixture = usual;
    for (size_t i = 0; i < 2; i++) {
        close(fds[i]);
        close(others[i]);
    }
    varve_buf_fini(&text);
    server_close(beside.server);
}

/* The cursor goes idle in a backlog where nothing matches, and its descriptor does not tell that there is more. */
static void a_backlog_without_a_match_is_gone_through_without_a_pause(void **state)
{
    struct server_options options = { .heartbeat_ms = 600000 };
    struct fixture beside = fixture_beside(&fixture, &options);
    struct fixture usual = fixture;
    varve_buf text = { 0 };
    (void)state;
    for (unsigned i = 0; i < PAST_EVENTS; i += 500) append_many("past-1", "Past", 500, 100);
    fixture = beside;
    int fd = subscribe("/log?types=Never", "");
    fixture = usual;
    assert_true(wire_until(fd, &text, "event: caught_up"));
    close(fd);
    varve_buf_fini(&text);
    server_close(beside.server);
}

static void *close_server(void *arg)
{
    server_close(arg);
    return NULL;
}

static void an_ending_server_feeds_no_backlog(void **state)
{
    struct server_options options = { 0 };
    struct fixture beside = fixture_beside(&fixture, &options);
    struct fixture usual = fixture;
    varve_buf text = { 0 };
    pthread_t closing;
    (void)state;
    fixture = beside;
    int fd = subscribe("/log", ""), holding = wire_open(&beside);
    assert_true(wire_until(fd, &text, "event: event"));
    fixture_hold();
    wire_send(holding, "POST /commands/Stall HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "Content-Length: 20\r\n\r\n{\"stream\":\"tally-x\"}");
    fixture_await_stall();
    assert_int_equal(pthread_create(&closing, NULL, close_server, beside.server), 0);
    wire_await_refusal(&beside);
    fixture_release();
    fixture = usual;
    wire_rest(fd, &text);
    close(holding);
    pthread_join(closing, NULL);
    assert_string_equal(text.ptr + text.len - 5, "0\r\n\r\n");
    assert_null(strstr(text.ptr, "caught_up"));
    assert_true(count(&text, "event: event\n") < PAST_EVENTS);
    close(fd);
    varve_buf_fini(&text);
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

/* http_stream_test [STREAMS]: how many are open at the same time in the case of many. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backlog_comes_first_and_then_what_follows),
        cmocka_unit_test(a_stream_resumes_where_it_was),
        cmocka_unit_test(a_stream_is_filtered),
        cmocka_unit_test(a_quiet_stream_has_a_heartbeat),
        cmocka_unit_test(a_rare_filter_moves_on_over_a_busy_log),
        cmocka_unit_test(a_wrong_start_is_refused),
        cmocka_unit_test(many_streams_get_every_event_and_nobody_waits_for_a_reader_that_does_not),
        cmocka_unit_test(a_reader_that_stops_reading_is_cut_off),
        cmocka_unit_test(a_backlog_without_a_match_is_gone_through_without_a_pause),
        cmocka_unit_test(an_ending_server_feeds_no_backlog),
        cmocka_unit_test(a_large_backlog_comes_whole_and_in_order),
        cmocka_unit_test(streams_end_when_the_server_closes),
    };
    if (argc > 1) streams_wanted = strtoul(argv[1], NULL, 10);
    if (streams_wanted < 10 || streams_wanted > STREAMS_MAX) return 2;
    return cmocka_run_group_tests(tests, start, stop);
}
