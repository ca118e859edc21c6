/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with events that a generation cannot apply: setting them aside, trying again, giving them up. */
#ifndef VARVE_QUERY_PARK_H
#define VARVE_QUERY_PARK_H

#include <varve/store.h>

#include "base/log.h"
#include "query/generation.h"

/* True when a projection that parks may set aside what failed so: the event is to blame, not the database. */
bool park_suits(const struct generation *generation, const varve_error *cause);

/*
 * Sets the event aside and moves the checkpoint to it, in one transaction. VARVE_DENIED: as many as there may be are
 * parked. Errors as generation_commit.
 */
varve_status park_event(struct generation *generation, const varve_event *event, const varve_error *cause,
                        varve_error *error);

/* Applies a parked event, as it is in the log of `store`, and takes it off the list; see varve_projection_retry. */
varve_status park_retry(struct generation *generation, varve_store *store, uint64_t position, varve_error *error);

/* Takes it off the list. VARVE_NOT_FOUND. */
varve_status park_skip(struct generation *generation, uint64_t position, varve_error *error);

/* Says in the log that there are more than `before`, if so: what is set aside is no secret. */
void park_tell(const struct log *log, const struct generation *generation, uint64_t before);

/* As varve_projection_parked, of the generation that serves. */
varve_status park_list(const struct generation_home *home, uint64_t after, uint64_t limit,
                       varve_projection_parked_visit visit, void *ctx, varve_error *error);

#endif
