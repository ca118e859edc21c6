/* SPDX-License-Identifier: Apache-2.0 */
#include "command/request.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_text(varve_str actual, const char *expected)
{
    if (!varve_str_is(actual, expected)) fail_msg("\"%.*s\" is not \"%s\"", (int)actual.len, actual.ptr, expected);
}

static void assert_refused(const char *json, const char *type, const char *part)
{
    varve_command_json *parsed = NULL;
    varve_error error = { 0 };
    if (varve_command_json_parse(&parsed, varve_str_of(json), varve_str_of(type), &error) != VARVE_INVALID)
        fail_msg("%s was accepted", json);
    assert_null(parsed);
    if (strstr(error.message, part) == NULL) fail_msg("%s: \"%s\" does not say \"%s\"", json, error.message, part);
}

static void test_all_fields(void **state)
{
    (void)state;
    varve_command_json *parsed = NULL;
    varve_error error = { 0 };
    char id[VARVE_UUID_TEXT_BYTES];
    const char *json = " {\"type\":\"PlaceOrder\",\"stream\":\"order-\\u00e9\",\"data\": { \"n\" : 1.50 } ,"
                       "\"id\":\"01890A5D-AC96-774B-BCCE-B302099A8057\",\"expected_version\":7,"
                       "\"correlation_id\":\"c\",\"causation_id\":\"d\"} ";
    assert_int_equal(varve_command_json_parse(&parsed, varve_str_of(json), (varve_str){ 0 }, &error), VARVE_OK);
    const varve_command *command = varve_command_json_command(parsed);
    assert_text(command->type, "PlaceOrder");
    assert_text(command->stream, "order-\xc3\xa9");
    assert_text(command->data, "{ \"n\" : 1.50 }");
    varve_uuid_format(command->id, id);
    assert_string_equal(id, "01890a5d-ac96-774b-bcce-b302099a8057");
    assert_int_equal(command->expected, VARVE_STREAM_AT);
    assert_int_equal(command->expected_version, 7);
    assert_text(command->correlation_id, "c");
    assert_text(command->causation_id, "d");
    assert_int_equal(request_check(command, &error), VARVE_OK);
    varve_command_json_free(parsed);
}

static void test_the_least(void **state)
{
    (void)state;
    varve_command_json *parsed = NULL;
    varve_error error = { 0 };
    assert_int_equal(varve_command_json_parse(&parsed, VARVE_STR("{\"stream\":\"order-1\"}"), VARVE_STR("PlaceOrder"),
                                              &error),
                     VARVE_OK);
    varve_command *command = varve_command_json_command(parsed);
    assert_text(command->type, "PlaceOrder");
    assert_int_equal(command->data.len, 0);
    assert_int_equal(command->expected, VARVE_STREAM_ANY);
    assert_true(varve_uuid_is_nil(command->id));
    command->actor = VARVE_STR("zoe"); /* who parses may add what the connection knows */
    assert_int_equal(request_check(command, &error), VARVE_OK);
    command->traceparent = VARVE_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_int_equal(request_check(command, &error), VARVE_OK);
    command->traceparent = VARVE_STR("00-0af7651916cd43dd8448eb211c80319c");
    assert_int_equal(request_check(command, &error), VARVE_INVALID);
    assert_non_null(strstr(error.message, "traceparent"));
    varve_command_json_free(parsed);
}

static void test_what_is_refused_says_why(void **state)
{
    (void)state;
    assert_refused("", "", "not JSON");
    assert_refused("[]", "", "object");
    assert_refused("{\"type\":\"A\"", "", "not JSON");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\"} x", "", "not JSON");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"data\":{\"a\":}}", "", "not JSON");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"colour\":1}", "", "unknown field 'colour'");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\"}", "A", "unknown field 'type'");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"stream\":\"s-2\"}", "", "'stream' is there twice");
    assert_refused("{\"stream\":\"s-1\"}", "", "'type' is missing");
    assert_refused("{\"type\":\"A\"}", "", "'stream' is missing");
    assert_refused("{}", "A", "'stream' is missing");
    assert_refused("{\"type\":1,\"stream\":\"s-1\"}", "", "'type' must be a string");
    assert_refused("{\"type\":\"A\",\"stream\":\"\"}", "", "'stream' must be a string");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"id\":\"7\"}", "", "'id' must be a UUID");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"id\":\"00000000-0000-0000-0000-000000000000\"}", "", "'id'");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"expected_version\":-1}", "", "'expected_version'");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"expected_version\":1.0}", "", "'expected_version'");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"expected_version\":\"1\"}", "", "'expected_version'");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"expected_version\":null}", "", "'expected_version'");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"not_before\":1}", "", "'not_before' must be a string");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"not_before\":\"soon\"}", "", "'not_before' must be a time");
    assert_refused("{\"type\":\"A\",\"stream\":\"s-1\",\"correlation_id\":[]}", "", "'correlation_id'");
}

static void test_expected_versions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        varve_condition_kind kind;
        uint64_t version;
    } good[] = {
        { "any", VARVE_STREAM_ANY, 0 },       { "none", VARVE_STREAM_NONE, 0 },
        { "exists", VARVE_STREAM_EXISTS, 0 }, { "0", VARVE_STREAM_AT, 0 },
        { "12", VARVE_STREAM_AT, 12 },        { "9223372036854775807", VARVE_STREAM_AT, INT64_MAX },
    };
    static const char *const bad[] = {
        "", "-1", "+1", "1.0", " 1", "1x", "None", "9223372036854775808", "99999999999999999999"
    };
    varve_error error = { 0 };
    varve_condition_kind kind = VARVE_FAIL_IF_MATCH;
    uint64_t version = 99;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(varve_expected_version_parse(varve_str_of(good[i].text), &kind, &version, &error), VARVE_OK);
        assert_int_equal(kind, good[i].kind);
        assert_int_equal(version, good[i].version);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(varve_expected_version_parse(varve_str_of(bad[i]), &kind, &version, &error), VARVE_INVALID);
    assert_non_null(strstr(error.message, "expected version"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_the_least),
        cmocka_unit_test(test_what_is_refused_says_why),
        cmocka_unit_test(test_expected_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
