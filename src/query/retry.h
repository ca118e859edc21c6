/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again what failed in a way that may pass: longer after each failure in a row. */
#ifndef VARVE_QUERY_RETRY_H
#define VARVE_QUERY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* Starts from {0}. */
struct retry {
    uint32_t failures;  /* in a row */
    uint64_t resume_ns; /* not before this; 0: at once */
};

bool retry_is_due(const struct retry *retry);

/* Notes a failure; returns how long to wait. */
uint32_t retry_put_off(struct retry *retry);

/* `timeout_ms`, or less where the next try is due before that. */
int retry_timeout(const struct retry *retry, int timeout_ms);

#endif
