/* SPDX-License-Identifier: Apache-2.0 */
#include "command/patch.h"

#include "base/assert.h"

enum { PATCH_BYTES = 64 << 10 };

struct patch {
    varve_buf *out;
    size_t start;     /* of the patch in `out` */
    size_t max_bytes; /* what it may grow to */
    bool too_long;    /* it has; nothing more is added */
    varve_buf path;   /* where the comparison is, as a JSON Pointer */
};

static void add_op(struct patch *patch, const char *op, const struct tree_node *value)
{
    varve_buf *out = patch->out;
    if (patch->too_long) return;
    if (out->len - patch->start > 1) varve_buf_str(out, VARVE_STR(","));
    varve_buf_printf(out, "{\"op\":\"%s\",\"path\":", op);
    varve_buf_json_string(out, varve_buf_view(&patch->path));
    if (value != NULL) {
        varve_buf_str(out, VARVE_STR(",\"value\":"));
        varve_buf_str(out, value->text);
    }
    varve_buf_str(out, VARVE_STR("}"));
    patch->too_long = out->len - patch->start > patch->max_bytes;
}

/* ---- the path ---- */

/* Steps down to a member; the result is what step_back takes. */
static size_t step_to_member(struct patch *patch, varve_str name)
{
    size_t before = patch->path.len;
    const char *at = name.ptr, *end = name.ptr + name.len;
    varve_buf_str(&patch->path, VARVE_STR("/"));
    for (const char *from = at; at < end; from = at) {
        while (at < end && *at != '~' && *at != '/') at++;
        varve_buf_add(&patch->path, from, (size_t)(at - from));
        if (at < end) varve_buf_str(&patch->path, *at++ == '~' ? VARVE_STR("~0") : VARVE_STR("~1"));
    }
    return before;
}

static size_t step_to_element(struct patch *patch, size_t index)
{
    size_t before = patch->path.len;
    varve_buf_printf(&patch->path, "/%zu", index);
    return before;
}

static void step_back(struct patch *patch, size_t before)
{
    patch->path.len = before;
}

/* ---- the comparison ---- */

static void compare(struct patch *patch, const struct tree_node *before, const struct tree_node *after);

static void member_op(struct patch *patch, const char *op, varve_str name, const struct tree_node *value)
{
    size_t back = step_to_member(patch, name);
    add_op(patch, op, value);
    step_back(patch, back);
}

static void element_op(struct patch *patch, const char *op, size_t index, const struct tree_node *value)
{
    size_t back = step_to_element(patch, index);
    add_op(patch, op, value);
    step_back(patch, back);
}

static void compare_objects(struct patch *patch, const struct tree_node *before, const struct tree_node *after)
{
    size_t b = 0, a = 0;
    while ((b < before->count || a < after->count) && !patch->too_long) {
        const struct tree_node *old = b < before->count ? &before->children[b] : NULL;
        const struct tree_node *new = a < after->count ? &after->children[a] : NULL;
        int order = old == NULL ? 1 : new == NULL ? -1 : tree_compare_names(old->name, new->name);
        ASSERT(order < 0 ? old != NULL : new != NULL); /* at least one side has a member left */
        if (order < 0) {
            member_op(patch, "remove", old->name, NULL);
        } else if (order > 0) {
            member_op(patch, "add", new->name, new);
        } else {
            size_t back = step_to_member(patch, new->name);
            compare(patch, old, new);
            step_back(patch, back);
        }
        b += order <= 0;
        a += order >= 0;
    }
}

/* True when a difference between the two can be told inside them. */
static bool alike(const struct tree_node *before, const struct tree_node *after)
{
    return before->kind == after->kind && before->kind != TREE_SCALAR;
}

static void compare_arrays(struct patch *patch, const struct tree_node *before, const struct tree_node *after)
{
    size_t shorter = before->count < after->count ? before->count : after->count;
    size_t longer = before->count + after->count - shorter;
    size_t first = 0, same_end = 0;
    while (first < shorter && tree_equal(&before->children[first], &after->children[first])) first++;
    while (first + same_end < shorter &&
           tree_equal(&before->children[before->count - 1 - same_end], &after->children[after->count - 1 - same_end]))
        same_end++;

    size_t both = shorter - same_end; /* elements from `first` up to here are compared one with one */
    bool something_stays = first + same_end > 0;
    for (size_t i = first; i < both && !something_stays; i++)
        something_stays = alike(&before->children[i], &after->children[i]);
    if (!something_stays && longer > 1) {
        add_op(patch, "replace", after);
        return;
    }
    for (size_t i = first; i < both && !patch->too_long; i++) {
        size_t back = step_to_element(patch, i);
        compare(patch, &before->children[i], &after->children[i]);
        step_back(patch, back);
    }
    for (size_t i = before->count - same_end; i > both && !patch->too_long; i--)
        element_op(patch, "remove", i - 1, NULL);
    for (size_t i = both; i < after->count - same_end && !patch->too_long; i++)
        element_op(patch, "add", i, &after->children[i]);
}

/* As deep as the values are, which is VARVE_JSON_DEPTH_MAX at most. */
static void compare(struct patch *patch, const struct tree_node *before, const struct tree_node *after)
{
    if (tree_equal(before, after)) return;
    if (!alike(before, after))
        add_op(patch, "replace", after);
    else if (after->kind == TREE_OBJECT)
        compare_objects(patch, before, after);
    else
        compare_arrays(patch, before, after);
}

varve_status patch_write(const struct tree_node *before, const struct tree_node *after, varve_buf *out,
                         varve_error *error)
{
    struct patch patch = { .out = out, .start = out->len, .max_bytes = after->text.len * 2 };
    if (patch.max_bytes < PATCH_BYTES) patch.max_bytes = PATCH_BYTES;
    varve_buf_str(out, VARVE_STR("["));
    compare(&patch, before, after);
    if (patch.too_long && !out->failed) {
        patch.too_long = false;
        out->len = patch.start + 1;
        varve_buf_reset(&patch.path);
        add_op(&patch, "replace", after);
    }
    varve_buf_str(out, VARVE_STR("]"));
    bool failed = out->failed || patch.path.failed;
    varve_buf_fini(&patch.path);
    return failed ? varve_error_set(error, VARVE_NOMEM, "no memory for a patch") : VARVE_OK;
}
