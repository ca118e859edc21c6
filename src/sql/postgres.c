/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sql session on PostgreSQL.
 *
 * A database of the seam is a schema: `location` is a URI whose `schema` parameter names it, and the session's
 * search_path has nothing else. Who may write to it is decided above (query/place.h); a transaction of a process that
 * is frozen, or whose machine is gone, is ended by the server after a minute. Read models can be built again, so their
 * commits are not waited for (synchronous_commit=off): what a crash of the server takes back, it takes back together
 * with its checkpoint.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sql/postgres_connection.h"
#include "sql/postgres_session.h"

/* A scratch schema's lock, held while it is in use; the name stands in a string of a script. */
#define LOCK_OF "hashtextextended('varve:' || '%s', 0)"

/* What a scratch schema is known by: left by a crash, its lock is free, and who makes another one drops it. */
#define SCRATCH_MARK "varve scratch"

enum { LOCK_WAIT_MS = 3000 }; /* for dropping a scratch schema */

void postgres_session_cancel(struct sql_session *session)
{
    char ignored[256];
    pthread_mutex_lock(&session->lock);
    if (session->cancel != NULL) PQcancel(session->cancel, ignored, sizeof ignored);
    pthread_mutex_unlock(&session->lock);
}

/* Runs a script that was put together, and frees it. */
static varve_status run_buf(struct sql_session *session, varve_buf *script, varve_error *error)
{
    varve_status status = script->failed ? varve_error_set(error, VARVE_NOMEM, "no memory for a statement")
                                         : postgres_run(session->connection, script->ptr, error);
    varve_buf_fini(script);
    return status;
}

static varve_status schema_exists(struct sql_session *session, bool *exists, varve_error *error)
{
    const char *const values[] = { session->schema };
    PGresult *result = PQexecParams(session->connection, "SELECT 1 FROM pg_namespace WHERE nspname = $1", 1, NULL,
                                    values, NULL, NULL, 0);
    varve_status status =
        PQresultStatus(result) == PGRES_TUPLES_OK ? VARVE_OK : postgres_failure(session->connection, result, error);
    *exists = PQntuples(result) > 0;
    PQclear(result);
    return status;
}

/* Creating asks for a privilege even where there is nothing to create, so it is asked for only then. */
static varve_status create_schema(struct sql_session *session, varve_error *error)
{
    varve_buf script = { 0 };
    varve_buf_printf(&script, "CREATE SCHEMA IF NOT EXISTS \"%s\"", session->schema);
    return run_buf(session, &script, error);
}

static varve_status create_scratch(struct sql_session *session, varve_error *error)
{
    varve_buf script = { 0 };
    varve_buf_printf(&script, "SELECT pg_advisory_lock(" LOCK_OF ");", session->schema);
    varve_buf_printf(&script,
                     "DO $do$ DECLARE s name; BEGIN"
                     " FOR s IN SELECT nspname FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner"
                     " WHERE r.rolname = current_user AND obj_description(n.oid, 'pg_namespace') = '" SCRATCH_MARK "'"
                     " LOOP IF pg_try_advisory_xact_lock(hashtextextended('varve:' || s, 0)) THEN"
                     " EXECUTE format('DROP SCHEMA IF EXISTS %%I CASCADE', s); END IF; END LOOP; END $do$;"
                     "CREATE SCHEMA \"%s\"; COMMENT ON SCHEMA \"%s\" IS '" SCRATCH_MARK "'",
                     session->schema, session->schema);
    varve_status status = run_buf(session, &script, error);
    session->made = status == VARVE_OK;
    return status;
}

/* The schema as the mode wants it: there, made, or not made. */
static varve_status enter_schema(struct sql_session *session, varve_error *error)
{
    bool exists = false;
    varve_status status = schema_exists(session, &exists, error);
    if (status < 0) return status;
    switch (session->mode) {
    case SQL_READ_WRITE:
        if (exists) return VARVE_OK;
        /* One that was there is not made anew by whoever connects again: somebody has removed it. */
        return session->connections == 0
                   ? create_schema(session, error)
                   : varve_error_set(error, VARVE_CORRUPT, "there is no schema %s any more", session->schema);
    case SQL_SCRATCH:
        return exists ? VARVE_OK : create_scratch(session, error);
    case SQL_READ_ONLY:
        break;
    }
    return exists ? VARVE_OK : varve_error_set(error, VARVE_NOT_FOUND, "there is no schema %s", session->schema);
}

/* Unqualified names are looked for in the schema, or in what is attached. */
static varve_status set_path(struct sql_session *session, varve_error *error)
{
    varve_buf script = { 0 };
    varve_buf_str(&script, VARVE_STR("SET search_path = "));
    for (size_t i = 0; i < session->attached_count; i++)
        varve_buf_printf(&script, "%s\"%s\"", i == 0 ? "" : ", ", session->attached[i].schema);
    if (session->attached_count == 0) varve_buf_printf(&script, "\"%s\"", session->schema);
    return run_buf(session, &script, error);
}

static void disconnect(struct sql_session *session)
{
    pthread_mutex_lock(&session->lock);
    PQfreeCancel(session->cancel);
    session->cancel = NULL;
    pthread_mutex_unlock(&session->lock);
    PQfinish(session->connection);
    session->connection = NULL;
}

static varve_status connect_session(struct sql_session *session, varve_error *error)
{
    static const char writing[] = "SET synchronous_commit = off; SET idle_in_transaction_session_timeout = '60s';"
                                  " SET lock_timeout = '5s'";
    static const char *const settings[] = {
        [SQL_READ_WRITE] = writing,
        [SQL_READ_ONLY] = "SET default_transaction_read_only = on",
        [SQL_SCRATCH] = "SET synchronous_commit = off",
    };
    varve_status status = postgres_connect(&session->connection, session->uri, error);
    if (status == VARVE_OK) status = enter_schema(session, error);
    if (status == VARVE_OK) status = set_path(session, error);
    if (status == VARVE_OK) status = postgres_run(session->connection, settings[session->mode], error);
    if (status < 0) return status;
    session->connections++;
    session->applied_ms = 0;
    pthread_mutex_lock(&session->lock);
    session->cancel = PQgetCancel(session->connection);
    pthread_mutex_unlock(&session->lock);
    return VARVE_OK;
}

varve_status postgres_session_ready(struct sql_session *session, varve_error *error)
{
    if (session->running != NULL) postgres_statement_cut(session->running);
    varve_status status = postgres_pipeline_end(session, error);
    if (status < 0) return status;
    if (session->connection != NULL && PQstatus(session->connection) == CONNECTION_OK) return VARVE_OK;
    if (session->mode != SQL_READ_WRITE || session->in_transaction) {
        varve_error_set(error, VARVE_IO, "the connection to PostgreSQL is gone");
        if (error != NULL) error->flags |= VARVE_ERROR_RETRIABLE;
        return VARVE_IO;
    }
    disconnect(session);
    status = connect_session(session, error);
    if (status < 0) disconnect(session);
    return status;
}

void postgres_session_limit(struct sql_session *session)
{
    char script[64];
    uint32_t *told = session->in_transaction ? &session->local_ms : &session->applied_ms;
    if (*told == session->limit_ms) return;
    snprintf(script, sizeof script, "SET %s statement_timeout = %u", session->in_transaction ? "LOCAL" : "",
             (unsigned)session->limit_ms);
    if (postgres_run(session->connection, script, NULL) == VARVE_OK) *told = session->limit_ms;
}

static void session_free(struct sql_session *session)
{
    for (size_t i = 0; i < session->attached_count; i++) {
        free(session->attached[i].name);
        free(session->attached[i].schema);
        free(session->attached[i].contents);
    }
    pthread_mutex_destroy(&session->lock);
    free(session->uri);
    free(session);
}

static void session_close(struct sql_session *session)
{
    if (session == NULL) return;
    if (session->reserved != NULL) {
        session_free(session);
        return;
    }
    (void)postgres_pipeline_end(session, NULL);
    if (session->made) {
        varve_buf script = { 0 };
        varve_buf_printf(&script, "ROLLBACK; SET lock_timeout = %d; DROP SCHEMA IF EXISTS \"%s\" CASCADE", LOCK_WAIT_MS,
                         session->schema);
        run_buf(session, &script, NULL);
    }
    disconnect(session);
    session_free(session);
}

/* Always in a transaction, as far as it knows: it connects nothing. */
static varve_status session_borrow(struct sql_session **out, void *connection, const char *const *reserved,
                                   varve_error *error)
{
    struct sql_session *session = *out = calloc(1, sizeof *session);
    if (session == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a database session");
    pthread_mutex_init(&session->lock, NULL);
    session->connection = connection;
    session->mode = SQL_READ_WRITE;
    session->reserved = reserved;
    session->in_transaction = true;
    session->connections = 1;
    return VARVE_OK;
}

static varve_status session_open(struct sql_session **out, const char *location, enum sql_mode mode, varve_error *error)
{
    varve_buf uri = { 0 };
    *out = NULL;
    struct sql_session *session = calloc(1, sizeof *session);
    if (session == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a database session");
    pthread_mutex_init(&session->lock, NULL);
    session->mode = mode;
    varve_status status = postgres_uri_split(location, &uri, session->schema, error);
    session->uri = uri.ptr;
    if (status == VARVE_OK) status = connect_session(session, error);
    if (status < 0) {
        session_close(session);
        session = NULL;
    }
    *out = session;
    return status;
}

static varve_status session_exec(struct sql_session *session, const char *script, varve_error *error)
{
    varve_status status = postgres_session_ready(session, error);
    if (status < 0) return status;
    postgres_session_limit(session);
    return postgres_run(session->connection, script, error);
}

static varve_status session_begin(struct sql_session *session, varve_error *error)
{
    char script[160];
    varve_status status = postgres_session_ready(session, error);
    if (status < 0) return status;
    snprintf(script, sizeof script, "BEGIN ISOLATION LEVEL REPEATABLE READ %s; SET LOCAL statement_timeout = %u",
             session->mode == SQL_READ_ONLY ? "READ ONLY" : "", (unsigned)session->limit_ms);
    status = postgres_run(session->connection, script, error);
    session->in_transaction = status == VARVE_OK;
    session->local_ms = session->limit_ms;
    return status;
}

static varve_status session_commit(struct sql_session *session, varve_error *error)
{
    varve_status status = session->in_transaction ? postgres_session_ready(session, error) : VARVE_OK;
    if (status < 0) return status;
    PGresult *result = PQexec(session->connection, "COMMIT");
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        status = postgres_failure(session->connection, result, error);
    } else if (strcmp(PQcmdStatus(result), "COMMIT") != 0) {
        status = varve_error_set(error, VARVE_APPLICATION, "the transaction had failed and was rolled back");
    } else {
        session->in_transaction = false;
    }
    PQclear(result);
    return status;
}

static void session_rollback(struct sql_session *session)
{
    if (session->running != NULL) postgres_statement_stop(session->running);
    (void)postgres_pipeline_end(session, NULL); /* what failed is undone anyway */
    if (session->reserved != NULL) return;
    if (session->in_transaction) postgres_run(session->connection, "ROLLBACK", NULL);
    session->in_transaction = false;
}

/* The names in a schema, each terminated, and an empty one behind the last. NOT_FOUND when there is no such schema. */
static varve_status read_contents(struct sql_session *session, const char *schema, varve_buf *contents,
                                  varve_error *error)
{
    const char *const values[] = { schema };
    PGresult *result = PQexecParams(session->connection,
                                    "SELECT o.name FROM pg_namespace n LEFT JOIN"
                                    " (SELECT relnamespace AS schema, relname AS name FROM pg_class UNION"
                                    "  SELECT pronamespace, proname FROM pg_proc) o ON o.schema = n.oid"
                                    " WHERE n.nspname = $1",
                                    1, NULL, values, NULL, NULL, 0);
    varve_status status = VARVE_OK;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        status = postgres_failure(session->connection, result, error);
    } else if (PQntuples(result) == 0) {
        status = varve_error_set(error, VARVE_NOT_FOUND, "there is no schema %s", schema);
    }
    for (int row = 0; status == VARVE_OK && row < PQntuples(result); row++) {
        if (!PQgetisnull(result, row, 0))
            varve_buf_add(contents, PQgetvalue(result, row, 0), (size_t)PQgetlength(result, row, 0) + 1);
    }
    varve_buf_add(contents, "", 1);
    PQclear(result);
    return status;
}

static varve_status session_attach(struct sql_session *session, const char *location, const char *name,
                                   varve_error *error)
{
    varve_buf uri = { 0 }, contents = { 0 };
    char schema[POSTGRES_NAME_BYTES];
    struct postgres_attached *place = &session->attached[session->attached_count];
    if (session->attached_count == SQL_ATTACH_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "at most %d databases can be attached", SQL_ATTACH_MAX);
    varve_status status = postgres_uri_split(location, &uri, schema, error);
    if (status == VARVE_OK) status = postgres_session_ready(session, error);
    if (status == VARVE_OK) status = read_contents(session, schema, &contents, error);
    varve_buf_fini(&uri);
    if (status < 0) {
        varve_buf_fini(&contents);
        return status;
    }
    *place = (struct postgres_attached){ strdup(name), strdup(schema), contents.ptr };
    if (place->name == NULL || place->schema == NULL || contents.failed) {
        free(place->name);
        free(place->schema);
        varve_buf_fini(&contents);
        return varve_error_set(error, VARVE_NOMEM, "no memory to attach a database");
    }
    session->attached_count++;
    return set_path(session, error);
}

static void session_set_time_limit(struct sql_session *session, uint32_t limit_ms)
{
    session->limit_ms = limit_ms;
}

const struct sql_driver sql_postgres = {
    .name = "postgres",
    .capabilities = SQL_ATTACHES | SQL_IN_A_SCHEMA | SQL_DEFERS | SQL_FOLDS_NAMES,
    .explain = "EXPLAIN ",
    .open = session_open,
    .borrow = session_borrow,
    .close = session_close,
    .attach = session_attach,
    .exec = session_exec,
    .begin = session_begin,
    .commit = session_commit,
    .rollback = session_rollback,
    .prepare = postgres_statement_prepare,
    .finalize = postgres_statement_finalize,
    .parameter_count = postgres_statement_parameter_count,
    .parameter = postgres_statement_parameter,
    .bind = postgres_statement_bind,
    .step = postgres_statement_step,
    .run = postgres_pipeline_run,
    .column_count = postgres_statement_column_count,
    .column_name = postgres_statement_column_name,
    .column = postgres_statement_column,
    .differ = postgres_statement_differ,
    .reset = postgres_statement_reset,
    .set_time_limit = session_set_time_limit,
    .interrupt = postgres_session_cancel,
};
