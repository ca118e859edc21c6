/* SPDX-License-Identifier: Apache-2.0 */
#include "event/codec.h"

#include <strings.h>

#include "base/crc32c.h"
#include "base/json.h"
#include "base/utf8.h"

/* The last microsecond of the year 9999, the last that RFC 3339 can write. */
static const varve_time time_max = 253402300799999999;

static bool ends_with(varve_str text, const char *end)
{
    size_t len = strlen(end);

    return text.len >= len && strncasecmp(text.ptr + text.len - len, end, len) == 0;
}

bool event_is_json(const varve_event *event)
{
    varve_str type = event->content_type;
    const char *parameters = type.len == 0 ? NULL : memchr(type.ptr, ';', type.len);

    if (parameters != NULL) type.len = (size_t)(parameters - type.ptr);
    while (type.len > 0 && type.ptr[type.len - 1] == ' ') type.len--;
    if (type.len == 0) return event->content_type.len == 0;
    return (type.len == strlen("application/json") && ends_with(type, "application/json")) || ends_with(type, "+json");
}

varve_status event_check_name(varve_str name, const char *what, varve_error *error)
{
    if (name.len == 0) return varve_error_set(error, VARVE_INVALID, "%s must not be empty", what);
    if (name.len > VARVE_NAME_BYTES_MAX)
        return varve_error_set(error, VARVE_INVALID, "%s has %zu bytes, more than %u", what, name.len,
                               VARVE_NAME_BYTES_MAX);
    if (!utf8_printable(name)) return varve_error_set(error, VARVE_INVALID, "%s must be printable UTF-8", what);
    return VARVE_OK;
}

static varve_status check_content_type(varve_str type, varve_error *error)
{
    const char *slash = memchr(type.ptr, '/', type.len);

    if (slash == NULL || slash == type.ptr || slash == type.ptr + type.len - 1)
        return varve_error_set(error, VARVE_INVALID, "content_type must be a media type such as application/json");
    return VARVE_OK;
}

static varve_status check_tags(const varve_event *event, varve_error *error)
{
    if (event->tag_count > VARVE_TAGS_MAX)
        return varve_error_set(error, VARVE_INVALID, "there are %zu tags, more than %u", event->tag_count,
                               VARVE_TAGS_MAX);
    for (size_t i = 0; i < event->tag_count; i++) {
        varve_status status = event_check_name(event->tags[i], "a tag", error);

        if (status < 0) return status;
        for (size_t j = 0; j < i; j++) {
            if (varve_str_eq(event->tags[i], event->tags[j]))
                return varve_error_set(error, VARVE_INVALID, "the tag \"%.*s\" stands twice", (int)event->tags[i].len,
                                       event->tags[i].ptr);
        }
    }
    return VARVE_OK;
}

static varve_status check_size(varve_str text, const char *what, varve_error *error)
{
    if (text.len > VARVE_DATA_BYTES_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "%s has %zu bytes, more than %u", what, text.len,
                               VARVE_DATA_BYTES_MAX);
    return VARVE_OK;
}

/* It stands in an index, so it is as long as a name at most. */
static varve_status check_correlation(varve_str metadata, varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_buf memory = { 0 };
    varve_str id;

    if (!event_correlation(metadata, &memory, &id))
        status = varve_error_set(error, VARVE_NOMEM, "no memory to check metadata.correlation_id");
    else if (id.len > VARVE_NAME_BYTES_MAX)
        status = varve_error_set(error, VARVE_INVALID, "metadata.correlation_id has %zu bytes, more than %u", id.len,
                                 VARVE_NAME_BYTES_MAX);
    varve_buf_fini(&memory);
    return status;
}

static varve_status check_metadata(varve_str metadata, varve_error *error)
{
    varve_status status = json_check(metadata, "metadata", error);
    struct json_scanner scanner;

    if (status < 0) return status;
    json_start(&scanner, metadata);
    if (json_next(&scanner) != JSON_OBJECT)
        return varve_error_set(error, VARVE_INVALID, "metadata must be a JSON object");
    return check_correlation(metadata, error);
}

static varve_status check_payload(const varve_event *event, varve_error *error)
{
    varve_status status = check_size(event->data, "data", error);

    if (status == VARVE_OK) status = check_size(event->metadata, "metadata", error);
    if (status == VARVE_OK && event_is_json(event)) status = json_check(event->data, "data", error);
    if (status == VARVE_OK) status = check_metadata(event->metadata, error);
    return status;
}

static void set_defaults(varve_event *event)
{
    if (event->content_type.len == 0) event->content_type = VARVE_STR("application/json");
    if (event->data.len == 0 && event_is_json(event)) event->data = VARVE_STR("{}");
    if (event->metadata.len == 0) event->metadata = VARVE_STR("{}");
    if (event->schema_version == 0) event->schema_version = 1;
}

static varve_status check(const varve_event *event, varve_error *error)
{
    varve_status status = event_check_name(event->stream, "stream", error);

    if (status == VARVE_OK) status = event_check_name(event->type, "type", error);
    if (status == VARVE_OK) status = event_check_name(event->content_type, "content_type", error);
    if (status == VARVE_OK) status = check_content_type(event->content_type, error);
    if (status == VARVE_OK) status = check_tags(event, error);
    if (status == VARVE_OK && (event->occurred_at < 0 || event->occurred_at > time_max))
        status = varve_error_set(error, VARVE_INVALID, "occurred_at must lie in the years 1970 to 9999");
    if (status == VARVE_OK) status = check_payload(event, error);
    return status;
}

varve_status event_complete(varve_event *event, size_t ordinal, size_t count, varve_error *error)
{
    varve_status status;

    set_defaults(event);
    status = check(event, error);
    if (status < 0 && count > 1 && error != NULL)
        varve_error_set(error, status, "events[%zu]: %s", ordinal, error->message);
    return status;
}

static uint8_t *put(uint8_t *at, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++, number >>= 8) *at++ = (uint8_t)number;
    return at;
}

/*
 * All that has a fixed size comes first, little-endian, with the lengths of what follows it: two
 * different events never give the checksum the same bytes.
 */
uint32_t event_checksum(const varve_event *event)
{
    const varve_str texts[] = { event->stream, event->type, event->content_type, event->data, event->metadata };
    enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };
    uint8_t fixed[8 * 4 + 4 + 16 + 4 * TEXTS + 4], *at = fixed;
    uint32_t crc;

    at = put(at, event->position, 8);
    at = put(at, event->version, 8);
    at = put(at, (uint64_t)event->recorded_at, 8);
    at = put(at, (uint64_t)event->occurred_at, 8);
    at = put(at, event->schema_version, 4);
    memcpy(at, event->id.bytes, sizeof(event->id.bytes));
    at += sizeof(event->id.bytes);
    for (size_t i = 0; i < TEXTS; i++) at = put(at, texts[i].len, 4);
    at = put(at, event->tag_count, 4);
    crc = crc32c(0, fixed, (size_t)(at - fixed));
    for (size_t i = 0; i < TEXTS; i++) crc = crc32c(crc, texts[i].ptr, texts[i].len);
    for (size_t i = 0; i < event->tag_count; i++) {
        uint8_t len = (uint8_t)event->tags[i].len;

        crc = crc32c(crc, &len, 1);
        crc = crc32c(crc, event->tags[i].ptr, len);
    }
    return crc;
}

bool event_correlation(varve_str metadata, varve_buf *memory, varve_str *id)
{
    size_t before = memory->len;
    varve_str value = { 0 };

    *id = value;
    if (metadata.len <= strlen("{}") || json_find(metadata, VARVE_STR("correlation_id"), &value) != JSON_STRING)
        return true;
    *id = (varve_str){ value.ptr + 1, value.len - 2 };
    if (memchr(id->ptr, '\\', id->len) == NULL) return true;
    json_unescape(*id, memory);
    if (memory->failed) return false;
    *id = (varve_str){ memory->ptr + before, memory->len - before };
    return true;
}

void event_tags_write(const varve_str *tags, size_t tag_count, varve_buf *packed)
{
    for (size_t i = 0; i < tag_count; i++) {
        uint8_t len = (uint8_t)tags[i].len;

        varve_buf_add(packed, &len, 1);
        varve_buf_str(packed, tags[i]);
    }
}

/* How many tags there are; false when a length byte is zero or points beyond the end. */
static bool count_tags(varve_str packed, size_t *count)
{
    *count = 0;
    for (size_t at = 0; at < packed.len; ++*count) {
        size_t len = (uint8_t)packed.ptr[at];

        if (len == 0 || len > packed.len - at - 1) return false;
        at += 1 + len;
    }
    return true;
}

bool event_tags_have(varve_str packed, varve_str tag)
{
    for (size_t at = 0; at < packed.len; at += 1 + (uint8_t)packed.ptr[at]) {
        size_t len = (uint8_t)packed.ptr[at];

        if (len <= packed.len - at - 1 && varve_str_eq((varve_str){ packed.ptr + at + 1, len }, tag)) return true;
    }
    return false;
}

bool event_tags_read(varve_str packed, struct arena *arena, const varve_str **tags, size_t *tag_count)
{
    const char *at = packed.ptr;
    varve_str *views;
    size_t count;

    *tags = NULL;
    *tag_count = 0;
    if (!count_tags(packed, &count)) return false;
    if (count == 0) return true;
    views = arena_array(arena, count, sizeof(*views));
    if (views == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        views[i] = (varve_str){ at + 1, (uint8_t)*at };
        at += 1 + views[i].len;
    }
    *tags = views;
    *tag_count = count;
    return true;
}
