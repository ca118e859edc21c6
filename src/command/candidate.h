/* SPDX-License-Identifier: Apache-2.0 */
/* A decider that is tried outside an engine: checked as an engine checks it, with a worker of its own. */
#ifndef VARVE_COMMAND_CANDIDATE_H
#define VARVE_COMMAND_CANDIDATE_H

#include <varve/trial.h>

#include "command/load.h"
#include "command/schemas.h"

/* Stays where it is: the decider points into it. */
struct candidate {
    struct load_decider decider;
    struct upcasters upcasters;
    struct upcast upcast;
};

/*
 * Checks the table and the upcasters, and opens a worker for one thread at a time. VARVE_INVALID when one is
 * incomplete, or what the table's worker_open returns. `error` is not NULL. {0}, or what was opened, ends with
 * candidate_close.
 */
varve_status candidate_open(struct candidate *candidate, const varve_candidate *given, varve_error *error);
void candidate_close(struct candidate *candidate);

/* Its schemas, of which only trials have a use. As varve_engine_add_schema. */
varve_status candidate_add_schemas(const varve_candidate *given, struct schemas *set, varve_error *error);

#endif
