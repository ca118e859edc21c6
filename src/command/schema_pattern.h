/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of schemas: PCRE2, with a bound on the work of a match. */
#ifndef VARVE_COMMAND_SCHEMA_PATTERN_H
#define VARVE_COMMAND_SCHEMA_PATTERN_H

#include <varve/event.h>

struct schema_pattern;

/* VARVE_INVALID says what is wrong with the pattern and at which byte; VARVE_NOMEM. */
varve_status schema_pattern_open(struct schema_pattern **pattern, varve_str text, varve_error *error);

/*
 * Is there a match anywhere in `text`? VARVE_OK, VARVE_NOT_FOUND, VARVE_TOO_LARGE when that took more than `*steps`,
 * which it takes off, VARVE_NOMEM. Any thread.
 */
varve_status schema_pattern_match(const struct schema_pattern *pattern, varve_str text, int64_t *steps);

/* NULL is allowed. */
void schema_pattern_close(struct schema_pattern *pattern);

#endif
