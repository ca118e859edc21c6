/* SPDX-License-Identifier: Apache-2.0 */
/* Ids derived from other ids; new ones are varve_uuid_new. */
#ifndef VARVE_BASE_ID_H
#define VARVE_BASE_ID_H

#include <varve/event.h>

/*
 * The id of the `ordinal`-th thing that follows from `parent`: the same every time, a valid UUIDv7
 * with the parent's first 48 bits (its time, when it is a v7), the rest hashed from both.
 */
varve_uuid id_derive(varve_uuid parent, uint32_t ordinal);

#endif
