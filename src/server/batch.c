/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /commands: a command a line, an answer a line, in the same order.
 *
 * The body is read as a window moves over it: at most WINDOW commands are under way, and a further
 * one starts when the answer of the oldest was taken up by the transport. So memory is bounded,
 * and a client that does not read its answers stops its own commands and nobody else's. When the
 * client goes away, what is under way is finished and the rest does not begin. When the server is
 * stopping, what is under way is answered and each further line is answered as unavailable.
 *
 * The batch outlives its request when commands are still under way: `references` counts them.
 */
#include <pthread.h>
#include <stdlib.h>
#include <varve/scheduled.h>

#include "base/traceparent.h"
#include "server/api.h"
#include "server/problem.h"

#define WINDOW          256u
#define TRACEPARENT_LEN 55 /* of a valid one */

struct batch;

/* A line's place in the window. */
struct slot {
    struct batch *batch;
    varve_buf answer; /* whose command is under way: the engine's until `done` */
    bool done;
};

struct batch {
    struct request *request;
    varve_str rest; /* lines not yet begun */
    varve_str traceparent;
    size_t line;         /* number of the line begun last */
    uint64_t first, end; /* lines in the window, counted from 0: slots[i % WINDOW] */
    size_t sent;         /* of the first slot's answer */

    pthread_mutex_t lock; /* guards the two below, and `done` */
    size_t references;    /* the request's, and one a command under way */
    bool waiting;         /* the request is suspended until the first slot is done */
    struct slot slots[WINDOW];
};

static void batch_release(struct batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    bool over = --batch->references == 0;
    pthread_mutex_unlock(&batch->lock);
    if (!over) return;
    for (size_t i = 0; i < WINDOW; i++) varve_buf_fini(&batch->slots[i].answer);
    pthread_mutex_destroy(&batch->lock);
    free(batch);
}

static void request_over(void *own)
{
    batch_release(own);
}

/* Ends a line. Payloads may hold line breaks, as white space between JSON tokens: a blank means the same. */
static void end_line(varve_buf *answer)
{
    for (size_t i = 0; i < answer->len; i++) {
        if (answer->ptr[i] == '\n' || answer->ptr[i] == '\r') answer->ptr[i] = ' ';
    }
    varve_buf_str(answer, VARVE_STR("\n"));
}

/* The line's answer is written. */
static void answered(struct slot *slot)
{
    struct batch *batch = slot->batch;
    end_line(&slot->answer);
    pthread_mutex_lock(&batch->lock);
    slot->done = true;
    bool wake = batch->waiting && batch->slots[batch->first % WINDOW].done;
    if (wake) batch->waiting = false;
    pthread_mutex_unlock(&batch->lock);
    if (wake) request_resume(batch->request);
    batch_release(batch);
}

/* On an engine thread. */
static void on_executed(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct slot *slot = ctx;
    if (status == VARVE_OK || status == VARVE_REPEATED) {
        varve_outcome_write_json(outcome, &slot->answer);
    } else {
        problem_write_command(status, outcome, error, true, &slot->answer);
    }
    answered(slot);
}

/* A line whose command is to be scheduled, which waits for a flush. It may outlive the request, so it has all of it. */
struct scheduling {
    struct job job;
    struct slot *slot;
    varve_engine *engine;
    varve_command_json *parsed;
    char traceparent[TRACEPARENT_LEN];
    char text[];
};

/* On a worker. */
static void schedule(struct job *job)
{
    struct scheduling *scheduling = (struct scheduling *)((char *)job - offsetof(struct scheduling, job));
    struct slot *slot = scheduling->slot;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    varve_command *command = varve_command_json_command(scheduling->parsed);
    if (varve_uuid_is_nil(command->id)) command->id = varve_uuid_new(); /* to be told when the outcome is unknown */
    varve_outcome nothing = { .id = command->id };
    varve_status status = varve_schedule(scheduling->engine, command, &scheduled, &error);
    if (status >= 0) {
        varve_scheduled_write_json(&scheduled, &slot->answer);
    } else {
        problem_write_command(status, &nothing, &error, true, &slot->answer);
    }
    varve_scheduled_fini(&scheduled);
    varve_command_json_free(scheduling->parsed);
    free(scheduling);
    answered(slot);
}

static varve_status schedule_later(struct batch *batch, struct slot *slot, varve_str line, varve_error *error)
{
    struct scheduling *scheduling = calloc(1, sizeof *scheduling + line.len);
    if (scheduling == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    memcpy(scheduling->text, line.ptr, line.len);
    const varve_str text = { scheduling->text, line.len };
    varve_status status = varve_command_json_parse(&scheduling->parsed, text, (varve_str){ NULL, 0 }, error);
    if (status < 0) {
        free(scheduling);
        return status;
    }
    if (traceparent_is_valid(batch->traceparent)) {
        varve_command *command = varve_command_json_command(scheduling->parsed);
        memcpy(scheduling->traceparent, batch->traceparent.ptr, TRACEPARENT_LEN);
        command->traceparent = (varve_str){ scheduling->traceparent, TRACEPARENT_LEN };
    }
    scheduling->job.run = schedule;
    scheduling->slot = slot;
    scheduling->engine = batch->request->backend->engine;
    workers_submit(batch->request->backend->workers, &scheduling->job);
    return VARVE_OK;
}

/* Takes the next line that is not blank. False at the end. */
static bool next_line(struct batch *batch, varve_str *line)
{
    while (batch->rest.len > 0) {
        const char *end = memchr(batch->rest.ptr, '\n', batch->rest.len);
        size_t len = end == NULL ? batch->rest.len : (size_t)(end - batch->rest.ptr);
        *line = (varve_str){ batch->rest.ptr, len };
        batch->rest.ptr += end == NULL ? len : len + 1;
        batch->rest.len -= end == NULL ? len : len + 1;
        batch->line++;
        for (size_t i = 0; i < len; i++) {
            if (line->ptr[i] != ' ' && line->ptr[i] != '\t' && line->ptr[i] != '\r') return true;
        }
    }
    return false;
}

/* Begins a line's command in `slot`. False when the engine's queue is full and the line has to wait. */
static bool begin_line(struct batch *batch, struct slot *slot, varve_str line, bool may_wait)
{
    varve_error error = { 0 };
    varve_outcome nothing = { 0 };
    varve_command_json *parsed = NULL;
    varve_status status = VARVE_OK;
    if (request_is_stopping(batch->request)) {
        status = varve_error_set(&error, VARVE_UNAVAILABLE, "the server is stopping");
    }
    if (status >= 0) status = varve_command_json_parse(&parsed, line, (varve_str){ NULL, 0 }, &error);
    slot->batch = batch;
    slot->done = false;
    varve_buf_reset(&slot->answer);
    if (status >= 0) {
        varve_command *command = varve_command_json_command(parsed);
        if (traceparent_is_valid(batch->traceparent)) command->traceparent = batch->traceparent;
        nothing.id = command->id;
        pthread_mutex_lock(&batch->lock);
        batch->references++;
        pthread_mutex_unlock(&batch->lock);
        status = command->not_before != 0
                     ? schedule_later(batch, slot, line, &error)
                     : varve_execute_async(batch->request->backend->engine, command, on_executed, slot, &error);
        if (status < 0) batch_release(batch);
    }
    varve_command_json_free(parsed);
    if (status >= 0) return true;
    if (status == VARVE_BUSY && may_wait) return false;
    varve_error located = { 0 };
    varve_error_set(&located, status, "line %zu: %.220s", batch->line, error.message);
    problem_write_command(status, &nothing, &located, true, &slot->answer);
    end_line(&slot->answer);
    slot->done = true;
    return true;
}

static void fill_window(struct batch *batch)
{
    varve_str line = { NULL, 0 };
    while (batch->end - batch->first < WINDOW) {
        varve_str before = batch->rest;
        size_t number = batch->line;
        if (!next_line(batch, &line)) return;
        if (!begin_line(batch, &batch->slots[batch->end % WINDOW], line, batch->end > batch->first)) {
            batch->rest = before;
            batch->line = number;
            return;
        }
        batch->end++;
    }
}

/* Copies as much of the answers that are done, in order, as there is room for. ANSWER_BROKEN: memory was out. */
static ssize_t take_answers(struct batch *batch, char *bytes, size_t max)
{
    size_t count = 0;
    while (batch->first < batch->end && count < max) {
        struct slot *slot = &batch->slots[batch->first % WINDOW];
        pthread_mutex_lock(&batch->lock);
        bool done = slot->done;
        pthread_mutex_unlock(&batch->lock);
        if (!done) break;
        if (slot->answer.failed) return ANSWER_BROKEN;
        size_t left = slot->answer.len - batch->sent, part = left < max - count ? left : max - count;
        if (part > 0) memcpy(bytes + count, slot->answer.ptr + batch->sent, part);
        count += part;
        batch->sent += part;
        if (batch->sent == slot->answer.len) {
            batch->sent = 0;
            batch->first++;
        }
    }
    return (ssize_t)count;
}

/* The request, suspended by now, is resumed when the first slot is done; false when it is done already. */
static bool wait_for_first(struct batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    batch->waiting = !batch->slots[batch->first % WINDOW].done;
    bool wait = batch->waiting;
    pthread_mutex_unlock(&batch->lock);
    return wait;
}

static ssize_t read_answers(struct request *request, char *bytes, size_t max)
{
    struct batch *batch = request->own;
    for (;;) {
        fill_window(batch);
        ssize_t count = take_answers(batch, bytes, max);
        if (count != 0) return count;
        if (batch->first == batch->end && batch->rest.len == 0) return ANSWER_END;
        if (batch->first == batch->end) continue;
        if (!request_suspend(request)) return ANSWER_BROKEN;
        if (!wait_for_first(batch)) request_resume(request);
        return 0;
    }
}

void api_command_batch(struct request *request)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        varve_error error = { 0 };
        request_fail(request, varve_error_set(&error, VARVE_NOMEM, "out of memory"), &error);
        return;
    }
    batch->request = request;
    batch->rest = varve_buf_view(&request->body);
    batch->traceparent = request->headers.traceparent;
    batch->references = 1;
    pthread_mutex_init(&batch->lock, NULL);
    request->own = batch;
    request->own_free = request_over;
    request->answer.content_type = "application/x-ndjson";
    request->answer.read = read_answers;
    request_send(request, 200);
}
