/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for what may wait: reading the store, asking a query. The threads that speak HTTP never do
 * either, so that one slow query does not keep an append from being answered.
 */
#ifndef VARVE_SERVER_WORKERS_H
#define VARVE_SERVER_WORKERS_H

#include <varve/error.h>

struct workers;

/* A piece of work, part of what it works on, so that handing it over cannot fail. */
struct job {
    void (*run)(struct job *job); /* the job may be submitted again, or freed, as soon as this runs */
    struct job *next;             /* the workers' while it waits */
};

/* Starts `count` threads. VARVE_NOMEM, VARVE_UNAVAILABLE. */
varve_status workers_open(struct workers **workers, unsigned count, varve_error *error);
/* Hands over a job, which is run once, in order of arrival. Any thread; does not wait. */
void workers_submit(struct workers *workers, struct job *job);
/* Runs what is left and ends the threads. Nobody submits any more. NULL is allowed. */
void workers_close(struct workers *workers);

#endif
