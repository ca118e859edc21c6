/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lane.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "command/look.h"

#define LINES_BUCKETS 1024u /* a power of two; some thousands of streams may be under way */

/* First in, first out. */
struct queue {
    struct task *first;
    struct task *last;
};

/*
 * A stream with commands under way, and who is behind. It exists from the first command until the
 * line is empty again. A stream's pending state, once commands decide on it, belongs here.
 */
struct line {
    struct line *next; /* in its bucket */
    uint64_t hash;
    struct queue behind;
    size_t stream_len;
    char stream[];
};

struct lane {
    const struct lane_options *options;
    struct load_decider *deciders; /* as in the registry */
    size_t open_count;             /* of them: with an open worker */
    pthread_t thread;
    bool started;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    /* Under the mutex: */
    struct queue arriving; /* new tasks */
    struct queue answered; /* commands whose append the store has answered */
    bool stopping;
    bool asleep;

    /* The thread's own: */
    struct line *lines[LINES_BUCKETS];
    struct queue ready;   /* first in their lines now */
    struct task *waiting; /* until they are due, the earliest first */
    size_t admitted;      /* commands that are in a line */
    uint64_t random;
    struct load_kept kept;
};

static void queue_add(struct queue *queue, struct task *task)
{
    task->next = NULL;
    if (queue->last == NULL)
        queue->first = task;
    else
        queue->last->next = task;
    queue->last = task;
}

static struct task *queue_take(struct queue *queue)
{
    struct task *task = queue->first;
    if (task != NULL) {
        queue->first = task->next;
        if (queue->first == NULL) queue->last = NULL;
    }
    return task;
}

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016). */
static uint64_t next_random(struct lane *lane)
{
    uint64_t x = lane->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    lane->random = x;
    return (x * UINT64_C(0x2545F4914F6CDD1D)) >> 32;
}

/* ---- lines ---- */

static struct line **find_line(struct lane *lane, uint64_t hash, varve_str stream)
{
    struct line **at = &lane->lines[(hash >> 32) & (LINES_BUCKETS - 1)];
    while (*at != NULL) {
        struct line *line = *at;
        if (line->hash == hash && varve_str_eq((varve_str){ line->stream, line->stream_len }, stream)) break;
        at = &line->next;
    }
    return at;
}

/* A command arrives at its stream's line: it is ready when it is the first, else it stands behind. False: no memory. */
static bool line_up(struct lane *lane, struct task *task)
{
    varve_str stream = task->command.stream;
    struct line **at = find_line(lane, task->hash, stream);
    struct line *line = *at;
    if (line != NULL) {
        queue_add(&line->behind, task);
    } else {
        line = calloc(1, sizeof *line + stream.len);
        if (line == NULL) return false;
        line->hash = task->hash;
        line->stream_len = stream.len;
        memcpy(line->stream, stream.ptr, stream.len);
        *at = line;
        queue_add(&lane->ready, task);
    }
    task->line = line;
    lane->admitted++;
    return true;
}

/* A command is over: the one behind it is ready, or the line is dissolved. */
static void step_out(struct lane *lane, struct task *task)
{
    struct line *line = task->line;
    struct task *behind = queue_take(&line->behind);
    lane->admitted--;
    if (behind != NULL) {
        queue_add(&lane->ready, behind);
        return;
    }
    struct line **at = find_line(lane, line->hash, (varve_str){ line->stream, line->stream_len });
    ASSERT(*at == line);
    *at = line->next;
    free(line);
}

/* ---- the work ---- */

/* On the store's writer thread. */
static void answered(struct execute *execute)
{
    struct task *task = (struct task *)(void *)((char *)execute - offsetof(struct task, execute));
    struct lane *lane = task->lane;
    pthread_mutex_lock(&lane->mutex);
    queue_add(&lane->answered, task);
    if (lane->asleep) pthread_cond_signal(&lane->wake);
    pthread_mutex_unlock(&lane->mutex);
}

static struct load_source load_source(struct lane *lane, const struct task *task)
{
    return (struct load_source){
        .store = lane->options->store,
        .decider = &lane->deciders[task->decider],
        .kept = &lane->kept,
        .log = lane->options->log,
    };
}

static void wait_until_due(struct lane *lane, struct task *task)
{
    task->due_ns = clock_ns() + (uint64_t)task->execute.delay_ms * 1000000;
    struct task **at = &lane->waiting;
    while (*at != NULL && (*at)->due_ns <= task->due_ns) at = &(*at)->next;
    task->next = *at;
    *at = task;
}

static void run_command(struct lane *lane, struct task *task)
{
    switch (execute_run(&task->execute, next_random(lane))) {
    case EXECUTE_IS_OVER:
        step_out(lane, task);
        lane->options->over(lane->options->ctx, task);
        break;
    case EXECUTE_HAS_TO_WAIT:
        wait_until_due(lane, task);
        break;
    case EXECUTE_IN_STORE: /* it may be back in `answered` already */
        break;
    }
}

static void run_look(struct lane *lane, struct task *task)
{
    struct load_source source = load_source(lane, task);
    look_run(task->look, &source);
    lane->options->over(lane->options->ctx, task);
}

/* A new task: a look is answered at once, from what is durable; a command joins its stream's line. */
static void admit(struct lane *lane, struct task *task)
{
    if (task->look != NULL) {
        run_look(lane, task);
        return;
    }
    task->execute.source = load_source(lane, task);
    task->execute.answered = answered;
    if (!line_up(lane, task)) {
        task->execute.status = varve_error_set(&task->execute.error, VARVE_NOMEM, "out of memory");
        lane->options->over(lane->options->ctx, task);
    }
}

static bool is_due(const struct lane *lane)
{
    return lane->waiting != NULL && clock_ns() >= lane->waiting->due_ns;
}

/* Until something arrives, is answered or is due. Under the mutex. */
static void sleep_until_something(struct lane *lane)
{
    lane->asleep = true;
    if (lane->waiting == NULL) {
        pthread_cond_wait(&lane->wake, &lane->mutex);
    } else {
        uint64_t now = clock_ns();
        uint64_t wait_ns = lane->waiting->due_ns > now ? lane->waiting->due_ns - now : 0;
        struct timespec deadline = clock_deadline((uint32_t)(wait_ns / 1000000) + 1);
        pthread_cond_clockwait(&lane->wake, &lane->mutex, CLOCK_MONOTONIC, &deadline);
    }
    lane->asleep = false;
}

/*
 * Does the next thing there is to do: first what the store has answered, because somebody waits for
 * it and a line behind it; then what is ready or due; new tasks last. False when the lane is
 * stopping and has nothing left.
 */
static bool do_next(struct lane *lane)
{
    struct task *task = NULL;
    struct task *arrived = NULL;
    pthread_mutex_lock(&lane->mutex);
    for (;;) {
        task = queue_take(&lane->answered);
        if (task == NULL) task = queue_take(&lane->ready);
        if (task == NULL && is_due(lane)) {
            task = lane->waiting;
            lane->waiting = task->next;
        }
        if (task == NULL) arrived = queue_take(&lane->arriving);
        if (task != NULL || arrived != NULL || (lane->stopping && lane->admitted == 0)) break;
        sleep_until_something(lane);
    }
    pthread_mutex_unlock(&lane->mutex);
    if (task != NULL)
        run_command(lane, task);
    else if (arrived != NULL)
        admit(lane, arrived);
    return task != NULL || arrived != NULL;
}

static void *run_lane(void *ctx)
{
    struct lane *lane = ctx;
    while (do_next(lane)) {
    }
    return NULL;
}

/* ---- open, push, close: other threads ---- */

static varve_status open_deciders(struct lane *lane, varve_error *error)
{
    const struct registry *registry = lane->options->registry;
    lane->deciders = calloc(registry->count + 1, sizeof *lane->deciders);
    if (lane->deciders == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    for (size_t i = 0; i < registry->count; i++) {
        const struct registry_entry *entry = &registry->entries[i];
        struct load_decider *decider = &lane->deciders[i];
        *decider = (struct load_decider){ .table = entry->decider, .worker = entry->ctx };
        if (entry->decider->worker_open != NULL) {
            varve_status status = entry->decider->worker_open(entry->ctx, &decider->worker, error);
            if (status < 0) return status;
        }
        lane->open_count++;
    }
    return VARVE_OK;
}

varve_status lane_open(struct lane **lane, const struct lane_options *options, varve_error *error)
{
    *lane = NULL;
    struct lane *made = calloc(1, sizeof *made);
    if (made == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    made->options = options;
    made->random = clock_ns() | 1;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->wake, NULL);
    varve_status status = open_deciders(made, error);
    if (status < 0) {
        lane_close(made);
        return status;
    }
    *lane = made;
    return VARVE_OK;
}

varve_status lane_start(struct lane *lane, varve_error *error)
{
    int failed = pthread_create(&lane->thread, NULL, run_lane, lane);
    if (failed != 0) return varve_error_set(error, VARVE_NOMEM, "no thread for a command lane: %s", strerror(failed));
    lane->started = true;
    return VARVE_OK;
}

bool lane_push(struct lane *lane, struct task *task)
{
    task->lane = lane;
    pthread_mutex_lock(&lane->mutex);
    bool accepted = !lane->stopping;
    if (accepted) {
        queue_add(&lane->arriving, task);
        if (lane->asleep) pthread_cond_signal(&lane->wake);
    }
    pthread_mutex_unlock(&lane->mutex);
    return accepted;
}

void lane_stop(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->stopping = true;
    pthread_cond_signal(&lane->wake);
    pthread_mutex_unlock(&lane->mutex);
}

void lane_close(struct lane *lane)
{
    if (lane == NULL) return;
    if (lane->started) pthread_join(lane->thread, NULL);
    for (size_t i = 0; i < lane->open_count; i++)
        if (lane->deciders[i].table->worker_open != NULL && lane->deciders[i].table->worker_close != NULL)
            lane->deciders[i].table->worker_close(lane->deciders[i].worker);
    free(lane->deciders);
    pthread_cond_destroy(&lane->wake);
    pthread_mutex_destroy(&lane->mutex);
    free(lane);
}
