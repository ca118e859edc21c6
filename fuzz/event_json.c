/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event as the log writes it: what was read and is fit for the log is written, read again, and is
 * the same event. On a line of an export every byte is kept; in an answer the blanks around data and
 * metadata belong to the object that they stand in.
 */
#include "event/codec.h"
#include "event/read_json.h"
#include "fuzz/fuzz.h"

static varve_status read(varve_str json, struct arena *memory, varve_event *event, varve_error *error)
{
    struct event_reader reader = { .memory = memory, .recorded = true, .error = error };

    json_start_around(&reader.scanner, json);
    varve_status status = event_read_json(&reader, event);
    if (status == VARVE_OK && json_next(&reader.scanner) != JSON_END) status = event_read_not_json(&reader);
    return status;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static varve_str trim(varve_str text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) text.ptr++, text.len--;
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) text.len--;
    return text;
}

static void check_same(const varve_event *a, const varve_event *b)
{
    ASSERT(varve_str_eq(a->stream, b->stream) && varve_str_eq(a->type, b->type));
    ASSERT(varve_str_eq(a->content_type, b->content_type));
    ASSERT(varve_str_eq(a->data, b->data) && varve_str_eq(a->metadata, b->metadata));
    ASSERT(a->tag_count == b->tag_count);
    for (size_t i = 0; i < a->tag_count; i++) ASSERT(varve_str_eq(a->tags[i], b->tags[i]));
    ASSERT(memcmp(a->id.bytes, b->id.bytes, sizeof a->id.bytes) == 0);
    ASSERT(a->schema_version == b->schema_version && a->version == b->version && a->position == b->position);
    ASSERT(a->occurred_at == b->occurred_at && a->recorded_at == b->recorded_at);
    ASSERT(event_checksum(a) == event_checksum(b));
}

/* What the log fills in when it was not given. */
static void record(varve_event *event)
{
    const varve_time some_time = 1767323045678901;

    if (varve_uuid_is_nil(event->id)) event->id.bytes[15] = 1;
    if (event->recorded_at == 0) event->recorded_at = some_time;
    if (event->occurred_at == 0) event->occurred_at = event->recorded_at;
}

typedef void (*write_event)(const varve_event *event, varve_buf *out);

static void write_and_read(const varve_event *event, write_event write)
{
    struct arena memory = { 0 };
    varve_buf once = { 0 }, twice = { 0 };
    varve_event again = { 0 };
    varve_error error = { 0 };

    write(event, &once);
    ASSERT(!once.failed && read(varve_buf_view(&once), &memory, &again, &error) == VARVE_OK);
    ASSERT(event_complete(&again, 0, 1, &error) == VARVE_OK);
    check_same(event, &again);
    write(&again, &twice);
    ASSERT(varve_str_eq(varve_buf_view(&once), varve_buf_view(&twice)));
    varve_buf_fini(&once);
    varve_buf_fini(&twice);
    arena_fini(&memory);
}

static void check_line(const varve_event *event)
{
    varve_buf line = { 0 };

    event_write_line(event, &line);
    ASSERT(!line.failed && memchr(line.ptr, '\n', line.len) == line.ptr + line.len - 1);
    varve_buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena memory = { 0 };
    varve_event event = { 0 };
    varve_error error = { 0 };
    varve_status status = read(fuzz_text(data, size), &memory, &event, &error);

    if (status == VARVE_OK) status = event_complete(&event, 0, 1, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
    } else {
        record(&event);
        check_line(&event);
        write_and_read(&event, event_write_line);
        if (event_is_json(&event)) event.data = trim(event.data);
        event.metadata = trim(event.metadata);
        write_and_read(&event, varve_event_write_json);
    }
    arena_fini(&memory);
    return 0;
}
