/* SPDX-License-Identifier: Apache-2.0 */
/* An append as JSON. Read token by token, because payload bytes are kept exactly as they came. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/json.h"
#include "store/store.h"

struct varve_append_json {
    struct arena memory; /* arrays, and texts that had escapes */
    varve_append_request request;
    varve_str stream; /* every event's, when the caller names it */
};

struct reader {
    varve_append_json *parsed;
    struct json_scanner scanner;
    const char *list; /* what is being read, for messages: "events", "conditions" */
    size_t item;
    varve_error *error;
};

varve_status varve_expected_version_parse(varve_str text, varve_condition_kind *kind, uint64_t *version,
                                          varve_error *error)
{
    static const struct {
        const char *word;
        varve_condition_kind kind;
    } words[] = { { "any", VARVE_STREAM_ANY }, { "none", VARVE_STREAM_NONE }, { "exists", VARVE_STREAM_EXISTS } };
    uint64_t number = 0;
    *version = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (varve_str_is(text, words[i].word)) {
            *kind = words[i].kind;
            return VARVE_OK;
        }
    }
    bool valid = text.len > 0 && text.len <= 19; /* 19 digits fit into 64 bits */
    for (size_t i = 0; valid && i < text.len; i++) {
        valid = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (!valid || number > INT64_MAX)
        return varve_error_set(error, VARVE_INVALID, "an expected version is a number, any, none or exists");
    *kind = VARVE_STREAM_AT;
    *version = number;
    return VARVE_OK;
}

/* ---- pieces ---- */

static varve_status not_json(struct reader *reader)
{
    return varve_error_set(reader->error, VARVE_INVALID, "the append is not JSON: %s at byte %zu",
                           reader->scanner.problem, (size_t)(reader->scanner.at - reader->scanner.start));
}

static varve_status no_memory(struct reader *reader)
{
    return varve_error_set(reader->error, VARVE_NOMEM, "no memory for the append");
}

/* A field that is wrong, with its place: "events[2].type". */
static varve_status wrong(struct reader *reader, const char *field, const char *must)
{
    if (reader->list == NULL) return varve_error_set(reader->error, VARVE_INVALID, "\"%s\" must be %s", field, must);
    return varve_error_set(reader->error, VARVE_INVALID, "%s[%zu].%s must be %s", reader->list, reader->item, field,
                           must);
}

static varve_status unknown_field(struct reader *reader)
{
    varve_str name = reader->scanner.raw;
    int len = name.len > 60 ? 60 : (int)name.len;
    if (reader->list == NULL)
        return varve_error_set(reader->error, VARVE_INVALID, "unknown field \"%.*s\"", len, name.ptr);
    return varve_error_set(reader->error, VARVE_INVALID, "unknown field %s[%zu].%.*s", reader->list, reader->item, len,
                           name.ptr);
}

static varve_status text(struct reader *reader, const char *field, varve_str *value)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_ERROR) return not_json(reader);
    if (token != JSON_STRING) return wrong(reader, field, "a string");
    *value = reader->scanner.raw;
    if (!reader->scanner.escaped) return VARVE_OK;
    varve_buf plain = { 0 };
    json_unescape(reader->scanner.raw, &plain);
    bool copied = !plain.failed && arena_copy(&reader->parsed->memory, varve_buf_view(&plain), value);
    varve_buf_fini(&plain);
    return copied ? VARVE_OK : no_memory(reader);
}

static varve_status number(struct reader *reader, const char *field, uint64_t *value)
{
    if (json_next(&reader->scanner) != JSON_INTEGER || reader->scanner.integer < 0)
        return wrong(reader, field, "a whole number that is not negative");
    *value = (uint64_t)reader->scanner.integer;
    return VARVE_OK;
}

static varve_status any_value(struct reader *reader, varve_str *value)
{
    return json_skip(&reader->scanner, json_next(&reader->scanner), value) == JSON_ERROR ? not_json(reader) : VARVE_OK;
}

/* How many values the array that begins at the scanner has. The scanner stays where it is. */
static varve_status count_values(struct reader *reader, const char *field, size_t *count)
{
    struct json_scanner ahead = reader->scanner;
    varve_str value;
    enum json_token token = json_next(&ahead);
    if (token != JSON_ARRAY && token != JSON_ERROR) return wrong(reader, field, "an array");
    *count = 0;
    for (;;) {
        token = json_next(&ahead);
        if (token == JSON_ARRAY_END) return VARVE_OK;
        if (json_skip(&ahead, token, &value) == JSON_ERROR) {
            reader->scanner = ahead;
            return not_json(reader);
        }
        (*count)++;
    }
}

static varve_status tags(struct reader *reader, varve_event *event)
{
    size_t count = 0;
    varve_status status = count_values(reader, "tags", &count);
    if (status < 0) return status;
    varve_str *list = arena_array(&reader->parsed->memory, count + 1, sizeof *list);
    if (list == NULL) return no_memory(reader);
    (void)json_next(&reader->scanner);
    for (size_t i = 0; i < count; i++)
        if ((status = text(reader, "tags", &list[i])) < 0) return status;
    (void)json_next(&reader->scanner);
    event->tags = list;
    event->tag_count = count;
    return VARVE_OK;
}

static varve_status base64_data(struct reader *reader, varve_event *event)
{
    varve_str encoded = { 0 };
    varve_buf bytes = { 0 };
    varve_status status = text(reader, "data_base64", &encoded);
    if (status < 0) return status;
    if (!base64_decode(encoded, &bytes))
        status = wrong(reader, "data_base64", "base64");
    else if (bytes.failed || !arena_copy(&reader->parsed->memory, varve_buf_view(&bytes), &event->data))
        status = no_memory(reader);
    varve_buf_fini(&bytes);
    return status;
}

static varve_status event_id(struct reader *reader, varve_event *event)
{
    varve_str value = { 0 };
    varve_status status = text(reader, "id", &value);
    if (status < 0) return status;
    return varve_uuid_parse(&event->id, value, NULL) < 0 ? wrong(reader, "id", "a UUID") : VARVE_OK;
}

static varve_status occurred_at(struct reader *reader, varve_event *event)
{
    varve_str value = { 0 };
    varve_status status = text(reader, "occurred_at", &value);
    if (status < 0) return status;
    if (varve_time_parse(&event->occurred_at, value, NULL) < 0 || event->occurred_at <= 0)
        return wrong(reader, "occurred_at", "a time after 1970 such as \"2026-01-02T03:04:05Z\"");
    return VARVE_OK;
}

static varve_status schema_version(struct reader *reader, varve_event *event)
{
    uint64_t value = 0;
    varve_status status = number(reader, "schema_version", &value);
    if (status >= 0 && (value == 0 || value > UINT32_MAX))
        return wrong(reader, "schema_version", "from 1 to 4294967295");
    event->schema_version = (uint32_t)value;
    return status;
}

/* ---- events and conditions ---- */

static varve_status event_field(struct reader *reader, varve_event *event)
{
    const struct json_scanner *key = &reader->scanner;
    if (json_is(key, "type")) return text(reader, "type", &event->type);
    if (json_is(key, "data")) return any_value(reader, &event->data);
    if (json_is(key, "metadata")) return any_value(reader, &event->metadata);
    if (json_is(key, "data_base64")) return base64_data(reader, event);
    if (json_is(key, "content_type")) return text(reader, "content_type", &event->content_type);
    if (json_is(key, "tags")) return tags(reader, event);
    if (json_is(key, "id")) return event_id(reader, event);
    if (json_is(key, "schema_version")) return schema_version(reader, event);
    if (json_is(key, "occurred_at")) return occurred_at(reader, event);
    if (json_is(key, "stream") && reader->parsed->stream.len == 0) return text(reader, "stream", &event->stream);
    return unknown_field(reader);
}

static varve_status one_event(struct reader *reader, varve_event *event)
{
    if (json_next(&reader->scanner) != JSON_OBJECT)
        return varve_error_set(reader->error, VARVE_INVALID, "events[%zu] must be an object", reader->item);
    event->stream = reader->parsed->stream;
    enum json_token token;
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        varve_status status = event_field(reader, event);
        if (status < 0) return status;
    }
    return token == JSON_ERROR ? not_json(reader) : VARVE_OK;
}

static varve_status expected_version(struct reader *reader, varve_condition *condition)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_INTEGER && reader->scanner.integer >= 0) {
        condition->kind = VARVE_STREAM_AT;
        condition->version = (uint64_t)reader->scanner.integer;
        return VARVE_OK;
    }
    varve_str word = reader->scanner.raw;
    bool is_word = token == JSON_STRING && word.len > 0 && (word.ptr[0] < '0' || word.ptr[0] > '9');
    if (!is_word || varve_expected_version_parse(word, &condition->kind, &condition->version, NULL) < 0)
        return wrong(reader, "expected_version", "a number, \"any\", \"none\" or \"exists\"");
    return VARVE_OK;
}

static varve_status one_condition(struct reader *reader, varve_condition *condition)
{
    bool has_version = false;
    if (json_next(&reader->scanner) != JSON_OBJECT)
        return varve_error_set(reader->error, VARVE_INVALID, "conditions[%zu] must be an object", reader->item);
    enum json_token token;
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        varve_status status;
        if (json_is(&reader->scanner, "stream")) {
            status = text(reader, "stream", &condition->stream);
        } else if (json_is(&reader->scanner, "expected_version")) {
            status = expected_version(reader, condition);
            has_version = true;
        } else if (json_is(&reader->scanner, "fail_if_match") || json_is(&reader->scanner, "after")) {
            status = varve_error_set(reader->error, VARVE_UNSUPPORTED,
                                     "the append condition fail_if_match is not built yet");
        } else {
            status = unknown_field(reader);
        }
        if (status < 0) return status;
    }
    if (token == JSON_ERROR) return not_json(reader);
    if (!has_version || condition->stream.len == 0)
        return varve_error_set(reader->error, VARVE_INVALID, "conditions[%zu] needs \"stream\" and \"expected_version\"",
                               reader->item);
    return VARVE_OK;
}

/* Reads an array; the scanner stands before it. */
static varve_status events(struct reader *reader)
{
    size_t count = 0;
    varve_status status = count_values(reader, "events", &count);
    varve_event *list = status < 0 ? NULL : arena_array(&reader->parsed->memory, count + 1, sizeof *list);
    if (status < 0) return status;
    if (list == NULL) return no_memory(reader);
    (void)json_next(&reader->scanner);
    reader->list = "events";
    for (reader->item = 0; reader->item < count; reader->item++)
        if ((status = one_event(reader, &list[reader->item])) < 0) return status;
    (void)json_next(&reader->scanner);
    reader->list = NULL;
    reader->parsed->request.events = list;
    reader->parsed->request.event_count = count;
    return VARVE_OK;
}

static varve_status conditions(struct reader *reader)
{
    size_t count = 0;
    varve_status status = count_values(reader, "conditions", &count);
    varve_condition *list = status < 0 ? NULL : arena_array(&reader->parsed->memory, count + 1, sizeof *list);
    if (status < 0) return status;
    if (list == NULL) return no_memory(reader);
    (void)json_next(&reader->scanner);
    reader->list = "conditions";
    for (reader->item = 0; reader->item < count; reader->item++)
        if ((status = one_condition(reader, &list[reader->item])) < 0) return status;
    (void)json_next(&reader->scanner);
    reader->list = NULL;
    reader->parsed->request.conditions = list;
    reader->parsed->request.condition_count = count;
    return VARVE_OK;
}

static varve_status whole(struct reader *reader)
{
    bool one_stream = reader->parsed->stream.len > 0, has_events = false;
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_ERROR) return not_json(reader);
    if (token != JSON_OBJECT)
        return varve_error_set(reader->error, VARVE_INVALID, "an append is a JSON object with \"events\"");
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        varve_status status;
        if (json_is(&reader->scanner, "events")) {
            status = events(reader);
            has_events = true;
        } else if (json_is(&reader->scanner, "conditions") && !one_stream) {
            status = conditions(reader);
        } else if (json_is(&reader->scanner, "idempotency_key") && !one_stream) {
            status = text(reader, "idempotency_key", &reader->parsed->request.idempotency_key);
        } else {
            status = unknown_field(reader);
        }
        if (status < 0) return status;
    }
    if (token == JSON_ERROR || json_next(&reader->scanner) == JSON_ERROR) return not_json(reader);
    if (!has_events) return varve_error_set(reader->error, VARVE_INVALID, "the field \"events\" is missing");
    return VARVE_OK;
}

varve_status varve_append_json_parse(varve_append_json **out, varve_str json, varve_str stream, varve_error *error)
{
    varve_append_json *parsed = calloc(1, sizeof *parsed);
    if (parsed == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for the append");
    parsed->stream = stream;
    struct reader reader = { .parsed = parsed, .error = error };
    json_start(&reader.scanner, json);
    varve_status status = whole(&reader);
    if (status < 0) {
        varve_append_json_free(parsed);
        return status;
    }
    *out = parsed;
    return VARVE_OK;
}

varve_append_request *varve_append_json_request(varve_append_json *parsed)
{
    return &parsed->request;
}

void varve_append_json_free(varve_append_json *parsed)
{
    if (parsed == NULL) return;
    arena_fini(&parsed->memory);
    free(parsed);
}
