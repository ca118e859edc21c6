/* SPDX-License-Identifier: Apache-2.0 */
/* What to do about a scheduled command after an attempt. Pure. */
#ifndef VARVE_COMMAND_ATTEMPT_H
#define VARVE_COMMAND_ATTEMPT_H

#include <varve/command.h>

/* An attempt that is over. */
struct attempt {
    const varve_command *command;
    varve_status status;
    int64_t current_version; /* CONFLICT: the stream's; -1: it is not what was in the way */
    uint32_t number;         /* from 1 */
    uint32_t interrupted;    /* it and those before it whose process ended before they did; 0: it was answered */
};

enum attempt_verdict {
    ATTEMPT_DONE,
    ATTEMPT_REJECTED,
    ATTEMPT_FAILED,        /* if the log has nothing of an earlier attempt */
    ATTEMPT_AGAIN,         /* nothing happened: later */
    ATTEMPT_PERHAPS_AGAIN, /* nobody knows whether it happened: later, and nobody may cancel it */
    ATTEMPT_NONE,          /* it was not even tried: later, and it does not count */
};

/* `*delay_us`: how long to wait for the next one. */
enum attempt_verdict attempt_judge(const struct attempt *attempt, varve_time *delay_us);

/* Whether it may be otherwise after a while. */
bool attempt_may_pass(varve_status status);

#endif
