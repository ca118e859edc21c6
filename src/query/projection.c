/* SPDX-License-Identifier: Apache-2.0 */
#include "query/projection.h"

#include <stdlib.h>

#include "query/projection_kind.h"
#include "query/statement.h"

struct projection {
    const struct projection_kind *kind;
    void *opened;
    bool swift;
};

varve_status projection_create(const struct sqlfile *file, const struct sql_driver *sql, struct sql_session *session,
                               varve_error *error)
{
    varve_status status = VARVE_OK;
    const struct sqlfile_statement *statement = file->create->statements;
    for (; status >= 0 && statement != NULL; statement = statement->next) {
        struct sql_statement *prepared = NULL;
        status = statement_prepare(&prepared, file, statement, sql, session, SQL_DEFINITION, error);
        if (status == VARVE_OK) {
            varve_error refusal = { 0 };
            while ((status = sql->step(prepared, &refusal)) == VARVE_OK) {
            }
            if (status < 0) {
                status = sqlfile_refused(file, statement, &refusal, error);
            }
        }
        sql->finalize(prepared);
    }
    return status < 0 ? status : VARVE_OK;
}

varve_status projection_open(struct projection **out, const struct sqlfile *file, const struct sql_driver *sql,
                             struct sql_session *session, varve_error *error)
{
    *out = NULL;
    struct projection *projection = calloc(1, sizeof *projection);
    if (projection == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a projection");
    }
    projection->kind = file->code != NULL ? &projection_code : &projection_sql;
    varve_status status = projection->kind->open(&projection->opened, file, sql, session, error);
    if (status < 0) {
        projection_close(projection);
        return status;
    }
    *out = projection;
    return VARVE_OK;
}

void projection_set_swift(struct projection *projection, bool swift)
{
    projection->swift = swift;
}

varve_status projection_apply(struct projection *projection, const varve_event *event, varve_error *error)
{
    return projection->kind->apply(projection->opened, event, projection->swift, error);
}

void projection_close(struct projection *projection)
{
    if (projection != NULL) {
        projection->kind->close(projection->opened);
        free(projection);
    }
}
