/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a query is cut into pages: by the values of the last row, never by a count of rows, so that rows which come or go
 * elsewhere shift nothing.
 *
 * The rows of a query have a total order: its ORDER BY, then all its other columns. A term that is no column becomes a
 * hidden one. What comes behind a row in that order is read in parts that follow each other: the rows with the same
 * first N-1 values and a greater N-th, those with the same N-2, and so on. Each part is equalities and one range, which
 * an index can serve in any mix of directions; NULLs are parts of their own.
 */
#ifndef VARVE_QUERY_PAGING_H
#define VARVE_QUERY_PAGING_H

#include "query/clauses.h"
#include "query/sqlfile.h"
#include "sql/sql.h"

/* One column of the total order. */
struct paging_term {
    size_t column; /* of the rows, from 0 */
    bool descending;
    enum clauses_nulls nulls; /* as the author wrote it */
    bool nulls_first;         /* as it comes out */
    bool as_text;             /* its type has no order of its own, or a value of it cannot be given back */
    varve_str collation;      /* "COLLATE NAME", of the file; or empty: the column's own */
};

/* Read-only once made; any threads. Starts zeroed, ends with paging_fini. */
struct paging {
    struct arena arena;
    varve_buf rows; /* the statement that all rows come from, whose columns are the query's and then the hidden ones */
    size_t visible; /* columns of the answer */
    size_t columns; /* and hidden ones */
    struct paging_term *terms;
    size_t term_count;
};

/* Which rows behind a key. */
struct paging_part {
    size_t equal; /* as many values as the key's first ones … */
    enum {
        PAGING_EQUAL, /* … and nothing more */
        PAGING_RANGE, /* … and the next one beyond the key's */
        PAGING_NULLS, /* … and the next one NULL, which comes last */
        PAGING_OTHERS /* … and the next one anything but NULL, which came first */
    } which;
};

/*
 * Learns how to page the query on a session where its models are attached; `statement` is its own, prepared.
 * VARVE_INVALID with file:line when its rows cannot be ordered so.
 */
varve_status paging_init(struct paging *paging, const struct sqlfile *file, const struct sql_driver *sql,
                         struct sql_session *session, const struct sql_statement *statement, varve_error *error);
void paging_fini(struct paging *paging);

/* The statement of the first page. Its parameters are the query's and :varve_limit. */
void paging_write_first(const struct paging *paging, varve_buf *text);

/* The first part of what is behind a key, and the next one; false when there is none. `inclusive`: with its equals. */
bool paging_first_part(const struct paging *paging, const struct sql_value *key, size_t count, bool inclusive,
                       struct paging_part *part);
bool paging_next_part(const struct paging *paging, const struct sql_value *key, struct paging_part *part);
/* The part's statement: also with :varve_k1 … for the key's values that it compares with (paging_compares). */
void paging_write_part(const struct paging *paging, const struct sql_value *key, const struct paging_part *part,
                       varve_buf *text);
bool paging_compares(const struct sql_value *key, const struct paging_part *part, size_t value);

#endif
