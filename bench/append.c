/* SPDX-License-Identifier: Apache-2.0 */
/* Appends of one event each: one caller, many callers that wait, many that are called back. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/bench.h"
#include "bench/measure.h"
#include "store/access.h"

enum { CALLERS = 256 };

struct appends {
    const struct corpus *corpus;
    varve_store *store;
    struct bare *bare;
    uint64_t count;                 /* appends a sample */
    uint64_t ours_next, limit_next; /* numbers of the next events */
    double batch;                   /* of our latest sample: the limit commits as many at once */
    uint64_t *ns;                   /* the time each append took */
};

static void close_appends(void *state)
{
    struct appends *appends = state;
    varve_store_close(appends->store);
    bare_close(appends->bare);
    free(appends->ns);
    free(appends);
}

static varve_status open_appends(void **state, struct bench *bench, uint64_t count, varve_error *error)
{
    struct appends *appends = calloc(1, sizeof *appends);
    if (appends == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char path[PLACE_BYTES], uri[PLACE_BYTES + 8];
    appends->corpus = &bench->corpus;
    appends->count = count;
    appends->ours_next = appends->limit_next = bench->corpus.events;
    appends->ns = calloc(count, sizeof *appends->ns);
    varve_status status = appends->ns == NULL ? varve_error_set(error, VARVE_NOMEM, "no memory") : VARVE_OK;
    if (status >= 0) status = bench_log(bench, "ours.db", path, error);
    if (status >= 0) {
        snprintf(uri, sizeof uri, "sqlite:%s", path);
        const varve_store_options options = { .uri = uri, .must_exist = true };
        status = varve_store_open(&appends->store, &options, error);
    }
    if (status >= 0) status = bench_log(bench, "limit.db", path, error);
    if (status >= 0) status = bare_open(&appends->bare, path, appends->corpus, error);
    if (status < 0) {
        close_appends(appends);
        return status;
    }
    *state = appends;
    return VARVE_OK;
}

static varve_status open_one(void **state, struct bench *bench, varve_error *error)
{
    return open_appends(state, bench, bench->quick ? 300 : 1500, error);
}

static varve_status open_many(void **state, struct bench *bench, varve_error *error)
{
    return open_appends(state, bench, (uint64_t)CALLERS * (bench->quick ? 20 : 150), error);
}

/* The two ends of a sample of ours. */
static void begin_sample(struct appends *appends, struct sample *sample, struct store_stats *before)
{
    store_get_stats(appends->store, before);
    sample->seconds = -(double)clock_ns() / 1e9;
}

static void end_sample(struct appends *appends, struct sample *sample, const struct store_stats *before)
{
    struct store_stats after;
    sample->seconds += (double)clock_ns() / 1e9;
    sample->units = (double)appends->count;
    store_get_stats(appends->store, &after);
    sample->p50_ns = measure_percentile(appends->ns, appends->count, 0.50);
    sample->p99_ns = measure_percentile(appends->ns, appends->count, 0.99);
    sample->batch =
        (double)(after.events_appended - before->events_appended) / (double)(after.commits - before->commits);
    appends->batch = sample->batch;
    appends->ours_next += appends->count;
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct appends *appends = state;
    uint64_t batch = (uint64_t)(appends->batch + 0.5), start = clock_ns();
    varve_status status = bare_append(appends->bare, appends->limit_next, appends->count, batch, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)appends->count;
    appends->limit_next += appends->count;
    return status;
}

static varve_status append(struct appends *appends, uint64_t index, varve_error *error)
{
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(appends->corpus, appends->ours_next + index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    uint64_t start = clock_ns();
    varve_status status = varve_append(appends->store, &request, NULL, error);
    appends->ns[index] = clock_ns() - start;
    return status;
}

static varve_status ours_one(void *state, struct sample *sample, varve_error *error)
{
    struct appends *appends = state;
    struct store_stats before;
    varve_status status = VARVE_OK;
    begin_sample(appends, sample, &before);
    for (uint64_t i = 0; i < appends->count && status >= 0; i++) status = append(appends, i, error);
    end_sample(appends, sample, &before);
    return status;
}

/* ---- callers that wait ---- */

struct caller {
    struct appends *appends;
    pthread_barrier_t *start;
    uint64_t first, count;
    pthread_t thread;
    varve_status status;
    varve_error error;
};

static void *call(void *argument)
{
    struct caller *caller = argument;
    pthread_barrier_wait(caller->start);
    for (uint64_t i = 0; i < caller->count && caller->status >= 0; i++)
        caller->status = append(caller->appends, caller->first + i, &caller->error);
    return NULL;
}

static varve_status ours_threads(void *state, struct sample *sample, varve_error *error)
{
    struct appends *appends = state;
    struct store_stats before;
    struct caller *callers = calloc(CALLERS, sizeof *callers);
    pthread_barrier_t start;
    if (callers == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    varve_status status = VARVE_OK;
    pthread_barrier_init(&start, NULL, CALLERS + 1);
    for (size_t i = 0; i < CALLERS; i++) {
        uint64_t count = appends->count / CALLERS;
        callers[i] = (struct caller){ .appends = appends, .start = &start, .first = i * count, .count = count };
        if (pthread_create(&callers[i].thread, NULL, call, &callers[i]) == 0) continue;
        fputs("varve-bench: no thread\n", stderr); /* those that wait at the barrier cannot be called back */
        exit(1);
    }
    begin_sample(appends, sample, &before);
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        if (status < 0 || callers[i].status >= 0) continue;
        status = callers[i].status;
        *error = callers[i].error;
    }
    end_sample(appends, sample, &before);
    pthread_barrier_destroy(&start);
    free(callers);
    return status;
}

/* ---- callers that are called back ---- */

struct outstanding {
    struct appends *appends;
    atomic_uint_fast64_t next;
    atomic_uint running;
    sem_t done;
    pthread_mutex_t lock; /* for the first failure: callbacks and the thread that begins may both have one */
    varve_error error;
};

struct slot {
    struct outstanding *all;
    uint64_t index, start_ns;
};

static void answered(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error);

static void note_failure(struct outstanding *all, const varve_error *error)
{
    pthread_mutex_lock(&all->lock);
    if (all->error.status >= 0) all->error = *error;
    pthread_mutex_unlock(&all->lock);
}

/* Sends the slot's next append; false when there is none, or on a failure. */
static bool send_next(struct slot *slot)
{
    struct outstanding *all = slot->all;
    char name[CORPUS_NAME_BYTES];
    slot->index = atomic_fetch_add(&all->next, 1);
    if (slot->index >= all->appends->count) return false;
    varve_event event = corpus_event(all->appends->corpus, all->appends->ours_next + slot->index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    slot->start_ns = clock_ns();
    varve_error error = { 0 };
    if (varve_append_async(all->appends->store, &request, answered, slot, &error) >= 0) return true;
    note_failure(all, &error);
    return false;
}

static void answered(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct slot *slot = ctx;
    struct outstanding *all = slot->all;
    (void)appended;
    all->appends->ns[slot->index] = clock_ns() - slot->start_ns;
    if (status < 0) note_failure(all, error);
    if (status >= 0 && send_next(slot)) return;
    if (atomic_fetch_sub(&all->running, 1) == 1) sem_post(&all->done);
}

static varve_status ours_callbacks(void *state, struct sample *sample, varve_error *error)
{
    struct appends *appends = state;
    struct store_stats before;
    struct outstanding all = { .appends = appends, .running = CALLERS };
    struct slot slots[CALLERS];
    sem_init(&all.done, 0, 0);
    pthread_mutex_init(&all.lock, NULL);
    begin_sample(appends, sample, &before);
    for (size_t i = 0; i < CALLERS; i++) {
        slots[i] = (struct slot){ .all = &all };
        if (!send_next(&slots[i]) && atomic_fetch_sub(&all.running, 1) == 1) sem_post(&all.done);
    }
    while (sem_wait(&all.done) != 0) {
    }
    end_sample(appends, sample, &before);
    sem_destroy(&all.done);
    pthread_mutex_destroy(&all.lock);
    if (all.error.status < 0) *error = all.error;
    return all.error.status;
}

/* ---- the rows ---- */

const struct row append_one = { "append_1",   "blocking append, one caller", "events/s", 0.8, open_one, ours_one, limit,
                                close_appends };

const struct row append_threads = {
    "append_256", "blocking append, 256 threads", "events/s", 0.7, open_many, ours_threads, limit, close_appends
};

const struct row append_callbacks = {
    "append_256_async", "append with callback, 256 outstanding", "events/s", 0.7, open_many, ours_callbacks, limit,
    close_appends
};
