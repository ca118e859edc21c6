/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows which drivers there are. */
#ifndef VARVE_ENGINE_DRIVERS_H
#define VARVE_ENGINE_DRIVERS_H

#include "sql/sql.h"
#include "store/access.h"

/* What a store's URI scheme stands for. */
struct driver {
    const struct store_driver *store; /* NULL when a module does not bring one */
    const struct sql_driver *sql;     /* where read models of such a store live */
};

/*
 * Finds the drivers for a URI, and opens the module that has them where they are in one. `*rest` is where the
 * place begins, borrowed from `uri`: what follows "sqlite:", or a URI of PostgreSQL whole. INVALID when
 * nothing is known by that name, UNSUPPORTED when its module is not there.
 */
varve_status driver_find(const char *uri, struct driver *driver, const char **rest, varve_error *error);

#endif
