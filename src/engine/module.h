/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers in a loadable module, for databases whose library not everyone should have to install. */
#ifndef VARVE_ENGINE_MODULE_H
#define VARVE_ENGINE_MODULE_H

#include "engine/drivers.h"

/* What a module exports, under the name varve_module and nothing else. */
struct varve_module {
    const char *version;              /* of the varve it was built with: the tables are of that version alone */
    const struct store_driver *store; /* NULL when it has none */
    const struct sql_driver *sql;     /* NULL when it has none */
};

/*
 * Opens NAME.so. It is looked for in the folder that the environment names in VARVE_MODULES; when it names none, in
 * lib/varve beside the program or library that this code is in (a build tree), then where it is installed. A module
 * stays open for good, and opening it again is cheap. UNSUPPORTED when it is not there, INCOMPATIBLE when it cannot
 * be opened or belongs to another version. Any thread.
 */
varve_status module_open(const char *name, const struct varve_module **module, varve_error *error);

#endif
