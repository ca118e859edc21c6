/* SPDX-License-Identifier: Apache-2.0 */
/* /subscriptions: one life after the other on one server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "tests/scenario/http_fixture.h"

#define POLLS_MAX 1000 /* fewer where not so many files may be open */

static struct fixture fixture;

static int start(void **state)
{
    struct rlimit files = { 0 };
    (void)state;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    fixture_init(&fixture, 1000);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

static void append(const char *stream)
{
    char path[64];
    snprintf(path, sizeof path, "/streams/%s", stream);
    http_expect(&fixture, "POST", path, NULL, "{\"events\":[{\"type\":\"Noted\"}]}", 200, "{…");
}

static void post(const char *path, const char *sent, long status, const char *body)
{
    http_expect(&fixture, "POST", path, NULL, sent, status, body);
}

/* The positions that a read answers with, and '#' with the attempt where it is not the first. */
static void expect_read(const char *path, const char *sent, const char *expected)
{
    struct reply reply = { 0 };
    varve_buf positions = { 0 };
    varve_buf_str(&positions, VARVE_STR(""));
    http_send(&fixture, "POST", path, NULL, sent, &reply);
    if (reply.status != 200) fail_msg("%s", reply.body.ptr);
    assert_non_null(strstr(reply.body.ptr, "],\"position\":"));
    for (const char *at = reply.body.ptr; (at = strstr(at, "{\"position\":")) != NULL; at++) {
        unsigned long position = strtoul(at + strlen("{\"position\":"), NULL, 10);
        unsigned long attempt = strtoul(strstr(at, "\"attempt\":") + strlen("\"attempt\":"), NULL, 10);
        varve_buf_printf(&positions, attempt == 1 ? "%lu " : "%lu#%lu ", position, attempt);
    }
    assert_string_equal(positions.ptr, expected);
    varve_buf_fini(&positions);
    reply_fini(&reply);
}

static void it_is_created_shown_and_deleted(void **state)
{
    (void)state;
    http_expect(&fixture, "GET", "/subscriptions", NULL, NULL, 200, "{\"subscriptions\":[]}");
    http_expect(&fixture, "GET", "/subscriptions/mail", NULL, NULL, 404, "{…");
    post("/subscriptions/mail", "{\"categories\":[\"note\"],\"members\":2,\"max_attempts\":3}", 201,
         "{\"name\":\"mail\",\"state\":\"active\",\"position\":0,\"head\":0,\"lag\":0,\"parked\":0,"
         "\"categories\":[\"note\"],\"types\":[],\"tags\":[],\"after\":0,\"members\":2,\"max_attempts\":3,"
         "\"created_at\":\"…");
    post("/subscriptions/mail", "{\"max_attempts\":3,\"members\":2,\"categories\":[\"note\"]}", 200,
         "{\"name\":\"mail\"…");
    post("/subscriptions/mail", "{\"members\":3}", 412, "{\"type\":\"urn:varve:problem:version-conflict\",…");
    post("/subscriptions/mail", "{\"members\":65}", 400, "{…");
    post("/subscriptions/mail", "{\"filter\":1}", 400, "{…");
    post("/subscriptions/Mail", "{}", 400, "{…");
    post("/subscriptions/mail?member=1", "{}", 400, "{…");
    post("/subscriptions/late", "{\"after\":1}", 400, "{…");
    http_expect(&fixture, "PUT", "/subscriptions/mail", NULL, "{}", 405, "{…");
    post("/subscriptions/mail/delete", "{\"yes\":1}", 400, "{…");
    post("/subscriptions/mail/delete", "{}", 200, "{\"name\":\"mail\",\"outcome\":\"deleted\"}");
    post("/subscriptions/mail/delete", "{}", 404, "{…");
    post("/subscriptions/mail/read", "{\"consumer\":\"ann\"}", 404, "{…");
}

static void events_are_read_and_settled(void **state)
{
    (void)state;
    post("/subscriptions/mail", "{\"max_attempts\":3}", 201, "{…");
    append("a-1"); /* 1 */
    append("b-1"); /* 2 */
    append("a-1"); /* 3 */
    append("c-1"); /* 4 */
    post("/subscriptions/mail/read", "{}", 400, "{…");
    post("/subscriptions/mail/read", "{\"consumer\":\"ann\",\"limit\":1001}", 400, "{…");
    post("/subscriptions/mail/read", "{\"consumer\":\"ann\",\"wait_ms\":60001}", 400, "{…");
    expect_read("/subscriptions/mail/read", "{\"consumer\":\"ann\",\"limit\":2}", "1 2 ");
    expect_read("/subscriptions/mail/read", "{\"consumer\":\"ann\"}", "1 2 3 4 ");
    post("/subscriptions/mail/read", "{\"consumer\":\"bob\"}", 503, "{\"type\":\"urn:varve:problem:locked\",…");
    post("/subscriptions/mail/ack", "{\"consumer\":\"ann\",\"positions\":[3]}", 412, "{…");
    post("/subscriptions/mail/ack", "{\"consumer\":\"bob\",\"positions\":[1]}", 412, "{…");
    post("/subscriptions/mail/ack", "{\"consumer\":\"ann\"}", 400, "{…");
    post("/subscriptions/mail/ack", "{\"consumer\":\"ann\",\"positions\":[9]}", 400, "{…");
    post("/subscriptions/mail/ack", "{\"consumer\":\"ann\",\"through\":2}", 200,
         "{\"name\":\"mail\",\"outcome\":\"acknowledged\"}");
    post("/subscriptions/mail/retry", "{\"consumer\":\"ann\",\"position\":3,\"reason\":\"no answer\"}", 200,
         "{\"name\":\"mail\",\"outcome\":\"held\"}");
    post("/subscriptions/mail/retry", "{\"consumer\":\"ann\",\"position\":4,\"delay_ms\":60000}", 200, "{…");
    expect_read("/subscriptions/mail/read", "{\"consumer\":\"ann\"}", "3#2 ");
    post("/subscriptions/mail/park", "{\"position\":3,\"reason\":\"broken\",\"actor\":\"eve\"}", 200,
         "{\"name\":\"mail\",\"outcome\":\"parked\"}");
    append("a-1"); /* 5 */
    expect_read("/subscriptions/mail/read", "{\"consumer\":\"ann\"}", "");
    http_expect(&fixture, "GET", "/subscriptions/mail/parked", NULL, NULL, 200,
                "{\"parked\":[{\"member\":1,\"stream\":\"a-1\",\"position\":3,\"version\":2,\"attempts\":2,\"reason\":"
                "\"broken\",\"actor\":\"eve\",\"parked_at\":\"…");
    post("/subscriptions/mail/retry", "{\"position\":4}", 404, "{…"); /* it is held, not parked */
    post("/subscriptions/mail/retry", "{\"position\":3,\"delay_ms\":5}", 400, "{…");
    post("/subscriptions/mail/retry", "{\"position\":3}", 200, "{\"name\":\"mail\",\"outcome\":\"unparked\"}");
    http_expect(&fixture, "GET", "/subscriptions/mail/parked?member=1", NULL, NULL, 200,
                "{\"parked\":[],\"next\":null}");
    expect_read("/subscriptions/mail/read", "{\"consumer\":\"ann\"}", "3#3 ");
    post("/subscriptions/mail/retry", "{\"consumer\":\"ann\",\"position\":3,\"reason\":\"again\"}", 200,
         "{\"name\":\"mail\",\"outcome\":\"parked\"}"); /* the third attempt */
    post("/subscriptions/mail/skip", "{\"position\":3}", 200, "{\"name\":\"mail\",\"outcome\":\"skipped\"}");
    post("/subscriptions/mail/skip", "{\"position\":4}", 200, "{\"name\":\"mail\",\"outcome\":\"skipped\"}");
    expect_read("/subscriptions/mail/read", "{\"consumer\":\"ann\"}", "5 ");
    post("/subscriptions/mail/ack", "{\"consumer\":\"ann\",\"positions\":[5]}", 200, "{…");
    http_expect(&fixture, "GET", "/subscriptions/mail", NULL, NULL, 200,
                "{\"name\":\"mail\",\"state\":\"active\",\"position\":5,\"head\":5,\"lag\":0,\"parked\":0,…");
}

static void the_parked_come_by_pages(void **state)
{
    struct reply reply = { 0 };
    (void)state;
    append("p-1"); /* 6 */
    append("p-2"); /* 7 */
    append("p-3"); /* 8 */
    for (int i = 6; i <= 8; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"position\":%d}", i);
        post("/subscriptions/mail/park", body, 200, "{…");
    }
    http_send(&fixture, "GET", "/subscriptions/mail/parked?limit=2", NULL, NULL, &reply);
    assert_non_null(strstr(reply.body.ptr, "],\"next\":\"0001/p-2\"}"));
    assert_null(strstr(reply.body.ptr, "p-3"));
    reply_fini(&reply);
    http_expect(&fixture, "GET", "/subscriptions/mail/parked?after=0001/p-2", NULL, NULL, 200,
                "{\"parked\":[{\"member\":1,\"stream\":\"p-3\",…");
    http_expect(&fixture, "GET", "/subscriptions/mail/parked?limit=0", NULL, NULL, 400, "{…");
    http_expect(&fixture, "GET", "/subscriptions/other/parked", NULL, NULL, 404, "{…");
}

/* ---- long polls ---- */

static int begin_read(unsigned wait_ms)
{
    char body[96], request[256];
    int fd = wire_open(&fixture);
    int len = snprintf(body, sizeof body, "{\"consumer\":\"ann\",\"wait_ms\":%u}", wait_ms);
    snprintf(request, sizeof request,
             "POST /subscriptions/mail/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Content-Length: %d\r\n\r\n%s",
             len, body);
    wire_send(fd, request);
    return fd;
}

static void a_read_that_waits_in_vain_ends_empty(void **state)
{
    uint64_t begin = clock_ns();
    (void)state;
    expect_read("/subscriptions/mail/read", "{\"consumer\":\"ann\",\"wait_ms\":200}", "");
    assert_in_range(clock_ns() - begin, 200000000u, 10000000000u);
}

static void an_append_wakes_all_that_wait(void **state)
{
    static int polls[POLLS_MAX];
    struct rlimit files = { 0 };
    uint64_t begin = clock_ns();
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    size_t count = files.rlim_cur > 5 * POLLS_MAX ? POLLS_MAX : (size_t)files.rlim_cur / 5;
    for (size_t i = 0; i < count; i++) polls[i] = begin_read(60000);
    /* They hold no worker: what needs one is answered. */
    for (int i = 0; i < 20; i++) http_expect(&fixture, "GET", "/subscriptions/mail", NULL, NULL, 200, "{…");
    append("w-1"); /* 9 */
    for (size_t i = 0; i < count; i++) {
        varve_buf text = { 0 };
        assert_true(wire_until(polls[i], &text, "\"attempt\":1}],\"position\":8,"));
        assert_non_null(strstr(text.ptr, "{\"position\":9,\"stream\":\"w-1\""));
        varve_buf_fini(&text);
        close(polls[i]);
    }
    assert_true(clock_ns() - begin < 50000000000u);
    print_message("%zu reads waited at once\n", count);
}

static void more_than_may_wait_are_refused(void **state)
{
    enum { WAITING = 4 };
    struct pollfd polls[WAITING + 1];
    struct server_options options = { .listen = "127.0.0.1:0", .connections = 2 * WAITING };
    struct fixture before = fixture, beside = fixture_beside(&fixture, &options);
    varve_buf text = { 0 };
    size_t refused = 0;
    (void)state;
    fixture = beside;
    for (size_t i = 0; i <= WAITING; i++) polls[i] = (struct pollfd){ .fd = begin_read(60000), .events = POLLIN };
    assert_int_equal(poll(polls, WAITING + 1, 20000), 1); /* one is answered, whichever came last */
    while (polls[refused].revents == 0) refused++;
    assert_true(wire_until(polls[refused].fd, &text, "4 reads are under way or waiting already"));
    assert_non_null(strstr(text.ptr, "HTTP/1.1 503 "));
    assert_non_null(strstr(text.ptr, "\r\nRetry-After: 1\r\n"));
    assert_non_null(strstr(text.ptr, "\"type\":\"urn:varve:problem:busy\""));
    http_expect(&fixture, "GET", "/subscriptions/mail", NULL, NULL, 200, "{…");
    append("w-2"); /* 10 */
    for (size_t i = 0; i <= WAITING; i++) {
        varve_buf_reset(&text);
        if (i != refused) assert_true(wire_until(polls[i].fd, &text, "\"stream\":\"w-2\""));
        close(polls[i].fd);
    }
    post("/subscriptions/mail/ack", "{\"consumer\":\"ann\",\"positions\":[10]}", 200, "{…");
    fixture = before;
    server_close(beside.server);
    varve_buf_fini(&text);
}

static void a_retry_that_is_due_wakes_who_waits(void **state)
{
    uint64_t begin = clock_ns();
    (void)state;
    post("/subscriptions/mail/retry", "{\"consumer\":\"ann\",\"position\":9,\"delay_ms\":300}", 200, "{…");
    expect_read("/subscriptions/mail/read", "{\"consumer\":\"ann\",\"wait_ms\":60000}", "9#2 ");
    assert_in_range(clock_ns() - begin, 100000000u, 30000000000u);
    post("/subscriptions/mail/ack", "{\"consumer\":\"ann\",\"positions\":[9]}", 200, "{…");
}

/* The last case: what waits when the server is closed is answered. */
static void closing_ends_the_waiting(void **state)
{
    varve_buf text = { 0 };
    struct server_options options = { .listen = "127.0.0.1:0" };
    struct fixture before = fixture, beside = fixture_beside(&fixture, &options);
    (void)state;
    fixture = beside;
    int fd = begin_read(60000);
    http_expect(&fixture, "GET", "/subscriptions/mail", NULL, NULL, 200, "{…");
    uint64_t begin = clock_ns();
    fixture = before;
    server_close(beside.server);
    assert_true(clock_ns() - begin < 9000000000u);
    assert_true(wire_until(fd, &text, "{\"events\":[],\"position\":10,"));
    close(fd);
    varve_buf_fini(&text);
}

/* Reads that do not wait go on where the last one came to. */
static void what_is_rare_is_found_without_waiting(void **state)
{
    (void)state;
    varve_buf body = { 0 };
    struct reply reply = { 0 };
    varve_buf_str(&body, VARVE_STR("{\"events\":[{\"type\":\"Noted\"}"));
    for (int i = 1; i < 1000; i++) varve_buf_str(&body, VARVE_STR(",{\"type\":\"Noted\"}"));
    varve_buf_str(&body, VARVE_STR("]}"));
    for (int i = 0; i < 22; i++) http_expect(&fixture, "POST", "/streams/many-1", NULL, body.ptr, 200, "{…");
    http_expect(&fixture, "POST", "/streams/many-1", NULL, "{\"events\":[{\"type\":\"Rare\"}]}", 200, "{…");
    post("/subscriptions/rare", "{\"types\":[\"Rare\"]}", 201, "{…");
    bool found = false;
    for (int i = 0; i < 100 && !found; i++) {
        http_send(&fixture, "POST", "/subscriptions/rare/read", NULL, "{\"consumer\":\"ann\"}", &reply);
        assert_int_equal(reply.status, 200);
        found = strstr(reply.body.ptr, "\"type\":\"Rare\"") != NULL;
        reply_fini(&reply);
    }
    assert_true(found);
    varve_buf_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_created_shown_and_deleted),
        cmocka_unit_test(events_are_read_and_settled),
        cmocka_unit_test(the_parked_come_by_pages),
        cmocka_unit_test(a_read_that_waits_in_vain_ends_empty),
        cmocka_unit_test(an_append_wakes_all_that_wait),
        cmocka_unit_test(a_retry_that_is_due_wakes_who_waits),
        cmocka_unit_test(more_than_may_wait_are_refused),
        cmocka_unit_test(closing_ends_the_waiting),
        cmocka_unit_test(what_is_rare_is_found_without_waiting),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
