/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <varve/store.h>
#include <cmocka.h>

static void a_full_append_is_read(void **state)
{
    static const char json[] =
        "{\"events\":[{\"stream\":\"a-1\",\"type\":\"E\\u0041\",\"data\": { \"n\" : 1.50 } ,\"metadata\":{},"
        "\"tags\":[\"x\",\"y\\n\"],\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"schema_version\":2,"
        "\"occurred_at\":\"1970-01-01T00:00:01Z\"},"
        "{\"stream\":\"b-1\",\"type\":\"B\",\"data_base64\":\"AP8=\",\"content_type\":\"image/png\"}],"
        "\"conditions\":[{\"stream\":\"a-1\",\"expected_version\":3},"
        "{\"stream\":\"b-1\",\"expected_version\":\"none\"},"
        "{\"expected_version\":\"any\",\"stream\":\"c\"},{\"stream\":\"d\",\"expected_version\":\"exists\"}]}";
    varve_append_json *parsed = NULL;
    varve_error error = { 0 };
    (void)state;
    if (varve_append_json_parse(&parsed, varve_str_of(json), (varve_str){ 0 }, &error) < 0)
        fail_msg("%s", error.message);
    const varve_append_request *request = varve_append_json_request(parsed);
    assert_int_equal(request->event_count, 2);
    const varve_event *event = &request->events[0];
    assert_true(varve_str_is(event->stream, "a-1"));
    assert_true(varve_str_is(event->type, "EA"));
    assert_true(varve_str_is(event->data, "{ \"n\" : 1.50 }"));
    assert_int_equal(event->tag_count, 2);
    assert_true(varve_str_is(event->tags[1], "y\n"));
    assert_int_equal(event->id.bytes[0], 1);
    assert_int_equal(event->schema_version, 2);
    assert_int_equal(event->occurred_at, 1000000);
    event = &request->events[1];
    assert_int_equal(event->data.len, 2);
    assert_memory_equal(event->data.ptr, "\0\xff", 2);
    assert_true(varve_str_is(event->content_type, "image/png"));
    assert_int_equal(request->condition_count, 4);
    assert_int_equal(request->conditions[0].kind, VARVE_STREAM_AT);
    assert_int_equal(request->conditions[0].version, 3);
    assert_int_equal(request->conditions[1].kind, VARVE_STREAM_NONE);
    assert_int_equal(request->conditions[2].kind, VARVE_STREAM_ANY);
    assert_int_equal(request->conditions[3].kind, VARVE_STREAM_EXISTS);
    varve_append_json_free(parsed);
}

static void a_stream_given_beside_stands_in_every_event(void **state)
{
    varve_append_json *parsed = NULL;
    varve_error error = { 0 };
    (void)state;
    const varve_str json = VARVE_STR("{\"events\":[{\"type\":\"A\"},{\"type\":\"B\"}]}");
    assert_int_equal(varve_append_json_parse(&parsed, json, VARVE_STR("s-1"), &error), VARVE_OK);
    assert_true(varve_str_is(varve_append_json_request(parsed)->events[1].stream, "s-1"));
    varve_append_json_free(parsed);
    parsed = NULL;
    const varve_str twice = VARVE_STR("{\"events\":[{\"type\":\"A\",\"stream\":\"t\"}]}");
    assert_int_equal(varve_append_json_parse(&parsed, twice, VARVE_STR("s-1"), &error), VARVE_INVALID);
    assert_null(parsed);
}

static void mistakes_are_named_with_their_place(void **state)
{
    static const struct {
        const char *json, *names;
        varve_status status;
    } cases[] = {
        { "", "not JSON", VARVE_INVALID },
        { "[]", "JSON object", VARVE_INVALID },
        { "{}", "\"events\" is missing", VARVE_INVALID },
        { "{\"events\":[]} x", "not JSON", VARVE_INVALID },
        { "{\"events\":{}}", "\"events\" must be an array", VARVE_INVALID },
        { "{\"events\":[1]}", "events[0] must be an object", VARVE_INVALID },
        { "{\"events\":[{\"type\":1}]}", "events[0].type must be a string", VARVE_INVALID },
        { "{\"events\":[{},{\"typ\":\"x\"}]}", "unknown field events[1].typ", VARVE_INVALID },
        { "{\"events\":[{\"id\":\"x\"}]}", "events[0].id must be a UUID", VARVE_INVALID },
        { "{\"events\":[{\"occurred_at\":\"today\"}]}", "events[0].occurred_at", VARVE_INVALID },
        { "{\"events\":[{\"occurred_at\":\"1970-01-01T00:00:00Z\"}]}", "events[0].occurred_at", VARVE_INVALID },
        { "{\"events\":[{\"data_base64\":\"?\"}]}", "events[0].data_base64 must be base64", VARVE_INVALID },
        { "{\"events\":[{\"schema_version\":0}]}", "events[0].schema_version", VARVE_INVALID },
        { "{\"events\":[{\"tags\":[1]}]}", "events[0].tags must be a string", VARVE_INVALID },
        { "{\"events\":[{\"data\":}]}", "not JSON", VARVE_INVALID },
        { "{\"events\":[{\"type\":\"a\",\"type\":\"a\"}]}", "events[0].type must be given once", VARVE_INVALID },
        { "{\"events\":[{},{\"data\":1,\"d\\u0061ta\":1}]}", "events[1].data must be given once", VARVE_INVALID },
        { "{\"events\":[{\"data\":1,\"data_base64\":\"\"}]}", "events[0].data_base64 must be given once",
          VARVE_INVALID },
        { "{\"events\":[{\"data_base64\":\"\",\"data\":1}]}", "events[0].data must be given once", VARVE_INVALID },
        { "{\"events\":[],\"events\":[]}", "\"events\" must be given once", VARVE_INVALID },
        { "{\"conditions\":[],\"events\":[],\"conditions\":[]}", "\"conditions\" must be given once", VARVE_INVALID },
        { "{\"idempotency_key\":\"\",\"idempotency_key\":\"\"}", "\"idempotency_key\" must be given once",
          VARVE_INVALID },
        { "{\"conditions\":[{\"stream\":\"a\",\"stream\":\"b\"}]}", "conditions[0].stream must be given once",
          VARVE_INVALID },
        { "{\"conditions\":[{\"expected_version\":1,\"expected_version\":1}]}",
          "conditions[0].expected_version must be given once", VARVE_INVALID },
        { "{\"events\":[],\"more\":1}", "unknown field \"more\"", VARVE_INVALID },
        { "{\"events\":[],\"conditions\":[{\"stream\":\"a\"}]}", "conditions[0] needs", VARVE_INVALID },
        { "{\"events\":[],\"conditions\":[{\"stream\":\"a\",\"expected_version\":\"7\"}]}",
          "conditions[0].expected_version", VARVE_INVALID },
        { "{\"events\":[],\"conditions\":[{\"stream\":\"a\",\"expected_version\":-1}]}",
          "conditions[0].expected_version", VARVE_INVALID },
        { "{\"events\":[],\"conditions\":[{\"fail_if_match\":[]}]}", "conditions[0] needs", VARVE_INVALID },
        { "{\"events\":[],\"conditions\":[{\"after\":1}]}", "conditions[0] needs", VARVE_INVALID },
        { "{\"conditions\":[{\"fail_if_match\":[],\"after\":1,\"stream\":\"a\"}]}", "conditions[0] needs",
          VARVE_INVALID },
        { "{\"conditions\":[{\"fail_if_match\":[],\"fail_if_match\":[]}]}",
          "conditions[0].fail_if_match must be given once", VARVE_INVALID },
        { "{\"conditions\":[{\"fail_if_match\":[1]}]}", "conditions[0].fail_if_match must be", VARVE_INVALID },
        { "{\"conditions\":[{\"fail_if_match\":[{\"tag\":[]}]}]}", "unknown field conditions[0].tag", VARVE_INVALID },
        { "{\"conditions\":[{\"fail_if_match\":[{\"tags\":[1]}]}]}", "conditions[0].tags must be a string",
          VARVE_INVALID },
        { "{\"conditions\":[{\"fail_if_match\":[{\"types\":[],\"types\":[]}]}]}",
          "conditions[0].types must be given once", VARVE_INVALID },
        { "{\"conditions\":[{\"fail_if_match\":[],\"after\":-1}]}", "conditions[0].after must be", VARVE_INVALID },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_append_json *parsed = NULL;
        varve_error error = { 0 };
        varve_status status = varve_append_json_parse(&parsed, varve_str_of(cases[i].json), (varve_str){ 0 }, &error);
        if (status != cases[i].status || strstr(error.message, cases[i].names) == NULL)
            fail_msg("%s: status %d, %s", cases[i].json, status, error.message);
        assert_null(parsed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_append_is_read),
        cmocka_unit_test(a_stream_given_beside_stands_in_every_event),
        cmocka_unit_test(mistakes_are_named_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
