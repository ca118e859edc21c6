/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the sql session on PostgreSQL: prepared on the server, their rows taken one by one
 * as they come, so that a long result is never held whole.
 *
 *   IDLE     to be run; parameters may be set
 *   ROWS     a row stands ready, others may come; the connection is busy with them
 *   OVER     no more rows, or a failure: wants a reset
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "sql/postgres_connection.h"
#include "sql/postgres_session.h"
#include "sql/postgres_value.h"

enum { ROWS_TO_DRAIN = 2000 };

enum state { IDLE, ROWS, OVER };

struct sql_statement {
    struct sql_session *session;
    struct postgres_text text;
    char name[24];
    uint32_t connection; /* the one that it is prepared on */
    PGresult *description;
    struct postgres_parameter *parameters;
    int parameter_count;
    const char **values; /* what libpq takes: parameters in columns */
    int *lengths, *formats;
    enum state state;
    PGresult *row;
    struct arena arena; /* what the row's values need */
};

static varve_status refuse(varve_error *error, varve_status status, const char *message)
{
    varve_error_set(error, status, "%s", message);
    if (error != NULL) error->detail = -1;
    return status;
}

/* What the server refuses when it is prepared is for the author to change, and has a place in the text. */
static varve_status refused(const struct sql_statement *statement, const PGresult *result, varve_error *error)
{
    varve_status status = postgres_failure(statement->session->connection, result, error);
    const char *place = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    if (status == VARVE_APPLICATION) status = VARVE_INVALID;
    if (error != NULL) {
        error->status = status;
        error->detail = postgres_text_place(&statement->text, place);
    }
    return status;
}

static varve_status prepare_on_server(struct sql_statement *statement, varve_error *error)
{
    PGconn *connection = statement->session->connection;
    varve_status status = VARVE_OK;
    PGresult *description = NULL;
    PGresult *result = PQprepare(connection, statement->name, statement->text.sql.ptr, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        status = refused(statement, result, error);
        goto done;
    }
    statement->connection = statement->session->connections;
    description = PQdescribePrepared(connection, statement->name);
    if (PQresultStatus(description) != PGRES_COMMAND_OK) {
        status = refused(statement, description, error);
        goto done;
    }
    PQclear(statement->description);
    statement->description = description;
    description = NULL;
done:
    PQclear(result);
    PQclear(description);
    return status;
}

static varve_status make_parameters(struct sql_statement *statement, varve_error *error)
{
    int count = PQnparams(statement->description);
    size_t room = (size_t)count + 1;
    statement->parameters = calloc(room, sizeof *statement->parameters);
    statement->values = calloc(room, sizeof *statement->values);
    statement->lengths = calloc(room, sizeof *statement->lengths);
    statement->formats = calloc(room, sizeof *statement->formats);
    if (statement->parameters == NULL || statement->values == NULL || statement->lengths == NULL ||
        statement->formats == NULL)
        return refuse(error, VARVE_NOMEM, "no memory for a statement");
    statement->parameter_count = count;
    for (int i = 0; i < count; i++) {
        statement->parameters[i].type = PQparamtype(statement->description, i);
        if (!postgres_value_bindable(statement->parameters[i].type))
            return refuse(error, VARVE_INVALID, "a parameter cannot be an anonymous record");
    }
    return VARVE_OK;
}

static void statement_free(struct sql_statement *statement)
{
    for (int i = 0; i < statement->parameter_count; i++) varve_buf_fini(&statement->parameters[i].own);
    free(statement->parameters);
    free(statement->values);
    free(statement->lengths);
    free(statement->formats);
    PQclear(statement->description);
    PQclear(statement->row);
    arena_fini(&statement->arena);
    postgres_text_fini(&statement->text);
    free(statement);
}

/* Whether texts that differ may be equal here, for postgres_statement_differ, which cannot ask. */
static varve_status ask_about_texts(struct sql_session *session, varve_error *error)
{
    PGresult *result = PQexec(session->connection, "SELECT 1 FROM pg_collation WHERE NOT collisdeterministic LIMIT 1");
    varve_status status =
        PQresultStatus(result) == PGRES_TUPLES_OK ? VARVE_OK : postgres_failure(session->connection, result, error);
    session->told_texts = status == VARVE_OK;
    session->loose_texts = PQntuples(result) > 0;
    PQclear(result);
    return status;
}

varve_status postgres_statement_prepare(struct sql_statement **out, struct sql_session *session, varve_str text,
                                        enum sql_trust trust, varve_error *error)
{
    *out = NULL;
    if (text.len > INT32_MAX) return refuse(error, VARVE_TOO_LARGE, "the statement is too long");
    struct sql_statement *statement = calloc(1, sizeof *statement);
    if (statement == NULL) return refuse(error, VARVE_NOMEM, "no memory for a statement");
    statement->session = session;
    snprintf(statement->name, sizeof statement->name, "s%llu", (unsigned long long)session->statements++);
    varve_status status =
        postgres_text_read(&statement->text, text, trust, session->attached, session->attached_count, error);
    if (status == VARVE_OK && session->reserved != NULL && trust != SQL_OURS)
        status = postgres_text_spares(text, session->reserved, error);
    if (status == VARVE_OK) status = postgres_session_ready(session, error);
    if (status == VARVE_OK && trust == SQL_QUESTION && !session->told_texts) status = ask_about_texts(session, error);
    if (status == VARVE_OK) status = prepare_on_server(statement, error);
    if (status == VARVE_OK) status = make_parameters(statement, error);
    if (status < 0) {
        postgres_statement_finalize(statement);
        statement = NULL;
    }
    *out = statement;
    return status;
}

void postgres_statement_finalize(struct sql_statement *statement)
{
    if (statement == NULL) return;
    struct sql_session *session = statement->session;
    postgres_statement_stop(statement);
    /* In a failed transaction, or without its connection, it goes with the session. */
    PGTransactionStatusType transaction = PQtransactionStatus(session->connection);
    if (statement->connection == session->connections &&
        (transaction == PQTRANS_IDLE || transaction == PQTRANS_INTRANS) && session->running == NULL) {
        char script[40];
        snprintf(script, sizeof script, "DEALLOCATE %s", statement->name);
        postgres_run(session->connection, script, NULL);
    }
    statement_free(statement);
}

int postgres_statement_parameter_count(const struct sql_statement *statement)
{
    return statement->parameter_count;
}

int postgres_statement_parameter(const struct sql_statement *statement, const char *name)
{
    const char *at = statement->text.names.ptr;
    for (int i = 1; i <= statement->text.parameter_count; i++, at += strlen(at) + 1) {
        if (strcmp(at, name) == 0) return i;
    }
    return 0;
}

varve_status postgres_statement_bind(struct sql_statement *statement, int parameter, const struct sql_value *value,
                                     varve_error *error)
{
    if (parameter < 1 || parameter > statement->parameter_count)
        return varve_error_set(error, VARVE_INVALID, "the statement has no parameter %d", parameter);
    return postgres_value_bind(&statement->parameters[parameter - 1], value, error);
}

/* Reads what is left of the answer and drops it. */
static void drain(struct sql_statement *statement)
{
    int rows = 0;
    for (PGresult *result = NULL; (result = PQgetResult(statement->session->connection)) != NULL;) {
        PQclear(result);
        /* A cancellation that comes too late finds the server idle, which ignores it. */
        if (++rows == ROWS_TO_DRAIN) postgres_session_cancel(statement->session);
    }
    statement->session->running = NULL;
}

void postgres_statement_cut(struct sql_statement *statement)
{
    drain(statement);
}

void postgres_statement_stop(struct sql_statement *statement)
{
    if (statement->session->running == statement) drain(statement);
    PQclear(statement->row);
    statement->row = NULL;
    arena_reset(&statement->arena);
    statement->state = IDLE;
}

struct sql_session *postgres_statement_session(struct sql_statement *statement)
{
    return statement->session;
}

/* Sends the statement with its parameters, whatever mode the connection is in. */
static varve_status send(struct sql_statement *statement, varve_error *error)
{
    struct sql_session *session = statement->session;
    for (int i = 0; i < statement->parameter_count; i++) {
        statement->values[i] = statement->parameters[i].bytes;
        statement->lengths[i] = statement->parameters[i].length;
        statement->formats[i] = statement->parameters[i].format;
    }
    if (PQsendQueryPrepared(session->connection, statement->name, statement->parameter_count, statement->values,
                            statement->lengths, statement->formats, 0) == 0)
        return postgres_failure(session->connection, NULL, error);
    return VARVE_OK;
}

varve_status postgres_statement_send(struct sql_statement *statement, varve_error *error)
{
    struct sql_session *session = statement->session;
    varve_status status = VARVE_OK;
    bool is_prepared = statement->connection == session->connections;
    if (PQpipelineStatus(session->connection) == PQ_PIPELINE_OFF || !is_prepared)
        status = postgres_session_ready(session, error);
    if (status == VARVE_OK && statement->connection != session->connections)
        status = prepare_on_server(statement, error);
    if (status < 0) return status;
    if (PQpipelineStatus(session->connection) == PQ_PIPELINE_OFF) {
        postgres_session_limit(session);
        if (PQenterPipelineMode(session->connection) != 1) return postgres_failure(session->connection, NULL, error);
    }
    return send(statement, error);
}

/* Runs the statement, whose rows come one by one. */
static varve_status run(struct sql_statement *statement, varve_error *error)
{
    struct sql_session *session = statement->session;
    varve_status status = postgres_session_ready(session, error);
    if (status == VARVE_OK && statement->connection != session->connections)
        status = prepare_on_server(statement, error);
    if (status < 0) return status;
    postgres_session_limit(session);
    status = send(statement, error);
    if (status < 0) return status;
    session->running = statement;
    PQsetSingleRowMode(session->connection);
    return VARVE_OK;
}

varve_status postgres_statement_step(struct sql_statement *statement, varve_error *error)
{
    struct sql_session *session = statement->session;
    varve_status status = VARVE_OK;
    if (statement->state == OVER) return VARVE_DONE;
    if (statement->state == IDLE) {
        status = run(statement, error);
    } else if (session->running != statement) {
        status = varve_error_set(error, VARVE_INVALID, "another statement ran before the last row was read");
    }
    if (status < 0) {
        statement->state = OVER;
        return status;
    }
    PQclear(statement->row);
    arena_reset(&statement->arena);
    statement->row = PQgetResult(session->connection);
    statement->state = ROWS;
    switch (PQresultStatus(statement->row)) {
    case PGRES_SINGLE_TUPLE:
        return VARVE_OK;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        status = VARVE_DONE;
        break;
    default:
        status = postgres_failure(session->connection, statement->row, error);
        /* What could be prepared and then fails is not a wrong statement. */
        if (status == VARVE_INVALID) {
            status = VARVE_APPLICATION;
            if (error != NULL) error->status = status;
        }
        break;
    }
    drain(statement);
    statement->state = OVER;
    return status;
}

int postgres_statement_column_count(const struct sql_statement *statement)
{
    return PQnfields(statement->description);
}

const char *postgres_statement_column_name(const struct sql_statement *statement, int column)
{
    const char *name = PQfname(statement->description, column);
    return name == NULL ? "" : name;
}

void postgres_statement_column(struct sql_statement *statement, int column, struct sql_value *value)
{
    postgres_value_read(statement->row, 0, column, &statement->arena, value);
}

bool postgres_statement_differ(const struct sql_statement *statement, int column, const struct sql_value *a,
                               const struct sql_value *b)
{
    return postgres_value_differ(PQftype(statement->description, column), statement->session->loose_texts, a, b);
}

void postgres_statement_reset(struct sql_statement *statement)
{
    postgres_statement_stop(statement);
    for (int i = 0; i < statement->parameter_count; i++) statement->parameters[i].bytes = NULL;
}
