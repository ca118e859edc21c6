/* SPDX-License-Identifier: Apache-2.0 */
#include "query/retry.h"

#include "base/clock.h"

enum {
    RETRY_FIRST_MS = 50, /* doubled with each failure … */
    RETRY_MOST_MS = 5000 /* … up to this */
};

bool retry_is_due(const struct retry *retry)
{
    return retry->resume_ns <= clock_ns();
}

uint32_t retry_put_off(struct retry *retry)
{
    uint32_t doublings = retry->failures < 7 ? retry->failures : 7;
    uint32_t wait_ms = (uint32_t)RETRY_FIRST_MS << doublings;
    wait_ms = wait_ms > RETRY_MOST_MS ? RETRY_MOST_MS : wait_ms;
    retry->failures++;
    retry->resume_ns = clock_ns() + (uint64_t)wait_ms * 1000000;
    return wait_ms;
}

int retry_timeout(const struct retry *retry, int timeout_ms)
{
    uint64_t now = clock_ns();
    if (retry->resume_ns == 0) {
        return timeout_ms;
    }
    uint64_t left_ms = retry->resume_ns > now ? (retry->resume_ns - now) / 1000000 + 1 : 0;
    return left_ms < (uint64_t)timeout_ms ? (int)left_ms : timeout_ms;
}
