/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/rows.h"

#include "event/codec.h"

void rows_begin(struct rows *rows)
{
    static const uint32_t types[ROWS_COLUMNS] = { TYPE_INT8, TYPE_TEXT,  TYPE_INT8, TYPE_UUID, TYPE_TEXT,
                                                  TYPE_TEXT, TYPE_INT8,  TYPE_TEXT, TYPE_TEXT, TYPE_TIMESTAMPTZ,
                                                  TYPE_JSON, TYPE_BYTEA, TYPE_JSON, TYPE_INT8, TYPE_TIMESTAMPTZ };
    for (size_t i = 0; i < ROWS_COLUMNS; i++) array_begin(&rows->columns[i], types[i]);
    array_begin(&rows->tags, TYPE_TEXT);
    array_begin(&rows->tag_places, TYPE_INT8);
    rows->count = 0;
}

/* As a literal of an array: in quotes, in which quotes and backslashes are escaped. */
static void add_tags(struct rows *rows, struct array *column, const varve_event *event)
{
    if (event->tag_count == 0) {
        array_null(column);
        return;
    }
    varve_buf_reset(&rows->scratch);
    for (size_t i = 0; i < event->tag_count; i++) {
        varve_str tag = event->tags[i];
        varve_buf_str(&rows->scratch, i == 0 ? VARVE_STR("{\"") : VARVE_STR(",\""));
        for (size_t j = 0; j < tag.len; j++) {
            if (tag.ptr[j] == '"' || tag.ptr[j] == '\\') varve_buf_add(&rows->scratch, "\\", 1);
            varve_buf_add(&rows->scratch, &tag.ptr[j], 1);
        }
        varve_buf_str(&rows->scratch, VARVE_STR("\""));
        array_text(&rows->tags, tag);
        array_int(&rows->tag_places, (int64_t)rows->count + 1);
    }
    varve_buf_str(&rows->scratch, VARVE_STR("}"));
    array_text(column, varve_buf_view(&rows->scratch));
}

static void add_correlation(struct rows *rows, struct array *column, const varve_event *event)
{
    varve_str id = { 0 };
    varve_buf_reset(&rows->scratch);
    if (!event_correlation(event->metadata, &rows->scratch, &id)) column->bytes.failed = true;
    if (id.len > 0)
        array_text(column, id);
    else
        array_null(column);
}

/* The checksum covers what the caller gave, as it covers what a caller of the SQL function gave. */
static uint32_t checksum_of(const varve_event *event)
{
    varve_event given = *event;
    given.position = given.version = 0;
    given.recorded_at = 0;
    return event_checksum(&given);
}

void rows_add(struct rows *rows, const varve_event *event, int64_t presumed)
{
    struct array *column = rows->columns;
    bool is_json = event_is_json(event);
    if (presumed == PRESUMED_NOTHING)
        array_null(column++);
    else
        array_int(column++, presumed);
    array_text(column++, event->stream);
    array_int(column++, (int64_t)event->version);
    array_text(column++, (varve_str){ (const char *)event->id.bytes, sizeof event->id.bytes });
    array_text(column++, event->type);
    if (varve_str_is(event->content_type, "application/json"))
        array_null(column++);
    else
        array_text(column++, event->content_type);
    if (event->schema_version == 1)
        array_null(column++);
    else
        array_int(column++, event->schema_version);
    add_correlation(rows, column++, event);
    add_tags(rows, column++, event);
    if (event->occurred_at == 0)
        array_null(column++);
    else
        array_time(column++, event->occurred_at);
    if (is_json)
        array_text(column++, event->data);
    else
        array_null(column++);
    if (is_json)
        array_null(column++);
    else
        array_text(column++, event->data);
    if (varve_str_is(event->metadata, "{}"))
        array_null(column++);
    else
        array_text(column++, event->metadata);
    array_int(column++, checksum_of(event));
    array_time(column++, event->recorded_at);
    rows->count++;
}

bool rows_send(struct rows *rows, struct connection *connection, enum statement statement, struct values *values)
{
    struct values tags = { 0 };
    struct array *columns = rows->columns;
    if (statement == S_LOAD_EVENTS) columns++; /* nothing is presumed, but there is a time at the end */
    bool built = !rows->scratch.failed;
    for (size_t i = 0; i < ROWS_COLUMNS - 1; i++) built = built && values_array(values, &columns[i]);
    built = built && values_array(&tags, &rows->tags) && values_array(&tags, &rows->tag_places);
    values_int(&tags, (int64_t)rows->count);
    if (!built || !connection_send(connection, statement, values)) return false;
    return rows->tags.count == 0 || connection_send(connection, S_ADD_TAGS, &tags);
}

void rows_fini(struct rows *rows)
{
    for (size_t i = 0; i < ROWS_COLUMNS; i++) varve_buf_fini(&rows->columns[i].bytes);
    varve_buf_fini(&rows->tags.bytes);
    varve_buf_fini(&rows->tag_places.bytes);
    varve_buf_fini(&rows->scratch);
}
