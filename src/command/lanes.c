/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lanes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "command/enrich.h"
#include "command/lane.h"
#include "command/look.h"
#include "command/request.h"
#include "event/codec.h"

struct lanes {
    struct lane_options options; /* what every lane is given */
    struct registry registry;
    uint32_t queue_limit;
    struct lane **lanes; /* `workers` that run commands, and one more that only looks */
    size_t lane_count;
    uint32_t workers;
    uint32_t enrich_workers;
    struct enrich_asks asks;
    struct enricher *enricher; /* NULL: no decider enriches */
    bool started;              /* set once, before anybody executes */
    atomic_uint_fast64_t under_way, accepted, rejected, failed, retries;
};

/* A caller that waits for its task. */
struct caller {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool over;
    struct task *task;
    varve_status status;
    varve_error error;
    varve_outcome outcome;
};

/* ---- a task's end ---- */

static void task_free(struct task *task)
{
    execute_fini(&task->execute);
    varve_buf_fini(&task->context);
    free(task);
}

static void count(struct lanes *lanes, const struct execute *execute)
{
    if (execute->status == VARVE_REJECTED)
        lanes->rejected++;
    else if (execute->status < 0)
        lanes->failed++;
    else
        lanes->accepted++;
    lanes->retries += execute->tries.conflicts;
}

/* On a lane's thread. The queue has room again before anybody is told, so that who is told may queue the next. */
static void task_over(void *ctx, struct task *task)
{
    struct lanes *lanes = ctx;
    lanes->under_way--;
    if (task->look != NULL) {
        task->callback(task->ctx, task->look->status, NULL, &task->look->error);
        task_free(task);
        return;
    }
    struct execute *execute = &task->execute;
    if (execute->status >= 0) execute->error = (varve_error){ 0 };
    count(lanes, execute);
    task->callback(task->ctx, execute->status, &execute->outcome, &execute->error);
    task_free(task);
}

/* ---- a task's beginning ---- */

/* Moves `*view` to a copy at `*at`, which advances. */
static void place(char **at, varve_str *view)
{
    if (view->len > 0) memcpy(*at, view->ptr, view->len);
    view->ptr = *at;
    *at += view->len;
}

/* A copy of the command with its defaults filled in. */
static struct task *command_task(const varve_command *command, varve_error *error)
{
    size_t bytes = command->type.len + command->stream.len + command->data.len + command->correlation_id.len +
                   command->causation_id.len + command->actor.len + command->traceparent.len + VARVE_UUID_TEXT_BYTES;
    struct task *task = calloc(1, sizeof *task + bytes);
    if (task == NULL) {
        varve_error_set(error, VARVE_NOMEM, "out of memory");
        return NULL;
    }
    bool has_id = !varve_uuid_is_nil(command->id);
    varve_command *own = &task->command;
    char *at = task->text;
    *own = *command;
    place(&at, &own->type);
    place(&at, &own->stream);
    place(&at, &own->data);
    place(&at, &own->correlation_id);
    place(&at, &own->causation_id);
    place(&at, &own->actor);
    place(&at, &own->traceparent);
    if (own->data.len == 0) own->data = VARVE_STR("{}");
    if (own->time == 0) own->time = varve_time_now();
    if (!has_id) own->id = varve_uuid_new();
    if (own->correlation_id.len == 0) {
        varve_uuid_format(own->id, at);
        own->correlation_id = varve_str_of(at);
    }
    task->hash = hash_str(own->stream);
    if (execute_init(&task->execute, own, has_id, error) < 0) {
        free(task);
        return NULL;
    }
    return task;
}

/* A look may fold a million events: it has a lane of its own, so that no command stands behind it. */
static struct lane *choose_lane(const struct lanes *lanes, const struct task *task)
{
    return lanes->lanes[task->look != NULL ? lanes->workers : task->hash % lanes->workers];
}

/* To its lane, when what it needs is fetched. */
static bool enriched(void *ctx, struct task *task)
{
    return lane_push(choose_lane(ctx, task), task);
}

static varve_status send_task(struct lanes *lanes, struct task *task, varve_error *error)
{
    bool taken = false;
    /* Whether or not its own decider enriches: one before it on its stream may. */
    if (task->look == NULL && lanes->enricher != NULL) {
        varve_status status = enricher_take(lanes->enricher, task, &taken, error);
        if (status < 0 || taken) return status;
    }
    if (lane_push(choose_lane(lanes, task), task)) return VARVE_OK;
    return varve_error_set(error, VARVE_UNAVAILABLE, "the engine is stopping");
}

/* Hands a task on its way. After a failure it is still the caller's. */
static varve_status queue_task(struct lanes *lanes, struct task *task, varve_error *error)
{
    if (++lanes->under_way > lanes->queue_limit) {
        lanes->under_way--;
        return varve_error_set(error, VARVE_BUSY, "%u commands and looks are under way, which is the limit",
                               lanes->queue_limit);
    }
    varve_status status = send_task(lanes, task, error);
    if (status < 0) lanes->under_way--;
    return status;
}

static varve_status check_started(const struct lanes *lanes, varve_error *error)
{
    return lanes->started ? VARVE_OK : varve_error_set(error, VARVE_UNAVAILABLE, "the engine has not been started");
}

bool lanes_have_deciders(const struct lanes *lanes)
{
    return lanes->registry.count > 0;
}

varve_status lanes_check(const struct lanes *lanes, const varve_command *command, varve_error *error)
{
    size_t decider = 0;
    varve_status status = check_started(lanes, error);
    return status < 0 ? status : registry_find_command(&lanes->registry, command, &decider, error);
}

bool lanes_know(const struct lanes *lanes, const varve_command *command)
{
    return registry_knows(&lanes->registry, command);
}

/* Checks a command and makes its task, which belongs to the caller. */
static varve_status make_task(struct lanes *lanes, const varve_command *command, struct task **task, varve_error *error)
{
    size_t decider = 0;
    varve_status status = check_started(lanes, error);
    if (status < 0) return status;
    status = request_check(command, error);
    if (status < 0) return status;
    status = registry_find_command(&lanes->registry, command, &decider, error);
    if (status < 0) return status;
    *task = command_task(command, error);
    if (*task == NULL) return VARVE_NOMEM;
    (*task)->decider = decider;
    return VARVE_OK;
}

varve_status lanes_execute(struct lanes *lanes, const varve_command *command, varve_execute_callback callback,
                           void *ctx, varve_error *error)
{
    struct task *task = NULL;
    varve_status status = make_task(lanes, command, &task, error);
    if (status < 0) return status;
    task->callback = callback;
    task->ctx = ctx;
    status = queue_task(lanes, task, error);
    if (status < 0) task_free(task);
    return status;
}

/* ---- callers that wait ---- */

static void caller_init(struct caller *caller, struct task *task)
{
    *caller = (struct caller){ .task = task };
    pthread_mutex_init(&caller->mutex, NULL);
    pthread_cond_init(&caller->wake, NULL);
}

static void caller_fini(struct caller *caller)
{
    pthread_cond_destroy(&caller->wake);
    pthread_mutex_destroy(&caller->mutex);
}

/* The task's callback; takes the outcome along instead of copying it. */
static void wake_caller(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct caller *caller = ctx;
    pthread_mutex_lock(&caller->mutex);
    caller->status = status;
    caller->error = *error;
    if (outcome != NULL) {
        caller->outcome = *outcome;
        caller->task->execute.outcome = (varve_outcome){ 0 };
    }
    caller->over = true;
    pthread_cond_signal(&caller->wake);
    pthread_mutex_unlock(&caller->mutex);
}

/* Queues the task and waits until it is over and gone. A failure to queue it is the status, and it is gone too. */
static varve_status queue_and_wait(struct lanes *lanes, struct task *task, struct caller *caller)
{
    task->callback = wake_caller;
    task->ctx = caller;
    varve_status status = queue_task(lanes, task, &caller->error);
    if (status < 0) {
        task_free(task);
        return status;
    }
    pthread_mutex_lock(&caller->mutex);
    while (!caller->over) pthread_cond_wait(&caller->wake, &caller->mutex);
    pthread_mutex_unlock(&caller->mutex);
    return caller->status;
}

static void pass_error(varve_status status, const varve_error *from, varve_error *to)
{
    if (status < 0 && to != NULL) *to = *from;
}

varve_status lanes_execute_wait(struct lanes *lanes, const varve_command *command, varve_outcome *outcome,
                                varve_error *error)
{
    struct task *task = NULL;
    struct caller caller;
    varve_status status = make_task(lanes, command, &task, error);
    if (status < 0) return status;
    caller_init(&caller, task);
    status = queue_and_wait(lanes, task, &caller);
    pass_error(status, &caller.error, error);
    if (outcome != NULL)
        *outcome = caller.outcome;
    else
        varve_outcome_fini(&caller.outcome);
    caller_fini(&caller);
    return status;
}

/* Queues a look and waits for it. */
static varve_status look_and_wait(struct lanes *lanes, struct look *look, varve_error *error)
{
    struct caller caller;
    size_t decider = 0;
    varve_status status = check_started(lanes, error);
    if (status < 0) return status;
    status = event_check_name(look->stream, "stream", error);
    if (status < 0) return status;
    status = registry_find(&lanes->registry, look->stream, &decider, error);
    if (status < 0) return status;
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    task->decider = decider;
    task->look = look;
    caller_init(&caller, task);
    status = queue_and_wait(lanes, task, &caller);
    pass_error(status, &caller.error, error);
    caller_fini(&caller);
    return status;
}

varve_status lanes_show(struct lanes *lanes, varve_str stream, const varve_aggregate_options *options,
                        varve_aggregate *aggregate, varve_error *error)
{
    struct look look = { .kind = LOOK_AT_STATE, .stream = stream, .state = { options, aggregate } };
    return look_and_wait(lanes, &look, error);
}

varve_status lanes_history(struct lanes *lanes, varve_str stream, const varve_history_options *options,
                           varve_history *history, varve_error *error)
{
    struct look look = { .kind = LOOK_AT_HISTORY, .stream = stream, .history = { options, history } };
    return look_and_wait(lanes, &look, error);
}

varve_status lanes_diff(struct lanes *lanes, varve_str stream, const varve_aggregate_options *from,
                        const varve_aggregate_options *to, varve_difference *difference, varve_error *error)
{
    struct look look = { .kind = LOOK_AT_DIFFERENCE, .stream = stream, .difference = { from, to, difference } };
    return look_and_wait(lanes, &look, error);
}

/* ---- open, start, close ---- */

varve_status lanes_open(struct lanes **lanes, varve_store *store, const struct lanes_options *options,
                        varve_error *error)
{
    *lanes = NULL;
    struct lanes *made = calloc(1, sizeof *made);
    if (made == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    ASSERT(options->workers > 0);
    made->workers = options->workers;
    made->lane_count = (size_t)options->workers + 1;
    made->lanes = calloc(made->lane_count, sizeof(struct lane *));
    made->options.turns = turns_open();
    if (made->lanes == NULL || made->options.turns == NULL) {
        turns_close(made->options.turns);
        free(made->lanes);
        free(made);
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    made->queue_limit = options->queue_limit;
    made->enrich_workers = options->enrich_workers;
    made->asks = options->asks;
    made->options = (struct lane_options){
        .store = store,
        .registry = &made->registry,
        .schemas = options->schemas,
        .upcasters = options->upcasters,
        .turns = made->options.turns,
        .state_bytes = options->state_bytes / options->workers,
        .retention_s = options->retention_s,
        .log = options->log,
        .over = task_over,
        .ctx = made,
    };
    *lanes = made;
    return VARVE_OK;
}

varve_status lanes_add(struct lanes *lanes, const varve_decider *decider, void *ctx, varve_error *error)
{
    if (lanes->started) return varve_error_set(error, VARVE_INVALID, "a decider is added before the engine is started");
    return registry_add(&lanes->registry, decider, ctx, error);
}

static varve_status start_enricher(struct lanes *lanes, varve_error *error)
{
    const struct enricher_options options = {
        .store = lanes->options.store,
        .registry = &lanes->registry,
        .workers = lanes->enrich_workers,
        .queue_limit = lanes->queue_limit / 4 + 1, /* the others find room, however slow it is */
        .asks = lanes->asks,
        .enriched = enriched,
        .over = task_over,
        .ctx = lanes,
    };
    for (size_t i = 0; i < lanes->registry.count; i++)
        if (lanes->registry.entries[i].decider->enrich != NULL) return enricher_open(&lanes->enricher, &options, error);
    return VARVE_OK;
}

varve_status lanes_start(struct lanes *lanes, varve_error *error)
{
    ASSERT(!lanes->started);
    for (size_t i = 0; i < lanes->lane_count; i++) {
        varve_status status = lane_open(&lanes->lanes[i], &lanes->options, error);
        if (status < 0) return status;
    }
    for (size_t i = 0; i < lanes->lane_count; i++) {
        varve_status status = lane_start(lanes->lanes[i], error);
        if (status < 0) return status;
    }
    varve_status status = start_enricher(lanes, error);
    lanes->started = status >= 0;
    return status;
}

void lanes_get_stats(struct lanes *lanes, struct lanes_stats *stats)
{
    *stats = (struct lanes_stats){
        .accepted = lanes->accepted,
        .rejected = lanes->rejected,
        .failed = lanes->failed,
        .retries = lanes->retries,
        .queue_length = lanes->under_way,
    };
    if (lanes->enricher != NULL) enricher_get_stats(lanes->enricher, &stats->enrichment);
}

void lanes_stop_enriching(struct lanes *lanes)
{
    if (lanes->enricher != NULL) enricher_stop(lanes->enricher);
}

void lanes_close(struct lanes *lanes)
{
    if (lanes == NULL) return;
    enricher_close(lanes->enricher); /* first: what it has goes on to the lanes */
    for (size_t i = 0; i < lanes->lane_count; i++)
        if (lanes->lanes[i] != NULL) lane_stop(lanes->lanes[i]);
    for (size_t i = 0; i < lanes->lane_count; i++) lane_close(lanes->lanes[i]);
    registry_fini(&lanes->registry);
    turns_close(lanes->options.turns);
    free(lanes->lanes);
    free(lanes);
}
