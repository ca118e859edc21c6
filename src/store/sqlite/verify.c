/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a whole store: the database's own, then everything that our reads rely on. */
#include <inttypes.h>
#include <stdio.h>

#include "event/codec.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/upkeep.h"

enum { PROBLEMS_TOLD = 100, PROGRESS_EVERY = 10000 };

struct check {
    struct reader *reader;
    const varve_verify_options *options;
    uint64_t problems;
};

static void found(struct check *check, const char *format, ...) VARVE_PRINTF(2, 3);

static void found(struct check *check, const char *format, ...)
{
    char problem[256];
    va_list args;
    if (check->problems++ >= PROBLEMS_TOLD || check->options->problem == NULL) return;
    va_start(args, format);
    vsnprintf(problem, sizeof problem, format, args);
    va_end(args);
    check->options->problem(check->options->ctx, problem);
}

/* How reading rows ended: damage is one more problem, everything else that is no end a failure. */
static varve_status check_end(struct check *check, int code, const char *doing, varve_error *error)
{
    if (code == SQLITE_DONE) return VARVE_OK;
    if (sqlite3_errcode(check->reader->db) != SQLITE_CORRUPT) return sqlite_failed(check->reader->db, doing, error);
    found(check, "%s: %s", doing, sqlite3_errmsg(check->reader->db));
    return VARVE_OK;
}

/* Runs a query whose every row is a problem: a text and up to one number that goes with it. */
static varve_status rows_are_problems(struct check *check, const char *sql, const char *problem, varve_error *error)
{
    sqlite3_stmt *rows = NULL;
    int code = sqlite3_prepare_v2(check->reader->db, sql, -1, &rows, NULL);
    if (code == SQLITE_OK) {
        while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
            const char *what = (const char *)sqlite3_column_text(rows, 0);
            found(check, "%s: %s", problem, what == NULL ? "(null)" : what);
        }
    }
    varve_status status = check_end(check, code, problem, error);
    sqlite3_finalize(rows);
    return status;
}

static varve_status check_database(struct check *check, varve_error *error)
{
    sqlite3_stmt *rows = NULL;
    int code = sqlite3_prepare_v2(check->reader->db, "PRAGMA integrity_check(100)", -1, &rows, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(rows);
        const char *line = code == SQLITE_ROW ? (const char *)sqlite3_column_text(rows, 0) : "ok";
        if (line != NULL && strcmp(line, "ok") != 0) found(check, "database: %s", line);
    }
    varve_status status = check_end(check, code, "database", error);
    sqlite3_finalize(rows);
    return status;
}

/* Every event, in order: its checksum, its place, its time. */
static varve_status check_events(struct check *check, uint64_t total, uint64_t *events, varve_error *error)
{
    sqlite3_stmt *rows = NULL;
    varve_status status = reader_statement(check->reader, R_LOG, &rows, error);
    if (status < 0) return status;
    sqlite3_bind_int64(rows, 1, INT64_MIN);
    sqlite3_bind_int64(rows, 2, INT64_MAX);
    struct arena arena = { 0 };
    int64_t expected = 1, last_recorded_at = 0;
    int code;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        varve_event event;
        varve_error problem = { 0 };
        int64_t position = sqlite3_column_int64(rows, 0);
        varve_status row = sqlite_row_event(check->reader, rows, (varve_str){ 0 }, &arena, &event, &problem);
        if (row < 0 && row != VARVE_CORRUPT) {
            status = varve_error_set(error, row, "%s", problem.message);
            break;
        }
        if (row < 0) found(check, "%s", problem.message);
        if (position != expected)
            found(check, "positions have a hole: %" PRId64 " comes where %" PRId64 " should", position, expected);
        if (event.recorded_at < last_recorded_at)
            found(check, "the event at position %" PRId64 " was recorded before the one in front of it", position);
        last_recorded_at = event.recorded_at;
        expected = position + 1;
        arena_reset(&arena);
        if (++*events % PROGRESS_EVERY == 0 && check->options->progress != NULL)
            check->options->progress(check->options->ctx, *events, total);
    }
    if (status >= 0) status = check_end(check, code, "reading events", error);
    sqlite3_reset(rows);
    arena_fini(&arena);
    return status;
}

static varve_str text_of(sqlite3_stmt *row, int index)
{
    const char *text = (const char *)sqlite3_column_text(row, index);
    return (varve_str){ text, (size_t)sqlite3_column_bytes(row, index) };
}

/* The column by which a correlation's events are found says what their metadata say. */
static varve_status check_correlations(struct check *check, varve_error *error)
{
    static const char sql[] = "SELECT position, correlation_id, metadata FROM events";
    sqlite3_stmt *rows = NULL;
    varve_buf memory = { 0 };
    varve_status status = VARVE_OK;
    int code = sqlite3_prepare_v2(check->reader->db, sql, -1, &rows, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        varve_str id;
        if ((code = sqlite3_step(rows)) != SQLITE_ROW) break;
        varve_buf_reset(&memory);
        if (!event_correlation(text_of(rows, 2), &memory, &id)) {
            status = varve_error_set(error, VARVE_NOMEM, "no memory to verify an event");
            break;
        }
        if (!varve_str_eq(text_of(rows, 1), id))
            found(check, "the event at position %lld is not found by its correlation_id",
                  (long long)sqlite3_column_int64(rows, 0));
    }
    if (status >= 0) status = check_end(check, code, "reading correlations", error);
    sqlite3_finalize(rows);
    varve_buf_fini(&memory);
    return status;
}

static const struct {
    const char *problem, *sql;
} relations[] = {
    { "versions of this stream are not 1, 2, 3 …",
      "SELECT coalesce(s.name, e.stream) FROM (SELECT stream, count(*) AS n, min(version) AS low, max(version) AS high "
      "FROM events GROUP BY stream) e LEFT JOIN streams s ON s.id = e.stream WHERE n <> high OR low <> 1" },
    /* As when the definition of the table is damaged: reads by position then find nothing at all. */
    { "events have no position", "SELECT 'at least one' FROM events WHERE position IS NULL LIMIT 1" },
    { "an event's stream has no name", "SELECT position FROM events WHERE stream NOT IN (SELECT id FROM streams)" },
    { "a tag points to no event",
      "SELECT tag || ' at position ' || position FROM event_tags WHERE position NOT IN (SELECT position FROM events)" },
    { "an event's tags are not in the index",
      "SELECT position FROM events WHERE tags IS NOT NULL AND position NOT IN (SELECT position FROM event_tags)" },
};

varve_status sqlite_verify(struct store_log *log, const varve_verify_options *options, uint64_t *events,
                           varve_error *error)
{
    static const varve_verify_options silent;
    struct store_head head = { 0 };
    struct check check = { .options = options == NULL ? &silent : options };
    varve_status status = sqlite_head(log, &head, error);
    if (status >= 0) status = reader_take(log, &check.reader, error);
    if (status < 0) return status;
    status = check_database(&check, error);
    if (status >= 0) status = check_events(&check, head.position, events, error);
    if (status >= 0) status = check_correlations(&check, error);
    for (size_t i = 0; i < sizeof relations / sizeof relations[0] && status >= 0; i++)
        status = rows_are_problems(&check, relations[i].sql, relations[i].problem, error);
    reader_give(log, check.reader);
    if (status < 0 || check.problems == 0) return status;
    return varve_error_set(error, VARVE_CORRUPT, "%" PRIu64 " problems were found in the store", check.problems);
}
