/* SPDX-License-Identifier: Apache-2.0 */
/* Replaying a whole log with two versions of a decider that are the same: what both stores share. */
#ifndef VARVE_BENCH_REPLAY_H
#define VARVE_BENCH_REPLAY_H

#include "bench/bench.h"
#include "lua/decider.h"

/* Starts zeroed. */
struct replaying {
    varve_store *store;
    struct lua_decider *lua; /* NULL: the decider is in C */
    uint64_t events, streams;
};

/* A log of its own, of streams that are longer than those of the bench's: a hundred events each. */
void replaying_corpus(struct corpus *corpus, bool quick);

/* Opens the store that has all of `corpus`. */
varve_status replaying_open(struct replaying *replaying, const char *uri, const struct corpus *corpus, bool lua,
                            varve_error *error);
/* Also after replaying_open failed. */
void replaying_close(struct replaying *replaying);

/* Folds each stream twice and compares the states. VARVE_CORRUPT when anything differs. */
varve_status replaying_sample(struct replaying *replaying, struct sample *sample, varve_error *error);

/* VARVE_CORRUPT when a sample has read anything but the whole log. */
varve_status replaying_check(const struct replaying *replaying, uint64_t events, varve_error *error);

#endif
