/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the generations of read models are, and which one serves: the only part of the query side that differs between
 * kinds of database. A kind is one constant table.
 *
 *              files (SQL_IN_A_FILE)                       schemas (SQL_IN_A_SCHEMA)
 *   home       a folder                                    the store's schema, HOME
 *   generation NAME.NUMBER.db, and what SQLite adds to it  the schema HOME$NAME$NUMBER
 *   serves     the symbolic link NAME.db names it          its row in HOME.read_models names it
 *   for tools  that link                                   HOME$NAME: views of its tables
 *   shared     no: one process has the store               by processes, one of which owns the projection
 *
 * Where a place is shared every change is fenced: its transaction locks the projection's row in read_models, which must
 * name the owner and the epoch that the change is made by. Whoever takes over writes its own there first, and so waits
 * until nothing of the owner before is under way; what that one tries later is refused as VARVE_LOCKED. The partitions
 * of one owner share the lock, and whatever else it changes excludes them.
 */
#ifndef VARVE_QUERY_PLACE_H
#define VARVE_QUERY_PLACE_H

#include "sql/sql.h"

struct place_kind;

/* Open to be copied; texts are borrowed. */
struct place {
    const struct place_kind *kind;
    const struct sql_driver *sql;
    const char *location; /* the folder, or the URI whose schema is the home */
    const char *log;      /* the log's own database, where inline models are */
    varve_str owner;      /* this process, where it changes models that others may change too; else empty: no fence */
    uint64_t epoch;       /* of the owner's lease */
};

/* Keeps others from doing the same. Starts from {0}. */
struct place_guard {
    struct sql_session *session;
    int fd; /* and one, so that 0 is none */
};

/* Any thread. Locations and labels are appended to a buffer, which has failed when memory was out. */
struct place_kind {
    /* Makes the home where there is none. IO, DENIED … */
    varve_status (*prepare)(const struct place *place, varve_error *error);

    /* A generation's location for a session, and what messages call it. */
    void (*locate)(const struct place *place, varve_str name, uint64_t number, varve_buf *location);
    void (*label)(const struct place *place, varve_str name, uint64_t number, varve_buf *label);
    /* Where a reading session begins that generations are attached to. */
    void (*locate_reader)(const struct place *place, varve_buf *location);
    /* Of a scratch database with this name (lower-case letters, digits, _). */
    void (*locate_scratch)(const struct place *place, const char *name, varve_buf *location);

    /* VARVE_CORRUPT when there is no such generation; opening would make one. VARVE_IO … when that cannot be told. */
    varve_status (*check)(const struct place *place, varve_str name, uint64_t number, varve_error *error);

    /*
     * The number of the generation that serves, 0 when none does. `session` is a reading one of this
     * place, and `*lookup` is kept between calls and finalized by the caller: in a transaction the answer
     * is that of its snapshot. Without a session (`lookup` is NULL too) it is looked up as of now.
     */
    varve_status (*serving)(const struct place *place, struct sql_session *session, struct sql_statement **lookup,
                            varve_str name, uint64_t *number, varve_error *error);
    /* Makes this generation the one that serves, atomically. What prevents it may pass; LOCKED. IO: it may have come
     * through, which once more will settle. */
    varve_status (*publish)(const struct place *place, varve_str name, uint64_t number, varve_error *error);

    /* Removes what is left of other generations than `serving` and in nobody's use; the highest number seen. */
    uint64_t (*clean)(const struct place *place, varve_str name, uint64_t serving);
    /* Removes a generation and closes its session, which may be NULL when it could not be opened. */
    void (*remove)(const struct place *place, struct sql_session *session, varve_str name, uint64_t number);

    /*
     * Has the tables, indexes, views and triggers of a generation of ours in the database of `session` from now on, in
     * its transaction, and those no longer that `before` names, as an earlier call appended them to `*names`. Of the
     * generation nothing may be left. INVALID: there is something of that name, or what cannot be moved. CORRUPT: there
     * is nothing to be had. BUSY: somebody reads what is to go, and was waited for a moment.
     */
    varve_status (*take_in)(const struct place *place, varve_str name, uint64_t number, struct sql_session *session,
                            varve_str before, varve_buf *names, varve_error *error);

    /* Keeps other processes and threads from the same guard until `unguard`, or the end of the process. BUSY; NOT_FOUND
     * where nobody ever had it and it is not to be made. */
    varve_status (*guard)(const struct place *place, varve_str name, bool make, struct place_guard *guard,
                          varve_error *error);
    /* Also when there is nothing to give back. */
    void (*unguard)(const struct place *place, struct place_guard *guard);

    /* Appends the statement that a reading transaction over inline models begins with, for the name that their log is
     * attached by: until it ends none is exchanged, so tables and snapshot are of one time. NULL: they are anyway. */
    void (*hold)(const char *log, varve_buf *text);

    /* What is selected beside something else to end each statement of the transaction that takes longer than 10 s;
     * NULL: the session's own limit is for free. */
    const char *limit;

    /* A script that has constraints checked at once that otherwise wait for the end of the transaction, what is changed
     * after it excepted. NULL: none does. */
    const char *check_deferred;

    /* A question about the tables of a generation that are the author's. Its rows: the name, the columns as a text,
     * and a question that gives the table's rows in order of two texts, compared byte by byte: the key's (the row's
     * where there is none) and the row's, with the row's columns behind them. */
    const char *tables;

    /* The three that follow are only for a shared place, and NULL where there is none. */

    /* Appends a text that names the session's connection for `claim`. */
    varve_status (*identify)(const struct place *place, struct sql_session *session, varve_buf *text,
                             varve_error *error);
    /* From now on the place's owner and epoch may change the projection's models. `before` has the texts of the owner
     * before, whose connections are ended: it may be frozen in a transaction. */
    varve_status (*claim)(const struct place *place, varve_str name, varve_str before, varve_error *error);
    /* Fences the session's transaction; a `shared` one goes with others that are. LOCKED: others have claimed the
     * models. `*fence` is kept between calls, as the lookup above, for one kind of fence. */
    varve_status (*fence)(const struct place *place, struct sql_session *session, struct sql_statement **fence,
                          varve_str name, bool shared, varve_error *error);
};

/* The place of a driver's databases. */
struct place place_of(const struct sql_driver *sql, const char *location);

extern const struct place_kind place_files;
extern const struct place_kind place_schemas;

/* The decimal number that `text` begins with and what follows it; 0 when it begins with none, or a too long one. */
uint64_t place_number(const char *text, const char **rest);

#endif
