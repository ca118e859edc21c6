/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to the server, its statements prepared, spoken to in rounds: some statements are sent, then all their
 * results are awaited (libpq's pipeline mode), so that a round costs one trip however much is in it. Values go and
 * come in PostgreSQL's binary formats. A round outside a transaction is one by itself. One thread at a time.
 */
#ifndef VARVE_STORE_POSTGRES_CONNECTION_H
#define VARVE_STORE_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <varve/event.h>

#include "store/postgres/statements.h"

/* Types by their object ids, which PostgreSQL never changes (its pg_type.dat). */
enum {
    TYPE_BYTEA = 17,
    TYPE_INT8 = 20,
    TYPE_TEXT = 25,
    TYPE_JSON = 114,
    TYPE_TIMESTAMPTZ = 1184,
    TYPE_UUID = 2950,
};

enum { NO_LIMIT = -1 };

struct connection {
    PGconn *pq;
    const char *uri;         /* the opener's */
    struct connection *next; /* the pool's */
    size_t sent;             /* statements of the round so far */
    bool ended;              /* … and they are on their way */
    char state[6];           /* the SQLSTATE of the latest failure; "" when it had none */
    char detail[160];        /* what the server said beside its message */
    bool unreplicated;       /* the server gave up waiting for a synchronous standby: committed here only */
    bool broken;             /* a round did not end as it must: of no more use */
    bool silent;             /* … because the server does not answer */
    int limit_ms;            /* how long one answer is awaited from a server that is there, or NO_LIMIT */
    uint64_t history;        /* the log's, as far as it is known on this connection */
};

/* Connects with the schema as search path; with `to_primary` to no standby, unless the URI asks for one. An answer is
 * awaited for somewhat longer than a lock. The URI must live as long. UNAVAILABLE, DENIED, NOT_FOUND … */
varve_status connection_open(struct connection **connection, const char *uri, const char *schema, bool to_primary,
                             varve_error *error);
/* NULL is allowed. */
void connection_close(struct connection *connection);
/* Prepares the statements; only once the store's tables are there. */
varve_status connection_prepare(struct connection *connection, varve_error *error);
bool connection_is_lost(const struct connection *connection);

/* ---- parameters ---- */

enum { VALUES_MAX = 20 };

/* The parameters of one statement; what they point to must live until it is sent. */
struct values {
    const char *pointers[VALUES_MAX];
    int lengths[VALUES_MAX];
    int count;
    char numbers[VALUES_MAX][8]; /* the numbers among them, in network order */
};

void values_text(struct values *values, varve_str text);
void values_int(struct values *values, int64_t number);
void values_time(struct values *values, varve_time time);
void values_uuid(struct values *values, const varve_uuid *id);
void values_null(struct values *values);

/* An array parameter under construction, as bytes of its own. Starts from {0}; ends with varve_buf_fini(&bytes). */
struct array {
    varve_buf bytes;
    uint32_t count, nulls;
};

void array_begin(struct array *array, uint32_t type);
void array_text(struct array *array, varve_str text);
void array_int(struct array *array, int64_t number);
void array_time(struct array *array, varve_time time);
void array_null(struct array *array);
/* Completes it and makes it the next parameter: NULL when it has nothing but NULLs. False when memory is out. */
bool values_array(struct values *values, struct array *array);

/* ---- rounds ---- */

/* Adds a statement to the round. False when it could not be sent: the round's end tells why. */
bool connection_send(struct connection *connection, enum statement statement, const struct values *values);
/* Has the server answer what was sent so far as soon as it can: a sign of life within a long round. */
bool connection_hurry(struct connection *connection);

/* Ends the round without waiting for it: what is to be done meanwhile comes between this and connection_round. */
void connection_end(struct connection *connection);

/*
 * Ends the round: waits for all results and puts those of the first `count` statements into `results`, which the
 * caller clears (results_clear), NULL where there is none. The first failure is the round's: nothing after it was
 * done. `doing` begins its message. A server that is silent (silence.c) is a connection that is lost.
 */
varve_status connection_round(struct connection *connection, PGresult **results, size_t count, const char *doing,
                              varve_error *error);
void results_clear(PGresult **results, size_t count);

/* Runs one script of our own without parameters, in a transaction of its own unless it says otherwise. */
varve_status connection_exec(struct connection *connection, const char *script, const char *doing, PGresult **result,
                             varve_error *error);

/* What the latest failure on this connection means. */
varve_status connection_failed(struct connection *connection, PGresult *result, const char *doing, varve_error *error);

/* ---- results ---- */

/* PQgetResult, but a server that does not answer breaks the connection; nothing is cancelled there. */
PGresult *connection_result(struct connection *connection);

int64_t result_int(const PGresult *result, int row, int column);
varve_time result_time(const PGresult *result, int row, int column);
varve_uuid result_uuid(const PGresult *result, int row, int column);
varve_str result_text(const PGresult *result, int row, int column);

#endif
