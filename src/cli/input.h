/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb is given to work on: files, standard input, JSON on the command line. */
#ifndef VARVE_CLI_INPUT_H
#define VARVE_CLI_INPUT_H

#include "cli/options.h"

/* Appends all of a file, or of standard input for "-": `max` bytes at most. VARVE_NOT_FOUND, VARVE_TOO_LARGE. */
varve_status input_read(const char *file, size_t max, varve_buf *text, varve_error *error);

/*
 * The JSON that an option gives: its value, "@FILE" or "-"; nothing when it was not given. Exactly
 * one JSON value, so that it can become part of a document. VARVE_INVALID, or as input_read.
 */
varve_status input_json(const struct call *call, enum option option, varve_buf *json, varve_error *error);

#endif
