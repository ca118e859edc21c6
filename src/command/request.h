/* SPDX-License-Identifier: Apache-2.0 */
/* What a command must look like to be queued; its JSON is in varve/command.h. */
#ifndef VARVE_COMMAND_REQUEST_H
#define VARVE_COMMAND_REQUEST_H

#include <varve/command.h>

/*
 * Checks names, data and expectation as they were given; empty fields that have a default are fine. VARVE_INVALID,
 * VARVE_TOO_LARGE, VARVE_UNSUPPORTED (an expectation that is no stream's).
 */
varve_status request_check(const varve_command *command, varve_error *error);

#endif
