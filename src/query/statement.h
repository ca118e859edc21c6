/* SPDX-License-Identifier: Apache-2.0 */
/* From a statement in a file to one that a session can run. */
#ifndef VARVE_QUERY_STATEMENT_H
#define VARVE_QUERY_STATEMENT_H

#include "query/sqlfile.h"
#include "sql/sql.h"

/*
 * Prepares a statement of `file`; its placeholders are the parameters 1, 2 … in their order. What
 * the database refuses is VARVE_INVALID with file:line. Finalize `*prepared`, NULL on failure.
 */
varve_status statement_prepare(struct sql_statement **prepared, const struct sqlfile *file,
                               const struct sqlfile_statement *statement, const struct sql_driver *sql,
                               struct sql_session *session, enum sql_trust trust, varve_error *error);

#endif
