/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/record.h"

#include "store/sqlite/reader.h"

#define EXPIRY_EVERY (10 * (varve_time)1000000)

/* ---- reading ---- */

static varve_str text_of(sqlite3_stmt *row, int index)
{
    const char *text = (const char *)sqlite3_column_text(row, index);
    return (varve_str){ text, (size_t)sqlite3_column_bytes(row, index) };
}

static bool begins_with(varve_str text, varve_str prefix)
{
    return text.len >= prefix.len && (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

static varve_status visit_records(struct reader *reader, sqlite3_stmt *rows, const struct store_record_range *range,
                                  store_record_visit visit, void *ctx, varve_error *error)
{
    varve_status status = VARVE_OK;
    int code = SQLITE_DONE;
    for (size_t seen = 0; status == VARVE_OK && (range->limit == 0 || seen < range->limit); seen++) {
        code = sqlite3_step(rows);
        if (code != SQLITE_ROW) break;
        const struct store_record record = {
            .space = text_of(rows, 0),
            .key = text_of(rows, 1),
            .value = text_of(rows, 2),
            .revision = (uint64_t)sqlite3_column_int64(rows, 3),
            .expires_at = sqlite3_column_int64(rows, 4),
        };
        if (!begins_with(record.key, range->prefix)) return VARVE_OK;
        if (record_checksum(&record) != (uint32_t)sqlite3_column_int64(rows, 5))
            return varve_error_set(error, VARVE_CORRUPT, "the record %.*s of %.*s fails its checksum",
                                   (int)record.key.len, record.key.ptr, (int)record.space.len, record.space.ptr);
        status = visit(ctx, &record);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) return sqlite_failed(reader->db, "reading records", error);
    return status < 0 ? status : VARVE_OK;
}

varve_status sqlite_records(struct store_log *log, const struct store_record_range *range, store_record_visit visit,
                            void *ctx, varve_time *now, varve_error *error)
{
    struct reader *reader = NULL;
    sqlite3_stmt *rows = NULL;
    varve_status status = reader_take(log, &reader, error);
    if (status < 0) return status;
    *now = varve_time_now();
    status = reader_statement(reader, R_RECORDS, &rows, error);
    if (status >= 0) {
        sqlite_bind_str(rows, 1, range->space);
        sqlite_bind_str(rows, 2, range->after);
        sqlite_bind_str(rows, 3, range->prefix);
        sqlite3_bind_int64(rows, 4, *now);
        status = visit_records(reader, rows, range, visit, ctx, error);
    }
    reader_give(log, reader);
    return status;
}

/* ---- writing ---- */

varve_status sqlite_check_write(struct store_log *log, struct store_write *write, varve_time now, bool *as_expected,
                                varve_error *error)
{
    sqlite3_stmt *row = log->statements[W_FIND_RECORD];
    varve_status status = VARVE_OK;
    sqlite_bind_str(row, 1, write->record.space);
    sqlite_bind_str(row, 2, write->record.key);
    int code = sqlite3_step(row);
    uint64_t revision = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(row, 0) : 0;
    varve_time expires_at = code == SQLITE_ROW ? sqlite3_column_int64(row, 1) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE) status = sqlite_failed(log->db, "looking for a record", error);
    sqlite3_reset(row);
    bool there = revision != 0 && (expires_at == 0 || expires_at > now);
    *as_expected = write_finds_expected(write, there, revision);
    write->record.revision = record_next_revision(revision, now);
    if (write->expires_in != 0) write->record.expires_at = now + write->expires_in;
    return status;
}

varve_status sqlite_apply_write(struct store_log *log, const struct store_write *write, varve_error *error)
{
    const struct store_record *record = &write->record;
    sqlite3_stmt *statement = log->statements[write->remove ? W_DROP_RECORD : W_PUT_RECORD];
    sqlite_bind_str(statement, 1, record->space);
    sqlite_bind_str(statement, 2, record->key);
    if (write->remove) return sqlite_run(log, W_DROP_RECORD, "removing a record", error);
    sqlite_bind_str(statement, 3, record->value);
    sqlite3_bind_int64(statement, 4, (int64_t)record->revision);
    if (record->expires_at == 0)
        sqlite3_bind_null(statement, 5);
    else
        sqlite3_bind_int64(statement, 5, record->expires_at);
    sqlite3_bind_int64(statement, 6, record_checksum(record));
    return sqlite_run(log, W_PUT_RECORD, "writing a record", error);
}

varve_status sqlite_drop_expired(struct store_log *log, varve_time now, varve_error *error)
{
    log->expiry_due = now + EXPIRY_EVERY;
    sqlite3_bind_int64(log->statements[W_DROP_EXPIRED], 1, now);
    varve_status status = sqlite_run(log, W_DROP_EXPIRED, "removing records that have expired", error);
    if (status >= 0 && sqlite3_changes(log->db) > 0) log->expiry_due = now; /* there may be more: go on next time */
    return status;
}
