/* SPDX-License-Identifier: Apache-2.0 */
#include "query/aside.h"

#include <inttypes.h>

#include "base/utf8.h"

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for parked events");
}

/* ---- the writing side ---- */

static varve_status prepare_all(struct aside *aside, struct sql_session *session, varve_error *error)
{
    const struct {
        struct sql_statement **statement;
        varve_str text;
    } all[] = {
        { &aside->insert,
          VARVE_STR("INSERT INTO varve_parked (position, event_id, type, stream, version, attempts, error, parked_at)"
                    " VALUES (:position, :id, :type, :stream, :version, 1, :error, :now)") },
        { &aside->again,
          VARVE_STR("UPDATE varve_parked SET attempts = attempts + 1, error = :error WHERE position = :position") },
        { &aside->remove, VARVE_STR("DELETE FROM varve_parked WHERE position = :position") },
        { &aside->find, VARVE_STR("SELECT event_id FROM varve_parked WHERE position = :position") },
    };
    varve_status status = VARVE_OK;
    for (size_t i = 0; status == VARVE_OK && i < sizeof all / sizeof *all; i++) {
        status = aside->sql->prepare(all[i].statement, session, all[i].text, SQL_OURS, error);
    }
    return status;
}

varve_status aside_open(struct aside *aside, const struct sql_driver *sql, struct sql_session *session,
                        varve_error *error)
{
    uint64_t count = 0;
    *aside = (struct aside){ .sql = sql };
    varve_status status = sql->exec(session,
                                    "CREATE TABLE IF NOT EXISTS varve_parked (position BIGINT PRIMARY KEY,"
                                    " event_id TEXT NOT NULL, type TEXT NOT NULL, stream TEXT NOT NULL,"
                                    " version BIGINT NOT NULL, attempts BIGINT NOT NULL, error TEXT NOT NULL,"
                                    " parked_at TEXT NOT NULL)",
                                    error);
    if (status == VARVE_OK) {
        status = prepare_all(aside, session, error);
    }
    if (status == VARVE_OK) {
        status = aside_count(sql, session, NULL, &count, error);
        atomic_store(&aside->count, count);
    }
    return status;
}

void aside_fini(struct aside *aside)
{
    if (aside->sql != NULL) {
        aside->sql->finalize(aside->insert);
        aside->sql->finalize(aside->again);
        aside->sql->finalize(aside->remove);
        aside->sql->finalize(aside->find);
    }
    *aside = (struct aside){ 0 };
}

/* Binds the values and runs the statement; its first row, if it has one, is ready. */
static varve_status run(const struct aside *aside, struct sql_statement *statement, const struct sql_value *values,
                        int count, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (int i = 0; status == VARVE_OK && i < count; i++) {
        status = aside->sql->bind(statement, i + 1, &values[i], error);
    }
    return status == VARVE_OK ? aside->sql->step(statement, error) : status;
}

static varve_status change(const struct aside *aside, struct sql_statement *statement, const struct sql_value *values,
                           int count, varve_error *error)
{
    varve_status status = run(aside, statement, values, count, error);
    aside->sql->reset(statement);
    return status < 0 ? status : VARVE_OK;
}

/* A database's message may be cut in the middle of a character, which not every database keeps. */
static struct sql_value problem_value(const char *problem)
{
    varve_str text = varve_str_of(problem);
    while (text.len > 0 && !utf8_valid(text)) {
        text.len--;
    }
    return (struct sql_value){ .kind = SQL_TEXT, .text = text };
}

varve_status aside_put(struct aside *aside, const varve_event *event, const char *problem, varve_error *error)
{
    char id[VARVE_UUID_TEXT_BYTES], now[VARVE_TIME_TEXT_BYTES];
    varve_uuid_format(event->id, id);
    varve_time_format(varve_time_now(), now);
    const struct sql_value values[] = {
        { .kind = SQL_INTEGER, .integer = (int64_t)event->position },
        { .kind = SQL_TEXT, .text = varve_str_of(id) },
        { .kind = SQL_TEXT, .text = event->type },
        { .kind = SQL_TEXT, .text = event->stream },
        { .kind = SQL_INTEGER, .integer = (int64_t)event->version },
        problem_value(problem),
        { .kind = SQL_TEXT, .text = varve_str_of(now) },
    };
    return change(aside, aside->insert, values, sizeof values / sizeof *values, error);
}

varve_status aside_note(struct aside *aside, uint64_t position, const char *problem, varve_error *error)
{
    const struct sql_value values[] = { problem_value(problem), { .kind = SQL_INTEGER, .integer = (int64_t)position } };
    return change(aside, aside->again, values, 2, error);
}

varve_status aside_find(struct aside *aside, uint64_t position, varve_uuid *id, varve_error *error)
{
    const struct sql_value key = { .kind = SQL_INTEGER, .integer = (int64_t)position };
    struct sql_value value;
    varve_status status = run(aside, aside->find, &key, 1, error);
    if (status == VARVE_OK) {
        aside->sql->column(aside->find, 0, &value);
        status = varve_uuid_parse(id, value.text, error);
    } else if (status == VARVE_DONE) {
        status = varve_error_set(error, VARVE_NOT_FOUND, "the event at position %" PRIu64 " is not parked", position);
    }
    aside->sql->reset(aside->find);
    return status;
}

varve_status aside_remove(struct aside *aside, uint64_t position, varve_error *error)
{
    const struct sql_value key = { .kind = SQL_INTEGER, .integer = (int64_t)position };
    return change(aside, aside->remove, &key, 1, error);
}

/* ---- the reading side ---- */

/* Prepares a question; VARVE_DONE when there is no table to ask. */
static varve_status prepare_question(const struct sql_driver *sql, struct sql_session *session, varve_buf *text,
                                     struct sql_statement **question, varve_error *error)
{
    varve_error refusal = { 0 };
    varve_status status =
        text->failed ? no_memory(&refusal) : sql->prepare(question, session, varve_buf_view(text), SQL_OURS, &refusal);
    varve_buf_fini(text);
    if (status == VARVE_INVALID) {
        return VARVE_DONE;
    }
    if (status < 0 && error != NULL) {
        *error = refusal;
    }
    return status;
}

varve_status aside_count(const struct sql_driver *sql, struct sql_session *session, const char *schema, uint64_t *count,
                         varve_error *error)
{
    struct sql_statement *question = NULL;
    struct sql_value value = { 0 };
    varve_buf text = { 0 };
    *count = 0;
    varve_buf_printf(&text, "SELECT count(*) FROM %s%s%svarve_parked", schema == NULL ? "" : "\"",
                     schema == NULL ? "" : schema, schema == NULL ? "" : "\".");
    varve_status status = prepare_question(sql, session, &text, &question, error);
    if (status == VARVE_OK) {
        status = sql->step(question, error);
    }
    if (status == VARVE_OK) {
        sql->column(question, 0, &value);
        *count = (uint64_t)value.integer;
    }
    sql->finalize(question);
    return status < 0 ? status : VARVE_OK;
}

static varve_status visit_row(const struct sql_driver *sql, struct sql_statement *question,
                              varve_projection_parked_visit visit, void *ctx)
{
    struct sql_value values[8];
    for (int i = 0; i < 8; i++) {
        sql->column(question, i, &values[i]);
    }
    const varve_projection_parked_event parked = {
        .position = (uint64_t)values[0].integer,
        .id = values[1].text,
        .type = values[2].text,
        .stream = values[3].text,
        .version = (uint64_t)values[4].integer,
        .attempts = (uint32_t)values[5].integer,
        .error = values[6].text,
        .parked_at = values[7].text,
    };
    return visit(ctx, &parked);
}

varve_status aside_visit(const struct sql_driver *sql, struct sql_session *session, uint64_t after, uint64_t limit,
                         varve_projection_parked_visit visit, void *ctx, varve_error *error)
{
    struct sql_statement *question = NULL;
    varve_buf text = { 0 };
    uint64_t count = 0;
    limit = limit == 0 || limit > INT64_MAX ? INT64_MAX : limit;
    varve_buf_printf(&text,
                     "SELECT position, event_id, type, stream, version, attempts, error, parked_at FROM varve_parked"
                     " WHERE position > %" PRIu64 " ORDER BY position LIMIT %" PRIu64,
                     after > INT64_MAX ? INT64_MAX : after, limit);
    varve_status status = prepare_question(sql, session, &text, &question, error);
    while (status == VARVE_OK && (status = sql->step(question, error)) == VARVE_OK) {
        count++;
        status = visit_row(sql, question, visit, ctx);
    }
    sql->finalize(question);
    return status == VARVE_DONE && count == limit ? VARVE_OK : status < 0 ? status : VARVE_DONE;
}

void varve_projection_parked_write_json(const varve_projection_parked_event *parked, varve_buf *out)
{
    varve_buf_printf(out, "{\"position\":%" PRIu64 ",\"id\":", parked->position);
    varve_buf_json_string(out, parked->id);
    varve_buf_str(out, VARVE_STR(",\"type\":"));
    varve_buf_json_string(out, parked->type);
    varve_buf_str(out, VARVE_STR(",\"stream\":"));
    varve_buf_json_string(out, parked->stream);
    varve_buf_printf(out, ",\"version\":%" PRIu64 ",\"attempts\":%" PRIu32 ",\"error\":", parked->version,
                     parked->attempts);
    varve_buf_json_string(out, parked->error);
    varve_buf_str(out, VARVE_STR(",\"parked_at\":"));
    varve_buf_json_string(out, parked->parked_at);
    varve_buf_str(out, VARVE_STR("}"));
}
