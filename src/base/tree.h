/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON text taken apart for comparing. Values stay views into the text, so that numbers keep their digits. */
#ifndef VARVE_BASE_TREE_H
#define VARVE_BASE_TREE_H

#include "base/arena.h"

enum tree_kind { TREE_SCALAR, TREE_ARRAY, TREE_OBJECT };

struct tree_node {
    enum tree_kind kind;
    bool repeats;               /* an object in which a name stood more than once */
    varve_str text;             /* the value's own bytes */
    varve_str name;             /* of a member of an object, escapes resolved */
    struct tree_node *children; /* elements in their order; members by name, each name once: the last one counts */
    size_t count;
    uint64_t hash; /* equal values have equal hashes */
};

/*
 * Takes `text` apart, which must be JSON that json_check accepts. The nodes are the arena's and point into
 * `text`. VARVE_NOMEM.
 */
varve_status tree_read(varve_str text, struct arena *arena, struct tree_node *root, varve_error *error);

/*
 * Whether two values are the same: containers whatever the order of members and white space, scalars when they
 * are written the same, so 1 and 1.0 differ.
 */
bool tree_equal(const struct tree_node *a, const struct tree_node *b);

/* The order of members: byte by byte. Negative, zero, positive. */
int tree_compare_names(varve_str a, varve_str b);

#endif
