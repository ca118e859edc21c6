/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bare_postgres.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT = 25, INT8 = 20, UUID = 2950, JSON = 114 }; /* types of pg_type.dat */

enum { COLUMNS = 5, FILLED = 200 }; /* stream, version, id, type, data; changes a round trip at first */

struct bare_postgres {
    const struct corpus *corpus;
    PGconn *pq;
    bool inlined;      /* there is a model to be changed */
    int64_t *versions; /* by number of the stream */
    int64_t position;
    uint8_t id[16]; /* counts up, as in bare.c */
    varve_buf columns[COLUMNS];
};

/* As src/store/postgres/connection.c sets a connection up. */
#define SETTINGS                                                                        \
    "SET search_path TO varve; SET plan_cache_mode TO force_generic_plan; "             \
    "SET enable_seqscan TO off; SET enable_sort TO off; SET enable_bitmapscan TO off; " \
    "SET enable_hashjoin TO off; SET enable_mergejoin TO off; SET jit TO off; "         \
    "SET synchronous_commit TO on"

#define APPEND                                                                                                    \
    "INSERT INTO events (position, stream, version, id, type, schema_version, recorded_at, data, metadata, crc) " \
    "SELECT $1::bigint + e.n, e.stream, e.version, e.id, e.type, 1, clock_timestamp(), e.data, '{}', 2863311530 " \
    "FROM unnest($2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::json[]) WITH ORDINALITY "                  \
    "AS e (stream, version, id, type, data, n)"

#define EVENTS                                                                                                         \
    "SELECT position, stream, version, id, type, content_type, schema_version, tags, recorded_at, occurred_at, data, " \
    "body, metadata, crc FROM events WHERE "
#define READ        EVENTS "position > $1::bigint ORDER BY position LIMIT $2::bigint"
#define READ_STREAM EVENTS "stream = $3::text AND version > $1::bigint ORDER BY version LIMIT $2::bigint"

enum { POSITION = 0, VERSION = 2 }; /* columns of both */

static void put(char *at, uint64_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, number >>= 8) at[i] = (char)number;
}

static int64_t number_at(const PGresult *rows, int row, int column)
{
    const unsigned char *bytes = (const unsigned char *)PQgetvalue(rows, row, column);
    uint64_t number = 0;
    for (int i = 0; i < PQgetlength(rows, row, column); i++) number = number << 8 | bytes[i];
    return (int64_t)number;
}

static varve_status take(struct bare_postgres *bare, PGresult *result, PGresult **rows, varve_error *error)
{
    ExecStatusType what = PQresultStatus(result);
    bool good = what == PGRES_COMMAND_OK || what == PGRES_TUPLES_OK;
    if (good && rows != NULL)
        *rows = result;
    else
        PQclear(result);
    return good ? VARVE_OK : varve_error_set(error, VARVE_IO, "bare PostgreSQL: %s", PQerrorMessage(bare->pq));
}

static varve_status learn(struct bare_postgres *bare, varve_error *error)
{
    PGresult *rows = NULL;
    const char *sql = "SELECT stream, max(version), max(position) FROM events GROUP BY stream";
    varve_status status = take(bare, PQexecParams(bare->pq, sql, 0, NULL, NULL, NULL, NULL, 1), &rows, error);
    for (int i = 0; status >= 0 && i < PQntuples(rows); i++) {
        int64_t position = number_at(rows, i, 2);
        bare->versions[corpus_number(PQgetvalue(rows, i, 0))] = number_at(rows, i, 1);
        if (position > bare->position) bare->position = position;
    }
    PQclear(rows);
    return status;
}

varve_status bare_postgres_open(struct bare_postgres **out, const char *uri, const struct corpus *corpus,
                                varve_error *error)
{
    struct bare_postgres *bare = calloc(1, sizeof *bare);
    if (bare == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    bare->corpus = corpus;
    memset(bare->id, 0xff, 8); /* beyond the ids that are there */
    bare->versions = calloc(corpus->streams, sizeof *bare->versions);
    if (bare->versions == NULL) {
        bare_postgres_close(bare);
        return varve_error_set(error, VARVE_NOMEM, "no memory");
    }
    bare->pq = PQconnectdb(uri);
    varve_status status = learn(bare, error);
    if (status >= 0) status = take(bare, PQexec(bare->pq, SETTINGS), NULL, error);
    if (status >= 0) status = take(bare, PQprepare(bare->pq, "append", APPEND, 0, NULL), NULL, error);
    if (status >= 0) status = take(bare, PQprepare(bare->pq, "read", READ, 0, NULL), NULL, error);
    if (status >= 0) status = take(bare, PQprepare(bare->pq, "read_stream", READ_STREAM, 0, NULL), NULL, error);
    if (status < 0) {
        bare_postgres_close(bare);
        return status;
    }
    *out = bare;
    return VARVE_OK;
}

void bare_postgres_close(struct bare_postgres *bare)
{
    if (bare == NULL) return;
    PQfinish(bare->pq);
    for (size_t i = 0; i < COLUMNS; i++) varve_buf_fini(&bare->columns[i]);
    free(bare->versions);
    free(bare);
}

/* ---- appending ---- */

/* An array in binary: one dimension, no NULLs, its type, how many, counted from 1. */
static void begin(varve_buf *column, uint32_t type, uint64_t count)
{
    char head[20];
    put(head, 1, 4);
    put(head + 4, 0, 4);
    put(head + 8, type, 4);
    put(head + 12, count, 4);
    put(head + 16, 1, 4);
    varve_buf_reset(column);
    varve_buf_add(column, head, sizeof head);
}

static void add(varve_buf *column, const char *bytes, size_t len)
{
    char length[4];
    put(length, len, 4);
    varve_buf_add(column, length, sizeof length);
    varve_buf_add(column, bytes, len);
}

static void add_event(struct bare_postgres *bare, uint64_t number)
{
    char name[CORPUS_NAME_BYTES], version[8];
    uint64_t stream = corpus_stream(bare->corpus, number);
    varve_str data = corpus_data(bare->corpus, number);
    const char *type = corpus_types[number % CORPUS_TYPES];
    for (size_t i = sizeof bare->id; i > 8 && ++bare->id[i - 1] == 0; i--) {
    }
    put(version, (uint64_t)++bare->versions[stream], 8);
    add(&bare->columns[0], name, corpus_name(stream, name));
    add(&bare->columns[1], version, sizeof version);
    add(&bare->columns[2], (const char *)bare->id, sizeof bare->id);
    add(&bare->columns[3], type, strlen(type));
    add(&bare->columns[4], data.ptr, data.len);
}

/* Sends the change that belongs to an event; answers come at the round trip's end. */
static bool send_change(struct bare_postgres *bare, uint64_t number)
{
    char name[CORPUS_NAME_BYTES];
    varve_str data = corpus_data(bare->corpus, number);
    const char *key = "\"total_amount\":", *found = memmem(data.ptr, data.len, key, strlen(key));
    char amount[8];
    const char *const values[2] = { name, amount };
    const int lengths[2] = { (int)corpus_name(corpus_stream(bare->corpus, number), name), sizeof amount };
    static const int binary[2] = { 1, 1 };
    put(amount, found == NULL ? 0 : strtoull(found + strlen(key), NULL, 10), 8);
    return PQsendQueryPrepared(bare->pq, "change", 2, values, lengths, binary, 1) == 1;
}

/* Takes the answers of a pipeline, the first failure of which counts. */
static varve_status end_pipeline(struct bare_postgres *bare, bool sent, varve_error *error)
{
    varve_status status = sent && PQpipelineSync(bare->pq) == 1
                              ? VARVE_OK
                              : varve_error_set(error, VARVE_IO, "bare PostgreSQL: %s", PQerrorMessage(bare->pq));
    for (bool ended = status < 0; !ended;) {
        PGresult *result = PQgetResult(bare->pq);
        if (result == NULL) continue; /* the end of one statement's answer */
        ended = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        if (ended)
            PQclear(result);
        else if (status >= 0)
            status = take(bare, result, NULL, error);
        else
            PQclear(result);
    }
    return PQexitPipelineMode(bare->pq) == 1 || status < 0
               ? status
               : varve_error_set(error, VARVE_IO, "bare PostgreSQL: %s", PQerrorMessage(bare->pq));
}

varve_status bare_postgres_inline(struct bare_postgres *bare, const char *create, const char *change,
                                  varve_error *error)
{
    static const Oid types[2] = { TEXT, INT8 };
    varve_status status = take(bare, PQexec(bare->pq, create), NULL, error);
    if (status >= 0) status = take(bare, PQprepare(bare->pq, "change", change, 2, types), NULL, error);
    for (uint64_t done = 0; done < bare->corpus->events && status >= 0;) {
        bool sent = PQenterPipelineMode(bare->pq) == 1;
        uint64_t end = done + FILLED < bare->corpus->events ? done + FILLED : bare->corpus->events;
        for (; done < end && sent; done++) sent = send_change(bare, done);
        status = end_pipeline(bare, sent, error);
    }
    bare->inlined = status >= 0;
    return status;
}

static varve_status append_batch(struct bare_postgres *bare, uint64_t first, uint64_t count, varve_error *error)
{
    static const uint32_t types[COLUMNS] = { TEXT, INT8, UUID, TEXT, JSON };
    static const int binary[COLUMNS + 1] = { 1, 1, 1, 1, 1, 1 };
    const char *values[COLUMNS + 1];
    int lengths[COLUMNS + 1];
    char position[8];
    bool failed = false;
    for (size_t i = 0; i < COLUMNS; i++) begin(&bare->columns[i], types[i], count);
    for (uint64_t i = 0; i < count; i++) add_event(bare, first + i);
    put(position, (uint64_t)bare->position, 8);
    values[0] = position;
    lengths[0] = sizeof position;
    for (size_t i = 0; i < COLUMNS; i++) {
        values[i + 1] = bare->columns[i].ptr;
        lengths[i + 1] = (int)bare->columns[i].len;
        failed |= bare->columns[i].failed;
    }
    if (failed) return varve_error_set(error, VARVE_NOMEM, "no memory");
    bare->position += (int64_t)count;
    if (!bare->inlined)
        return take(bare, PQexecPrepared(bare->pq, "append", COLUMNS + 1, values, lengths, binary, 1), NULL, error);
    /* What is between two syncs is one transaction. */
    bool sent = PQenterPipelineMode(bare->pq) == 1 &&
                PQsendQueryPrepared(bare->pq, "append", COLUMNS + 1, values, lengths, binary, 1) == 1;
    for (uint64_t i = 0; i < count && sent; i++) sent = send_change(bare, first + i);
    return end_pipeline(bare, sent, error);
}

varve_status bare_postgres_append(struct bare_postgres *bare, uint64_t first, uint64_t count, uint64_t batch,
                                  varve_error *error)
{
    varve_status status = VARVE_OK;
    for (uint64_t done = 0; done < count && status >= 0; done += batch)
        status = append_batch(bare, first + done, count - done < batch ? count - done : batch, error);
    return status;
}

/* ---- reading ---- */

varve_status bare_postgres_read(struct bare_postgres *bare, const char *stream, uint64_t page, uint64_t *events,
                                uint64_t *touched, varve_error *error)
{
    static const int binary[3] = { 1, 1, 1 };
    const char *statement = stream != NULL ? "read_stream" : "read";
    const int parameters = stream != NULL ? 3 : 2, after = stream != NULL ? VERSION : POSITION;
    char from[8] = { 0 }, limit[8];
    const char *const values[3] = { from, limit, stream };
    const int lengths[3] = { sizeof from, sizeof limit, stream != NULL ? (int)strlen(stream) : 0 };
    varve_status status = VARVE_OK;
    put(limit, page, 8);
    *events = 0;
    for (bool more = true; more && status >= 0;) {
        PGresult *rows = NULL;
        status = take(bare, PQexecPrepared(bare->pq, statement, parameters, values, lengths, binary, 1), &rows, error);
        int count = status < 0 ? 0 : PQntuples(rows);
        for (int i = 0; i < count; i++)
            for (int j = 0; j < PQnfields(rows); j++)
                *touched += (uint8_t)PQgetvalue(rows, i, j)[0] + (uint64_t)PQgetlength(rows, i, j);
        if (count > 0) put(from, (uint64_t)number_at(rows, count - 1, after), 8);
        *events += (uint64_t)count;
        more = (uint64_t)count == page;
        PQclear(rows);
    }
    return status;
}
