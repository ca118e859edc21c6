/* SPDX-License-Identifier: Apache-2.0 */
/* Values as JSON Schema sees them: 1 and 1.0 are the same, and so are "A" and "\u0041". */
#ifndef VARVE_COMMAND_SCHEMA_VALUE_H
#define VARVE_COMMAND_SCHEMA_VALUE_H

#include "base/tree.h"

enum value_kind { VALUE_NULL, VALUE_BOOLEAN, VALUE_NUMBER, VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT };

enum value_kind value_kind(const struct tree_node *node);

/* A number; a long double holds every 64-bit integer exactly on the machines that we build for. */
struct schema_number {
    long double value;
    bool is_integer; /* without a fraction, however it is written */
};

struct schema_number value_number(const struct tree_node *node);
/*
 * True when `number` is a whole multiple, digit by digit: 0.0075 is one of 0.0001. Where `of` has more than 19 digits,
 * as doubles tell.
 */
bool value_is_multiple(const struct tree_node *number, const struct tree_node *of);

/* A string's text with its escapes resolved: from `scratch`, which is reset, where there are any. False: no memory. */
bool value_text(const struct tree_node *node, varve_buf *scratch, varve_str *text);
/* The characters of a string. */
size_t value_length(const struct tree_node *node);

bool value_equal(const struct tree_node *a, const struct tree_node *b);

/* The member of that name, or NULL. */
const struct tree_node *value_member(const struct tree_node *object, varve_str name);

/* VARVE_CONFLICT when two elements are equal, VARVE_TOO_LARGE when that takes more than `*steps`, VARVE_NOMEM. */
varve_status value_all_different(const struct tree_node *array, int64_t *steps);

#endif
