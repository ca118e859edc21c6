/* SPDX-License-Identifier: Apache-2.0 */
/* What is part of appends besides the log, and how it is changed without one. */
#ifndef VARVE_STORE_INLINE_H
#define VARVE_STORE_INLINE_H

#include <varve/event.h>

#include "sql/sql.h"

/*
 * What changes in the transactions of appends besides the log: models that are never behind it. Called by the writer's
 * thread alone, with a session on the writer's own connection.
 */
struct store_inline {
    const struct sql_driver *sql; /* of the log's kind of database */
    void *ctx;
    /* There is a session: statements can be prepared. */
    varve_status (*open)(void *ctx, struct sql_session *session, varve_error *error);
    /* The session goes; after each `open`, whatever that returned. */
    void (*close)(void *ctx);
    /* Whether `apply` has to do with events of this type. A transaction without any is none of its business. */
    bool (*concerns)(void *ctx, varve_str type);
    /* An event that the transaction has written, complete, in order. A failure undoes the transaction. */
    varve_status (*apply)(void *ctx, const varve_event *event, varve_error *error);
    /* The transaction, of which it has applied something, is about to be committed. A failure undoes it. */
    varve_status (*seal)(void *ctx, varve_error *error);
    /* What was applied since the last commit was undone, or may have been. */
    void (*undone)(void *ctx);
};

/* Changes what belongs to a store_inline, in a transaction of its own, with the log's head as it is meanwhile. */
typedef varve_status (*store_change)(void *ctx, struct sql_session *session, uint64_t head, varve_error *error);

#endif
