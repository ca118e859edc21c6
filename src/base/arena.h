/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for one operation: allocated piece by piece, given back all at once. */
#ifndef VARVE_BASE_ARENA_H
#define VARVE_BASE_ARENA_H

#include <varve/event.h>

struct arena_block;

/* Starts from {0}; ends with arena_fini. Not for several threads at once. */
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out of the newest block */
};

/* `size` bytes aligned for any type, not zeroed; NULL when memory is out. */
void *arena_alloc(struct arena *arena, size_t size);
/* `count` zeroed elements; NULL when memory is out or the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* Copies `text` with a terminator behind it. False when memory is out; `copy` is then empty. */
bool arena_copy(struct arena *arena, varve_str text, varve_str *copy);
/* The same for each of `count` texts; `*copies` is NULL when there is none. */
bool arena_copy_all(struct arena *arena, const varve_str *texts, size_t count, const varve_str **copies);
/* Takes everything back and keeps the largest block for reuse. */
void arena_reset(struct arena *arena);
void arena_fini(struct arena *arena);

#endif
