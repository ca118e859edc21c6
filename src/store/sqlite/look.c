/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups beside reading events: the head, versions, streams, what the store is. */
#include <stdio.h>
#include <sys/stat.h>

#include "store/sqlite/match.h"
#include "store/sqlite/reader.h"

#define EVENTS_WITH_STREAM "SELECT " EVENT_COLUMNS ", s.name FROM events e JOIN streams s ON s.id = e.stream "

static const char *const statements[R_STATEMENTS] = {
    [R_HEAD] = "SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1",
    [R_LOG] = EVENTS_WITH_STREAM "WHERE e.position > ?1 AND e.position <= ?2 ORDER BY e.position",
    [R_STREAM] = "SELECT " EVENT_COLUMNS " FROM events e "
                 "WHERE e.stream = ?1 AND e.version >= ?2 AND e.version <= ?3 ORDER BY e.version",
    [R_STREAM_BACKWARD] = "SELECT " EVENT_COLUMNS " FROM events e "
                          "WHERE e.stream = ?1 AND e.version <= ?2 AND e.version >= ?3 ORDER BY e.version DESC",
    [R_CORRELATION] =
        EVENTS_WITH_STREAM "WHERE e.correlation_id = ?3 AND e.position > ?1 AND e.position <= ?2 ORDER BY e.position",
    [R_EVENT] = EVENTS_WITH_STREAM "WHERE e.id = ?1",
    [R_FIND_STREAM] = "SELECT id FROM streams WHERE name = ?1",
    [R_STREAM_VERSION] = "SELECT e.version FROM streams s JOIN events e ON e.stream = s.id WHERE s.name = ?1 "
                         "ORDER BY e.version DESC LIMIT 1",
    [R_TYPE_NAME] = "SELECT name FROM types WHERE id = ?1",
    [R_SNAPSHOT] = "SELECT n.version, n.state, n.crc, n.stream FROM streams s JOIN snapshots n ON n.stream = s.id "
                   "WHERE s.name = ?1 AND n.state_version = ?2 AND n.version <= ?3 ORDER BY n.version DESC",
    [R_SEEK_TAG] = SEEK_TAG,
    [R_TYPE_AT] = TYPE_AT,
    [R_TYPES_AFTER] = TYPES_AFTER,
    [R_RECORDS] = "SELECT space, key, value, revision, coalesce(expires_at, 0), crc FROM records "
                  "WHERE space = ?1 AND key > ?2 AND key >= ?3 AND (expires_at IS NULL OR expires_at > ?4) "
                  "ORDER BY key",
};

varve_status reader_statement(struct reader *reader, enum reader_statement which, sqlite3_stmt **statement,
                              varve_error *error)
{
    sqlite3_stmt **kept = &reader->statements[which];
    if (*kept == NULL &&
        sqlite3_prepare_v3(reader->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT, kept, NULL) != SQLITE_OK)
        return sqlite_failed(reader->db, "reading the store", error);
    *statement = *kept;
    return VARVE_OK;
}

varve_status sqlite_head(struct store_log *log, struct store_head *head, varve_error *error)
{
    struct reader *reader = NULL;
    varve_status status = reader_take(log, &reader, error);
    if (status < 0) return status;
    *head = (struct store_head){ 0 };
    sqlite3_stmt *row = NULL;
    status = reader_statement(reader, R_HEAD, &row, error);
    if (status >= 0) {
        int code = sqlite3_step(row);
        if (code == SQLITE_ROW)
            *head = (struct store_head){ .position = (uint64_t)sqlite3_column_int64(row, 0),
                                         .recorded_at = sqlite3_column_int64(row, 1) };
        if (code == SQLITE_ROW && sqlite3_column_int64(row, 0) < 1) /* or the log would seem to be empty */
            status = varve_error_set(error, VARVE_CORRUPT, "the newest event has the position %lld",
                                     (long long)sqlite3_column_int64(row, 0));
        else if (code != SQLITE_ROW && code != SQLITE_DONE)
            status = sqlite_failed(reader->db, "reading the head of the log", error);
    }
    reader_give(log, reader);
    return status;
}

varve_status sqlite_stream_version(struct store_log *log, varve_str stream, uint64_t *version, varve_error *error)
{
    struct reader *reader = NULL;
    varve_status status = reader_take(log, &reader, error);
    if (status < 0) return status;
    sqlite3_stmt *row = NULL;
    status = reader_statement(reader, R_STREAM_VERSION, &row, error);
    if (status >= 0) {
        sqlite_bind_str(row, 1, stream);
        int code = sqlite3_step(row);
        *version = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(row, 0) : 0;
        if (code != SQLITE_ROW && code != SQLITE_DONE) status = sqlite_failed(reader->db, "reading a stream", error);
    }
    reader_give(log, reader);
    return status;
}

#define STREAM_WITH_VERSION \
    "SELECT s.name, (SELECT version FROM events e WHERE e.stream = s.id ORDER BY version DESC LIMIT 1) FROM streams s "

/* A category's streams are its name alone and what lies between "name-" and "name." (the byte after '-'): two ranges
 * of the index, where one condition with OR would walk over every name. */
static const char all_streams[] = STREAM_WITH_VERSION "WHERE s.name > ?1 AND ?2 = '' ORDER BY s.name LIMIT ?3";
static const char streams_of_category[] =
    "SELECT * FROM (" STREAM_WITH_VERSION "WHERE s.name = ?2 AND s.name > ?1) UNION ALL "
    "SELECT * FROM (" STREAM_WITH_VERSION "WHERE s.name > max(?1, ?2 || '-') AND s.name < ?2 || '.' "
    "ORDER BY s.name LIMIT ?3) LIMIT ?3";

varve_status sqlite_streams(struct store_log *log, varve_str category, varve_str after, uint64_t limit,
                            varve_stream_visit visit, void *ctx, varve_error *error)
{
    struct reader *reader = NULL;
    sqlite3_stmt *rows = NULL;
    varve_status status = reader_take(log, &reader, error);
    if (status < 0) return status;
    if (sqlite3_prepare_v2(reader->db, category.len == 0 ? all_streams : streams_of_category, -1, &rows, NULL) !=
        SQLITE_OK) {
        status = sqlite_failed(reader->db, "listing streams", error);
    } else {
        sqlite_bind_str(rows, 1, after);
        sqlite_bind_str(rows, 2, category);
        sqlite3_bind_int64(rows, 3, limit == 0 || limit > INT64_MAX ? -1 : (int64_t)limit);
        uint64_t visited = 0;
        int code;
        while ((code = sqlite3_step(rows)) == SQLITE_ROW && status == VARVE_OK) {
            varve_stream_version stream = {
                { (const char *)sqlite3_column_text(rows, 0), (size_t)sqlite3_column_bytes(rows, 0) },
                (uint64_t)sqlite3_column_int64(rows, 1),
            };
            status = visit(ctx, &stream);
            visited++;
        }
        if (status > 0)
            status = VARVE_OK; /* ended by the visitor */
        else if (status == VARVE_OK && code != SQLITE_DONE)
            status = sqlite_failed(reader->db, "listing streams", error);
        else if (status == VARVE_OK && (limit == 0 || visited < limit))
            status = VARVE_DONE;
    }
    sqlite3_finalize(rows);
    reader_give(log, reader);
    return status;
}

/* One row, one column; appends its text. */
static varve_status scalar(struct reader *reader, const char *sql, int64_t *number, char *text, size_t size,
                           varve_error *error)
{
    sqlite3_stmt *row = NULL;
    varve_status status = VARVE_OK;
    if (sqlite3_prepare_v2(reader->db, sql, -1, &row, NULL) != SQLITE_OK || sqlite3_step(row) != SQLITE_ROW) {
        status = sqlite_failed(reader->db, "reading what the store is", error);
    } else if (number != NULL) {
        *number = sqlite3_column_int64(row, 0);
    } else {
        const char *value = (const char *)sqlite3_column_text(row, 0);
        snprintf(text, size, "%s", value == NULL ? "" : value);
    }
    sqlite3_finalize(row);
    return status;
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
    char name[4096];
    struct stat file;
    int len = snprintf(name, sizeof name, "%s%s", path, suffix);
    if (len < 0 || (size_t)len >= sizeof name || stat(name, &file) != 0) return 0;
    return (uint64_t)file.st_size;
}

varve_status sqlite_incarnation(struct store_log *log, char incarnation[VARVE_UUID_TEXT_BYTES], uint64_t *history,
                                varve_error *error)
{
    struct reader *reader = NULL;
    *history = 0; /* while it is open it stays the same */
    varve_status status = reader_take(log, &reader, error);
    if (status >= 0)
        status = scalar(reader, "SELECT value FROM meta WHERE key = 'incarnation'", NULL, incarnation,
                        VARVE_UUID_TEXT_BYTES, error);
    reader_give(log, reader);
    return status;
}

varve_status sqlite_info(struct store_log *log, varve_store_info *info, varve_error *error)
{
    struct store_head head;
    uint64_t history = 0;
    struct reader *reader = NULL;
    int64_t streams = 0, created_at = 0;
    varve_status status = sqlite_head(log, &head, error);
    if (status >= 0) status = reader_take(log, &reader, error);
    if (status < 0) return status;
    /* Streams are numbered from 1 and never removed, so the greatest number counts them. */
    status = scalar(reader, "SELECT coalesce(max(id), 0) FROM streams", &streams, NULL, 0, error);
    if (status >= 0)
        status = scalar(reader, "SELECT value FROM meta WHERE key = 'created_at'", &created_at, NULL, 0, error);
    reader_give(log, reader);
    if (status >= 0) status = sqlite_incarnation(log, info->incarnation, &history, error);
    snprintf(info->driver, sizeof info->driver, "sqlite");
    snprintf(info->driver_version, sizeof info->driver_version, "%s", sqlite3_libversion());
    info->format_version = FORMAT_VERSION;
    info->last_position = head.position;
    info->last_recorded_at = head.recorded_at;
    info->stream_count = (uint64_t)streams;
    info->created_at = created_at;
    info->file_bytes = file_bytes(log->path, "");
    info->log_file_bytes = file_bytes(log->path, "-wal");
    info->reset_bug = sqlite3_libversion_number() <= 3051002;
    return status;
}
