/* SPDX-License-Identifier: Apache-2.0 */
/* What changed between two states of an aggregate. */
#ifndef VARVE_COMMAND_DIFFERENCE_H
#define VARVE_COMMAND_DIFFERENCE_H

#include "command/load.h"

/*
 * As varve_aggregate_diff, on the lane that owns the decider's worker. The decider has `encode`. `difference` is
 * only set on success.
 */
varve_status difference_find(const struct load_source *source, varve_str stream, const varve_aggregate_options *from,
                             const varve_aggregate_options *to, varve_difference *difference, varve_error *error);

#endif
