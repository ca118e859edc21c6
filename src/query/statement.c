/* SPDX-License-Identifier: Apache-2.0 */
#include "query/statement.h"

#include <stdio.h>

varve_status statement_prepare(struct sql_statement **prepared, const struct sqlfile *file,
                               const struct sqlfile_statement *statement, const struct sql_driver *sql,
                               struct sql_session *session, enum sql_trust trust, varve_error *error)
{
    varve_error refusal = { 0 };
    if (sql->prepare(prepared, session, statement->text, trust, &refusal) < 0) {
        return sqlfile_refused(file, statement, &refusal, error);
    }
    /* `?` and the database's other spellings would be left without a value. */
    bool known = sql->parameter_count(*prepared) == (int)statement->placeholder_count;
    for (size_t i = 0; known && i < statement->placeholder_count; i++) {
        char name[24];
        snprintf(name, sizeof name, "p%zu", i + 1);
        known = sql->parameter(*prepared, name) == (int)i + 1;
    }
    if (!known) {
        sql->finalize(*prepared);
        *prepared = NULL;
        return sqlfile_fail(file, statement->line, VARVE_INVALID, error, "parameters are written :name, and only so");
    }
    return VARVE_OK;
}
