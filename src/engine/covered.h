/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which event types only an engine may append, for they have schemas or inline projections: noted in the store for who
 * appends without one, by the SQL function.
 */
#ifndef VARVE_ENGINE_COVERED_H
#define VARVE_ENGINE_COVERED_H

#include <varve/store.h>

/*
 * Makes the store's records of such types these, which may stand several times; writes nothing where they are. The
 * engine that starts last, of those that stay, says which they are. Blocks. Errors as varve_append.
 */
varve_status covered_note(varve_store *store, const varve_str *types, size_t count, varve_error *error);

#endif
