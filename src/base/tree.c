/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tree.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/json.h"

/*
 * A text being read. Open containers and the children they have so far stand in `pending`, a
 * container before its children; closing it moves the children to the arena.
 */
struct reading {
    struct json_scanner scanner;
    struct arena *arena;
    struct tree_node *pending;
    size_t count, capacity;
    size_t open[VARVE_JSON_DEPTH_MAX]; /* the places of open containers */
    size_t depth;
    varve_str name; /* what the next value is called */
};

int tree_compare_names(varve_str a, varve_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* By name; members of one name as they stand in the text. */
static int compare_members(const void *a, const void *b)
{
    const struct tree_node *left = a, *right = b;
    int order = tree_compare_names(left->name, right->name);
    return order != 0 ? order : (left->text.ptr > right->text.ptr) - (left->text.ptr < right->text.ptr);
}

static uint64_t mix(uint64_t hash, uint64_t more)
{
    hash = (hash ^ more) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static bool push(struct reading *reading, enum tree_kind kind, varve_str text)
{
    if (reading->count == reading->capacity) {
        size_t capacity = reading->capacity == 0 ? 64 : reading->capacity * 2;
        struct tree_node *grown = reallocarray(reading->pending, capacity, sizeof *grown);
        if (grown == NULL) return false;
        reading->pending = grown;
        reading->capacity = capacity;
    }
    reading->pending[reading->count++] = (struct tree_node){
        .kind = kind,
        .text = text,
        .name = reading->name,
        .hash = kind == TREE_SCALAR ? hash_str(text) : (uint64_t)kind,
    };
    reading->name = (varve_str){ 0 };
    return true;
}

/* Sorts an object's members and keeps the last of each name. */
static void order_members(struct tree_node *object)
{
    size_t kept = 0;
    if (object->count > 1) qsort(object->children, object->count, sizeof *object->children, compare_members);
    for (size_t i = 0; i < object->count; i++) {
        if (i + 1 < object->count && varve_str_eq(object->children[i].name, object->children[i + 1].name)) continue;
        object->children[kept++] = object->children[i];
    }
    object->repeats = kept < object->count;
    object->count = kept;
}

/* The innermost container is complete. */
static bool close_container(struct reading *reading)
{
    size_t place = reading->open[--reading->depth];
    struct tree_node *container = &reading->pending[place];
    container->text.len = (size_t)(reading->scanner.at - container->text.ptr);
    container->count = reading->count - place - 1;
    if (container->count > 0) {
        container->children = arena_alloc(reading->arena, container->count * sizeof *container->children);
        if (container->children == NULL) return false;
        memcpy(container->children, container + 1, container->count * sizeof *container->children);
    }
    if (container->kind == TREE_OBJECT) order_members(container);
    for (size_t i = 0; i < container->count; i++) {
        if (container->kind == TREE_OBJECT)
            container->hash = mix(container->hash, hash_str(container->children[i].name));
        container->hash = mix(container->hash, container->children[i].hash);
    }
    reading->count = place + 1;
    return true;
}

static bool take_name(struct reading *reading)
{
    varve_buf text = { 0 };
    reading->name = reading->scanner.raw;
    if (!reading->scanner.escaped) return true;
    json_unescape(reading->scanner.raw, &text);
    bool taken = !text.failed && arena_copy(reading->arena, varve_buf_view(&text), &reading->name);
    varve_buf_fini(&text);
    return taken;
}

static bool take(struct reading *reading, enum json_token token)
{
    varve_str text = reading->scanner.raw;
    switch (token) {
    case JSON_KEY:
        return take_name(reading);
    case JSON_OBJECT:
    case JSON_ARRAY:
        reading->open[reading->depth++] = reading->count;
        return push(reading, token == JSON_OBJECT ? TREE_OBJECT : TREE_ARRAY, text);
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
        return close_container(reading);
    default:
        (void)json_skip(&reading->scanner, token, &text); /* a string gets its quotes back */
        return push(reading, TREE_SCALAR, text);
    }
}

varve_status tree_read(varve_str text, struct arena *arena, struct tree_node *root, varve_error *error)
{
    struct reading reading = { .arena = arena };
    enum json_token token;
    bool taken = true;
    json_start(&reading.scanner, text);
    while (taken && (token = json_next(&reading.scanner)) != JSON_END) {
        ASSERT(token != JSON_ERROR);
        taken = take(&reading, token);
    }
    if (taken) *root = reading.pending[0];
    free(reading.pending);
    return taken ? VARVE_OK : varve_error_set(error, VARVE_NOMEM, "no memory to compare JSON");
}

bool tree_equal(const struct tree_node *a, const struct tree_node *b)
{
    if (a->hash != b->hash || a->kind != b->kind || a->count != b->count) return false;
    if (varve_str_eq(a->text, b->text)) return true;
    if (a->kind == TREE_SCALAR) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!varve_str_eq(a->children[i].name, b->children[i].name)) return false;
        if (!tree_equal(&a->children[i], &b->children[i])) return false;
    }
    return true;
}
