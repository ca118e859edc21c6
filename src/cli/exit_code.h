/* SPDX-License-Identifier: Apache-2.0 */
/* What the process says to the shell. */
#ifndef VARVE_CLI_EXIT_CODE_H
#define VARVE_CLI_EXIT_CODE_H

#include <varve/error.h>

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_CONFLICT = 4,
    EXIT_UNAVAILABLE = 5,
    EXIT_DENIED = 6,
    EXIT_INTEGRITY = 7,
    EXIT_UNKNOWN_OUTCOME = 8,
    EXIT_REJECTED = 9,
};

/* The exit code for what a verb returned. */
int exit_code(varve_status status);

#endif
