/* SPDX-License-Identifier: Apache-2.0 */
/* Folding one long stream into an aggregate's state, again and again: what both stores share. */
#ifndef VARVE_BENCH_FOLD_H
#define VARVE_BENCH_FOLD_H

#include <varve/engine.h>

#include "bench/bench.h"
#include "lua/decider.h"

#define FOLDED "order-000001"

enum { FOLDED_EVENTS = 10000, FOLDS = 20 };

/* Starts zeroed. */
struct folding {
    varve_engine *engine;
    struct lua_decider *lua; /* NULL: the decider is in C */
    uint64_t folds;          /* a sample */
    uint64_t ns[FOLDS];      /* the time each took */
};

/* Starts an engine on a store that has the stream FOLDED, with one of the deciders that keep no snapshots. */
varve_status folding_open(struct folding *folding, const char *uri, bool lua, bool quick, varve_error *error);
/* Also after folding_open failed. */
void folding_close(struct folding *folding);

/* Looks at the aggregate `folds` times. */
varve_status folding_sample(struct folding *folding, struct sample *sample, varve_error *error);

/* VARVE_CORRUPT when a sample has read anything but the whole stream each time. */
varve_status folding_check(const struct folding *folding, uint64_t events, varve_error *error);

#endif
