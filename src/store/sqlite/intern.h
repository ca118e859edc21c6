/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small caches over the tables that number streams and types. Both are direct-mapped: of two
 * entries that share a place the later one stays, so memory is bounded and nothing needs evicting.
 */
#ifndef VARVE_STORE_SQLITE_INTERN_H
#define VARVE_STORE_SQLITE_INTERN_H

#include <varve/event.h>

/* The writer's: name to number and, for streams, current version. True because nobody else writes. */
struct id_entry {
    uint64_t hash;
    int64_t id;
    uint64_t version;
    uint64_t epoch; /* valid only in the table's epoch */
    varve_str name; /* owned */
};

struct ids {
    struct id_entry *entries;
    size_t capacity; /* a power of two */
    uint64_t epoch;
};

bool ids_init(struct ids *ids, size_t capacity);
void ids_fini(struct ids *ids);
/* The entry for `name`, or NULL. It stays until the next ids_put. */
struct id_entry *ids_get(struct ids *ids, varve_str name);
/* Remembers; NULL when memory is out, which only costs a look-up later. */
struct id_entry *ids_put(struct ids *ids, varve_str name, int64_t id, uint64_t version);
/* Forgets everything, after a transaction that did not commit. */
void ids_forget(struct ids *ids);

/* A reader's: number to name, for numbers that are dense and whose names never change. */
enum { NAMES_KEPT = 256 };

struct names {
    struct {
        int64_t id;     /* 0: empty */
        varve_str name; /* owned */
    } entries[NAMES_KEPT];
};

/* The name of `id`, or the empty view. It stays until the next names_put. */
varve_str names_get(const struct names *names, int64_t id);
/* Remembers a copy and returns it; the empty view when memory is out. */
varve_str names_put(struct names *names, int64_t id, varve_str name);
void names_fini(struct names *names);

#endif
