/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "event/codec.h"

static const varve_time time_max = 253402300799999999;

/* The least that an event needs. */
static varve_event noted(void)
{
    return (varve_event){ .stream = VARVE_STR("order-1"), .type = VARVE_STR("OrderNoted") };
}

static void assert_accepted(varve_event event)
{
    varve_error error = { 0 };

    if (event_complete(&event, 0, 1, &error) != VARVE_OK) fail_msg("%s", error.message);
}

static void assert_refused(varve_event event, varve_status status, const char *message)
{
    varve_error error = { 0 };

    assert_int_equal(event_complete(&event, 0, 1, &error), status);
    assert_int_equal(error.status, status);
    assert_string_equal(error.message, message);
    assert_int_equal(event_complete(&event, 0, 2, NULL), status);
}

/* `len` letters; the caller frees. */
static varve_str letters(size_t len)
{
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, 'x', len);
    return (varve_str){ text, len };
}

/* A JSON string of `len` bytes, quotes included; the caller frees. */
static varve_str json_text(size_t len)
{
    varve_str text = letters(len);

    ((char *)text.ptr)[0] = ((char *)text.ptr)[len - 1] = '"';
    return text;
}

static void test_defaults(void **state)
{
    varve_event event = noted();

    (void)state;
    assert_int_equal(event_complete(&event, 0, 1, NULL), VARVE_OK);
    assert_true(varve_str_is(event.data, "{}"));
    assert_true(varve_str_is(event.metadata, "{}"));
    assert_true(varve_str_is(event.content_type, "application/json"));
    assert_int_equal(event.schema_version, 1);
    assert_true(varve_uuid_is_nil(event.id));
    assert_int_equal(event.occurred_at, 0);
}

static void test_what_is_given_stays(void **state)
{
    varve_event event = noted();

    (void)state;
    event.data = VARVE_STR(" [1, 2]\n");
    event.metadata = VARVE_STR("{ \"actor\":\"ann\" }");
    event.content_type = VARVE_STR("application/vnd.acme+json");
    event.schema_version = 7;
    event.occurred_at = 1;
    assert_int_equal(event_complete(&event, 0, 1, NULL), VARVE_OK);
    assert_true(varve_str_is(event.data, " [1, 2]\n"));
    assert_true(varve_str_is(event.metadata, "{ \"actor\":\"ann\" }"));
    assert_true(varve_str_is(event.content_type, "application/vnd.acme+json"));
    assert_int_equal(event.schema_version, 7);
    assert_int_equal(event.occurred_at, 1);
}

static void test_names(void **state)
{
    varve_str longest = letters(VARVE_NAME_BYTES_MAX), too_long = letters(VARVE_NAME_BYTES_MAX + 1);
    varve_event event = noted();

    (void)state;
    event.stream = longest;
    event.type = longest;
    assert_accepted(event);
    event.stream = too_long;
    assert_refused(event, VARVE_INVALID, "stream has 256 bytes, more than 255");
    event.stream = VARVE_STR("");
    assert_refused(event, VARVE_INVALID, "stream must not be empty");
    event.stream = VARVE_STR("a\nb");
    assert_refused(event, VARVE_INVALID, "stream must be printable UTF-8");
    event.stream = VARVE_STR("a\xff");
    assert_refused(event, VARVE_INVALID, "stream must be printable UTF-8");
    event.stream = VARVE_STR("bestellung-\xc3\xa4 1");
    assert_accepted(event);
    event.type = too_long;
    assert_refused(event, VARVE_INVALID, "type has 256 bytes, more than 255");
    event.type = VARVE_STR("");
    assert_refused(event, VARVE_INVALID, "type must not be empty");
    event.type = VARVE_STR("\x7f");
    assert_refused(event, VARVE_INVALID, "type must be printable UTF-8");
    free((void *)longest.ptr);
    free((void *)too_long.ptr);
}

static void test_tags(void **state)
{
    varve_str longest = letters(VARVE_NAME_BYTES_MAX), too_long = letters(VARVE_NAME_BYTES_MAX + 1);
    varve_str tags[VARVE_TAGS_MAX + 1];
    char names[VARVE_TAGS_MAX + 1][8];
    varve_event event = noted();

    (void)state;
    for (size_t i = 0; i <= VARVE_TAGS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "t%zu", i);
        tags[i] = varve_str_of(names[i]);
    }
    event.tags = tags;
    event.tag_count = VARVE_TAGS_MAX;
    tags[63] = longest;
    assert_accepted(event);
    tags[63] = too_long;
    assert_refused(event, VARVE_INVALID, "a tag has 256 bytes, more than 255");
    tags[63] = VARVE_STR("");
    assert_refused(event, VARVE_INVALID, "a tag must not be empty");
    tags[63] = VARVE_STR("t5");
    assert_refused(event, VARVE_INVALID, "the tag \"t5\" stands twice");
    tags[63] = VARVE_STR("t63");
    event.tag_count = VARVE_TAGS_MAX + 1;
    assert_refused(event, VARVE_INVALID, "there are 65 tags, more than 64");
    free((void *)longest.ptr);
    free((void *)too_long.ptr);
}

static void test_sizes(void **state)
{
    varve_str largest = json_text(VARVE_DATA_BYTES_MAX), too_large = json_text(VARVE_DATA_BYTES_MAX + 1);
    varve_buf metadata = { 0 };
    varve_event event = noted();

    (void)state;
    event.data = largest;
    assert_accepted(event);
    event.data = too_large;
    assert_refused(event, VARVE_TOO_LARGE, "data has 1048577 bytes, more than 1048576");
    event.content_type = VARVE_STR("application/octet-stream");
    assert_refused(event, VARVE_TOO_LARGE, "data has 1048577 bytes, more than 1048576");
    event = noted();
    varve_buf_printf(&metadata, "{\"k\":%.*s}", (int)largest.len - 6, largest.ptr);
    metadata.ptr[metadata.len - 2] = '"';
    event.metadata = varve_buf_view(&metadata);
    assert_int_equal(event.metadata.len, VARVE_DATA_BYTES_MAX);
    assert_accepted(event);
    varve_buf_printf(&metadata, " ");
    event.metadata = varve_buf_view(&metadata);
    assert_refused(event, VARVE_TOO_LARGE, "metadata has 1048577 bytes, more than 1048576");
    varve_buf_fini(&metadata);
    free((void *)largest.ptr);
    free((void *)too_large.ptr);
}

static void test_data(void **state)
{
    static const char *const any[] = { "{}", "[]", "1", "\"s\"", "null", "true", " 1.5 " };
    varve_event event = noted();

    (void)state;
    for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
        event.data = varve_str_of(any[i]);
        assert_accepted(event);
    }
    event.data = VARVE_STR("{\"a\":1}{}");
    assert_refused(event, VARVE_INVALID, "data is not JSON that varve accepts: something follows the value (byte 8)");
    event.data = VARVE_STR("{\"a\":\"\\u0000\"}");
    assert_refused(event, VARVE_INVALID, "data is not JSON that varve accepts: \\u0000 is not allowed (byte 7)");
    event.data = VARVE_STR(" ");
    assert_refused(event, VARVE_INVALID, "data is not JSON that varve accepts: the text ends too early (byte 2)");
}

static void test_data_of_another_content_type_is_bytes(void **state)
{
    varve_event event = noted();

    (void)state;
    event.content_type = VARVE_STR("image/png");
    event.data = VARVE_STR("\x89PNG\0\xff");
    assert_accepted(event);
    event.data = (varve_str){ 0 };
    assert_int_equal(event_complete(&event, 0, 1, NULL), VARVE_OK);
    assert_int_equal(event.data.len, 0);
}

static void test_content_types(void **state)
{
    static const struct {
        const char *type;
        bool json;
    } types[] = {
        { "application/json", true },
        { "Application/JSON", true },
        { "application/json; charset=utf-8", true },
        { "application/json ;x=y", true },
        { "application/x+json", true },
        { "application/cloudevents+JSON;a=b", true },
        { "text/plain", false },
        { "application/jsonx", false },
        { "text/json", false },
        { "application/xml", false },
        { "x/application/json", false },
        { "text/plain; x=+json", false },
    };
    varve_event event = noted();

    (void)state;
    assert_true(event_is_json(&event));
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        event.content_type = varve_str_of(types[i].type);
        assert_int_equal(event_is_json(&event), types[i].json);
        event.data = VARVE_STR("not JSON");
        assert_int_equal(event_complete(&event, 0, 1, NULL), types[i].json ? VARVE_INVALID : VARVE_OK);
    }
}

static void test_what_is_no_content_type(void **state)
{
    static const char *const types[] = { "json", "/json", "text/", "/", ";" };
    varve_event event = noted();

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        event.content_type = varve_str_of(types[i]);
        assert_refused(event, VARVE_INVALID, "content_type must be a media type such as application/json");
    }
    event.content_type = VARVE_STR("text/\n");
    assert_refused(event, VARVE_INVALID, "content_type must be printable UTF-8");
}

static void test_metadata_is_an_object(void **state)
{
    varve_event event = noted();

    (void)state;
    event.metadata = VARVE_STR(" \n{\"a\":[1]} ");
    assert_accepted(event);
    event.metadata = VARVE_STR("[]");
    assert_refused(event, VARVE_INVALID, "metadata must be a JSON object");
    event.metadata = VARVE_STR("null");
    assert_refused(event, VARVE_INVALID, "metadata must be a JSON object");
    event.metadata = VARVE_STR("{");
    assert_refused(event, VARVE_INVALID, "metadata is not JSON that varve accepts: the text ends too early (byte 2)");
    event.content_type = VARVE_STR("text/plain");
    assert_refused(event, VARVE_INVALID, "metadata is not JSON that varve accepts: the text ends too early (byte 2)");
}

static void test_occurred_at(void **state)
{
    varve_event event = noted();

    (void)state;
    event.occurred_at = time_max;
    assert_accepted(event);
    event.occurred_at = time_max + 1;
    assert_refused(event, VARVE_INVALID, "occurred_at must lie in the years 1970 to 9999");
    event.occurred_at = -1;
    assert_refused(event, VARVE_INVALID, "occurred_at must lie in the years 1970 to 9999");
}

static void test_the_message_names_the_event(void **state)
{
    varve_event event = noted();
    varve_error error = { 0 };

    (void)state;
    event.type = VARVE_STR("");
    assert_int_equal(event_complete(&event, 2, 3, &error), VARVE_INVALID);
    assert_string_equal(error.message, "events[2]: type must not be empty");
}

static varve_event complete(const varve_str *tags, size_t tag_count)
{
    varve_event event = noted();

    event.tags = tags;
    event.tag_count = tag_count;
    event.data = VARVE_STR("{\"a\":1}");
    event.position = 12;
    event.version = 3;
    event.recorded_at = 1767323045678901;
    event.occurred_at = 1767323045000000;
    for (size_t i = 0; i < sizeof(event.id.bytes); i++) event.id.bytes[i] = (uint8_t)(i + 1);
    assert_int_equal(event_complete(&event, 0, 1, NULL), VARVE_OK);
    return event;
}

/* The checksum is stored: it may never change. Computed with another implementation. */
static void test_checksum_is_fixed(void **state)
{
    const varve_str tags[] = { VARVE_STR("customer:1"), VARVE_STR("x") };
    varve_event event = complete(tags, 2);

    (void)state;
    assert_int_equal(event_checksum(&event), 0x3b452933);
}

static void test_checksum_covers_every_field(void **state)
{
    const varve_str tags[] = { VARVE_STR("ab"), VARVE_STR("c") }, moved[] = { VARVE_STR("a"), VARVE_STR("bc") };
    const varve_event event = complete(tags, 2);
    varve_event others[16];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 16; i++) others[i] = event;
    others[count++].stream = VARVE_STR("order-2");
    others[count++].type = VARVE_STR("OrderNotes");
    others[count++].data = VARVE_STR("{\"a\":2}");
    others[count++].metadata = VARVE_STR("{ }");
    others[count++].content_type = VARVE_STR("application/JSON");
    others[count++].tags = moved;
    others[count++].tag_count = 1;
    others[count++].id.bytes[15] = 0;
    others[count++].schema_version = 2;
    others[count++].occurred_at++;
    others[count++].recorded_at++;
    others[count++].version++;
    others[count++].position++;
    /* a byte that moves over from one field to the next */
    others[count].stream = VARVE_STR("order-1O");
    others[count++].type = VARVE_STR("rderNoted");
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) assert_int_not_equal(event_checksum(&others[i]), event_checksum(&others[j]));
        assert_int_not_equal(event_checksum(&others[i]), event_checksum(&event));
    }
}

static void test_correlation(void **state)
{
    static const struct {
        const char *metadata;
        const char *id;
    } cases[] = {
        { "", "" },
        { "{}", "" },
        { "{\"correlation_id\":\"c-1\"}", "c-1" },
        { "{\"a\":{\"correlation_id\":\"no\"},\"correlation_id\" : \"c-2\",\"b\":1}", "c-2" },
        { "{\"correlation_id\":\"first\",\"correlation_id\":\"last\"}", "last" },
        { "{\"correlation_id\":17}", "" },
        { "{\"correlation_id\":null}", "" },
        { "{\"correlation_id\":\"a\\/b\\u00e9\"}", "a/b\xc3\xa9" },
        { "{\"correlation_id\":\"\"}", "" },
        { "{\"correlation_id\":\"c-1\"", "" },
    };

    varve_buf memory = { 0 };
    varve_str id;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        varve_buf_reset(&memory);
        assert_true(event_correlation(varve_str_of(cases[i].metadata), &memory, &id));
        assert_true(varve_str_is(id, cases[i].id));
    }
    varve_buf_fini(&memory);
}

static void test_a_correlation_is_as_long_as_a_name(void **state)
{
    varve_str longest = letters(VARVE_NAME_BYTES_MAX);
    varve_buf metadata = { 0 };
    varve_event event = noted();

    (void)state;
    /* Escapes make it longer only as it is written. */
    varve_buf_printf(&metadata, "{\"correlation_id\":\"\\/%.*s\"}", (int)longest.len - 1, longest.ptr);
    event.metadata = varve_buf_view(&metadata);
    assert_accepted(event);
    varve_buf_reset(&metadata);
    varve_buf_printf(&metadata, "{\"correlation_id\":\"\\/%.*s\"}", (int)longest.len, longest.ptr);
    event.metadata = varve_buf_view(&metadata);
    assert_refused(event, VARVE_INVALID, "metadata.correlation_id has 256 bytes, more than 255");
    varve_buf_fini(&metadata);
    free((void *)longest.ptr);
}

static void test_tags_round_trip(void **state)
{
    varve_str longest = letters(VARVE_NAME_BYTES_MAX);
    const varve_str tags[] = { VARVE_STR("customer:1"), longest, VARVE_STR("\xc3\xa9") };
    struct arena arena = { 0 };
    varve_buf packed = { 0 };
    const varve_str *read;
    size_t count;

    (void)state;
    for (size_t used = 0; used <= 3; used++) {
        varve_buf_reset(&packed);
        event_tags_write(tags, used, &packed);
        assert_true(event_tags_read(varve_buf_view(&packed), &arena, &read, &count));
        assert_int_equal(count, used);
        for (size_t i = 0; i < used; i++) assert_true(varve_str_eq(read[i], tags[i]));
    }
    varve_buf_fini(&packed);
    arena_fini(&arena);
    free((void *)longest.ptr);
}

static void test_malformed_tags(void **state)
{
    struct arena arena = { 0 };
    const varve_str *read;
    size_t count;

    (void)state;
    assert_false(event_tags_read(VARVE_STR("\0"), &arena, &read, &count));
    assert_false(event_tags_read(VARVE_STR("\1"), &arena, &read, &count));
    assert_false(event_tags_read(VARVE_STR("\3ab"), &arena, &read, &count));
    assert_false(event_tags_read(VARVE_STR("\1a\xff"
                                           "abc"),
                                 &arena, &read, &count));
    assert_false(event_tags_read(VARVE_STR("\1a\0"), &arena, &read, &count));
    assert_int_equal(count, 0);
    assert_null(read);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_what_is_given_stays),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_data_of_another_content_type_is_bytes),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_what_is_no_content_type),
        cmocka_unit_test(test_metadata_is_an_object),
        cmocka_unit_test(test_occurred_at),
        cmocka_unit_test(test_the_message_names_the_event),
        cmocka_unit_test(test_checksum_is_fixed),
        cmocka_unit_test(test_checksum_covers_every_field),
        cmocka_unit_test(test_correlation),
        cmocka_unit_test(test_a_correlation_is_as_long_as_a_name),
        cmocka_unit_test(test_tags_round_trip),
        cmocka_unit_test(test_malformed_tags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
