/* SPDX-License-Identifier: Apache-2.0 */
/* An append as JSON. */
#include <stdlib.h>

#include <varve/store.h>

#include "event/read_json.h"

struct varve_append_json {
    struct arena memory; /* arrays, and texts that had escapes */
    varve_append_request request;
};

varve_status varve_expected_version_parse(varve_str text, varve_condition_kind *kind, uint64_t *version,
                                          varve_error *error)
{
    static const struct {
        const char *word;
        varve_condition_kind kind;
    } words[] = { { "any", VARVE_STREAM_ANY }, { "none", VARVE_STREAM_NONE }, { "exists", VARVE_STREAM_EXISTS } };
    uint64_t number = 0;
    *version = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (varve_str_is(text, words[i].word)) {
            *kind = words[i].kind;
            return VARVE_OK;
        }
    }
    bool valid = text.len > 0 && text.len <= 19; /* 19 digits fit into 64 bits */
    for (size_t i = 0; valid && i < text.len; i++) {
        valid = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (!valid || number > INT64_MAX)
        return varve_error_set(error, VARVE_INVALID, "an expected version is a number, any, none or exists");
    *kind = VARVE_STREAM_AT;
    *version = number;
    return VARVE_OK;
}

static varve_status read_expected_version(struct event_reader *reader, varve_condition *condition)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_INTEGER && reader->scanner.integer >= 0) {
        condition->kind = VARVE_STREAM_AT;
        condition->version = (uint64_t)reader->scanner.integer;
        return VARVE_OK;
    }
    varve_str word = reader->scanner.raw;
    bool is_word = token == JSON_STRING && word.len > 0 && (word.ptr[0] < '0' || word.ptr[0] > '9');
    if (!is_word || varve_expected_version_parse(word, &condition->kind, &condition->version, NULL) < 0)
        return event_read_wrong(reader, "expected_version", "a number, \"any\", \"none\" or \"exists\"");
    return VARVE_OK;
}

static varve_status read_condition(struct event_reader *reader, varve_condition *condition)
{
    bool has_version = false;
    if (json_next(&reader->scanner) != JSON_OBJECT)
        return varve_error_set(reader->error, VARVE_INVALID, "conditions[%zu] must be an object", reader->item);
    enum json_token token;
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        varve_status status;
        if (json_is(&reader->scanner, "stream")) {
            status = condition->stream.ptr != NULL ? event_read_repeated(reader, "stream")
                                                   : event_read_text(reader, "stream", &condition->stream);
        } else if (json_is(&reader->scanner, "expected_version")) {
            status = has_version ? event_read_repeated(reader, "expected_version")
                                 : read_expected_version(reader, condition);
            has_version = true;
        } else if (json_is(&reader->scanner, "fail_if_match") || json_is(&reader->scanner, "after")) {
            status = varve_error_set(reader->error, VARVE_UNSUPPORTED,
                                     "the append condition fail_if_match is not built yet");
        } else {
            status = event_read_unknown(reader);
        }
        if (status < 0) return status;
    }
    if (token == JSON_ERROR) return event_read_not_json(reader);
    if (!has_version || condition->stream.len == 0)
        return varve_error_set(reader->error, VARVE_INVALID,
                               "conditions[%zu] needs \"stream\" and \"expected_version\"", reader->item);
    return VARVE_OK;
}

static varve_status read_events(struct event_reader *reader, varve_append_request *request)
{
    varve_status status = event_read_array(reader, "events", &request->event_count);
    if (status < 0) return status;
    varve_event *events = arena_array(reader->memory, request->event_count + 1, sizeof *events);
    if (events == NULL) return varve_error_set(reader->error, VARVE_NOMEM, "no memory for the append");
    reader->list = "events";
    for (reader->item = 0; reader->item < request->event_count; reader->item++)
        if ((status = event_read_json(reader, &events[reader->item])) < 0) return status;
    reader->list = NULL;
    (void)json_next(&reader->scanner); /* the array's end, seen while counting */
    request->events = events;
    return VARVE_OK;
}

static varve_status read_conditions(struct event_reader *reader, varve_append_request *request)
{
    varve_status status = event_read_array(reader, "conditions", &request->condition_count);
    if (status < 0) return status;
    varve_condition *conditions = arena_array(reader->memory, request->condition_count + 1, sizeof *conditions);
    if (conditions == NULL) return varve_error_set(reader->error, VARVE_NOMEM, "no memory for the append");
    reader->list = "conditions";
    for (reader->item = 0; reader->item < request->condition_count; reader->item++)
        if ((status = read_condition(reader, &conditions[reader->item])) < 0) return status;
    reader->list = NULL;
    (void)json_next(&reader->scanner);
    request->conditions = conditions;
    return VARVE_OK;
}

/* One field of an append. What it leaves behind, if only an empty array, tells that it was there. */
static varve_status read_part(struct event_reader *reader, varve_append_request *request)
{
    const struct json_scanner *key = &reader->scanner;
    bool one_stream = reader->stream.len > 0;
    if (json_is(key, "events"))
        return request->events != NULL ? event_read_repeated(reader, "events") : read_events(reader, request);
    if (json_is(key, "conditions") && !one_stream)
        return request->conditions != NULL ? event_read_repeated(reader, "conditions")
                                           : read_conditions(reader, request);
    if (json_is(key, "idempotency_key") && !one_stream)
        return request->idempotency_key.ptr != NULL
                   ? event_read_repeated(reader, "idempotency_key")
                   : event_read_text(reader, "idempotency_key", &request->idempotency_key);
    return event_read_unknown(reader);
}

static varve_status read_append(struct event_reader *reader, varve_append_request *request)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_ERROR) return event_read_not_json(reader);
    if (token != JSON_OBJECT)
        return varve_error_set(reader->error, VARVE_INVALID, "an append is a JSON object with \"events\"");
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        varve_status status = read_part(reader, request);
        if (status < 0) return status;
    }
    if (token == JSON_ERROR || json_next(&reader->scanner) == JSON_ERROR) return event_read_not_json(reader);
    if (request->events == NULL)
        return varve_error_set(reader->error, VARVE_INVALID, "the field \"events\" is missing");
    return VARVE_OK;
}

varve_status varve_append_json_parse(varve_append_json **out, varve_str json, varve_str stream, varve_error *error)
{
    varve_append_json *parsed = calloc(1, sizeof *parsed);
    if (parsed == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for the append");
    struct event_reader reader = { .memory = &parsed->memory, .stream = stream, .error = error };
    json_start_around(&reader.scanner, json);
    varve_status status = read_append(&reader, &parsed->request);
    if (status < 0) {
        varve_append_json_free(parsed);
        return status;
    }
    *out = parsed;
    return VARVE_OK;
}

varve_append_request *varve_append_json_request(varve_append_json *parsed)
{
    return &parsed->request;
}

void varve_append_json_free(varve_append_json *parsed)
{
    if (parsed == NULL) return;
    arena_fini(&parsed->memory);
    free(parsed);
}
