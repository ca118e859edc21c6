/* SPDX-License-Identifier: Apache-2.0 */
/* What happened to an aggregate, and what each event changed. */
#ifndef VARVE_COMMAND_HISTORY_H
#define VARVE_COMMAND_HISTORY_H

#include "command/load.h"

/* What bounds a page beside its number of entries: the bytes they take, and the bytes of states looked at. */
#define HISTORY_PAGE_BYTES  (4u << 20)
#define HISTORY_STATE_BYTES (64u << 20)

/*
 * As varve_aggregate_history, on the lane that owns the decider's worker; `options` may be NULL. The decider has
 * `encode`. `history` is only set on success. The page ends after the entry with which it reaches a bound.
 */
varve_status history_read(const struct load_source *source, varve_str stream, const varve_history_options *options,
                          varve_history *history, varve_error *error);

#endif
