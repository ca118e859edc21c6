/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs about projections share: asking how they are, and having something done, here or through a server. */
#ifndef VARVE_CLI_PROJECTIONS_H
#define VARVE_CLI_PROJECTIONS_H

#include "cli/place.h"

/* The document of one projection, or {"projections":[…]} for an empty name. */
varve_status projections_look(struct place *place, varve_str name, varve_buf *json, varve_error *error);

/* Sends /projections/NAME and `rest` to the server, posting `body` unless it is empty. */
varve_status projections_send(struct place *place, varve_str name, const char *rest, varve_str body, varve_buf *answer,
                              varve_error *error);

/* VARVE_LOCKED when the read models are another process's to change, which has to be asked through its server. */
varve_status projections_may_change(const struct place *place, varve_error *error);

/* Says on standard error how those go on that are faulted; `document` is a projection's or a list's. */
void projections_advise(const struct call *call, varve_str document);

#endif
