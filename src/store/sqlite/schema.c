/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a store, and how a file is recognised as one. */
#include "store/sqlite/log.h"

/* "Varv", in the file's header, so that `file` and we know a store from any other database. */
enum { APPLICATION_ID = 0x56617276 };

static const char tables[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE types (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
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
    " crc INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX events_by_stream ON events (stream, version);"
    "CREATE UNIQUE INDEX events_by_id ON events (id);"
    "CREATE INDEX events_by_correlation ON events (correlation_id) WHERE correlation_id IS NOT NULL;"
    "CREATE TABLE event_tags (tag TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (tag, position)) WITHOUT ROWID;"
    "CREATE TABLE records ("
    " space TEXT NOT NULL,"
    " key TEXT NOT NULL,"
    " value TEXT NOT NULL,"
    " revision INTEGER NOT NULL,"
    " expires_at INTEGER," /* NULL: never */
    " crc INTEGER NOT NULL,"
    " PRIMARY KEY (space, key)) WITHOUT ROWID;"
    "CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;"
    /* For the newest state and, thinly, for the past; may be lost without harm. See snapshot.c. */
    "CREATE TABLE snapshots ("
    " stream INTEGER NOT NULL,"
    " version INTEGER NOT NULL,"
    " state_version INTEGER NOT NULL,"
    " state TEXT NOT NULL,"
    " crc INTEGER NOT NULL," /* over the other columns */
    " UNIQUE (stream, version));";

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
    varve_uuid_format(varve_uuid_new(), incarnation);
    char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; %s"
                                "INSERT INTO meta VALUES ('incarnation', %Q), ('created_at', %lld);"
                                "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
                                tables, incarnation, (long long)varve_time_now(), APPLICATION_ID, FORMAT_VERSION);
    if (sql == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory to create the store");
    varve_status status = VARVE_OK;
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        status = sqlite_failed(db, "creating the store's tables", error);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite3_free(sql);
    return status;
}

varve_status schema_open(sqlite3 *db, const char *path, bool may_create, varve_error *error)
{
    int64_t application = 0, format = 0, objects = 0;
    varve_status status = pragma_int(db, "PRAGMA application_id", &application, error);
    if (status >= 0) status = pragma_int(db, "PRAGMA user_version", &format, error);
    if (status >= 0) status = pragma_int(db, "SELECT count(*) FROM sqlite_schema", &objects, error);
    if (status == VARVE_INCOMPATIBLE) return varve_error_set(error, status, "%s is not a varve store", path);
    if (status < 0) return status;
    if (application == 0 && objects == 0 && format == 0 && may_create) return create(db, error);
    if (application != APPLICATION_ID)
        return varve_error_set(error, VARVE_INCOMPATIBLE, "%s is not a varve store", path);
    if (format != FORMAT_VERSION)
        return varve_error_set(error, VARVE_INCOMPATIBLE,
                               "the store %s has format %lld and this varve knows format %d: use a varve that fits",
                               path, (long long)format, FORMAT_VERSION);
    return VARVE_OK;
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
