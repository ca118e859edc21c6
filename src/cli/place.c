/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"

varve_status place_open(struct place *place, const struct call *call, enum local_mode mode, varve_error *error)
{
    return call->server != NULL ? remote_open(&place->remote, call->server, error)
                                : local_open(&place->local, call, mode, error);
}

void place_close(struct place *place)
{
    remote_close(place->remote);
    local_close(&place->local);
}
