/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

uint64_t clock_ns(void)
{
    struct timespec now = { 0 };

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct timespec clock_deadline(uint32_t wait_ms)
{
    uint64_t at = clock_ns() + (uint64_t)wait_ms * NS_PER_MS;
    struct timespec deadline = { .tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S) };

    return deadline;
}
