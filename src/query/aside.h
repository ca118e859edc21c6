/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that a projection could not apply and has set aside (`-- @on_error park`): rows of varve_parked, a table of
 * the generation's own, so that each generation has its own parked events and they come and go in the transactions of
 * the model. A model that was made before there were any has no such table until it is opened for changing.
 */
#ifndef VARVE_QUERY_ASIDE_H
#define VARVE_QUERY_ASIDE_H

#include <stdatomic.h>
#include <varve/projection.h>

#include "sql/sql.h"

/* The statements on one writing session, and what is there as committed. Starts from {0}; ends with aside_fini. */
struct aside {
    const struct sql_driver *sql;
    struct sql_statement *insert, *again, *remove, *find;
    _Atomic uint64_t count; /* loaded by aside_open; the caller, who knows what was committed, keeps it */
};

/* Prepares everything in the session's database, and makes the table where it is missing, in the caller's transaction
 * or one of its own. */
varve_status aside_open(struct aside *aside, const struct sql_driver *sql, struct sql_session *session,
                        varve_error *error);
void aside_fini(struct aside *aside);

/* In the caller's transaction: sets an event aside. */
varve_status aside_put(struct aside *aside, const varve_event *event, const char *problem, varve_error *error);
/* Notes another attempt that failed. */
varve_status aside_note(struct aside *aside, uint64_t position, const char *problem, varve_error *error);
/* VARVE_NOT_FOUND: no such event is parked. `*id` is the event's. */
varve_status aside_find(struct aside *aside, uint64_t position, varve_uuid *id, varve_error *error);
varve_status aside_remove(struct aside *aside, uint64_t position, varve_error *error);

/* How many there are, on any session whose model is attached as `schema` (NULL: its own); 0 without the table. */
varve_status aside_count(const struct sql_driver *sql, struct sql_session *session, const char *schema, uint64_t *count,
                         varve_error *error);

/* Visits those behind the position `after` in order, `limit` at most. VARVE_DONE: no more. */
varve_status aside_visit(const struct sql_driver *sql, struct sql_session *session, uint64_t after, uint64_t limit,
                         varve_projection_parked_visit visit, void *ctx, varve_error *error);

#endif
