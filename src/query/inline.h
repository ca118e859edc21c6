/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inline projections: read models in the log's own database, changed in the transactions of appends, so that they are
 * never behind it. A model that cannot take an event refuses the append.
 *
 * The tables stand beside the log's under the author's names. One row of varve_inline says of each model by which
 * version of the projection it was made, where its latest event stands, and which tables it has. Whoever appends
 * without it (another program, SQL) leaves events behind that the next append, or the next start, catches up with.
 *
 * A model is built in a generation of its own (generation.h), from the whole log and while others append, and then, in
 * one transaction of the writer's, brought up to the head and put in the place of the one before.
 *
 * Everything that store_inline names runs on the writer's thread; the rest on the caller's, or on a thread that builds.
 */
#ifndef VARVE_QUERY_INLINE_H
#define VARVE_QUERY_INLINE_H

#include <varve/query.h>
#include <varve/store.h>

#include "base/log.h"
#include "event/upcasters.h"
#include "query/place.h"
#include "query/sqlfile.h"

struct inlines;

/* Borrowed until inlines_close, the log's table and place included. */
struct inlines_options {
    varve_store *store;
    struct place place;                /* where generations are built */
    const struct upcasters *upcasters; /* complete before inlines_start; NULL: none */
    struct log log;
};

varve_status inlines_open(struct inlines **inlines, const struct inlines_options *options, varve_error *error);
/* Before inlines_start; `file` is borrowed. VARVE_NOMEM. */
varve_status inlines_add(struct inlines *inlines, const struct sqlfile *file, varve_error *error);

/*
 * Builds what is not there, or was made by another version, and has every append from then on change it. Without
 * projections nothing happens. One that cannot take an event of the log is faulted: it stays as it is, and appends that
 * it would see are refused. Otherwise fails as generation_create and store_change_inline.
 */
varve_status inlines_start(struct inlines *inlines, varve_error *error);

/* The types of all that they see, in the log; once started. */
const varve_str *inlines_types(const struct inlines *inlines, size_t *count);

/* Begins to build one anew. VARVE_BUSY: one is being built. */
varve_status inlines_rebuild(struct inlines *inlines, const struct sqlfile *file, varve_error *error);

/* Fills in what there is to say of one, started or not; the problem goes to `problem`. */
void inlines_get_status(struct inlines *inlines, const struct sqlfile *file, varve_projection_status *status,
                        char problem[256]);

/* Appends change nothing any more. NULL is allowed. */
void inlines_close(struct inlines *inlines);

#endif
