/* SPDX-License-Identifier: Apache-2.0 */
/* What comes over the wire from clients that are wrong, slow or hostile, and how a server that closes treats them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/scenario/http_fixture.h"

#define EVENT "{\"events\":[{\"type\":\"W\"}]}" /* 25 bytes */
#define JSON  "Content-Type: application/json\r\n"
#define HOST  "Host: localhost\r\n"

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    fixture_release();
    fixture_init(&fixture, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

/* Sends bytes and checks how the answer begins; with `closes`, that the connection ends with it. */
static void expect(const char *bytes, const char *answer, bool closes)
{
    varve_buf text = { 0 };
    int fd = wire_open(&fixture);
    wire_send(fd, bytes);
    assert_true(wire_until(fd, &text, "\r\n\r\n"));
    if (strncmp(text.ptr, answer, strlen(answer)) != 0) fail_msg("%s\nanswered %s", bytes, text.ptr);
    if (closes) wire_rest(fd, &text);
    close(fd);
    varve_buf_fini(&text);
}

static uint64_t head(void)
{
    uint64_t position = 0;
    assert_int_equal(varve_store_head(varve_engine_store(fixture.engine), &position, NULL), VARVE_OK);
    return position;
}

static void a_request_that_is_ambiguous_is_refused(void **state)
{
    static const char *const requests[] = {
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Content-Length: 25\r\nContent-Length: 25\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Content-Length: 25\r\nContent-Length: 5\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Content-Length: 25\r\nTransfer-Encoding: chunked\r\n\r\n"
        "19\r\n" EVENT "\r\n0\r\n\r\n",
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: gzip, chunked\r\n\r\n19\r\n" EVENT
        "\r\n0\r\n\r\n",
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: identity\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
        "19\r\n" EVENT "\r\n0\r\n\r\n",
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Content-Length: 0x19\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Content-Length: -1\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" HOST HOST JSON "Content-Length: 25\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" JSON "Content-Length: 25\r\n\r\n" EVENT,
        "GET /log HTTP/1.1\r\n" HOST JSON "Content-Length: 25\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON JSON "Content-Length: 25\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "If-Match: \"7\"\r\nIf-Match: *\r\nContent-Length: 25\r\n\r\n" EVENT,
        "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON
        "If-None-Match: *\r\nif-none-match: *\r\nContent-Length: 25\r\n\r\n" EVENT,
        "GET /log HTTP/1.1\r\n" HOST "Accept: text/event-stream\r\nLast-Event-ID: 0\r\nLast-Event-ID: 0\r\n\r\n",
    };
    uint64_t before = head();
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) expect(requests[i], "HTTP/1.1 400 ", true);
    assert_int_equal(head(), before);
}

/* Sends bytes that only end the connection, perhaps with an error before. */
static void expect_cut(const char *bytes)
{
    varve_buf text = { 0 };
    int fd = wire_open(&fixture);
    wire_send(fd, bytes);
    wire_rest(fd, &text);
    if (text.len > 0) assert_memory_equal(text.ptr, "HTTP/1.1 4", 10);
    close(fd);
    varve_buf_fini(&text);
}

/* What a proxy in front might frame in another way: refused or cut off, and never an append. */
static void a_request_that_is_framed_wrongly_appends_nothing(void **state)
{
#define POST    "POST /streams/frame-1 HTTP/1.1\r\n" HOST JSON
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
    static const char *const requests[] = {
        POST "Content-Length: 25, 25\r\n\r\n" EVENT,
        POST "Content-Length: +25\r\n\r\n" EVENT,
        POST "Content-Length: 25abc\r\n\r\n" EVENT,
        POST "Content-Length:\r\n\r\n" EVENT,
        POST "Content-Length: 99999999999999999999999999\r\n\r\n" EVENT,
        POST "Content-Length: 18446744073709551641\r\n\r\n" EVENT, /* 25 and 2 to the power of 64 */
        POST "Content-Length: 25\r\nTransfer-Encoding: identity\r\n\r\n" EVENT,
        POST "Content-Length : 25\r\n\r\n" EVENT,
        POST " Content-Length: 25\r\n\r\n" EVENT,
        POST "X-Folded: a\r\n Content-Length: 25\r\n\r\n",
        POST "Transfer-Encoding: xchunked\r\n\r\n19\r\n" EVENT "\r\n0\r\n\r\n",
        POST "Transfer-Encoding: chunked, identity\r\n\r\n19\r\n" EVENT "\r\n0\r\n\r\n",
        POST "Transfer-Encoding: \"chunked\"\r\n\r\n19\r\n" EVENT "\r\n0\r\n\r\n",
        POST "Transfer-Encoding: \vchunked\r\n\r\n19\r\n" EVENT "\r\n0\r\n\r\n",
        POST "Transfer-Encoding : chunked\r\n\r\n19\r\n" EVENT "\r\n0\r\n\r\n",
        CHUNKED "0x19\r\n" EVENT "\r\n0\r\n\r\n",
        CHUNKED "+19\r\n" EVENT "\r\n0\r\n\r\n",
        CHUNKED "-19\r\n" EVENT "\r\n0\r\n\r\n",
        CHUNKED " 19\r\n" EVENT "\r\n0\r\n\r\n",
        CHUNKED "10000000000000019\r\n" EVENT "\r\n0\r\n\r\n",
        CHUNKED "18\r\n" EVENT "\r\n0\r\n\r\n",
        CHUNKED "\r\n19\r\n" EVENT "\r\n0\r\n\r\n",
        CHUNKED "nineteen\r\n" EVENT "\r\n0\r\n\r\n",
        "POST /streams/frame-1\r\n" HOST JSON "Content-Length: 25\r\n\r\n" EVENT,
        "POST /streams/frame-1 HTTP/9.9\r\n" HOST JSON "Content-Length: 25\r\n\r\n" EVENT,
        "POST /streams/frame-1 HTTP/1.1 HTTP/1.1\r\n" HOST JSON "Content-Length: 25\r\n\r\n" EVENT,
    };
    uint64_t before = head();
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        varve_buf text = { 0 };
        int fd = wire_open(&fixture);
        wire_send(fd, requests[i]);
        shutdown(fd, SHUT_WR); /* nothing more comes, also where it waits for more */
        bool answered = wire_until(fd, &text, "\r\n\r\n");
        bool refused =
            !answered || strncmp(text.ptr, "HTTP/1.1 4", 10) == 0 || strncmp(text.ptr, "HTTP/1.1 505 ", 13) == 0;
        if (!refused || head() != before) fail_msg("%s\nanswered %s", requests[i], answered ? text.ptr : "nothing");
        close(fd);
        varve_buf_fini(&text);
    }
#undef CHUNKED
#undef POST
}

static void a_stranger_is_turned_away_before_the_body(void **state)
{
    (void)state;
    expect("POST /streams/w-1 HTTP/1.1\r\nHost: evil.example\r\n" JSON "Content-Length: 25\r\n\r\n", "HTTP/1.1 421 ",
           true);
    expect("POST /streams/w-1 HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 25\r\n\r\n",
           "HTTP/1.1 415 ", true);
    expect("GET http://evil.example/log HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404 ", false);
}

static void chunks_and_pieces_make_one_body(void **state)
{
    varve_buf text = { 0 };
    (void)state;
    expect("POST /streams/chunks-1 HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n"
           "5\r\n{\"eve\r\n14\r\nnts\":[{\"type\":\"W\"}]}\r\n0\r\n\r\n",
           "HTTP/1.1 200 ", false);
    int fd = wire_open(&fixture);
    wire_send(fd, "POST /streams/pieces-1 HTTP/1.1\r\n" HOST JSON "Content-Length: 25\r\nExpect: 100-continue\r\n\r\n");
    assert_true(wire_until(fd, &text, "HTTP/1.1 100 Continue\r\n\r\n"));
    wire_send(fd, "{\"events\":");
    wire_send(fd, "[{\"type\":\"W\"}]}");
    assert_true(wire_until(fd, &text, "{\"stream\":\"pieces-1\",\"version\":1,"));
    close(fd);
    varve_buf_fini(&text);
}

static void one_connection_carries_many_requests(void **state)
{
    varve_buf text = { 0 };
    char expected[64];
    int fd = wire_open(&fixture);
    (void)state;
    for (int i = 0; i < 50; i++) {
        wire_send(fd, "POST /streams/keep-1 HTTP/1.1\r\n" HOST JSON "Content-Length: 25\r\n\r\n" EVENT
                      "GET /health/live HTTP/1.1\r\n" HOST "\r\n");
    }
    for (int i = 1; i <= 50; i++) {
        snprintf(expected, sizeof expected, "\"version\":%d,", i);
        assert_true(wire_until(fd, &text, expected));
    }
    assert_true(wire_until(fd, &text, "{\"status\":\"live\"}"));
    close(fd);
    varve_buf_fini(&text);
}

static void a_refusal_does_not_end_the_connection(void **state)
{
    varve_buf text = { 0 };
    int fd = wire_open(&fixture);
    (void)state;
    wire_send(fd, "GET /nothing HTTP/1.1\r\n" HOST "\r\n"
                  "GET /log?x=1 HTTP/1.1\r\n" HOST "\r\n"
                  "POST /streams/w-1 HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}"
                  "GET /health/live HTTP/1.1\r\n" HOST "\r\n");
    assert_true(wire_until(fd, &text, "{\"status\":\"live\"}"));
    assert_null(strstr(text.ptr, "Connection: close"));
    close(fd);
    varve_buf_fini(&text);
}

static void what_is_too_large_is_refused(void **state)
{
    varve_buf bytes = { 0 };
    (void)state;
    expect("POST /append HTTP/1.1\r\n" HOST JSON "Content-Length: 99999999\r\n\r\n", "HTTP/1.1 413 ", true);
    varve_buf_printf(&bytes, "GET /log HTTP/1.1\r\n" HOST "X-Large: %0100000d\r\n\r\n", 0);
    expect_cut(bytes.ptr);
    /* A body of chunks says only at its end how long it is. */
    varve_buf_reset(&bytes);
    varve_buf_printf(&bytes,
                     "POST /projections/tallies/rebuild HTTP/1.1\r\n" HOST JSON
                     "Transfer-Encoding: chunked\r\n\r\n5dc\r\n%01500d\r\n0\r\n\r\n",
                     0);
    expect(bytes.ptr, "HTTP/1.1 413 ", false);
    /* One that goes on and on is cut off. */
    varve_buf_reset(&bytes);
    varve_buf_printf(&bytes,
                     "POST /projections/tallies/rebuild HTTP/1.1\r\n" HOST JSON
                     "Transfer-Encoding: chunked\r\n\r\nffffff\r\n%050000d\r\n",
                     0);
    expect_cut(bytes.ptr);
    varve_buf_fini(&bytes);
}

static void what_is_no_http_ends_the_connection(void **state)
{
    (void)state;
    expect_cut("GET\r\n\r\n");
    expect_cut("GET /log\r\n\r\n");
    expect_cut("GET /log HTTP/1.1\r\nno colon\r\n\r\n");
    expect_cut("GET /a b HTTP/1.1\r\n" HOST "\r\n");
    http_expect(&fixture, "GET", "/health/live", NULL, NULL, 200, "{\"status\":\"live\"}");
}

static void a_client_that_goes_away_leaves_nothing_behind(void **state)
{
    varve_buf body = { 0 }, request = { 0 };
    (void)state;
    for (int i = 0; i < 3000; i++) {
        varve_buf_printf(&body, "{\"type\":\"Add\",\"stream\":\"tally-gone%d\",\"data\":{\"amount\":1}}\n", i);
    }
    varve_buf_printf(&request,
                     "POST /commands HTTP/1.1\r\n" HOST "Content-Type: application/x-ndjson\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     body.len);
    varve_buf_str(&request, varve_buf_view(&body));
    for (int i = 0; i < 5; i++) {
        varve_buf text = { 0 };
        int fd = wire_open(&fixture);
        wire_send(fd, request.ptr);
        if (i % 2 == 0) assert_true(wire_until(fd, &text, "{\"stream\":\"tally-gone0\""));
        close(fd);
        varve_buf_fini(&text);
    }
    http_expect(&fixture, "GET", "/health/live", NULL, NULL, 200, "{\"status\":\"live\"}");
    varve_buf_fini(&body);
    varve_buf_fini(&request);
}

/* More answers than the kernel holds for a client that does not read. */
static void a_batch_whose_answers_are_not_read_stops_only_itself(void **state)
{
    varve_buf body = { 0 }, request = { 0 }, text = { 0 };
    int fd = wire_open(&fixture), small = 65536;
    (void)state;
    for (int i = 0; i < 3000; i++) {
        varve_buf_printf(&body,
                         "{\"type\":\"Add\",\"stream\":\"tally-slow%d\",\"data\":{\"amount\":1,\"pad\":\"%03000d\"}}\n",
                         i, 0);
    }
    varve_buf_printf(&request,
                     "POST /commands HTTP/1.1\r\n" HOST "Content-Type: application/x-ndjson\r\n"
                     "Connection: close\r\nContent-Length: %zu\r\n\r\n",
                     body.len);
    varve_buf_str(&request, varve_buf_view(&body));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    wire_send(fd, request.ptr);
    for (int i = 0; i < 20; i++) {
        http_expect(&fixture, "POST", "/commands/Add", NULL, "{\"stream\":\"tally-other\",\"data\":{\"amount\":1}}",
                    200, "{\"stream\":\"tally-other\",…");
    }
    wire_rest(fd, &text);
    size_t answers = 0;
    for (const char *at = text.ptr; (at = strstr(at, "]}\n")) != NULL; at++) answers++;
    assert_in_range(answers, 2900, 3000); /* the border of a chunk may cut one */
    assert_string_equal(text.ptr + text.len - 5, "0\r\n\r\n");
    close(fd);
    varve_buf_fini(&body);
    varve_buf_fini(&request);
    varve_buf_fini(&text);
}

/* Sends an append, and gives its answer's status. */
static long append_once(const struct fixture *to)
{
    struct reply reply = { 0 };
    http_send(to, "POST", "/streams/crowd-1", NULL, EVENT, &reply);
    if (reply.status == 503) assert_memory_equal(reply_header(&reply, "Retry-After"), "1\r", 2);
    reply_fini(&reply);
    return reply.status;
}

/* Returns once the server holds so many bytes of bodies. */
static void await_held(const struct fixture *to, int bytes)
{
    char line[64];
    bool seen = false;
    snprintf(line, sizeof line, "\nvarve_http_body_bytes %d\n", bytes);
    while (!seen) {
        struct reply reply = { 0 };
        http_send(to, "GET", "/metrics", NULL, NULL, &reply);
        assert_int_equal(reply.status, 200);
        seen = strstr(reply.body.ptr, line) != NULL;
        reply_fini(&reply);
    }
}

static void bodies_take_bounded_memory(void **state)
{
    struct server_options options = { .body_bytes = 1000 };
    struct fixture small = fixture_beside(&fixture, &options);
    varve_buf bytes = { 0 };
    (void)state;
    assert_int_equal(append_once(&small), 200);
    await_held(&small, 0); /* who has an answer may still be a moment ahead of the server's own end of the request */
    int fd = wire_open(&small);
    varve_buf_printf(&bytes, "POST /streams/crowd-2 HTTP/1.1\r\n" HOST JSON "Content-Length: 999\r\n\r\n%0990d", 0);
    wire_send(fd, bytes.ptr);
    await_held(&small, 990);
    assert_int_equal(append_once(&small), 503);
    close(fd);
    await_held(&small, 0);
    assert_int_equal(append_once(&small), 200);
    server_close(small.server);
    varve_buf_fini(&bytes);
}

static void a_request_that_takes_too_long_to_arrive_is_refused(void **state)
{
    static const struct {
        const char *first, *second;
    } cases[] = {
        { "GET /health/live HTTP/1.1\r\n", HOST "\r\n" },
        { "POST /streams/late-1 HTTP/1.1\r\n" HOST JSON "Content-Length: 25\r\n\r\n", EVENT },
        { "POST /streams/late-1 HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n",
          "19\r\n" EVENT "\r\n0\r\n\r\n" },
    };
    struct server_options options = { .arrival_ms = 200 };
    struct fixture small = fixture_beside(&fixture, &options);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        varve_buf text = { 0 };
        int fd = wire_open(&small);
        wire_send(fd, cases[i].first);
        nanosleep(&(struct timespec){ .tv_nsec = 400000000 }, NULL); /* time is what this is about */
        wire_send(fd, cases[i].second);
        wire_rest(fd, &text);
        assert_non_null(text.ptr);
        assert_memory_equal(text.ptr, "HTTP/1.1 408 ", 13);
        assert_non_null(strstr(text.ptr, "urn:varve:problem:request-timeout"));
        close(fd);
        varve_buf_fini(&text);
    }
    http_expect(&small, "GET", "/streams/late-1", NULL, NULL, 404, "{…");
    server_close(small.server);
}

/* Sends one byte now and then, however it is taken, until each connection has ended. */
static void dribble(const int *fds, const char *bytes, size_t count)
{
    size_t ended = 0;
    bool over[8] = { false };
    while (ended < count) {
        for (size_t i = 0; i < count; i++) {
            char ignored[512];
            struct pollfd end = { .fd = fds[i], .events = POLLIN };
            if (over[i]) continue;
            (void)send(fds[i], &bytes[i], 1, MSG_NOSIGNAL);
            if (poll(&end, 1, 10) == 1 && recv(fds[i], ignored, sizeof ignored, 0) <= 0) over[i] = true;
            ended += over[i];
        }
    }
}

/* The idle time alone would never end these. */
static void a_request_that_comes_byte_by_byte_is_cut_off(void **state)
{
    static const char *const begun[] = {
        "GET /",
        "GET /health/live HTTP/1.1\r\n" HOST "X-Slow: ",
        "GET /health/live HTTP/1.1\r\n" HOST "\r\nGET /health/live HTTP/1.1\r\n",
        "POST /streams/slow-1 HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n1;",
    };
    enum { SLOW = sizeof begun / sizeof *begun };
    struct server_options options = { .idle_s = 5, .arrival_ms = 200 };
    struct fixture small = fixture_beside(&fixture, &options);
    struct reply reply = { 0 };
    int fds[SLOW];
    (void)state;
    for (size_t i = 0; i < SLOW; i++) {
        fds[i] = wire_open(&small);
        wire_send(fds[i], begun[i]);
    }
    dribble(fds, "aaaa", SLOW);
    http_send(&small, "GET", "/metrics", NULL, NULL, &reply);
    assert_non_null(strstr(reply.body.ptr, "\nvarve_http_connections_cut_total 4\n"));
    for (size_t i = 0; i < SLOW; i++) close(fds[i]);
    reply_fini(&reply);
    server_close(small.server);
}

static void *close_server(void *arg)
{
    server_close(arg);
    return NULL;
}

/* How often `what` begins a line of an answer; a line that the border of a chunk cuts is not looked at. */
static int count_lines(const char *text, const char *what)
{
    int found = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) found++;
    return found;
}

static void await_commands(uint64_t count)
{
    varve_engine_stats stats = { 0 };
    while (stats.command_queue < count) varve_engine_get_stats(fixture.engine, &stats);
}

static void a_server_that_closes_begins_nothing_more_of_a_batch(void **state)
{
    enum { LINES = 2000, WINDOW = 256 };
    struct server_options options = { 0 };
    struct fixture beside = fixture_beside(&fixture, &options);
    varve_buf body = { 0 }, request = { 0 }, text = { 0 };
    pthread_t closing;
    (void)state;
    fixture_hold();
    varve_buf_printf(&body, "{\"type\":\"Stall\",\"stream\":\"tally-stop\"}\n");
    for (int i = 1; i < LINES; i++) {
        varve_buf_printf(&body, "{\"type\":\"Add\",\"stream\":\"tally-stop\",\"data\":{\"amount\":1}}\n");
    }
    varve_buf_printf(&request,
                     "POST /commands HTTP/1.1\r\n" HOST "Content-Type: application/x-ndjson\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     body.len, body.ptr);
    int fd = wire_open(&beside);
    wire_send(fd, request.ptr);
    fixture_await_stall();
    await_commands(WINDOW - 1);
    assert_int_equal(pthread_create(&closing, NULL, close_server, beside.server), 0);
    wire_await_refusal(&beside);
    fixture_release();
    wire_rest(fd, &text);
    pthread_join(closing, NULL);
    assert_memory_equal(text.ptr, "HTTP/1.1 200 ", 13);
    assert_string_equal(text.ptr + text.len - 5, "0\r\n\r\n");
    /* The window is begun, what is behind it is not; the border of a chunk may cut a line. */
    assert_in_range(count_lines(text.ptr, "{\"stream\":\"tally-stop\",\"version\":"), WINDOW - 8, WINDOW);
    int unavailable = count_lines(text.ptr, "\"urn:varve:problem:unavailable\"");
    assert_in_range(unavailable, LINES - WINDOW - 64, LINES - WINDOW);
    const char *first = strstr(text.ptr, "\"urn:varve:problem:unavailable\"");
    assert_null(strstr(first, "{\"stream\":\"tally-stop\",\"version\":"));
    close(fd);
    varve_buf_fini(&body);
    varve_buf_fini(&request);
    varve_buf_fini(&text);
}

static void a_server_that_closes_answers_what_is_under_way(void **state)
{
    varve_buf text = { 0 };
    pthread_t closing;
    (void)state;
    fixture_hold();
    int fd = wire_open(&fixture);
    wire_send(fd, "POST /commands/Stall HTTP/1.1\r\n" HOST JSON "Content-Length: 20\r\n\r\n{\"stream\":\"tally-x\"}");
    fixture_await_stall();
    assert_int_equal(pthread_create(&closing, NULL, close_server, fixture.server), 0);
    wire_await_refusal(&fixture);
    fixture_release();
    wire_rest(fd, &text);
    assert_memory_equal(text.ptr, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(text.ptr, "{\"stream\":\"tally-x\",\"version\":1,"));
    pthread_join(closing, NULL);
    fixture.server = NULL;
    close(fd);
    varve_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_is_ambiguous_is_refused),
        cmocka_unit_test(a_request_that_is_framed_wrongly_appends_nothing),
        cmocka_unit_test(a_stranger_is_turned_away_before_the_body),
        cmocka_unit_test(chunks_and_pieces_make_one_body),
        cmocka_unit_test(one_connection_carries_many_requests),
        cmocka_unit_test(a_refusal_does_not_end_the_connection),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(what_is_no_http_ends_the_connection),
        cmocka_unit_test(a_client_that_goes_away_leaves_nothing_behind),
        cmocka_unit_test(a_batch_whose_answers_are_not_read_stops_only_itself),
        cmocka_unit_test(bodies_take_bounded_memory),
        cmocka_unit_test(a_request_that_takes_too_long_to_arrive_is_refused),
        cmocka_unit_test(a_request_that_comes_byte_by_byte_is_cut_off),
        cmocka_unit_test(a_server_that_closes_begins_nothing_more_of_a_batch),
        cmocka_unit_test(a_server_that_closes_answers_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
