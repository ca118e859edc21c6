/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With --store, a batch is two threads: the caller's reads lines and queues their commands, the
 * printer's waits for the outcomes in order. A place in the window between them goes
 * free → queued → settled → free; at most WINDOW commands are under way.
 *
 * With --server, each request carries the lines that are there at once, so that a file goes in a few
 * large requests and what somebody types is answered line by line.
 */
#include "cli/batch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <varve/scheduled.h>

#include "base/assert.h"
#include "cli/answers.h"
#include "cli/lines.h"
#include "cli/local.h"
#include "cli/remote.h"

enum { WINDOW = 1024, FILL_BYTES = 4 << 20 };

/* ---- an engine in this process ---- */

enum slot_state { SLOT_FREE, SLOT_QUEUED, SLOT_SETTLED };

struct window;

struct slot {
    struct window *window;
    enum slot_state state;
    varve_status status;
    varve_buf json;
    varve_error failure;
};

struct window {
    struct answers *answers; /* the printer's */
    varve_status status;     /* of printing, with `error`; read after the printer has ended */
    varve_error error;

    pthread_mutex_t lock; /* guards the following and each slot's state */
    pthread_cond_t moved; /* some slot's state has changed, or `closed` */
    uint64_t first;       /* the oldest line not yet printed: slots[first % WINDOW] */
    uint64_t end;         /* the next line to queue */
    bool closed;          /* no more lines will come */
    bool broken;          /* the printer has given up */
    struct slot slots[WINDOW];
};

static void settle(struct slot *slot)
{
    struct window *window = slot->window;
    pthread_mutex_lock(&window->lock);
    slot->state = SLOT_SETTLED;
    pthread_cond_broadcast(&window->moved);
    pthread_mutex_unlock(&window->lock);
}

/* On an engine thread. */
static void on_outcome(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct slot *slot = ctx;
    slot->status = status;
    if (status >= 0) {
        varve_outcome_write_json(outcome, &slot->json);
    } else {
        slot->failure = *error;
    }
    if (slot->json.failed) {
        slot->status = varve_error_set(&slot->failure, VARVE_NOMEM, "done, but out of memory for the answer");
    }
    settle(slot);
}

/* Waits for the oldest line's outcome; NULL when all are printed and no more will come. */
static struct slot *next_settled(struct window *window)
{
    struct slot *slot = &window->slots[window->first % WINDOW];
    pthread_mutex_lock(&window->lock);
    while (slot->state != SLOT_SETTLED && !(window->closed && window->first == window->end)) {
        pthread_cond_wait(&window->moved, &window->lock);
    }
    bool settled = slot->state == SLOT_SETTLED;
    pthread_mutex_unlock(&window->lock);
    return settled ? slot : NULL;
}

/* True when the printer would have to wait for the next one, so that what was printed should be seen. */
static bool is_idle(struct window *window)
{
    pthread_mutex_lock(&window->lock);
    bool idle = window->slots[window->first % WINDOW].state != SLOT_SETTLED;
    pthread_mutex_unlock(&window->lock);
    return idle;
}

static void *print_answers(void *ctx)
{
    struct window *window = ctx;
    struct slot *slot = NULL;
    while ((slot = next_settled(window)) != NULL) {
        if (window->status == VARVE_OK) {
            window->status =
                answers_add(window->answers, slot->status, varve_buf_view(&slot->json), &slot->failure, &window->error);
        }
        varve_buf_reset(&slot->json);
        pthread_mutex_lock(&window->lock);
        ASSERT(slot->state == SLOT_SETTLED);
        slot->state = SLOT_FREE;
        window->first++;
        window->broken = window->status < 0;
        pthread_cond_broadcast(&window->moved);
        pthread_mutex_unlock(&window->lock);
        if (window->status == VARVE_OK && is_idle(window)) {
            window->status = answers_flush(window->answers, &window->error);
        }
    }
    return NULL;
}

/* Waits for a free place behind the newest; NULL when nobody prints any more. */
static struct slot *next_free(struct window *window)
{
    struct slot *slot = &window->slots[window->end % WINDOW];
    pthread_mutex_lock(&window->lock);
    while (slot->state != SLOT_FREE && !window->broken) {
        pthread_cond_wait(&window->moved, &window->lock);
    }
    bool broken = window->broken;
    if (!broken) {
        slot->state = SLOT_QUEUED;
        window->end++;
    }
    pthread_mutex_unlock(&window->lock);
    slot->window = window;
    return broken ? NULL : slot;
}

static void schedule_line(struct local *local, struct slot *slot, const varve_command *command)
{
    varve_scheduled scheduled = { 0 };
    slot->status = varve_schedule(local->engine, command, &scheduled, &slot->failure);
    if (slot->status >= 0) {
        varve_scheduled_write_json(&scheduled, &slot->json);
    }
    if (slot->json.failed) {
        slot->status = varve_error_set(&slot->failure, VARVE_NOMEM, "done, but out of memory for the answer");
    }
    varve_scheduled_fini(&scheduled);
    settle(slot);
}

/* Queues one line's command; what is wrong with it becomes its answer. */
static void send_line(struct local *local, const struct call *call, struct slot *slot, varve_str line)
{
    varve_command_json *parsed = NULL;
    varve_status status = varve_command_json_parse(&parsed, line, (varve_str){ 0 }, &slot->failure);
    if (status == VARVE_OK) {
        varve_command *command = varve_command_json_command(parsed);
        command->actor = call_text(call, OPTION_ACTOR);
        command->traceparent = call_text(call, OPTION_TRACEPARENT);
        if (command->not_before != 0) {
            schedule_line(local, slot, command);
        } else {
            status = varve_execute_async(local->engine, command, on_outcome, slot, &slot->failure);
        }
    }
    varve_command_json_free(parsed);
    if (status < 0) {
        slot->status = status;
        settle(slot);
    }
}

static varve_status feed(struct window *window, struct local *local, const struct call *call, struct lines *lines,
                         varve_error *error)
{
    varve_str line = { 0 };
    varve_status status = VARVE_OK;
    while ((status = lines_fill(lines, FILL_BYTES, error)) == VARVE_OK) {
        while (lines_take(lines, &line)) {
            struct slot *slot = next_free(window);
            if (slot == NULL) {
                return VARVE_OK;
            }
            send_line(local, call, slot, line);
        }
    }
    return status;
}

static varve_status send_local(const struct call *call, struct lines *lines, struct answers *answers,
                               varve_error *error)
{
    struct local local = { 0 };
    struct window *window = calloc(1, sizeof(*window));
    pthread_t printer;
    varve_status status = VARVE_OK;
    if (window == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    window->answers = answers;
    pthread_mutex_init(&window->lock, NULL);
    pthread_cond_init(&window->moved, NULL);
    status = local_open(&local, call, LOCAL_WRITE, error);
    if (status == VARVE_OK && pthread_create(&printer, NULL, print_answers, window) != 0) {
        status = varve_error_set(error, VARVE_NOMEM, "cannot start a thread");
    }
    if (status == VARVE_OK) {
        status = feed(window, &local, call, lines, error);
        pthread_mutex_lock(&window->lock);
        window->closed = true;
        pthread_cond_broadcast(&window->moved);
        pthread_mutex_unlock(&window->lock);
        pthread_join(printer, NULL);
        if (window->status < 0) {
            *error = window->error;
            status = window->status;
        }
    }
    local_close(&local);
    for (size_t i = 0; i < WINDOW; i++) {
        varve_buf_fini(&window->slots[i].json);
    }
    pthread_cond_destroy(&window->moved);
    pthread_mutex_destroy(&window->lock);
    free(window);
    return status;
}

/* ---- through a server ---- */

/* One request under way. */
struct exchange {
    struct answers *answers;
    uint64_t answered;
};

/* The server counts lines from the beginning of each request, which is not where the batch begins. */
static const char *without_line_number(const char *message)
{
    if (strncmp(message, "line ", 5) != 0) {
        return message;
    }
    size_t digits = strspn(message + 5, "0123456789");
    const char *rest = message + 5 + digits;
    return digits > 0 && strncmp(rest, ": ", 2) == 0 ? rest + 2 : message;
}

static varve_status take_answer(void *ctx, varve_str line, varve_error *error)
{
    struct exchange *exchange = ctx;
    varve_error failure = { 0 };
    varve_status status = VARVE_OK;
    varve_str member = { 0 };
    exchange->answered++;
    /* Only a problem document has a "type" and no "stream" at its top. */
    if (varve_json_raw(line, "type", &member, NULL) == VARVE_OK &&
        varve_json_raw(line, "stream", &member, NULL) != VARVE_OK) {
        status = remote_problem_status(line);
    }
    if (status < 0) {
        varve_buf message = { 0 };
        varve_json_string(line, "message", &message, NULL);
        varve_error_set(&failure, status, "%s",
                        message.ptr == NULL ? varve_status_meaning(status) : without_line_number(message.ptr));
        failure.detail = -1;
        varve_json_int(line, "current_version", &failure.detail, NULL);
        varve_buf_fini(&message);
    }
    return answers_add(exchange->answers, status, line, &failure, error);
}

static varve_status send_remote(const struct call *call, struct lines *lines, struct answers *answers,
                                varve_error *error)
{
    struct remote *remote = NULL;
    struct exchange exchange = { .answers = answers };
    varve_buf body = { 0 };
    varve_buf answer = { 0 };
    varve_str line = { 0 };
    uint64_t sent = 0;
    varve_status status = remote_open(&remote, call->server, error);
    while (status == VARVE_OK && (status = lines_fill(lines, FILL_BYTES, error)) == VARVE_OK) {
        varve_buf_reset(&body);
        while (lines_take(lines, &line)) {
            varve_buf_str(&body, line);
            varve_buf_add(&body, "\n", 1);
            sent++;
        }
        if (body.len == 0) {
            continue;
        }
        if (body.failed) {
            status = varve_error_set(error, VARVE_NOMEM, "out of memory for a request");
            break;
        }
        struct remote_request request = {
            .path = VARVE_STR("/commands"),
            .body = varve_buf_view(&body),
            .content_type = "application/x-ndjson",
            .accept = "application/x-ndjson",
            .traceparent = call_option(call, OPTION_TRACEPARENT),
            .line = take_answer,
            .ctx = &exchange,
        };
        status = remote_send(remote, &request, &answer, error);
        if (status == VARVE_OK && exchange.answered < sent) {
            status = varve_error_set(error, VARVE_INDETERMINATE, "the server's answer ended early");
        }
        if (status == VARVE_OK) {
            status = answers_flush(answers, error);
        }
    }
    if (status < 0 && exchange.answered < sent && !call->quiet) {
        fprintf(stderr, "%" PRIu64 " commands were not answered, from number %" PRIu64 " on\n",
                sent - exchange.answered, exchange.answered + 1);
    }
    varve_buf_fini(&answer);
    varve_buf_fini(&body);
    remote_close(remote);
    return status;
}

varve_status batch_send(const struct call *call, const char *file, varve_error *error)
{
    struct lines lines = { 0 };
    struct answers answers;
    varve_error summary = { 0 };
    varve_status status = lines_open(&lines, file, error);
    if (status < 0) {
        return status;
    }
    answers_init(&answers, call);
    status =
        call->server == NULL ? send_local(call, &lines, &answers, error) : send_remote(call, &lines, &answers, error);
    varve_status ended = answers_end(&answers, &summary);
    if (status >= 0 && ended < 0) {
        *error = summary;
    }
    answers_fini(&answers);
    lines_fini(&lines);
    return status < 0 ? status : ended;
}
