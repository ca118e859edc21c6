/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows which drivers there are. */
#ifndef VARVE_ENGINE_DRIVERS_H
#define VARVE_ENGINE_DRIVERS_H

#include "sql/sql.h"
#include "store/access.h"

/* What a store's URI scheme stands for. */
struct driver {
    const struct store_driver *store;
    const struct sql_driver *sql; /* where read models of such a store live */
};

/*
 * Finds the drivers for a URI; `*rest` is what follows "scheme:", borrowed from `uri`. INVALID when
 * nothing is known by that name, UNSUPPORTED when it is designed but not built.
 */
varve_status driver_find(const char *uri, const struct driver **driver, const char **rest, varve_error *error);

#endif
