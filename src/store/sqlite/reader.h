/* SPDX-License-Identifier: Apache-2.0 */
/* The read-only connections of a SQLite store, pooled, and the rows they read. */
#ifndef VARVE_STORE_SQLITE_READER_H
#define VARVE_STORE_SQLITE_READER_H

#include "store/sqlite/log.h"

enum { READERS_KEPT = 8 };

/* A reader's statements, prepared when first used. */
enum reader_statement {
    R_HEAD,
    R_LOG,
    R_STREAM,
    R_STREAM_BACKWARD,
    R_CORRELATION,
    R_EVENT,
    R_FIND_STREAM,
    R_STREAM_VERSION,
    R_TYPE_NAME,
    R_SNAPSHOT,
    R_SEEK_TAG,
    R_TYPE_AT,
    R_TYPES_AFTER,
    R_RECORDS,
    R_STATEMENTS
};

/* A read-only connection; used by one thread at a time. */
struct reader {
    sqlite3 *db;
    sqlite3_stmt *statements[R_STATEMENTS];
    struct names types; /* names by id */
    struct reader *next;
};

/* A reader from the pool, or a new one; give it back with reader_give, which resets its statements. */
varve_status reader_take(struct store_log *log, struct reader **reader, varve_error *error);
void reader_give(struct store_log *log, struct reader *reader);
/* The reader's statement, prepared on first use. */
varve_status reader_statement(struct reader *reader, enum reader_statement which, sqlite3_stmt **statement,
                              varve_error *error);

/* Reads the event a row holds (columns as in EVENT_COLUMNS, the stream's name given or in the row) and checks it. */
varve_status sqlite_row_event(struct reader *reader, sqlite3_stmt *row, varve_str stream, struct arena *arena,
                              varve_event *event, varve_error *error);

#define EVENT_COLUMNS                                                                                \
    "e.position, e.version, e.id, e.type, e.content_type, e.schema_version, e.tags, e.recorded_at, " \
    "e.occurred_at, e.data, e.metadata, e.crc"

#endif
