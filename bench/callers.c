/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/callers.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

/* ---- callers that wait ---- */

struct caller {
    const struct callers *all;
    pthread_barrier_t *start;
    atomic_uint_fast64_t *next;
    pthread_t thread;
    varve_status status;
    varve_error error;
};

static void *run_caller(void *argument)
{
    struct caller *caller = argument;
    const struct callers *all = caller->all;
    pthread_barrier_wait(caller->start);
    for (uint64_t index; caller->status >= 0 && (index = atomic_fetch_add(caller->next, 1)) < all->count;) {
        uint64_t start = clock_ns();
        caller->status = all->call(all->ctx, index, &caller->error);
        all->ns[index] = clock_ns() - start;
    }
    return NULL;
}

varve_status callers_wait(const struct callers *callers, double *seconds, varve_error *error)
{
    struct caller *threads = calloc(callers->callers, sizeof *threads);
    pthread_barrier_t start;
    atomic_uint_fast64_t next = 0;
    if (threads == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    varve_status status = VARVE_OK;
    pthread_barrier_init(&start, NULL, callers->callers + 1);
    for (size_t i = 0; i < callers->callers; i++) {
        threads[i] = (struct caller){ .all = callers, .start = &start, .next = &next };
        if (pthread_create(&threads[i].thread, NULL, run_caller, &threads[i]) == 0) continue;
        fputs("varve-bench: no thread\n", stderr); /* those that wait at the barrier cannot be called back */
        exit(1);
    }
    uint64_t began = clock_ns();
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < callers->callers; i++) {
        pthread_join(threads[i].thread, NULL);
        if (status < 0 || threads[i].status >= 0) continue;
        status = threads[i].status;
        *error = threads[i].error;
    }
    *seconds = (double)(clock_ns() - began) / 1e9;
    pthread_barrier_destroy(&start);
    free(threads);
    return status;
}

/* ---- callers that are called back ---- */

struct outstanding {
    const struct callers *all;
    atomic_uint_fast64_t next;
    atomic_uint running;
    sem_t done;
    pthread_mutex_t lock; /* for the first failure: callbacks and the thread that begins may both have one */
    varve_error error;
};

struct callers_slot {
    struct outstanding *outstanding;
    uint64_t index, start_ns;
};

static void note_failure(struct outstanding *outstanding, const varve_error *error)
{
    pthread_mutex_lock(&outstanding->lock);
    if (outstanding->error.status >= 0) outstanding->error = *error;
    pthread_mutex_unlock(&outstanding->lock);
}

/* Sends the slot's next call; false when there is none, or on a failure. */
static bool send_next(struct callers_slot *slot)
{
    struct outstanding *outstanding = slot->outstanding;
    const struct callers *all = outstanding->all;
    varve_error error = { 0 };
    slot->index = atomic_fetch_add(&outstanding->next, 1);
    if (slot->index >= all->count) return false;
    slot->start_ns = clock_ns();
    if (all->send(all->ctx, slot->index, slot, &error) >= 0) return true;
    note_failure(outstanding, &error);
    return false;
}

static void end_slot(struct outstanding *outstanding)
{
    if (atomic_fetch_sub(&outstanding->running, 1) == 1) sem_post(&outstanding->done);
}

void callers_answered(struct callers_slot *slot, varve_status status, const varve_error *error)
{
    struct outstanding *outstanding = slot->outstanding;
    outstanding->all->ns[slot->index] = clock_ns() - slot->start_ns;
    if (status < 0) note_failure(outstanding, error);
    if (status < 0 || !send_next(slot)) end_slot(outstanding);
}

varve_status callers_send(const struct callers *callers, double *seconds, varve_error *error)
{
    struct outstanding outstanding = { .all = callers, .running = callers->callers };
    struct callers_slot *slots = calloc(callers->callers, sizeof *slots);
    if (slots == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    sem_init(&outstanding.done, 0, 0);
    pthread_mutex_init(&outstanding.lock, NULL);
    uint64_t began = clock_ns();
    for (size_t i = 0; i < callers->callers; i++) {
        slots[i] = (struct callers_slot){ .outstanding = &outstanding };
        if (!send_next(&slots[i])) end_slot(&outstanding);
    }
    while (sem_wait(&outstanding.done) != 0) {
    }
    *seconds = (double)(clock_ns() - began) / 1e9;
    sem_destroy(&outstanding.done);
    pthread_mutex_destroy(&outstanding.lock);
    free(slots);
    if (outstanding.error.status < 0) *error = outstanding.error;
    return outstanding.error.status;
}
