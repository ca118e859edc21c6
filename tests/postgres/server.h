/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests do to a PostgreSQL server beside varve, in sessions of their own. */
#ifndef VARVE_TESTS_POSTGRES_SERVER_H
#define VARVE_TESTS_POSTGRES_SERVER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The key of the order lock of the schema `varve`, as a SQL expression. */
#define ORDER_LOCK "hashtextextended('varve varve', 0)"

/* A session; ends the program when there is none. */
PGconn *session_open(const char *uri);
/* Runs statements; ends the program when that fails. Returns the first value as a number, 0 when there is none. */
int64_t session_ask(PGconn *session, const char *sql);
/* Asks again and again until the first value is `wanted`; ends the program after a minute. */
void session_await(PGconn *session, const char *sql, int64_t wanted);

/* Runs tests/support/postgres VERB DIR [MORE]; ends the program when that fails. */
void server_do(const char *verb, const char *dir, const char *more);
/* The URI on 127.0.0.1, or on a socket. */
void server_uri(const char *dir, bool tcp, char *uri, size_t size);

/* A process that runs `work` and ends with what it returns. */
pid_t process_start(int (*work)(void *ctx), void *ctx);
/* Waits for it; ends the program when it failed. */
void process_end(pid_t process);
/* Kills it and waits; ends the program when it was not the signal that ended it. */
void process_kill(pid_t process);

#endif
