/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler: a thread that executes scheduled commands on the lanes when they are due. Where several processes
 * share the store one of them does so at a time, by the lease "scheduled commands", which it takes when something is
 * due that its deciders may know, and gives back when nothing is.
 *
 * What is due is first marked as running, then executed, then taken away, each step durable before the next; so who is
 * killed in between leaves something that is executed again, and told its first outcome. Since it may be what killed
 * the process, it is looked for in the log first, and from the second time on put off, and run beside none of its kind.
 * At most 32 are under way, of 8 MiB of data together or one; all others wait in the store.
 */
#ifndef VARVE_COMMAND_SCHEDULER_H
#define VARVE_COMMAND_SCHEDULER_H

#include <varve/scheduled.h>

#include "command/lanes.h"

struct scheduler;

struct scheduler_stats {
    uint64_t executed, rejected, failed, retries, running; /* failed: for good; running: now */
};

/* Starts it; both are borrowed until scheduler_close. `lease_ms`: 0 means 10000. VARVE_NOMEM, VARVE_UNAVAILABLE. */
varve_status scheduler_open(struct scheduler **scheduler, varve_store *store, struct lanes *lanes, uint32_t lease_ms,
                            const struct log *log, varve_error *error);
/* Something was scheduled: look now rather than within a second. Any thread; NULL is allowed. */
void scheduler_wake(struct scheduler *scheduler);
/* NULL is allowed. */
void scheduler_get_stats(struct scheduler *scheduler, struct scheduler_stats *stats);
/* Waits for what is under way and leaves the rest in the store. Before lanes_close. NULL is allowed. */
void scheduler_close(struct scheduler *scheduler);

#endif
