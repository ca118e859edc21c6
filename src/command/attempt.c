/* SPDX-License-Identifier: Apache-2.0 */
#include "command/attempt.h"

#include <varve/scheduled.h>

#include "command/decide.h"

#define SECOND     ((varve_time)1000000)
#define LONGEST_US (300 * SECOND)
#define UNKNOWN_US (60 * SECOND)

bool attempt_may_pass(varve_status status)
{
    switch (status) {
    case VARVE_BUSY:
    case VARVE_UNAVAILABLE:
    case VARVE_TIMEOUT:
    case VARVE_LOCKED:
    case VARVE_FULL:
    case VARVE_IO:
    case VARVE_NOMEM:
    case VARVE_REWOUND:
    case VARVE_ENRICH_FAILED:
        return true;
    default:
        return false;
    }
}

/* A version that does not hold; any other conflict is a race that was lost too often. */
static bool is_pinned_elsewhere(const struct attempt *attempt)
{
    return attempt->current_version >= 0 && !decide_is_expected(attempt->command, (uint64_t)attempt->current_version);
}

static varve_time delay_of(const struct attempt *attempt)
{
    if (attempt->status == VARVE_NOT_FOUND) return UNKNOWN_US;
    /* Most processes do not end by what they run: the first time it is not made to wait. */
    if (attempt->interrupted == 1) return 0;
    uint32_t doublings = attempt->interrupted > 0 ? attempt->interrupted - 2 : attempt->number - 1;
    return doublings < 9 ? SECOND << doublings : LONGEST_US;
}

enum attempt_verdict attempt_judge(const struct attempt *attempt, varve_time *delay_us)
{
    *delay_us = delay_of(attempt);
    switch (attempt->status) {
    case VARVE_REJECTED:
        return ATTEMPT_REJECTED;
    case VARVE_INDETERMINATE:
        return attempt->interrupted < VARVE_SCHEDULED_INTERRUPTED_MAX ? ATTEMPT_PERHAPS_AGAIN : ATTEMPT_FAILED;
    case VARVE_BUSY:      /* our own load is no reason to give up */
    case VARVE_NOT_FOUND: /* an engine with another application may know it, or this one after its next start */
        return ATTEMPT_NONE;
    case VARVE_CONFLICT:
        if (is_pinned_elsewhere(attempt)) return ATTEMPT_FAILED;
        break;
    default:
        if (attempt->status >= 0) return ATTEMPT_DONE;
        if (!attempt_may_pass(attempt->status)) return ATTEMPT_FAILED;
        break;
    }
    return attempt->number < VARVE_SCHEDULED_ATTEMPTS_MAX ? ATTEMPT_AGAIN : ATTEMPT_FAILED;
}
