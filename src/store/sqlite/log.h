/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite store driver's inside.
 *
 * SQLite up to 3.51.2 can lose committed transactions when two connections write or checkpoint at
 * the same moment (its "WAL-reset bug"), so one connection writes and it alone checkpoints, between
 * its own transactions. All others are read-only, are pooled, and give their snapshot back after
 * each page, so that a checkpoint is never kept from finishing for long.
 */
#ifndef VARVE_STORE_SQLITE_LOG_H
#define VARVE_STORE_SQLITE_LOG_H

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>

#include "store/sqlite/intern.h"

enum { FORMAT_VERSION = 2, BUSY_TIMEOUT_MS = 5000 };

/* The writer's statements, prepared once. */
enum writer_statement {
    W_BEGIN,
    W_COMMIT,
    W_ROLLBACK,
    W_FIND_STREAM,
    W_ADD_STREAM,
    W_STREAM_VERSION,
    W_FIND_TYPE,
    W_ADD_TYPE,
    W_FIND_EVENT,
    W_ADD_EVENT,
    W_ADD_TAG,
    W_SEEK_TAG,
    W_TYPE_AT,
    W_TYPES_AFTER,
    W_FIND_RECORD,
    W_PUT_RECORD,
    W_DROP_RECORD,
    W_DROP_EXPIRED,
    W_ADD_SNAPSHOT,
    W_LIST_SNAPSHOTS,
    W_DROP_SNAPSHOT,
    W_STATEMENTS
};

struct reader;

struct store_log {
    char *path;   /* resolved, so that one file has one lock */
    int lock;     /* the side file, locked while this process writes; -1 when read-only */
    bool created; /* the file was not there when the lock was taken: this handle made it */
    struct log diagnostics;

    /* The writer thread's own. */
    sqlite3 *db;
    sqlite3_stmt *statements[W_STATEMENTS];
    struct store_head head;
    struct ids streams, types;
    varve_buf scratch; /* an unescaped correlation_id, then packed tags */
    int wal_pages;     /* in the write-ahead log after the latest commit */
    int wal_pages_tended;
    int checkpoint_pages;
    const struct store_inline *inlined; /* NULL: none */
    struct sql_session *inline_session; /* on `db` */
    varve_time expiry_due;              /* when records are next looked through for those that have expired */

    pthread_mutex_t mutex;
    struct reader *idle; /* readers nobody uses at the moment */
    size_t idle_count;
};

/* ---- schema.c ---- */

/* Makes sure that `db` holds a store of this format; with `create` an empty database becomes one. */
varve_status schema_open(sqlite3 *db, const char *path, bool create, varve_error *error);

/* The tables of the log, and SQLite's own; ended by NULL. */
extern const char *const schema_names[];

/* Gives the store in `db` a new incarnation, in the transaction that is open or in one of its own. */
varve_status schema_renew(sqlite3 *db, varve_error *error);

/* ---- driver.c ---- */

varve_status sqlite_open(struct store_log **log, const struct store_location *location, varve_error *error);
void sqlite_close(struct store_log *log);
/* A new file's name must be on the disk before anything in it is promised. */
varve_status sqlite_sync_folder(const char *path, varve_error *error);

/* What a failed SQLite call means for the caller. Adds the database's message to `doing`. */
varve_status sqlite_failed(sqlite3 *db, const char *doing, varve_error *error);

/* ---- commit.c ---- */

varve_status sqlite_prepare_writer(struct store_log *log, varve_error *error);
void sqlite_finish_writer(struct store_log *log);
varve_status sqlite_commit(struct store_log *log, struct store_batch *batch, struct store_head *head,
                           varve_error *error);
void sqlite_tend(struct store_log *log);
varve_status sqlite_set_inline(struct store_log *log, const struct store_inline *inlined, varve_error *error);
varve_status sqlite_change(struct store_log *log, store_change change, void *ctx, varve_error *error);
/* Runs a statement of the writer that returns no row. */
varve_status sqlite_run(struct store_log *log, enum writer_statement which, const char *doing, varve_error *error);
/* The stream as it is now: number 0 and version 0 when it does not exist. */
varve_status sqlite_look_up_stream(struct store_log *log, varve_str name, struct id_entry *found, varve_error *error);
/* Writes an event that has everything, position and version included, and moves the writer's head to it. */
varve_status sqlite_put_event(struct store_log *log, const varve_event *event, varve_error *error);
/* Undoes what the transaction did, here as well as in the file. */
void sqlite_roll_back(struct store_log *log, struct store_head head);

/* ---- read.c ---- */

varve_status sqlite_read(struct store_log *log, const struct store_read *read, struct store_page *page,
                         varve_error *error);
varve_status sqlite_find(struct store_log *log, varve_uuid id, struct store_page *page, varve_error *error);
varve_status sqlite_version_at(struct store_log *log, varve_str stream, varve_time at, uint64_t *version,
                               varve_error *error);
/* ---- look.c ---- */

varve_status sqlite_head(struct store_log *log, struct store_head *head, varve_error *error);
varve_status sqlite_stream_version(struct store_log *log, varve_str stream, uint64_t *version, varve_error *error);
varve_status sqlite_streams(struct store_log *log, varve_str category, varve_str after, uint64_t limit,
                            varve_stream_visit visit, void *ctx, varve_error *error);
varve_status sqlite_incarnation(struct store_log *log, char incarnation[VARVE_UUID_TEXT_BYTES], uint64_t *history,
                                varve_error *error);
varve_status sqlite_info(struct store_log *log, varve_store_info *info, varve_error *error);

static inline void sqlite_bind_str(sqlite3_stmt *statement, int index, varve_str text)
{
    sqlite3_bind_text(statement, index, text.len == 0 ? "" : text.ptr, (int)text.len, SQLITE_STATIC);
}

#endif
