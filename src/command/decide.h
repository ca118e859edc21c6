/* SPDX-License-Identifier: Apache-2.0 */
/* One decision, in the engine's terms: whoever runs a decider, it is told and judged the same. No I/O. */
#ifndef VARVE_COMMAND_DECIDE_H
#define VARVE_COMMAND_DECIDE_H

#include "command/decision.h"

/* What decides this type of command, or NULL. A table with one function for all has it for any type. */
varve_decide decide_find(const varve_decider *table, varve_str type);

/* Whether a stream at this version is what the command expects. */
bool decide_is_expected(const varve_command *command, uint64_t version);

/*
 * Decides the command on a state. `decision` was begun with it. VARVE_OK: its events, of which there may be none.
 * VARVE_REJECTED: its code and message. VARVE_NOT_FOUND: the decider does not know the command. VARVE_INVALID: the
 * command's data is not what the decider needs. VARVE_APPLICATION: its code failed; VARVE_TOO_LARGE, VARVE_NOMEM.
 */
varve_status decide_run(const varve_decider *table, const void *state, const varve_command *command,
                        struct varve_decision *decision, varve_error *error);

#endif
