/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { BLOCK_BYTES_MIN = 4096, BLOCK_BYTES_MAX = 1 << 20 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* of `bytes` */
    alignas(max_align_t) char bytes[];
};

/* Blocks double, so that an operation of any size costs few allocations; a large piece gets a block of its size. */
static bool add_block(struct arena *arena, size_t at_least)
{
    size_t size = arena->blocks == NULL ? BLOCK_BYTES_MIN : arena->blocks->size * 2;
    struct arena_block *block;

    if (size > BLOCK_BYTES_MAX) size = BLOCK_BYTES_MAX;
    if (size < at_least) size = at_least;
    block = malloc(sizeof(*block) + size);
    if (block == NULL) return false;
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->used = 0;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    void *piece;

    if (size > PTRDIFF_MAX / 2) return NULL;
    size = (size + align - 1) / align * align;
    if (size == 0) size = align;
    if (arena->blocks == NULL || size > arena->blocks->size - arena->used) {
        if (!add_block(arena, size)) return NULL;
    }
    piece = arena->blocks->bytes + arena->used;
    arena->used += size;
    return piece;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void *array;

    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    array = arena_alloc(arena, bytes);
    if (array != NULL) memset(array, 0, bytes);
    return array;
}

bool arena_copy(struct arena *arena, varve_str text, varve_str *copy)
{
    char *bytes = arena_alloc(arena, text.len + 1);

    *copy = (varve_str){ 0 };
    if (bytes == NULL) return false;
    if (text.len > 0) memcpy(bytes, text.ptr, text.len);
    bytes[text.len] = '\0';
    *copy = (varve_str){ bytes, text.len };
    return true;
}

bool arena_copy_all(struct arena *arena, const varve_str *texts, size_t count, const varve_str **copies)
{
    varve_str *own = count == 0 ? NULL : arena_array(arena, count, sizeof(*own));

    if (own == NULL && count > 0) return false;
    for (size_t i = 0; i < count; i++) {
        if (!arena_copy(arena, texts[i], &own[i])) return false;
    }
    *copies = own;
    return true;
}

/* Frees all blocks but `kept`, which may be NULL. */
static void release(struct arena *arena, struct arena_block *kept)
{
    struct arena_block *next;

    for (struct arena_block *block = arena->blocks; block != NULL; block = next) {
        next = block->next;
        if (block != kept) free(block);
    }
    if (kept != NULL) kept->next = NULL;
    arena->blocks = kept;
    arena->used = 0;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *largest = arena->blocks;

    for (struct arena_block *block = arena->blocks; block != NULL; block = block->next) {
        if (block->size > largest->size) largest = block;
    }
    release(arena, largest);
}

void arena_fini(struct arena *arena)
{
    release(arena, NULL);
}
