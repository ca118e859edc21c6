/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store keeps of a scheduled command: a record by its id, which holds all of it, and, while it is to be
 * executed, one without content whose key begins with the time that it is next due, so that what is due is found
 * without looking at what waits. Both are written together, and the first one's revision stands for both.
 */
#ifndef VARVE_COMMAND_SCHEDULED_H
#define VARVE_COMMAND_SCHEDULED_H

#include <varve/scheduled.h>

#include "store/access.h"

/* What varve_schedule says of a command before it asks anybody: INVALID, TOO_LARGE, UNSUPPORTED. */
varve_status scheduled_check(const varve_command *command, varve_error *error);

/* When one is due, as the keys have it. */
struct scheduled_due {
    varve_time next_at;
    varve_uuid id;
};

/* What is due first, `count` at most, into `due`; `*found` of them. `now` is the store's time. */
varve_status scheduled_next(varve_store *store, size_t count, struct scheduled_due *due, size_t *found, varve_time *now,
                            varve_error *error);

/* Reads one with its revision, all texts in `memory`. NOT_FOUND. */
varve_status scheduled_load(varve_store *store, varve_uuid id, struct arena *memory, varve_scheduled *scheduled,
                            uint64_t *revision, varve_error *error);

/* How many writes a change of one takes at most. */
enum { SCHEDULED_WRITES_MAX = 3 };

/*
 * The writes that bring it from `before` (NULL: it is new) to `after` (NULL: it is gone), if its revision is still
 * `revision`; texts in `memory`. The first of them is the record by id. NOMEM.
 */
varve_status scheduled_change(const varve_scheduled *before, uint64_t revision, const varve_scheduled *after,
                              struct arena *memory, struct store_write writes[SCHEDULED_WRITES_MAX], size_t *count,
                              varve_error *error);

#endif
