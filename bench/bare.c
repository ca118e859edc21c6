/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bare.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { CHECKPOINT_PAGES = 1000 };

/* Beyond all numbers of streams that are there. */
#define NEW_STREAMS (INT64_C(1) << 40)

/* What a writer that is the only one can know of a stream. */
struct bare_stream {
    int64_t id;
    int64_t version;
};

struct bare {
    const struct corpus *corpus;
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *insert;
    sqlite3_stmt *change;        /* of a model in the log; NULL: none */
    struct bare_stream *streams; /* by number */
    int64_t types[CORPUS_TYPES];
    int64_t position, first_position; /* the latest, and that at the opening */
    int64_t recorded_at;
    uint8_t id[16]; /* counts up: as kind to the index as ids in order of time can be */
    int wal_pages, wal_pages_tended;
};

static varve_status failed(sqlite3 *db, varve_error *error)
{
    return varve_error_set(error, VARVE_IO, "bare SQLite: %s", db == NULL ? "no memory" : sqlite3_errmsg(db));
}

static varve_status connect(sqlite3 **db, const char *path, int flags, const char *setup, varve_error *error)
{
    if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(*db, setup, NULL, NULL, NULL) != SQLITE_OK)
        return failed(*db, error);
    return VARVE_OK;
}

static varve_status prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement, varve_error *error)
{
    int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    return code == SQLITE_OK ? VARVE_OK : failed(db, error);
}

static varve_status run(sqlite3 *db, sqlite3_stmt *statement, varve_error *error)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? VARVE_OK : failed(db, error);
}

/* ---- appending ---- */

/* What stands after `"name":` in the data of an event, as this bench writes it. */
static const char *field(varve_str data, const char *name)
{
    size_t len = strlen(name);
    const char *found = memmem(data.ptr, data.len, name, len);
    return found == NULL ? "" : found + len;
}

static int count_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct bare *bare = ctx;
    (void)db;
    (void)name;
    bare->wal_pages = pages;
    return SQLITE_OK;
}

/* Learns the streams' numbers and versions, the types' numbers and the head. */
static varve_status learn(struct bare *bare, varve_error *error)
{
    sqlite3_stmt *rows = NULL;
    for (uint64_t i = 0; i < bare->corpus->streams; i++) bare->streams[i].id = NEW_STREAMS + (int64_t)i;
    varve_status status = prepare(bare->db,
                                  "SELECT s.name, s.id, max(e.version) FROM streams s JOIN events e ON e.stream = s.id "
                                  "GROUP BY s.id",
                                  &rows, error);
    while (status >= 0 && sqlite3_step(rows) == SQLITE_ROW) {
        uint64_t number = corpus_number((const char *)sqlite3_column_text(rows, 0));
        bare->streams[number] = (struct bare_stream){ sqlite3_column_int64(rows, 1), sqlite3_column_int64(rows, 2) };
    }
    sqlite3_finalize(rows);
    for (int i = 0; i < CORPUS_TYPES && status >= 0; i++) {
        status = prepare(bare->db, "SELECT id FROM types WHERE name = ?1", &rows, error);
        if (status >= 0) sqlite3_bind_text(rows, 1, corpus_types[i], -1, SQLITE_STATIC);
        if (status >= 0 && sqlite3_step(rows) == SQLITE_ROW) bare->types[i] = sqlite3_column_int64(rows, 0);
        sqlite3_finalize(rows);
    }
    if (status >= 0) status = prepare(bare->db, "SELECT max(position), max(recorded_at) FROM events", &rows, error);
    if (status < 0) return status;
    if (sqlite3_step(rows) == SQLITE_ROW) {
        bare->position = bare->first_position = sqlite3_column_int64(rows, 0);
        bare->recorded_at = sqlite3_column_int64(rows, 1);
    }
    sqlite3_finalize(rows);
    return VARVE_OK;
}

varve_status bare_open(struct bare **out, const char *path, const struct corpus *corpus, varve_error *error)
{
    struct bare *bare = calloc(1, sizeof *bare);
    if (bare == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    bare->corpus = corpus;
    memset(bare->id, 0xff, 8); /* beyond the ids that are there */
    bare->streams = calloc(corpus->streams, sizeof *bare->streams);
    varve_status status = bare->streams == NULL ? varve_error_set(error, VARVE_NOMEM, "no memory") : VARVE_OK;
    if (status >= 0)
        status = connect(&bare->db, path, SQLITE_OPEN_READWRITE,
                         "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; "
                         "PRAGMA cache_size = -65536;",
                         error);
    if (status >= 0) status = learn(bare, error);
    if (status >= 0) status = prepare(bare->db, "BEGIN IMMEDIATE", &bare->begin, error);
    if (status >= 0) status = prepare(bare->db, "COMMIT", &bare->commit, error);
    if (status >= 0)
        status = prepare(bare->db,
                         "INSERT INTO events (position, stream, version, id, type, content_type, schema_version, "
                         "correlation_id, tags, recorded_at, occurred_at, data, metadata, crc) "
                         "VALUES (?1, ?2, ?3, ?4, ?5, NULL, 1, NULL, NULL, ?6, ?6, ?7, '{}', 2863311530)",
                         &bare->insert, error);
    if (status < 0) {
        bare_close(bare);
        return status;
    }
    sqlite3_wal_hook(bare->db, count_pages, bare);
    *out = bare;
    return VARVE_OK;
}

void bare_close(struct bare *bare)
{
    if (bare == NULL) return;
    sqlite3_finalize(bare->begin);
    sqlite3_finalize(bare->commit);
    sqlite3_finalize(bare->insert);
    sqlite3_finalize(bare->change);
    sqlite3_close(bare->db);
    free(bare->streams);
    free(bare);
}

static varve_status change_inline(struct bare *bare, uint64_t number, varve_error *error)
{
    char name[CORPUS_NAME_BYTES];
    size_t len = corpus_name(corpus_stream(bare->corpus, number), name);
    sqlite3_bind_text(bare->change, 1, name, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(bare->change, 2,
                       strtoll(field(corpus_data(bare->corpus, number), "\"total_amount\":"), NULL, 10));
    return run(bare->db, bare->change, error);
}

varve_status bare_inline(struct bare *bare, const char *create, const char *change, varve_error *error)
{
    varve_status status = run(bare->db, bare->begin, error);
    if (status >= 0 && sqlite3_exec(bare->db, create, NULL, NULL, NULL) != SQLITE_OK) status = failed(bare->db, error);
    if (status >= 0) status = prepare(bare->db, change, &bare->change, error);
    for (uint64_t i = 0; i < bare->corpus->events && status >= 0; i++) status = change_inline(bare, i, error);
    return status < 0 ? status : run(bare->db, bare->commit, error);
}

static varve_status insert(struct bare *bare, uint64_t number, varve_error *error)
{
    struct bare_stream *stream = &bare->streams[corpus_stream(bare->corpus, number)];
    varve_str data = corpus_data(bare->corpus, number);
    sqlite3_stmt *statement = bare->insert;
    for (size_t i = sizeof bare->id; i > 8 && ++bare->id[i - 1] == 0; i--) {
    }
    sqlite3_bind_int64(statement, 1, ++bare->position);
    sqlite3_bind_int64(statement, 2, stream->id);
    sqlite3_bind_int64(statement, 3, ++stream->version);
    sqlite3_bind_blob(statement, 4, bare->id, sizeof bare->id, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, bare->types[number % CORPUS_TYPES]);
    sqlite3_bind_int64(statement, 6, ++bare->recorded_at);
    sqlite3_bind_text(statement, 7, data.ptr, (int)data.len, SQLITE_STATIC);
    return run(bare->db, statement, error);
}

varve_status bare_append(struct bare *bare, uint64_t first, uint64_t count, uint64_t batch, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (uint64_t done = 0; done < count && status >= 0;) {
        uint64_t end = done + batch < count ? done + batch : count;
        status = run(bare->db, bare->begin, error);
        for (; done < end && status >= 0; done++) {
            status = insert(bare, first + done, error);
            if (status >= 0 && bare->change != NULL) status = change_inline(bare, first + done, error);
        }
        if (status >= 0) status = run(bare->db, bare->commit, error);
        if (bare->wal_pages < bare->wal_pages_tended) bare->wal_pages_tended = 0;
        if (bare->wal_pages - bare->wal_pages_tended < CHECKPOINT_PAGES) continue;
        sqlite3_wal_checkpoint_v2(bare->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        bare->wal_pages_tended = bare->wal_pages;
    }
    return status;
}

varve_status bare_undo(struct bare *bare, varve_error *error)
{
    sqlite3_stmt *statement = NULL;
    varve_status status = prepare(bare->db, "DELETE FROM events WHERE position > ?1", &statement, error);
    if (status >= 0) sqlite3_bind_int64(statement, 1, bare->first_position);
    if (status >= 0) status = run(bare->db, statement, error);
    sqlite3_finalize(statement);
    return status;
}

/* ---- reading ---- */

#define COLUMNS                                                                                                     \
    "e.position, e.version, e.id, e.type, e.content_type, e.schema_version, e.tags, e.recorded_at, e.occurred_at, " \
    "e.data, e.metadata, e.crc"

/* Looks at every column of a row. */
static uint64_t touch(sqlite3_stmt *row, int columns)
{
    uint64_t touched = 0;
    for (int i = 0; i < columns; i++) {
        switch (sqlite3_column_type(row, i)) {
        case SQLITE_INTEGER:
            touched += (uint64_t)sqlite3_column_int64(row, i);
            break;
        case SQLITE_NULL:
            break;
        case SQLITE_BLOB:
            touched += *(const uint8_t *)sqlite3_column_blob(row, i);
            break;
        default:
            touched += *sqlite3_column_text(row, i) + (uint64_t)sqlite3_column_bytes(row, i);
            break;
        }
    }
    return touched;
}

varve_status bare_read(const char *path, const char *stream, uint64_t *events, uint64_t *touched, varve_error *error)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    const char *log = "SELECT " COLUMNS ", s.name FROM events e JOIN streams s ON s.id = e.stream ORDER BY e.position";
    const char *one = "SELECT " COLUMNS " FROM events e WHERE e.stream = (SELECT id FROM streams WHERE name = ?1) "
                      "ORDER BY e.version";
    varve_status status = connect(&db, path, SQLITE_OPEN_READONLY, "", error);
    if (status >= 0) status = prepare(db, stream == NULL ? log : one, &rows, error);
    if (status >= 0 && stream != NULL) sqlite3_bind_text(rows, 1, stream, -1, SQLITE_STATIC);
    *events = 0;
    for (int code = SQLITE_ROW, columns = sqlite3_column_count(rows); status >= 0;) {
        code = sqlite3_step(rows);
        if (code == SQLITE_DONE) break;
        if (code != SQLITE_ROW) status = failed(db, error);
        *touched += touch(rows, columns);
        ++*events;
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return status;
}

/* ---- a read model ---- */

static varve_status change_model(sqlite3 *model, sqlite3_stmt *statement, sqlite3_stmt *event, varve_error *error)
{
    varve_str data = { (const char *)sqlite3_column_text(event, 2), (size_t)sqlite3_column_bytes(event, 2) };
    const char *customer = field(data, "\"customer_id\":\"");
    sqlite3_bind_text(statement, 1, (const char *)sqlite3_column_text(event, 1), sqlite3_column_bytes(event, 1),
                      SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, customer, (int)strcspn(customer, "\""), SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, strtoll(field(data, "\"total_amount\":"), NULL, 10));
    return run(model, statement, error);
}

static varve_status move_checkpoint(sqlite3 *model, sqlite3_stmt *statement, int64_t position, varve_error *error)
{
    sqlite3_bind_int64(statement, 1, position);
    varve_status status = run(model, statement, error);
    return status >= 0 && sqlite3_exec(model, "COMMIT", NULL, NULL, NULL) != SQLITE_OK ? failed(model, error) : status;
}

varve_status bare_project(const char *path, const char *model_path, const char *create, const char *change,
                          uint64_t batch, uint64_t *events, varve_error *error)
{
    sqlite3 *log = NULL, *model = NULL;
    sqlite3_stmt *rows = NULL, *apply = NULL, *checkpoint = NULL;
    int64_t position = 0;
    varve_status status = connect(&log, path, SQLITE_OPEN_READONLY, "", error);
    if (status >= 0)
        status = connect(&model, model_path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                         "CREATE TABLE bare_checkpoint (position INTEGER NOT NULL);"
                         "INSERT INTO bare_checkpoint VALUES (0);",
                         error);
    if (status >= 0 && sqlite3_exec(model, create, NULL, NULL, NULL) != SQLITE_OK) status = failed(model, error);
    if (status >= 0)
        status = prepare(log,
                         "SELECT e.position, s.name, e.data FROM events e JOIN streams s ON s.id = e.stream "
                         "ORDER BY e.position",
                         &rows, error);
    if (status >= 0) status = prepare(model, change, &apply, error);
    if (status >= 0) status = prepare(model, "UPDATE bare_checkpoint SET position = ?1", &checkpoint, error);

    for (*events = 0; status >= 0 && sqlite3_step(rows) == SQLITE_ROW; ++*events) {
        if (*events % batch == 0 && *events > 0) status = move_checkpoint(model, checkpoint, position, error);
        if (*events % batch == 0 && status >= 0 && sqlite3_exec(model, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
            status = failed(model, error);
        if (status >= 0) status = change_model(model, apply, rows, error);
        position = sqlite3_column_int64(rows, 0);
    }
    if (status >= 0 && *events > 0) status = move_checkpoint(model, checkpoint, position, error);
    sqlite3_finalize(rows);
    sqlite3_finalize(apply);
    sqlite3_finalize(checkpoint);
    sqlite3_close(log);
    sqlite3_close(model);
    return status;
}
