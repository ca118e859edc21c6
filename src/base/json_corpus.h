/* SPDX-License-Identifier: Apache-2.0 */
/* For json_corpus_test: jansson's values under other names, as its own collide with the scanner's tokens. */
#ifndef VARVE_BASE_JSON_CORPUS_H
#define VARVE_BASE_JSON_CORPUS_H

#include <varve/event.h>

struct tree;

/* What jansson makes of a text; NULL with the reason in `problem` when it refuses it. */
struct tree *tree_load(varve_str text, char problem[160]);
struct tree *tree_object(void);
struct tree *tree_array(void);
struct tree *tree_string(varve_str text);
struct tree *tree_integer(int64_t value);
struct tree *tree_real(double value);
struct tree *tree_bool(bool value);
struct tree *tree_null(void);
/* Both take `value` over; false when jansson does not want it. */
bool tree_set(struct tree *object, varve_str key, struct tree *value);
bool tree_append(struct tree *array, struct tree *value);
bool tree_equal(const struct tree *a, const struct tree *b);
void tree_free(struct tree *tree);

#endif
