/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a store in a PostgreSQL schema, and the pool of connections that read it. */
#include <stdlib.h>

#include "store/postgres/listen.h"

enum {
    READERS_MAX = 16, /* connections to read with; who needs another waits */
    READERS_KEPT = 8,
    VERSIONS_CACHED = 1 << 16,
};

varve_status log_connect(struct store_log *log, struct connection **connection, varve_error *error)
{
    varve_status status = connection_open(connection, log->uri, log->schema, error);
    if (status >= 0) status = schema_check_history(log, *connection, error);
    if (status >= 0) status = connection_prepare(*connection, error);
    if (status < 0) {
        connection_close(*connection);
        *connection = NULL;
    }
    return status;
}

varve_status reader_take(struct store_log *log, struct connection **reader, varve_error *error)
{
    pthread_mutex_lock(&log->mutex);
    while (log->idle == NULL && log->readers == READERS_MAX) pthread_cond_wait(&log->given, &log->mutex);
    *reader = log->idle;
    if (*reader != NULL)
        log->idle = (*reader)->next;
    else
        log->readers++;
    pthread_mutex_unlock(&log->mutex);
    if (*reader != NULL) return VARVE_OK;
    varve_status status = log_connect(log, reader, error);
    if (status < 0) reader_give(log, NULL);
    return status;
}

/* Those not in use beyond the number that is kept are closed, and so are those that were lost. */
void reader_give(struct store_log *log, struct connection *reader)
{
    size_t idle = 0;
    bool lost = reader == NULL || connection_is_lost(reader);
    pthread_mutex_lock(&log->mutex);
    for (struct connection *each = log->idle; each != NULL; each = each->next) idle++;
    bool keep = !lost && idle < READERS_KEPT;
    if (keep) {
        reader->next = log->idle;
        log->idle = reader;
    } else {
        log->readers--;
    }
    pthread_cond_signal(&log->given);
    pthread_mutex_unlock(&log->mutex);
    if (!keep) connection_close(reader);
}

varve_status log_query(struct store_log *log, enum statement statement, const struct values *values, const char *doing,
                       PGresult **result, varve_error *error)
{
    varve_status status = VARVE_OK;
    *result = NULL;
    /* The server may have been restarted since the connection was used last: once more on a new one. */
    for (int i = 0; i < 2; i++) {
        struct connection *reader = NULL;
        status = reader_take(log, &reader, error);
        if (status < 0) return status;
        (void)connection_send(reader, statement, values);
        status = connection_round(reader, result, 1, doing, error);
        bool again = status < 0 && connection_is_lost(reader);
        reader_give(log, reader);
        if (!again) break;
    }
    return status;
}

/* ---- opening ---- */

void postgres_close(struct store_log *log)
{
    if (log == NULL) return;
    listener_close(log->listener);
    connection_close(log->writer);
    while (log->idle != NULL) {
        struct connection *reader = log->idle;
        log->idle = reader->next;
        connection_close(reader);
    }
    versions_fini(&log->versions);
    pthread_cond_destroy(&log->given);
    pthread_mutex_destroy(&log->mutex);
    free(log->uri);
    free(log);
}

static varve_status open_schema(struct store_log *log, const struct store_location *location, varve_error *error)
{
    struct connection *connection = NULL;
    varve_status status = connection_open(&connection, log->uri, log->schema, error);
    if (status < 0) return status;
    status = schema_open(log, connection, !location->must_exist && !location->read_only, error);
    if (status >= 0) status = schema_check_history(log, connection, error);
    connection_close(connection);
    return status;
}

varve_status postgres_open(struct store_log **out, const struct store_location *location, varve_error *error)
{
    struct store_log *log = calloc(1, sizeof *log);
    varve_buf uri = { 0 };
    if (log == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a store");
    log->read_only = location->read_only;
    log->diagnostics = location->log;
    log->told = location->told;
    pthread_mutex_init(&log->mutex, NULL);
    pthread_cond_init(&log->given, NULL);
    varve_status status = postgres_uri_split(location->path, &uri, log->schema, error);
    log->uri = uri.ptr;
    if (status >= 0 && (uri.failed || !versions_init(&log->versions, VERSIONS_CACHED)))
        status = varve_error_set(error, VARVE_NOMEM, "no memory for a store");
    if (status >= 0) status = open_schema(log, location, error);
    if (status >= 0 && !log->read_only) status = log_connect(log, &log->writer, error);
    if (status >= 0 && location->told.moved != NULL) status = listener_open(&log->listener, log, error);
    if (status < 0) {
        postgres_close(log);
        return status;
    }
    *out = log;
    return VARVE_OK;
}

const struct store_driver store_postgres = {
    .scheme = "postgresql",
    .capabilities = STORE_MANY_WRITERS,
    .open = postgres_open,
    .close = postgres_close,
    .commit = postgres_commit,
    .tend = postgres_tend,
    .records = postgres_records,
    .head = postgres_head,
    .incarnation = postgres_incarnation,
    .read = postgres_read,
    .find = postgres_find,
    .stream_version = postgres_stream_version,
    .streams = postgres_streams,
    .version_at = postgres_version_at,
    .snapshot = postgres_snapshot,
    .info = postgres_info,
    .verify = postgres_verify,
    .load = postgres_load,
    .renew = postgres_renew,
};
