/* SPDX-License-Identifier: Apache-2.0 */
/* Time that only goes forward, for waiting and measuring. The calendar's time is varve_time_now. */
#ifndef VARVE_BASE_CLOCK_H
#define VARVE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_ns(void);
/* `wait_ms` from now as an absolute CLOCK_MONOTONIC time, for pthread_cond_clockwait. */
struct timespec clock_deadline(uint32_t wait_ms);

#endif
