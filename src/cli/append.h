/* SPDX-License-Identifier: Apache-2.0 */
/* Submitting an append, to a store in this process or through a server. */
#ifndef VARVE_CLI_APPEND_H
#define VARVE_CLI_APPEND_H

#include "cli/options.h"

/*
 * Appends what the JSON `document` describes ({"events","conditions"?}). `answer` becomes
 * {"first_position","last_position","streams":{NAME:VERSION}}. Failures as varve_append; a version
 * conflict's message has the current version.
 */
varve_status append_document(const struct call *call, varve_str document, varve_buf *answer, varve_error *error);

#endif
