/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "event/codec.h"
#include "event/read_json.h"

static const varve_str tags[] = { { "customer:1", 10 }, { "a \"b\"", 5 } };

static varve_event placed(void)
{
    varve_event event = {
        .stream = VARVE_STR("order-item-1"),
        .type = VARVE_STR("OrderPlaced"),
        .data = VARVE_STR("{ \"total\" : 12.50 }"),
        .metadata = VARVE_STR("{\"actor\":\"ann\"}"),
        .content_type = VARVE_STR("application/json"),
        .tags = tags,
        .tag_count = 2,
        .schema_version = 1,
        .occurred_at = 1767323045000000,
        .version = 3,
        .position = 9223372036854775807u,
        .recorded_at = 1767323045678901,
    };

    for (size_t i = 0; i < sizeof(event.id.bytes); i++) event.id.bytes[i] = (uint8_t)(i * 17);
    return event;
}

static void assert_written(const varve_event *event, const char *expected)
{
    varve_buf out = { 0 };

    varve_event_write_json(event, &out);
    assert_string_equal(out.ptr, expected);
    assert_int_equal(json_check(varve_buf_view(&out), "event", NULL), VARVE_OK);
    varve_buf_fini(&out);
}

static void test_every_field(void **state)
{
    varve_event event = placed();

    (void)state;
    assert_written(&event, "{\"position\":9223372036854775807,\"stream\":\"order-item-1\",\"aggregate_id\":\"item-1\","
                           "\"version\":3,\"id\":\"00112233-4455-6677-8899-aabbccddeeff\",\"type\":\"OrderPlaced\","
                           "\"data\":{ \"total\" : 12.50 },\"metadata\":{\"actor\":\"ann\"},"
                           "\"tags\":[\"customer:1\",\"a \\\"b\\\"\"],"
                           "\"occurred_at\":\"2026-01-02T03:04:05.000000Z\","
                           "\"recorded_at\":\"2026-01-02T03:04:05.678901Z\"}");
}

static void test_schema_version_when_it_is_not_1(void **state)
{
    varve_event event = placed();
    varve_buf out = { 0 };

    (void)state;
    event.position = 1;
    event.schema_version = 2;
    varve_event_write_json(&event, &out);
    assert_non_null(strstr(out.ptr, ",\"type\":\"OrderPlaced\",\"schema_version\":2,\"data\":"));
    assert_int_equal(json_check(varve_buf_view(&out), "event", NULL), VARVE_OK);
    varve_buf_fini(&out);
}

static void test_bytes(void **state)
{
    varve_event event = placed();

    (void)state;
    event.position = 10;
    event.content_type = VARVE_STR("image/png");
    event.data = VARVE_STR("\x89PNG");
    event.tag_count = 0;
    assert_written(&event, "{\"position\":10,\"stream\":\"order-item-1\",\"aggregate_id\":\"item-1\","
                           "\"version\":3,\"id\":\"00112233-4455-6677-8899-aabbccddeeff\",\"type\":\"OrderPlaced\","
                           "\"data_base64\":\"iVBORw==\",\"content_type\":\"image/png\","
                           "\"metadata\":{\"actor\":\"ann\"},\"tags\":[],"
                           "\"occurred_at\":\"2026-01-02T03:04:05.000000Z\","
                           "\"recorded_at\":\"2026-01-02T03:04:05.678901Z\"}");
}

static void test_json_of_another_name_keeps_its_content_type(void **state)
{
    varve_event event = placed();
    varve_buf out = { 0 };

    (void)state;
    event.content_type = VARVE_STR("application/vnd.acme+json");
    varve_event_write_json(&event, &out);
    assert_non_null(strstr(out.ptr, ",\"data\":{ \"total\" : 12.50 },\"content_type\":\"application/vnd.acme+json\","));
    varve_buf_fini(&out);
}

/* An event that was not appended yet can be shown too. */
static void test_nothing_but_names(void **state)
{
    varve_event event = { .stream = VARVE_STR("order"), .type = VARVE_STR("\"\n") };

    (void)state;
    assert_written(&event, "{\"position\":0,\"stream\":\"order\",\"aggregate_id\":\"\",\"version\":0,"
                           "\"id\":\"00000000-0000-0000-0000-000000000000\",\"type\":\"\\\"\\n\",\"data\":{},"
                           "\"metadata\":{},\"tags\":[],\"occurred_at\":null,\"recorded_at\":null}");
}

/* Blanks at the ends of a payload belong to it, and would belong to the line once it stands there. */
static void test_a_line_keeps_the_blanks_around_payloads(void **state)
{
    static const char *const payloads[] = { " {\"a\":1}", "{\"a\":1}\t", " {} ", "{\n}" };
    varve_buf line = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        varve_event event = placed(), again = { 0 };
        struct arena memory = { 0 };
        struct event_reader reader = { .memory = &memory, .recorded = true };

        event.position = 1;
        event.data = event.metadata = varve_str_of(payloads[i]);
        varve_buf_reset(&line);
        event_write_line(&event, &line);
        assert_ptr_equal(memchr(line.ptr, '\n', line.len), line.ptr + line.len - 1);
        json_start_around(&reader.scanner, varve_buf_view(&line));
        assert_int_equal(event_read_json(&reader, &again), VARVE_OK);
        assert_true(varve_str_eq(again.data, event.data));
        assert_true(varve_str_eq(again.metadata, event.metadata));
        arena_fini(&memory);
    }
    varve_buf_fini(&line);
}

static void test_what_is_recorded_is_read_once(void **state)
{
    static const char *const events[] = {
        "{\"position\":1,\"position\":1}",
        "{\"aggregate_id\":\"a\",\"aggregate_id\":\"a\"}",
        "{\"metadata\":{},\"metadata_base64\":\"e30=\"}",
        "{\"metadata_base64\":\"e30=\",\"metadata\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct arena memory = { 0 };
        varve_error error = { 0 };
        struct event_reader reader = { .memory = &memory, .recorded = true, .error = &error };
        varve_event event;

        json_start(&reader.scanner, varve_str_of(events[i]));
        assert_int_equal(event_read_json(&reader, &event), VARVE_INVALID);
        assert_non_null(strstr(error.message, " must be given once"));
        arena_fini(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_schema_version_when_it_is_not_1),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_json_of_another_name_keeps_its_content_type),
        cmocka_unit_test(test_nothing_but_names),
        cmocka_unit_test(test_a_line_keeps_the_blanks_around_payloads),
        cmocka_unit_test(test_what_is_recorded_is_read_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
