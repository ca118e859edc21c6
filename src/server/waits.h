/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for something to happen, and hold no thread for it: one thread for all of them waits for their
 * descriptors and times, and has the workers go on with what is due.
 */
#ifndef VARVE_SERVER_WAITS_H
#define VARVE_SERVER_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/workers.h"

struct waits;

/* One that waits; part of what waits, so that it needs no memory of its own. Starts from {0}. */
struct wait {
    struct job *job;
    int fd;
    uint64_t due_ns;
    struct wait *previous, *next;
};

/* `limit`: how many may wait at the same time. VARVE_NOMEM, VARVE_UNAVAILABLE. */
varve_status waits_open(struct waits **waits, struct workers *workers, unsigned limit, varve_error *error);

/* Takes and gives back one of the places. VARVE_BUSY: all are taken. Any thread. */
varve_status waits_enter(struct waits *waits, varve_error *error);
void waits_leave(struct waits *waits);

/*
 * Has `job` submitted once, when `fd` polls readable (-1: no descriptor), by `due_ns` (clock_ns, to some 10 ms) at the
 * latest, or when the waiting is ended. The descriptor must stay open until then. False: it was not taken, go on
 * without. Any thread.
 */
bool waits_park(struct waits *waits, struct wait *wait, int fd, uint64_t due_ns, struct job *job);

/* Ends all waiting, now and from now on. */
void waits_end(struct waits *waits);

/* After the last request that waited is over. NULL is allowed. */
void waits_close(struct waits *waits);

#endif
