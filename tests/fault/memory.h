/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out. A program that is linked with memory.c and with the linker's --wrap for malloc,
 * calloc, realloc and strdup has its own allocations and SQLite's counted together, and can have one of
 * them fail.
 */
#ifndef VARVE_TESTS_FAULT_MEMORY_H
#define VARVE_TESTS_FAULT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Puts itself between SQLite and its memory; before any other use of SQLite. False when that is refused. */
bool memory_init(void);
/* The `nth` allocation from now fails, and with `for_good` all that follow; 0: none. Any thread. */
void memory_fail(uint64_t nth, bool for_good);
/* Allocations since memory_fail; not counted when none was to fail. */
uint64_t memory_count(void);
/* Whether an allocation has failed since memory_fail. */
bool memory_has_failed(void);

#endif
