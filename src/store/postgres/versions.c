/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/versions.h"

#include <stdlib.h>

#include "base/hash.h"

bool versions_init(struct versions *versions, size_t capacity)
{
    versions->entries = calloc(capacity, sizeof *versions->entries);
    versions->capacity = versions->entries == NULL ? 0 : capacity;
    return versions->entries != NULL;
}

void versions_fini(struct versions *versions)
{
    versions_forget(versions);
    free(versions->entries);
    *versions = (struct versions){ 0 };
}

bool versions_get(const struct versions *versions, varve_str name, uint64_t *version)
{
    uint64_t hash = hash_str(name);
    const struct version_entry *entry = &versions->entries[hash & (versions->capacity - 1)];
    if (entry->hash != hash || !varve_str_eq(entry->name, name)) return false;
    *version = entry->version;
    return true;
}

void versions_put(struct versions *versions, varve_str name, uint64_t version)
{
    uint64_t hash = hash_str(name);
    struct version_entry *entry = &versions->entries[hash & (versions->capacity - 1)];
    if (entry->hash != hash || !varve_str_eq(entry->name, name)) {
        char *copy = realloc((char *)entry->name.ptr, name.len);
        if (copy == NULL) {
            free((char *)entry->name.ptr);
            *entry = (struct version_entry){ 0 };
            return;
        }
        memcpy(copy, name.ptr, name.len);
        entry->name = (varve_str){ copy, name.len };
        entry->hash = hash;
    }
    entry->version = version;
}

void versions_forget(struct versions *versions)
{
    for (size_t i = 0; i < versions->capacity; i++) {
        free((char *)versions->entries[i].name.ptr);
        versions->entries[i] = (struct version_entry){ 0 };
    }
}
