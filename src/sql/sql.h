/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sql seam: what read models and queries ask of a database. A driver is one constant table.
 *
 * A session and its statements are used by one thread at a time; different sessions by different
 * threads at once. Any slot but `interrupt` may block on the disk or the network.
 *
 * A failure's status is its class, whatever the database calls it:
 *   VARVE_CONFLICT     a constraint does not hold
 *   VARVE_INVALID      the statement is wrong: syntax, no such table or column
 *   VARVE_DENIED       the session or the statement's trust does not allow it, or the system's permissions
 *   VARVE_BUSY         somebody else is in the way; the same again may succeed
 *   VARVE_FULL         the disk is full
 *   VARVE_IO           reading or writing failed, or the database cannot be reached
 *   VARVE_CORRUPT      the database is damaged, or is none
 *   VARVE_NOT_FOUND    opening or attaching what is not there
 *   VARVE_TIMEOUT      interrupted, or over the time limit
 *   VARVE_TOO_LARGE    a limit on size is exceeded
 *   VARVE_NOMEM        memory is out
 *   VARVE_APPLICATION  anything else that the statement brought on itself (an overflow, bad JSON)
 * BUSY, FULL, IO and NOMEM carry VARVE_ERROR_RETRIABLE. After any failure inside a transaction the
 * caller rolls back.
 */
#ifndef VARVE_SQL_SQL_H
#define VARVE_SQL_SQL_H

#include <varve/event.h>

struct sql_session;
struct sql_statement;

enum sql_mode {
    SQL_READ_WRITE, /* the one writing session of this database; creates it */
    SQL_READ_ONLY,  /* only reads, whatever it is asked */
    SQL_SCRATCH,    /* for checking statements: sessions with one location share a database that is empty at first
                       and gone when the one that made it is closed, which is closed last */
};

/* Who wrote a statement, and so what it may do. Checked when it is prepared. */
enum sql_trust {
    SQL_OURS,       /* anything */
    SQL_DEFINITION, /* a projection's @create: tables, indexes, views, triggers and rows; nothing named varve_… */
    SQL_CHANGE,     /* a projection's @on: rows only; nothing named varve_… */
    SQL_QUESTION,   /* one statement that only reads */
};

enum sql_kind { SQL_NULL, SQL_INTEGER, SQL_REAL, SQL_TEXT, SQL_BLOB, SQL_BOOLEAN, SQL_JSON };

/* A value on its way in or out. SQL_JSON is JSON text; where a database has no booleans they are 0 and 1. */
struct sql_value {
    enum sql_kind kind;
    int64_t integer; /* SQL_INTEGER; SQL_BOOLEAN: 0 or 1 */
    double real;
    varve_str text; /* SQL_TEXT, SQL_BLOB, SQL_JSON; SQL_REAL on its way in: its digits as written, or empty */
};

/* Capabilities; the only reason for which the conformance suite leaves out a case. */
enum {
    SQL_ATTACHES = 1 << 0,    /* `attach` works; at most SQL_ATTACH_MAX databases a session */
    SQL_IN_A_FILE = 1 << 1,   /* a location is a path, other files beside it belong to the database; of a scratch
                                 database it is any name; "" is an empty place to attach to, shared with nobody */
    SQL_IN_A_SCHEMA = 1 << 2, /* a location is a URI whose `schema` parameter, the last one counts, names a schema */
    SQL_KEEPS_KINDS = 1 << 3, /* a value is what it was bound as; else it is what the statement's types make of it */
    SQL_DEFERS = 1 << 4,      /* what a statement of `run` comes to may be told later */
    SQL_NULLS_ARE_SMALL = 1 << 5, /* ORDER BY puts NULL before everything else; else behind it */
    SQL_FOLDS_NAMES = 1 << 6,     /* a name without quotes is one in lower case; else case tells no names apart */
};

#define SQL_ATTACH_MAX     10
#define SQL_SCHEMA_DEFAULT "varve" /* of a URI without the parameter */

struct sql_driver {
    const char *name; /* "sqlite": also the dialect's name in `-- @…` blocks */
    unsigned capabilities;
    /* What the database adds to a location's name for files of its own, ended by NULL; NULL when it has none. */
    const char *const *side_files;
    /* Before a statement, and prepared as SQL_OURS, makes its plan of it: rows whose last column is a line of text; of
     * four columns the first two are the line's number and that of the line it belongs to. */
    const char *explain;

    /* Opens a session; `location` is copied. On failure `*session` is NULL. */
    varve_status (*open)(struct sql_session **session, const char *location, enum sql_mode mode, varve_error *error);
    /*
     * A session on a connection that its owner lends: `connection` is the database's own handle. The owner begins, ends
     * and connects. Statements that are not SQL_OURS may not touch what is named in `reserved`, ended by NULL and
     * borrowed. One session a connection.
     */
    varve_status (*borrow)(struct sql_session **session, void *connection, const char *const *reserved,
                           varve_error *error);
    /* Rolls back what is open, but not on a borrowed connection. All statements must be finalized. NULL is allowed. */
    void (*close)(struct sql_session *session);

    /* Makes another database visible under `name` (a plain identifier) to statements prepared from now on, with the
     * session's own mode. Names without it are found too. NOT_FOUND when it is not there. */
    varve_status (*attach)(struct sql_session *session, const char *location, const char *name, varve_error *error);

    /* Runs statements of our own, separated by semicolons. */
    varve_status (*exec)(struct sql_session *session, const char *script, varve_error *error);

    /* A transaction: one snapshot for all reads from the first on, all or nothing for writes. A writing session
     * whose connection was lost connects again here. */
    varve_status (*begin)(struct sql_session *session, varve_error *error);
    /* On failure the transaction is still open and must be rolled back. After VARVE_IO nobody knows: it may have been
     * committed, and what was committed just before may be undone; the database has to be asked. */
    varve_status (*commit)(struct sql_session *session, varve_error *error);
    /* Does nothing when no transaction is open. Statements are reset. */
    void (*rollback)(struct sql_session *session);

    /* Prepares one statement, whose parameters are `:name` and nothing else. VARVE_DENIED when `trust` does not allow
     * it. On failure `*statement` is NULL and error->detail is the byte in `text` where the mistake is, or -1. */
    varve_status (*prepare)(struct sql_statement **statement, struct sql_session *session, varve_str text,
                            enum sql_trust trust, varve_error *error);
    /* NULL is allowed. */
    void (*finalize)(struct sql_statement *statement);
    /* How many different parameters the statement has. */
    int (*parameter_count)(const struct sql_statement *statement);
    /* A parameter's place, from 1; 0 when there is none of this name (without the colon). */
    int (*parameter)(const struct sql_statement *statement, const char *name);
    /* Sets a parameter of a statement that is not running. Texts are borrowed until the next bind or reset. */
    varve_status (*bind)(struct sql_statement *statement, int parameter, const struct sql_value *value,
                         varve_error *error);
    /* VARVE_OK: a row stands ready. VARVE_DONE: there is no more. After a failure the statement wants a reset.
     * Where another statement of the session is run before the last row was read, the rest may be lost: INVALID. */
    varve_status (*step)(struct sql_statement *statement, varve_error *error);
    /*
     * Runs a statement to its end, drops its rows and resets it. In a transaction the failure may be told later, by
     * whatever the session is asked next, a commit at the latest; then nobody says which statement it was.
     */
    varve_status (*run)(struct sql_statement *statement, varve_error *error);
    int (*column_count)(const struct sql_statement *statement);
    /* Borrowed until finalize. */
    const char *(*column_name)(const struct sql_statement *statement, int column);
    /* The ready row's value (columns from 0); its text is borrowed until the next step, reset or finalize. */
    void (*column)(struct sql_statement *statement, int column, struct sql_value *value);
    /* Two values that came from this column: true when ORDER BY and = surely tell them apart, false when they may take
     * them for the same (as a collation does). Does not touch the ready row. */
    bool (*differ)(const struct sql_statement *statement, int column, const struct sql_value *a,
                   const struct sql_value *b);
    /* Makes the statement ready to run again, with its parameters unset. */
    void (*reset)(struct sql_statement *statement);
    /* From now on a statement of this session, or all of them together, fail with VARVE_TIMEOUT after it; 0: never. */
    void (*set_time_limit)(struct sql_session *session, uint32_t limit_ms);
    /* Makes the statement that runs now fail with VARVE_TIMEOUT. Any thread, while the session is open. */
    void (*interrupt)(struct sql_session *session);
};

extern const struct sql_driver sql_sqlite;
extern const struct sql_driver sql_postgres; /* in the module postgres.so alone */

#endif
