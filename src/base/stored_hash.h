/* SPDX-License-Identifier: Apache-2.0 */
/* A hash that is part of what is stored: for tables in memory there is hash.h. */
#ifndef VARVE_BASE_STORED_HASH_H
#define VARVE_BASE_STORED_HASH_H

#include <varve/event.h>

/*
 * XXH3 (64 bits, seed 0) of `text`: the same on every machine and in every version of varve, because which member of
 * a subscription a stream belongs to follows from it.
 */
uint64_t stored_hash(varve_str text);

#endif
