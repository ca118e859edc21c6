/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups beside reading events: the head, versions, streams, snapshots, records, what the store is. */
#include <stdio.h>
#include <stdlib.h>

#include "store/postgres/log.h"

varve_status postgres_head(struct store_log *log, struct store_head *head, varve_error *error)
{
    PGresult *row = NULL;
    const struct store_head seen = log_seen(log); /* readers are of this history or a later one */
    varve_status status = log_query_at(log, seen.position, S_HEAD, NULL, "reading the head of the log", &row, error);
    *head = (struct store_head){ .history = seen.history };
    if (status >= 0 && PQntuples(row) == 1)
        *head = (struct store_head){ (uint64_t)result_int(row, 0, 0), result_time(row, 0, 1), seen.history };
    if (status >= 0) log_take_head(log, *head);
    PQclear(row);
    return status;
}

varve_status postgres_incarnation(struct store_log *log, char incarnation[VARVE_UUID_TEXT_BYTES], uint64_t *history,
                                  varve_error *error)
{
    (void)error;
    pthread_mutex_lock(&log->mutex);
    *history = log->history;
    memcpy(incarnation, log->incarnation, VARVE_UUID_TEXT_BYTES);
    pthread_mutex_unlock(&log->mutex);
    return VARVE_OK;
}

varve_status log_stream_version(struct store_log *log, varve_str stream, uint64_t position, uint64_t *version,
                                varve_error *error)
{
    PGresult *row = NULL;
    struct values values = { 0 };
    values_text(&values, stream);
    varve_status status = log_query_at(log, position, S_STREAM_VERSION, &values, "reading a stream", &row, error);
    *version = status >= 0 && PQntuples(row) == 1 ? (uint64_t)result_int(row, 0, 0) : 0;
    PQclear(row);
    return status;
}

varve_status postgres_stream_version(struct store_log *log, varve_str stream, uint64_t *version, varve_error *error)
{
    return log_stream_version(log, stream, 0, version, error);
}

/* ---- streams ---- */

enum { STREAMS_PAGE = 1000 };

static varve_status visit_rows(PGresult *rows, varve_stream_visit visit, void *ctx)
{
    varve_status status = VARVE_OK;
    for (int i = 0; i < PQntuples(rows) && status == VARVE_OK; i++) {
        const varve_stream_version stream = { result_text(rows, i, 0), (uint64_t)result_int(rows, i, 1) };
        status = visit(ctx, &stream);
    }
    return status;
}

varve_status postgres_streams(struct store_log *log, varve_str category, varve_str after, uint64_t limit,
                              varve_stream_visit visit, void *ctx, varve_error *error)
{
    PGresult *rows = NULL, *previous = NULL;
    varve_status status = VARVE_OK;
    bool more = true;
    for (uint64_t left = limit == 0 ? UINT64_MAX : limit; more && left > 0;) {
        uint64_t page = left < STREAMS_PAGE ? left : STREAMS_PAGE;
        struct values values = { 0 };
        values_text(&values, after); /* borrows from the page before */
        values_int(&values, (int64_t)page);
        if (category.len > 0) values_text(&values, category);
        status = log_query(log, category.len > 0 ? S_CATEGORY : S_STREAMS, &values, "listing streams", &rows, error);
        PQclear(previous);
        previous = rows;
        if (status < 0) break;
        uint64_t count = (uint64_t)PQntuples(rows);
        status = visit_rows(rows, visit, ctx);
        more = status == VARVE_OK && count == page;
        if (status > 0)
            status = VARVE_OK; /* ended by the visitor */
        else if (status == VARVE_OK && count < page)
            status = VARVE_DONE;
        if (more) after = result_text(rows, (int)count - 1, 0);
        left -= count;
    }
    PQclear(previous);
    return status;
}

varve_status postgres_version_at(struct store_log *log, varve_str stream, varve_time at, uint64_t *version,
                                 varve_error *error)
{
    PGresult *row = NULL;
    struct values values = { 0 };
    values_text(&values, stream);
    values_time(&values, at);
    varve_status status = log_query(log, S_VERSION_AT, &values, "looking for a stream's version", &row, error);
    *version = status >= 0 ? (uint64_t)result_int(row, 0, 0) : 0;
    PQclear(row);
    return status;
}

/* ---- records ---- */

static varve_status visit_records(PGresult *rows, const struct store_record_range *range, store_record_visit visit,
                                  void *ctx, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (int i = 0; i < PQntuples(rows) && status == VARVE_OK; i++) {
        const struct store_record record = {
            .space = range->space,
            .key = result_text(rows, i, 0),
            .value = result_text(rows, i, 1),
            .revision = (uint64_t)result_int(rows, i, 2),
            .expires_at = result_time(rows, i, 3),
        };
        if (record_checksum(&record) != (uint32_t)result_int(rows, i, 4))
            return varve_error_set(error, VARVE_CORRUPT, "the record %.*s of %.*s fails its checksum",
                                   (int)record.key.len, record.key.ptr, (int)range->space.len, range->space.ptr);
        status = visit(ctx, &record);
    }
    return status < 0 ? status : VARVE_OK;
}

static varve_status read_records(struct connection *reader, const struct store_record_range *range,
                                 store_record_visit visit, void *ctx, varve_time *now, varve_error *error)
{
    PGresult *results[2] = { 0 };
    struct values values = { 0 };
    values_text(&values, range->space);
    values_text(&values, range->after);
    values_text(&values, range->prefix);
    values_int(&values, range->limit == 0 ? INT64_MAX : (int64_t)range->limit);
    (void)connection_send(reader, S_RECORDS, &values);
    (void)connection_send(reader, S_CLOCK, NULL);
    varve_status status = connection_round(reader, results, 2, "reading records", error);
    if (status < 0) return status;
    *now = result_time(results[1], 0, 0);
    status = visit_records(results[0], range, visit, ctx, error);
    results_clear(results, 2);
    return status;
}

varve_status postgres_records(struct store_log *log, const struct store_record_range *range, store_record_visit visit,
                              void *ctx, varve_time *now, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (int i = 0; i < 2; i++) {
        struct connection *reader = NULL;
        status = reader_take(log, &reader, error);
        if (status < 0) return status;
        status = read_records(reader, range, visit, ctx, now, error);
        bool again = status < 0 && connection_is_lost(reader);
        reader_give(log, reader);
        if (!again) break;
    }
    return status;
}

/* ---- what the store is ---- */

varve_status postgres_info(struct store_log *log, varve_store_info *info, varve_error *error)
{
    struct store_head head;
    uint64_t history = 0;
    struct connection *reader = NULL;
    PGresult *row = NULL;
    varve_status status = postgres_head(log, &head, error);
    if (status >= 0) status = reader_take(log, &reader, error);
    if (status < 0) return status;
    status = connection_exec(reader,
                             "SELECT (SELECT count(*) FROM events WHERE version = 1), "
                             "(SELECT value FROM meta WHERE key = 'created_at'), "
                             "(SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c "
                             "WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace(current_schema())), "
                             "current_setting('server_version')",
                             "reading what the store is", &row, error);
    if (status >= 0) {
        info->stream_count = strtoull(PQgetvalue(row, 0, 0), NULL, 10);
        info->created_at = strtoll(PQgetvalue(row, 0, 1), NULL, 10);
        info->file_bytes = strtoull(PQgetvalue(row, 0, 2), NULL, 10);
        snprintf(info->driver_version, sizeof info->driver_version, "%s", PQgetvalue(row, 0, 3));
    }
    PQclear(row);
    reader_give(log, reader);
    snprintf(info->driver, sizeof info->driver, "postgresql");
    info->format_version = SCHEMA_VERSION;
    info->last_position = head.position;
    info->last_recorded_at = head.recorded_at;
    (void)postgres_incarnation(log, info->incarnation, &history, NULL);
    return status;
}
