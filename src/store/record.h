/* SPDX-License-Identifier: Apache-2.0 */
/* What records and snapshots are held to, the same for every driver. */
#ifndef VARVE_STORE_RECORD_H
#define VARVE_STORE_RECORD_H

#include "store/work.h"

/* The revision that a record gets after `revision` (0: it is new): never one that it had before, even if it was removed
 * in between. `now` in microseconds. */
uint64_t record_next_revision(uint64_t revision, varve_time now);

/* CRC-32C over everything that is stored. */
uint32_t record_checksum(const struct store_record *record);

#endif
