/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/compare.h"

#include "base/assert.h"
#include "base/json.h"
#include "base/tree.h"

struct comparing {
    struct spec_differences *differences;
    bool is_part;
    varve_buf path; /* where the comparison is */
    varve_error *error;
};

varve_status spec_differ(struct spec_differences *differences, varve_str path, varve_str expected, varve_str got,
                         varve_error *error)
{
    struct spec_difference *difference = &differences->list[differences->count];
    if (differences->count == SPEC_DIFFERENCES_MAX) {
        differences->more++;
        return VARVE_OK;
    }
    if (!arena_copy(differences->arena, path, &difference->path) ||
        !arena_copy(differences->arena, expected, &difference->expected) ||
        !arena_copy(differences->arena, got, &difference->got))
        return varve_error_set(error, VARVE_NOMEM, "no memory for a difference");
    differences->count++;
    return VARVE_OK;
}

/* `expected` or `got` NULL: there is none. */
static varve_status differ(struct comparing *comparing, const struct tree_node *expected, const struct tree_node *got)
{
    static const varve_str nothing = { 0 };
    if (comparing->path.failed) return varve_error_set(comparing->error, VARVE_NOMEM, "no memory for a difference");
    return spec_differ(comparing->differences, varve_buf_view(&comparing->path),
                       expected == NULL ? nothing : expected->text, got == NULL ? nothing : got->text,
                       comparing->error);
}

/* ---- scalars ---- */

static bool same_texts(varve_str a, varve_str b)
{
    varve_buf left = { 0 }, right = { 0 };
    json_unescape((varve_str){ a.ptr + 1, a.len - 2 }, &left);
    json_unescape((varve_str){ b.ptr + 1, b.len - 2 }, &right);
    bool same = !left.failed && !right.failed && varve_str_eq(varve_buf_view(&left), varve_buf_view(&right));
    varve_buf_fini(&left);
    varve_buf_fini(&right);
    return same;
}

static bool same_scalars(varve_str a, varve_str b)
{
    struct json_scanner left, right;
    if (varve_str_eq(a, b)) return true;
    json_start(&left, a);
    json_start(&right, b);
    enum json_token token = json_next(&left);
    if (json_next(&right) != token) return false;
    switch (token) {
    case JSON_STRING:
        return same_texts(a, b);
    case JSON_INTEGER: /* -0 */
        return left.integer == right.integer;
    case JSON_REAL: {
        double one = json_double(&left), other = json_double(&right);
        return !(one < other) && !(one > other);
    }
    default:
        return true;
    }
}

/* ---- the path ---- */

static bool is_plain_name(varve_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= ' ' || c == '.' || c == '[' || c == '"') return false;
    }
    return name.len > 0;
}

/* Steps down; the result is what step_back takes. */
static size_t step_to_member(struct comparing *comparing, varve_str name)
{
    size_t before = comparing->path.len;
    if (!is_plain_name(name)) {
        varve_buf_str(&comparing->path, VARVE_STR("["));
        varve_buf_json_string(&comparing->path, name);
        varve_buf_str(&comparing->path, VARVE_STR("]"));
        return before;
    }
    if (before > 0) varve_buf_str(&comparing->path, VARVE_STR("."));
    varve_buf_str(&comparing->path, name);
    return before;
}

static size_t step_to_element(struct comparing *comparing, size_t index)
{
    size_t before = comparing->path.len;
    varve_buf_printf(&comparing->path, "[%zu]", index);
    return before;
}

static void step_back(struct comparing *comparing, size_t before)
{
    comparing->path.len = before;
}

/* ---- the comparison ---- */

static varve_status compare(struct comparing *comparing, const struct tree_node *expected, const struct tree_node *got);

static varve_status compare_objects(struct comparing *comparing, const struct tree_node *expected,
                                    const struct tree_node *got)
{
    varve_status status = VARVE_OK;
    size_t e = 0, g = 0;
    while ((e < expected->count || g < got->count) && status == VARVE_OK) {
        const struct tree_node *wanted = e < expected->count ? &expected->children[e] : NULL;
        const struct tree_node *found = g < got->count ? &got->children[g] : NULL;
        int order = wanted == NULL ? 1 : found == NULL ? -1 : tree_compare_names(wanted->name, found->name);
        if (order < 0) found = NULL;
        if (order > 0) wanted = NULL;
        ASSERT(wanted != NULL || found != NULL); /* at least one side has a member left */
        if (wanted != NULL || !comparing->is_part) {
            size_t back = step_to_member(comparing, wanted != NULL ? wanted->name : found->name);
            status = order == 0 ? compare(comparing, wanted, found) : differ(comparing, wanted, found);
            step_back(comparing, back);
        }
        e += order <= 0;
        g += order >= 0;
    }
    return status;
}

static varve_status compare_arrays(struct comparing *comparing, const struct tree_node *expected,
                                   const struct tree_node *got)
{
    size_t longer = expected->count > got->count ? expected->count : got->count;
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < longer && status == VARVE_OK; i++) {
        const struct tree_node *wanted = i < expected->count ? &expected->children[i] : NULL;
        const struct tree_node *found = i < got->count ? &got->children[i] : NULL;
        size_t back = step_to_element(comparing, i);
        status = wanted != NULL && found != NULL ? compare(comparing, wanted, found) : differ(comparing, wanted, found);
        step_back(comparing, back);
    }
    return status;
}

/* As deep as the values are, which is VARVE_JSON_DEPTH_MAX at most. */
static varve_status compare(struct comparing *comparing, const struct tree_node *expected, const struct tree_node *got)
{
    if (expected->kind != got->kind) return differ(comparing, expected, got);
    switch (expected->kind) {
    case TREE_OBJECT:
        return compare_objects(comparing, expected, got);
    case TREE_ARRAY:
        return compare_arrays(comparing, expected, got);
    default:
        return same_scalars(expected->text, got->text) ? VARVE_OK : differ(comparing, expected, got);
    }
}

varve_status spec_compare(struct spec_differences *differences, varve_str path, const struct spec_json *expected,
                          varve_str got, varve_error *error)
{
    struct comparing comparing = { .differences = differences, .is_part = expected->is_part, .error = error };
    struct arena arena = { 0 };
    struct tree_node wanted = { 0 }, found = { 0 };
    varve_buf_str(&comparing.path, path);
    varve_status status = tree_read(expected->json, &arena, &wanted, error);
    if (status == VARVE_OK) status = tree_read(got, &arena, &found, error);
    if (status == VARVE_OK) status = compare(&comparing, &wanted, &found);
    varve_buf_fini(&comparing.path);
    arena_fini(&arena);
    return status;
}
