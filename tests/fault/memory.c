/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fault/memory.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>

static struct {
    atomic_ullong count; /* allocations since it was armed */
    atomic_ullong fails; /* the one that fails; 0: none */
    atomic_bool for_good;
    sqlite3_mem_methods sqlite; /* SQLite's own */
} memory;

static bool out_of_memory(void)
{
    unsigned long long fails = atomic_load(&memory.fails);
    if (fails == 0) return false;
    unsigned long long count = atomic_fetch_add(&memory.count, 1) + 1;
    bool out = count == fails || (count > fails && atomic_load(&memory.for_good));
    if (out) errno = ENOMEM;
    return out;
}

void memory_fail(uint64_t nth, bool for_good)
{
    atomic_store(&memory.for_good, for_good);
    atomic_store(&memory.count, 0);
    atomic_store(&memory.fails, nth);
}

uint64_t memory_count(void)
{
    return atomic_load(&memory.count);
}

bool memory_has_failed(void)
{
    unsigned long long fails = atomic_load(&memory.fails);
    return fails != 0 && atomic_load(&memory.count) >= fails;
}

/* The linker sends the library's calls here (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return out_of_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return out_of_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return out_of_memory() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return out_of_memory() ? NULL : __real_strdup(text);
}

static void *sqlite_malloc(int size)
{
    return out_of_memory() ? NULL : memory.sqlite.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
    return out_of_memory() ? NULL : memory.sqlite.xRealloc(old, size);
}

bool memory_init(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory.sqlite) != SQLITE_OK) return false;
    sqlite3_mem_methods methods = memory.sqlite;
    methods.xMalloc = sqlite_malloc;
    methods.xRealloc = sqlite_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK && sqlite3_initialize() == SQLITE_OK;
}
