/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A statement's text on its way to PostgreSQL: `:name` becomes $1, $2 …, attached databases get their schema's name,
 * and what a statement may do is told from its words.
 *
 * PostgreSQL has nothing like SQLite's authorizer, so trust is a matter of words: which statement it is, what it writes
 * to. What a function does that a statement calls is not seen here; a question runs in a transaction that
 * is read-only, and the rest is bounded by the privileges of the role.
 */
#ifndef VARVE_SQL_POSTGRES_TEXT_H
#define VARVE_SQL_POSTGRES_TEXT_H

#include "sql/sql.h"

/* A schema that statements call by another name. */
struct postgres_attached {
    char *name;     /* what statements call it */
    char *schema;   /* what it is */
    char *contents; /* the names of its tables and functions, each terminated, and an empty one at the end */
};

struct postgres_shift {
    size_t out, in; /* these two bytes of the texts belong together, and those behind them */
};

/* Starts zeroed. */
struct postgres_text {
    varve_buf sql;   /* terminated */
    varve_buf names; /* of the parameters in their order, each terminated */
    int parameter_count;
    struct postgres_shift *shifts;
    size_t shift_count;
};

/*
 * Reads `source`. VARVE_INVALID: no statement, more than one, something not closed; VARVE_DENIED: not within
 * `trust`. The error's detail is the byte where it is, or -1.
 */
varve_status postgres_text_read(struct postgres_text *text, varve_str source, enum sql_trust trust,
                                const struct postgres_attached *attached, size_t attached_count, varve_error *error);
/* VARVE_DENIED when the statement reads or writes what is named in `reserved`, ended by NULL. */
varve_status postgres_text_spares(varve_str source, const char *const *reserved, varve_error *error);
void postgres_text_fini(struct postgres_text *text);

/* The byte of the source at the character (from 1) of the text that the server has seen. */
int64_t postgres_text_place(const struct postgres_text *text, const char *character);

#endif
