/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a model what the log says? A fresh generation, called NAME$check, is built on the caller's thread up to where the
 * live one stands, and compared with it (compare.h).
 *
 * (An inline model is one of the log's own tables and has no generation; all else is the same.)
 *
 *   peek at the live one's position X, build up to X      until the live one gains little meanwhile
 *   begin a snapshot of the live one: it stands at P >= X
 *   build from X to P, compare, remove
 *
 * A guard of the place keeps it to one check of a projection at a time, whatever process runs it, so whoever has the
 * guard may remove what a check that crashed has left. For an inline model it is the guard of its rebuilds: the
 * exchange that ends one would wait for the snapshot, and appends for the exchange.
 */
#ifndef VARVE_QUERY_CHECK_H
#define VARVE_QUERY_CHECK_H

#include <varve/projection.h>
#include <varve/store.h>

#include "query/generation.h"

/* As varve_projection_check, for the home of the live model; `store` is the log. */
varve_status check_against_log(varve_store *store, const struct generation_home *live,
                               const varve_projection_check_options *options, varve_projection_check_summary *summary,
                               varve_error *error);

/* Removes what a check that crashed has left, unless one is under way. */
void check_clean(const struct generation_home *live);

#endif
