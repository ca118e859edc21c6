/* SPDX-License-Identifier: Apache-2.0 */
/* The request target: a path cut into segments and a query string cut into parameters, both decoded. */
#ifndef VARVE_SERVER_TARGET_H
#define VARVE_SERVER_TARGET_H

#include <varve/query.h>

#include "base/arena.h"

#define TARGET_SEGMENTS_MAX 4
#define TARGET_PARAMS_MAX   32

/*
 * Percent-encoding is resolved strictly (RFC 3986, section 2.1): two hexadecimal digits after every
 * '%', and what comes out is UTF-8 without NUL, in paths and names printable. In the query a '+' is a
 * space, as HTML forms write it.
 */
struct target {
    varve_str segments[TARGET_SEGMENTS_MAX];
    size_t segment_count;
    varve_query_param params[TARGET_PARAMS_MAX]; /* in the order they came */
    varve_str raw[TARGET_PARAMS_MAX];            /* each parameter's value as it was written */
    size_t param_count;
};

/*
 * Reads "/path/of/segments?name=value&…". The result borrows from `text` and from `memory`, which
 * has room for as many bytes as `text`. VARVE_INVALID: an encoding that is wrong, an empty name, a
 * name that comes twice. VARVE_NOT_FOUND: a path no route could have (not absolute, an empty segment,
 * too many of them).
 */
varve_status target_parse(struct target *target, varve_str text, char *memory, varve_error *error);

/* The parameter called `name`, or NULL. */
const varve_query_param *target_param(const struct target *target, const char *name);

/*
 * A parameter that holds names separated by commas; a comma within a name is written %2C. The names
 * live in the arena; none when the parameter is absent. VARVE_INVALID for an empty name, VARVE_NOMEM.
 */
varve_status target_list(const struct target *target, const char *name, struct arena *arena, const varve_str **items,
                         size_t *count, varve_error *error);

/* A decimal parameter; `*value` stays as it is when the parameter is absent. VARVE_INVALID. */
varve_status target_number(const struct target *target, const char *name, uint64_t *value, varve_error *error);

/* The same for a stream's version, which begins at 1. */
varve_status target_version(const struct target *target, const char *name, uint64_t *version, varve_error *error);

/* An RFC 3339 parameter after 1970-01-01T00:00:00Z; `*time` stays as it is when it is absent. VARVE_INVALID. */
varve_status target_time(const struct target *target, const char *name, varve_time *time, varve_error *error);

/* Reads decimal digits and nothing else, at most 2^63 - 1. False otherwise. */
bool target_digits(varve_str text, uint64_t *value);

#endif
