/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store keeps of a scheduled command: a record by its id, which holds all of it, and, while it is to be
 * executed, one whose key begins with the time that it is next due and which names type and stream, so that what is
 * due is found without looking at what waits. Both are written together, and the first one's revision stands for both.
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

enum { SCHEDULED_DUE_DIGITS = 20, SCHEDULED_DUE_KEY_BYTES = SCHEDULED_DUE_DIGITS + 1 + VARVE_UUID_TEXT_BYTES };

/* Looking for what is due, again and again; `wants` and its `ctx` are given, the rest starts from {0}. */
struct scheduled_scan {
    bool (*wants)(void *ctx, const varve_command *command); /* asked with type and stream alone */
    void *ctx;
    bool others_due; /* something that is not wanted is due */
    char after[SCHEDULED_DUE_KEY_BYTES];
};

/*
 * What is wanted and due first, `room` at most, into `due`; `*found` of them. `now` is the store's time. Among 1,024
 * others in front of it nothing is found: then the next call goes on behind them, and begins anew at the end.
 */
varve_status scheduled_next(varve_store *store, struct scheduled_scan *scan, size_t room, struct scheduled_due *due,
                            size_t *found, varve_time *now, varve_error *error);

/* Takes away a key without a command. CONFLICT: there is one. */
varve_status scheduled_forget_due(varve_store *store, const struct scheduled_due *due, varve_error *error);

/* Whether it was executed before, sent at once or scheduled. VARVE_OK: nothing is known of that. VARVE_REPEATED: DONE
 * or REJECTED in `scheduled`, with a reason in `memory`, which is reset. VARVE_ID_CONFLICT: another command was. */
varve_status scheduled_find_outcome(varve_store *store, struct arena *memory, varve_scheduled *scheduled,
                                    varve_error *error);

/* Reads one with its revision, all texts in `memory`. NOT_FOUND. CORRUPT: `*revision` is set if that could be read. */
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
