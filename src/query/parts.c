/* SPDX-License-Identifier: Apache-2.0 */
#include "query/parts.h"

#include <pthread.h>
#include <stdlib.h>

struct part {
    struct parts *parts;
    pthread_t thread;
    struct follower follower;
    varve_status status; /* of the last round */
    varve_error error;
};

struct parts {
    struct part each[VARVE_PARTITIONS_MAX];
    unsigned count; /* with a thread */
    pthread_mutex_t lock;
    pthread_cond_t begun, over;
    uint64_t round;
    unsigned busy; /* that are at it */
    bool flush, ending;
};

/* Has the part an end, and is it before the first event? A follower has no such end. */
static bool is_empty(const struct follower *follower)
{
    return follower->untils != NULL && follower->until == 0;
}

static void *work(void *arg)
{
    struct part *part = arg;
    struct parts *parts = part->parts;
    uint64_t done = 0;
    pthread_mutex_lock(&parts->lock);
    while (!parts->ending) {
        if (parts->round == done) {
            pthread_cond_wait(&parts->begun, &parts->lock);
            continue;
        }
        done = parts->round;
        bool flush = parts->flush;
        pthread_mutex_unlock(&parts->lock);
        part->error = (varve_error){ 0 };
        part->status = is_empty(&part->follower) ? VARVE_DONE : follower_advance(&part->follower, flush, &part->error);
        pthread_mutex_lock(&parts->lock);
        if (--parts->busy == 0) {
            pthread_cond_signal(&parts->over);
        }
    }
    pthread_mutex_unlock(&parts->lock);
    return NULL;
}

void parts_end(struct parts *parts)
{
    if (parts == NULL) {
        return;
    }
    pthread_mutex_lock(&parts->lock);
    parts->ending = true;
    pthread_cond_broadcast(&parts->begun);
    pthread_mutex_unlock(&parts->lock);
    for (unsigned i = 0; i < parts->count; i++) {
        pthread_join(parts->each[i].thread, NULL);
        follower_stop(&parts->each[i].follower);
    }
    pthread_cond_destroy(&parts->over);
    pthread_cond_destroy(&parts->begun);
    pthread_mutex_destroy(&parts->lock);
    free(parts);
}

static varve_status begin(struct follower *whole, varve_error *error)
{
    struct generation *generation = whole->generation;
    struct parts *parts = whole->parts = calloc(1, sizeof *parts);
    if (parts == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for the partitions of a projection");
    }
    pthread_mutex_init(&parts->lock, NULL);
    pthread_cond_init(&parts->begun, NULL);
    pthread_cond_init(&parts->over, NULL);
    for (unsigned i = 0; i < generation->part_count; i++) {
        struct part *part = &parts->each[i];
        part->parts = parts;
        part->follower = (struct follower){
            .store = whole->store,
            .generation = generation->parts[i],
            .until = whole->untils != NULL ? whole->untils[i] : whole->until,
            .untils = whole->untils,
        };
        int failure = pthread_create(&part->thread, NULL, work, part);
        if (failure != 0) {
            parts_end(parts);
            whole->parts = NULL;
            varve_error_set(error, VARVE_UNAVAILABLE, "no thread for a partition: %s", strerror(failure));
            if (error != NULL) {
                error->flags |= VARVE_ERROR_RETRIABLE;
            }
            return VARVE_UNAVAILABLE;
        }
        parts->count++;
    }
    return VARVE_OK;
}

static void run_round(struct parts *parts, uint32_t batch_ms, bool flush)
{
    pthread_mutex_lock(&parts->lock);
    for (unsigned i = 0; i < parts->count; i++) {
        parts->each[i].follower.batch_ms = batch_ms;
    }
    parts->flush = flush;
    parts->busy = parts->count;
    parts->round++;
    pthread_cond_broadcast(&parts->begun);
    while (parts->busy > 0) {
        pthread_cond_wait(&parts->over, &parts->lock);
    }
    pthread_mutex_unlock(&parts->lock);
}

/* How much an outcome counts beside others. */
static int weight_of(const struct part *part)
{
    switch (part->status) {
    case VARVE_DONE:
        return 0;
    case VARVE_IDLE:
        return 1;
    case VARVE_OK:
        return 2;
    case VARVE_REWOUND:
        return 5;
    case VARVE_LOCKED:
        return 6;
    default: /* what may pass comes again */
        return part->status == VARVE_IO || (part->error.flags & VARVE_ERROR_RETRIABLE) != 0 ? 3 : 4;
    }
}

/* The part whose outcome is that of the round. */
static const struct part *decide(const struct parts *parts)
{
    const struct part *decisive = &parts->each[0];
    for (unsigned i = 1; i < parts->count; i++) {
        const struct part *part = &parts->each[i];
        int more = weight_of(part) - weight_of(decisive);
        if (more > 0 || (more == 0 && part->follower.failed < decisive->follower.failed)) {
            decisive = part;
        }
    }
    return decisive;
}

varve_status parts_advance(struct follower *whole, bool flush, varve_error *error)
{
    struct generation *generation = whole->generation;
    bool caught_up = true;
    whole->failed = 0;
    if (generation->uncertain) {
        /* Where they read on depends on what was committed. */
        follower_stop(whole);
    }
    varve_status status = generation_settle(generation, error);
    if (status == VARVE_OK && whole->parts == NULL) {
        status = begin(whole, error);
    }
    if (status < 0) {
        return status;
    }
    struct parts *parts = whole->parts;
    run_round(parts, whole->batch_ms, flush);
    for (unsigned i = 0; i < parts->count; i++) {
        struct follower *follower = &parts->each[i].follower;
        whole->applied += follower->applied;
        follower->applied = 0;
        caught_up = caught_up && follower->caught_up;
    }
    whole->caught_up = whole->caught_up || caught_up;
    generation_gather(generation);
    const struct part *decisive = decide(parts);
    whole->failed = decisive->follower.failed;
    whole->failed_id = decisive->follower.failed_id;
    whole->failed_in = decisive->follower.failed_in;
    if (decisive->status < 0 && error != NULL) {
        *error = decisive->error;
    }
    return decisive->status;
}

/* The part that has looked at least of the log, of those that are to look at any. */
static unsigned find_last(const struct parts *parts)
{
    unsigned last = 0;
    for (unsigned i = 1; i < parts->count; i++) {
        const struct follower *follower = &parts->each[i].follower, *least = &parts->each[last].follower;
        if (is_empty(least) || (!is_empty(follower) && follower_scanned(follower) < follower_scanned(least))) {
            last = i;
        }
    }
    return last;
}

uint64_t parts_scanned(const struct parts *parts)
{
    return follower_scanned(&parts->each[find_last(parts)].follower);
}

/* The last one is told of whatever came since it looked, also of what the others have seen. */
int parts_fd(struct parts *parts)
{
    return follower_fd(&parts->each[find_last(parts)].follower);
}
