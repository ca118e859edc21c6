/* SPDX-License-Identifier: Apache-2.0 */
/* Reading events, of a store in this process or through a server, as the same JSON. */
#ifndef VARVE_CLI_EVENTS_H
#define VARVE_CLI_EVENTS_H

#include <varve/read.h>

#include "cli/options.h"

/* Who receives them. Any status but VARVE_OK ends the reading and is returned. */
struct events_sink {
    void *ctx;
    /* Once, first: the stream's version; of the log 0. */
    varve_status (*begin)(void *ctx, uint64_t version, varve_error *error);
    varve_status (*event)(void *ctx, varve_str json, varve_error *error);
    /* With `follow`: the backlog is through, what follows is live. */
    varve_status (*caught_up)(void *ctx, varve_error *error);
};

struct events_end {
    uint64_t last_position;                  /* of the log only: how far it was looked at … */
    char incarnation[VARVE_UUID_TEXT_BYTES]; /* … and in which of its histories */
    uint64_t next; /* when the limit cut the reading short, otherwise 0: a version to begin from, or a
                             * position to begin after */
};

/*
 * Reads what `options` ask for (`size` and `wait_ms` are ours) from call->server or call->store,
 * in the shapes that --shapes names.
 * `end` says how it ended. A stream that does not exist is VARVE_NOT_FOUND. With `follow` it comes
 * back only on a failure or at the limit.
 */
varve_status events_read(const struct call *call, const varve_read_options *options, const struct events_sink *sink,
                         struct events_end *end, varve_error *error);

#endif
