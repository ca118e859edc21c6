/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clauses of a query's statement, as far as pages must know them: where a column can be added, and what its rows
 * are ordered by. Told from its words alone, in both dialects; no I/O.
 */
#ifndef VARVE_QUERY_CLAUSES_H
#define VARVE_QUERY_CLAUSES_H

#include <varve/event.h>

#define CLAUSES_TERMS_MAX 32u

enum clauses_nulls { CLAUSES_NULLS_AS_USUAL, CLAUSES_NULLS_FIRST, CLAUSES_NULLS_LAST };

/* One term of the trailing ORDER BY: an expression, without its ASC or DESC and NULLS … */
struct clauses_term {
    varve_str expression;
    bool descending;
    enum clauses_nulls nulls;
};

/* Views into the statement's text. */
struct clauses {
    struct clauses_term terms[CLAUSES_TERMS_MAX];
    size_t term_count;
    varve_str before;   /* up to the ORDER BY, or all of it */
    varve_str order;    /* the ORDER BY; empty when there is none */
    varve_str after;    /* LIMIT, OFFSET or FETCH; empty when there is none */
    size_t select_end;  /* another column can be put here, with a comma; 0: not in this statement */
    bool order_chooses; /* the ORDER BY also decides which rows there are: it has to stay where it is */
    const char *refuse; /* why this statement cannot be paged; NULL: it can */
    size_t refuse_at;   /* … and the byte in its text */
};

/* Reads one statement; `text` is borrowed. Whatever the text is, it is read in one pass and refused by the database. */
void clauses_read(struct clauses *clauses, varve_str text);

/* The number of a term that is written as one (ORDER BY 2); 0 when it is none. */
size_t clauses_ordinal(varve_str expression);
/* The name of a term that is nothing but a name, without its quotes; empty when it is more. */
varve_str clauses_name(varve_str expression, bool *quoted);
/* Takes `COLLATE name` off the end of a term and returns it; empty when there is none. */
varve_str clauses_collation(varve_str *expression);

#endif
