/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lane.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "command/line.h"
#include "command/look.h"

enum { AHEAD_MAX = 256 }; /* commands of one stream that are decided and not durable, at most */

struct lane {
    const struct lane_options *options;
    struct load_decider *deciders; /* as in the registry */
    size_t open_count;             /* of them: with an open worker */
    struct upcast upcast;          /* all of theirs */
    pthread_t thread;
    bool started;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    /* Under the mutex: */
    struct queue arriving; /* new tasks */
    struct task *first_answered,
        *last_answered; /* commands that the store has answered, in its order, or whose turn it is */
    bool stopping;
    bool asleep;

    /* The thread's own: */
    struct line_table lines;
    struct line *first_ready, *last_ready; /* a command can be decided */
    struct line *waiting;                  /* until they are due, the earliest first */
    size_t admitted;                       /* commands that are in a line */
    uint64_t random;
    struct load_kept kept;
};

void queue_add(struct queue *queue, struct task *task)
{
    task->next = NULL;
    if (queue->last == NULL)
        queue->first = task;
    else
        queue->last->next = task;
    queue->last = task;
}

struct task *queue_take(struct queue *queue)
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

/* ---- what is ready, what waits ---- */

static void wait_until_due(struct lane *lane, struct line *line, uint32_t delay_ms)
{
    line->is_listed = true;
    line->due_ns = clock_ns() + (uint64_t)delay_ms * 1000000;
    struct line **at = &lane->waiting;
    while (*at != NULL && (*at)->due_ns <= line->due_ns) at = &(*at)->next;
    line->next = *at;
    *at = line;
}

static bool can_decide(const struct line *line)
{
    if (line->behind.first == NULL || line->is_broken || line->is_listed) return false;
    if (line->ahead.first != NULL &&
        (execute_is_alone(&line->behind.first->execute) || execute_is_alone(&line->ahead.first->execute)))
        return false;
    return line->ahead_count < (line->is_stuck ? 1 : AHEAD_MAX);
}

/* After a change: the line gets ready, or rests when nothing is left; then it may be gone. */
static void settle_down(struct lane *lane, struct line *line)
{
    if (can_decide(line)) {
        line->is_listed = true;
        line->next = NULL;
        *(lane->last_ready != NULL ? &lane->last_ready->next : &lane->first_ready) = line;
        lane->last_ready = line;
    } else if (!line->is_listed && line->behind.first == NULL && line->ahead.first == NULL) {
        line_table_rest(&lane->lines, line);
    }
}

static struct line *take_ready(struct lane *lane)
{
    struct line *line = lane->first_ready;
    if (line == NULL) return NULL;
    lane->first_ready = line->next;
    if (lane->first_ready == NULL) lane->last_ready = NULL;
    line->is_listed = false;
    return line;
}

static struct line *take_due(struct lane *lane)
{
    struct line *line = lane->waiting;
    if (line == NULL || clock_ns() < line->due_ns) return NULL;
    lane->waiting = line->next;
    line->is_listed = false;
    return line;
}

/* ---- commands ---- */

static void answer(struct task *task)
{
    struct lane *lane = task->lane;
    task->next_answered = NULL;
    pthread_mutex_lock(&lane->mutex);
    *(lane->last_answered != NULL ? &lane->last_answered->next_answered : &lane->first_answered) = task;
    lane->last_answered = task;
    if (lane->asleep) pthread_cond_signal(&lane->wake);
    pthread_mutex_unlock(&lane->mutex);
}

/* On the store's writer thread. */
static void answered(struct execute *execute)
{
    answer((struct task *)(void *)((char *)execute - offsetof(struct task, execute)));
}

/* On the thread of any lane. */
static void called(struct turn *turn)
{
    answer((struct task *)(void *)((char *)turn - offsetof(struct task, execute.turn)));
}

static void over(struct lane *lane, struct task *task)
{
    lane->admitted--;
    lane->options->over(lane->options->ctx, task);
}

static void add_ahead(struct line *line, struct task *task)
{
    queue_add(&line->ahead, task);
    line->ahead_count++;
    if (line->unapplied == NULL && !execute_is_alone(&task->execute)) line->unapplied = task;
}

static struct task *take_ahead(struct line *line)
{
    struct task *task = queue_take(&line->ahead);
    line->ahead_count--;
    if (line->unapplied == task) line->unapplied = task->next;
    return task;
}

static bool is_held(const struct task *task)
{
    return task->execute.step == EXECUTE_HELD;
}

/* Brings the state up to everything that is ahead. */
static bool apply_ahead(struct line *line)
{
    for (; line->unapplied != NULL; line->unapplied = line->unapplied->next)
        if (!is_held(line->unapplied) && !execute_apply(&line->unapplied->execute)) return false;
    return true;
}

/* What it appends, the stream's state knows nothing of. */
static void over_alone(struct lane *lane, struct line *line, struct task *task)
{
    line->load.is_behind = true;
    over(lane, task);
}

static void run_alone(struct lane *lane, struct line *line, struct task *task)
{
    line->is_stuck = false;
    switch (execute_run(&task->execute, false, next_random(lane))) {
    case EXECUTE_IS_OVER:
        queue_take(&line->behind);
        over_alone(lane, line, task);
        break;
    case EXECUTE_IN_STORE:
        queue_take(&line->behind);
        add_ahead(line, task);
        break;
    case EXECUTE_HAS_NO_TURN:
        line->is_listed = true;
        return;
    case EXECUTE_IS_HELD: /* nothing is ahead of it to be held for */
    case EXECUTE_HAS_TO_WAIT:
        break;
    }
    settle_down(lane, line);
}

/* Decides the line's next command on the state as it will be. */
static void decide_next(struct lane *lane, struct line *line)
{
    struct task *task = line->behind.first;
    if (!can_decide(line)) return; /* its turn was fixed before an append failed */
    if (task->execute.delay_ms > 0) {
        wait_until_due(lane, line, task->execute.delay_ms);
        task->execute.delay_ms = 0;
        return;
    }
    if (execute_is_alone(&task->execute)) {
        run_alone(lane, line, task);
        return;
    }
    bool is_usable = apply_ahead(line) && load_is_usable(&line->load, &task->execute.source);
    if (!is_usable) execute_start_over(&task->execute); /* it may be decided already, and wait for room in the store */
    if (!is_usable && line->ahead_count > 0) {
        load_fini(&line->load);
        line->is_stuck = true;
        return;
    }
    if (line->ahead_count == 0) line->is_stuck = false;
    switch (execute_run(&task->execute, line->ahead_count > 0, next_random(lane))) {
    case EXECUTE_IS_OVER:
        queue_take(&line->behind);
        over(lane, task);
        break;
    case EXECUTE_IN_STORE: /* it may be among those answered already */
    case EXECUTE_IS_HELD:
        queue_take(&line->behind);
        add_ahead(line, task);
        break;
    case EXECUTE_HAS_NO_TURN: /* only what is alone asks for one */
    case EXECUTE_HAS_TO_WAIT: /* when the line is next again */
        break;
    }
    settle_down(lane, line);
}

/* ---- answers ---- */

/* An append failed: what was decided on it has to be decided again, once the store has refused all of it. */
static void break_off(struct line *line, const struct task *failed)
{
    line->is_broken = true;
    if (failed->execute.is_applied)
        load_fini(&line->load);
    else
        line->load.is_behind = true;
}

/* Its append was refused, like what it was decided on, and would be tried again. Any other answer is about itself: what
 * is in the log, or may be, must not be decided again. */
static bool failed_with_others(const struct task *task)
{
    return is_held(task) || task->execute.answer == VARVE_CONFLICT || task->execute.answer == VARVE_BUSY;
}

/* The foremost command goes on, or is to be decided again when the line is broken. */
static void run_foremost(struct lane *lane, struct line *line)
{
    struct task *task = take_ahead(line);
    if (line->is_broken && failed_with_others(task)) {
        task->execute.delay_ms = 0;
        queue_add(&line->again, task);
        return;
    }
    if (!line->is_broken && !is_held(task) && task->execute.answer != VARVE_OK) break_off(line, task);
    bool is_over = execute_run(&task->execute, false, next_random(lane)) == EXECUTE_IS_OVER;
    if (is_over && execute_is_alone(&task->execute))
        over_alone(lane, line, task);
    else if (is_over)
        over(lane, task);
    else
        queue_add(&line->again, task);
}

/* Nothing is ahead any more: the commands that are to be decided again come first. */
static void mend(struct line *line)
{
    struct task *first = line->again.first;
    line->is_broken = line->is_stuck = false;
    line->chain = (struct store_chain){ 0 };
    if (line->behind.first != NULL) execute_start_over(&line->behind.first->execute);
    for (struct task *task = first; task != NULL; task = task->next) execute_start_over(&task->execute);
    if (first == NULL) return;
    line->again.last->next = line->behind.first;
    if (line->behind.last == NULL) line->behind.last = line->again.last;
    line->behind.first = first;
    line->again = (struct queue){ 0 };
}

/* The store answers a line's appends in their order; what is held behind one is over with it. */
static void take_answer(struct lane *lane, struct task *task)
{
    struct line *line = task->line;
    if (line->behind.first == task) { /* it is its turn */
        line->is_listed = false;
        settle_down(lane, line);
        return;
    }
    ASSERT(line->ahead.first == task);
    run_foremost(lane, line);
    while (line->ahead.first != NULL && is_held(line->ahead.first)) run_foremost(lane, line);
    if (line->is_broken && line->ahead.first == NULL) mend(line);
    settle_down(lane, line);
}

/* ---- new tasks ---- */

static struct load_source load_source(struct lane *lane, const struct task *task)
{
    return (struct load_source){
        .store = lane->options->store,
        .decider = &lane->deciders[task->decider],
        .kept = &lane->kept,
        .log = lane->options->log,
    };
}

static void run_look(struct lane *lane, struct task *task)
{
    struct load_source source = load_source(lane, task);
    look_run(task->look, &source);
    lane->options->over(lane->options->ctx, task);
}

/* A look is answered at once, from what is durable; a command joins its stream's line. */
static void admit(struct lane *lane, struct task *task)
{
    if (task->look != NULL) {
        run_look(lane, task);
        return;
    }
    struct line *line = line_table_get(&lane->lines, task->hash, task->command.stream);
    lane->admitted++;
    if (line == NULL) {
        task->execute.status = varve_error_set(&task->execute.error, VARVE_NOMEM, "out of memory");
        over(lane, task);
        return;
    }
    task->line = line;
    task->execute.source = load_source(lane, task);
    if (!execute_is_alone(&task->execute)) line->decider = task->execute.source.decider;
    task->execute.schemas = lane->options->schemas;
    task->execute.answered = answered;
    task->execute.turns = lane->options->turns;
    task->execute.turn.called = called;
    task->execute.retention_s = lane->options->retention_s;
    task->execute.load = &line->load;
    task->execute.chain = &line->chain;
    queue_add(&line->behind, task);
    settle_down(lane, line);
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

static struct task *take_answered(struct lane *lane)
{
    struct task *task = lane->first_answered;
    if (task == NULL) return NULL;
    lane->first_answered = task->next_answered;
    if (lane->first_answered == NULL) lane->last_answered = NULL;
    return task;
}

/*
 * Does the next thing there is to do: first what the store has answered, because somebody waits for it; then what is
 * due or ready; new tasks last. False when the lane is stopping and has nothing left.
 */
static bool do_next(struct lane *lane)
{
    struct task *answer = NULL, *arrived = NULL;
    struct line *line = NULL;
    pthread_mutex_lock(&lane->mutex);
    for (;;) {
        answer = take_answered(lane);
        if (answer == NULL) line = take_due(lane);
        if (answer == NULL && line == NULL) line = take_ready(lane);
        if (answer == NULL && line == NULL) arrived = queue_take(&lane->arriving);
        if (answer != NULL || line != NULL || arrived != NULL || (lane->stopping && lane->admitted == 0)) break;
        sleep_until_something(lane);
    }
    pthread_mutex_unlock(&lane->mutex);
    if (answer != NULL)
        take_answer(lane, answer);
    else if (line != NULL)
        decide_next(lane, line);
    else if (arrived != NULL)
        admit(lane, arrived);
    return answer != NULL || line != NULL || arrived != NULL;
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
    const struct upcasters *upcasters = lane->options->upcasters;
    lane->deciders = calloc(registry->count + 1, sizeof *lane->deciders);
    if (lane->deciders == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    for (size_t i = 0; i < registry->count; i++) {
        const struct registry_entry *entry = &registry->entries[i];
        struct load_decider *decider = &lane->deciders[i];
        *decider = (struct load_decider){
            .table = entry->decider,
            .worker = entry->ctx,
            .upcast = &lane->upcast,
            .stamp = upcasters == NULL ? 0 : upcasters_stamp(upcasters, NULL, 0, 0),
        };
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
    made->upcast.set = options->upcasters;
    made->random = clock_ns() | 1;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->wake, NULL);
    varve_status status = line_table_init(&made->lines, options->state_bytes, error);
    if (status >= 0) status = open_deciders(made, error);
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
    line_table_fini(&lane->lines);
    for (size_t i = 0; i < lane->open_count; i++)
        if (lane->deciders[i].table->worker_open != NULL && lane->deciders[i].table->worker_close != NULL)
            lane->deciders[i].table->worker_close(lane->deciders[i].worker);
    free(lane->deciders);
    upcast_fini(&lane->upcast);
    pthread_cond_destroy(&lane->wake);
    pthread_mutex_destroy(&lane->mutex);
    free(lane);
}
