/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes: the workers that run deciders. A stream belongs to one lane by its hash; a lane is one
 * thread with a bounded first-in-first-out queue and its own copy of every decider's context.
 * Commands on one stream take effect in the order they were queued. Looks have one lane more, which
 * runs no commands: a look sees what is durable and, however long it takes, holds up only other looks.
 */
#ifndef VARVE_COMMAND_LANES_H
#define VARVE_COMMAND_LANES_H

#include <varve/command.h>

#include "base/log.h"
#include "command/enrich.h"
#include "command/schemas.h"
#include "event/upcasters.h"

struct lanes;

struct lanes_options {
    uint32_t workers;              /* lanes that run commands; at least 1 */
    uint32_t queue_limit;          /* commands and looks under way in all lanes, from queueing to outcome; at least 1 */
    size_t state_bytes;            /* of aggregates' states that all lanes keep, about, at most */
    uint32_t retention_s;          /* how long an outcome without events is kept */
    uint32_t enrich_workers;       /* threads that fetch what decisions need; at least 1 when a decider enriches */
    struct enrich_asks asks;       /* what they may ask */
    const struct schemas *schemas; /* as upcasters */
    const struct upcasters *upcasters; /* filled before lanes_start, borrowed until lanes_close; NULL: none */
    struct log log;
};

struct lanes_stats {
    uint64_t accepted, rejected, failed, retries, queue_length;
    struct enricher_stats enrichment;
};

/* `store` is borrowed until lanes_close. */
varve_status lanes_open(struct lanes **lanes, varve_store *store, const struct lanes_options *options,
                        varve_error *error);
/* As varve_engine_add_decider; before lanes_start. */
varve_status lanes_add(struct lanes *lanes, const varve_decider *decider, void *ctx, varve_error *error);
/* Opens each lane's deciders and starts the threads. */
varve_status lanes_start(struct lanes *lanes, varve_error *error);
/* Whether any command could be executed: there is a decider. */
bool lanes_have_deciders(const struct lanes *lanes);
/* Whether it could be queued, but for its not_before: VARVE_NOT_FOUND, UNAVAILABLE. Any thread. */
varve_status lanes_check(const struct lanes *lanes, const varve_command *command, varve_error *error);
/* Whether it may be decided here, by its type and stream. Any thread. */
bool lanes_know(const struct lanes *lanes, const varve_command *command);
/* As varve_execute_async. */
varve_status lanes_execute(struct lanes *lanes, const varve_command *command, varve_execute_callback callback,
                           void *ctx, varve_error *error);
/* As varve_execute. */
varve_status lanes_execute_wait(struct lanes *lanes, const varve_command *command, varve_outcome *outcome,
                                varve_error *error);
/* As varve_aggregate_show, _history and _diff: queues the look on the lane for looks and waits for it. */
varve_status lanes_show(struct lanes *lanes, varve_str stream, const varve_aggregate_options *options,
                        varve_aggregate *aggregate, varve_error *error);
varve_status lanes_history(struct lanes *lanes, varve_str stream, const varve_history_options *options,
                           varve_history *history, varve_error *error);
varve_status lanes_diff(struct lanes *lanes, varve_str stream, const varve_aggregate_options *from,
                        const varve_aggregate_options *to, varve_difference *difference, varve_error *error);
void lanes_get_stats(struct lanes *lanes, struct lanes_stats *stats);
/* As varve_engine_stop_enriching. */
void lanes_stop_enriching(struct lanes *lanes);
/* Refuses new commands, finishes those under way, stops the threads. NULL is allowed. */
void lanes_close(struct lanes *lanes);

#endif
