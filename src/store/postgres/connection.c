/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/connection.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* PostgreSQL counts microseconds from 2000-01-01. */
#define EPOCH_2000 946684800000000

/* What an answer may take besides the wait for a lock. */
enum { ANSWER_MS = 30000 };

/* ---- failures ---- */

static const struct {
    const char *state; /* a SQLSTATE, or its class */
    varve_status status;
} classes[] = {
    { "53100", VARVE_FULL },        { "53200", VARVE_NOMEM },
    { "53300", VARVE_UNAVAILABLE }, { "23505", VARVE_ID_CONFLICT },
    { "55P03", VARVE_BUSY },        { "40001", VARVE_BUSY },
    { "40P01", VARVE_BUSY },        { "57014", VARVE_TIMEOUT },
    { "42501", VARVE_DENIED },      { "25006", VARVE_DENIED },
    { "3D000", VARVE_NOT_FOUND },   { "54000", VARVE_TOO_LARGE },
    { "XX001", VARVE_CORRUPT },     { "XX002", VARVE_CORRUPT },
    { "08", VARVE_UNAVAILABLE },    { "57P", VARVE_UNAVAILABLE },
    { "28", VARVE_DENIED },         { "42", VARVE_INCOMPATIBLE }, /* our tables are not as we made them */
};

static varve_status status_of(const char *state)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(state, classes[i].state, strlen(classes[i].state)) == 0) return classes[i].status;
    return state[0] == '\0' ? VARVE_UNAVAILABLE : VARVE_IO;
}

varve_status connection_failed(struct connection *connection, PGresult *result, const char *doing, varve_error *error)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (connection->silent)
        message = "the server does not answer";
    else if (message == NULL)
        message = result == NULL ? PQerrorMessage(connection->pq) : PQresultErrorMessage(result);
    const char *detail = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    snprintf(connection->state, sizeof connection->state, "%s", state == NULL ? "" : state);
    snprintf(connection->detail, sizeof connection->detail, "%s", detail == NULL ? "" : detail);
    varve_status status = status_of(connection->state);
    if (connection_is_lost(connection)) status = VARVE_UNAVAILABLE;
    int len = (int)strcspn(message, "\n"); /* what follows are hints of libpq's */
    return varve_error_set(error, status, "%s: %.*s%s%s%s", doing, len, message, state == NULL ? "" : " (SQLSTATE ",
                           state == NULL ? "" : state, state == NULL ? "" : ")");
}

bool connection_is_lost(const struct connection *connection)
{
    return connection->broken || PQstatus(connection->pq) == CONNECTION_BAD;
}

/* ---- opening ---- */

/* A commit that a synchronous standby has not confirmed: the message is translated, the function's name is not. */
static void on_notice(void *ctx, const PGresult *notice)
{
    struct connection *connection = ctx;
    const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
    if (function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0) connection->unreplicated = true;
}

/* What the URI says counts before these. */
static PGconn *connect_to(const char *uri, bool to_primary)
{
    static const char *const keys[] = { "target_session_attrs",      "connect_timeout",
                                        "keepalives_idle",           "keepalives_interval",
                                        "keepalives_count",          "tcp_user_timeout",
                                        "fallback_application_name", "dbname",
                                        "client_encoding",           NULL };
    const char *const settings[] = {
        to_primary ? "primary" : "any", "10", "10", "5", "3", "25000", "varve", uri, "UTF8", NULL
    };
    return PQconnectdbParams(keys, settings, 1);
}

static varve_status set_up(struct connection *connection, const char *schema, varve_error *error)
{
    char script[2048];
    /* An acknowledged append is durable whatever the role or database says; who asks for more keeps it. A warning may
     * say that a commit was not replicated. A client that vanishes or freezes must not hold the order lock for ever. */
    snprintf(script, sizeof script,
             "SET search_path TO \"%s\"; SET default_transaction_isolation TO 'read committed'; "
             "SET default_transaction_read_only TO off; "
             "SET statement_timeout TO 0; SET client_min_messages TO warning; "
             "SET tcp_keepalives_idle TO 10; SET tcp_keepalives_interval TO 5; SET tcp_keepalives_count TO 3; "
             "SELECT set_config('idle_in_transaction_session_timeout', '60s', false) "
             "WHERE current_setting('idle_in_transaction_session_timeout') = '0'; "
             "SELECT set_config('lock_timeout', '30s', false) WHERE current_setting('lock_timeout') = '0'; "
             /* Every statement has its index; a plan made while the tables were small must not outlive that. */
             "SET plan_cache_mode TO force_generic_plan; SET enable_seqscan TO off; SET enable_sort TO off; "
             "SET enable_bitmapscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off; SET jit TO off; "
             "SELECT set_config('synchronous_commit', 'on', false) "
             "WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write'); "
             "SELECT setting FROM pg_settings WHERE name = 'lock_timeout'" /* in milliseconds */,
             schema);
    PGresult *lock = NULL;
    varve_status status = connection_exec(connection, script, "connecting", &lock, error);
    if (status < 0) return status;
    long lock_ms = strtol(PQgetvalue(lock, 0, 0), NULL, 10);
    connection->limit_ms = lock_ms > INT_MAX - ANSWER_MS ? INT_MAX : (int)lock_ms + ANSWER_MS;
    PQclear(lock);
    return VARVE_OK;
}

varve_status connection_open(struct connection **out, const char *uri, const char *schema, bool to_primary,
                             varve_error *error)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a connection");
    connection->uri = uri;
    connection->limit_ms = ANSWER_MS;
    connection->pq = connect_to(uri, to_primary);
    varve_status status = VARVE_OK;
    if (connection->pq == NULL) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory for a connection");
    } else if (PQstatus(connection->pq) != CONNECTION_OK) {
        const char *message = PQerrorMessage(connection->pq);
        status = varve_error_set(error, VARVE_UNAVAILABLE, "%.*s", (int)strcspn(message, "\n"), message);
    } else {
        PQsetNoticeReceiver(connection->pq, on_notice, connection);
        (void)PQsetnonblocking(connection->pq, 1); /* sending does not wait either: connection_result does */
        if (PQserverVersion(connection->pq) < 150000)
            status = varve_error_set(error, VARVE_INCOMPATIBLE, "the server is PostgreSQL %d: 15 is the least",
                                     PQserverVersion(connection->pq) / 10000);
        else if (strcmp(PQparameterStatus(connection->pq, "server_encoding"), "UTF8") != 0)
            status = varve_error_set(error, VARVE_INCOMPATIBLE, "the database's encoding is %s: UTF8 is needed",
                                     PQparameterStatus(connection->pq, "server_encoding"));
    }
    if (status >= 0) status = set_up(connection, schema, error);
    if (status < 0) {
        connection_close(connection);
        return status;
    }
    *out = connection;
    return VARVE_OK;
}

void connection_close(struct connection *connection)
{
    if (connection == NULL) return;
    PQfinish(connection->pq);
    free(connection);
}

varve_status connection_prepare(struct connection *connection, varve_error *error)
{
    bool sent = PQenterPipelineMode(connection->pq) == 1;
    for (int i = 0; i < S_COUNT && sent; i++) {
        sent = PQsendPrepare(connection->pq, statements[i].name, statements[i].sql, 0, NULL) == 1;
        connection->sent++;
    }
    return connection_round(connection, NULL, 0, "preparing statements", error);
}

/* ---- parameters ---- */

static void put_number(char *at, uint64_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, number >>= 8) at[i] = (char)number;
}

static void values_add(struct values *values, const char *pointer, size_t length)
{
    values->pointers[values->count] = pointer;
    values->lengths[values->count++] = (int)length;
}

void values_text(struct values *values, varve_str text)
{
    values_add(values, text.len == 0 ? "" : text.ptr, text.len);
}

void values_int(struct values *values, int64_t number)
{
    char *at = values->numbers[values->count];
    put_number(at, (uint64_t)number, 8);
    values_add(values, at, 8);
}

void values_time(struct values *values, varve_time time)
{
    values_int(values, time - EPOCH_2000);
}

void values_uuid(struct values *values, const varve_uuid *id)
{
    values_add(values, (const char *)id->bytes, sizeof id->bytes);
}

void values_null(struct values *values)
{
    values_add(values, NULL, 0);
}

/* An array in binary: dimensions (1), whether NULLs may come, the elements' type; count, lower bound; each element as
 * its length and bytes, length -1 for NULL (array_recv in PostgreSQL's arrayfuncs.c). */
enum { ARRAY_HEAD = 20, ARRAY_COUNT = 12 };

void array_begin(struct array *array, uint32_t type)
{
    char head[ARRAY_HEAD];
    put_number(head, 1, 4);
    put_number(head + 4, 1, 4);
    put_number(head + 8, type, 4);
    put_number(head + ARRAY_COUNT, 0, 4);
    put_number(head + 16, 1, 4);
    varve_buf_reset(&array->bytes);
    varve_buf_add(&array->bytes, head, sizeof head);
    array->count = array->nulls = 0;
}

void array_text(struct array *array, varve_str text)
{
    char length[4];
    put_number(length, text.len, 4);
    varve_buf_add(&array->bytes, length, sizeof length);
    varve_buf_str(&array->bytes, text);
    array->count++;
}

void array_int(struct array *array, int64_t number)
{
    char bytes[8];
    put_number(bytes, (uint64_t)number, 8);
    array_text(array, (varve_str){ bytes, sizeof bytes });
}

void array_time(struct array *array, varve_time time)
{
    array_int(array, time - EPOCH_2000);
}

void array_null(struct array *array)
{
    varve_buf_add(&array->bytes, "\xff\xff\xff\xff", 4);
    array->count++;
    array->nulls++;
}

bool values_array(struct values *values, struct array *array)
{
    if (array->bytes.failed) return false;
    if (array->count > 0 && array->nulls == array->count) {
        values_null(values);
        return true;
    }
    put_number(array->bytes.ptr + ARRAY_COUNT, array->count, 4);
    values_add(values, array->bytes.ptr, array->bytes.len);
    return true;
}

/* ---- rounds ---- */

bool connection_send(struct connection *connection, enum statement statement, const struct values *values)
{
    static const int binary[VALUES_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    static const struct values none;
    if (values == NULL) values = &none;
    connection->sent++;
    if (PQpipelineStatus(connection->pq) == PQ_PIPELINE_OFF && PQenterPipelineMode(connection->pq) != 1) return false;
    return PQsendQueryPrepared(connection->pq, statements[statement].name, values->count, values->pointers,
                               values->lengths, binary, 1) == 1;
}

bool connection_hurry(struct connection *connection)
{
    return PQsendFlushRequest(connection->pq) == 1;
}

/* The results of one statement: the first is kept, or is the round's failure. */
static varve_status take_result(struct connection *connection, PGresult **kept, varve_status status, const char *doing,
                                varve_error *error)
{
    PGresult *result = connection_result(connection);
    ExecStatusType what = result == NULL ? PGRES_FATAL_ERROR : PQresultStatus(result);
    bool good = what == PGRES_COMMAND_OK || what == PGRES_TUPLES_OK;
    if (!good && status >= 0) status = connection_failed(connection, result, doing, error);
    if (kept != NULL && good)
        *kept = result;
    else
        PQclear(result);
    while (result != NULL && (result = connection_result(connection)) != NULL) PQclear(result);
    return status;
}

void connection_end(struct connection *connection)
{
    connection->state[0] = '\0';
    connection->ended = true;
    /* Half a round must not be committed by its end: a session that is closed without one is rolled back. */
    if (connection->broken || PQpipelineSync(connection->pq) != 1) connection->broken = true;
}

varve_status connection_round(struct connection *connection, PGresult **results, size_t count, const char *doing,
                              varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count; i++) results[i] = NULL;
    if (!connection->ended) connection_end(connection);
    size_t sent = connection->sent;
    connection->sent = 0;
    connection->ended = false;
    if (connection->broken) return connection_failed(connection, NULL, doing, error);
    for (size_t i = 0; i < sent && !connection_is_lost(connection); i++)
        status = take_result(connection, i < count ? &results[i] : NULL, status, doing, error);
    for (bool synced = false, failed = false; !synced && !connection_is_lost(connection);) {
        PGresult *result = connection_result(connection);
        synced = result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        connection->broken = result == NULL && !failed; /* or answers to this round would be taken for the next one's */
        failed = result != NULL && !synced;             /* the commit of a round that is a transaction */
        if (failed && status >= 0) status = connection_failed(connection, result, doing, error);
        PQclear(result);
    }
    if (connection_is_lost(connection)) {
        if (status >= 0) status = connection_failed(connection, NULL, doing, error);
        /* Whatever the server said last, it ended the session. */
        if (status != VARVE_UNAVAILABLE)
            status = varve_error_set(error, VARVE_UNAVAILABLE, "%s", error == NULL ? "" : error->message);
    }
    if (status < 0) results_clear(results, count);
    return status;
}

void results_clear(PGresult **results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PQclear(results[i]);
        results[i] = NULL;
    }
}

varve_status connection_exec(struct connection *connection, const char *script, const char *doing, PGresult **result,
                             varve_error *error)
{
    if (PQpipelineStatus(connection->pq) != PQ_PIPELINE_OFF) PQexitPipelineMode(connection->pq);
    PGresult *answer = NULL;
    if (PQsendQuery(connection->pq, script) == 1)
        for (PGresult *each = NULL; (each = connection_result(connection)) != NULL; answer = each) PQclear(answer);
    ExecStatusType what = connection->broken || answer == NULL ? PGRES_FATAL_ERROR : PQresultStatus(answer);
    varve_status status = VARVE_OK;
    if (what != PGRES_COMMAND_OK && what != PGRES_TUPLES_OK)
        status = connection_failed(connection, answer, doing, error);
    if (result != NULL && status >= 0)
        *result = answer;
    else
        PQclear(answer);
    return status;
}

/* ---- results ---- */

static uint64_t number_at(const PGresult *result, int row, int column)
{
    const unsigned char *bytes = (const unsigned char *)PQgetvalue(result, row, column);
    uint64_t number = 0;
    for (int i = 0; i < PQgetlength(result, row, column); i++) number = number << 8 | bytes[i];
    return number;
}

int64_t result_int(const PGresult *result, int row, int column)
{
    if (PQgetlength(result, row, column) == 4) return (int32_t)number_at(result, row, column);
    return (int64_t)number_at(result, row, column);
}

varve_time result_time(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? 0 : result_int(result, row, column) + EPOCH_2000;
}

varve_uuid result_uuid(const PGresult *result, int row, int column)
{
    varve_uuid id = { { 0 } };
    if (PQgetlength(result, row, column) == sizeof id.bytes)
        memcpy(id.bytes, PQgetvalue(result, row, column), sizeof id.bytes);
    return id;
}

varve_str result_text(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column)) return (varve_str){ 0 };
    return (varve_str){ PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column) };
}
