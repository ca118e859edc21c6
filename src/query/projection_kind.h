/* SPDX-License-Identifier: Apache-2.0 */
/* What a projection is made of once its tables stand: statements of a file, or code. A kind is one constant table. */
#ifndef VARVE_QUERY_PROJECTION_KIND_H
#define VARVE_QUERY_PROJECTION_KIND_H

#include "query/projection.h"

/* The functions of projection.h without `projection_`; what `open` opened is `opened`, NULL on failure. */
struct projection_kind {
    varve_status (*open)(void **opened, const struct sqlfile *file, const struct sql_driver *sql,
                         struct sql_session *session, varve_error *error);
    varve_status (*apply)(void *opened, const varve_event *event, bool swift, varve_error *error);
    /* NULL is allowed. */
    void (*close)(void *opened);
};

extern const struct projection_kind projection_sql;  /* @on sections */
extern const struct projection_kind projection_code; /* a varve_projector */

#endif
