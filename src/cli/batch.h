/* SPDX-License-Identifier: Apache-2.0 */
/* Many commands: a line in, a line out, in the same order. */
#ifndef VARVE_CLI_BATCH_H
#define VARVE_CLI_BATCH_H

#include "cli/options.h"

/*
 * Sends the commands in `file` ("-": standard input), one {"type","stream","data"?,"id"?} a line, to
 * call->server or to an engine in this process, and prints an answer a line: what was appended,
 * {"code","message"} for a rejection, {"error","message"} for a failure. Blank lines are skipped. A
 * summary goes to standard error. Returns the status of the first line that failed ("line 3: …"), or why
 * the batch could not go on.
 */
varve_status batch_send(const struct call *call, const char *file, varve_error *error);

#endif
