/* SPDX-License-Identifier: Apache-2.0 */
/* What a replay finds, printed as it is found: a table with a line for each change, or JSON. */
#ifndef VARVE_CLI_FINDINGS_H
#define VARVE_CLI_FINDINGS_H

#include <varve/replay.h>

#include "cli/options.h"

/* Used by one thread at a time; starts from {0} with findings_init, ends with findings_fini. */
struct findings {
    const struct call *call;
    struct items items; /* as JSON … */
    FILE *failed;       /* … of which those that failed come last: they wait in a file without a name */
    uint64_t failed_count;
    struct table table; /* or for people */
    uint64_t flushed_ns;
    varve_buf text;
};

/* VARVE_IO when there is no place for a file without a name. */
varve_status findings_init(struct findings *findings, const struct call *call, varve_error *error);
varve_status findings_add(struct findings *findings, const varve_replay_finding *finding, varve_error *error);
/* Prints what is left, and what the replay came to. */
varve_status findings_end(struct findings *findings, const varve_replay_summary *summary, varve_error *error);
void findings_fini(struct findings *findings);

#endif
