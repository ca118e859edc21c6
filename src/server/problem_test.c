/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/problem.h"

/* Checks the text and empties the buffer. */
static void expect(varve_buf *out, const char *text)
{
    assert_false(out->failed);
    assert_string_equal(out->ptr, text);
    varve_buf_fini(out);
}

static void a_failure_has_a_stable_type(void **state)
{
    varve_buf out = { 0 };
    (void)state;
    problem_write(VARVE_NOT_FOUND, "no \"x\"", &out);
    expect(&out, "{\"type\":\"urn:varve:problem:not-found\",\"title\":\"there is no such thing\",\"status\":404,"
                 "\"detail\":\"no \\\"x\\\"\"}");
    assert_int_equal(problem_write_http(PROBLEM_MEDIA_TYPE, "send JSON", &out), 415);
    expect(&out, "{\"type\":\"urn:varve:problem:unsupported-media-type\",\"title\":\"the body is not of a type taken "
                 "here\",\"status\":415,\"detail\":\"send JSON\"}");
}

static void every_failure_is_an_http_error(void **state)
{
    (void)state;
    for (int status = VARVE_REWOUND; status < 0; status++) {
        unsigned http = problem_http_status((varve_status)status);
        assert_in_range(http, 400, 599);
    }
    assert_int_equal(problem_http_status(VARVE_OK), 200);
    assert_int_equal(problem_http_status(VARVE_REPEATED), 200);
    assert_int_equal(problem_http_status(VARVE_REJECTED), 422);
}

static void a_conflict_says_what_did_not_hold(void **state)
{
    varve_condition conditions[] = {
        { .kind = VARVE_STREAM_AT, .stream = VARVE_STR("order-1"), .version = 3 },
        { .kind = VARVE_STREAM_NONE, .stream = VARVE_STR("order-2") },
        { .kind = VARVE_STREAM_EXISTS, .stream = VARVE_STR("order-3") },
    };
    varve_failed_condition failed[] = { { 0, 5, 0 }, { 1, 2, 0 }, { 2, 0, 0 } };
    varve_append_request request = { .conditions = conditions, .condition_count = 3 };
    varve_appended appended = { .failed = failed, .failed_count = 3 };
    varve_error error = { .status = VARVE_CONFLICT, .detail = 5, .message = "order-1 is at 5" };
    varve_buf out = { 0 };
    (void)state;
    problem_write_conflict(&request, &appended, &error, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:version-conflict\",\"title\":\"a condition does not hold\","
                 "\"status\":412,\"detail\":\"order-1 is at 5\",\"current_version\":5,\"failed\":["
                 "{\"stream\":\"order-1\",\"expected_version\":3,\"current_version\":5},"
                 "{\"stream\":\"order-2\",\"expected_version\":\"none\",\"current_version\":2},"
                 "{\"stream\":\"order-3\",\"expected_version\":\"exists\",\"current_version\":0}]}");
}

static void a_rejection_has_the_domains_code(void **state)
{
    varve_outcome outcome = { .code = VARVE_STR("order_not_pending"), .message = VARVE_STR("status is PLACED") };
    varve_error error = { 0 };
    varve_buf out = { 0 };
    (void)state;
    problem_write_command(VARVE_REJECTED, &outcome, &error, false, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:command-rejected\",\"title\":\"the domain rejected the command\","
                 "\"status\":422,\"code\":\"order_not_pending\",\"message\":\"status is PLACED\"}");
}

static void failures_in_a_batch_read_like_rejections(void **state)
{
    varve_outcome nothing = { 0 }, outcome = { .current_version = 4 };
    varve_error error = { .message = "line 2: no JSON" };
    varve_buf out = { 0 };
    (void)state;
    problem_write_command(VARVE_INVALID, &nothing, &error, true, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:invalid\",\"title\":\"the input is wrong\",\"status\":400,"
                 "\"code\":\"invalid\",\"message\":\"line 2: no JSON\"}");
    snprintf(error.message, sizeof error.message, "the stream is at 4");
    problem_write_command(VARVE_CONFLICT, &outcome, &error, false, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:version-conflict\",\"title\":\"a condition does not hold\","
                 "\"status\":412,\"detail\":\"the stream is at 4\",\"current_version\":4}");
    error.detail = -1; /* no version was pinned */
    problem_write_command(VARVE_CONFLICT, &nothing, &error, false, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:version-conflict\",\"title\":\"a condition does not hold\","
                 "\"status\":412,\"detail\":\"the stream is at 4\"}");
}

static varve_uuid uuid(const char *text)
{
    varve_uuid id = { { 0 } };
    assert_int_equal(varve_uuid_parse(&id, varve_str_of(text), NULL), VARVE_OK);
    return id;
}

static void an_unknown_outcome_tells_the_ids(void **state)
{
    varve_uuid ids[] = { uuid("01900000-0000-7000-8000-000000000001"), uuid("01900000-0000-7000-8000-000000000002") };
    varve_appended appended = { .ids = ids, .id_count = 2 };
    varve_error error = { .message = "the flush failed" };
    varve_buf out = { 0 };
    (void)state;
    problem_write_append(VARVE_INDETERMINATE, &appended, &error, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:outcome-unknown\",\"title\":\"it may have happened; repeat with the "
                 "same ids\",\"status\":503,\"detail\":\"the flush failed\",\"ids\":["
                 "\"01900000-0000-7000-8000-000000000001\",\"01900000-0000-7000-8000-000000000002\"]}");
    problem_write_append(VARVE_FULL, &appended, &error, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:disk-full\",\"title\":\"the disk is full; nothing was written\","
                 "\"status\":507,\"detail\":\"the flush failed\"}");
}

static void a_command_that_was_not_accepted_tells_its_id(void **state)
{
    varve_outcome outcome = { .id = uuid("01900000-0000-7000-8000-000000000003"), .current_version = 4 };
    varve_error error = { .message = "the flush failed" };
    varve_buf out = { 0 };
    (void)state;
    problem_write_command(VARVE_INDETERMINATE, &outcome, &error, false, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:outcome-unknown\",\"title\":\"it may have happened; repeat with the "
                 "same ids\",\"status\":503,\"detail\":\"the flush failed\","
                 "\"id\":\"01900000-0000-7000-8000-000000000003\"}");
    problem_write_command(VARVE_CONFLICT, &outcome, &error, true, &out);
    expect(&out, "{\"type\":\"urn:varve:problem:version-conflict\",\"title\":\"a condition does not hold\","
                 "\"status\":412,\"code\":\"version-conflict\",\"message\":\"the flush failed\","
                 "\"current_version\":4,\"id\":\"01900000-0000-7000-8000-000000000003\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_has_a_stable_type),
        cmocka_unit_test(every_failure_is_an_http_error),
        cmocka_unit_test(a_conflict_says_what_did_not_hold),
        cmocka_unit_test(a_rejection_has_the_domains_code),
        cmocka_unit_test(failures_in_a_batch_read_like_rejections),
        cmocka_unit_test(an_unknown_outcome_tells_the_ids),
        cmocka_unit_test(a_command_that_was_not_accepted_tells_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
