/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a store in a PostgreSQL schema, and the pool of connections that read it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/postgres/inline.h"
#include "store/postgres/listen.h"
#include "store/postgres/questions.h"
#include "store/postgres/upkeep.h"

enum {
    READERS_MAX = 16,       /* connections to read with; who needs another waits … */
    FREE_READER_MS = 10000, /* … this long */
    READERS_KEPT = 8,
    READ_MS = 600000, /* what reads may take: the server ends them then */
    READ_ANSWER_MS = READ_MS + 30000,
    VERSIONS_CACHED = 1 << 16,
};

/* ---- which history ---- */

static bool was_left(const struct store_log *log, const char *incarnation)
{
    for (size_t i = 0; i < LEFT_MAX; i++)
        if (strcmp(log->left[i], incarnation) == 0) return true;
    return false;
}

/* The mutex is held, so that nobody speaks of the new history before it was told of. */
static void begin_history(struct store_log *log, const char *incarnation)
{
    memcpy(log->left[log->history % LEFT_MAX], log->incarnation, sizeof log->incarnation);
    memcpy(log->incarnation, incarnation, sizeof log->incarnation);
    log->history++;
    log->seen = (struct store_head){ .history = log->history };
    if (log->told.renewed != NULL) log->told.renewed(log->told.ctx, incarnation, log->history);
}

varve_status log_take_incarnation(struct store_log *log, struct connection *connection, const char *incarnation,
                                  varve_error *error)
{
    pthread_mutex_lock(&log->mutex);
    bool changed = strcmp(log->incarnation, incarnation) != 0, back = changed && was_left(log, incarnation);
    if (changed && !back) begin_history(log, incarnation);
    if (!back) connection->history = log->history;
    pthread_mutex_unlock(&log->mutex);
    if (!back) return VARVE_OK;
    return varve_error_set(error, VARVE_UNAVAILABLE,
                           "the server holds a history that the log has left: it is one that a promotion left behind "
                           "(if it is to be the log, give the store a new incarnation)");
}

void log_take_head(struct store_log *log, struct store_head head)
{
    pthread_mutex_lock(&log->mutex);
    if (head.history == log->history && head.position > log->seen.position) log->seen = head;
    pthread_mutex_unlock(&log->mutex);
}

struct store_head log_seen(struct store_log *log)
{
    pthread_mutex_lock(&log->mutex);
    struct store_head seen = log->seen;
    pthread_mutex_unlock(&log->mutex);
    return seen;
}

varve_status log_look(struct store_log *log, struct connection *connection, varve_error *error)
{
    PGresult *row = NULL;
    varve_status status = connection_exec(
        connection,
        "SELECT m.value, h.position, (extract(epoch FROM h.recorded_at) * 1000000)::bigint FROM meta m LEFT JOIN "
        "(SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1) h ON true "
        "WHERE m.key = 'incarnation'",
        "looking at the head of the log", &row, error);
    if (status < 0) return status;
    if (PQntuples(row) != 1 || PQgetlength(row, 0, 0) != VARVE_UUID_TEXT_BYTES - 1) {
        status = varve_error_set(error, VARVE_CORRUPT, "the store in schema %s has no incarnation", log->schema);
    } else {
        status = log_take_incarnation(log, connection, PQgetvalue(row, 0, 0), error);
        const struct store_head head = { strtoull(PQgetvalue(row, 0, 1), NULL, 10),
                                         strtoll(PQgetvalue(row, 0, 2), NULL, 10), connection->history };
        if (status >= 0) log_take_head(log, head);
        if (status >= 0 && log->told.moved != NULL) log->told.moved(log->told.ctx, head);
    }
    PQclear(row);
    return status;
}

bool log_has_left(struct store_log *log, const struct connection *connection)
{
    pthread_mutex_lock(&log->mutex);
    bool left = connection->history != log->history;
    pthread_mutex_unlock(&log->mutex);
    return left;
}

/* ---- connections ---- */

varve_status log_connect(struct store_log *log, struct connection **connection, varve_error *error)
{
    varve_status status = connection_open(connection, log->uri, log->schema, !log->read_only, error);
    if (status >= 0) status = schema_check_history(log, *connection, error);
    if (status >= 0) status = connection_prepare(*connection, error);
    if (status < 0) {
        connection_close(*connection);
        *connection = NULL;
    }
    return status;
}

/* Nothing is committed here, so the server may end what takes too long. */
static varve_status connect_reader(struct store_log *log, struct connection **reader, varve_error *error)
{
    char sql[64];
    varve_status status = log_connect(log, reader, error);
    if (status < 0) return status;
    snprintf(sql, sizeof sql, "SET statement_timeout TO %d", READ_MS);
    status = connection_exec(*reader, sql, "connecting", NULL, error);
    (*reader)->limit_ms = READ_ANSWER_MS;
    if (status >= 0) return VARVE_OK;
    connection_close(*reader);
    *reader = NULL;
    return status;
}

/* The idle readers that are of no more use: all, or those of another history. The mutex is held. */
static struct connection *take_useless(struct store_log *log, bool all)
{
    struct connection *useless = NULL, **at = &log->idle;
    while (*at != NULL) {
        struct connection *each = *at;
        if (!all && each->history == log->history) {
            at = &each->next;
            continue;
        }
        *at = each->next;
        each->next = useless;
        useless = each;
        log->readers--;
    }
    if (useless != NULL) pthread_cond_broadcast(&log->given);
    return useless;
}

static void close_all(struct connection *connections)
{
    while (connections != NULL) {
        struct connection *next = connections->next;
        connection_close(connections);
        connections = next;
    }
}

varve_status reader_take(struct store_log *log, struct connection **reader, varve_error *error)
{
    struct timespec deadline = clock_deadline(FREE_READER_MS);
    int timed_out = 0;
    pthread_mutex_lock(&log->mutex);
    struct connection *useless = take_useless(log, false);
    while (log->idle == NULL && log->readers == READERS_MAX && timed_out == 0)
        timed_out = pthread_cond_clockwait(&log->given, &log->mutex, CLOCK_MONOTONIC, &deadline);
    bool full = log->idle == NULL && log->readers == READERS_MAX;
    *reader = log->idle;
    if (*reader != NULL)
        log->idle = (*reader)->next;
    else if (!full)
        log->readers++;
    pthread_mutex_unlock(&log->mutex);
    close_all(useless);
    if (full)
        return varve_error_set(error, VARVE_BUSY, "all %d connections that read are in use; try again later",
                               READERS_MAX);
    if (*reader != NULL) return VARVE_OK;
    varve_status status = connect_reader(log, reader, error);
    if (status < 0) reader_give(log, NULL);
    return status;
}

/* Those not in use beyond the number that is kept are closed. When one was lost, the others led to the same server. */
void reader_give(struct store_log *log, struct connection *reader)
{
    size_t idle = 0;
    bool lost = reader == NULL || connection_is_lost(reader), keep = false;
    pthread_mutex_lock(&log->mutex);
    struct connection *useless = take_useless(log, lost);
    for (struct connection *each = log->idle; each != NULL; each = each->next) idle++;
    if (reader != NULL && !lost && idle < READERS_KEPT && reader->history == log->history) {
        keep = true;
        reader->next = log->idle;
        log->idle = reader;
    } else {
        log->readers--;
    }
    pthread_cond_signal(&log->given);
    pthread_mutex_unlock(&log->mutex);
    if (!keep) connection_close(reader);
    close_all(useless);
}

/* A server that is behind, or was left behind, is of no use; the next connection may lead to another one. */
static varve_status judge_server(struct store_log *log, struct connection *reader, uint64_t position, PGresult **looks,
                                 varve_error *error)
{
    varve_status status = VARVE_OK;
    uint64_t reach = PQntuples(looks[0]) == 1 ? (uint64_t)result_int(looks[0], 0, 0) : 0;
    if (PQntuples(looks[1]) == 1 && PQgetlength(looks[1], 0, 0) == VARVE_UUID_TEXT_BYTES - 1)
        status = log_take_incarnation(log, reader, PQgetvalue(looks[1], 0, 0), error);
    if (status >= 0 && reach < position)
        status = varve_error_set(error, VARVE_UNAVAILABLE,
                                 "the server has the log up to position %" PRIu64 ", and it has been at %" PRIu64
                                 ": it is a standby that is behind, or was rolled back",
                                 reach, position);
    reader->broken = status < 0;
    return status;
}

/* What follows a promotion is only written once the store has a new incarnation. A handle that writes sees to that when
 * it connects, to a primary; one that only reads looks in the same round whether somebody else did, after what it
 * reads, and before it how far the server is. */
static varve_status query_on(struct store_log *log, struct connection *reader, uint64_t position,
                             enum statement statement, const struct values *values, const char *doing,
                             PGresult **result, varve_error *error)
{
    if (!log->read_only) {
        (void)connection_send(reader, statement, values);
        return connection_round(reader, result, 1, doing, error);
    }
    PGresult *results[3] = { 0 };
    (void)connection_send(reader, S_HEAD, NULL);
    (void)connection_send(reader, statement, values);
    (void)connection_send(reader, S_INCARNATION, NULL);
    varve_status status = connection_round(reader, results, 3, doing, error);
    if (status < 0) return status;
    PGresult *looks[] = { results[0], results[2] };
    status = judge_server(log, reader, position, looks, error);
    if (status >= 0) {
        *result = results[1];
        results[1] = NULL;
    }
    results_clear(results, 3);
    return status;
}

varve_status log_query(struct store_log *log, enum statement statement, const struct values *values, const char *doing,
                       PGresult **result, varve_error *error)
{
    return log_query_at(log, 0, statement, values, doing, result, error);
}

varve_status log_query_at(struct store_log *log, uint64_t position, enum statement statement,
                          const struct values *values, const char *doing, PGresult **result, varve_error *error)
{
    varve_status status = VARVE_OK;
    *result = NULL;
    /* The server may have been restarted since the connection was used last: once more on a new one. */
    for (int i = 0; i < 2; i++) {
        struct connection *reader = NULL;
        status = reader_take(log, &reader, error);
        if (status < 0) return status;
        status = query_on(log, reader, position, statement, values, doing, result, error);
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
    inline_leave(log);
    connection_close(log->writer);
    close_all(log->idle);
    versions_fini(&log->versions);
    pthread_cond_destroy(&log->given);
    pthread_mutex_destroy(&log->mutex);
    free(log->uri);
    free(log);
}

static varve_status open_schema(struct store_log *log, const struct store_location *location, varve_error *error)
{
    struct connection *connection = NULL;
    varve_status status = connection_open(&connection, log->uri, log->schema, !log->read_only, error);
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
    if (status >= 0 && log->writer != NULL) status = log_start_over(log, error);
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
    .capabilities = STORE_MANY_WRITERS | STORE_LEAVES_TIME,
    .open = postgres_open,
    .close = postgres_close,
    .commit = postgres_commit,
    .set_inline = postgres_set_inline,
    .change = postgres_change,
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
