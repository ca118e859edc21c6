/* SPDX-License-Identifier: Apache-2.0 */
/* One aggregate, or what a decider over a query asks for, in memory: a decider without lanes and without a store. */
#include <varve/enrich.h>
#include <varve/trial.h>

#include <inttypes.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/json.h"
#include "command/candidate.h"
#include "command/decide.h"
#include "command/reading.h"
#include "command/registry.h"
#include "command/request.h"
#include "event/codec.h"

struct varve_trial {
    struct candidate candidate;
    struct schemas schemas;
    struct load load;
    char stream[VARVE_NAME_BYTES_MAX + 1];
    uint32_t given;    /* events applied so far */
    uint64_t commands; /* executed so far */
    bool broken;       /* `evolve` failed: the state is no state */

    /* Of a decider over a query: all that happened, in order, of which each command asks for its own. */
    struct arena memory;
    struct past *first, *last;
};

struct past {
    varve_event event;
    struct past *next;
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
    bool any = options->candidate.decider->reads != NULL;
    return event_check_name(options->stream, "stream", error) < 0 ? VARVE_INVALID
           : any || varve_str_is(category, options->candidate.decider->category)
               ? VARVE_OK
               : varve_error_set(error, VARVE_NOT_FOUND, "'%.*s' is not of the category '%s'", (int)options->stream.len,
                                 options->stream.ptr, options->candidate.decider->category);
}

static varve_status begin(varve_trial *trial, const varve_trial_options *options, varve_error *error)
{
    const varve_candidate *given = &options->candidate;
    varve_status status = candidate_open(&trial->candidate, given, error);
    if (status == VARVE_OK) status = candidate_add_schemas(given, &trial->schemas, error);
    if (status == VARVE_OK) status = check_options(options, error);
    if (status < 0) return status;
    memcpy(trial->stream, options->stream.ptr, options->stream.len);
    if (given->decider->reads != NULL) return VARVE_OK; /* each command begins its own */
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
    arena_fini(&trial->memory);
    candidate_close(&trial->candidate);
    schemas_fini(&trial->schemas);
    free(trial);
}

static bool is_over_query(const varve_trial *trial)
{
    return trial->candidate.decider.table->reads != NULL;
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

/* ---- over a query ---- */

static uint64_t version_of(const varve_trial *trial, varve_str stream)
{
    uint64_t version = 0;
    if (!is_over_query(trial)) return trial->load.version;
    for (const struct past *past = trial->first; past != NULL; past = past->next)
        version += varve_str_eq(past->event.stream, stream);
    return version;
}

static varve_status remember(varve_trial *trial, varve_event *event, varve_error *error)
{
    struct past *past = arena_alloc(&trial->memory, sizeof *past);
    event->version = version_of(trial, event->stream) + 1;
    if (past == NULL || !decision_copy_event(&trial->memory, event, &past->event))
        return varve_error_set(error, VARVE_NOMEM, "no memory for an event");
    past->next = NULL;
    *(trial->last == NULL ? &trial->first : &trial->last->next) = past;
    trial->last = past;
    return VARVE_OK;
}

/* The state is made of what this command asks for, of all that happened. */
static varve_status read_past(varve_trial *trial, struct varve_reading *reading, const varve_command *command,
                              varve_error *error)
{
    varve_error cause = { 0 };
    load_fini(&trial->load);
    varve_status status = reading_ask(reading, &trial->candidate.decider, command, &cause);
    if (status == VARVE_OK) status = load_begin(&trial->load, &trial->candidate.decider, stream_of(trial), &cause);
    for (struct past *past = trial->first; past != NULL && status == VARVE_OK; past = past->next)
        status = reading_evolve(reading, &trial->load, &past->event, &cause);
    trial->broken = status < 0; /* there is no state */
    if (status < 0 && error != NULL) *error = cause;
    return status;
}

/* ---- what happened before ---- */

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
    if (status == VARVE_OK && !is_over_query(trial)) status = check_stream(trial, event->stream, error);
    if (status < 0) return status;
    if (complete.stream.len == 0) complete.stream = stream_of(trial);
    complete.recorded_at = 0;
    if (varve_uuid_is_nil(complete.id)) complete.id = id_derive(command_id(0), trial->given++);
    status = event_complete(&complete, 0, 1, error);
    if (status < 0) return status;
    return is_over_query(trial) ? remember(trial, &complete, error) : evolve(trial, &complete, error);
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

/* A context is what somebody else's `enrich` would have fetched. */
static varve_status check_command(varve_command command, varve_error *error)
{
    varve_str context = command.context;
    command.context = (varve_str){ 0 };
    varve_status status = request_check(&command, error);
    if (status < 0 || context.len == 0) return status;
    if (context.len > VARVE_CONTEXT_BYTES_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "the context has %zu bytes, more than %u", context.len,
                               VARVE_CONTEXT_BYTES_MAX);
    return json_check(context, "the context", error);
}

static varve_status refuse_version(const varve_trial *trial, varve_outcome *outcome, varve_error *error)
{
    uint64_t version = version_of(trial, stream_of(trial));
    outcome->current_version = version;
    varve_error_set(error, VARVE_CONFLICT, "the stream '%s' is at version %" PRIu64, trial->stream, version);
    if (error != NULL) error->detail = (int64_t)version;
    return VARVE_CONFLICT;
}

/* An event that was decided: when it is one of those that the command asked for, the next one like it will see it. */
static varve_status remember_own(varve_trial *trial, const struct varve_reading *reading, varve_event *event,
                                 varve_error *error)
{
    varve_error cause = { 0 };
    varve_status status = remember(trial, event, &cause);
    if (status == VARVE_OK) {
        status = reading_evolve(reading, &trial->load, event, &cause);
        trial->broken = status < 0;
    }
    if (status < 0 && error != NULL) *error = cause;
    return status;
}

/* Applies what was decided and tells of it. */
static varve_status accept(varve_trial *trial, const struct varve_reading *reading, struct varve_decision *decision,
                           varve_outcome *outcome, varve_error *error)
{
    for (size_t i = 0; i < decision->count; i++) {
        varve_event *event = &decision->events[i];
        varve_status status =
            is_over_query(trial) ? remember_own(trial, reading, event, error) : evolve(trial, event, error);
        if (status < 0) return status;
    }
    outcome->events = decision->events;
    outcome->event_count = decision->count;
    outcome->version = version_of(trial, stream_of(trial));
    return VARVE_OK;
}

static varve_status decide(varve_trial *trial, const struct varve_reading *reading, const varve_command *command,
                           varve_outcome *outcome, varve_error *error)
{
    const varve_decider *table = trial->candidate.decider.table;
    struct varve_decision decision;
    if (decide_find(table, command->type) != NULL && !decide_is_expected(command, version_of(trial, stream_of(trial))))
        return refuse_version(trial, outcome, error);
    const struct decision_notes notes = { .context = table->record_context ? command->context : (varve_str){ 0 } };
    varve_status status = decision_begin(&decision, outcome->memory, command, &notes, error);
    decision.schemas = &trial->schemas;
    if (status == VARVE_OK) status = decide_run(table, trial->load.state, command, &decision, error);
    outcome->stream = decision.stream;
    if (status == VARVE_REJECTED) {
        outcome->code = decision.code;
        outcome->message = decision.message;
    }
    return status == VARVE_OK ? accept(trial, reading, &decision, outcome, error) : status;
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
    status = check_command(complete, error);
    if (status < 0) return status;
    made.memory = calloc(1, sizeof(struct arena));
    if (made.memory == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    struct varve_reading reading = { 0 };
    if (is_over_query(trial)) status = read_past(trial, &reading, &complete, error);
    if (status == VARVE_OK) status = decide(trial, &reading, &complete, &made, error);
    reading_fini(&reading);
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
                               registry_name(trial->candidate.decider.table));
    if (trial->load.table == NULL)
        return varve_error_set(error, VARVE_NOT_FOUND, "no command has asked for a state yet");
    return load_encode(&trial->load, stream_of(trial), json, error);
}
