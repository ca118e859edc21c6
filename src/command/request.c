/* SPDX-License-Identifier: Apache-2.0 */
#include "command/request.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/traceparent.h"
#include "event/codec.h"

/* ---- checks ---- */

/* A name that may be left out. */
static varve_status check_optional(varve_str name, const char *what, varve_error *error)
{
    return name.len == 0 ? VARVE_OK : event_check_name(name, what, error);
}

static varve_status check_traceparent(varve_str text, varve_error *error)
{
    if (text.len == 0 || traceparent_is_valid(text)) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID,
                           "'%.*s' is no traceparent, which is 00-TRACE-PARENT-FLAGS (W3C Trace Context, version 00)",
                           (int)(text.len < 80 ? text.len : 80), text.ptr);
}

static varve_status check_expected(const varve_command *command, varve_error *error)
{
    switch (command->expected) {
    case VARVE_STREAM_ANY:
    case VARVE_STREAM_AT:
    case VARVE_STREAM_NONE:
    case VARVE_STREAM_EXISTS:
        return VARVE_OK;
    case VARVE_FAIL_IF_MATCH:
        return varve_error_set(error, VARVE_UNSUPPORTED, "a command cannot expect 'fail if match' so far");
    }
    return varve_error_set(error, VARVE_INVALID, "unknown kind of expected version");
}

varve_status request_check(const varve_command *command, varve_error *error)
{
    varve_status status = VARVE_OK;
    if ((status = event_check_name(command->type, "command type", error)) < 0 ||
        (status = event_check_name(command->stream, "stream", error)) < 0 ||
        (status = check_optional(command->correlation_id, "correlation_id", error)) < 0 ||
        (status = check_optional(command->causation_id, "causation_id", error)) < 0 ||
        (status = check_optional(command->actor, "actor", error)) < 0 ||
        (status = check_traceparent(command->traceparent, error)) < 0 || (status = check_expected(command, error)) < 0)
        return status;
    if (command->context.len > 0)
        return varve_error_set(error, VARVE_INVALID, "a command's context is what its decider's enrich fetches");
    if (command->not_before != 0)
        return varve_error_set(error, VARVE_INVALID, "a command with a not_before is to be scheduled, not executed");
    if (command->data.len > VARVE_DATA_BYTES_MAX) {
        return varve_error_set(error, VARVE_TOO_LARGE, "the command's data has %zu bytes, more than %u",
                               command->data.len, VARVE_DATA_BYTES_MAX);
    }
    return command->data.len == 0 ? VARVE_OK : json_check(command->data, "the command's data", error);
}

/* ---- JSON ---- */

struct varve_command_json {
    varve_command command;
    struct arena arena; /* texts that had escapes */
};

/* The members of a command's JSON, by their place in `names`. */
enum member { TYPE, STREAM, DATA, ID, EXPECTED_VERSION, CORRELATION_ID, CAUSATION_ID, NOT_BEFORE, MEMBERS };

static const char *const names[MEMBERS] = {
    [TYPE] = "type",
    [STREAM] = "stream",
    [DATA] = "data",
    [ID] = "id",
    [EXPECTED_VERSION] = "expected_version",
    [CORRELATION_ID] = "correlation_id",
    [CAUSATION_ID] = "causation_id",
    [NOT_BEFORE] = "not_before",
};

static enum member find_member(const struct json_scanner *key)
{
    enum member member = TYPE;
    while (member < MEMBERS && !json_is(key, names[member])) member++;
    return member;
}

static varve_status not_json(const struct json_scanner *scanner, varve_error *error)
{
    return varve_error_set(error, VARVE_INVALID, "the command is not JSON: %s at byte %zu", scanner->problem,
                           (size_t)(scanner->at - scanner->start));
}

/* The string just read, unescaped, not empty. */
static varve_status read_text(struct varve_command_json *parsed, const struct json_scanner *scanner,
                              enum json_token token, const char *name, varve_str *text, varve_error *error)
{
    if (token != JSON_STRING || scanner->raw.len == 0)
        return varve_error_set(error, VARVE_INVALID, "the field '%s' must be a string and not empty", name);
    *text = scanner->raw;
    if (scanner->escaped) {
        varve_buf plain = { 0 };
        json_unescape(scanner->raw, &plain);
        bool copied = !plain.failed && arena_copy(&parsed->arena, varve_buf_view(&plain), text);
        varve_buf_fini(&plain);
        if (!copied) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    return VARVE_OK;
}

static varve_status read_id(struct varve_command_json *parsed, const struct json_scanner *scanner,
                            enum json_token token, varve_error *error)
{
    varve_str text = { 0 };
    varve_status status = read_text(parsed, scanner, token, names[ID], &text, error);
    if (status == VARVE_OK && varve_uuid_parse(&parsed->command.id, text, NULL) < 0)
        return varve_error_set(error, VARVE_INVALID, "the field 'id' must be a UUID");
    return status;
}

static varve_status read_not_before(struct varve_command_json *parsed, const struct json_scanner *scanner,
                                    enum json_token token, varve_error *error)
{
    varve_str text = { 0 };
    varve_time *time = &parsed->command.not_before;
    varve_status status = read_text(parsed, scanner, token, names[NOT_BEFORE], &text, error);
    if (status == VARVE_OK && (varve_time_parse(time, text, NULL) < 0 || *time <= 0))
        return varve_error_set(error, VARVE_INVALID,
                               "the field 'not_before' must be a time after 1970 like 2026-01-02T03:04:05Z");
    return status;
}

static varve_status read_expected(struct varve_command_json *parsed, const struct json_scanner *scanner,
                                  enum json_token token, varve_error *error)
{
    varve_command *command = &parsed->command;
    if (token == JSON_INTEGER && scanner->integer >= 0) {
        command->expected = VARVE_STREAM_AT;
        command->expected_version = (uint64_t)scanner->integer;
        return VARVE_OK;
    }
    if (token != JSON_STRING || scanner->raw.len == 0 || (scanner->raw.ptr[0] >= '0' && scanner->raw.ptr[0] <= '9') ||
        varve_expected_version_parse(scanner->raw, &command->expected, &command->expected_version, NULL) < 0) {
        return varve_error_set(error, VARVE_INVALID,
                               "the field 'expected_version' must be a number, \"any\", \"none\" or \"exists\"");
    }
    return VARVE_OK;
}

/* The value of one member; the scanner has read its name. */
static varve_status read_member(struct varve_command_json *parsed, struct json_scanner *scanner, enum member member,
                                varve_error *error)
{
    varve_command *command = &parsed->command;
    enum json_token token = json_next(scanner);
    if (token == JSON_ERROR) return not_json(scanner, error);
    switch (member) {
    case TYPE:
        return read_text(parsed, scanner, token, names[member], &command->type, error);
    case STREAM:
        return read_text(parsed, scanner, token, names[member], &command->stream, error);
    case CORRELATION_ID:
        return read_text(parsed, scanner, token, names[member], &command->correlation_id, error);
    case CAUSATION_ID:
        return read_text(parsed, scanner, token, names[member], &command->causation_id, error);
    case ID:
        return read_id(parsed, scanner, token, error);
    case NOT_BEFORE:
        return read_not_before(parsed, scanner, token, error);
    case EXPECTED_VERSION:
        return read_expected(parsed, scanner, token, error);
    case DATA:
    case MEMBERS:
        break;
    }
    return json_skip(scanner, token, &command->data) == JSON_ERROR ? not_json(scanner, error) : VARVE_OK;
}

static varve_status read_members(struct varve_command_json *parsed, struct json_scanner *scanner, unsigned allowed,
                                 unsigned *seen, varve_error *error)
{
    enum json_token token = json_next(scanner);
    if (token == JSON_ERROR) return not_json(scanner, error);
    if (token != JSON_OBJECT) return varve_error_set(error, VARVE_INVALID, "a command must be a JSON object");
    while ((token = json_next(scanner)) == JSON_KEY) {
        enum member member = find_member(scanner);
        if (member == MEMBERS || (allowed & 1u << member) == 0) {
            return varve_error_set(error, VARVE_INVALID, "unknown field '%.*s'", (int)scanner->raw.len,
                                   scanner->raw.ptr);
        }
        if ((*seen & 1u << member) != 0)
            return varve_error_set(error, VARVE_INVALID, "the field '%s' is there twice", names[member]);
        *seen |= 1u << member;
        varve_status status = read_member(parsed, scanner, member, error);
        if (status < 0) return status;
    }
    return token == JSON_ERROR || json_next(scanner) == JSON_ERROR ? not_json(scanner, error) : VARVE_OK;
}

varve_status varve_command_json_parse(varve_command_json **parsed, varve_str json, varve_str type, varve_error *error)
{
    struct json_scanner scanner;
    unsigned seen = 0;
    unsigned required = type.len > 0 ? 1u << STREAM : 1u << STREAM | 1u << TYPE;
    unsigned allowed = type.len > 0 ? ~(1u << TYPE) : ~0u;
    *parsed = NULL;
    struct varve_command_json *made = calloc(1, sizeof *made);
    if (made == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    made->command.type = type;
    json_start_around(&scanner, json);
    varve_status status = read_members(made, &scanner, allowed, &seen, error);
    if (status == VARVE_OK && (seen & required) != required) {
        enum member missing = (required & ~seen & 1u << TYPE) != 0 ? TYPE : STREAM;
        status = varve_error_set(error, VARVE_INVALID, "the field '%s' is missing", names[missing]);
    }
    if (status < 0) {
        varve_command_json_free(made);
        return status;
    }
    *parsed = made;
    return VARVE_OK;
}

varve_command *varve_command_json_command(varve_command_json *parsed)
{
    return &parsed->command;
}

void varve_command_json_free(varve_command_json *parsed)
{
    if (parsed != NULL) {
        arena_fini(&parsed->arena);
        free(parsed);
    }
}
