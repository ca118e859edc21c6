/* SPDX-License-Identifier: Apache-2.0 */
/* What a request says: a query's parameters as values, and which page. No I/O. */
#ifndef VARVE_QUERY_REQUEST_H
#define VARVE_QUERY_REQUEST_H

#include <varve/query.h>

#include "query/sqlfile.h"
#include "sql/sql.h"

/*
 * Fills `values`, one for each declared parameter in their order; one that is not given and has a default gets that.
 * Texts are borrowed from the request and the file, or live in `arena`. VARVE_INVALID names a parameter that is
 * missing, unknown, given twice or not of its type, and what was given.
 */
varve_status request_read_params(const struct sqlfile *file, const varve_query_request *request, struct arena *arena,
                                 struct sql_value *values, varve_error *error);

/* Are the defaults of a file's parameters of their types? VARVE_INVALID with file:line. */
varve_status request_check_defaults(const struct sqlfile *file, varve_error *error);

/* A checksum over the query's name and what its parameters are given, for a cursor that only goes with these. */
uint32_t request_salt(const struct sqlfile *file, const varve_query_request *request);

#endif
