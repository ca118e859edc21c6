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

static varve_status read_query_item(struct event_reader *reader, varve_query_item *item)
{
    enum json_token token = json_next(&reader->scanner);
    if (token == JSON_ERROR) return event_read_not_json(reader);
    if (token != JSON_OBJECT) return event_read_wrong(reader, "fail_if_match", "a list of {\"types\",\"tags\"}");
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        varve_status status;
        if (json_is(&reader->scanner, "types"))
            status = item->types != NULL ? event_read_repeated(reader, "types")
                                         : event_read_texts(reader, "types", &item->types, &item->type_count);
        else if (json_is(&reader->scanner, "tags"))
            status = item->tags != NULL ? event_read_repeated(reader, "tags")
                                        : event_read_texts(reader, "tags", &item->tags, &item->tag_count);
        else
            status = event_read_unknown(reader);
        if (status < 0) return status;
    }
    return token == JSON_ERROR ? event_read_not_json(reader) : VARVE_OK;
}

static varve_status read_query(struct event_reader *reader, varve_condition *condition)
{
    varve_status status = event_read_array(reader, "fail_if_match", &condition->item_count);
    if (status < 0) return status;
    varve_query_item *items = arena_array(reader->memory, condition->item_count + 1, sizeof *items);
    if (items == NULL) return varve_error_set(reader->error, VARVE_NOMEM, "no memory for the append");
    for (size_t i = 0; i < condition->item_count; i++)
        if ((status = read_query_item(reader, &items[i])) < 0) return status;
    (void)json_next(&reader->scanner); /* the array's end, seen while counting */
    condition->items = items;
    condition->kind = VARVE_FAIL_IF_MATCH;
    return VARVE_OK;
}

/* Which fields of a condition have been there. */
struct condition_fields {
    bool stream, version, query, after;
};

static varve_status read_condition_field(struct event_reader *reader, varve_condition *condition,
                                         struct condition_fields *seen)
{
    const struct json_scanner *key = &reader->scanner;
    bool *field = json_is(key, "stream")             ? &seen->stream
                  : json_is(key, "expected_version") ? &seen->version
                  : json_is(key, "fail_if_match")    ? &seen->query
                  : json_is(key, "after")            ? &seen->after
                                                     : NULL;
    if (field == NULL) return event_read_unknown(reader);
    if (*field)
        return event_read_repeated(reader, field == &seen->stream    ? "stream"
                                           : field == &seen->version ? "expected_version"
                                           : field == &seen->query   ? "fail_if_match"
                                                                     : "after");
    *field = true;
    if (field == &seen->stream) return event_read_text(reader, "stream", &condition->stream);
    if (field == &seen->version) return read_expected_version(reader, condition);
    if (field == &seen->query) return read_query(reader, condition);
    return event_read_number(reader, "after", &condition->after);
}

static varve_status read_condition(struct event_reader *reader, varve_condition *condition)
{
    struct condition_fields seen = { 0 };
    if (json_next(&reader->scanner) != JSON_OBJECT)
        return varve_error_set(reader->error, VARVE_INVALID, "conditions[%zu] must be an object", reader->item);
    enum json_token token;
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        varve_status status = read_condition_field(reader, condition, &seen);
        if (status < 0) return status;
    }
    if (token == JSON_ERROR) return event_read_not_json(reader);
    bool on_stream = seen.stream && seen.version && !seen.query && !seen.after && condition->stream.len > 0;
    bool on_query = seen.query && seen.after && !seen.stream && !seen.version;
    if (on_stream || on_query) return VARVE_OK;
    return varve_error_set(reader->error, VARVE_INVALID,
                           "conditions[%zu] needs \"stream\" and \"expected_version\", or \"fail_if_match\" and "
                           "\"after\"",
                           reader->item);
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
