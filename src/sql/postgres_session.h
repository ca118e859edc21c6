/* SPDX-License-Identifier: Apache-2.0 */
/* What the sql driver's two halves on PostgreSQL share: the session (postgres.c), its statements. */
#ifndef VARVE_SQL_POSTGRES_SESSION_H
#define VARVE_SQL_POSTGRES_SESSION_H

#include <libpq-fe.h>
#include <pthread.h>

#include "sql/postgres_text.h"
#include "sql/postgres_uri.h"

struct sql_session {
    PGconn *connection;
    enum sql_mode mode;
    char *uri; /* libpq's own part */
    char schema[POSTGRES_NAME_BYTES];
    bool made;                   /* a scratch schema that is ours to drop */
    const char *const *reserved; /* of a connection that is borrowed; NULL: it is our own */

    bool in_transaction;
    uint32_t limit_ms;             /* asked for */
    uint32_t applied_ms, local_ms; /* what the server was told: for the session, for the transaction */

    uint32_t connections;          /* how many there were; a statement is prepared on one of them */
    uint64_t statements;           /* for their names */
    struct sql_statement *running; /* has rows that were not read yet */
    unsigned pending;              /* statements in the pipeline whose answers were not taken yet */
    struct postgres_attached attached[SQL_ATTACH_MAX];
    size_t attached_count;

    pthread_mutex_t lock; /* for what `interrupt` needs */
    PGcancel *cancel;
};

/*
 * Makes the connection free for a command: what another statement still has coming is dropped, and a connection
 * that was lost outside a transaction is made again where the session writes.
 */
varve_status postgres_session_ready(struct sql_session *session, varve_error *error);
/* Tells the server the time limit where it does not know it yet. */
void postgres_session_limit(struct sql_session *session);
/* Asks the server to end what runs. Any thread. */
void postgres_session_cancel(struct sql_session *session);

/* The slots of the seam that are about statements. */
varve_status postgres_statement_prepare(struct sql_statement **statement, struct sql_session *session, varve_str text,
                                        enum sql_trust trust, varve_error *error);
void postgres_statement_finalize(struct sql_statement *statement);
int postgres_statement_parameter_count(const struct sql_statement *statement);
int postgres_statement_parameter(const struct sql_statement *statement, const char *name);
varve_status postgres_statement_bind(struct sql_statement *statement, int parameter, const struct sql_value *value,
                                     varve_error *error);
varve_status postgres_statement_step(struct sql_statement *statement, varve_error *error);
int postgres_statement_column_count(const struct sql_statement *statement);
const char *postgres_statement_column_name(const struct sql_statement *statement, int column);
void postgres_statement_column(struct sql_statement *statement, int column, struct sql_value *value);
void postgres_statement_reset(struct sql_statement *statement);
/* ---- postgres_pipeline.c ---- */

/* The `run` of the seam. */
varve_status postgres_pipeline_run(struct sql_statement *statement, varve_error *error);
/* Takes all answers and leaves the pipeline: the first failure of any statement in it. */
varve_status postgres_pipeline_end(struct sql_session *session, varve_error *error);

/* What that needs of statements: whose one is, and sending it to be answered in the pipeline. */
struct sql_session *postgres_statement_session(struct sql_statement *statement);
varve_status postgres_statement_send(struct sql_statement *statement, varve_error *error);

/* Drops the rows that are still to come: another statement wants the connection. A step then fails. */
void postgres_statement_cut(struct sql_statement *statement);
/* The same, and the statement is as after a reset, its parameters kept. */
void postgres_statement_stop(struct sql_statement *statement);

#endif
