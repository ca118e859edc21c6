/* SPDX-License-Identifier: Apache-2.0 */
/* A projection on one session: its tables, and what one event does to them; the same for SQL files and for code. */
#ifndef VARVE_QUERY_PROJECTION_H
#define VARVE_QUERY_PROJECTION_H

#include "query/sqlfile.h"
#include "sql/sql.h"

/* For one thread at a time, as its session. */
struct projection;

/* Runs the file's @create statements on the session; the caller holds the transaction. VARVE_INVALID with file:line. */
varve_status projection_create(const struct sqlfile *file, const struct sql_driver *sql, struct sql_session *session,
                               varve_error *error);

/*
 * Prepares the @on statements, or opens a worker of the code; `file` and `session` are borrowed until projection_close.
 * VARVE_INVALID with file:line for a statement that the database refuses. Failures of the code's own.
 */
varve_status projection_open(struct projection **projection, const struct sqlfile *file, const struct sql_driver *sql,
                             struct sql_session *session, varve_error *error);

/* Whether failures may be told after the event that they belong to, by the commit at the latest; not so at first. */
void projection_set_swift(struct projection *projection, bool swift);

/*
 * Runs the statements for the event's type, in the file's order, or the code, inside the caller's transaction.
 * Failures as sql_driver.step, or the code's own; the message says which line, and the caller rolls back. A value that
 * the event does not have is NULL. Does nothing for a type that does not concern the projection.
 */
varve_status projection_apply(struct projection *projection, const varve_event *event, varve_error *error);

/* NULL is allowed. */
void projection_close(struct projection *projection);

#endif
