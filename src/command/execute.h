/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one command, from its id to its outcome. It never waits for the disk's flush: the append
 * is queued, the lane does other work, and execute_run goes on when the store has answered.
 */
#ifndef VARVE_COMMAND_EXECUTE_H
#define VARVE_COMMAND_EXECUTE_H

#include <varve/command.h>

#include "command/decision.h"
#include "command/load.h"
#include "command/verdict.h"

/*
 * Where a command stands:
 *
 *     LOOK_UP --found--> (over: REPEATED)
 *        |  ^
 *        v  +--------------- ids are in the log --+
 *     DECIDE --rejected, failed, no events--> (over)
 *        |  ^                                     |
 *        v  +-- conflict -------------------------+
 *     APPEND --queued--> ANSWER --durable--> (over: OK)
 *           ^                                     |
 *           +-- the store is full ----------------+
 */
enum execute_step { EXECUTE_LOOK_UP, EXECUTE_DECIDE, EXECUTE_APPEND, EXECUTE_ANSWER, EXECUTE_OVER };

/* Why execute_run returned. */
enum execute_pause {
    EXECUTE_IS_OVER,     /* status, error and outcome are set */
    EXECUTE_IN_STORE,    /* `answered` will be called once; run again after it */
    EXECUTE_HAS_TO_WAIT, /* run again in delay_ms */
};

struct execute;
/* The store has answered. On the store's writer thread: must not block nor run the command. */
typedef void (*execute_answered)(struct execute *execute);

/*
 * Made by execute_init, ended by execute_fini. Belongs to one thread at a time: the lane's, or the store's writer
 * between EXECUTE_IN_STORE and the end of `answered`.
 */
struct execute {
    const varve_command *command; /* complete; borrowed */
    struct load_source source;    /* this and the next: set before the first execute_run */
    execute_answered answered;

    enum execute_step step;
    struct load load;
    struct varve_decision decision;
    struct verdict_tries tries;
    uint32_t delay_ms;

    /* What the store answered. */
    varve_status answer;
    varve_error answer_error;
    uint64_t first_position;
    uint64_t current_version;
    varve_time recorded_at;

    /* What varve_execute returns; `error` is empty unless the status is negative. */
    varve_status status;
    varve_error error;
    varve_outcome outcome;
};

/*
 * Prepares a command whose defaults are filled in. `look_up`: the id is the caller's, so the command may have been
 * executed before. VARVE_NOMEM.
 */
varve_status execute_init(struct execute *execute, const varve_command *command, bool look_up, varve_error *error);

/* Goes on until the command is over or has to wait. `random` spreads out retries. */
enum execute_pause execute_run(struct execute *execute, uint64_t random);

/* On the thread that ran the command. The outcome's memory goes too, unless it was taken (outcome zeroed). */
void execute_fini(struct execute *execute);

#endif
