/* SPDX-License-Identifier: Apache-2.0 */
#include "query/projection.h"

#include <stdlib.h>

#include "base/json.h"
#include "event/codec.h"
#include "query/statement.h"

/* A statement and what its parameters are bound to, in order. */
struct change {
    const struct sqlfile_statement *source;
    struct sql_statement *prepared;
};

/* The changes that belong to one @on section. */
struct reaction {
    const struct sqlfile_section *section;
    struct change *changes;
    size_t change_count;
};

struct projection {
    const struct sqlfile *file;
    const struct sql_driver *sql;
    struct arena arena; /* reactions and changes */
    struct reaction *reactions;
    size_t reaction_count;

    /* For the event at hand: texts that are not the event's own live here until the statement has run. */
    struct arena texts;
    varve_buf scratch;
    bool json; /* its data is JSON */
    bool swift;
};

varve_status projection_create(const struct sqlfile *file, const struct sql_driver *sql, struct sql_session *session,
                               varve_error *error)
{
    varve_status status = VARVE_OK;
    const struct sqlfile_statement *statement = file->create->statements;
    for (; status >= 0 && statement != NULL; statement = statement->next) {
        struct sql_statement *prepared = NULL;
        status = statement_prepare(&prepared, file, statement, sql, session, SQL_DEFINITION, error);
        if (status == VARVE_OK) {
            varve_error refusal = { 0 };
            while ((status = sql->step(prepared, &refusal)) == VARVE_OK) {
            }
            if (status < 0) {
                status = sqlfile_refused(file, statement, &refusal, error);
            }
        }
        sql->finalize(prepared);
    }
    return status < 0 ? status : VARVE_OK;
}

static varve_status open_reaction(struct projection *projection, struct reaction *reaction, struct sql_session *session,
                                  varve_error *error)
{
    size_t count = 0;
    const struct sqlfile_statement *statement = reaction->section->statements;
    for (; statement != NULL; statement = statement->next) {
        count++;
    }
    reaction->changes = arena_array(&projection->arena, count, sizeof *reaction->changes);
    if (reaction->changes == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a projection");
    }
    for (statement = reaction->section->statements; statement != NULL; statement = statement->next) {
        struct change *change = &reaction->changes[reaction->change_count];
        varve_status status = statement_prepare(&change->prepared, projection->file, statement, projection->sql,
                                                session, SQL_CHANGE, error);
        if (status < 0) {
            return status;
        }
        change->source = statement;
        reaction->change_count++;
    }
    return VARVE_OK;
}

varve_status projection_open(struct projection **out, const struct sqlfile *file, const struct sql_driver *sql,
                             struct sql_session *session, varve_error *error)
{
    varve_status status = VARVE_OK;
    *out = NULL;
    size_t count = 0;
    const struct sqlfile_section *section = file->handlers;
    for (; section != NULL; section = section->next) {
        count++;
    }
    struct projection *projection = calloc(1, sizeof *projection);
    if (projection == NULL ||
        (projection->reactions = arena_array(&projection->arena, count, sizeof *projection->reactions)) == NULL) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory for a projection");
        goto done;
    }
    projection->file = file;
    projection->sql = sql;
    for (section = file->handlers; status == VARVE_OK && section != NULL; section = section->next) {
        struct reaction *reaction = &projection->reactions[projection->reaction_count++];
        reaction->section = section;
        status = open_reaction(projection, reaction, session, error);
    }
done:
    if (status < 0) {
        projection_close(projection);
        projection = NULL;
    }
    *out = projection;
    return status;
}

void projection_set_swift(struct projection *projection, bool swift)
{
    projection->swift = swift;
}

void projection_close(struct projection *projection)
{
    if (projection == NULL) {
        return;
    }
    for (size_t i = 0; projection->reactions != NULL && i < projection->reaction_count; i++) {
        for (size_t j = 0; j < projection->reactions[i].change_count; j++) {
            projection->sql->finalize(projection->reactions[i].changes[j].prepared);
        }
    }
    arena_fini(&projection->arena);
    arena_fini(&projection->texts);
    varve_buf_fini(&projection->scratch);
    free(projection);
}

/* A JSON value keeps its type; `raw` is its own bytes. False when memory is out. */
static bool json_value(struct projection *projection, enum json_token token, varve_str raw, struct sql_value *value)
{
    struct json_scanner scanner;
    switch (token) {
    case JSON_STRING:
        json_start(&scanner, raw);
        json_next(&scanner);
        value->kind = SQL_TEXT;
        value->text = scanner.raw;
        if (!scanner.escaped) {
            return true;
        }
        varve_buf_reset(&projection->scratch);
        json_unescape(scanner.raw, &projection->scratch);
        return !projection->scratch.failed &&
               arena_copy(&projection->texts, varve_buf_view(&projection->scratch), &value->text);
    case JSON_INTEGER:
        json_start(&scanner, raw);
        json_next(&scanner);
        value->kind = SQL_INTEGER;
        value->integer = scanner.integer;
        return true;
    case JSON_REAL:
        json_start(&scanner, raw);
        json_next(&scanner);
        value->kind = SQL_REAL;
        value->real = json_double(&scanner);
        value->text = raw;
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        value->kind = SQL_BOOLEAN;
        value->integer = token == JSON_TRUE;
        return true;
    case JSON_OBJECT:
    case JSON_ARRAY:
        value->kind = SQL_JSON;
        value->text = raw;
        return true;
    default:
        return true;
    }
}

static bool document_value(struct projection *projection, varve_str document, bool json, varve_str path,
                           struct sql_value *value)
{
    if (path.len == 0) {
        value->kind = json ? SQL_JSON : SQL_BLOB;
        value->text = document;
        return true;
    }
    varve_str raw = { 0 };
    return !json || json_value(projection, json_find(document, path, &raw), raw, value);
}

static bool time_value(struct projection *projection, varve_time time, struct sql_value *value)
{
    char text[VARVE_TIME_TEXT_BYTES];
    varve_time_format(time, text);
    value->kind = SQL_TEXT;
    return arena_copy(&projection->texts, varve_str_of(text), &value->text);
}

/* What a placeholder stands for in this event. False when memory is out. */
static bool value_of(struct projection *projection, const varve_event *event, const struct sqlfile_placeholder *place,
                     struct sql_value *value)
{
    char text[VARVE_UUID_TEXT_BYTES];
    *value = (struct sql_value){ .kind = SQL_TEXT };
    switch (place->source) {
    case SQLFILE_STREAM:
        value->text = event->stream;
        return true;
    case SQLFILE_AGGREGATE_ID:
        value->text = varve_stream_aggregate_id(event->stream);
        return true;
    case SQLFILE_TYPE:
        value->text = event->type;
        return true;
    case SQLFILE_VERSION:
    case SQLFILE_POSITION:
        value->kind = SQL_INTEGER;
        value->integer = (int64_t)(place->source == SQLFILE_VERSION ? event->version : event->position);
        return true;
    case SQLFILE_ID:
        varve_uuid_format(event->id, text);
        return arena_copy(&projection->texts, varve_str_of(text), &value->text);
    case SQLFILE_OCCURRED_AT:
        return time_value(projection, event->occurred_at, value);
    case SQLFILE_RECORDED_AT:
        return time_value(projection, event->recorded_at, value);
    case SQLFILE_DATA:
        value->kind = SQL_NULL;
        return document_value(projection, event->data, projection->json, place->path, value);
    case SQLFILE_METADATA:
        value->kind = SQL_NULL;
        return document_value(projection, event->metadata, true, place->path, value);
    case SQLFILE_PARAM:
        break;
    }
    value->kind = SQL_NULL;
    return true;
}

static varve_status run_change(struct projection *projection, const struct change *change, const varve_event *event,
                               varve_error *error)
{
    const struct sql_driver *sql = projection->sql;
    varve_status status = VARVE_OK;
    varve_error refusal = { 0 };
    int parameter = 0;
    const struct sqlfile_placeholder *place = change->source->placeholders;
    for (; status == VARVE_OK && place != NULL; place = place->next) {
        struct sql_value value;
        status = value_of(projection, event, place, &value)
                     ? sql->bind(change->prepared, ++parameter, &value, &refusal)
                     : varve_error_set(&refusal, VARVE_NOMEM, "no memory for an event's values");
    }
    if (projection->swift && status == VARVE_OK) {
        status = sql->run(change->prepared, &refusal);
    }
    while (!projection->swift && status == VARVE_OK) {
        status = sql->step(change->prepared, &refusal);
    }
    sql->reset(change->prepared);
    if (status < 0) {
        varve_error_set(error, status, "%s:%u: %s", projection->file->file, change->source->line, refusal.message);
        if (error != NULL) {
            error->flags = refusal.flags;
        }
    }
    return status < 0 ? status : VARVE_OK;
}

varve_status projection_apply(struct projection *projection, const varve_event *event, varve_error *error)
{
    varve_status status = VARVE_OK;
    projection->json = event_is_json(event);
    for (size_t i = 0; status == VARVE_OK && i < projection->reaction_count; i++) {
        const struct reaction *reaction = &projection->reactions[i];
        bool concerned = false;
        for (size_t t = 0; !concerned && t < reaction->section->type_count; t++) {
            concerned = varve_str_eq(reaction->section->types[t], event->type);
        }
        for (size_t c = 0; concerned && status == VARVE_OK && c < reaction->change_count; c++) {
            status = run_change(projection, &reaction->changes[c], event, error);
        }
    }
    arena_reset(&projection->texts);
    return status;
}
