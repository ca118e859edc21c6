/* SPDX-License-Identifier: Apache-2.0 */
#include "command/execute.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/id.h"
#include "command/decide.h"
#include "store/access.h"

static struct arena *memory(struct execute *execute)
{
    return execute->outcome.memory;
}

varve_status execute_init(struct execute *execute, const varve_command *command, bool own_id, varve_error *error)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (arena == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    *execute = (struct execute){
        .command = command,
        .step = EXECUTE_DECIDE,
        .own_id = own_id,
        .outcome = { .memory = arena },
    };
    if (own_id) first_init(&execute->first, command);
    return VARVE_OK;
}

void execute_fini(struct execute *execute)
{
    varve_buf_fini(&execute->snapshot);
    first_fini(&execute->first);
    if (execute->reading != NULL) reading_fini(execute->reading);
    free(execute->reading);
    varve_outcome_fini(&execute->outcome);
}

static enum execute_step over(struct execute *execute, varve_status status)
{
    execute->status = status;
    return EXECUTE_OVER;
}

/* Without events: nothing that the store would have to agree to, so it is not over before that is certain. */
static enum execute_step hold(struct execute *execute, varve_status status)
{
    execute->decided = status;
    return EXECUTE_HELD;
}

static varve_status pinned_elsewhere(struct execute *execute, uint64_t current)
{
    execute->outcome.current_version = current;
    varve_error_set(&execute->error, VARVE_CONFLICT, "the stream '%.*s' is at version %" PRIu64,
                    (int)execute->command->stream.len, execute->command->stream.ptr, current);
    execute->error.detail = (int64_t)current;
    return VARVE_CONFLICT;
}

/* What an earlier try left behind, but for its memory. */
static void forget_outcome(struct execute *execute)
{
    execute->outcome = (varve_outcome){ .memory = memory(execute) };
    execute->error = (varve_error){ 0 };
}

/* ---- seen before? ---- */

/* OK when nothing is known of the command; else what became of it, or a failure. */
static varve_status look_up(struct execute *execute)
{
    varve_error error = { 0 };
    varve_status status =
        first_find(&execute->first, execute->source.store, execute->command, &execute->outcome, &error);
    if (status < 0) execute->error = error;
    return status;
}

/* The store said that the command's id was used. What was kept under it may have expired since: then, once, it is
 * decided again. */
static enum execute_step find_first_outcome(struct execute *execute)
{
    varve_status status = look_up(execute);
    if (status == VARVE_OK && execute->own_id && !execute->was_forgotten) {
        execute->was_forgotten = true;
        return EXECUTE_DECIDE;
    }
    if (status == VARVE_OK)
        status = varve_error_set(&execute->error, VARVE_ID_CONFLICT,
                                 "an event id that follows from the command's id is taken");
    return over(execute, status);
}

/* ---- decide ---- */

/* Decided, without events. With an id of the caller's it is kept, so that the command can have no other outcome later,
 * and by that the store agrees to it. */
static enum execute_step settle(struct execute *execute, varve_status status)
{
    if (!execute->own_id) return hold(execute, status);
    execute->decided = status;
    return EXECUTE_APPEND;
}

/* Accepted without events: nothing to append, the stream stays as it is. */
static enum execute_step accept_nothing(struct execute *execute)
{
    execute->outcome.version = execute->load->version;
    return settle(execute, VARVE_OK);
}

static enum execute_step reject(struct execute *execute)
{
    execute->outcome.code = execute->decision.code;
    execute->outcome.message = execute->decision.message;
    return settle(execute, VARVE_REJECTED);
}

static enum execute_step decide(struct execute *execute)
{
    const varve_command *command = execute->command;
    const varve_decider *table = execute->source.decider->table;
    struct varve_decision *decision = &execute->decision;
    struct load *load = execute->load;
    bool is_known = decide_find(table, command->type) != NULL;
    forget_outcome(execute);
    if (is_known && !decide_is_expected(command, load->version))
        return hold(execute, pinned_elsewhere(execute, load->version));
    const struct decision_notes notes = {
        .digest = varve_str_of(execute->first.digest),
        .context = table->record_context ? command->context : (varve_str){ 0 },
    };
    varve_status status = decision_begin(decision, memory(execute), command, &notes, &execute->error);
    if (status < 0) return over(execute, status);
    decision->schemas = execute->schemas;
    status = decide_run(table, load->state, command, decision, &execute->error);
    if (status == VARVE_REJECTED) return reject(execute);
    if (status < 0) return hold(execute, status);
    return decision->count == 0 ? accept_nothing(execute) : EXECUTE_APPEND;
}

/* Decides on what matches the query by now. The version is the stream's, for whoever pinned it and for the outcome. */
static enum execute_step read_and_decide(struct execute *execute)
{
    varve_error *error = &execute->error;
    varve_str stream = execute->command->stream;
    if (execute->reading == NULL) execute->reading = calloc(1, sizeof *execute->reading);
    forget_outcome(execute);
    execute->is_current = true;
    if (execute->reading == NULL) return over(execute, varve_error_set(error, VARVE_NOMEM, "out of memory"));
    struct varve_reading *reading = execute->reading;
    varve_status status = VARVE_OK;
    if (!reading->is_asked) status = reading_ask(reading, execute->source.decider, execute->command, error);
    if (status >= 0 && !execute->turn.is_asked && !turns_take(execute->turns, &execute->turn, reading_hash(reading)))
        return EXECUTE_TURN;
    if (status >= 0) status = reading_load(reading, &execute->source, execute->command->stream, error);
    if (status >= 0) status = varve_stream_get_version(execute->source.store, stream, &reading->load.version, error);
    if (status < 0) return hold(execute, status);
    execute->load = &reading->load;
    return decide(execute);
}

/* Decides on the state as it is kept, which is loaded when there is none, or it is known to be out of date. */
static enum execute_step load_and_decide(struct execute *execute, bool behind)
{
    struct load *load = execute->load;
    if (execute_is_alone(execute)) return read_and_decide(execute);
    execute->is_current = behind;
    if (!load_is_usable(load, &execute->source)) {
        varve_status status = load_newest(load, &execute->source, execute->command->stream, &execute->error);
        execute->is_current = true;
        if (status < 0) {
            load_fini(load);
            return hold(execute, status);
        }
    }
    return decide(execute);
}

/* ---- held ---- */

/* Everything before it is durable. What was decided is true if the command is no repeat, and if the state was new. */
static enum execute_step judge_held(struct execute *execute)
{
    struct load *load = execute->load;
    uint64_t version = load->version, history = load->history;
    varve_status status = execute->own_id ? look_up(execute) : VARVE_OK;
    if (status != VARVE_OK) return over(execute, status);
    if (execute->is_current) return over(execute, execute->decided);
    status = load_newest(load, &execute->source, execute->command->stream, &execute->error);
    execute->is_current = true;
    if (status < 0) {
        load_fini(load);
        return over(execute, status);
    }
    bool is_news = load->version != version || load->history != history;
    return is_news ? decide(execute) : over(execute, execute->decided);
}

/* ---- append ---- */

/* The writer's thread: takes down the answer; the lane makes sense of it. */
static void take_answer(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct execute *execute = ctx;
    execute->answer = status;
    /* A record alone that was sent twice: it is our own. */
    if (status == VARVE_REPEATED && execute->decision.count == 0) execute->answer = VARVE_OK;
    if (status < 0) execute->answer_error = *error;
    if (status == VARVE_CONFLICT) {
        execute->current_version = appended->failed_count > 0 ? appended->failed[0].current_version : 0;
        execute->is_outread = appended->failed_count > 0 && appended->failed[0].position > 0;
    } else if (status == VARVE_OK) {
        execute->first_position = appended->first_position;
        execute->recorded_at = appended->recorded_at;
        if (execute_is_alone(execute) && appended->stream_count > 0)
            execute->base = appended->streams[0].version - execute->decision.count; /* known before, but over a query */
    }
    execute->answered(execute);
}

/* What is written beside the events, or instead of them, when the command has an id that may come again. */
static varve_status add_record(struct execute *execute, const varve_uuid *first_id, struct store_write *write,
                               struct store_besides *besides, varve_error *error)
{
    if (!execute->own_id) return VARVE_OK;
    besides->writes = write;
    besides->write_count = 1;
    if (execute->decision.count > 0) {
        first_check(&execute->first, write);
        return VARVE_OK;
    }
    besides->absent_id = first_id;
    return first_keep(&execute->first, &execute->outcome, execute->retention_s, write, error);
}

/* What the decision rests on has not changed; returns how many. */
static size_t make_conditions(const struct execute *execute, varve_condition conditions[2])
{
    const varve_command *command = execute->command;
    if (!execute_is_alone(execute)) {
        conditions[0] = (varve_condition){
            .kind = VARVE_STREAM_AT,
            .stream = command->stream,
            .version = execute->load->version,
        };
        return 1;
    }
    conditions[0] = reading_condition(execute->reading);
    conditions[1] = (varve_condition){
        .kind = command->expected,
        .stream = command->stream,
        .version = command->expected_version,
    };
    return command->expected == VARVE_STREAM_ANY ? 1 : 2;
}

/* True when the append was queued; otherwise the answer is known already. */
static bool append(struct execute *execute)
{
    varve_condition conditions[2];
    varve_append_request request = {
        .events = execute->decision.events,
        .event_count = execute->decision.count,
        .conditions = conditions,
        .condition_count = make_conditions(execute, conditions),
    };
    struct store_besides besides = { .chain = execute->chain };
    struct store_write write;
    const varve_uuid first_id = id_derive(execute->command->id, 0);
    varve_error error = { 0 };
    execute->base = execute->load->version;
    execute->is_applied = false;
    varve_status status = add_record(execute, &first_id, &write, &besides, &error);
    if (status == VARVE_OK)
        status = store_append_besides(execute->source.store, &request, &besides, take_answer, execute, &error);
    if (status == VARVE_OK) return true; /* and from here on the execution may be the writer's */
    execute->answer = status;
    execute->answer_error = error;
    return false;
}

/* The append was not even queued: what was decided cannot be, for a reason that is no better after a while. */
static enum execute_step hold_refusal(struct execute *execute)
{
    execute->error = execute->answer_error;
    return hold(execute, execute->answer);
}

bool execute_apply(struct execute *execute)
{
    struct varve_decision *decision = &execute->decision;
    struct load *load = execute->load;
    varve_error error = { 0 };
    ASSERT(load->version == execute->base);
    execute->is_applied = true;
    varve_buf_reset(&execute->snapshot);   /* of an earlier try */
    if (decision->count == 0) return true; /* a record alone: whoever has events next makes the snapshot that is due */
    for (size_t i = 0; i < decision->count; i++) {
        decision->events[i].version = execute->base + 1 + i;
        if (load_evolve(load, &decision->events[i], &error) == VARVE_OK) continue;
        log_line(&execute->source.log, VARVE_LOG_ERROR, "the decider cannot apply its own event: %s", error.message);
        return false;
    }
    if (!load_make_snapshot(load, &execute->source, execute->command->stream, &execute->snapshot))
        varve_buf_reset(&execute->snapshot);
    return true;
}

/* The events are in the log: completes them as a read would give them, and keeps a snapshot when one is due. */
static enum execute_step accept(struct execute *execute)
{
    struct varve_decision *decision = &execute->decision;
    varve_outcome *outcome = &execute->outcome;
    if (decision->count == 0) return over(execute, execute->decided);
    if (!execute_is_alone(execute) && !execute->is_applied && !execute_apply(execute)) load_fini(execute->load);
    for (size_t i = 0; i < decision->count; i++) {
        varve_event *event = &decision->events[i];
        event->version = execute->base + 1 + i;
        event->position = execute->first_position + i;
        event->recorded_at = execute->recorded_at;
        if (event->occurred_at == 0) event->occurred_at = execute->recorded_at;
    }
    outcome->events = decision->events;
    outcome->event_count = decision->count;
    outcome->version = execute->base + decision->count;
    outcome->first_position = execute->first_position;
    outcome->last_position = execute->first_position + decision->count - 1;
    if (execute->snapshot.len > 0 && load_is_usable(execute->load, &execute->source))
        load_keep_snapshot(&execute->source, execute->command->stream, outcome->version,
                           varve_buf_view(&execute->snapshot));
    return over(execute, VARVE_OK);
}

static enum execute_step heed_answer(struct execute *execute, uint64_t random)
{
    /* What matches now is no version that anybody pinned. */
    varve_condition_kind expected = execute->is_outread ? VARVE_STREAM_ANY : execute->command->expected;
    switch (verdict_of(execute->answer, expected, &execute->tries, random, &execute->delay_ms)) {
    case VERDICT_ACCEPTED:
        return accept(execute);
    case VERDICT_READ_BACK:
        return EXECUTE_LOOK_UP;
    case VERDICT_DECIDE_AGAIN:
        return EXECUTE_DECIDE;
    case VERDICT_APPEND_AGAIN:
        return EXECUTE_APPEND;
    case VERDICT_FAILED:
        break;
    }
    if (execute->answer == VARVE_CONFLICT && !execute->is_outread)
        return over(execute, pinned_elsewhere(execute, execute->current_version));
    execute->error = execute->answer_error;
    if (execute->answer == VARVE_CONFLICT) execute->error.detail = -1;
    return over(execute, execute->answer);
}

/* ---- all of it ---- */

/* The outcome names its command and stream whatever became of it. */
static enum execute_pause finish(struct execute *execute)
{
    varve_outcome *outcome = &execute->outcome;
    turns_give_back(execute->turns, &execute->turn);
    outcome->id = execute->command->id;
    /* Without memory the name stays empty: what happened has happened and is still the answer. */
    (void)arena_copy(memory(execute), execute->command->stream, &outcome->stream);
    return EXECUTE_IS_OVER;
}

enum execute_pause execute_run(struct execute *execute, bool behind, uint64_t random)
{
    execute->delay_ms = 0;
    for (;;) {
        switch (execute->step) {
        case EXECUTE_DECIDE:
            execute->step = load_and_decide(execute, behind);
            break;
        case EXECUTE_TURN:
            execute->step = EXECUTE_DECIDE;
            return EXECUTE_HAS_NO_TURN;
        case EXECUTE_HELD:
            if (behind) return EXECUTE_IS_HELD;
            execute->step = judge_held(execute);
            break;
        case EXECUTE_APPEND:
            execute->step = EXECUTE_ANSWER;
            if (append(execute)) return EXECUTE_IN_STORE;
            if (execute->answer != VARVE_BUSY) execute->step = hold_refusal(execute);
            break;
        case EXECUTE_ANSWER:
            execute->step = heed_answer(execute, random);
            if (execute->step == EXECUTE_DECIDE || execute->step == EXECUTE_APPEND) return EXECUTE_HAS_TO_WAIT;
            break;
        case EXECUTE_LOOK_UP:
            execute->step = find_first_outcome(execute);
            if (execute->step == EXECUTE_DECIDE) return EXECUTE_HAS_TO_WAIT;
            break;
        case EXECUTE_OVER:
            return finish(execute);
        }
    }
}

void execute_end(struct execute *execute, varve_status status)
{
    execute->status = status;
    (void)finish(execute);
}

void execute_start_over(struct execute *execute)
{
    execute->step = EXECUTE_DECIDE;
}
