/* SPDX-License-Identifier: Apache-2.0 */
/* Help, printed from the same table that the command line is read against. */
#ifndef VARVE_CLI_HELP_H
#define VARVE_CLI_HELP_H

#include <stdio.h>

#include "cli/options.h"

/*
 * Prints help on a verb, on all verbs of a noun, on "exit-codes", or (noun NULL) on everything.
 * VARVE_DONE, or what verb_choose says when there is no such thing.
 */
varve_status help_print(const char *noun, const char *name, FILE *file, varve_error *error);

#endif
