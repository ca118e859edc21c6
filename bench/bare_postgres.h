/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits on PostgreSQL: what plain libpq does for the same result, on the tables of a store. As bare.h: they check
 * nothing, look nothing up, take no lock and keep no checksums.
 */
#ifndef VARVE_BENCH_BARE_POSTGRES_H
#define VARVE_BENCH_BARE_POSTGRES_H

#include "bench/corpus.h"

struct bare_postgres;

/* Opens the store of the database at `uri`, which holds events of `corpus` (borrowed), with the store's settings. */
varve_status bare_postgres_open(struct bare_postgres **bare, const char *uri, const struct corpus *corpus,
                                varve_error *error);
/* NULL is allowed. */
void bare_postgres_close(struct bare_postgres *bare);

/*
 * Appends `count` events of the corpus from number `first` on: a prepared INSERT … SELECT unnest for every `batch` of
 * them, each a transaction of its own and one round trip.
 */
varve_status bare_postgres_append(struct bare_postgres *bare, uint64_t first, uint64_t count, uint64_t batch,
                                  varve_error *error);

/* From now on each event changes a model beside the log too, in the same transaction and round trip; all that are there
 * have. Parameters of `change`: the stream, total_amount. */
varve_status bare_postgres_inline(struct bare_postgres *bare, const char *create, const char *change,
                                  varve_error *error);

/* Reads every column of the whole log, or of `stream` when that is not NULL, in order, `page` events a round trip, and
 * looks at each. */
varve_status bare_postgres_read(struct bare_postgres *bare, const char *stream, uint64_t page, uint64_t *events,
                                uint64_t *touched, varve_error *error);

#endif
