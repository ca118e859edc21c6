/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting to PostgreSQL, and what its failures are called. */
#ifndef VARVE_SQL_POSTGRES_CONNECTION_H
#define VARVE_SQL_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <varve/event.h>

/*
 * Connects by a URI of libpq's own (postgres_uri.h takes ours out). Waits ten seconds at most for a host that does
 * not answer, unless the URI says otherwise. Notices go nowhere, text is UTF-8, and what is written as text
 * is the same whatever the server's settings are: UTC, ISO dates, bytes in hex. On failure `*connection` is NULL.
 * VARVE_INVALID (a URI that cannot be read, never repeated), DENIED, NOT_FOUND (no such database), INCOMPATIBLE (before
 * 15, or a database that is not UTF-8), IO, NOMEM.
 */
varve_status postgres_connect(PGconn **connection, const char *uri, varve_error *error);

/* The class of an SQLSTATE, as sql.h has them; NULL is a connection that was lost. */
varve_status postgres_class(const char *sqlstate);

/* Sets `error` from a failed result, or from the connection where there is none; returns its class. */
varve_status postgres_failure(const PGconn *connection, const PGresult *result, varve_error *error);

/* Runs statements without parameters and drops what they return. */
varve_status postgres_run(PGconn *connection, const char *script, varve_error *error);

#endif
