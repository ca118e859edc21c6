/* SPDX-License-Identifier: Apache-2.0 */
#include "command/verdict.h"

#define DELAY_CEILING_BITS 6 /* 64 ms */

/* 0 to 2^attempt - 1 ms, with a ceiling. */
static uint32_t jitter_ms(uint32_t attempt, uint64_t random)
{
    uint32_t bits = attempt < DELAY_CEILING_BITS ? attempt : DELAY_CEILING_BITS;
    return (uint32_t)(random & ((UINT64_C(1) << bits) - 1));
}

/* A stream that exists goes on existing, so only a pinned version makes a conflict final. */
static bool is_pinned(varve_condition_kind expected)
{
    return expected == VARVE_STREAM_AT || expected == VARVE_STREAM_NONE;
}

enum verdict verdict_of(varve_status answer, varve_condition_kind expected, struct verdict_tries *tries,
                        uint64_t random, uint32_t *delay_ms)
{
    *delay_ms = 0;
    switch (answer) {
    case VARVE_OK:
        return VERDICT_ACCEPTED;
    case VARVE_REPEATED:
    case VARVE_ID_CONFLICT: /* the same command may have been decided elsewhere with more or fewer events */
        return VERDICT_READ_BACK;
    case VARVE_CONFLICT:
        if (is_pinned(expected) || tries->conflicts == VERDICT_CONFLICTS_MAX) return VERDICT_FAILED;
        *delay_ms = jitter_ms(tries->conflicts, random);
        tries->conflicts++;
        return VERDICT_DECIDE_AGAIN;
    case VARVE_BUSY:
        if (tries->busy == VERDICT_BUSY_MAX) return VERDICT_FAILED;
        tries->busy++;
        *delay_ms = 1 + jitter_ms(tries->busy, random);
        return VERDICT_APPEND_AGAIN;
    default:
        return VERDICT_FAILED;
    }
}
