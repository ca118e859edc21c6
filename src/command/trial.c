/* SPDX-License-Identifier: Apache-2.0 */
/* One aggregate in memory: the decider's functions without lanes and without a store. */
#include <varve/trial.h>

#include <inttypes.h>
#include <stdlib.h>

#include "base/id.h"
#include "command/decide.h"
#include "command/load.h"
#include "command/registry.h"
#include "command/request.h"
#include "event/codec.h"

struct varve_trial {
    struct load_decider decider;
    struct load load;
    char stream[VARVE_NAME_BYTES_MAX + 1];
    uint64_t commands; /* executed so far */
    bool broken;       /* `evolve` failed: the state is no state */
};

static varve_str stream_of(const varve_trial *trial)
{
    return varve_str_of(trial->stream);
}

/* The engine's own checks of a table and of what belongs to it. */
static varve_status check_decider(const varve_decider *decider, void *ctx, varve_str stream, varve_error *error)
{
    struct registry registry = { 0 };
    size_t index = 0;
    varve_status status = event_check_name(stream, "stream", error);
    if (status == VARVE_OK) status = registry_add(&registry, decider, ctx, error);
    if (status == VARVE_OK) status = registry_find(&registry, stream, &index, error);
    registry_fini(&registry);
    return status;
}

static varve_status open_worker(struct load_decider *decider, void *ctx, varve_error *error)
{
    decider->worker = ctx;
    return decider->table->worker_open == NULL ? VARVE_OK : decider->table->worker_open(ctx, &decider->worker, error);
}

varve_status varve_trial_open(varve_trial **out, const varve_decider *decider, void *ctx, varve_str stream,
                              varve_error *error)
{
    varve_error cause = { 0 };
    *out = NULL;
    varve_status status = check_decider(decider, ctx, stream, error);
    if (status < 0) return status;
    varve_trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a trial");
    memcpy(trial->stream, stream.ptr, stream.len);
    trial->decider.table = decider;
    status = open_worker(&trial->decider, ctx, &cause);
    if (status < 0) {
        free(trial);
    } else {
        status = load_begin(&trial->load, &trial->decider, stream_of(trial), &cause);
        if (status < 0)
            varve_trial_close(trial);
        else
            *out = trial;
    }
    if (status < 0 && error != NULL) *error = cause;
    return status;
}

void varve_trial_close(varve_trial *trial)
{
    if (trial == NULL) return;
    load_fini(&trial->load);
    if (trial->decider.table->worker_close != NULL) trial->decider.table->worker_close(trial->decider.worker);
    free(trial);
}

static varve_status refuse_broken(const varve_trial *trial, varve_error *error)
{
    if (!trial->broken) return VARVE_OK;
    return varve_error_set(error, VARVE_APPLICATION, "an event could not be applied to '%s' before", trial->stream);
}

static varve_status check_stream(const varve_trial *trial, varve_str stream, varve_error *error)
{
    if (stream.len == 0 || varve_str_eq(stream, stream_of(trial))) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "the trial's stream is '%s', not '%.*s'", trial->stream,
                           (int)stream.len, stream.ptr);
}

/* Applies the stream's next event, which is complete. */
static varve_status evolve(varve_trial *trial, varve_event *event, varve_error *error)
{
    varve_error cause = { 0 };
    event->version = trial->load.version + 1;
    varve_status status = load_evolve(&trial->load, event, &cause);
    trial->broken = status < 0;
    if (status < 0 && error != NULL) *error = cause;
    return status;
}

/* An id that names a trial's command; what happened before came from command 0. */
static varve_uuid command_id(uint64_t number)
{
    varve_uuid id = { .bytes = { [6] = 0x70, [8] = 0x80 } };
    for (size_t i = 0; i < 6; i++) id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
    return id;
}

varve_status varve_trial_apply(varve_trial *trial, const varve_event *event, varve_error *error)
{
    varve_event complete = *event;
    varve_status status = refuse_broken(trial, error);
    if (status == VARVE_OK) status = check_stream(trial, event->stream, error);
    if (status < 0) return status;
    complete.stream = stream_of(trial);
    complete.recorded_at = 0;
    if (varve_uuid_is_nil(complete.id)) complete.id = id_derive(command_id(0), (uint32_t)trial->load.version);
    status = event_complete(&complete, 0, 1, error);
    return status < 0 ? status : evolve(trial, &complete, error);
}

/* ---- commands ---- */

static varve_command complete_command(const varve_trial *trial, const varve_command *command,
                                      char id_text[VARVE_UUID_TEXT_BYTES])
{
    varve_command complete = *command;
    complete.stream = stream_of(trial);
    if (complete.data.len == 0) complete.data = VARVE_STR("{}");
    if (complete.time == 0) complete.time = VARVE_TRIAL_TIME;
    if (varve_uuid_is_nil(complete.id)) complete.id = command_id(trial->commands);
    if (complete.correlation_id.len == 0) {
        varve_uuid_format(complete.id, id_text);
        complete.correlation_id = varve_str_of(id_text);
    }
    return complete;
}

static varve_status refuse_version(const varve_trial *trial, varve_outcome *outcome, varve_error *error)
{
    outcome->current_version = trial->load.version;
    varve_error_set(error, VARVE_CONFLICT, "the stream '%s' is at version %" PRIu64, trial->stream,
                    trial->load.version);
    if (error != NULL) error->detail = (int64_t)trial->load.version;
    return VARVE_CONFLICT;
}

/* Applies what was decided and tells of it. */
static varve_status accept(varve_trial *trial, struct varve_decision *decision, varve_outcome *outcome,
                           varve_error *error)
{
    for (size_t i = 0; i < decision->count; i++) {
        varve_status status = evolve(trial, &decision->events[i], error);
        if (status < 0) return status;
    }
    outcome->events = decision->events;
    outcome->event_count = decision->count;
    outcome->version = trial->load.version;
    return VARVE_OK;
}

static varve_status decide(varve_trial *trial, const varve_command *command, varve_outcome *outcome, varve_error *error)
{
    const varve_decider *table = trial->decider.table;
    struct varve_decision decision;
    if (decide_find(table, command->type) != NULL && !decide_is_expected(command, trial->load.version))
        return refuse_version(trial, outcome, error);
    varve_status status = decision_begin(&decision, outcome->memory, command, error);
    if (status == VARVE_OK) status = decide_run(table, trial->load.state, command, &decision, error);
    outcome->stream = decision.stream;
    if (status == VARVE_REJECTED) {
        outcome->code = decision.code;
        outcome->message = decision.message;
    }
    return status == VARVE_OK ? accept(trial, &decision, outcome, error) : status;
}

varve_status varve_trial_execute(varve_trial *trial, const varve_command *command, varve_outcome *outcome,
                                 varve_error *error)
{
    char id_text[VARVE_UUID_TEXT_BYTES];
    varve_outcome made = { 0 };
    varve_status status = refuse_broken(trial, error);
    if (status == VARVE_OK) status = check_stream(trial, command->stream, error);
    if (status < 0) return status;
    trial->commands++;
    varve_command complete = complete_command(trial, command, id_text);
    made.id = complete.id;
    status = request_check(&complete, error);
    if (status < 0) return status;
    made.memory = calloc(1, sizeof(struct arena));
    if (made.memory == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    status = decide(trial, &complete, &made, error);
    if (outcome == NULL)
        varve_outcome_fini(&made);
    else
        *outcome = made;
    return status;
}

varve_status varve_trial_show(const varve_trial *trial, varve_buf *json, varve_error *error)
{
    varve_status status = refuse_broken(trial, error);
    if (status < 0) return status;
    if (trial->decider.table->encode == NULL)
        return varve_error_set(error, VARVE_UNSUPPORTED, "the decider of '%s' has no encode, so no state can be shown",
                               trial->decider.table->category);
    return load_encode(&trial->load, stream_of(trial), json, error);
}
