/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a generation at work: each follows the log with a follower, a session and a thread of its own, and takes
 * the events of its own streams. They go in rounds: a batch each, all at once, and between two rounds none of them
 * does anything, so that whoever advances them has the generation to himself then.
 *
 *   parts_advance, the first time   threads begun
 *   parts_advance                   a round
 *   parts_end                       threads ended, cursors closed
 */
#ifndef VARVE_QUERY_PARTS_H
#define VARVE_QUERY_PARTS_H

#include "query/follower.h"

/*
 * As follower_advance for a generation with parts; what it says of the follower and the generation is of the whole.
 * When several parts fail, the one that is told is the most final, and of equals the one at the earliest event; it is
 * as if the others' failures had still to come. A part that is at its end waits for the others.
 */
varve_status parts_advance(struct follower *whole, bool flush, varve_error *error);

/* As the functions of follower.h. */
uint64_t parts_scanned(const struct parts *parts);
int parts_fd(struct parts *parts);

/* NULL is allowed. */
void parts_end(struct parts *parts);

#endif
