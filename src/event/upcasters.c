/* SPDX-License-Identifier: Apache-2.0 */
#include "event/upcasters.h"

#include <stdlib.h>

#include "base/stored_hash.h"
#include "event/codec.h"

#define INTO_MAX 64u

static uint32_t version_of(varve_shape shape)
{
    return shape.schema_version == 0 ? 1 : shape.schema_version;
}

size_t upcaster_into_count(const varve_upcaster *upcaster)
{
    return upcaster->into == NULL ? 1 : upcaster->into_count;
}

varve_shape upcaster_into(const varve_upcaster *upcaster, size_t i)
{
    if (upcaster->into == NULL) return (varve_shape){ upcaster->from.type, version_of(upcaster->from) + 1 };
    return (varve_shape){ upcaster->into[i].type, version_of(upcaster->into[i]) };
}

/* ---- finding ---- */

static int compare(const struct upcasters_entry *entry, varve_str type, uint32_t schema_version)
{
    if (entry->type.len != type.len) return entry->type.len < type.len ? -1 : 1;
    int order = type.len == 0 ? 0 : memcmp(entry->type.ptr, type.ptr, type.len);
    if (order != 0) return order;
    return (entry->schema_version > schema_version) - (entry->schema_version < schema_version);
}

/* Where the entry of this shape is, or belongs. */
static size_t place_of(const struct upcasters *set, varve_str type, uint32_t schema_version, bool *found)
{
    size_t first = 0, after = set->count;
    *found = false;
    while (first < after && !*found) {
        size_t middle = first + (after - first) / 2;
        int order = compare(&set->entries[middle], type, schema_version);
        *found = order == 0;
        if (order < 0)
            first = middle + 1;
        else
            after = middle;
    }
    return after;
}

bool upcasters_find(const struct upcasters *set, varve_str type, uint32_t schema_version, size_t *index)
{
    bool found = false;
    *index = place_of(set, type, schema_version == 0 ? 1 : schema_version, &found);
    return found;
}

/* ---- adding ---- */

static varve_status refuse(varve_error *error, varve_shape shape, const char *problem)
{
    return varve_error_set(error, VARVE_INVALID, "the upcaster of %s, schema version %u, %s", shape.type,
                           version_of(shape), problem);
}

static varve_status check(const varve_upcaster *upcaster, varve_error *error)
{
    if (upcaster->from.type == NULL) return varve_error_set(error, VARVE_INVALID, "an upcaster needs a type");
    varve_status status = event_check_name(varve_str_of(upcaster->from.type), "an upcaster's type", error);
    if (status < 0) return status;
    if (upcaster->upcast == NULL) return refuse(error, upcaster->from, "needs a function upcast");
    if (upcaster->into == NULL && upcaster->from.schema_version == UINT32_MAX)
        return refuse(error, upcaster->from, "has no next schema version");
    if (upcaster_into_count(upcaster) > INTO_MAX) return refuse(error, upcaster->from, "gives more than 64 shapes");
    for (size_t i = 0; i < upcaster_into_count(upcaster); i++) {
        const char *type = upcaster_into(upcaster, i).type;
        if (type == NULL || event_check_name(varve_str_of(type), "a type", NULL) < 0)
            return refuse(error, upcaster->from, "gives a shape whose type is no name");
    }
    return VARVE_OK;
}

/* Puts what the entry leads to next on the stack, but for what was there before. */
static void follow(const struct upcasters *set, size_t entry, bool *seen, size_t *stack, size_t *depth)
{
    const varve_upcaster *upcaster = set->entries[entry].upcaster;
    for (size_t i = 0; i < upcaster_into_count(upcaster); i++) {
        varve_shape shape = upcaster_into(upcaster, i);
        size_t next = 0;
        if (!upcasters_find(set, varve_str_of(shape.type), shape.schema_version, &next) || seen[next]) continue;
        seen[next] = true;
        stack[(*depth)++] = next;
    }
}

/* Does what the entry gives lead back to it? */
static varve_status check_circle(const struct upcasters *set, size_t entry, varve_error *error)
{
    bool *seen = calloc(set->count, sizeof *seen);
    size_t *stack = calloc(set->count, sizeof *stack);
    varve_status status = VARVE_OK;
    size_t depth = 0;
    if (seen == NULL || stack == NULL) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
        goto done;
    }
    follow(set, entry, seen, stack, &depth);
    while (depth > 0 && !seen[entry]) follow(set, stack[--depth], seen, stack, &depth);
    if (seen[entry])
        status = refuse(error, set->entries[entry].upcaster->from, "leads back to it: such events would never end");
done:
    free(seen);
    free(stack);
    return status;
}

static void remove_entry(struct upcasters *set, size_t at)
{
    set->count--;
    memmove(&set->entries[at], &set->entries[at + 1], (set->count - at) * sizeof *set->entries);
}

varve_status upcasters_add(struct upcasters *set, const varve_upcaster *upcaster, void *ctx, varve_error *error)
{
    bool found = false;
    varve_status status = check(upcaster, error);
    if (status < 0) return status;
    if (set->count == VARVE_UPCASTERS_MAX)
        return varve_error_set(error, VARVE_INVALID, "there are more than %u upcasters", VARVE_UPCASTERS_MAX);
    const struct upcasters_entry entry = { upcaster, ctx, varve_str_of(upcaster->from.type),
                                           version_of(upcaster->from) };
    size_t at = place_of(set, entry.type, entry.schema_version, &found);
    if (found) return refuse(error, upcaster->from, "is there already");
    struct upcasters_entry *entries = realloc(set->entries, (set->count + 1) * sizeof *entries);
    if (entries == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    set->entries = entries;
    memmove(&entries[at + 1], &entries[at], (set->count - at) * sizeof *entries);
    entries[at] = entry;
    set->count++;
    status = check_circle(set, at, error);
    if (status < 0) remove_entry(set, at);
    return status;
}

void upcasters_fini(struct upcasters *set)
{
    free(set->entries);
    *set = (struct upcasters){ 0 };
}

/* ---- what they have to do with types ---- */

static bool has(const varve_str *types, size_t count, varve_str type)
{
    for (size_t i = 0; i < count; i++)
        if (varve_str_eq(types[i], type)) return true;
    return false;
}

static bool gives_one_of(const varve_upcaster *upcaster, const varve_str *types, size_t count)
{
    for (size_t i = 0; i < upcaster_into_count(upcaster); i++)
        if (has(types, count, varve_str_of(upcaster_into(upcaster, i).type))) return true;
    return false;
}

const varve_str *upcasters_sources(const struct upcasters *set, const varve_str *types, size_t type_count,
                                   struct arena *arena, size_t *count)
{
    varve_str *sources = arena_array(arena, type_count + set->count + 1, sizeof *sources);
    if (sources == NULL) return NULL;
    if (type_count > 0) memcpy(sources, types, type_count * sizeof *types);
    size_t known = type_count, before = 0;
    do {
        before = known;
        for (size_t i = 0; i < set->count; i++) {
            const struct upcasters_entry *entry = &set->entries[i];
            if (!has(sources, known, entry->type) && gives_one_of(entry->upcaster, sources, known))
                sources[known++] = entry->type;
        }
    } while (known > before);
    *count = known;
    return sources;
}

static uint64_t add_text(uint64_t hash, varve_str text)
{
    return (hash ^ stored_hash(text)) * UINT64_C(0x9E3779B97F4A7C15);
}

static uint64_t add_shape(uint64_t hash, varve_shape shape)
{
    return add_text(hash, varve_str_of(shape.type)) + version_of(shape);
}

uint64_t upcasters_stamp(const struct upcasters *set, const varve_str *types, size_t type_count, uint32_t version)
{
    uint64_t sum = 0;
    bool concerned = false;
    for (size_t i = 0; i < set->count; i++) {
        const varve_upcaster *upcaster = set->entries[i].upcaster;
        if (types != NULL && !has(types, type_count, set->entries[i].type)) continue;
        uint64_t hash = add_shape(0, upcaster->from);
        for (size_t j = 0; j < upcaster_into_count(upcaster); j++) hash = add_shape(hash, upcaster_into(upcaster, j));
        sum += add_text(hash, upcaster->revision);
        concerned = true;
    }
    if (!concerned) return version;
    uint64_t folded = (sum ^ sum >> 33) & INT32_MAX;
    return (folded == 0 ? 1 : folded) << 32 | version;
}
