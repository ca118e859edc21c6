/* SPDX-License-Identifier: Apache-2.0 */
#include "event/read_json.h"

#include "base/base64.h"

varve_status event_read_not_json(struct event_reader *reader)
{
    return varve_error_set(reader->error, VARVE_INVALID, "not JSON: %s at byte %zu", reader->scanner.problem,
                           (size_t)(reader->scanner.at - reader->scanner.start));
}

static varve_status no_memory(struct event_reader *reader)
{
    return varve_error_set(reader->error, VARVE_NOMEM, "no memory to read an event");
}

varve_status event_read_wrong(struct event_reader *reader, const char *field, const char *must)
{
    if (reader->list == NULL) return varve_error_set(reader->error, VARVE_INVALID, "\"%s\" must be %s", field, must);
    return varve_error_set(reader->error, VARVE_INVALID, "%s[%zu].%s must be %s", reader->list, reader->item, field,
                           must);
}

varve_status event_read_unknown(struct event_reader *reader)
{
    varve_str name = reader->scanner.raw;
    int len = name.len > 60 ? 60 : (int)name.len;
    if (reader->list == NULL)
        return varve_error_set(reader->error, VARVE_INVALID, "unknown field \"%.*s\"", len, name.ptr);
    return varve_error_set(reader->error, VARVE_INVALID, "unknown field %s[%zu].%.*s", reader->list, reader->item, len,
                           name.ptr);
}

varve_status event_read_repeated(struct event_reader *reader, const char *field)
{
    return event_read_wrong(reader, field, "given once");
}

varve_status event_read_text(struct event_reader *reader, const char *field, varve_str *value)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_ERROR) return event_read_not_json(reader);
    if (token != JSON_STRING) return event_read_wrong(reader, field, "a string");
    *value = reader->scanner.raw;
    if (!reader->scanner.escaped) return VARVE_OK;
    varve_buf plain = { 0 };
    json_unescape(reader->scanner.raw, &plain);
    bool copied = !plain.failed && arena_copy(reader->memory, varve_buf_view(&plain), value);
    varve_buf_fini(&plain);
    return copied ? VARVE_OK : no_memory(reader);
}

varve_status event_read_number(struct event_reader *reader, const char *field, uint64_t *value)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_ERROR) return event_read_not_json(reader);
    if (token != JSON_INTEGER || reader->scanner.integer < 0)
        return event_read_wrong(reader, field, "a whole number that is not negative");
    *value = (uint64_t)reader->scanner.integer;
    return VARVE_OK;
}

varve_status event_read_array(struct event_reader *reader, const char *field, size_t *count)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_ERROR) return event_read_not_json(reader);
    if (token != JSON_ARRAY) return event_read_wrong(reader, field, "an array");
    struct json_scanner ahead = reader->scanner;
    varve_str value;
    for (*count = 0; (token = json_next(&ahead)) != JSON_ARRAY_END; (*count)++) {
        if (json_skip(&ahead, token, &value) != JSON_ERROR) continue;
        reader->scanner = ahead;
        return event_read_not_json(reader);
    }
    return VARVE_OK;
}

varve_status event_read_texts(struct event_reader *reader, const char *field, const varve_str **values, size_t *count)
{
    varve_status status = event_read_array(reader, field, count);
    if (status < 0) return status;
    varve_str *texts = arena_array(reader->memory, *count + 1, sizeof *texts);
    if (texts == NULL) return no_memory(reader);
    for (size_t i = 0; i < *count; i++)
        if ((status = event_read_text(reader, field, &texts[i])) < 0) return status;
    (void)json_next(&reader->scanner); /* the array's end, seen while counting */
    *values = texts;
    return VARVE_OK;
}

/* ---- fields ---- */

static varve_status read_value(struct event_reader *reader, varve_str *value)
{
    enum json_token token = json_next(&reader->scanner);
    return json_skip(&reader->scanner, token, value) == JSON_ERROR ? event_read_not_json(reader) : VARVE_OK;
}

static varve_status read_bytes(struct event_reader *reader, const char *field, varve_str *value)
{
    varve_str encoded = { 0 };
    varve_buf bytes = { 0 };
    varve_status status = event_read_text(reader, field, &encoded);
    if (status < 0) return status;
    if (!base64_decode(encoded, &bytes))
        status = event_read_wrong(reader, field, "base64");
    else if (bytes.failed || !arena_copy(reader->memory, varve_buf_view(&bytes), value))
        status = no_memory(reader);
    varve_buf_fini(&bytes);
    return status;
}

static varve_status read_id(struct event_reader *reader, varve_event *event)
{
    varve_str text = { 0 };
    varve_status status = event_read_text(reader, "id", &text);
    if (status < 0) return status;
    return varve_uuid_parse(&event->id, text, NULL) < 0 ? event_read_wrong(reader, "id", "a UUID") : VARVE_OK;
}

static varve_status read_time(struct event_reader *reader, const char *field, varve_time *time)
{
    varve_str text = { 0 };
    varve_status status = event_read_text(reader, field, &text);
    if (status < 0) return status;
    /* 0 would mean "not set", so the first moment of 1970 cannot be told from no time at all. */
    if (varve_time_parse(time, text, NULL) < 0 || *time <= 0)
        return event_read_wrong(reader, field, "a time after 1970 such as \"2026-01-02T03:04:05Z\"");
    return VARVE_OK;
}

static varve_status read_schema_version(struct event_reader *reader, varve_event *event)
{
    uint64_t value = 0;
    varve_status status = event_read_number(reader, "schema_version", &value);
    if (status >= 0 && (value == 0 || value > UINT32_MAX))
        return event_read_wrong(reader, "schema_version", "from 1 to 4294967295");
    event->schema_version = (uint32_t)value;
    return status;
}

enum field {
    TYPE,
    DATA,
    DATA_BASE64,
    METADATA,
    CONTENT_TYPE,
    TAGS,
    ID,
    SCHEMA_VERSION,
    OCCURRED_AT,
    STREAM,
    /* What only the log sets, and what only an export writes. The aggregate's id follows from the stream. */
    RECORDED,
    POSITION = RECORDED,
    VERSION,
    RECORDED_AT,
    METADATA_BASE64,
    AGGREGATE_ID,
    FIELDS
};

/* `sets` names the field of the event that a field is the value of: two of them may stand for one. */
static const struct {
    const char *name;
    enum field sets;
} fields[FIELDS] = {
    [TYPE] = { "type", TYPE },
    [DATA] = { "data", DATA },
    [DATA_BASE64] = { "data_base64", DATA },
    [METADATA] = { "metadata", METADATA },
    [CONTENT_TYPE] = { "content_type", CONTENT_TYPE },
    [TAGS] = { "tags", TAGS },
    [ID] = { "id", ID },
    [SCHEMA_VERSION] = { "schema_version", SCHEMA_VERSION },
    [OCCURRED_AT] = { "occurred_at", OCCURRED_AT },
    [STREAM] = { "stream", STREAM },
    [POSITION] = { "position", POSITION },
    [VERSION] = { "version", VERSION },
    [RECORDED_AT] = { "recorded_at", RECORDED_AT },
    [METADATA_BASE64] = { "metadata_base64", METADATA },
    [AGGREGATE_ID] = { "aggregate_id", AGGREGATE_ID },
};

/* The field whose key was just read; FIELDS when it is none that may stand here. */
static enum field field_of(const struct event_reader *reader)
{
    enum field count = reader->recorded ? FIELDS : RECORDED;
    for (enum field field = 0; field < count; field++)
        if (json_is(&reader->scanner, fields[field].name))
            return field == STREAM && reader->stream.len > 0 ? FIELDS : field;
    return FIELDS;
}

static varve_status read_field(struct event_reader *reader, enum field field, varve_event *event)
{
    const char *name = fields[field].name;
    varve_str aggregate_id;
    switch (field) {
    case TYPE:
        return event_read_text(reader, name, &event->type);
    case DATA:
        return read_value(reader, &event->data);
    case DATA_BASE64:
        return read_bytes(reader, name, &event->data);
    case METADATA:
        return read_value(reader, &event->metadata);
    case METADATA_BASE64:
        return read_bytes(reader, name, &event->metadata);
    case CONTENT_TYPE:
        return event_read_text(reader, name, &event->content_type);
    case TAGS:
        return event_read_texts(reader, "tags", &event->tags, &event->tag_count);
    case ID:
        return read_id(reader, event);
    case SCHEMA_VERSION:
        return read_schema_version(reader, event);
    case OCCURRED_AT:
        return read_time(reader, name, &event->occurred_at);
    case STREAM:
        return event_read_text(reader, name, &event->stream);
    case POSITION:
        return event_read_number(reader, name, &event->position);
    case VERSION:
        return event_read_number(reader, name, &event->version);
    case RECORDED_AT:
        return read_time(reader, name, &event->recorded_at);
    case AGGREGATE_ID:
        return event_read_text(reader, name, &aggregate_id);
    case FIELDS:
        break;
    }
    return event_read_unknown(reader);
}

varve_status event_read_json(struct event_reader *reader, varve_event *event)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_ERROR) return event_read_not_json(reader);
    if (token != JSON_OBJECT && reader->list == NULL)
        return varve_error_set(reader->error, VARVE_INVALID, "an event must be a JSON object");
    if (token != JSON_OBJECT)
        return varve_error_set(reader->error, VARVE_INVALID, "%s[%zu] must be an object", reader->list, reader->item);
    *event = (varve_event){ .stream = reader->stream };
    bool seen[FIELDS] = { false };
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        enum field field = field_of(reader);
        if (field == FIELDS) return event_read_unknown(reader);
        if (seen[fields[field].sets]) return event_read_repeated(reader, fields[field].name);
        varve_status status = read_field(reader, field, event);
        if (status < 0) return status;
        seen[fields[field].sets] = true;
    }
    return token == JSON_ERROR ? event_read_not_json(reader) : VARVE_OK;
}
