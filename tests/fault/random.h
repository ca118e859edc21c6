/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that look random and come again with the same seed: SplitMix64 (Steele, Lea and Flood, 2014). */
#ifndef VARVE_TESTS_FAULT_RANDOM_H
#define VARVE_TESTS_FAULT_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

#endif
