/* SPDX-License-Identifier: Apache-2.0 */
/* A PostgreSQL server of the bench's own, started by tests/support/postgres when a row first needs it. */
#ifndef VARVE_BENCH_SERVER_H
#define VARVE_BENCH_SERVER_H

#include "bench/corpus.h"

#define SERVER_URI_BYTES 256

struct server;

/*
 * Starts a server below `folder` and looks that it flushes: fsync and synchronous_commit are on, and its files are not
 * in memory. Also names the folder of the PostgreSQL module, unless VARVE_MODULES names one.
 */
varve_status server_start(struct server **server, const char *folder, varve_error *error);
/* Ends the server and removes its data. NULL is allowed. */
void server_stop(struct server *server);

/* Makes a database, empty or as a copy of `original` (may be NULL), in place of one that has its name. */
varve_status server_copy(const struct server *server, const char *original, const char *name, varve_error *error);
/* Runs a statement in a database. */
varve_status server_exec(const struct server *server, const char *database, const char *sql, varve_error *error);
/* The URI of a database, for varve and for libpq. */
void server_uri(const struct server *server, const char *database, char uri[SERVER_URI_BYTES]);

/* The processor time of all processes of the server so far, in microseconds; of ended ones too. */
double server_cpu_us(const struct server *server);

/* What a plain client knows of the server, such as "15.14"; borrowed. */
const char *server_version(const struct server *server);

#endif
