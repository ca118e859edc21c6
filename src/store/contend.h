/* SPDX-License-Identifier: Apache-2.0 */
/* Records are changed by reading, deciding and writing what is expected to be there still. Who loses tries again. */
#ifndef VARVE_STORE_CONTEND_H
#define VARVE_STORE_CONTEND_H

#include "store/access.h"

struct contention {
    unsigned lost; /* tries so far that somebody else was quicker in */
};

/*
 * Writes records as store_records_write does. VARVE_OK, a failure, or VARVE_REPEATED: another writer was quicker,
 * which was waited for a moment (at random, longer each time), and the caller should look again. After 30 of these
 * it is VARVE_BUSY.
 */
varve_status contend_write(struct contention *contention, varve_store *store, struct store_write *writes, size_t count,
                           varve_error *error);

#endif
