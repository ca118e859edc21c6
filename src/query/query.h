/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A named query: its file, its parameters and its pages. Any threads.
 *
 * A page begins behind the values of the last row of the page before (paging.h): rows that come or go elsewhere shift
 * nothing, and a page deep in the rows is as quick as the first where an index gives them in order. Each page is one
 * snapshot.
 */
#ifndef VARVE_QUERY_QUERY_H
#define VARVE_QUERY_QUERY_H

#include <varve/query.h>

#include "query/reader.h"

enum { QUERY_LIMIT_DEFAULT = 20, QUERY_LIMIT_MAX = 1000, QUERY_TIME_MS = 10000, QUERY_WAIT_MS = 5000 };

struct query;

/* `file` becomes the query's, also on failure; `home` is borrowed. */
varve_status query_new(struct query **query, struct sqlfile *file, const struct reader_home *home, varve_error *error);
/* No reader may be in use. NULL is allowed. */
void query_free(struct query *query);

const struct sqlfile *query_file(const struct query *query);

/* The i-th projection that it reads is inline. Before it is asked. */
void query_note_inline(struct query *query, size_t i);

/* Checks the statement on a session where the models are attached, still empty. VARVE_INVALID with file:line. */
varve_status query_check(struct query *query, struct sql_session *session, varve_error *error);

/* Says early what query_ask would refuse: parameters, limit, cursor. */
varve_status query_check_request(const struct query *query, const varve_query_request *request, varve_error *error);

/* As varve_query, without waiting for after_position, for `limit_ms` at most. */
varve_status query_ask(struct query *query, const varve_query_request *request, uint32_t limit_ms, varve_answer *answer,
                       varve_error *error);

/* As varve_query_explain, without waiting for after_position. */
varve_status query_explain(struct query *query, const varve_query_request *request, uint32_t limit_ms, varve_buf *out,
                           varve_error *error);

/* The smallest checkpoint of the models it reads, from their files. */
varve_status query_position(struct query *query, uint64_t *position, varve_error *error);

/* Closes its idle readers, when a model that it reads is served by another generation. */
void query_forget(struct query *query);

#endif
