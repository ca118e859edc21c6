/* SPDX-License-Identifier: Apache-2.0 */
/* A quick hash for tables in memory and for spreading streams over workers; not for anything stored. */
#ifndef VARVE_BASE_HASH_H
#define VARVE_BASE_HASH_H

#include <varve/event.h>

/* 64 well-mixed bits of `text`. */
uint64_t hash_str(varve_str text);

#endif
