/* SPDX-License-Identifier: Apache-2.0 */
/* A decider that is tried outside an engine: checked as an engine checks it, with a worker of its own. */
#ifndef VARVE_COMMAND_CANDIDATE_H
#define VARVE_COMMAND_CANDIDATE_H

#include "command/load.h"

/*
 * Checks the table and opens a worker for one thread at a time. VARVE_INVALID when the table is incomplete, or what its
 * worker_open returns. `error` is not NULL. Only after success it ends with candidate_close.
 */
varve_status candidate_open(struct load_decider *candidate, const varve_decider *table, void *ctx, varve_error *error);
void candidate_close(struct load_decider *candidate);

#endif
