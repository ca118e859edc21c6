/* SPDX-License-Identifier: Apache-2.0 */
/* The difference between two JSON values as a JSON Patch (RFC 6902; paths are JSON Pointers, RFC 6901). */
#ifndef VARVE_COMMAND_PATCH_H
#define VARVE_COMMAND_PATCH_H

#include "base/tree.h"

/*
 * Appends the patch that makes `after` out of `before`, "[]" when they are equal. Only add, remove and replace
 * are used; values are the bytes of `after`, so numbers keep their digits.
 *
 * Objects are compared member by member, in the order of their names. Of arrays, what is common at the beginning
 * and at the end is left alone and what is between is compared element by element; an array of which nothing
 * stays is replaced. A patch that would be longer than 64 KiB and than twice `after` replaces the whole
 * value, which also bounds the work. VARVE_NOMEM.
 */
varve_status patch_write(const struct tree_node *before, const struct tree_node *after, varve_buf *patch,
                         varve_error *error);

#endif
