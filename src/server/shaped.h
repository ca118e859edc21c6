/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events in the shapes that a reader asked for: as they are stored, or, with shapes=current, what the application's
 * upcasters make of them today. One event of the log is then any number of events, with one position.
 */
#ifndef VARVE_SERVER_SHAPED_H
#define VARVE_SERVER_SHAPED_H

#include <varve/read.h>
#include <varve/upcast.h>

#include "server/target.h"

/* Starts from {0}, which is "as they are stored"; ends with shaped_fini. One thread at a time. */
struct shaped {
    varve_shapes *shapes;   /* NULL: as they are stored */
    const varve_str *types; /* that the reader wants, as they are today; none: all */
    size_t type_count;
    varve_event *kept;
    size_t capacity;
};

/* Takes `wanted`, the word that the reader gave ("current", "stored" or nothing). VARVE_INVALID, VARVE_NOMEM. */
varve_status shaped_init(struct shaped *shaped, varve_engine *engine, varve_str wanted, varve_error *error);

/* The same out of the request's parameter `shapes`; makes the types of `options` those to look for in the log. */
varve_status shaped_read(struct shaped *shaped, varve_engine *engine, const struct target *target,
                         varve_read_options *options, varve_error *error);

/* What the reader gets of an event of the log: `*count` events, which may be none. Borrowed until the next call. */
varve_status shaped_event(struct shaped *shaped, const varve_event *event, const varve_event **events, size_t *count,
                          varve_error *error);

void shaped_fini(struct shaped *shaped);

#endif
