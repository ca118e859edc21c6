/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/intern.h"

#include <stdlib.h>

#include "base/hash.h"

static bool own(varve_str *owned, varve_str name)
{
    char *copy = malloc(name.len + 1);
    if (copy == NULL) return false;
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    free((char *)owned->ptr);
    *owned = (varve_str){ copy, name.len };
    return true;
}

bool ids_init(struct ids *ids, size_t capacity)
{
    ids->entries = calloc(capacity, sizeof *ids->entries);
    ids->capacity = capacity;
    ids->epoch = 1;
    return ids->entries != NULL;
}

void ids_fini(struct ids *ids)
{
    if (ids->entries == NULL) return;
    for (size_t i = 0; i < ids->capacity; i++) free((char *)ids->entries[i].name.ptr);
    free(ids->entries);
    ids->entries = NULL;
}

struct id_entry *ids_get(struct ids *ids, varve_str name)
{
    uint64_t hash = hash_str(name);
    struct id_entry *entry = &ids->entries[hash & (ids->capacity - 1)];
    if (entry->epoch != ids->epoch || entry->hash != hash || !varve_str_eq(entry->name, name)) return NULL;
    return entry;
}

struct id_entry *ids_put(struct ids *ids, varve_str name, int64_t id, uint64_t version)
{
    uint64_t hash = hash_str(name);
    struct id_entry *entry = &ids->entries[hash & (ids->capacity - 1)];
    entry->epoch = 0;
    if (!own(&entry->name, name)) return NULL;
    entry->hash = hash;
    entry->id = id;
    entry->version = version;
    entry->epoch = ids->epoch;
    return entry;
}

void ids_forget(struct ids *ids)
{
    ids->epoch++;
}

varve_str names_get(const struct names *names, int64_t id)
{
    size_t place = (size_t)id % NAMES_KEPT;
    return names->entries[place].id == id ? names->entries[place].name : (varve_str){ 0 };
}

varve_str names_put(struct names *names, int64_t id, varve_str name)
{
    size_t place = (size_t)id % NAMES_KEPT;
    names->entries[place].id = 0;
    if (!own(&names->entries[place].name, name)) return (varve_str){ 0 };
    names->entries[place].id = id;
    return names->entries[place].name;
}

void names_fini(struct names *names)
{
    for (size_t i = 0; i < NAMES_KEPT; i++) free((char *)names->entries[i].name.ptr);
    memset(names, 0, sizeof *names);
}
