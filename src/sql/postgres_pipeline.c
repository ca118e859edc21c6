/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements whose rows nobody wants, sent one after the other (libpq's pipeline mode) and awaited together: a trip to
 * the server is shared by many. Within a transaction alone, where the first that fails undoes all.
 */
#include "sql/postgres_connection.h"
#include "sql/postgres_session.h"

/* Their answers wait in buffers of the sockets, small as they are, while nobody reads. */
enum { PENDING_MOST = 100 };

/* The answer to one statement. */
static varve_status take_answer(struct sql_session *session, varve_status status, varve_error *error)
{
    PGresult *result = PQgetResult(session->connection);
    ExecStatusType outcome = PQresultStatus(result);
    bool good = result != NULL && (outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK);
    if (!good && status >= 0) {
        status = postgres_failure(session->connection, result, error);
        /* What could be prepared and then fails is not a wrong statement. */
        if (status == VARVE_INVALID) {
            status = VARVE_APPLICATION;
            if (error != NULL) error->status = status;
        }
    }
    while (result != NULL) {
        PQclear(result);
        result = PQgetResult(session->connection);
    }
    return status;
}

varve_status postgres_pipeline_end(struct sql_session *session, varve_error *error)
{
    PGconn *connection = session->connection;
    varve_status status = VARVE_OK;
    if (connection == NULL || PQpipelineStatus(connection) == PQ_PIPELINE_OFF) return VARVE_OK;
    if (PQpipelineSync(connection) != 1) status = postgres_failure(connection, NULL, error);
    for (; session->pending > 0 && PQstatus(connection) == CONNECTION_OK; session->pending--)
        status = take_answer(session, status, error);
    session->pending = 0;
    for (bool synced = false; !synced && PQstatus(connection) == CONNECTION_OK;) {
        PGresult *result = PQgetResult(connection);
        synced = result == NULL || PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        PQclear(result);
    }
    if (PQexitPipelineMode(connection) != 1 && status >= 0) status = postgres_failure(connection, NULL, error);
    return status;
}

varve_status postgres_pipeline_run(struct sql_statement *statement, varve_error *error)
{
    struct sql_session *session = postgres_statement_session(statement);
    varve_status status = VARVE_OK;
    if (!session->in_transaction || session->pending == PENDING_MOST || session->running != NULL)
        status = postgres_session_ready(session, error);
    if (!session->in_transaction) {
        while (status >= 0 && (status = postgres_statement_step(statement, error)) == VARVE_OK) {
        }
        postgres_statement_reset(statement);
        return status < 0 ? status : VARVE_OK;
    }
    if (status >= 0) status = postgres_statement_send(statement, error);
    session->pending += status >= 0;
    postgres_statement_reset(statement);
    return status;
}
