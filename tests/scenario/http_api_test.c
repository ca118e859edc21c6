/* SPDX-License-Identifier: Apache-2.0 */
/* What each path answers: shapes to the byte where they are fixed, statuses and problem types elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/scenario/http_fixture.h"

#define BATCH_LINES 2000

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    fixture_init(&fixture, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

static void get(const char *path, long status, const char *body)
{
    http_expect(&fixture, "GET", path, NULL, NULL, status, body);
}

static void post(const char *path, const char *headers, const char *sent, long status, const char *body)
{
    http_expect(&fixture, "POST", path, headers, sent, status, body);
}

static void an_append_is_answered_and_read_back_exactly(void **state)
{
    struct reply reply = { 0 };
    (void)state;
    post("/streams/note-1", "If-None-Match: *",
         "{\"events\":[{\"type\":\"Noted\",\"data\":{\"n\": 1.50, \"u\":\"\\u00e9\"},\"tags\":[\"a\"],"
         "\"id\":\"01900000-0000-7000-8000-000000000001\",\"occurred_at\":\"2020-01-02T03:04:05Z\"}]}",
         200, "{\"stream\":\"note-1\",\"version\":1,\"first_position\":1,\"last_position\":1}");
    http_send(&fixture, "GET", "/streams/note-1", NULL, NULL, &reply);
    assert_int_equal(reply.status, 200);
    const char *expected = "{\"stream\":\"note-1\",\"version\":1,\"events\":[{\"position\":1,\"stream\":\"note-1\","
                           "\"aggregate_id\":\"1\",\"version\":1,\"id\":\"01900000-0000-7000-8000-000000000001\","
                           "\"type\":\"Noted\",\"data\":{\"n\": 1.50, \"u\":\"\\u00e9\"},\"metadata\":{},"
                           "\"tags\":[\"a\"],\"occurred_at\":\"2020-01-02T03:04:05.000000Z\",\"recorded_at\":\"";
    assert_memory_equal(reply.body.ptr, expected, strlen(expected));
    assert_non_null(strstr(reply.body.ptr, "\"}],\"next\":null}"));
    assert_memory_equal(reply_header(&reply, "ETag"), "\"1\"\r", 4);
    assert_memory_equal(reply_header(&reply, "Content-Type"), "application/json\r", 17);
    reply_fini(&reply);
    http_expect(&fixture, "HEAD", "/streams/note-1", NULL, NULL, 200, "");
}

static void preconditions_decide(void **state)
{
    static const char event[] = "{\"events\":[{\"type\":\"Noted\"}]}";
    struct reply reply = { 0 };
    (void)state;
    post("/streams/cond-1", "If-Match: \"1\"", event, 412,
         "{\"type\":\"urn:varve:problem:version-conflict\",\"title\":\"a condition does not hold\","
         "\"status\":412,\"detail\":…");
    post("/streams/cond-1", "If-Match: *", event, 412, "{…");
    post("/streams/cond-1", "If-Match: \"0\"", event, 200, "{\"stream\":\"cond-1\",\"version\":1,…");
    post("/streams/cond-1", "If-None-Match: *", event, 412, "{…");
    post("/streams/cond-1", "If-Match: *", event, 200, "{\"stream\":\"cond-1\",\"version\":2,…");
    http_send(&fixture, "POST", "/streams/cond-1", "If-Match: \"1\"", event, &reply);
    assert_int_equal(reply.status, 412);
    assert_non_null(strstr(reply.body.ptr, "\"current_version\":2,\"failed\":[{\"stream\":\"cond-1\","
                                           "\"expected_version\":1,\"current_version\":2}]}"));
    assert_memory_equal(reply_header(&reply, "Content-Type"), "application/problem+json\r", 25);
    reply_fini(&reply);
}

static void an_append_spans_streams(void **state)
{
    struct reply reply = { 0 };
    (void)state;
    http_send(
        &fixture, "POST", "/append", NULL,
        "{\"events\":[{\"stream\":\"a-1\",\"type\":\"X\"},{\"stream\":\"b-1\",\"type\":\"Y\"},"
        "{\"stream\":\"a-1\",\"type\":\"Z\"}],\"conditions\":[{\"stream\":\"b-1\",\"expected_version\":\"none\"}]}",
        &reply);
    assert_int_equal(reply.status, 200);
    assert_memory_equal(reply.body.ptr, "{\"first_position\":", 18);
    assert_non_null(strstr(reply.body.ptr, ",\"streams\":{\"a-1\":2,\"b-1\":1}}"));
    reply_fini(&reply);
    http_send(&fixture, "POST", "/append", NULL,
              "{\"events\":[{\"stream\":\"a-1\",\"type\":\"X\"}],\"conditions\":[{\"stream\":\"a-1\","
              "\"expected_version\":2},{\"stream\":\"b-1\",\"expected_version\":\"none\"}]}",
              &reply);
    assert_int_equal(reply.status, 412);
    assert_non_null(strstr(reply.body.ptr, "\"current_version\":1,\"failed\":[{\"stream\":\"b-1\",\"expected_version\":"
                                           "\"none\",\"current_version\":1}]}"));
    reply_fini(&reply);
}

/* How often `what` occurs in the body that a path answers with. */
static size_t count_in(const char *path, const char *what)
{
    struct reply reply = { 0 };
    size_t count = 0;
    http_send(&fixture, "GET", path, NULL, NULL, &reply);
    assert_int_equal(reply.status, 200);
    for (const char *at = reply.body.ptr; (at = strstr(at, what)) != NULL; at++) count++;
    reply_fini(&reply);
    return count;
}

static void a_stream_is_read_in_pages(void **state)
{
    (void)state;
    post("/streams/page-1", NULL,
         "{\"events\":[{\"type\":\"P\",\"occurred_at\":\"2020-01-01T00:00:00Z\"},{\"type\":\"P\",\"occurred_at\":"
         "\"2021-01-01T00:00:00Z\"},{\"type\":\"P\",\"occurred_at\":\"2022-01-01T00:00:00Z\"}]}",
         200, "{\"stream\":\"page-1\",\"version\":3,…");
    assert_int_equal(count_in("/streams/page-1?limit=2", "\"next\":3}"), 1);
    assert_int_equal(count_in("/streams/page-1?limit=2&from=3", "\"next\":null}"), 1);
    assert_int_equal(count_in("/streams/page-1?limit=3", "\"next\":null}"), 1);
    assert_int_equal(count_in("/streams/page-1?limit=1&direction=backward", "\"version\":3,\"id\""), 1);
    assert_int_equal(count_in("/streams/page-1?limit=1&direction=backward", "\"next\":2}"), 1);
    assert_int_equal(count_in("/streams/page-1?direction=backward&from=1", "\"type\":\"P\""), 1);
    assert_int_equal(count_in("/streams/page-1?until_version=2", "\"type\":\"P\""), 2);
    assert_int_equal(count_in("/streams/page-1?from=9", "\"events\":[],\"next\":null}"), 1);
    assert_int_equal(count_in("/streams/page-1?at=2021-06-01T00:00:00Z&clock=occurred", "\"type\":\"P\""), 2);
    assert_int_equal(count_in("/streams/page-1?at=2021-06-01T00:00:00Z", "\"type\":\"P\""), 0);
    get("/streams/page-2", 404, "{\"type\":\"urn:varve:problem:not-found\",…");
}

static void stream_names_are_percent_encoded(void **state)
{
    (void)state;
    post("/streams/a%2Fb%20%C3%A9%3F-1", NULL, "{\"events\":[{\"type\":\"N\"}]}", 200,
         "{\"stream\":\"a/b é?-1\",\"version\":1,…");
    get("/streams/a%2fb%20%c3%a9%3f-1", 200, "{\"stream\":\"a/b é?-1\",\"version\":1,\"events\":[{…");
    get("/streams/a%2", 400, "{\"type\":\"urn:varve:problem:invalid\",…");
    get("/streams/%00", 400, "{\"type\":\"urn:varve:problem:invalid\",…");
}

static void the_log_is_read_in_pages_and_filtered(void **state)
{
    struct reply reply = { 0 };
    char path[128];
    (void)state;
    http_send(&fixture, "POST", "/append", NULL,
              "{\"events\":[{\"stream\":\"l-1\",\"type\":\"Q,1\"},{\"stream\":\"m-1\",\"type\":\"Q2\",\"metadata\":"
              "{\"correlation_id\":\"c 1\"}},{\"stream\":\"l-1\",\"type\":\"Q3\"}]}",
              &reply);
    assert_int_equal(reply.status, 200);
    unsigned long long first = strtoull(reply.body.ptr + strlen("{\"first_position\":"), NULL, 10);
    reply_fini(&reply);
    snprintf(path, sizeof path, "/log?after=%llu&limit=2", first - 1);
    char next[96];
    snprintf(next, sizeof next, "\"last_position\":%llu,\"next\":%llu,\"incarnation\":\"", first + 1, first + 1);
    assert_int_equal(count_in(path, next), 1);
    snprintf(path, sizeof path, "/log?after=%llu&limit=2", first + 1);
    snprintf(next, sizeof next, "\"last_position\":%llu,\"next\":null,\"incarnation\":\"", first + 2);
    assert_int_equal(count_in(path, next), 1);
    assert_int_equal(count_in("/log?types=Q%2C1,Q3", "\"stream\":\"l-1\""), 2);
    assert_int_equal(count_in("/log?categories=m,nothing", "\"type\":\"Q2\""), 1);
    assert_int_equal(count_in("/log?categories=l", "\"type\":\"Q2\""), 0);
    assert_int_equal(count_in("/log?correlation_id=c+1", "\"type\":\"Q"), 1);
    get("/log?after=999999", 409, "{\"type\":\"urn:varve:problem:history-changed\",…");
}

static void what_matches_a_query_refuses_an_append(void **state)
{
    (void)state;
    post("/append", NULL,
         "{\"events\":[{\"stream\":\"seat-1\",\"type\":\"Taken\",\"tags\":[\"seat:1\",\"show:x\"]}],"
         "\"conditions\":[{\"fail_if_match\":[{\"tags\":[\"seat:1\"]}],\"after\":0}]}",
         200, "{\"first_position\":…");
    post("/append", NULL,
         "{\"events\":[{\"stream\":\"seat-1\",\"type\":\"Taken\",\"tags\":[\"seat:1\"]}],"
         "\"conditions\":[{\"fail_if_match\":[{\"types\":[\"Taken\"],\"tags\":[\"seat:1\"]}],\"after\":0}]}",
         412,
         "{\"type\":\"urn:varve:problem:version-conflict\",\"title\":…,\"status\":412,\"detail\":…,"
         "\"failed\":[{\"fail_if_match\":[{\"types\":[\"Taken\"],\"tags\":[\"seat:1\"]}],\"position\":…}]}");
    assert_int_equal(count_in("/log?tags=seat:1,show:x", "\"type\":\"Taken\""), 1);
    assert_int_equal(count_in("/log?tags=seat:2", "\"type\":"), 0);
}

static void an_idempotency_key_gives_the_first_answer(void **state)
{
    (void)state;
    static const char body[] = "{\"events\":[{\"type\":\"A\"}]}", path[] = "/streams/keyed-1";
    post(path, "Idempotency-Key: k-1", body, 200, "{\"stream\":\"keyed-1\",\"version\":1,…");
    post(path, NULL, body, 200, "{\"stream\":\"keyed-1\",\"version\":2,…");
    post(path, "Idempotency-Key: k-1", body, 200, "{\"stream\":\"keyed-1\",\"version\":1,…");
    post(path, "Idempotency-Key: k-1", "{\"events\":[{\"type\":\"B\"}]}", 422,
         "{\"type\":\"urn:varve:problem:idempotency-key-reused\",…");
}

/* A page of a filtered log ends after so many positions with what it found so far; only null is the end. */
static void a_rare_type_is_found_page_by_page(void **state)
{
    struct reply reply = { 0 };
    varve_buf events = { 0 };
    uint64_t head = 0, after = 0, found = 0;
    unsigned pages = 0;
    (void)state;
    varve_buf_printf(&events, "{\"events\":[{\"type\":\"Common\"}");
    for (int i = 1; i < 500; i++) varve_buf_printf(&events, ",{\"type\":\"Common\"}");
    varve_buf_printf(&events, "]}");
    for (int i = 0; i < 5; i++) post("/streams/many-1", NULL, events.ptr, 200, "{…");
    post("/streams/many-2", NULL, "{\"events\":[{\"type\":\"Seldom\"}]}", 200, "{…");
    assert_int_equal(varve_store_head(varve_engine_store(fixture.engine), &head, NULL), VARVE_OK);
    for (bool more = true; more; pages++) {
        char path[96], end[96];
        uint64_t last = after + FIXTURE_PAGE_POSITIONS;
        more = last < head;
        snprintf(path, sizeof path, "/log?types=Seldom&after=%llu", (unsigned long long)after);
        if (more) {
            snprintf(end, sizeof end,
                     "],\"last_position\":%llu,\"next\":%llu,\"incarnation\":", (unsigned long long)last,
                     (unsigned long long)last);
        } else {
            snprintf(end, sizeof end,
                     "],\"last_position\":%llu,\"next\":null,\"incarnation\":", (unsigned long long)head);
        }
        http_send(&fixture, "GET", path, NULL, NULL, &reply);
        assert_int_equal(reply.status, 200);
        if (strstr(reply.body.ptr, end) == NULL) fail_msg("%s answered %s, expected %s", path, reply.body.ptr, end);
        if (strstr(reply.body.ptr, "\"type\":\"Seldom\"") != NULL) found++;
        reply_fini(&reply);
        after = last;
    }
    assert_true(pages > 2);
    assert_int_equal(found, 1);
    assert_int_equal(count_in("/log?limit=1000&after=500", "\"type\":\"Common\""), 1000);
    varve_buf_fini(&events);
}

static void a_command_is_executed(void **state)
{
    static const char once[] = "{\"stream\":\"tally-1\",\"data\":{\"amount\": 7},"
                               "\"id\":\"01900000-0000-7000-8000-0000000000aa\"}";
    struct reply first = { 0 }, second = { 0 };
    (void)state;
    http_send(&fixture, "POST", "/commands/Add", NULL, once, &first);
    http_send(&fixture, "POST", "/commands/Add", NULL, once, &second);
    assert_int_equal(first.status, 200);
    assert_memory_equal(first.body.ptr, "{\"stream\":\"tally-1\",\"version\":1,\"first_position\":", 49);
    assert_non_null(strstr(first.body.ptr, "\"type\":\"Added\",\"data\":{\"amount\": 7},"));
    assert_int_equal(second.status, 200);
    assert_memory_equal(first.body.ptr, second.body.ptr, first.body.len - 1);
    assert_string_equal(second.body.ptr + first.body.len - 1, ",\"repeated\":true}");
    reply_fini(&first);
    reply_fini(&second);
    post("/commands/Add", NULL, "{\"stream\":\"tally-1\",\"data\":{\"amount\":101}}", 422,
         "{\"type\":\"urn:varve:problem:command-rejected\",\"title\":\"the domain rejected the command\","
         "\"status\":422,\"code\":\"out_of_range\",\"message\":\"101\",\"id\":\"…");
    post(
        "/commands/Add", NULL,
        "{\"stream\":\"tally-1\",\"data\":{\"amount\":0},\"id\":\"01900000-0000-7000-8000-0000000000ab\"}", 422,
        "{\"type\":\"urn:varve:problem:command-rejected\",\"title\":\"the domain rejected the command\",\"status\":422,"
        "\"code\":\"out_of_range\",\"message\":\"0\",\"id\":\"01900000-0000-7000-8000-0000000000ab\"}");
    post(
        "/commands/Add", NULL,
        "{\"stream\":\"tally-1\",\"data\":{\"amount\":0},\"id\":\"01900000-0000-7000-8000-0000000000ab\"}", 422,
        "{\"type\":\"urn:varve:problem:command-rejected\",\"title\":\"the domain rejected the command\",\"status\":422,"
        "\"code\":\"out_of_range\",\"message\":\"0\",\"repeated\":true,"
        "\"id\":\"01900000-0000-7000-8000-0000000000ab\"}");
    post("/commands/Add", NULL,
         "{\"stream\":\"tally-1\",\"data\":{\"amount\":1},\"id\":\"01900000-0000-7000-8000-0000000000ab\"}", 409,
         "{\"type\":\"urn:varve:problem:id-conflict\",…");
    post("/commands/Add", NULL, "{\"stream\":\"tally-1\",\"data\":{\"amount\":1},\"expected_version\":0}", 412, "{…");
    post("/commands/Sub", NULL, "{\"stream\":\"tally-1\"}", 404, "{\"type\":\"urn:varve:problem:not-found\",…");
    post("/commands/Add", NULL, "{\"stream\":\"nobody-1\"}", 404, "{\"type\":\"urn:varve:problem:not-found\",…");
    get("/aggregates/tally-1", 200,
        "{\"stream\":\"tally-1\",\"version\":1,\"state\":{\"total\":7},\"snapshot_version\":0,\"events_replayed\":1}");
    get("/aggregates/tally-1?version=2", 404, "{…");
    get("/aggregates/tally-404", 404, "{…");
}

/* Asks until the path answers so. */
static void await(const char *path, long status, const char *part)
{
    for (bool there = false; !there;) {
        struct reply reply = { 0 };
        http_send(&fixture, "GET", path, NULL, NULL, &reply);
        there = reply.status == status && strstr(reply.body.ptr, part) != NULL;
        reply_fini(&reply);
    }
}

static void a_command_is_scheduled(void **state)
{
    static const char later[] =
        "{\"stream\":\"tally-s\",\"data\":{\"amount\":7},\"not_before\":\"2999-01-02T03:04:05Z\","
        "\"id\":\"01900000-0000-7000-8000-0000000000c1\"}";
    static const char due[] = "{\"stream\":\"tally-s\",\"data\":{\"amount\":5},\"not_before\":\"2020-01-02T03:04:05Z\","
                              "\"id\":\"01900000-0000-7000-8000-0000000000c2\"}";
    static const char bad[] = "{\"stream\":\"tally-s\",\"data\":{\"amount\":101},"
                              "\"not_before\":\"2020-01-02T03:04:05+01:00\","
                              "\"id\":\"01900000-0000-7000-8000-0000000000c3\"}";
    (void)state;
    for (int i = 0; i < 2; i++)
        post("/commands/Add", NULL, later, 202,
             "{\"id\":\"01900000-0000-7000-8000-0000000000c1\",\"type\":\"Add\",\"stream\":\"tally-s\","
             "\"state\":\"waiting\",\"not_before\":\"2999-01-02T03:04:05.000000Z\",\"scheduled_at\":\"…");
    post("/commands/Stall", NULL, later, 409, "{\"type\":\"urn:varve:problem:id-conflict\",…");
    post("/commands/Sub", NULL, "{\"stream\":\"nobody-1\",\"not_before\":\"2999-01-02T03:04:05Z\"}", 404, "{…");
    post("/commands/Add", NULL, "{\"stream\":\"tally-s\",\"not_before\":\"2999\"}", 400, "{…");
    post("/commands/Add", NULL, due, 202, "{…");
    post("/commands/Add", NULL, bad, 202, "{…");
    await("/scheduled/01900000-0000-7000-8000-0000000000c2", 404, "not-found");
    await("/scheduled/01900000-0000-7000-8000-0000000000c3", 200, "\"state\":\"rejected\"");
    await("/scheduled/01900000-0000-7000-8000-0000000000c3", 200, "\"code\":\"out_of_range\",\"message\":\"101\"");
    get("/aggregates/tally-s", 200, "{\"stream\":\"tally-s\",\"version\":1,\"state\":{\"total\":5},…");
    post("/commands/Add", NULL, due, 200, "{\"id\":\"01900000-0000-7000-8000-0000000000c2\",…");
    await("/metrics", 200, "varve_scheduled_total{result=\"rejected\"} 1\n");
    get("/scheduled?limit=1", 200, "{\"scheduled\":[{\"id\":\"01900000-0000-7000-8000-0000000000c1\",…");
    await("/scheduled?limit=1", 200, "\"next\":\"01900000-0000-7000-8000-0000000000c1\"}");
    await("/scheduled?after=01900000-0000-7000-8000-0000000000c1", 200, "\"next\":null}");
    get("/scheduled/7", 400, "{…");
    post("/scheduled/01900000-0000-7000-8000-0000000000c1/cancel", NULL, "{}", 200,
         "{\"id\":\"01900000-0000-7000-8000-0000000000c1\",\"outcome\":\"cancelled\"}");
    post("/scheduled/01900000-0000-7000-8000-0000000000c1/cancel", NULL, "{}", 404, "{…");
    post("/scheduled/01900000-0000-7000-8000-0000000000c3/cancel", NULL, "", 200,
         "{\"id\":\"01900000-0000-7000-8000-0000000000c3\",\"outcome\":\"dismissed\"}");
    get("/scheduled", 200, "{\"scheduled\":[],\"next\":null}");
}

static void traces_are_forwarded(void **state)
{
    static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    char header[128];
    struct reply reply = { 0 };
    (void)state;
    snprintf(header, sizeof header, "traceparent: %s", parent);
    http_send(&fixture, "POST", "/commands/Add", header, "{\"stream\":\"tally-t\",\"data\":{\"amount\":1}}", &reply);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body.ptr, parent));
    reply_fini(&reply);
}

static void a_batch_is_answered_line_by_line(void **state)
{
    struct reply reply = { 0 };
    (void)state;
    http_send(&fixture, "POST", "/commands", "Content-Type: application/x-ndjson",
              "{\"type\":\"Add\",\"stream\":\"tally-b\",\"data\":{\"amount\":1}}\r\n"
              "\n"
              "{\"type\":\"Add\",\"stream\":\"tally-b\",\"data\":{\"amount\":0}}\n"
              "not JSON\n"
              "{\"type\":\"Add\",\"stream\":\"tally-b\",\"data\":{\"amount\":2},\"extra\":1}\n"
              "{\"type\":\"Add\",\"stream\":\"tally-b\",\"data\":{\"amount\":3}}",
              &reply);
    assert_int_equal(reply.status, 200);
    static const char *const lines[] = {
        "{\"stream\":\"tally-b\",\"version\":1,\"first_position\":",
        "{\"type\":\"urn:varve:problem:command-rejected\",\"title\":\"the domain rejected the command\",\"status\":422,"
        "\"code\":\"out_of_range\",\"message\":\"0\",\"id\":\"",
        "{\"type\":\"urn:varve:problem:invalid\",\"title\":\"the input is wrong\",\"status\":400,\"code\":\"invalid\","
        "\"message\":\"line 4: ",
        "{\"type\":\"urn:varve:problem:invalid\",\"title\":\"the input is wrong\",\"status\":400,\"code\":\"invalid\","
        "\"message\":\"line 5: ",
        "{\"stream\":\"tally-b\",\"version\":2,\"first_position\":",
    };
    const char *at = reply.body.ptr;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_memory_equal(at, lines[i], strlen(lines[i]));
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    assert_int_equal(*at, '\0');
    assert_memory_equal(reply_header(&reply, "Content-Type"), "application/x-ndjson\r", 21);
    reply_fini(&reply);
    post("/commands", "Content-Type: application/x-ndjson", "", 200, "");
}

static void a_long_batch_keeps_its_order(void **state)
{
    struct reply reply = { 0 };
    varve_buf lines = { 0 };
    (void)state;
    for (int i = 0; i < BATCH_LINES; i++) {
        varve_buf_printf(&lines, "{\"type\":\"Add\",\"stream\":\"tally-l%d\",\"data\":{\"amount\":%d}}\n", i % 7,
                         i % 10 == 9 ? 0 : i % 100 + 1);
    }
    http_send(&fixture, "POST", "/commands", "Content-Type: application/x-ndjson", lines.ptr, &reply);
    assert_int_equal(reply.status, 200);
    const char *at = reply.body.ptr;
    for (int i = 0; i < BATCH_LINES; i++) {
        char expected[64];
        if (i % 10 == 9) {
            snprintf(expected, sizeof expected, "{\"type\":\"urn:varve:problem:command-rejected\"");
        } else {
            snprintf(expected, sizeof expected, "{\"stream\":\"tally-l%d\",\"version\":", i % 7);
        }
        assert_memory_equal(at, expected, strlen(expected));
        at = strchr(at, '\n') + 1;
    }
    assert_int_equal(*at, '\0');
    varve_buf_fini(&lines);
    reply_fini(&reply);
}

static void a_query_reads_what_was_just_written(void **state)
{
    struct reply reply = { 0 };
    char path[128], expected[128];
    (void)state;
    for (int i = 1; i <= 20; i++) {
        http_send(&fixture, "POST", "/commands/Add", NULL, "{\"stream\":\"tally-q\",\"data\":{\"amount\":5}}", &reply);
        assert_int_equal(reply.status, 200);
        const char *position = strstr(reply.body.ptr, "\"last_position\":");
        assert_non_null(position);
        unsigned long long last = strtoull(position + strlen("\"last_position\":"), NULL, 10);
        snprintf(path, sizeof path, "/queries/tally_total?tally=tally-q&after_position=%llu", last);
        snprintf(expected, sizeof expected, "{\"rows\":[{\"tally\":\"tally-q\",\"total\":%d}],\"position\":…", 5 * i);
        reply_fini(&reply);
        get(path, 200, expected);
    }
}

static void a_query_is_explained(void **state)
{
    (void)state;
    get("/queries/tally_total?tally=x&explain=true", 200, "{\"query\":\"tally_total\",\"statement\":\"WITH …");
    get("/queries/tally_total?tally=x&explain=false", 200, "{\"rows\":[],…");
    get("/queries/tally_total?tally=x&explain=yes", 400, "{\"type\":\"urn:varve:problem:invalid\",…");
    get("/queries/tally_total?explain=true", 400, "{\"type\":\"urn:varve:problem:invalid\",…");
    get("/queries/nothing?explain=true", 404, "{\"type\":\"urn:varve:problem:not-found\",…");
}

static void queries_refuse_what_they_do_not_know(void **state)
{
    (void)state;
    get("/queries/nothing", 404, "{\"type\":\"urn:varve:problem:not-found\",…");
    get("/queries/nothing?after_position=1", 404, "{\"type\":\"urn:varve:problem:not-found\",…");
    get("/queries/tally_total", 400, "{\"type\":\"urn:varve:problem:invalid\",…");
    get("/queries/tally_total?tally=x&other=1", 400, "{\"type\":\"urn:varve:problem:invalid\",…");
    get("/queries/tally_total?tally=x&limit=0", 400, "{…");
    get("/queries/tally_total?tally=x&limit=1001", 400, "{…");
    get("/queries/tally_total?tally=x&cursor=zzz", 400, "{…");
    get("/queries/tally_total?tally=x&after_position=-1", 400, "{…");
    get("/queries/tally_total?tally=x&after_position=99999999", 504, "{\"type\":\"urn:varve:problem:timeout\",…");
}

static void projections_are_listed_and_rebuilt(void **state)
{
    struct reply reply = { 0 };
    (void)state;
    get("/projections", 200, "{\"projections\":[{\"name\":\"tallies\",\"version\":1,\"mode\":\"async\",\"state\":…");
    get("/projections/tallies", 200, "{\"name\":\"tallies\",\"version\":1,\"mode\":\"async\",\"state\":…");
    get("/projections/nothing", 404, "{…");
    post("/projections/nothing/rebuild", NULL, "{}", 404, "{…");
    post("/projections/tallies/rebuild", NULL, "{\"x\":1}", 400, "{…");
    post("/projections/tallies/rebuild", NULL, "", 202, "{\"name\":\"tallies\",…");
    bool rebuilt = false;
    while (!rebuilt) {
        http_send(&fixture, "GET", "/projections/tallies", NULL, NULL, &reply);
        assert_int_equal(reply.status, 200);
        assert_null(strstr(reply.body.ptr, "\"problem\""));
        rebuilt = strstr(reply.body.ptr, "\"rebuild\":null") != NULL;
        reply_fini(&reply);
    }
}

static void operators_get_their_numbers(void **state)
{
    struct reply reply = { 0 };
    (void)state;
    get("/health/live", 200, "{\"status\":\"live\"}");
    get("/health/ready", 200, "{\"status\":\"ready\",\"last_position\":…");
    get("/version", 200, "{\"name\":\"varve\",\"version\":\"" VARVE_VERSION "\",\"store\":{\"driver\":\"…");
    http_send(&fixture, "GET", "/metrics", NULL, NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_memory_equal(reply_header(&reply, "Content-Type"), "text/plain; version=0.0.4", 25);
    static const char *const lines[] = {
        "\nvarve_appends_total{result=\"accepted\"} ",
        "\nvarve_store_writable 1\n",
        "\nvarve_log_position ",
        "\nvarve_projection_lag_events{projection=\"tallies\"} ",
        "\nvarve_http_requests_total{method=\"GET\",route=\"/health/live\",status=\"200\"} 1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) assert_non_null(strstr(reply.body.ptr, lines[i]));
    reply_fini(&reply);
}

static void what_takes_no_writes_is_not_ready(void **state)
{
    varve_error error = { 0 };
    struct reply reply = { 0 };
    varve_engine_options options = { .store = fixture.uri, .read_only = true };
    struct server_options server = { 0 };
    (void)state;
    assert_int_equal(varve_engine_open(&server.engine, &options, &error), VARVE_OK);
    assert_int_equal(varve_engine_start(server.engine, &error), VARVE_OK);
    struct fixture beside = fixture_beside(&fixture, &server);
    http_expect(&beside, "GET", "/health/live", NULL, NULL, 200, "{…");
    http_send(&beside, "GET", "/health/ready", NULL, NULL, &reply);
    assert_int_equal(reply.status, 503);
    assert_memory_equal(reply_header(&reply, "Retry-After"), "1\r", 2);
    reply_fini(&reply);
    http_send(&beside, "GET", "/metrics", NULL, NULL, &reply);
    assert_non_null(strstr(reply.body.ptr, "\nvarve_store_writable 0\n"));
    reply_fini(&reply);
    server_close(beside.server);
    varve_engine_close(server.engine);
}

static void bad_input_is_refused_and_nothing_is_written(void **state)
{
    static const struct {
        const char *path, *headers, *body;
        long status;
    } cases[] = {
        { "/streams/bad-1", NULL, "", 400 },
        { "/streams/bad-1", NULL, "[]", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[]}", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[{\"type\":\"\"}]}", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[{\"type\":\"A\",\"data\":{\"a\":\"\\u0000\"}}]}", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[{\"type\":\"A\",\"data\":\"\xff\"}]}", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[{\"type\":\"A\",\"data\":{\"n\":9223372036854775808}}]}", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[{\"type\":\"A\",\"unknown\":1}]}", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[{\"type\":\"A\",\"stream\":\"bad-1\"}]}", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[{\"type\":\"A\"}],\"conditions\":[]}", 400 },
        { "/streams/bad-1", NULL, "{\"events\":[{\"type\":\"A\"}]} x", 400 },
        { "/streams/bad-1", "If-Match: 1", "{\"events\":[{\"type\":\"A\"}]}", 400 },
        { "/streams/bad-1", "If-Match: \"x\"", "{\"events\":[{\"type\":\"A\"}]}", 400 },
        { "/streams/bad-1", "If-Match: W/\"1\"", "{\"events\":[{\"type\":\"A\"}]}", 400 },
        { "/streams/bad-1", "If-None-Match: \"1\"", "{\"events\":[{\"type\":\"A\"}]}", 400 },
        { "/streams/bad-1", "If-Match: *\nIf-None-Match: *", "{\"events\":[{\"type\":\"A\"}]}", 400 },
        { "/streams/bad-1?x=1", NULL, "{\"events\":[{\"type\":\"A\"}]}", 400 },
        { "/streams/bad-1", "Content-Type: text/plain", "{\"events\":[{\"type\":\"A\"}]}", 415 },
        { "/streams/bad-1", "Host: example.com", "{\"events\":[{\"type\":\"A\"}]}", 421 },
        { "/commands/Add", "Idempotency-Key: k", "{\"stream\":\"tally-bad\",\"data\":{\"amount\":1}}", 400 },
        { "/append", "Idempotency-Key: k",
          "{\"events\":[{\"stream\":\"bad-1\",\"type\":\"A\"}],\"idempotency_key\":\"l\"}", 400 },
        { "/append", NULL, "{\"events\":[{\"type\":\"A\"}]}", 400 },
        { "/append", NULL,
          "{\"events\":[{\"stream\":\"bad-1\",\"type\":\"A\"}],\"conditions\":[{\"stream\":\"bad-1\","
          "\"expected_version\":\"one\"}]}",
          400 },
        { "/append", NULL,
          "{\"events\":[{\"stream\":\"bad-1\",\"type\":\"A\"}],"
          "\"conditions\":[{\"fail_if_match\":[],\"after\":0}]}",
          400 },
        { "/commands/Add", NULL, "{\"data\":{\"amount\":1}}", 400 },
        { "/commands/Add", NULL, "{\"stream\":\"tally-bad\",\"data\":{\"amount\":1},\"expected_version\":\"x\"}", 400 },
        { "/commands/Add", NULL, "{\"type\":\"Add\",\"stream\":\"tally-bad\",\"data\":{\"amount\":1}}", 400 },
        { "/commands/Add", NULL, "{\"stream\":\"tally-bad\",\"data\":{\"amount\":1},\"id\":\"7\"}", 400 },
    };
    uint64_t before = 0, after = 0;
    (void)state;
    assert_int_equal(varve_store_head(varve_engine_store(fixture.engine), &before, NULL), VARVE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        post(cases[i].path, cases[i].headers, cases[i].body, cases[i].status, "{\"type\":\"urn:varve:problem:…");
    }
    assert_int_equal(varve_store_head(varve_engine_store(fixture.engine), &after, NULL), VARVE_OK);
    assert_int_equal(before, after);
}

static void bad_parameters_are_refused(void **state)
{
    static const char *const paths[] = {
        "/log?limit=0",
        "/log?limit=1001",
        "/log?limit=x",
        "/log?after=-1",
        "/log?types=",
        "/log?types=a,,b",
        "/log?x=1",
        "/scheduled?after=7",
        "/scheduled?limit=0",
        "/log?after=1&after=2",
        "/streams/a?from=one",
        "/streams/a?until_version=0",
        "/streams/a?at=now",
        "/streams/a?at=1970-01-01T00:00:00Z",
        "/streams/a?at=1969-12-31T23:59:59Z",
        "/streams/a?clock=occurred",
        "/streams/a?direction=up",
        "/streams/a?at=2999-01-01T00:00:00Z&limit=0",
        "/aggregates/a?version=1&at=2020-01-01T00:00:00Z",
        "/aggregates/a?version=last",
        "/aggregates/tally-1?version=0",
        "/aggregates/tally-1?at=1970-01-01T00:00:00Z",
        "/aggregates/tally-1/diff?from_at=1970-01-01T00:00:00Z",
        "/health/live?x=1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        get(paths[i], 400, "{\"type\":\"urn:varve:problem:invalid\",…");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_append_is_answered_and_read_back_exactly),
        cmocka_unit_test(preconditions_decide),
        cmocka_unit_test(an_append_spans_streams),
        cmocka_unit_test(a_stream_is_read_in_pages),
        cmocka_unit_test(stream_names_are_percent_encoded),
        cmocka_unit_test(the_log_is_read_in_pages_and_filtered),
        cmocka_unit_test(what_matches_a_query_refuses_an_append),
        cmocka_unit_test(an_idempotency_key_gives_the_first_answer),
        cmocka_unit_test(a_rare_type_is_found_page_by_page),
        cmocka_unit_test(a_command_is_executed),
        cmocka_unit_test(a_command_is_scheduled),
        cmocka_unit_test(traces_are_forwarded),
        cmocka_unit_test(a_batch_is_answered_line_by_line),
        cmocka_unit_test(a_long_batch_keeps_its_order),
        cmocka_unit_test(a_query_reads_what_was_just_written),
        cmocka_unit_test(a_query_is_explained),
        cmocka_unit_test(queries_refuse_what_they_do_not_know),
        cmocka_unit_test(projections_are_listed_and_rebuilt),
        cmocka_unit_test(operators_get_their_numbers),
        cmocka_unit_test(what_takes_no_writes_is_not_ready),
        cmocka_unit_test(bad_input_is_refused_and_nothing_is_written),
        cmocka_unit_test(bad_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
