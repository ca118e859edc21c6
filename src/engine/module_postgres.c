/* SPDX-License-Identifier: Apache-2.0 */
/* The one symbol of postgres.so. */
#include "engine/module.h"
#include "sql/sql.h"

extern const struct varve_module varve_module;

__attribute__((visibility("default"))) const struct varve_module varve_module = {
    .version = VARVE_BUILD_VERSION,
    .store = &store_postgres,
    .sql = &sql_postgres,
};
