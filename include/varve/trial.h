/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying a decider before it is trusted: on events that are made up, without a store.
 *
 * A trial is one aggregate in memory. What happened before is applied, a command is executed, and what came of it is
 * looked at: given, when, then. The decider's functions are called as an engine calls them, with the same checks and
 * limits, so what a trial accepts or refuses an engine does too. Nothing is random and no clock is read: the same
 * trial has the same outcome, ids included.
 *
 * Threads: a trial is used by one thread at a time; the decider's functions run on it.
 */
#ifndef VARVE_TRIAL_H
#define VARVE_TRIAL_H

#include <varve/command.h>
#include <varve/schema.h>
#include <varve/upcast.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_trial varve_trial;

/* A command's time where it has none: 2026-01-01T00:00:00Z. */
#define VARVE_TRIAL_TIME INT64_C(1767225600000000)

/* A decider that is tried, with what an engine would have beside it. Borrowed for as long as it is tried. */
typedef struct varve_candidate {
    const varve_decider *decider;         /* as varve_engine_add_decider takes it … */
    void *ctx;                            /* … with its ctx */
    const varve_upcaster_item *upcasters; /* what events of older shapes are today … */
    size_t upcaster_count;
    const varve_schema_item *schemas; /* … and what its own must look like */
    size_t schema_count;
} varve_candidate;

/*
 * Would an engine take all of these beside each other? VARVE_INVALID says what it would refuse: a table that is
 * incomplete, two of a category, a command that two decide of which one is over a query, an upcaster, a schema.
 * VARVE_NOMEM. Opens nothing and calls nothing of theirs.
 */
VARVE_API varve_status varve_candidates_check(const varve_candidate *candidates, size_t count, varve_error *error);

typedef struct varve_trial_options {
    size_t size; /* sizeof(varve_trial_options), or 0 for this version's */
    varve_candidate candidate;
    varve_str stream; /* the aggregate, of the decider's category; over a query, where events go; copied */
} varve_trial_options;

/*
 * Begins with the aggregate in its initial state, at version 0; with a decider over a query each command begins with
 * what it asks for of all that was applied. VARVE_INVALID when the decider's table is incomplete, an upcaster or a
 * schema would not be taken by an engine, or the stream has no name, VARVE_NOT_FOUND when the stream is not of the
 * decider's category, VARVE_APPLICATION when the decider fails, VARVE_NOMEM.
 */
VARVE_API varve_status varve_trial_open(varve_trial **trial, const varve_trial_options *options, varve_error *error);

/*
 * An event that happened before: applied to the state, as one that was read from the log. Its stream is the trial's
 * when it is empty (over a query it may be any), and its version the next one. VARVE_INVALID, VARVE_TOO_LARGE when the
 * log would not take the event; the state is as it was. VARVE_APPLICATION when `evolve` fails: then the trial can only
 * be closed.
 */
VARVE_API varve_status varve_trial_apply(varve_trial *trial, const varve_event *event, varve_error *error);

/*
 * Executes a command as varve_execute does, and applies the events. Its stream is the trial's when it is empty; what
 * else is left out is the default of varve_execute, but for the time, which is VARVE_TRIAL_TIME, and the id, which
 * counts the trial's commands. `enrich` is not called: the command's context is what it would have given. A trial
 * remembers no ids: no command is a repeat.
 *
 * VARVE_OK, VARVE_REJECTED, or what varve_execute answers, with the same outcome, in which no event has a position or a
 * time of recording. VARVE_APPLICATION also when `evolve` fails on the command's own events: then the trial can only be
 * closed. `outcome` may be NULL; otherwise it ends with varve_outcome_fini, before or after the trial.
 */
VARVE_API varve_status varve_trial_execute(varve_trial *trial, const varve_command *command, varve_outcome *outcome,
                                           varve_error *error);

/*
 * Replaces `json` by the state, as the decider encodes it; over a query, what the latest command asked for, its own
 * events included. VARVE_UNSUPPORTED when it has no `encode`, VARVE_NOT_FOUND when there was no command yet,
 * VARVE_APPLICATION when `encode` fails, VARVE_NOMEM.
 */
VARVE_API varve_status varve_trial_show(const varve_trial *trial, varve_buf *json, varve_error *error);

/* NULL is allowed. */
VARVE_API void varve_trial_close(varve_trial *trial);

#ifdef __cplusplus
}
#endif
#endif
