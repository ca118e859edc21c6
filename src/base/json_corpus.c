/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_corpus.h"

#include <jansson.h>
#include <stdio.h>

static struct tree *tree_of(json_t *value)
{
    return (struct tree *)value;
}

static json_t *value_of(struct tree *tree)
{
    return (json_t *)tree;
}

struct tree *tree_load(varve_str text, char problem[160])
{
    json_error_t error;
    json_t *value = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, &error);

    if (value == NULL) snprintf(problem, 160, "%.150s", error.text);
    return tree_of(value);
}

struct tree *tree_object(void)
{
    return tree_of(json_object());
}

struct tree *tree_array(void)
{
    return tree_of(json_array());
}

struct tree *tree_string(varve_str text)
{
    return tree_of(json_stringn(text.len > 0 ? text.ptr : "", text.len));
}

struct tree *tree_integer(int64_t value)
{
    return tree_of(json_integer(value));
}

struct tree *tree_real(double value)
{
    return tree_of(json_real(value));
}

struct tree *tree_bool(bool value)
{
    return tree_of(json_boolean(value));
}

struct tree *tree_null(void)
{
    return tree_of(json_null());
}

bool tree_set(struct tree *object, varve_str key, struct tree *value)
{
    return json_object_setn_new(value_of(object), key.len > 0 ? key.ptr : "", key.len, value_of(value)) == 0;
}

bool tree_append(struct tree *array, struct tree *value)
{
    return json_array_append_new(value_of(array), value_of(value)) == 0;
}

bool tree_equal(const struct tree *a, const struct tree *b)
{
    return json_equal((const json_t *)a, (const json_t *)b) != 0;
}

void tree_free(struct tree *tree)
{
    json_decref(value_of(tree));
}
