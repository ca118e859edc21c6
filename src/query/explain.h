/* SPDX-License-Identifier: Apache-2.0 */
/* How the database would answer a page of a query. */
#ifndef VARVE_QUERY_EXPLAIN_H
#define VARVE_QUERY_EXPLAIN_H

#include "query/page.h"

/* Appends what varve_query_explain says, from a reader in its transaction. Asks for a plan and runs nothing. */
varve_status explain_page(const struct page *page, struct reader *reader, uint64_t position, varve_buf *out,
                          varve_error *error);

/* Appends a warning, in words, about what a line of a plan says, if there is any; any dialect's lines. */
void explain_warn(varve_str line, varve_buf *warning);

#endif
