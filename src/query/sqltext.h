/* SPDX-License-Identifier: Apache-2.0 */
/* The lexical half of SQL files: takes a text apart into directives and statements; see sqlfile.h. */
#ifndef VARVE_QUERY_SQLTEXT_H
#define VARVE_QUERY_SQLTEXT_H

#include "query/sqlfile.h"

/* SQLite: CREATE [TEMP] TRIGGER … BEGIN …; …; END; has semicolons inside. */
enum sqltext_trigger {
    SQLTEXT_BEGINS,  /* nothing of the statement was read */
    SQLTEXT_CREATES, /* CREATE [TEMP] */
    SQLTEXT_TRIGGER,
    SQLTEXT_TRIGGER_STEP, /* behind a semicolon inside */
    SQLTEXT_TRIGGER_END,  /* behind that and END */
    SQLTEXT_NO_TRIGGER,
};

/* PostgreSQL: behind a line break an E'…' goes on in the next '…'. */
enum sqltext_escapes { SQLTEXT_NO_ESCAPES, SQLTEXT_ESCAPED, SQLTEXT_ESCAPED_AND_BROKEN };

/* Starts with sqltext_start, ends with sqltext_fini. */
struct sqltext {
    struct sqlfile *file;
    enum sqlfile_kind kind;
    bool postgres; /* its rules are in force; else SQLite's */
    bool unheeded; /* what is read is for another dialect than the file's */
    const char *start, *at, *end;
    bool typed;    /* a query's parameters are cast to their types; set by the caller, after the start */
    uint32_t line; /* of `at`; after a directive was returned: the directive's */

    struct sqlfile_statement statement; /* being read */
    varve_buf sql;                      /* its text so far */
    bool begun;                         /* it has something besides blanks */
    enum sqltext_trigger trigger;
    enum sqltext_escapes escapes;
};

/*
 * `source` must outlive the reading; what is returned lives in the file's arena or in `source`. Reads by the rules of
 * `dialect`, and from a sqltext_speak on by those of another; what is not heeded declares no parameters.
 */
void sqltext_start(struct sqltext *text, struct sqlfile *file, enum sqlfile_kind kind, const char *dialect,
                   varve_str source);
void sqltext_speak(struct sqltext *text, varve_str dialect, bool heeded);

/*
 * VARVE_OK: either `*directive` is not empty (from its '@' to the end of the line), or
 * `*statement` is the next statement. VARVE_DONE at the end. VARVE_INVALID with file and line.
 */
varve_status sqltext_next(struct sqltext *text, struct sqlfile_statement *statement, varve_str *directive,
                          varve_error *error);
void sqltext_fini(struct sqltext *text);

/* Of what an event gives a statement, the name that stands behind the colon. */
const char *sqltext_source(enum sqlfile_source source);

/* Space, tab, form feed, carriage return or line feed. */
bool sqltext_is_blank(char c);

#endif
