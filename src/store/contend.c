/* SPDX-License-Identifier: Apache-2.0 */
#include "store/contend.h"

#include <time.h>

#include "base/clock.h"

enum { TRIES = 30, FIRST_NS = 200000, MOST_NS = 20000000 };

/* Full jitter: anything up to a bound that doubles. The clock's low digits are random enough to part two threads. */
static void wait_a_moment(unsigned lost)
{
    uint64_t bound = (uint64_t)FIRST_NS << (lost < 8 ? lost : 8);
    if (bound > MOST_NS) bound = MOST_NS;
    uint64_t mixed = clock_ns() * UINT64_C(0x9e3779b97f4a7c15);
    nanosleep(&(struct timespec){ .tv_nsec = (long)((mixed >> 20) % bound) }, NULL);
}

varve_status contend_write(struct contention *contention, varve_store *store, struct store_write *writes, size_t count,
                           varve_error *error)
{
    size_t failed = 0;
    varve_error problem = { 0 };
    varve_status status = store_records_write(store, writes, count, &failed, &problem);
    if (status == VARVE_CONFLICT && failed > 0) {
        if (++contention->lost < TRIES) {
            wait_a_moment(contention->lost);
            return VARVE_REPEATED;
        }
        const struct store_record *record = &writes[failed - 1].record;
        return varve_error_set(error, VARVE_BUSY, "the record %.*s of %.*s is changed by others all the time",
                               (int)record->key.len, record->key.ptr, (int)record->space.len, record->space.ptr);
    }
    if (status < 0 && error != NULL) *error = problem;
    return status < 0 ? status : VARVE_OK;
}
