/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A check on a thread of its own, for whoever cannot wait for it, such as a server: one at a time, whose findings are
 * kept until the next one begins. Any thread.
 */
#ifndef VARVE_QUERY_CHECKING_H
#define VARVE_QUERY_CHECKING_H

#include <pthread.h>
#include <stdatomic.h>
#include <varve/projection.h>

struct models;

/* Open to be a member; starts with checking_init. */
struct checking {
    struct models *models; /* borrowed */
    atomic_bool stop;
    pthread_t thread; /* to be joined when `begun` */
    bool begun;

    pthread_mutex_t lock; /* for what follows */
    bool running;
    char name[64];
    uint64_t done, total;
    varve_status status; /* of the one that is over */
    varve_error error;
    varve_projection_check_summary summary;
    varve_buf differences; /* a list without its brackets, up to a size */
};

void checking_init(struct checking *checking, struct models *models);
/* Ends the one that runs. */
void checking_fini(struct checking *checking);

/* As varve_projection_check_start and varve_projection_check_look; the name is a projection's. */
varve_status checking_start(struct checking *checking, varve_str name, varve_error *error);
varve_status checking_look(struct checking *checking, varve_str name, varve_buf *out, varve_error *error);

#endif
