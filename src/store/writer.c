/* SPDX-License-Identifier: Apache-2.0 */
#include "store/writer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "store/chain.h"
#include "store/conditions.h"

enum {
    BATCH_APPENDS = 1024,   /* a batch's appends at most … */
    BATCH_BYTES = 16 << 20, /* … and its payload … */
    BATCH_EVENTS = 8192,    /* … and events, one append more allowed */
    BATCH_SNAPSHOTS = 64,
    QUEUE_BYTES = 64 << 20, /* payload waiting at most, besides the limit on appends */
    FULL_QUEUE_WAIT_MS = 5000,
};

#define TEND_EVERY_NS UINT64_C(1000000000) /* while answers are held back, and so tending is */

struct snapshots {
    struct store_snapshot items[BATCH_SNAPSHOTS];
    size_t count;
    struct arena memory;
};

/* Something that a caller waits for the writer's thread to do. */
struct errand {
    struct errand *next;
    writer_errand run;
    bool writes; /* to the log */
    void *ctx;
    sem_t over;
    varve_status status;
    varve_error error;
};

struct writer {
    struct writer_options options;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t work; /* the writer waits here for something to do */
    pthread_cond_t room; /* callers wait here for a place in the queue */
    struct append *first, *last;
    struct errand *errands;
    uint32_t queued;
    size_t queued_bytes;
    uint32_t waiting_for_room;
    struct snapshots *filling; /* what snapshots are put into while the other one is being written */
    bool idle;                 /* the writer is waiting for work */
    bool closing;
    varve_error poison; /* status < 0: no further writes, and why */
    struct store_stats stats;

    /* The writer thread's own. */
    bool unreachable;       /* the latest transaction could not reach the database */
    struct append *settled; /* durable or refused, and to be answered while the next batch is under way */
    uint64_t tended_ns;     /* when the log was tended last */
    struct snapshots buffers[2];
    struct store_append *batch[BATCH_APPENDS];
};

static void answer(struct append *append)
{
    if (append->callback == NULL) {
        sem_post(&append->settled); /* the caller may free the append from here on */
        return;
    }
    varve_appended appended;
    append_result(append, &appended);
    append->callback(append->ctx, append->work.status, &appended, &append->work.error);
    append_free(append);
}

static void refuse(struct append *append, const varve_error *error)
{
    append->work.status = error->status;
    append->work.error = *error;
}

static void answer_all(struct append *batch)
{
    while (batch != NULL) {
        struct append *next = batch->next;
        answer(batch);
        batch = next;
    }
}

static void answer_settled(void *ctx)
{
    struct writer *writer = ctx;
    struct append *settled = writer->settled;
    writer->settled = NULL;
    answer_all(settled);
}

/* An append that was refused because its idempotency key is known has the first one's outcome. */
static void resolve_keys(struct writer *writer, struct append *batch)
{
    for (struct append *append = batch; append != NULL; append = append->next)
        if (append->key_write != 0 && append->work.failed_write == append->key_write)
            append_resolve_key(append, writer->options.driver, writer->options.log);
}

/* ---- chains ---- */

/* An append of an earlier batch failed that it was decided on: it is not tried. */
static bool is_behind_a_break(const struct append *append)
{
    return append->chain != NULL && append->chain->is_broken;
}

/* Links the append to the one of its chain that stands before it in the batch. */
static void link_chain(struct append *append)
{
    append->work.after = NULL;
    if (append->chain == NULL) return;
    append->work.after = append->chain->last;
    append->chain->last = &append->work;
}

/* Links do not reach beyond their batch. */
static void unlink_chains(struct append *batch)
{
    for (struct append *append = batch; append != NULL; append = append->next)
        if (append->chain != NULL) append->chain->last = NULL;
}

/* ---- batches ---- */

/* What follows from outcomes: counts, broken chains, and after a fatal error no more work. */
static void conclude(struct writer *writer, struct append *batch, bool committed, const varve_error *fatal)
{
    uint64_t accepted = 0, refused = 0, events = 0;
    for (struct append *append = batch; append != NULL; append = append->next) {
        if (append->chain != NULL && append->work.status != VARVE_OK) append->chain->is_broken = true;
        if (append->work.status < 0) {
            refused++;
            continue;
        }
        accepted++;
        if (append->work.status == VARVE_OK) events += append->work.event_count;
    }
    pthread_mutex_lock(&writer->mutex);
    writer->stats.appends_accepted += accepted;
    writer->stats.appends_refused += refused;
    writer->stats.events_appended += events;
    writer->stats.commits += committed && events > 0;
    if (fatal != NULL && writer->poison.status >= 0) {
        writer->poison = *fatal;
        /* Only this batch's outcome can be unknown; what comes after it was surely not written. */
        if (fatal->status == VARVE_INDETERMINATE) writer->poison.status = VARVE_IO;
        writer->poison.flags = VARVE_ERROR_FATAL;
    }
    pthread_mutex_unlock(&writer->mutex);
}

/* What became of a transaction. */
enum outcome {
    SETTLED, /* every append has its outcome */
    SPLIT,   /* nothing was committed; in smaller pieces most of it may be */
    STOPPED, /* nothing more may be written */
};

static enum outcome commit(struct writer *writer, struct append *batch, struct snapshots *snapshots)
{
    const struct writer_options *options = &writer->options;
    struct store_batch work = { .appends = writer->batch, .meanwhile = answer_settled, .ctx = writer };
    for (struct append *append = batch; append != NULL; append = append->next) {
        if (is_behind_a_break(append)) {
            append_refuse_behind(&append->work);
            continue;
        }
        link_chain(append);
        writer->batch[work.append_count++] = &append->work;
    }
    if (snapshots != NULL) {
        work.snapshots = snapshots->items;
        work.snapshot_count = snapshots->count;
    }

    struct store_head head = watch_head(options->watch);
    varve_error error = { 0 };
    varve_status status = options->driver->commit(options->log, &work, &head, &error);
    writer->unreachable = work.unreachable;
    unlink_chains(batch);
    if (status >= 0) {
        resolve_keys(writer, batch);
        conclude(writer, batch, true, NULL);
        watch_move(options->watch, head);
        return SETTLED;
    }
    for (struct append *append = batch; append != NULL; append = append->next)
        if (!is_behind_a_break(append)) refuse(append, &error);
    if ((error.flags & VARVE_ERROR_FATAL) != 0) {
        log_line(&options->diagnostics, VARVE_LOG_ERROR, "the store stops writing: %s", error.message);
        conclude(writer, batch, false, &error);
        return STOPPED;
    }
    /* Worth another try in smaller pieces, of which the snapshots are the first that can be spared; not when somebody
     * else holds the database, which each piece would have to wait for again. */
    bool splits = work.append_count > 1 || (work.append_count == 1 && work.snapshot_count > 0);
    if (splits && status != VARVE_BUSY) return SPLIT;
    conclude(writer, batch, false, NULL);
    return SETTLED;
}

/* What is behind an append that could not reach the database is not made to try as long, one after the other. */
static void refuse_untried(struct writer *writer, struct append *appends)
{
    varve_error error = { 0 };
    varve_error_set(&error, VARVE_UNAVAILABLE, "not tried: the database could not be reached for what waited before");
    for (struct append *append = appends; append != NULL; append = append->next) refuse(append, &error);
    conclude(writer, appends, false, NULL);
}

/* Commits a batch; when it fails as a whole, its appends one by one, so that only the offender is refused. */
static void commit_batch(struct writer *writer, struct append *batch, struct snapshots *snapshots)
{
    enum outcome outcome = commit(writer, batch, snapshots);
    if (outcome != SPLIT) return;
    for (struct append *append = batch; append != NULL; append = append->next) {
        struct append *rest = append->next;
        append->next = NULL;
        if (outcome == STOPPED) {
            refuse(append, &writer->poison);
            conclude(writer, append, false, NULL);
        } else if (writer->unreachable) {
            refuse_untried(writer, append);
        } else {
            outcome = commit(writer, append, NULL); /* one append alone never splits */
        }
        append->next = rest;
    }
}

/* Takes appends off the queue, up to these bounds, one more allowed. The mutex is held. */
static struct append *take(struct writer *writer, uint32_t most, size_t most_bytes, size_t most_events)
{
    struct append *batch = writer->first, *last = NULL;
    size_t bytes = 0, events = 0;
    uint32_t count = 0;
    for (struct append *append = batch; append != NULL && count < most; append = append->next) {
        if (bytes >= most_bytes || events >= most_events) break;
        bytes += append->bytes;
        events += append->work.event_count;
        count++;
        last = append;
    }
    if (last == NULL) return NULL;
    writer->first = last->next;
    if (writer->first == NULL) writer->last = NULL;
    last->next = NULL;
    writer->queued -= count;
    writer->queued_bytes -= bytes;
    if (writer->waiting_for_room > 0) pthread_cond_broadcast(&writer->room);
    return batch;
}

static struct append *refuse_queued(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    struct append *queued = take(writer, UINT32_MAX, SIZE_MAX, SIZE_MAX);
    pthread_mutex_unlock(&writer->mutex);
    refuse_untried(writer, queued);
    return queued;
}

static struct snapshots *take_snapshots(struct writer *writer)
{
    struct snapshots *taken = writer->filling;
    if (taken->count == 0) return NULL;
    writer->filling = taken == &writer->buffers[0] ? &writer->buffers[1] : &writer->buffers[0];
    return taken;
}

/* Answers may cost as much as the work they are for, when each wakes a thread. Where a commit leaves time for it, and
 * there is one to come at once, they are given then: callers come back while the database works, and the other way. */
static bool can_answer_later(struct writer *writer, const struct snapshots *snapshots)
{
    if ((writer->options.driver->capabilities & STORE_LEAVES_TIME) == 0) return false;
    if (writer->unreachable || writer->poison.status < 0) return false;
    /* Nobody waits for what is tended. */
    if (snapshots != NULL || clock_ns() - writer->tended_ns > TEND_EVERY_NS) return false;
    pthread_mutex_lock(&writer->mutex);
    bool more = writer->first != NULL;
    pthread_mutex_unlock(&writer->mutex);
    return more;
}

static void work_off(struct writer *writer, struct append *batch, struct snapshots *snapshots)
{
    /* Only this thread writes the poison, so it may read it without the mutex. */
    if (writer->poison.status < 0) {
        for (struct append *append = batch; append != NULL; append = append->next) refuse(append, &writer->poison);
        conclude(writer, batch, false, NULL);
    } else {
        commit_batch(writer, batch, snapshots);
    }
    answer_settled(writer); /* if that was not done meanwhile */
    struct append *behind = writer->unreachable ? refuse_queued(writer) : NULL;
    writer->settled = batch;
    bool later = can_answer_later(writer, snapshots);
    if (!later) answer_settled(writer); /* who asks again from here on is tried */
    answer_all(behind);
    if (writer->poison.status >= 0 && !later) {
        writer->options.driver->tend(writer->options.log);
        writer->tended_ns = clock_ns();
    }
    if (snapshots == NULL) return;
    snapshots->count = 0;
    arena_reset(&snapshots->memory);
}

static void run_errands(struct writer *writer, struct errand *errands)
{
    answer_settled(writer);
    while (errands != NULL) {
        struct errand *errand = errands;
        errands = errand->next;
        if (errand->writes && writer->poison.status < 0) {
            errand->error = writer->poison;
            errand->status = writer->poison.status;
        } else {
            errand->status = errand->run(errand->ctx, writer->options.log, &errand->error);
            if (errand->status < 0 && (errand->error.flags & VARVE_ERROR_FATAL) != 0)
                conclude(writer, NULL, false, &errand->error);
        }
        sem_post(&errand->over); /* it is the caller's again */
    }
}

static void *run(void *argument)
{
    struct writer *writer = argument;
    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        while (writer->first == NULL && writer->errands == NULL && !writer->closing) {
            writer->idle = true;
            pthread_cond_wait(&writer->work, &writer->mutex);
            writer->idle = false;
        }
        struct errand *errands = writer->errands;
        writer->errands = NULL;
        if (errands != NULL) {
            pthread_mutex_unlock(&writer->mutex);
            run_errands(writer, errands);
            pthread_mutex_lock(&writer->mutex);
            continue;
        }
        struct append *batch = take(writer, BATCH_APPENDS, BATCH_BYTES, BATCH_EVENTS);
        struct snapshots *snapshots = take_snapshots(writer);
        pthread_mutex_unlock(&writer->mutex);
        if (batch == NULL && snapshots == NULL) return NULL; /* closing, and everything is answered */
        work_off(writer, batch, snapshots);
        pthread_mutex_lock(&writer->mutex);
    }
}

varve_status writer_open(struct writer **out, const struct writer_options *options, varve_error *error)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for the store's writer");
    writer->options = *options;
    writer->filling = &writer->buffers[0];
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->work, NULL);
    pthread_cond_init(&writer->room, NULL);
    int failed = pthread_create(&writer->thread, NULL, run, writer);
    if (failed != 0) {
        pthread_cond_destroy(&writer->room);
        pthread_cond_destroy(&writer->work);
        pthread_mutex_destroy(&writer->mutex);
        free(writer);
        return varve_error_set(error, VARVE_NOMEM, "the store's writer thread cannot start: %s", strerror(failed));
    }
    *out = writer;
    return VARVE_OK;
}

static bool is_full(const struct writer *writer)
{
    return writer->queued >= writer->options.queue_limit || writer->queued_bytes >= QUEUE_BYTES;
}

/* Waits for a place in the queue. The mutex is held. */
static void wait_for_room(struct writer *writer)
{
    struct timespec deadline = clock_deadline(FULL_QUEUE_WAIT_MS);
    int timed_out = 0;
    writer->waiting_for_room++;
    while (is_full(writer) && !writer->closing && timed_out == 0)
        timed_out = pthread_cond_clockwait(&writer->room, &writer->mutex, CLOCK_MONOTONIC, &deadline);
    writer->waiting_for_room--;
}

varve_status writer_put(struct writer *writer, struct append *append, bool wait, varve_error *error)
{
    varve_status status = VARVE_OK;
    pthread_mutex_lock(&writer->mutex);
    if (wait && is_full(writer)) wait_for_room(writer);
    if (writer->poison.status < 0) {
        status = varve_error_set(error, writer->poison.status, "the store stopped writing: %s", writer->poison.message);
        if (error != NULL) error->flags |= VARVE_ERROR_FATAL;
    } else if (writer->closing) {
        status = varve_error_set(error, VARVE_UNAVAILABLE, "the store is closing");
    } else if (is_full(writer)) {
        status = varve_error_set(error, VARVE_BUSY, "%u appends are waiting already; try again later", writer->queued);
    } else {
        append->next = NULL;
        if (writer->last != NULL)
            writer->last->next = append;
        else
            writer->first = append;
        writer->last = append;
        writer->queued++;
        writer->queued_bytes += append->bytes;
        if (writer->idle) pthread_cond_signal(&writer->work);
    }
    pthread_mutex_unlock(&writer->mutex);
    return status;
}

void writer_put_snapshot(struct writer *writer, const struct store_snapshot *snapshot)
{
    pthread_mutex_lock(&writer->mutex);
    struct snapshots *filling = writer->filling;
    if (filling->count < BATCH_SNAPSHOTS && !writer->closing && writer->poison.status >= 0) {
        struct store_snapshot *copy = &filling->items[filling->count];
        *copy = *snapshot;
        if (arena_copy(&filling->memory, snapshot->stream, &copy->stream) &&
            arena_copy(&filling->memory, snapshot->state, &copy->state))
            filling->count++;
    }
    pthread_mutex_unlock(&writer->mutex);
}

/* False when the writer is closing. */
static bool put_errand(struct writer *writer, struct errand *errand)
{
    pthread_mutex_lock(&writer->mutex);
    bool closing = writer->closing;
    if (!closing) {
        errand->next = writer->errands;
        writer->errands = errand;
        if (writer->idle) pthread_cond_signal(&writer->work);
    }
    pthread_mutex_unlock(&writer->mutex);
    return !closing;
}

varve_status writer_run(struct writer *writer, writer_errand what, bool writes, void *ctx, varve_error *error)
{
    struct errand errand = { .run = what, .writes = writes, .ctx = ctx };
    sem_init(&errand.over, 0, 0);
    if (!put_errand(writer, &errand)) {
        sem_destroy(&errand.over);
        return varve_error_set(error, VARVE_UNAVAILABLE, "the store is closing");
    }
    while (sem_wait(&errand.over) != 0) {
    } /* only a signal handler can interrupt it */
    sem_destroy(&errand.over);
    if (errand.status < 0 && error != NULL) *error = errand.error;
    return errand.status;
}

void writer_get_stats(struct writer *writer, struct store_stats *stats)
{
    pthread_mutex_lock(&writer->mutex);
    *stats = writer->stats;
    stats->queue_length = writer->queued;
    stats->writable = writer->poison.status >= 0;
    pthread_mutex_unlock(&writer->mutex);
}

void writer_close(struct writer *writer)
{
    if (writer == NULL) return;
    pthread_mutex_lock(&writer->mutex);
    writer->closing = true;
    pthread_cond_signal(&writer->work);
    pthread_cond_broadcast(&writer->room);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    ASSERT(writer->first == NULL);
    arena_fini(&writer->buffers[0].memory);
    arena_fini(&writer->buffers[1].memory);
    pthread_cond_destroy(&writer->room);
    pthread_cond_destroy(&writer->work);
    pthread_mutex_destroy(&writer->mutex);
    free(writer);
}
