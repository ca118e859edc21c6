/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a store, and how a file is recognised as one. */
#include "store/sqlite/log.h"

/* "Varv", in the file's header, so that `file` and we know a store from any other database. */
enum { APPLICATION_ID = 0x56617276 };

/* The objects of a store as sqlite_schema has them, in the order in which they are created. */
static const struct object {
    const char *type, *name, *table;
    const char *sql; /* NULL: what SQLite adds for a UNIQUE by itself */
} objects[] = {
    { "table", "meta", "meta", "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID" },
    { "table", "types", "types", "CREATE TABLE types (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)" },
    { "index", "sqlite_autoindex_types_1", "types", NULL },
    { "table", "streams", "streams", "CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)" },
    { "index", "sqlite_autoindex_streams_1", "streams", NULL },
    { "table", "events", "events",
      "CREATE TABLE events ("
      " position INTEGER PRIMARY KEY,"
      " stream INTEGER NOT NULL,"
      " version INTEGER NOT NULL,"
      " id BLOB NOT NULL,"
      " type INTEGER NOT NULL,"
      " content_type TEXT," /* NULL: application/json */
      " schema_version INTEGER NOT NULL,"
      " correlation_id TEXT,"          /* out of the metadata, for the index */
      " tags BLOB,"                    /* packed, for reading; NULL: none */
      " recorded_at INTEGER NOT NULL," /* µs since 1970 */
      " occurred_at INTEGER NOT NULL,"
      " data NOT NULL," /* TEXT when it is JSON, else BLOB */
      " metadata TEXT NOT NULL,"
      " crc INTEGER NOT NULL)" },
    { "index", "events_by_stream", "events", "CREATE UNIQUE INDEX events_by_stream ON events (stream, version)" },
    { "index", "events_by_id", "events", "CREATE UNIQUE INDEX events_by_id ON events (id)" },
    { "index", "events_by_correlation", "events",
      "CREATE INDEX events_by_correlation ON events (correlation_id) WHERE correlation_id IS NOT NULL" },
    { "table", "event_tags", "event_tags",
      "CREATE TABLE event_tags (tag TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (tag, position)) "
      "WITHOUT ROWID" },
    { "table", "records", "records",
      "CREATE TABLE records ("
      " space TEXT NOT NULL,"
      " key TEXT NOT NULL,"
      " value TEXT NOT NULL,"
      " revision INTEGER NOT NULL,"
      " expires_at INTEGER," /* NULL: never */
      " crc INTEGER NOT NULL,"
      " PRIMARY KEY (space, key)) WITHOUT ROWID" },
    { "index", "records_by_expiry", "records",
      "CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL" },
    /* For the newest state and, thinly, for the past; may be lost without harm. See snapshot.c. */
    { "table", "snapshots", "snapshots",
      "CREATE TABLE snapshots ("
      " stream INTEGER NOT NULL,"
      " version INTEGER NOT NULL,"
      " state_version INTEGER NOT NULL,"
      " state TEXT NOT NULL,"
      " crc INTEGER NOT NULL," /* over the other columns */
      " UNIQUE (stream, version))" },
    { "index", "sqlite_autoindex_snapshots_1", "snapshots", NULL },
};

const char *const schema_names[] = { "meta",    "types",     "streams",       "events",        "event_tags",
                                     "records", "snapshots", "sqlite_schema", "sqlite_master", NULL };

enum { OBJECTS = sizeof objects / sizeof *objects };

static varve_status pragma_int(sqlite3 *db, const char *sql, int64_t *value, varve_error *error)
{
    sqlite3_stmt *statement = NULL;
    varve_status status = VARVE_OK;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
        status = sqlite_failed(db, "opening the store", error);
    else
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

static varve_status create(sqlite3 *db, varve_error *error)
{
    char incarnation[VARVE_UUID_TEXT_BYTES];
    varve_buf sql = { 0 };
    varve_uuid_format(varve_uuid_new(), incarnation);
    varve_buf_printf(&sql, "BEGIN IMMEDIATE;");
    for (size_t i = 0; i < OBJECTS; i++)
        if (objects[i].sql != NULL) varve_buf_printf(&sql, "%s;", objects[i].sql);
    varve_buf_printf(&sql,
                     "INSERT INTO meta VALUES ('incarnation', '%s'), ('created_at', %lld);"
                     "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
                     incarnation, (long long)varve_time_now(), APPLICATION_ID, FORMAT_VERSION);
    varve_status status = VARVE_OK;
    if (sql.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory to create the store");
    } else if (sqlite3_exec(db, sql.ptr, NULL, NULL, NULL) != SQLITE_OK) {
        status = sqlite_failed(db, "creating the store's tables", error);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    varve_buf_fini(&sql);
    return status;
}

static bool same_text(sqlite3_stmt *row, int column, const char *expected)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text == NULL || expected == NULL ? text == expected : strcmp(text, expected) == 0;
}

/* Nobody else's trigger may act on a table of ours; everything else in the file may be somebody else's. */
static varve_status check_foreign(sqlite3_stmt *row, const char *path, varve_error *error)
{
    const char *name = (const char *)sqlite3_column_text(row, 1), *table = (const char *)sqlite3_column_text(row, 2);
    if (!same_text(row, 0, "trigger") || name == NULL || table == NULL) return VARVE_OK;
    for (size_t i = 0; i < OBJECTS; i++) {
        if (sqlite3_stricmp(table, objects[i].table) != 0) continue;
        return varve_error_set(error, VARVE_CORRUPT,
                               "the store %s was altered: the trigger %s acts on varve's table %s; DROP TRIGGER it, "
                               "then run varve store verify",
                               path, name, objects[i].table);
    }
    return VARVE_OK;
}

/* Holds a row of sqlite_schema against what we create, and notes which object it is. */
static varve_status check_row(sqlite3_stmt *row, const char *path, bool present[OBJECTS], varve_error *error)
{
    for (size_t i = 0; i < OBJECTS; i++) {
        const struct object *object = &objects[i];
        if (!same_text(row, 1, object->name)) continue;
        present[i] =
            same_text(row, 0, object->type) && same_text(row, 2, object->table) && same_text(row, 3, object->sql);
        if (present[i]) return VARVE_OK;
        return varve_error_set(error, VARVE_CORRUPT,
                               "the store %s is damaged or was altered: the %s %s is not defined as varve defines it; "
                               "restore the newest backup that verifies",
                               path, object->type, object->name);
    }
    return check_foreign(row, path, error);
}

/* A damaged definition would not fail: SQLite would read other columns, or not find what an index should know. */
static varve_status check_objects(sqlite3 *db, const char *path, varve_error *error)
{
    static const char sql[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema";
    bool present[OBJECTS] = { false };
    sqlite3_stmt *row = NULL;
    varve_status status = VARVE_OK;
    int code = sqlite3_prepare_v2(db, sql, -1, &row, NULL);
    while (status >= 0 && (code == SQLITE_OK || code == SQLITE_ROW)) {
        code = sqlite3_step(row);
        if (code == SQLITE_ROW) status = check_row(row, path, present, error);
        /* A text that memory was too short for looks like one that is not there. */
        if (code == SQLITE_ROW && sqlite3_errcode(db) == SQLITE_NOMEM) code = SQLITE_NOMEM;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) status = sqlite_failed(db, "opening the store", error);
    sqlite3_finalize(row);
    for (size_t i = 0; i < OBJECTS && status >= 0; i++) {
        if (present[i]) continue;
        status =
            varve_error_set(error, VARVE_CORRUPT,
                            "the store %s is damaged: the %s %s is missing; restore the newest backup that verifies",
                            path, objects[i].type, objects[i].name);
    }
    return status;
}

varve_status schema_open(sqlite3 *db, const char *path, bool may_create, varve_error *error)
{
    int64_t application = 0, format = 0, count = 1;
    varve_status status = pragma_int(db, "PRAGMA application_id", &application, error);
    if (status >= 0) status = pragma_int(db, "PRAGMA user_version", &format, error);
    if (status >= 0 && application == 0 && format == 0 && may_create)
        status = pragma_int(db, "SELECT count(*) FROM sqlite_schema", &count, error);
    if (status == VARVE_INCOMPATIBLE) return varve_error_set(error, status, "%s is not a varve store", path);
    if (status < 0) return status;
    if (count == 0) return create(db, error);
    if (application != APPLICATION_ID)
        return varve_error_set(error, VARVE_INCOMPATIBLE, "%s is not a varve store", path);
    if (format != FORMAT_VERSION)
        return varve_error_set(error, VARVE_INCOMPATIBLE,
                               "the store %s has format %lld and this varve knows format %d: use a varve that fits",
                               path, (long long)format, FORMAT_VERSION);
    return check_objects(db, path, error);
}

varve_status schema_renew(sqlite3 *db, varve_error *error)
{
    char incarnation[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(varve_uuid_new(), incarnation);
    char *sql = sqlite3_mprintf("UPDATE meta SET value = %Q WHERE key = 'incarnation'", incarnation);
    if (sql == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a new incarnation");
    varve_status status = VARVE_OK;
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        status = sqlite_failed(db, "writing a new incarnation", error);
    sqlite3_free(sql);
    return status;
}
