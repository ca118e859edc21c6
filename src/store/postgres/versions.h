/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's memory of stream versions, true up to the head it was brought to. Direct-mapped: of two streams that
 * share a place the later one stays, so it is bounded and nothing needs evicting.
 */
#ifndef VARVE_STORE_POSTGRES_VERSIONS_H
#define VARVE_STORE_POSTGRES_VERSIONS_H

#include <varve/event.h>

struct version_entry {
    uint64_t hash;
    uint64_t version;
    varve_str name; /* owned */
};

struct versions {
    struct version_entry *entries;
    size_t capacity; /* a power of two */
};

bool versions_init(struct versions *versions, size_t capacity);
void versions_fini(struct versions *versions);
/* False when the stream is not remembered. */
bool versions_get(const struct versions *versions, varve_str name, uint64_t *version);
/* Remembers; when memory is out it forgets, which only costs a look-up later. */
void versions_put(struct versions *versions, varve_str name, uint64_t version);
void versions_forget(struct versions *versions);

#endif
