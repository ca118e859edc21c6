/* SPDX-License-Identifier: Apache-2.0 */
#include "server/deadline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "server/metrics.h"

struct deadline {
    int fd;
    _Atomic uint64_t at_ns;
    struct deadline *previous, *next;
};

struct deadlines {
    uint32_t every_ms;
    struct metrics *metrics;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* guards everything below; while it is held no socket in the list is closed */
    pthread_cond_t changed;
    struct deadline *first;
    bool closing;
};

/* Under the lock. */
static void cut_late(struct deadlines *deadlines)
{
    uint64_t now = clock_ns();
    for (struct deadline *deadline = deadlines->first; deadline != NULL; deadline = deadline->next) {
        if (atomic_load_explicit(&deadline->at_ns, memory_order_relaxed) > now) continue;
        deadline_set(deadline, DEADLINE_NONE);
        shutdown(deadline->fd, SHUT_RDWR); /* its owner reads the end */
        metrics_count_cut(deadlines->metrics);
    }
}

static void *run(void *arg)
{
    struct deadlines *deadlines = arg;
    pthread_mutex_lock(&deadlines->lock);
    while (!deadlines->closing) {
        if (deadlines->first == NULL) {
            pthread_cond_wait(&deadlines->changed, &deadlines->lock);
            continue;
        }
        struct timespec next = clock_deadline(deadlines->every_ms);
        int late = 0;
        while (!deadlines->closing && late == 0) {
            late = pthread_cond_clockwait(&deadlines->changed, &deadlines->lock, CLOCK_MONOTONIC, &next);
        }
        cut_late(deadlines);
    }
    pthread_mutex_unlock(&deadlines->lock);
    return NULL;
}

varve_status deadlines_open(struct deadlines **opened, uint32_t every_ms, struct metrics *metrics, varve_error *error)
{
    struct deadlines *deadlines = calloc(1, sizeof *deadlines);
    *opened = NULL;
    if (deadlines == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    deadlines->every_ms = every_ms;
    deadlines->metrics = metrics;
    pthread_mutex_init(&deadlines->lock, NULL);
    pthread_cond_init(&deadlines->changed, NULL);
    deadlines->running = pthread_create(&deadlines->thread, NULL, run, deadlines) == 0;
    if (!deadlines->running) {
        deadlines_close(deadlines);
        return varve_error_set(error, VARVE_UNAVAILABLE, "the server's threads cannot be started");
    }
    *opened = deadlines;
    return VARVE_OK;
}

void deadlines_close(struct deadlines *deadlines)
{
    if (deadlines == NULL) return;
    if (deadlines->running) {
        pthread_mutex_lock(&deadlines->lock);
        deadlines->closing = true;
        pthread_cond_signal(&deadlines->changed);
        pthread_mutex_unlock(&deadlines->lock);
        pthread_join(deadlines->thread, NULL);
    }
    pthread_cond_destroy(&deadlines->changed);
    pthread_mutex_destroy(&deadlines->lock);
    free(deadlines);
}

struct deadline *deadline_add(struct deadlines *deadlines, int fd, uint64_t at_ns)
{
    struct deadline *deadline = calloc(1, sizeof *deadline);
    if (deadline == NULL) return NULL;
    deadline->fd = fd;
    deadline_set(deadline, at_ns);
    pthread_mutex_lock(&deadlines->lock);
    deadline->next = deadlines->first;
    if (deadline->next != NULL) deadline->next->previous = deadline;
    if (deadline->next == NULL) pthread_cond_signal(&deadlines->changed);
    deadlines->first = deadline;
    pthread_mutex_unlock(&deadlines->lock);
    return deadline;
}

void deadline_remove(struct deadlines *deadlines, struct deadline *deadline)
{
    if (deadline == NULL) return;
    pthread_mutex_lock(&deadlines->lock);
    *(deadline->previous == NULL ? &deadlines->first : &deadline->previous->next) = deadline->next;
    if (deadline->next != NULL) deadline->next->previous = deadline->previous;
    pthread_mutex_unlock(&deadlines->lock);
    free(deadline);
}

void deadline_set(struct deadline *deadline, uint64_t at_ns)
{
    atomic_store_explicit(&deadline->at_ns, at_ns, memory_order_relaxed);
}
