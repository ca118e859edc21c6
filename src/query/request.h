/* SPDX-License-Identifier: Apache-2.0 */
/* What a request says: a query's parameters as values, and which page. No I/O. */
#ifndef VARVE_QUERY_REQUEST_H
#define VARVE_QUERY_REQUEST_H

#include <varve/query.h>

#include "query/sqlfile.h"
#include "sql/sql.h"

/*
 * Fills `values`, one for each declared parameter in their order; texts are borrowed from the
 * request. VARVE_INVALID names a parameter that is missing, unknown, given twice or not of its type.
 */
varve_status request_read_params(const struct sqlfile *file, const varve_query_request *request,
                                 struct sql_value *values, varve_error *error);

#define REQUEST_CURSOR_BYTES 25 /* with its terminator */

/*
 * A cursor holds how many rows were seen and a checksum over that, the query's name and the
 * parameters, so that it only goes with what it was made for.
 */
void request_write_cursor(const struct sqlfile *file, const varve_query_request *request, uint64_t offset,
                          char cursor[REQUEST_CURSOR_BYTES]);
/* 0 for the first page. VARVE_INVALID when it is none of ours, or another query's. */
varve_status request_read_cursor(const struct sqlfile *file, const varve_query_request *request, uint64_t *offset,
                                 varve_error *error);

#endif
