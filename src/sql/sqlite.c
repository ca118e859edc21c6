/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sql session on SQLite.
 *
 * Databases are files in WAL mode. Before 3.51.3 two connections that write or checkpoint at one
 * moment can lose a commit, so a file has one writing connection, which alone checkpoints; all
 * others are opened read-only and never checkpoint, not even when they close. Read models can be
 * built again, so commits are not flushed one by one (synchronous=NORMAL): a power cut may undo the
 * last of them together with their checkpoint, and leaves the file whole.
 */
#include "sql/sql.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"

enum { BUSY_WAIT_MS = 2000, STEPS_BETWEEN_LOOKS = 1000, VALUE_BYTES_MAX = 64 << 20 };

struct sql_session {
    sqlite3 *db;
    enum sql_mode mode;
    enum sql_trust trust;        /* of the statement that is being prepared */
    const char *const *reserved; /* of a connection that is borrowed; NULL: it is our own */
    uint64_t deadline_ns;        /* 0: none */
};

struct sql_statement {
    sqlite3_stmt *stmt;
    struct sql_session *session;
};

static varve_status class_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
        return VARVE_OK;
    case SQLITE_CONSTRAINT:
        return VARVE_CONFLICT;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_RANGE:
        return VARVE_INVALID;
    case SQLITE_AUTH:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return VARVE_DENIED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return VARVE_BUSY;
    case SQLITE_FULL:
        return VARVE_FULL;
    case SQLITE_IOERR:
        return VARVE_IO;
    case SQLITE_CANTOPEN:
        return VARVE_NOT_FOUND;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return VARVE_CORRUPT;
    case SQLITE_INTERRUPT:
        return VARVE_TIMEOUT;
    case SQLITE_TOOBIG:
        return VARVE_TOO_LARGE;
    case SQLITE_NOMEM:
        return VARVE_NOMEM;
    default:
        return VARVE_APPLICATION;
    }
}

static varve_status fail(const struct sql_session *session, int code, varve_status status, varve_error *error)
{
    varve_error_set(error, status, "%s", session->db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(session->db));
    if (error != NULL &&
        (status == VARVE_BUSY || status == VARVE_FULL || status == VARVE_IO || status == VARVE_NOMEM)) {
        error->flags |= VARVE_ERROR_RETRIABLE;
    }
    return status;
}

static varve_status check(const struct sql_session *session, int code, varve_error *error)
{
    return code == SQLITE_OK ? VARVE_OK : fail(session, code, class_of(code), error);
}

static int over_time(void *ctx)
{
    const struct sql_session *session = ctx;
    return session->deadline_ns != 0 && clock_ns() > session->deadline_ns;
}

static bool is_ours(const struct sql_session *session, const char *name)
{
    if (name == NULL) return false;
    const char *const *reserved = session->reserved;
    while (reserved != NULL && *reserved != NULL && sqlite3_stricmp(name, *reserved) != 0) reserved++;
    return (reserved != NULL && *reserved != NULL) || sqlite3_strnicmp(name, "varve_", 6) == 0;
}

/* SQLite's authorizer: called for everything a statement would do while it is prepared. */
static int authorize(void *ctx, int action, const char *first, const char *second, const char *database,
                     const char *trigger)
{
    const struct sql_session *session = ctx;
    (void)database;
    (void)trigger;
    if (session->trust == SQL_OURS) {
        return SQLITE_OK;
    }
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        return (session->reserved != NULL || session->trust == SQL_QUESTION) && is_ours(session, first) ? SQLITE_DENY
                                                                                                        : SQLITE_OK;
    case SQLITE_FUNCTION:
        return second != NULL && sqlite3_stricmp(second, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        /* A table-valued function such as json_each declares its columns so. Written by a statement it is defended. */
        if (session->trust == SQL_QUESTION && action == SQLITE_UPDATE && sqlite3_stricmp(first, "sqlite_master") == 0)
            return SQLITE_OK;
        return session->trust == SQL_QUESTION || is_ours(session, first) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_REINDEX:
        return session->trust != SQL_DEFINITION || is_ours(session, first) || is_ours(session, second) ? SQLITE_DENY
                                                                                                       : SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

/* Settings that every connection gets: the schema of a file is not trusted to do more than hold data. */
static int set_up(struct sql_session *session)
{
    sqlite3 *db = session->db;
    int code = sqlite3_busy_timeout(db, BUSY_WAIT_MS);
    if (code == SQLITE_OK) {
        code = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    }
    /* "text" in double quotes is a name, never a string: a misspelt column is an error. */
    if (code == SQLITE_OK) {
        code = sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    }
    if (code == SQLITE_OK && session->mode == SQL_READ_ONLY) {
        /* A question cannot make a value that no answer could hold. */
        sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
        code = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_set_authorizer(db, authorize, session);
    }
    if (code == SQLITE_OK && session->mode == SQL_READ_WRITE) {
        code = sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", NULL, NULL, NULL);
    }
    return code;
}

static void session_close(struct sql_session *session)
{
    if (session != NULL && session->reserved != NULL) {
        sqlite3_set_authorizer(session->db, NULL, NULL);
        free(session);
    } else if (session != NULL) {
        int code = sqlite3_close(session->db);
        ASSERT(code == SQLITE_OK);
        free(session);
    }
}

/* Where a scratch database of this name is; to be freed with sqlite3_free. */
static char *scratch_location(const char *name)
{
    return *name == '\0' ? sqlite3_mprintf(":memory:") : sqlite3_mprintf("file:/varve-%s?vfs=memdb", name);
}

static varve_status session_open(struct sql_session **out, const char *location, enum sql_mode mode, varve_error *error)
{
    static const int flags[] = {
        [SQL_READ_WRITE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
        [SQL_READ_ONLY] = SQLITE_OPEN_READONLY,
        [SQL_SCRATCH] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
    };
    varve_status status = VARVE_OK;
    *out = NULL;
    char *scratch = NULL;
    struct sql_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a database session");
    }
    session->mode = mode;
    if (mode == SQL_SCRATCH) {
        location = scratch = scratch_location(location);
    } else if (*location == '\0') {
        location = ":memory:";
    }
    int code = SQLITE_NOMEM;
    if (location != NULL) {
        code = sqlite3_open_v2(location, &session->db, flags[mode] | SQLITE_OPEN_NOMUTEX, NULL);
    }
    if (code == SQLITE_OK) {
        code = set_up(session);
    }
    if (code == SQLITE_OK && mode == SQL_READ_ONLY) {
        /* Opening is lazy: look at the file now, so that a wrong one is noticed here. */
        code = sqlite3_exec(session->db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL);
    }
    status = check(session, code, error);
    if (status < 0) {
        session_close(session);
        session = NULL;
    }
    sqlite3_free(scratch);
    *out = session;
    return status;
}

static varve_status session_borrow(struct sql_session **out, void *connection, const char *const *reserved,
                                   varve_error *error)
{
    *out = NULL;
    struct sql_session *session = calloc(1, sizeof *session);
    if (session == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a database session");
    session->db = connection;
    session->mode = SQL_READ_WRITE;
    session->reserved = reserved;
    int code = sqlite3_set_authorizer(session->db, authorize, session);
    varve_status status = check(session, code, error);
    if (status < 0) {
        session_close(session);
        session = NULL;
    }
    *out = session;
    return status;
}

static varve_status session_exec(struct sql_session *session, const char *script, varve_error *error)
{
    return check(session, sqlite3_exec(session->db, script, NULL, NULL, NULL), error);
}

static varve_status session_begin(struct sql_session *session, varve_error *error)
{
    return session_exec(session, session->mode == SQL_READ_ONLY ? "BEGIN" : "BEGIN IMMEDIATE", error);
}

static varve_status session_commit(struct sql_session *session, varve_error *error)
{
    return session_exec(session, "COMMIT", error);
}

static void session_rollback(struct sql_session *session)
{
    for (sqlite3_stmt *stmt = NULL; (stmt = sqlite3_next_stmt(session->db, stmt)) != NULL;) {
        sqlite3_reset(stmt);
    }
    if (!sqlite3_get_autocommit(session->db)) {
        sqlite3_exec(session->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

static int prepare_code(struct sql_session *session, varve_str text, enum sql_trust trust, sqlite3_stmt **stmt,
                        const char **tail)
{
    session->trust = trust;
    int code = sqlite3_prepare_v3(session->db, text.ptr, (int)text.len, SQLITE_PREPARE_PERSISTENT, stmt, tail);
    session->trust = SQL_OURS;
    return code;
}

static bool is_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r' || *at == ';')) {
        at++;
    }
    return at == end;
}

static varve_status refuse(varve_error *error, varve_status status, const char *message)
{
    varve_error_set(error, status, "%s", message);
    if (error != NULL) {
        error->detail = -1;
    }
    return status;
}

static varve_status statement_prepare(struct sql_statement **out, struct sql_session *session, varve_str text,
                                      enum sql_trust trust, varve_error *error)
{
    varve_status status = VARVE_OK;
    *out = NULL;
    const char *tail = NULL;
    if (text.len > INT32_MAX) {
        return refuse(error, VARVE_TOO_LARGE, "the statement is too long");
    }
    struct sql_statement *statement = calloc(1, sizeof *statement);
    if (statement == NULL) {
        return refuse(error, VARVE_NOMEM, "no memory for a statement");
    }
    statement->session = session;
    int code = prepare_code(session, text, trust, &statement->stmt, &tail);
    if (code != SQLITE_OK) {
        status = check(session, code, error);
        if (error != NULL) {
            error->detail = sqlite3_error_offset(session->db);
        }
    } else if (statement->stmt == NULL) {
        status = refuse(error, VARVE_INVALID, "there is no statement");
    } else if (!is_blank(tail, text.ptr + text.len)) {
        status = refuse(error, VARVE_INVALID, "more than one statement");
    } else if (trust == SQL_QUESTION && !sqlite3_stmt_readonly(statement->stmt)) {
        status = refuse(error, VARVE_DENIED, "the statement does not only read");
    }
    if (status < 0) {
        sqlite3_finalize(statement->stmt);
        free(statement);
        statement = NULL;
    }
    *out = statement;
    return status;
}

static void statement_finalize(struct sql_statement *statement)
{
    if (statement != NULL) {
        sqlite3_finalize(statement->stmt);
        free(statement);
    }
}

static int statement_parameter_count(const struct sql_statement *statement)
{
    return sqlite3_bind_parameter_count(statement->stmt);
}

static int statement_parameter(const struct sql_statement *statement, const char *name)
{
    char colon[128];
    int len = snprintf(colon, sizeof colon, ":%s", name);
    return len < 0 || (size_t)len >= sizeof colon ? 0 : sqlite3_bind_parameter_index(statement->stmt, colon);
}

static varve_status statement_bind(struct sql_statement *statement, int parameter, const struct sql_value *value,
                                   varve_error *error)
{
    sqlite3_stmt *stmt = statement->stmt;
    int code = SQLITE_OK;
    /* A NULL pointer would bind NULL: the empty text is not that. */
    const char *text = value->text.len == 0 ? "" : value->text.ptr;
    switch (value->kind) {
    case SQL_NULL:
        code = sqlite3_bind_null(stmt, parameter);
        break;
    case SQL_INTEGER:
    case SQL_BOOLEAN:
        code = sqlite3_bind_int64(stmt, parameter, value->integer);
        break;
    case SQL_REAL:
        code = sqlite3_bind_double(stmt, parameter, value->real);
        break;
    case SQL_TEXT:
    case SQL_JSON:
        code = sqlite3_bind_text64(stmt, parameter, text, value->text.len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case SQL_BLOB:
        code = sqlite3_bind_blob64(stmt, parameter, text, value->text.len, SQLITE_STATIC);
        break;
    }
    return check(statement->session, code, error);
}

static varve_status statement_step(struct sql_statement *statement, varve_error *error)
{
    int code = sqlite3_step(statement->stmt);
    if (code == SQLITE_ROW) {
        return VARVE_OK;
    }
    if (code == SQLITE_DONE) {
        return VARVE_DONE;
    }
    /* What parses and then fails while it runs (bad JSON, an overflow) is not a wrong statement. */
    varve_status status = class_of(code);
    return fail(statement->session, code, status == VARVE_INVALID ? VARVE_APPLICATION : status, error);
}

static int statement_column_count(const struct sql_statement *statement)
{
    return sqlite3_column_count(statement->stmt);
}

static const char *statement_column_name(const struct sql_statement *statement, int column)
{
    const char *name = sqlite3_column_name(statement->stmt, column);
    return name == NULL ? "" : name;
}

static void statement_column(struct sql_statement *statement, int column, struct sql_value *value)
{
    sqlite3_stmt *stmt = statement->stmt;
    *value = (struct sql_value){ 0 };
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        value->kind = SQL_INTEGER;
        value->integer = sqlite3_column_int64(stmt, column);
        break;
    case SQLITE_FLOAT:
        value->kind = SQL_REAL;
        value->real = sqlite3_column_double(stmt, column);
        break;
    case SQLITE_TEXT:
        value->kind = SQL_TEXT;
        value->text.ptr = (const char *)sqlite3_column_text(stmt, column);
        value->text.len = (size_t)sqlite3_column_bytes(stmt, column);
        break;
    case SQLITE_BLOB:
        value->kind = SQL_BLOB;
        value->text.ptr = sqlite3_column_blob(stmt, column);
        value->text.len = (size_t)sqlite3_column_bytes(stmt, column);
        break;
    default:
        value->kind = SQL_NULL;
        break;
    }
}

/* Texts that any of SQLite's collations (BINARY, NOCASE, RTRIM) takes for equal may be so here. */
static bool texts_differ(varve_str a, varve_str b)
{
    while (a.len > 0 && a.ptr[a.len - 1] == ' ') {
        a.len--;
    }
    while (b.len > 0 && b.ptr[b.len - 1] == ' ') {
        b.len--;
    }
    return a.len != b.len || (a.len > 0 && sqlite3_strnicmp(a.ptr, b.ptr, (int)a.len) != 0);
}

static bool is_number(const struct sql_value *value)
{
    return value->kind == SQL_INTEGER || value->kind == SQL_REAL;
}

static double number_of(const struct sql_value *value)
{
    return value->kind == SQL_REAL ? value->real : (double)value->integer;
}

static bool statement_differ(const struct sql_statement *statement, int column, const struct sql_value *a,
                             const struct sql_value *b)
{
    (void)statement;
    (void)column;
    if (a->kind == SQL_INTEGER && b->kind == SQL_INTEGER) {
        return a->integer != b->integer;
    }
    if (is_number(a) && is_number(b)) {
        double left = number_of(a), right = number_of(b);
        return left < right || left > right;
    }
    if (a->kind != b->kind) {
        return true;
    }
    return a->kind == SQL_TEXT ? texts_differ(a->text, b->text)
                               : a->kind == SQL_BLOB && !varve_str_eq(a->text, b->text);
}

static void statement_reset(struct sql_statement *statement)
{
    sqlite3_reset(statement->stmt);
    sqlite3_clear_bindings(statement->stmt);
}

static varve_status statement_run(struct sql_statement *statement, varve_error *error)
{
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) {
        status = statement_step(statement, error);
    }
    statement_reset(statement);
    return status < 0 ? status : VARVE_OK;
}

static varve_status session_attach(struct sql_session *session, const char *location, const char *name,
                                   varve_error *error)
{
    varve_status status = VARVE_OK;
    struct sql_statement *statement = NULL;
    char *scratch = session->mode == SQL_SCRATCH ? scratch_location(location) : NULL;
    const char *path = session->mode == SQL_SCRATCH ? scratch : location;
    if (path == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory to attach a database");
    }
    /* The attached file inherits the flags that the session was opened with, read-only among them. */
    status = statement_prepare(&statement, session, VARVE_STR("ATTACH :path AS :name"), SQL_OURS, error);
    if (status == VARVE_OK) {
        int code = sqlite3_bind_text(statement->stmt, 1, path, -1, SQLITE_STATIC);
        if (code == SQLITE_OK) {
            code = sqlite3_bind_text(statement->stmt, 2, name, -1, SQLITE_STATIC);
        }
        if (code == SQLITE_OK) {
            code = sqlite3_step(statement->stmt);
        }
        status = check(session, code == SQLITE_DONE ? SQLITE_OK : code, error);
    }
    statement_finalize(statement);
    sqlite3_free(scratch);
    return status;
}

static void session_set_time_limit(struct sql_session *session, uint32_t limit_ms)
{
    session->deadline_ns = limit_ms == 0 ? 0 : clock_ns() + (uint64_t)limit_ms * 1000000;
    sqlite3_progress_handler(session->db, limit_ms == 0 ? 0 : STEPS_BETWEEN_LOOKS, over_time, session);
}

static void session_interrupt(struct sql_session *session)
{
    sqlite3_interrupt(session->db);
}

static const char *const side_files[] = { "-wal", "-shm", "-journal", NULL };

const struct sql_driver sql_sqlite = {
    .name = "sqlite",
    .capabilities = SQL_ATTACHES | SQL_IN_A_FILE | SQL_KEEPS_KINDS | SQL_NULLS_ARE_SMALL,
    .side_files = side_files,
    .explain = "EXPLAIN QUERY PLAN ",
    .open = session_open,
    .borrow = session_borrow,
    .close = session_close,
    .attach = session_attach,
    .exec = session_exec,
    .begin = session_begin,
    .commit = session_commit,
    .rollback = session_rollback,
    .prepare = statement_prepare,
    .finalize = statement_finalize,
    .parameter_count = statement_parameter_count,
    .parameter = statement_parameter,
    .bind = statement_bind,
    .step = statement_step,
    .run = statement_run,
    .column_count = statement_column_count,
    .column_name = statement_column_name,
    .column = statement_column,
    .differ = statement_differ,
    .reset = statement_reset,
    .set_time_limit = session_set_time_limit,
    .interrupt = session_interrupt,
};
