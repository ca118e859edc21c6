/* SPDX-License-Identifier: Apache-2.0 */
/* Several paths looked up in one reading of a JSON text, for who looks the same ones up in many texts. */
#ifndef VARVE_BASE_JSON_PICK_H
#define VARVE_BASE_JSON_PICK_H

#include "base/arena.h"
#include "base/json.h"

/* What stands at a path. */
struct json_picked {
    enum json_token token; /* JSON_END: nothing; of a string, number, object or array what it begins with */
    varve_str value;       /* its bytes; of a string without the quotes */
    bool escaped;          /* a string: the bytes have escapes, see json_unescape */
    int64_t integer;       /* JSON_INTEGER */
};

struct json_pick_node; /* a step that some of the paths have in common */

/* Starts from {0}; filled with json_pick_add, then only read. Its memory is the arena's. */
struct json_pick {
    struct json_pick_node *root;
    size_t count; /* of different paths */
};

/*
 * Adds a path (borrowed), as json_find takes it; `*slot` is where json_pick_read puts what stands there, the same
 * for the same path. False when memory is out.
 */
bool json_pick_add(struct json_pick *pick, struct arena *arena, varve_str path, size_t *slot);

/*
 * Reads the whole text once; `picked` has `count` elements. Each is what json_find would have found. VARVE_OK, or
 * VARVE_INVALID when the text is not JSON: then nothing is found anywhere.
 */
varve_status json_pick_read(const struct json_pick *pick, varve_str text, struct json_picked *picked);

#endif
