/* SPDX-License-Identifier: Apache-2.0 */
/* A read model as code changes it: its statements, found again by their text and kept prepared on one session. */
#ifndef VARVE_QUERY_MODEL_H
#define VARVE_QUERY_MODEL_H

#include "query/sqlfile.h"
#include "sql/sql.h"

/* `session` is borrowed until model_close. One thread at a time. VARVE_NOMEM. */
varve_status model_open(varve_model **model, const struct sql_driver *sql, struct sql_session *session,
                        varve_error *error);

/*
 * Before an event is applied, and after it: VARVE_OK, or the first thing that failed in between, with its flags. Of a
 * statement that is run swiftly the database may tell later that it failed (sql_driver.run).
 */
void model_begin(varve_model *model, bool swift);
varve_status model_end(varve_model *model, varve_error *error);

/* NULL is allowed. */
void model_close(varve_model *model);

#endif
