/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A projection in Lua: refused with file and line, or it is one that an engine can take. Then its tables are made and
 * an event of each of its types is applied, twice; whatever it does, varve's own tables stay as they are, and what
 * failed leaves nothing.
 */
#include "lua/projection.h"

#include <sqlite3.h>

#include "fuzz/fuzz.h"
#include "query/model.h"

#define NAME "projections/fuzzed.lua"

enum { TYPES_MAX = 3, STEPS_MAX = 2000, VALUE_BYTES_MAX = 1 << 20 };

/* SQL is not bounded by the interpreter: a statement that goes on and on is ended here. */
static int count_step(void *steps)
{
    return ++*(int *)steps > STEPS_MAX;
}

struct place {
    sqlite3 *db;
    struct sql_session *session;
    int steps;
};

static void open_place(struct place *place)
{
    static const char *const reserved[] = { "log", NULL };
    static const char ours[] = "CREATE TABLE log (n); INSERT INTO log VALUES (7);"
                               "CREATE TABLE varve_checkpoint (n); INSERT INTO varve_checkpoint VALUES (7)";

    ASSERT(sqlite3_open(":memory:", &place->db) == SQLITE_OK);
    sqlite3_limit(place->db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    ASSERT(sqlite3_exec(place->db, ours, NULL, NULL, NULL) == SQLITE_OK);
    ASSERT(sql_sqlite.borrow(&place->session, place->db, reserved, NULL) == VARVE_OK);
    sqlite3_progress_handler(place->db, 1000, count_step, &place->steps);
}

static void close_place(struct place *place)
{
    sql_sqlite.close(place->session);
    ASSERT(sqlite3_close(place->db) == SQLITE_OK);
}

static void exec(struct place *place, const char *sql)
{
    place->steps = 0;
    ASSERT(sqlite3_exec(place->db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static int64_t number(struct place *place, const char *question)
{
    sqlite3_stmt *stmt = NULL;

    place->steps = 0;
    ASSERT(sqlite3_prepare_v2(place->db, question, -1, &stmt, NULL) == SQLITE_OK);
    ASSERT(sqlite3_step(stmt) == SQLITE_ROW);
    int64_t found = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return found;
}

static void check_ours(struct place *place)
{
    ASSERT(number(place, "SELECT group_concat(n) = '7' FROM main.log") == 1);
    ASSERT(number(place, "SELECT group_concat(n) = '7' FROM main.varve_checkpoint") == 1);
}

/* False when the database refuses them. */
static bool make_tables(struct place *place, const struct sqlfile *file)
{
    varve_status status = VARVE_OK;

    for (const struct sqlfile_statement *s = file->create->statements; s != NULL && status >= 0; s = s->next) {
        struct sql_statement *prepared = NULL;
        varve_error error = { 0 };
        place->steps = 0;
        status = sql_sqlite.prepare(&prepared, place->session, s->text, SQL_DEFINITION, &error);
        if (status >= 0) status = sql_sqlite.run(prepared, &error);
        sql_sqlite.finalize(prepared);
        if (status < 0) fuzz_refused(status, &error);
    }
    check_ours(place);
    return status >= 0;
}

static void apply(struct place *place, const varve_projector *table, void *worker, varve_model *model, const char *type)
{
    const varve_event event = {
        .stream = VARVE_STR("thing-1"),
        .type = varve_str_of(type),
        .data = VARVE_STR("{\"id\":\"a\",\"n\":2,\"list\":[1,2.5,null,true,\"caf\xc3\xa9\"]}"),
        .metadata = VARVE_STR("{\"actor\":\"x\"}"),
        .content_type = VARVE_STR("application/json"),
        .occurred_at = 1000000,
        .recorded_at = 2000000,
        .version = 1,
        .position = 1,
    };
    varve_error own = { 0 }, statements = { 0 };

    exec(place, "SAVEPOINT event");
    place->steps = 0;
    model_begin(model, false);
    varve_status status = table->apply(worker, &event, model, &own);
    varve_status failed = model_end(model, &statements);
    if (status < 0) fuzz_refused(status, &own);
    if (failed < 0) fuzz_refused(failed, &statements);
    bool good = status >= 0 && failed >= 0;
    /* No question is left open: it would keep the savepoint from being rolled back. */
    exec(place, good ? "RELEASE event" : "ROLLBACK TO event; RELEASE event");
    check_ours(place);
}

static void run(const varve_projector *table, void *ctx, const struct sqlfile *file)
{
    struct place place = { 0 };
    void *worker = NULL;
    varve_model *model = NULL;
    varve_error error = { 0 };

    open_place(&place);
    if (make_tables(&place, file)) {
        /* The same source has been run to its end before; what it may use is the same. */
        varve_status status = table->worker_open(ctx, &worker, &error);
        ASSERT(model_open(&model, &sql_sqlite, place.session, &error) == VARVE_OK);
        if (status < 0) fuzz_refused(status, &error);
        for (int i = 0; status >= 0 && i < TYPES_MAX && table->types[i] != NULL; i++) {
            apply(&place, table, worker, model, table->types[i]);
            apply(&place, table, worker, model, table->types[i]);
        }
        model_close(model);
        if (worker != NULL) table->worker_close(worker);
    }
    close_place(&place);
}

static uint32_t count_lines(varve_str text)
{
    uint32_t lines = 1;

    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    return lines;
}

static void check(struct lua_projection *projection, varve_str source)
{
    const varve_projector *table = lua_projection_table(projection);
    struct sqlfile *file = NULL;
    varve_error error = { 0 };

    ASSERT(table->name != NULL && table->create != NULL && table->version > 0 && table->types[0] != NULL);
    ASSERT(table->line > 0 && table->line <= count_lines(source) && strcmp(table->file, NAME) == 0);
    varve_status status = sqlfile_of_code(&file, table, projection, "postgres", &error);
    if (status < 0) fuzz_refused(status, &error);
    sqlfile_free(file);
    status = sqlfile_of_code(&file, table, projection, "sqlite", &error);
    if (status < 0) fuzz_refused(status, &error);
    if (status >= 0) run(table, projection, file);
    sqlfile_free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_str source = fuzz_text(data, size);
    struct lua_projection *projection = NULL;
    varve_error error = { 0 };
    varve_status status = lua_projection_open(&projection, NAME, source, &error);

    ASSERT((status < 0) == (projection == NULL));
    if (status < 0) {
        fuzz_refused(status, &error);
        ASSERT(strncmp(error.message, NAME ":", strlen(NAME) + 1) == 0);
    } else {
        check(projection, source);
    }
    lua_projection_close(projection);
    return 0;
}
