/* SPDX-License-Identifier: Apache-2.0 */
/* Where an application is asked: an engine in this process or a running server. */
#ifndef VARVE_CLI_PLACE_H
#define VARVE_CLI_PLACE_H

#include "cli/local.h"
#include "cli/remote.h"

/* Starts from {0}; ends with place_close, also after a failed place_open. */
struct place {
    struct local local;
    struct remote *remote; /* NULL: `local` it is */
};

/* Prepares for call->server, or opens call->store with call->app. Errors as remote_open and local_open. */
varve_status place_open(struct place *place, const struct call *call, enum local_mode mode, varve_error *error);
void place_close(struct place *place);

#endif
