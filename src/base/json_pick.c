/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_pick.h"

#include "base/assert.h"

#define NO_SLOT SIZE_MAX

struct json_pick_node {
    struct json_step step;
    size_t slot; /* of the path that ends here */
    struct json_pick_node *children, *next;
};

static struct json_pick_node *new_node(struct arena *arena, const struct json_step *step)
{
    struct json_pick_node *node = arena_array(arena, 1, sizeof *node);

    if (node == NULL) return NULL;
    node->step = *step;
    node->slot = NO_SLOT;
    return node;
}

/* The child for this step, made when there is none; NULL when memory is out. */
static struct json_pick_node *child_of(struct json_pick_node *node, struct arena *arena, const struct json_step *step)
{
    struct json_pick_node **child = &node->children;

    for (; *child != NULL; child = &(*child)->next) {
        if ((*child)->step.indexed == step->indexed && (*child)->step.index == step->index &&
            varve_str_eq((*child)->step.name, step->name))
            return *child;
    }
    *child = new_node(arena, step);
    return *child;
}

bool json_pick_add(struct json_pick *pick, struct arena *arena, varve_str path, size_t *slot)
{
    struct json_step step = { 0 };
    struct json_pick_node *node = pick->root == NULL ? new_node(arena, &step) : pick->root;
    size_t depth = 0;

    pick->root = node;
    for (; node != NULL && path.len > 0; depth++) {
        bool formed = json_path_step(&path, depth == 0, &step);

        ASSERT(formed);
        /* No text is so deep: such a path has a place of its own, where nothing is ever found. */
        node = depth < VARVE_JSON_DEPTH_MAX ? child_of(node, arena, &step) : new_node(arena, &step);
    }
    if (node == NULL) return false;
    if (node->slot == NO_SLOT) node->slot = pick->count++;
    *slot = node->slot;
    return true;
}

/* Takes back what was found below a member whose name comes a second time. */
static void forget(const struct json_pick_node *node, struct json_picked *picked)
{
    if (node->slot != NO_SLOT) picked[node->slot].token = JSON_END;
    for (const struct json_pick_node *child = node->children; child != NULL; child = child->next) forget(child, picked);
}

static const struct json_pick_node *find_member(const struct json_pick_node *node, const struct json_scanner *scanner)
{
    const struct json_pick_node *child = node->children;

    while (child != NULL && (child->step.indexed || !json_is_str(scanner, child->step.name))) child = child->next;
    return child;
}

static const struct json_pick_node *find_element(const struct json_pick_node *node, size_t index)
{
    const struct json_pick_node *child = node->children;

    while (child != NULL && (!child->step.indexed || child->step.index != index)) child = child->next;
    return child;
}

static bool take(struct json_scanner *scanner, const struct json_pick_node *node, enum json_token token,
                 struct json_picked *picked);

/* Reads the container just opened to its end. As deep as the paths are, which is bounded by the text they stand in. */
static bool look_into(struct json_scanner *scanner, const struct json_pick_node *node, struct json_picked *picked)
{
    for (size_t index = 0;; index++) {
        const struct json_pick_node *child = NULL;
        enum json_token token = json_next(scanner);
        varve_str skipped;

        if (token == JSON_OBJECT_END || token == JSON_ARRAY_END) return true;
        if (token == JSON_KEY) {
            child = find_member(node, scanner);
            token = json_next(scanner);
        } else {
            child = find_element(node, index);
        }
        if (token == JSON_ERROR) return false;
        if (child != NULL) forget(child, picked);
        if (child != NULL ? !take(scanner, child, token, picked) : json_skip(scanner, token, &skipped) == JSON_ERROR)
            return false;
    }
}

/* Notes the value that `token`, which was just read, begins, and what the paths want of it. */
static bool take(struct json_scanner *scanner, const struct json_pick_node *node, enum json_token token,
                 struct json_picked *picked)
{
    struct json_picked found = {
        .token = token, .value = scanner->raw, .escaped = scanner->escaped, .integer = scanner->integer
    };
    varve_str skipped;

    if (token == JSON_OBJECT || token == JSON_ARRAY) {
        if (node->children != NULL ? !look_into(scanner, node, picked)
                                   : json_skip(scanner, token, &skipped) == JSON_ERROR)
            return false;
        found.value.len = (size_t)(scanner->at - found.value.ptr);
    }
    if (node->slot != NO_SLOT) picked[node->slot] = found;
    return true;
}

varve_status json_pick_read(const struct json_pick *pick, varve_str text, struct json_picked *picked)
{
    struct json_scanner scanner;
    enum json_token token;

    for (size_t i = 0; i < pick->count; i++) picked[i].token = JSON_END;
    if (pick->root == NULL) return VARVE_OK;
    json_start(&scanner, text);
    token = json_next(&scanner);
    if (token != JSON_ERROR && take(&scanner, pick->root, token, picked) && json_next(&scanner) == JSON_END)
        return VARVE_OK;
    for (size_t i = 0; i < pick->count; i++) picked[i].token = JSON_END;
    return VARVE_INVALID;
}
