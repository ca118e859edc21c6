/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL store driver's inside.
 *
 * Everything is in one schema. Positions are dense and in commit order because each append takes a transaction-level
 * advisory lock, the order lock, and assigns them under it: PostgreSQL makes a transaction visible before it releases
 * its locks. One connection writes (commit.c), some read (pool), one hears of other processes' commits (listen.c).
 */
#ifndef VARVE_STORE_POSTGRES_LOG_H
#define VARVE_STORE_POSTGRES_LOG_H

#include "store/store.h"

#include <pthread.h>

#include "sql/postgres_uri.h"
#include "store/postgres/connection.h"
#include "store/postgres/versions.h"

enum { SCHEMA_VERSION = 1, LEFT_MAX = 16 };

struct listener;

struct store_log {
    char *uri; /* without our own parameters */
    char schema[POSTGRES_NAME_BYTES];
    bool read_only;
    bool created; /* by this handle */
    struct log diagnostics;
    struct store_listener told; /* who hears of other processes' commits */

    pthread_mutex_t mutex;                      /* guards what follows */
    char incarnation[VARVE_UUID_TEXT_BYTES];    /* as last seen */
    uint64_t history;                           /* counts the incarnations seen */
    char left[LEFT_MAX][VARVE_UUID_TEXT_BYTES]; /* those before it: the i-th, from 1, at i % LEFT_MAX */
    struct store_head seen;                     /* the newest head that was read */
    struct connection *idle;                    /* readers nobody uses at the moment */
    size_t readers;                             /* how many there are, idle or not */
    pthread_cond_t given;                       /* a reader came back */

    /* The writer thread's own. */
    struct connection *writer; /* NULL: to be opened when it is needed */
    struct store_head head;    /* the newest that the versions below are true for, in the history of the connection */
    struct versions versions;
    uint32_t contended;                       /* batches for which another process is expected to append in between */
    uint32_t versions_doubtful, ids_doubtful; /* batches that presume nothing of these, because it was wrong */
    bool unreachable;                         /* no server was found in RESEND_MS, or it fell silent */
    varve_time expiry_due;
    const struct store_inline *inlined; /* NULL: none */
    struct sql_session *inline_session; /* on `writer`; NULL: to be opened when it is needed */
    bool inline_failed;                 /* and nothing else of the latest try, on a connection that goes on */
    struct store_batch *work; /* the batch that is being committed, while its `meanwhile` is still to be called */
    const struct store_snapshot *snapshots; /* the latest batch's, until the log is tended */
    size_t snapshot_count;

    struct listener *listener;
};

/* ---- schema.c ---- */

/* Makes sure that the schema holds a store of this version; creates it, or brings an older one up to date, when
 * `may_change`. INCOMPATIBLE: it is no store, or newer. NOT_FOUND: there is none. */
varve_status schema_open(struct store_log *log, struct connection *connection, bool may_change, varve_error *error);
/* Gives the store a new incarnation when the server has been promoted since it was written last (another timeline:
 * what an asynchronous standby had not received is gone), and looks at it as log_look does. */
varve_status schema_check_history(struct store_log *log, struct connection *connection, varve_error *error);
varve_status schema_renew(struct connection *connection, varve_error *error);

/* The tables of the log and of what stands beside it; ended by NULL. */
extern const char *const schema_names[];

/* ---- functions.c ---- */

/* The append as a SQL function, in pieces, for a schema that has the tables; ends with NULL. Sets the search path of
 * the transaction. */
extern const char *const append_functions[];

/* ---- driver.c ---- */

varve_status postgres_open(struct store_log **log, const struct store_location *location, varve_error *error);
void postgres_close(struct store_log *log);
/* A connection on the store's schema, with its statements prepared. */
varve_status log_connect(struct store_log *log, struct connection **connection, varve_error *error);
/*
 * Says which incarnation the log has, as just read on this connection; when it is a new one, whoever listens is told.
 * There is no way back to one that was left: UNAVAILABLE, the server is one that a promotion left behind, or a standby
 * that has not heard of it. A handle that meets such a server first cannot tell.
 */
varve_status log_take_incarnation(struct store_log *log, struct connection *connection, const char *incarnation,
                                  varve_error *error);
/* The newest head that was read in the history of now. */
void log_take_head(struct store_log *log, struct store_head head);
struct store_head log_seen(struct store_log *log);
/* Reads the incarnation and the head in one look and tells of both. The connection is not in a round. */
varve_status log_look(struct store_log *log, struct connection *connection, varve_error *error);
/* Whether the log became another history since the connection was made: it may lead to a server left behind. */
bool log_has_left(struct store_log *log, const struct connection *connection);
/* A reader from the pool; waits a while when too many are in use, then BUSY. Give it back with reader_give. */
varve_status reader_take(struct store_log *log, struct connection **reader, varve_error *error);
void reader_give(struct store_log *log, struct connection *reader);
/* One statement on a reader; the caller clears the result. What is lost while it reads is replaced once. */
varve_status log_query(struct store_log *log, enum statement statement, const struct values *values, const char *doing,
                       PGresult **result, varve_error *error);
/* The same, where the log reaches `position`. A handle that only reads may be on several standbys, not equally far:
 * UNAVAILABLE from one that is behind. */
varve_status log_query_at(struct store_log *log, uint64_t position, enum statement statement,
                          const struct values *values, const char *doing, PGresult **result, varve_error *error);

/* ---- commit.c ---- */

varve_status postgres_commit(struct store_log *log, struct store_batch *batch, struct store_head *head,
                             varve_error *error);
void log_meanwhile(struct store_log *log); /* before the writer waits */
/* Has a connection to the server that the log is on now, for writing. */
varve_status log_be_connected(struct store_log *log, varve_error *error);
void log_roll_back(struct store_log *log); /* the writer's transaction, if there is one */
void postgres_tend(struct store_log *log);
varve_status postgres_set_inline(struct store_log *log, const struct store_inline *inlined, varve_error *error);
varve_status postgres_change(struct store_log *log, store_change change, void *ctx, varve_error *error);

/* ---- read.c ---- */

varve_status postgres_read(struct store_log *log, const struct store_read *read, struct store_page *page,
                           varve_error *error);
varve_status postgres_find(struct store_log *log, varve_uuid id, struct store_page *page, varve_error *error);
/* The event of a row (columns as EVENT_COLUMNS), its memory the arena's. CORRUPT when its checksum is wrong. */
varve_status row_event(const PGresult *rows, int row, struct arena *arena, varve_event *event, varve_error *error);

/* ---- look.c ---- */

varve_status postgres_head(struct store_log *log, struct store_head *head, varve_error *error);
varve_status postgres_incarnation(struct store_log *log, char incarnation[VARVE_UUID_TEXT_BYTES], uint64_t *history,
                                  varve_error *error);
varve_status log_stream_version(struct store_log *log, varve_str stream, uint64_t position, uint64_t *version,
                                varve_error *error);
varve_status postgres_stream_version(struct store_log *log, varve_str stream, uint64_t *version, varve_error *error);
varve_status postgres_streams(struct store_log *log, varve_str category, varve_str after, uint64_t limit,
                              varve_stream_visit visit, void *ctx, varve_error *error);
varve_status postgres_version_at(struct store_log *log, varve_str stream, varve_time at, uint64_t *version,
                                 varve_error *error);
varve_status postgres_snapshot(struct store_log *log, varve_str stream, uint64_t state_version, uint64_t max_version,
                               uint64_t *version, varve_buf *state, varve_error *error);
varve_status postgres_info(struct store_log *log, varve_store_info *info, varve_error *error);
varve_status postgres_records(struct store_log *log, const struct store_record_range *range, store_record_visit visit,
                              void *ctx, varve_time *now, varve_error *error);

#endif
