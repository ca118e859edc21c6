/* SPDX-License-Identifier: Apache-2.0 */
/* Values on their way to PostgreSQL and back. */
#ifndef VARVE_SQL_POSTGRES_VALUE_H
#define VARVE_SQL_POSTGRES_VALUE_H

#include <libpq-fe.h>

#include "base/arena.h"
#include "sql/sql.h"

/* A parameter: what it is bound to, in the form that its type wants. */
struct postgres_parameter {
    Oid type;          /* as the server inferred it */
    varve_buf own;     /* the text where it is not the caller's */
    const char *bytes; /* NULL: an SQL NULL */
    int length;
    int format; /* 0: terminated text; 1: bytes */
};

/* False for the types of which no value can be given: anonymous records. */
bool postgres_value_bindable(Oid type);

/*
 * Binds a value as the type wants it: a boolean is 1 or 0 for a number, true or false for text and JSON; a text for a
 * JSON parameter becomes a JSON string. Texts for text are borrowed, everything else is copied. TOO_LARGE, NOMEM,
 * APPLICATION (a NUL in a text that is no text's).
 */
varve_status postgres_value_bind(struct postgres_parameter *parameter, const struct sql_value *value,
                                 varve_error *error);

/*
 * A result's value, borrowed from the result, or from `arena` for bytes (NULL when memory is out). A numeric that is
 * whole and fits is an integer, another one is JSON: its digits, none of which is lost. Types that have no kind of
 * their own (dates, UUIDs …) are their text.
 */
void postgres_value_read(const PGresult *result, int row, int column, struct arena *arena, struct sql_value *value);

/*
 * Are two values of a column of this type, which are read from it, surely different for the server? `loose` where texts
 * may not be told apart.
 */
bool postgres_value_differ(Oid type, bool loose, const struct sql_value *a, const struct sql_value *b);

#endif
