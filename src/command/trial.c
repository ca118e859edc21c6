/* SPDX-License-Identifier: Apache-2.0 */
/* One aggregate in memory: the decider's functions without lanes and without a store. */
#include <varve/trial.h>

#include <inttypes.h>
#include <stdlib.h>

#include "base/id.h"
#include "command/candidate.h"
#include "command/decide.h"
#include "command/request.h"
#include "event/codec.h"

struct varve_trial {
    struct candidate candidate;
    struct schemas schemas;
    struct load load;
    char stream[VARVE_NAME_BYTES_MAX + 1];
    uint64_t commands; /* executed so far */
    bool broken;       /* `evolve` failed: the state is no state */
};

static varve_str stream_of(const varve_trial *trial)
{
    return varve_str_of(trial->stream);
}

static varve_status check_options(const varve_trial_options *options, varve_error *error)
{
    varve_str category = varve_stream_category(options->stream);
    if (options->size != 0 && options->size != sizeof *options)
        return varve_error_set(error, VARVE_INVALID, "varve_trial_options is of another version of the library");
    return event_check_name(options->stream, "stream", error) < 0 ? VARVE_INVALID
           : varve_str_is(category, options->candidate.decider->category)
               ? VARVE_OK
               : varve_error_set(error, VARVE_NOT_FOUND, "'%.*s' is not of the category '%s'", (int)options->stream.len,
                                 options->stream.ptr, options->candidate.decider->category);
}

static varve_status begin(varve_trial *trial, const varve_trial_options *options, varve_error *error)
{
    const varve_candidate *given = &options->candidate;
    varve_status status = candidate_open(&trial->candidate, given, error);
    for (size_t i = 0; i < given->schema_count && status == VARVE_OK; i++) {
        const varve_schema_item *schema = &given->schemas[i];
        status = schemas_add(&trial->schemas, schema->type, schema->schema_version, schema->file, schema->text, error);
    }
    if (status == VARVE_OK) status = check_options(options, error);
    if (status < 0) return status;
    memcpy(trial->stream, options->stream.ptr, options->stream.len);
    return load_begin(&trial->load, &trial->candidate.decider, stream_of(trial), error);
}

varve_status varve_trial_open(varve_trial **out, const varve_trial_options *options, varve_error *error)
{
    varve_error cause = { 0 };
    *out = NULL;
    varve_trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a trial");
    varve_status status = begin(trial, options, &cause);
    if (status < 0) {
        varve_trial_close(trial);
        if (error != NULL) *error = cause;
        return status;
    }
    *out = trial;
    return VARVE_OK;
}

void varve_trial_close(varve_trial *trial)
{
    if (trial == NULL) return;
    load_fini(&trial->load);
    candidate_close(&trial->candidate);
    schemas_fini(&trial->schemas);
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
    const varve_decider *table = trial->candidate.decider.table;
    struct varve_decision decision;
    if (decide_find(table, command->type) != NULL && !decide_is_expected(command, trial->load.version))
        return refuse_version(trial, outcome, error);
    varve_status status = decision_begin(&decision, outcome->memory, command, error);
    decision.schemas = &trial->schemas;
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
    if (trial->candidate.decider.table->encode == NULL)
        return varve_error_set(error, VARVE_UNSUPPORTED, "the decider of '%s' has no encode, so no state can be shown",
                               trial->candidate.decider.table->category);
    return load_encode(&trial->load, stream_of(trial), json, error);
}
