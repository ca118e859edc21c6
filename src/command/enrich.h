/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enrichment: what a decision needs from outside is fetched by threads of their own before the command comes to its
 * lane, once, so that neither other streams nor its own try again wait for it.
 *
 * Commands of one stream stay in order: one is enriched at a time, and what comes behind it waits here too, whether it
 * is to be enriched or not. Streams take turns.
 */
#ifndef VARVE_COMMAND_ENRICH_H
#define VARVE_COMMAND_ENRICH_H

#include <stdatomic.h>
#include <varve/enrich.h>

#include "command/lane.h"

/* What the engine lets `enrich` ask; a function that is NULL is not there. Both end when `deadline_ns` (clock_ns) is
 * over, or soon after `*stopping` was set. */
struct enrich_asks {
    void *ctx;
    varve_status (*query)(void *ctx, const varve_query_request *request, uint64_t deadline_ns,
                          const atomic_bool *stopping, varve_answer *answer, varve_error *error);
    varve_status (*http)(void *ctx, const varve_http_request *request, uint64_t deadline_ns,
                         const atomic_bool *stopping, varve_http_response *response, varve_error *error);
};

struct enricher;

struct enricher_options {
    varve_store *store;
    const struct registry *registry; /* complete */
    uint32_t workers;
    uint32_t queue_limit; /* commands that are enriched or wait, those behind them included; at least 1 */
    struct enrich_asks asks;
    bool (*enriched)(void *ctx, struct task *task); /* hands it to its lane; false: that is stopping. Must not block */
    lane_task_over over;                            /* on one of the enricher's threads */
    void *ctx;
};

struct enricher_stats {
    uint64_t done, failed, total_ms, waiting;
};

/* Opens each thread's own copy of the deciders that enrich, and starts the threads. */
varve_status enricher_open(struct enricher **enricher, const struct enricher_options *options, varve_error *error);

/* Takes over a command, of whichever decider. False: nothing is to be done before its lane. Its time to be
 * enriched begins. VARVE_BUSY: too many wait; VARVE_UNAVAILABLE: it stops; VARVE_NOMEM. */
varve_status enricher_take(struct enricher *enricher, struct task *task, bool *taken, varve_error *error);

void enricher_get_stats(struct enricher *enricher, struct enricher_stats *stats);

/* From here on refuses what is to be enriched and has not begun, as unavailable, and ends what has soon. Any thread. */
void enricher_stop(struct enricher *enricher);

/* Stops, waits for what has begun and frees. NULL is allowed. */
void enricher_close(struct enricher *enricher);

#endif
