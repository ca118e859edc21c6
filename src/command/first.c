/* SPDX-License-Identifier: Apache-2.0 */
#include "command/first.h"

#include <inttypes.h>

#include "base/id.h"
#include "command/decision.h"

#define SPACE VARVE_STR("command")

void first_init(struct first *first, const varve_command *command)
{
    varve_uuid_format(command->id, first->key);
    content_digest(command, first->digest);
}

void first_fini(struct first *first)
{
    varve_buf_fini(&first->value);
}

/* ---- writing ---- */

void first_check(const struct first *first, struct store_write *write)
{
    *write = (struct store_write){
        .record = { .space = SPACE, .key = varve_str_of(first->key) },
        .expect = STORE_EXPECT_UNUSED,
        .only_check = true,
    };
}

varve_status first_keep(struct first *first, const varve_outcome *outcome, uint32_t retention_s,
                        struct store_write *write, varve_error *error)
{
    varve_buf *value = &first->value;
    varve_buf_reset(value);
    varve_buf_printf(value, "{\"digest\":\"%s\"", first->digest);
    if (outcome->code.len > 0) {
        varve_buf_str(value, VARVE_STR(",\"code\":"));
        varve_buf_json_string(value, outcome->code);
        varve_buf_str(value, VARVE_STR(",\"message\":"));
        varve_buf_json_string(value, outcome->message);
    } else {
        varve_buf_printf(value, ",\"version\":%" PRIu64, outcome->version);
    }
    varve_buf_str(value, VARVE_STR("}"));
    if (value->failed) return varve_error_set(error, VARVE_NOMEM, "no memory to keep what became of a command");
    *write = (struct store_write){
        .record = { .space = SPACE, .key = varve_str_of(first->key), .value = varve_buf_view(value) },
        .expires_in = (varve_time)retention_s * 1000000,
        .expect = STORE_EXPECT_UNUSED,
    };
    return VARVE_OK;
}

/* ---- looking ---- */

static varve_status another_command(varve_error *error)
{
    return varve_error_set(error, VARVE_ID_CONFLICT,
                           "the command's id was used before, for another command: its type, stream or data differ");
}

/* The digest that stands in `json` as `name`; one that is not there says nothing against it. */
static bool is_same(const struct first *first, varve_str json, const char *name)
{
    varve_buf text = { 0 };
    bool same = varve_json_string(json, name, &text, NULL) < 0 || varve_str_is(varve_buf_view(&text), first->digest);
    varve_buf_fini(&text);
    return same;
}

/* Something was found: what stands in the outcome is not what became of the command. */
static void start_over(varve_outcome *outcome)
{
    *outcome = (varve_outcome){ .memory = outcome->memory, .repeated = true };
    arena_reset(outcome->memory);
}

/* Adds the command's events to the outcome: those with its derived ids, which stand together from `version` on. */
static varve_status read_back(varve_store *store, const varve_command *command, uint64_t version,
                              varve_outcome *outcome, varve_error *error)
{
    struct arena *memory = outcome->memory;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_read_options own = { .stream = command->stream, .from_version = version, .limit = VARVE_APPEND_EVENTS_MAX };

    start_over(outcome);
    varve_event *events = arena_array(memory, VARVE_APPEND_EVENTS_MAX, sizeof *events);
    if (events == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    outcome->events = events;
    varve_status status = varve_cursor_open(&cursor, store, &own, error);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &event, error)) == VARVE_OK) {
        varve_uuid id = id_derive(command->id, (uint32_t)outcome->event_count);
        if (memcmp(&id, &event->id, sizeof id) != 0) break;
        if (!decision_copy_event(memory, event, &events[outcome->event_count])) {
            status = varve_error_set(error, VARVE_NOMEM, "out of memory");
            break;
        }
        outcome->event_count++;
    }
    varve_cursor_close(cursor);
    if (status < 0) return status;
    if (outcome->event_count == 0) {
        return varve_error_set(error, VARVE_CORRUPT,
                               "the log has the command's first event, but not as version %" PRIu64 " of '%.*s'",
                               version, (int)command->stream.len, command->stream.ptr);
    }
    outcome->version = events[outcome->event_count - 1].version;
    outcome->first_position = events[0].position;
    outcome->last_position = events[outcome->event_count - 1].position;
    return VARVE_REPEATED;
}

static varve_status find_events(const struct first *first, varve_store *store, const varve_command *command,
                                varve_outcome *outcome, varve_error *error)
{
    varve_event event = { 0 };
    varve_buf bytes = { 0 };
    varve_error cause = { 0 };
    varve_status status = varve_event_find(store, id_derive(command->id, 0), &event, &bytes, &cause);
    if (status == VARVE_NOT_FOUND) {
        status = VARVE_OK;
    } else if (status < 0) {
        *error = cause;
    } else if (!varve_str_eq(event.stream, command->stream)) {
        status = varve_error_set(error, VARVE_ID_CONFLICT, "the command's id was used before, on the stream '%.*s'",
                                 (int)event.stream.len, event.stream.ptr);
    } else if (!is_same(first, event.metadata, "command_digest")) {
        status = another_command(error);
    } else {
        status = read_back(store, command, event.version, outcome, error);
    }
    varve_buf_fini(&bytes);
    return status;
}

/* The text of a member, in `memory`; empty when there is none. */
static varve_status take_text(struct arena *memory, varve_str json, const char *name, varve_str *text,
                              varve_error *error)
{
    varve_buf plain = { 0 };
    varve_status status = VARVE_OK;
    if (varve_json_string(json, name, &plain, NULL) == VARVE_OK &&
        (plain.failed || !arena_copy(memory, varve_buf_view(&plain), text)))
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    varve_buf_fini(&plain);
    return status;
}

static varve_status take_record(const struct first *first, varve_str json, varve_outcome *outcome, varve_error *error)
{
    int64_t version = 0;
    if (!is_same(first, json, "digest")) return another_command(error);
    start_over(outcome);
    varve_status status = take_text(outcome->memory, json, "code", &outcome->code, error);
    if (status >= 0) status = take_text(outcome->memory, json, "message", &outcome->message, error);
    if (status < 0) return status;
    if (outcome->code.len > 0) return VARVE_REJECTED;
    if (varve_json_int(json, "version", &version, NULL) == VARVE_OK) outcome->version = (uint64_t)version;
    return VARVE_REPEATED;
}

static varve_status find_record(const struct first *first, varve_store *store, varve_outcome *outcome,
                                varve_error *error)
{
    struct arena memory = { 0 };
    struct store_record record;
    varve_error cause = { 0 };
    varve_status status = store_record_get(store, SPACE, varve_str_of(first->key), &memory, &record, NULL, &cause);
    if (status == VARVE_OK)
        status = take_record(first, record.value, outcome, error);
    else if (status == VARVE_NOT_FOUND)
        status = VARVE_OK;
    else
        *error = cause;
    arena_fini(&memory);
    return status;
}

varve_status first_find(const struct first *first, varve_store *store, const varve_command *command,
                        varve_outcome *outcome, varve_error *error)
{
    varve_status status = find_events(first, store, command, outcome, error);
    return status == VARVE_OK ? find_record(first, store, outcome, error) : status;
}
