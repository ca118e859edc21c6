/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "event/codec.h"

/* Appends ,"name": */
static void add_name(varve_buf *out, const char *name)
{
    varve_buf_add(out, ",\"", 2);
    varve_buf_add(out, name, strlen(name));
    varve_buf_add(out, "\":", 2);
}

static void add_string(varve_buf *out, const char *name, varve_str value)
{
    add_name(out, name);
    varve_buf_json_string(out, value);
}

/* A value that is JSON already; nothing stands for an empty object. */
static void add_json(varve_buf *out, const char *name, varve_str value)
{
    add_name(out, name);
    varve_buf_str(out, value.len > 0 ? value : VARVE_STR("{}"));
}

/* Written from the last digit to the first; this runs for every event that leaves the program. */
static void add_number(varve_buf *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    varve_buf_add(out, digits + at, sizeof(digits) - at);
}

static void add_time(varve_buf *out, const char *name, varve_time time)
{
    char text[VARVE_TIME_TEXT_BYTES];

    add_name(out, name);
    if (time == 0) {
        varve_buf_str(out, VARVE_STR("null"));
        return;
    }
    varve_time_format(time, text);
    varve_buf_add(out, "\"", 1);
    varve_buf_add(out, text, strlen(text));
    varve_buf_add(out, "\"", 1);
}

static void add_id(varve_buf *out, varve_uuid id)
{
    char text[VARVE_UUID_TEXT_BYTES];

    varve_uuid_format(id, text);
    add_name(out, "id");
    varve_buf_add(out, "\"", 1);
    varve_buf_add(out, text, sizeof(text) - 1);
    varve_buf_add(out, "\"", 1);
}

static void add_base64(varve_buf *out, const char *name, varve_str bytes)
{
    add_name(out, name);
    varve_buf_add(out, "\"", 1);
    base64_encode(bytes, out);
    varve_buf_add(out, "\"", 1);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * JSON may hold white space between its tokens, and so line breaks; at its ends it would be read as
 * the line's own.
 */
static bool fits_line(varve_str json)
{
    if (json.len == 0) return true;
    return memchr(json.ptr, '\n', json.len) == NULL && memchr(json.ptr, '\r', json.len) == NULL &&
           !is_blank(json.ptr[0]) && !is_blank(json.ptr[json.len - 1]);
}

/* The content type is left out where it goes without saying, so that an event can be read back as it was. */
static void add_data(varve_buf *out, const varve_event *event, bool one_line)
{
    bool plain = event->content_type.len == 0 || varve_str_is(event->content_type, "application/json");

    if (event_is_json(event) && (!one_line || fits_line(event->data)))
        add_json(out, "data", event->data);
    else
        add_base64(out, "data_base64", event->data);
    if (!plain) add_string(out, "content_type", event->content_type);
}

static void add_tags(varve_buf *out, const varve_event *event)
{
    add_name(out, "tags");
    varve_buf_add(out, "[", 1);
    for (size_t i = 0; i < event->tag_count; i++) {
        if (i > 0) varve_buf_add(out, ",", 1);
        varve_buf_json_string(out, event->tags[i]);
    }
    varve_buf_add(out, "]", 1);
}

static void write_event(const varve_event *event, bool one_line, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{\"position\":"));
    add_number(out, event->position);
    add_string(out, "stream", event->stream);
    add_string(out, "aggregate_id", varve_stream_aggregate_id(event->stream));
    add_name(out, "version");
    add_number(out, event->version);
    add_id(out, event->id);
    add_string(out, "type", event->type);
    if (event->schema_version > 1) {
        add_name(out, "schema_version");
        add_number(out, event->schema_version);
    }
    add_data(out, event, one_line);
    if (one_line && !fits_line(event->metadata))
        add_base64(out, "metadata_base64", event->metadata);
    else
        add_json(out, "metadata", event->metadata);
    add_tags(out, event);
    add_time(out, "occurred_at", event->occurred_at);
    add_time(out, "recorded_at", event->recorded_at);
    varve_buf_add(out, "}", 1);
}

void varve_event_write_json(const varve_event *event, varve_buf *out)
{
    write_event(event, false, out);
}

void event_write_line(const varve_event *event, varve_buf *out)
{
    write_event(event, true, out);
    varve_buf_add(out, "\n", 1);
}
