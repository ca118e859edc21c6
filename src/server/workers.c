/* SPDX-License-Identifier: Apache-2.0 */
#include "server/workers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct workers {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t came;
    struct job *first, **last;
    bool closing;
    unsigned count;
    pthread_t threads[];
};

static void *work(void *arg)
{
    struct workers *workers = arg;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        struct job *job = workers->first;
        if (job == NULL && workers->closing) break;
        if (job == NULL) {
            pthread_cond_wait(&workers->came, &workers->lock);
            continue;
        }
        workers->first = job->next;
        if (workers->first == NULL) workers->last = &workers->first;
        pthread_mutex_unlock(&workers->lock);
        job->run(job);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

varve_status workers_open(struct workers **opened, unsigned count, varve_error *error)
{
    struct workers *workers = calloc(1, sizeof *workers + count * sizeof *workers->threads);
    *opened = NULL;
    if (workers == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->came, NULL);
    workers->last = &workers->first;
    for (; workers->count < count; workers->count++) {
        if (pthread_create(&workers->threads[workers->count], NULL, work, workers) != 0) {
            workers_close(workers);
            return varve_error_set(error, VARVE_UNAVAILABLE, "the server's threads cannot be started");
        }
    }
    *opened = workers;
    return VARVE_OK;
}

void workers_submit(struct workers *workers, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&workers->lock);
    *workers->last = job;
    workers->last = &job->next;
    pthread_cond_signal(&workers->came);
    pthread_mutex_unlock(&workers->lock);
}

void workers_close(struct workers *workers)
{
    if (workers == NULL) return;
    pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    pthread_cond_broadcast(&workers->came);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++) pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->came);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
