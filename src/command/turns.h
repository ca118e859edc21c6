/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns: of the commands in this process that are decided over the same query, one is decided at a time, in the order
 * in which they asked. All but one would lose at the append anyway, some of them every time. Other processes, and
 * queries that only overlap, still compete there: a turn makes nothing correct, only fair.
 */
#ifndef VARVE_COMMAND_TURNS_H
#define VARVE_COMMAND_TURNS_H

#include <stdbool.h>
#include <stdint.h>

struct turns;

/* A command's place in a queue. Starts from {0} with `called` set. */
struct turn {
    struct turn *next;
    void (*called)(struct turn *turn); /* it has its turn now; on the thread of whoever gave it back; must not block */
    uint32_t queue;
    bool is_asked; /* it waits for its turn, or has it */
    bool has_it;
};

/* NULL when memory is out. */
struct turns *turns_open(void);

/*
 * True when the turn can be had at once; else `called` tells when, perhaps before this returns. `query` is a hash: two
 * queries that share a queue only wait for each other without need. Any thread.
 */
bool turns_take(struct turns *turns, struct turn *turn, uint64_t query);

/* Calls the next one. Nothing happens when it was not asked for. By whoever has it. */
void turns_give_back(struct turns *turns, struct turn *turn);

/* Nobody has one, or waits. NULL is allowed. */
void turns_close(struct turns *turns);

#endif
