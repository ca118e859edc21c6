/* SPDX-License-Identifier: Apache-2.0 */
/* Which event types have schemas, noted in the store for those who append without an engine: the SQL function. */
#ifndef VARVE_ENGINE_COVERED_H
#define VARVE_ENGINE_COVERED_H

#include <varve/store.h>

#include "command/schemas.h"

/*
 * Makes the store's records of such types those of `schemas`; writes nothing where they are. The engine that starts
 * last, of those that stay, says which they are. Blocks. Errors as varve_append.
 */
varve_status covered_note(varve_store *store, const struct schemas *schemas, varve_error *error);

#endif
