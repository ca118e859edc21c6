/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VARVE_STORE_CHAIN_H
#define VARVE_STORE_CHAIN_H

#include <stdbool.h>

struct store_append;

/*
 * Appends of which each was decided on what the one before it will have written: when one is not OK, those behind it
 * are refused (but for repeats), although their own conditions may hold by chance. Starts from {0}; the writer's while
 * an append of it is in the store. After a break it may be zeroed and used again once every append of it is answered.
 */
struct store_chain {
    bool is_broken;
    const struct store_append *last; /* of it in the batch that is being made up */
};

#endif
