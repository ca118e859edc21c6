/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the store's answer to a command's append. Pure: no I/O, no clock, no random source. */
#ifndef VARVE_COMMAND_VERDICT_H
#define VARVE_COMMAND_VERDICT_H

#include <varve/read.h>

/* How often a command is decided again after a conflict, and how often its append is offered again to a full store. */
#define VERDICT_CONFLICTS_MAX 20u
#define VERDICT_BUSY_MAX      20u

enum verdict {
    VERDICT_ACCEPTED,     /* the events are durable */
    VERDICT_READ_BACK,    /* the ids are in the log: look for the first outcome */
    VERDICT_DECIDE_AGAIN, /* somebody else was faster: load what is new and decide again */
    VERDICT_APPEND_AGAIN, /* nothing was tried: offer the same append again */
    VERDICT_FAILED,       /* the status is the command's */
};

/* What one command has been through so far. */
struct verdict_tries {
    uint32_t conflicts;
    uint32_t busy;
};

/*
 * Judges `answer`, the status of an append that was conditional on the version decided on, for a
 * command that expects `expected` of its stream, and counts the try. For the two verdicts that try
 * again `*delay_ms` is how long to wait first: exponential with full jitter drawn from `random`, so
 * that competitors spread out; nothing after a first conflict, which is mostly the last.
 */
enum verdict verdict_of(varve_status answer, varve_condition_kind expected, struct verdict_tries *tries,
                        uint64_t random, uint32_t *delay_ms);

#endif
