/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: rows beside the log that may be lost, damaged or superfluous without harm. */
#include "base/crc32c.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/upkeep.h"

/* Over everything that a snapshot is used by, so that a damaged version or stream is noticed as well as a state. */
static uint32_t checksum(int64_t stream, uint64_t version, uint64_t state_version, varve_str state)
{
    uint64_t numbers[] = { (uint64_t)stream, version, state_version };
    unsigned char bytes[sizeof numbers];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(numbers[i / 8] >> i % 8 * 8);
    return crc32c(crc32c(0, bytes, sizeof bytes), state.ptr, state.len);
}

/* ---- reading ---- */

/* Takes the newest snapshot out of the rows that is as it was written. */
static varve_status take_snapshot(struct reader *reader, sqlite3_stmt *rows, uint64_t state_version, uint64_t *version,
                                  varve_buf *state, varve_error *error)
{
    int code;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        varve_str text = { (const char *)sqlite3_column_text(rows, 1), (size_t)sqlite3_column_bytes(rows, 1) };
        uint64_t found = (uint64_t)sqlite3_column_int64(rows, 0);
        uint32_t crc = (uint32_t)sqlite3_column_int64(rows, 2);
        if (crc != checksum(sqlite3_column_int64(rows, 3), found, state_version, text)) continue;
        *version = found;
        varve_buf_str(state, text);
        return state->failed ? varve_error_set(error, VARVE_NOMEM, "no memory for a snapshot") : VARVE_OK;
    }
    if (code != SQLITE_DONE) return sqlite_failed(reader->db, "reading a snapshot", error);
    return varve_error_set(error, VARVE_NOT_FOUND, "there is no snapshot");
}

varve_status sqlite_snapshot(struct store_log *log, varve_str stream, uint64_t state_version, uint64_t max_version,
                             uint64_t *version, varve_buf *state, varve_error *error)
{
    struct reader *reader = NULL;
    sqlite3_stmt *rows = NULL;
    varve_status status = reader_take(log, &reader, error);
    if (status < 0) return status;
    status = reader_statement(reader, R_SNAPSHOT, &rows, error);
    if (status >= 0) {
        sqlite_bind_str(rows, 1, stream);
        sqlite3_bind_int64(rows, 2, (int64_t)state_version);
        sqlite3_bind_int64(rows, 3, max_version > INT64_MAX ? INT64_MAX : (int64_t)max_version);
        status = take_snapshot(reader, rows, state_version, version, state, error);
    }
    reader_give(log, reader);
    return status;
}

/* ---- writing ---- */

/* Lists what can go: what is of another state version, what is surplus, what lies beyond any sensible number. */
static varve_status list_surplus(struct store_log *log, int64_t stream, uint64_t state_version, uint64_t *going,
                                 size_t *going_count, varve_error *error)
{
    sqlite3_stmt *rows = log->statements[W_LIST_SNAPSHOTS];
    uint64_t versions[THINNING_SNAPSHOTS_MAX];
    bool surplus[THINNING_SNAPSHOTS_MAX];
    size_t count = 0;
    int code;
    sqlite3_bind_int64(rows, 1, stream);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW && *going_count < THINNING_SNAPSHOTS_MAX) {
        uint64_t version = (uint64_t)sqlite3_column_int64(rows, 0);
        if (sqlite3_column_int64(rows, 1) != (int64_t)state_version || count == THINNING_SNAPSHOTS_MAX)
            going[(*going_count)++] = version;
        else
            versions[count++] = version;
    }
    varve_status status =
        code == SQLITE_DONE || code == SQLITE_ROW ? VARVE_OK : sqlite_failed(log->db, "listing snapshots", error);
    sqlite3_reset(rows);
    if (status < 0) return status;
    thinning_choose(versions, count, surplus);
    for (size_t i = 0; i < count && *going_count < THINNING_SNAPSHOTS_MAX; i++)
        if (surplus[i]) going[(*going_count)++] = versions[i];
    return VARVE_OK;
}

varve_status sqlite_add_snapshot(struct store_log *log, int64_t stream, const struct store_snapshot *snapshot,
                                 varve_error *error)
{
    sqlite3_stmt *add = log->statements[W_ADD_SNAPSHOT], *drop = log->statements[W_DROP_SNAPSHOT];
    uint64_t going[THINNING_SNAPSHOTS_MAX];
    size_t going_count = 0;
    sqlite3_bind_int64(add, 1, stream);
    sqlite3_bind_int64(add, 2, (int64_t)snapshot->version);
    sqlite3_bind_int64(add, 3, (int64_t)snapshot->state_version);
    sqlite_bind_str(add, 4, snapshot->state);
    sqlite3_bind_int64(add, 5, checksum(stream, snapshot->version, snapshot->state_version, snapshot->state));
    varve_status status = sqlite_run(log, W_ADD_SNAPSHOT, "writing a snapshot", error);
    if (status >= 0) status = list_surplus(log, stream, snapshot->state_version, going, &going_count, error);
    for (size_t i = 0; i < going_count && status >= 0; i++) {
        sqlite3_bind_int64(drop, 1, stream);
        sqlite3_bind_int64(drop, 2, (int64_t)going[i]);
        status = sqlite_run(log, W_DROP_SNAPSHOT, "dropping a snapshot", error);
    }
    return status;
}
