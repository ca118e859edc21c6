/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one command, from its id to its outcome. It never waits for the disk's flush: the append is queued, the
 * lane does other work, and execute_run goes on when the store has answered.
 *
 * It is decided on its stream's state, which the lane keeps (line.h) and which may be ahead of the log: then its append
 * is chained to those before it, and what needs no append is held until they are durable. Whatever a state says that
 * may be out of date is only taken for true where the log confirms it: an append by its condition, anything else by
 * looking at what is new. An outcome without events is appended too, as a record, when the caller gave the id.
 */
#ifndef VARVE_COMMAND_EXECUTE_H
#define VARVE_COMMAND_EXECUTE_H

#include <varve/command.h>

#include "command/decision.h"
#include "command/first.h"
#include "command/load.h"
#include "command/reading.h"
#include "command/turns.h"
#include "command/verdict.h"

/*
 * Where a command stands:
 *
 *     DECIDE --no events--> HELD --the id is new, and so is the state--> (over: OK, REJECTED, a failure)
 *      |  ^                  |  +--the id is in the log--> (over: REPEATED)
 *      |  +-- news ----------+
 *      |  |
 *      |  +-- conflict --+     +--ids are in the log--> LOOK_UP --> (over: REPEATED)
 *      v                 |     |
 *     APPEND -----------> ANSWER --durable--> (over: OK)
 *      |  ^                  |
 *      |  +-- the store is full
 *      +--refused without being queued--> HELD
 */
enum execute_step {
    EXECUTE_DECIDE,
    EXECUTE_TURN, /* on the way there: over a query that others are decided over */
    EXECUTE_APPEND,
    EXECUTE_ANSWER,
    EXECUTE_HELD,
    EXECUTE_LOOK_UP,
    EXECUTE_OVER
};

/* Why execute_run returned. */
enum execute_pause {
    EXECUTE_IS_OVER,     /* status, error and outcome are set */
    EXECUTE_IN_STORE,    /* `answered` will be called once; run again after it */
    EXECUTE_IS_HELD,     /* run again when every command before it is durable */
    EXECUTE_HAS_TO_WAIT, /* run again in delay_ms, which may be 0 */
    EXECUTE_HAS_NO_TURN, /* turn.called will be called once; run again after it */
};

struct execute;
/* The store has answered. On the store's writer thread: must not block nor run the command. */
typedef void (*execute_answered)(struct execute *execute);

/*
 * Made by execute_init, ended by execute_fini. The lane's; between EXECUTE_IN_STORE and the end of `answered` what the
 * store answers is the writer's, and the lane does nothing with it but execute_apply.
 */
struct execute {
    const varve_command *command; /* complete; borrowed */
    struct load_source source;    /* this and the next four: set before the first execute_run; schemas may be NULL */
    const struct schemas *schemas;
    execute_answered answered;
    struct turns *turns;
    struct turn turn;  /* of a decider over a query; `called` is set as those before it; has it until it is over */
    struct load *load; /* the stream's state, after every command before this one; the line's */
    struct varve_reading *reading; /* of a decider over a query; else NULL */
    struct store_chain *chain;
    uint32_t retention_s; /* how long an outcome without events is kept */
    struct first first;   /* when it has an id of its caller's */

    enum execute_step step;
    bool own_id;     /* the caller's: the command may have been executed before */
    bool is_current; /* nothing newer than the state was in the log when it was decided on, or will be before it */
    bool is_applied; /* the state has its events already, before they are durable */
    uint64_t base;   /* the version that was decided on */
    varve_status decided;
    struct varve_decision decision;
    varve_buf snapshot; /* of the state with its events, to be kept once they are durable; may be empty */
    struct verdict_tries tries;
    uint32_t delay_ms;

    /* What the store answered. */
    varve_status answer;
    varve_error answer_error;
    uint64_t first_position;
    uint64_t current_version;
    bool was_forgotten; /* what was kept of its first outcome expired while it was looked for */
    bool is_outread;    /* with CONFLICT: an event matches the query by now */
    varve_time recorded_at;

    /* What varve_execute returns; `error` is empty unless the status is negative. */
    varve_status status;
    varve_error error;
    varve_outcome outcome;
};

/* Decided over a query: when nothing is ahead of it, and nothing behind it before it is over. */
static inline bool execute_is_alone(const struct execute *execute)
{
    return execute->source.decider->table->reads != NULL;
}

/*
 * Prepares a command whose defaults are filled in. `own_id`: the id is the caller's, so the command may have been
 * executed before. VARVE_NOMEM.
 */
varve_status execute_init(struct execute *execute, const varve_command *command, bool own_id, varve_error *error);

/*
 * Goes on until the command is over or has to wait. `behind`: commands before it are not durable yet. `random` spreads
 * out retries.
 */
enum execute_pause execute_run(struct execute *execute, bool behind, uint64_t random);

/*
 * Applies the events of a command in the store to the state, so that the next one can be decided on it. False when the
 * decider fails at that; the state must not be used any more.
 */
bool execute_apply(struct execute *execute);

/* A command before it did not come about: it is to be decided again. It is not in the store. */
void execute_start_over(struct execute *execute);

/* Over before it came to be decided, for the reason in `error`, or with the first outcome in `outcome`. */
void execute_end(struct execute *execute, varve_status status);

/* On the thread that ran the command. The outcome's memory goes too, unless it was taken (outcome zeroed). */
void execute_fini(struct execute *execute);

#endif
