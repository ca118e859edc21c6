/* SPDX-License-Identifier: Apache-2.0 */
#include "query/waiters.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

enum { POLL_FIRST_MS = 2, POLL_MOST_MS = 50 };

struct waiter {
    struct waiter *next;
    struct query *query;
    uint64_t position;
    uint64_t deadline_ns;
    varve_query_ready ready;
    void *ctx;
    varve_status status; /* once it has left the list */
};

struct waiters {
    struct waiters_options options;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    struct waiter *list;
    size_t count;
    bool stopping;
};

/* Takes those out whose wait is over and returns them; `*next_ns` becomes the earliest deadline left. */
static struct waiter *take_over(struct waiters *waiters, bool look, uint64_t now, uint64_t *next_ns)
{
    struct waiter *over = NULL;
    *next_ns = UINT64_MAX;
    for (struct waiter **at = &waiters->list; *at != NULL;) {
        struct waiter *waiter = *at;
        varve_status status = VARVE_IDLE;
        if (waiters->stopping) {
            status = VARVE_UNAVAILABLE;
        } else if (look && waiters->options.reached(waiters->options.ctx, waiter->query, waiter->position)) {
            status = VARVE_OK;
        } else if (now >= waiter->deadline_ns) {
            status = VARVE_TIMEOUT;
        }
        if (status == VARVE_IDLE) {
            *next_ns = waiter->deadline_ns < *next_ns ? waiter->deadline_ns : *next_ns;
            at = &waiter->next;
        } else {
            waiter->status = status;
            *at = waiter->next;
            waiter->next = over;
            over = waiter;
            waiters->count--;
        }
    }
    return over;
}

/* Calls back, outside the lock. */
static void answer(struct waiter *over)
{
    while (over != NULL) {
        struct waiter *waiter = over;
        over = over->next;
        waiter->ready(waiter->ctx, waiter->status);
        free(waiter);
    }
}

void waiters_look(struct waiters *waiters)
{
    uint64_t next_ns = 0;
    pthread_mutex_lock(&waiters->lock);
    struct waiter *over = take_over(waiters, true, clock_ns(), &next_ns);
    pthread_mutex_unlock(&waiters->lock);
    answer(over);
}

bool waiters_any(struct waiters *waiters)
{
    pthread_mutex_lock(&waiters->lock);
    bool any = waiters->count > 0;
    pthread_mutex_unlock(&waiters->lock);
    return any;
}

/* Ends waits at their deadlines; with `poll` it is also the one who looks. */
static void *keep_time(void *arg)
{
    struct waiters *waiters = arg;
    uint64_t poll_ms = POLL_FIRST_MS;
    bool stopping = false;
    while (!stopping) {
        uint64_t next_ns = 0;
        pthread_mutex_lock(&waiters->lock);
        uint64_t now = clock_ns();
        struct waiter *over = take_over(waiters, waiters->options.poll, now, &next_ns);
        stopping = waiters->stopping;
        if (over == NULL && !stopping) {
            poll_ms = waiters->list == NULL ? POLL_FIRST_MS : poll_ms * 2 < POLL_MOST_MS ? poll_ms * 2 : POLL_MOST_MS;
            uint64_t poll_ns = now + poll_ms * 1000000;
            if (waiters->options.poll && waiters->list != NULL && poll_ns < next_ns) {
                next_ns = poll_ns;
            }
            if (waiters->list == NULL) {
                pthread_cond_wait(&waiters->changed, &waiters->lock);
            } else {
                const struct timespec until = { (time_t)(next_ns / 1000000000), (long)(next_ns % 1000000000) };
                pthread_cond_clockwait(&waiters->changed, &waiters->lock, CLOCK_MONOTONIC, &until);
            }
        }
        pthread_mutex_unlock(&waiters->lock);
        answer(over);
    }
    return NULL;
}

varve_status waiters_open(struct waiters **out, const struct waiters_options *options, varve_error *error)
{
    *out = NULL;
    struct waiters *waiters = calloc(1, sizeof *waiters);
    if (waiters == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for those who wait");
    }
    waiters->options = *options;
    pthread_mutex_init(&waiters->lock, NULL);
    pthread_cond_init(&waiters->changed, NULL);
    int failure = pthread_create(&waiters->thread, NULL, keep_time, waiters);
    if (failure != 0) {
        waiters_close(waiters);
        return varve_error_set(error, VARVE_UNAVAILABLE, "no thread for waiting: %s", strerror(failure));
    }
    waiters->started = true;
    *out = waiters;
    return VARVE_OK;
}

void waiters_stop(struct waiters *waiters)
{
    if (waiters != NULL && waiters->started) {
        pthread_mutex_lock(&waiters->lock);
        waiters->stopping = true;
        pthread_cond_signal(&waiters->changed);
        pthread_mutex_unlock(&waiters->lock);
        pthread_join(waiters->thread, NULL);
        waiters->started = false;
    }
}

void waiters_close(struct waiters *waiters)
{
    if (waiters != NULL) {
        waiters_stop(waiters);
        pthread_cond_destroy(&waiters->changed);
        pthread_mutex_destroy(&waiters->lock);
        free(waiters);
    }
}

varve_status waiters_add(struct waiters *waiters, struct query *query, uint64_t position, uint32_t wait_ms,
                         varve_query_ready ready, void *ctx, varve_error *error)
{
    varve_status status = VARVE_OK;
    struct waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory to wait");
    }
    waiter->query = query;
    waiter->position = position;
    waiter->deadline_ns = clock_ns() + (uint64_t)wait_ms * 1000000;
    waiter->ready = ready;
    waiter->ctx = ctx;
    pthread_mutex_lock(&waiters->lock);
    if (waiters->stopping) {
        status = varve_error_set(error, VARVE_UNAVAILABLE, "the engine is stopping");
    } else if (waiters->options.reached(waiters->options.ctx, query, position)) {
        status = VARVE_DONE;
    } else if (waiters->count >= WAITERS_MAX) {
        status = varve_error_set(error, VARVE_BUSY, "too many are waiting for read models");
    } else {
        waiter->next = waiters->list;
        waiters->list = waiter;
        waiters->count++;
        waiter = NULL;
        pthread_cond_signal(&waiters->changed);
    }
    pthread_mutex_unlock(&waiters->lock);
    free(waiter);
    return status;
}
