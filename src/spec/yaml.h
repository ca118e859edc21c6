/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as a tree whose nodes know where they stand, and its values as JSON.
 *
 * What is read is YAML without the parts in which two readers may see two things: one document, no tags ("!!str"), no
 * merge keys ("<<"), keys that are texts and stand once, no anchor inside itself. Aliases are copies.
 *
 * A scalar in quotes, or in a block, is a text. A plain one is what the core schema of YAML 1.2 says: null ("~",
 * "null", nothing), a boolean ("true", "false"), a number, otherwise a text; so "yes", "no" and dates are texts.
 * Numbers keep their digits; one that JSON has no writing for ("0x1F", "007", ".5", ".inf") is refused.
 */
#ifndef VARVE_SPEC_YAML_H
#define VARVE_SPEC_YAML_H

#include "base/arena.h"

#define YAML_BYTES_MAX   (1u << 20) /* of a text */
#define YAML_DEPTH_MAX   64u        /* collections in each other, aliases included */
#define YAML_ANCHORS_MAX 1000u

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    bool is_plain;              /* a scalar without quotes, and no block */
    unsigned line;              /* where it stands, from 1 … */
    unsigned column;            /* … in characters; of an alias: where that stands */
    unsigned height;            /* collections in each other from here on; 0: a scalar */
    varve_str text;             /* a scalar's */
    struct yaml_node *children; /* items; of a mapping key, value, key, value … */
    size_t count;               /* of children */
};

/* `name` is what errors call the file. All of it is the arena's, or borrowed. */
struct yaml_document {
    const char *name;
    struct yaml_node root;
};

/*
 * Reads a whole text. VARVE_INVALID: "NAME:LINE:COLUMN: what is wrong". VARVE_TOO_LARGE, VARVE_NOMEM. `document` points
 * into the arena and to `name`, not into the text.
 */
varve_status yaml_read(struct yaml_document *document, const char *name, varve_str text, struct arena *arena,
                       varve_error *error);

/* Fails with VARVE_INVALID at a node: "NAME:LINE:COLUMN: …". */
varve_status yaml_refuse(const struct yaml_document *document, const struct yaml_node *node, varve_error *error,
                         const char *format, ...) VARVE_PRINTF(4, 5);

#define YAML_SHOWN_BYTES 64

/* A text as it can stand in a message: its beginning, in `shown`, with '?' for what is no printable character. */
const char *yaml_show(varve_str text, char shown[YAML_SHOWN_BYTES]);

/* True for a plain scalar that says null, or nothing at all. */
bool yaml_is_null(const struct yaml_node *node);
/* True for a scalar that is a text, not null, a boolean or a number. */
bool yaml_is_text(const struct yaml_node *node);

/*
 * Appends a node as JSON. VARVE_INVALID at the node inside it that JSON cannot have; VARVE_TOO_LARGE when it comes to
 * more than `max_bytes`; VARVE_NOMEM.
 */
varve_status yaml_write_json(const struct yaml_document *document, const struct yaml_node *node, size_t max_bytes,
                             varve_buf *json, varve_error *error);

#endif
