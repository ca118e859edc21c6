/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/postgres_connection.h"

#include <string.h>

enum { VERSION_MIN = 150000 };

static const struct {
    const char *begins; /* an SQLSTATE, or the two letters of its class */
    varve_status status;
} classes
    [] = {
        { "57014", VARVE_TIMEOUT }, /* query_canceled: interrupted, or statement_timeout */
        { "42501", VARVE_DENIED },
        { "25006", VARVE_DENIED }, /* read_only_sql_transaction */
        { "3D000", VARVE_NOT_FOUND },
        { "53100", VARVE_FULL },
        { "53200", VARVE_NOMEM },
        { "54000", VARVE_TOO_LARGE },
        { "55P03", VARVE_BUSY },
        { "0A000", VARVE_INVALID }, /* feature_not_supported; a statement that has to be prepared again */
        { "23", VARVE_CONFLICT },
        { "42", VARVE_INVALID },
        { "26", VARVE_INVALID },
        { "28", VARVE_DENIED },
        { "40", VARVE_BUSY }, /* serialization_failure, deadlock_detected */
        { "53", VARVE_BUSY }, /* too_many_connections */
        { "08", VARVE_IO },
        { "57", VARVE_IO }, /* admin_shutdown, crash_shutdown, cannot_connect_now */
        { "58", VARVE_IO },
        { "XX001", VARVE_CORRUPT },
        { "XX002", VARVE_CORRUPT },
    };

varve_status postgres_class(const char *sqlstate)
{
    if (sqlstate == NULL) return VARVE_IO;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strncmp(sqlstate, classes[i].begins, strlen(classes[i].begins)) == 0) return classes[i].status;
    }
    return VARVE_APPLICATION;
}

static varve_status fail(varve_error *error, varve_status status, const char *message)
{
    size_t len = strlen(message);
    while (len > 0 && (message[len - 1] == '\n' || message[len - 1] == ' ')) len--;
    varve_error_set(error, status, "%.*s", len > 4096 ? 4096 : (int)len, message);
    for (char *at = error == NULL ? NULL : error->message; at != NULL && *at != '\0'; at++) {
        if (*at == '\n' || *at == '\t') *at = ' ';
    }
    if (error != NULL &&
        (status == VARVE_BUSY || status == VARVE_FULL || status == VARVE_IO || status == VARVE_NOMEM)) {
        error->flags |= VARVE_ERROR_RETRIABLE;
    }
    return status;
}

varve_status postgres_failure(const PGconn *connection, const PGresult *result, varve_error *error)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *message = primary != NULL ? primary : PQerrorMessage(connection);
    return fail(error, postgres_class(state), message[0] == '\0' ? "the connection to PostgreSQL is gone" : message);
}

varve_status postgres_run(PGconn *connection, const char *script, varve_error *error)
{
    PGresult *result = PQexec(connection, script);
    ExecStatusType outcome = PQresultStatus(result);
    varve_status status = VARVE_OK;
    if (outcome != PGRES_COMMAND_OK && outcome != PGRES_TUPLES_OK && outcome != PGRES_EMPTY_QUERY)
        status = postgres_failure(connection, result, error);
    PQclear(result);
    return status;
}

static void ignore_notice(void *ctx, const PGresult *notice)
{
    (void)ctx;
    (void)notice;
}

/* What libpq says about a URI that it cannot read may repeat a part of it. */
static varve_status check_uri(const char *uri, varve_error *error)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(uri, &message);
    PQfreemem(message);
    if (options == NULL) return varve_error_set(error, VARVE_INVALID, "the PostgreSQL URI cannot be read by libpq");
    PQconninfoFree(options);
    return VARVE_OK;
}

/* Why there is no connection: the server's answer has no SQLSTATE here, only words. */
static varve_status refused(PGconn *connection, varve_error *error)
{
    const char *message = PQerrorMessage(connection);
    varve_status status = VARVE_IO;
    if (strstr(message, "authentication failed") != NULL || strstr(message, "no password supplied") != NULL ||
        strstr(message, "no pg_hba.conf entry") != NULL || strstr(message, "permission denied") != NULL) {
        status = VARVE_DENIED;
    } else if (strstr(message, "database \"") != NULL && strstr(message, "does not exist") != NULL) {
        status = VARVE_NOT_FOUND;
    }
    return fail(error, status, message);
}

static varve_status check_server(PGconn *connection, varve_error *error)
{
    const char *encoding = PQparameterStatus(connection, "server_encoding");
    if (PQserverVersion(connection) < VERSION_MIN) {
        return varve_error_set(error, VARVE_INCOMPATIBLE, "the server is PostgreSQL %s: 15 is the oldest that will do",
                               PQparameterStatus(connection, "server_version"));
    }
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0) {
        return varve_error_set(error, VARVE_INCOMPATIBLE, "the database's encoding is %s: it has to be UTF8",
                               encoding == NULL ? "unknown" : encoding);
    }
    return VARVE_OK;
}

varve_status postgres_connect(PGconn **out, const char *uri, varve_error *error)
{
    /* What stands behind `dbname` overrides what the URI says, what stands before it does not. */
    static const char *const names[] = { "connect_timeout", "fallback_application_name", "dbname", "client_encoding",
                                         NULL };
    const char *const values[] = { "10", "varve", uri, "UTF8", NULL };
    *out = NULL;
    varve_status status = check_uri(uri, error);
    if (status < 0) return status;
    PGconn *connection = PQconnectdbParams(names, values, 1);
    if (connection == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a connection");
    PQsetNoticeReceiver(connection, ignore_notice, NULL);
    status = PQstatus(connection) == CONNECTION_OK ? check_server(connection, error) : refused(connection, error);
    if (status == VARVE_OK) {
        status = postgres_run(connection,
                              "SET standard_conforming_strings = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';"
                              " SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'; SET extra_float_digits = 1",
                              error);
    }
    if (status < 0) {
        PQfinish(connection);
        connection = NULL;
    }
    *out = connection;
    return status;
}
