/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <varve/command.h>

static void assert_json(varve_buf *json, const char *expected)
{
    assert_false(json->failed);
    assert_string_equal(json->ptr, expected);
    varve_buf_fini(json);
}

static void test_an_accepted_command_as_json(void **state)
{
    (void)state;
    varve_buf json = { 0 }, expected = { 0 };
    varve_event events[] = {
        { .stream = VARVE_STR("order-1"), .type = VARVE_STR("A"), .data = VARVE_STR("1"), .metadata = VARVE_STR("{}") },
        { .stream = VARVE_STR("order-1"), .type = VARVE_STR("B"), .data = VARVE_STR("2"), .metadata = VARVE_STR("{}") },
    };
    varve_outcome outcome = {
        .stream = VARVE_STR("order-1"),
        .version = 4,
        .first_position = 7,
        .last_position = 8,
        .events = events,
        .event_count = 2,
    };
    varve_outcome_write_json(&outcome, &json);
    varve_buf_str(&expected, VARVE_STR("{\"stream\":\"order-1\",\"version\":4,\"first_position\":7,\"last_position\":8,"
                                       "\"events\":["));
    varve_event_write_json(&events[0], &expected);
    varve_buf_str(&expected, VARVE_STR(","));
    varve_event_write_json(&events[1], &expected);
    varve_buf_str(&expected, VARVE_STR("]}"));
    assert_json(&json, expected.ptr);
    varve_buf_fini(&expected);
}

static void test_a_rejection_as_json(void **state)
{
    (void)state;
    varve_buf json = { 0 };
    varve_outcome outcome = { .stream = VARVE_STR("order-1"),
                              .code = VARVE_STR("no"),
                              .message = VARVE_STR("a \"b\"") };
    varve_outcome_write_json(&outcome, &json);
    assert_json(&json, "{\"code\":\"no\",\"message\":\"a \\\"b\\\"\"}");
}

static void test_an_aggregate_as_json(void **state)
{
    (void)state;
    varve_buf json = { 0 };
    varve_aggregate aggregate = {
        .stream = VARVE_STR("order-1"),
        .state = VARVE_STR("{\"a\":1.50}"),
        .version = 53,
        .snapshot_version = 50,
        .events_replayed = 3,
    };
    varve_aggregate_write_json(&aggregate, &json);
    assert_json(&json, "{\"stream\":\"order-1\",\"version\":53,\"state\":{\"a\":1.50},\"snapshot_version\":50,"
                       "\"events_replayed\":3}");
}

static void test_ending_what_never_began(void **state)
{
    (void)state;
    varve_outcome outcome = { .version = 1 };
    varve_aggregate aggregate = { .version = 1 };
    varve_outcome_fini(&outcome);
    varve_outcome_fini(&outcome);
    varve_aggregate_fini(&aggregate);
    assert_int_equal(outcome.version, 0);
    assert_int_equal(aggregate.version, 0);
}

static void test_a_history_as_json(void **state)
{
    (void)state;
    varve_buf json = { 0 };
    const varve_history_entry entries[] = {
        { .event = { .stream = VARVE_STR("order-1"),
                     .type = VARVE_STR("A\"B"),
                     .data = VARVE_STR("1"),
                     .metadata = VARVE_STR("{\"actor\":\"ann\"}"),
                     .id = { { 1, 2 } },
                     .version = 4,
                     .position = 9,
                     .occurred_at = 1000000,
                     .recorded_at = 2000001 },
          .patch = VARVE_STR("[{\"op\":\"remove\",\"path\":\"/a\"}]") },
        { .event = { .type = VARVE_STR("C"), .metadata = VARVE_STR("{}"), .version = 5, .position = 12 },
          .patch = VARVE_STR("[]") },
    };
    varve_history history = { .stream = VARVE_STR("order-1"), .entries = entries, .count = 1 };
    varve_history_write_json(&history, &json);
    assert_json(&json, "{\"stream\":\"order-1\",\"entries\":[{\"version\":4,\"position\":9,\"type\":\"A\\\"B\","
                       "\"event_id\":\"01020000-0000-0000-0000-000000000000\","
                       "\"occurred_at\":\"1970-01-01T00:00:01.000000Z\","
                       "\"recorded_at\":\"1970-01-01T00:00:02.000001Z\","
                       "\"metadata\":{\"actor\":\"ann\"},\"patch\":[{\"op\":\"remove\",\"path\":\"/a\"}]}],"
                       "\"next\":null}");
    history.count = 2;
    history.next = 6;
    varve_history_write_json(&history, &json);
    assert_non_null(strstr(json.ptr, "}]},{\"version\":5,"));
    assert_non_null(strstr(json.ptr, "\"patch\":[]}],\"next\":6}"));
    varve_buf_fini(&json);
}

static void test_a_difference_as_json(void **state)
{
    (void)state;
    varve_buf json = { 0 };
    varve_difference difference = { .stream = VARVE_STR("order-1"), .from = 7, .to = 3, .patch = VARVE_STR("[]") };
    varve_difference_write_json(&difference, &json);
    assert_json(&json, "{\"stream\":\"order-1\",\"from\":7,\"to\":3,\"patch\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_accepted_command_as_json), cmocka_unit_test(test_a_rejection_as_json),
        cmocka_unit_test(test_an_aggregate_as_json),        cmocka_unit_test(test_a_history_as_json),
        cmocka_unit_test(test_a_difference_as_json),        cmocka_unit_test(test_ending_what_never_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
