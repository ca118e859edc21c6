/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that must have delivered a request by some time, or are cut off. libmicrohttpd knows only how long a
 * connection has been silent, so a client that sends a byte now and then would keep it for ever. Who is late is looked
 * for every so often; a socket is only shut down here, and closed by its owner.
 */
#ifndef VARVE_SERVER_DEADLINE_H
#define VARVE_SERVER_DEADLINE_H

#include <varve/error.h>

struct deadlines;
struct deadline; /* of one connection */
struct metrics;

#define DEADLINE_NONE UINT64_MAX

/* Looks every `every_ms`, while there are connections, and counts in `metrics` (borrowed). NOMEM, UNAVAILABLE. */
varve_status deadlines_open(struct deadlines **deadlines, uint32_t every_ms, struct metrics *metrics,
                            varve_error *error);
/* When all are removed. NULL is allowed. */
void deadlines_close(struct deadlines *deadlines);

/* Watches a connection's socket until deadline_remove, to be called before it is closed. NULL when memory is out. */
struct deadline *deadline_add(struct deadlines *deadlines, int fd, uint64_t at_ns);
/* NULL is allowed. */
void deadline_remove(struct deadlines *deadlines, struct deadline *deadline);
/* Moves it, in clock_ns; DEADLINE_NONE: there is none now. Takes no lock. */
void deadline_set(struct deadline *deadline, uint64_t at_ns);

#endif
