/* SPDX-License-Identifier: Apache-2.0 */
/* How a failure of application code (a decider's) is told to who asked. */
#ifndef VARVE_COMMAND_FAILURE_H
#define VARVE_COMMAND_FAILURE_H

#include <varve/event.h>

/*
 * Puts "WHAT on STREAM: " before the message in `error`, which application code filled or left
 * empty, and gives it `status`. Long names are cut. Returns `status`.
 */
varve_status failure_explain(varve_error *error, varve_status status, varve_str what, varve_str stream);

#endif
