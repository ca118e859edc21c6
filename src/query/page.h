/* SPDX-License-Identifier: Apache-2.0 */
/* One page of a query's rows, read by a reader in its transaction. */
#ifndef VARVE_QUERY_PAGE_H
#define VARVE_QUERY_PAGE_H

#include "query/cursor.h"
#include "query/paging.h"
#include "query/reader.h"

struct page {
    const struct paging *paging;
    const struct sqlfile_statement *own; /* the author's statement, for its parameters */
    const struct sql_value *values;      /* of the declared parameters */
    struct cursor cursor;                /* what it begins behind */
    uint32_t limit;
    size_t bytes_max;
    uint32_t salt; /* of the next page's cursor */

    /* What was read. */
    varve_buf rows; /* a JSON array */
    size_t count;
    varve_buf next; /* the cursor of the page behind it; empty: there is none */
};

/* Fills `rows` and `next`. VARVE_TOO_LARGE, or what the database says. */
varve_status page_read(struct page *page, struct reader *reader, varve_error *error);
/* The statement that page_read would run first, with its parameters as page_bind wants them. */
void page_write_first(const struct page *page, varve_buf *text);
/* Binds the query's parameters and the key's values to a statement of this page. */
varve_status page_bind(const struct page *page, const struct sql_driver *sql, struct sql_statement *statement,
                       varve_error *error);
/* Frees the cursor and what was read, not the values. */
void page_fini(struct page *page);

#endif
