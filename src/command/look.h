/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at an aggregate, now or in the past. */
#ifndef VARVE_COMMAND_LOOK_H
#define VARVE_COMMAND_LOOK_H

#include "command/load.h"

/*
 * As varve_aggregate_show, on the lane that owns the decider's worker. VARVE_UNSUPPORTED when the decider
 * cannot encode its state. `aggregate` is only set on success.
 */
varve_status look_at(const struct load_source *source, varve_str stream, const varve_aggregate_options *options,
                     varve_aggregate *aggregate, varve_error *error);

#endif
