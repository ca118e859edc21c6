/* SPDX-License-Identifier: Apache-2.0 */
/* The options that there are. The table is in verbs.c. */
#ifndef VARVE_CLI_OPTION_H
#define VARVE_CLI_OPTION_H

#include <stdbool.h>

enum option {
    OPTION_STORE,
    OPTION_APP,
    OPTION_SERVER,
    OPTION_LISTEN,
    OPTION_OUTPUT,
    OPTION_QUIET,
    OPTION_ACTOR,
    OPTION_TYPE,
    OPTION_CATEGORY,
    OPTION_CORRELATION_ID,
    OPTION_CAUSATION_ID,
    OPTION_TRACEPARENT,
    OPTION_DATA,
    OPTION_METADATA,
    OPTION_TAG,
    OPTION_ID,
    OPTION_OCCURRED_AT,
    OPTION_EXPECTED_VERSION,
    OPTION_FROM,
    OPTION_FROM_AT,
    OPTION_TO,
    OPTION_TO_AT,
    OPTION_UNTIL_VERSION,
    OPTION_DIRECTION,
    OPTION_AFTER,
    OPTION_INCARNATION,
    OPTION_LIMIT,
    OPTION_FOLLOW,
    OPTION_SHAPES,
    OPTION_VERSION,
    OPTION_AT,
    OPTION_CLOCK,
    OPTION_CURSOR,
    OPTION_AFTER_POSITION,
    OPTION_WAIT,
    OPTION_ALL,
    OPTION_REBUILDS,
    OPTION_MEMBERS,
    OPTION_MAX_ATTEMPTS,
    OPTION_MEMBER,
    OPTION_CONSUMER,
    OPTION_WAIT_MS,
    OPTION_LEASE_MS,
    OPTION_THROUGH,
    OPTION_DELAY_MS,
    OPTION_REASON,
    OPTION_FILTER,
    OPTION_AGAINST,
    OPTION_WORKERS,
    OPTION_NOT_BEFORE,
    OPTION_ALLOW_PRIVATE_ADDRESSES,
    OPTION_HELP,
    OPTION_COUNT
};

struct option_spec {
    const char *name;        /* without "--" */
    const char *value;       /* what help calls its value; NULL: it has none */
    const char *environment; /* the variable that stands in for it; NULL: none */
    bool repeatable;
    const char *help;
};

/* By enum option. */
extern const struct option_spec option_specs[OPTION_COUNT];

#endif
