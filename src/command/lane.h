/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lane: a thread that runs tasks. It never waits for a commit: while appends are in the store, other streams'
 * commands are decided, and those on the same stream too, on the state as it will be. So many commands on one stream
 * share one flush; when an append fails, those behind it are decided again, in order.
 */
#ifndef VARVE_COMMAND_LANE_H
#define VARVE_COMMAND_LANE_H

#include "command/execute.h"
#include "command/registry.h"

struct lane;
struct line;
struct look;

/* A command or a look on its way through a lane; made by lanes.c, which also ends it. */
struct task {
    struct task *next;          /* in whichever queue it stands */
    struct task *next_answered; /* among those that are answered or called, besides */
    struct lane *lane;
    struct line *line; /* a command's place: its stream's line, once the lane has admitted it */
    size_t decider;    /* in the registry */
    uint64_t hash;     /* of a command's stream */
    struct look *look; /* NULL for a command, which has all that follows */

    varve_command command; /* its views point into `text` */
    struct execute execute;
    varve_buf context;        /* what was fetched for it */
    uint64_t enrich_until_ns; /* by then, if it is to be */
    varve_execute_callback callback;
    void *ctx;
    char text[];
};

/* Called on the lane's thread when a task is over; the task is the callee's again. Must not block. */
typedef void (*lane_task_over)(void *ctx, struct task *task);

struct lane_options {
    varve_store *store;
    const struct registry *registry;   /* complete */
    const struct schemas *schemas;     /* complete; NULL: there are none */
    const struct upcasters *upcasters; /* complete; NULL: there are none */
    struct turns *turns;               /* of all lanes */
    size_t state_bytes;   /* of states that are kept for the next command on their streams, about, at most */
    uint32_t retention_s; /* how long an outcome without events is kept */
    struct log log;
    lane_task_over over;
    void *ctx;
};

/* Opens the lane's own copy of every decider's context. Nothing runs yet. Options are borrowed until lane_close. */
varve_status lane_open(struct lane **lane, const struct lane_options *options, varve_error *error);

/* Starts the thread. */
varve_status lane_start(struct lane *lane, varve_error *error);

/* Takes over a task from any thread. False when the lane is stopping. */
bool lane_push(struct lane *lane, struct task *task);

/* Accepts no more tasks; those it has are finished. Any thread. */
void lane_stop(struct lane *lane);

/* After lane_stop: waits until the last task is over and frees the lane. NULL is allowed. */
void lane_close(struct lane *lane);

#endif
