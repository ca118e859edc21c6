/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits: what plain SQLite does for the same result, on the tables of a store, in prepared
 * statements and one thread. They check nothing, look nothing up that they can know, and keep no
 * checksums; everything beyond them is the price of varve.
 */
#ifndef VARVE_BENCH_BARE_H
#define VARVE_BENCH_BARE_H

#include "bench/corpus.h"

struct bare;

/* Opens the log at `path`, which holds events of `corpus` (borrowed), for appending with the store's own settings. */
varve_status bare_open(struct bare **bare, const char *path, const struct corpus *corpus, varve_error *error);
/* NULL is allowed. */
void bare_close(struct bare *bare);

/* Appends `count` events of the corpus from number `first` on, `batch` a commit, with the store's checkpoints. */
varve_status bare_append(struct bare *bare, uint64_t first, uint64_t count, uint64_t batch, varve_error *error);

/* From now on each event changes a model in the log too, as it is appended; all that are there have. Parameters of
 * `change`: the stream, total_amount. */
varve_status bare_inline(struct bare *bare, const char *create, const char *change, varve_error *error);

/* Takes back whatever was appended since bare_open. */
varve_status bare_undo(struct bare *bare, varve_error *error);

/*
 * Reads the columns of every event of the log at `path` in order, with the names of their streams;
 * or with `stream` that stream's, without. Sets how many there were; `touched` keeps the compiler
 * from leaving anything out.
 */
varve_status bare_read(const char *path, const char *stream, uint64_t *events, uint64_t *touched, varve_error *error);

/*
 * Applies `change` to a new model at `model_path`, made with `create`, for every event of the log at `path`,
 * and moves a checkpoint, `batch` events a commit. Parameters of `change`: the stream, customer_id, total_amount.
 */
varve_status bare_project(const char *path, const char *model_path, const char *create, const char *change,
                          uint64_t batch, uint64_t *events, varve_error *error);

#endif
