/* SPDX-License-Identifier: Apache-2.0 */
/* What others ask of a worker's thread, because only that one may change the model: a queue that they wait in. */
#ifndef VARVE_QUERY_ERRAND_H
#define VARVE_QUERY_ERRAND_H

#include <pthread.h>
#include <varve/projection.h>

#include "base/log.h"
#include "query/follower.h"

enum errand_kind { ERRAND_RETRY, ERRAND_SKIP };

struct errand {
    enum errand_kind kind;
    const varve_projection_action *action; /* borrowed until it is done */
    varve_status status;
    varve_error error;
    bool done;
    struct errand *next;
};

struct errands {
    pthread_mutex_t lock;
    pthread_cond_t done;
    struct errand *first;
    bool closed; /* nobody will run any more */
};

void errands_init(struct errands *errands);
void errands_fini(struct errands *errands);

/* Puts it at the end; false when the queue is closed. Then the worker is to be woken. */
bool errands_add(struct errands *errands, struct errand *errand);
/* Waits until it is done. */
void errands_wait(struct errands *errands, const struct errand *errand);

/* The worker's: the first one, which stays there until it is answered; NULL when there is none. */
struct errand *errands_first(struct errands *errands);
/* Takes the first one off and answers it with its status and error. */
void errands_answer(struct errands *errands, struct errand *errand);
/*
 * Does what is asked with the generation that serves, whose follower stopped at an event if `faulted`. Errors as
 * varve_projection_retry and _skip. VARVE_CAUGHT_UP: nothing but going on is left to do. VARVE_LOCKED: the models are
 * another process's by now.
 */
varve_status errand_perform(struct errand *errand, struct follower *follower, bool faulted);
/* UNAVAILABLE: the model is not this process's to change, or not now. */
varve_status errand_refuse(struct errand *errand, varve_str projection, const char *owner);
/* Says in the log what was asked, by whom, and what came of it. */
void errand_note(const struct errand *errand, varve_str projection, const struct log *log);

/* Answers all that wait, and whoever comes later, with VARVE_UNAVAILABLE. */
void errands_close(struct errands *errands);

#endif
