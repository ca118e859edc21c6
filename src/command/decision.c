/* SPDX-License-Identifier: Apache-2.0 */
#include "command/decision.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/id.h"
#include "base/utf8.h"
#include "event/codec.h"

#define FIRST_EVENTS 4u

static void add_member(varve_buf *json, const char *name, varve_str value)
{
    if (value.len > 0) {
        varve_buf_printf(json, "%s\"%s\":", json->len > 1 ? "," : "", name);
        varve_buf_json_string(json, value);
    }
}

/*
 * What every event says about where it came from. Its cause is the command; a command is not
 * stored, so what caused the command stands here too, or the chain would end at it.
 */
static void write_metadata(const varve_command *command, const struct decision_notes *notes, varve_buf *json)
{
    char id[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(command->id, id);
    varve_buf_str(json, VARVE_STR("{"));
    add_member(json, "correlation_id", command->correlation_id);
    add_member(json, "causation_id", varve_str_of(id));
    add_member(json, "command_causation_id", command->causation_id);
    add_member(json, "command_digest", notes->digest);
    add_member(json, "actor", command->actor);
    add_member(json, "traceparent", command->traceparent);
    if (notes->context.len > 0) {
        varve_buf_str(json, VARVE_STR(",\"context\":"));
        varve_buf_str(json, notes->context);
    }
    varve_buf_str(json, VARVE_STR("}"));
}

varve_status decision_begin(struct varve_decision *decision, struct arena *arena, const varve_command *command,
                            const struct decision_notes *notes, varve_error *error)
{
    varve_buf metadata = { 0 };
    arena_reset(arena);
    *decision = (struct varve_decision){ .arena = arena, .command_id = command->id };
    write_metadata(command, notes, &metadata);
    bool copied = !metadata.failed && arena_copy(arena, varve_buf_view(&metadata), &decision->metadata) &&
                  arena_copy(arena, command->stream, &decision->stream);
    varve_buf_fini(&metadata);
    return copied ? VARVE_OK : varve_error_set(error, VARVE_NOMEM, "out of memory");
}

bool decision_copy_event(struct arena *arena, const varve_event *event, varve_event *copy)
{
    *copy = *event;
    if (event->tag_count > 0) {
        varve_str *tags = arena_array(arena, event->tag_count, sizeof *tags);
        if (tags == NULL) return false;
        copy->tags = tags;
        for (size_t i = 0; i < event->tag_count; i++)
            if (!arena_copy(arena, event->tags[i], &tags[i])) return false;
    }
    return arena_copy(arena, event->stream, &copy->stream) && arena_copy(arena, event->type, &copy->type) &&
           arena_copy(arena, event->data, &copy->data) && arena_copy(arena, event->metadata, &copy->metadata) &&
           arena_copy(arena, event->content_type, &copy->content_type);
}

/* Room for one more event; doubled, the old array stays in the arena until it is reset. */
static bool grow(struct varve_decision *decision)
{
    if (decision->count < decision->capacity) return true;
    size_t capacity = decision->capacity == 0 ? FIRST_EVENTS : decision->capacity * 2;
    varve_event *events = arena_array(decision->arena, capacity, sizeof *events);
    if (events == NULL) return false;
    if (decision->count > 0) memcpy(events, decision->events, decision->count * sizeof *events);
    decision->events = events;
    decision->capacity = capacity;
    return true;
}

varve_status varve_emit(varve_decision *decision, const varve_event *event)
{
    varve_error *error = &decision->error;
    if (error->status < 0) return error->status;
    if (decision->rejected) return VARVE_REJECTED;
    if (decision->count == VARVE_APPEND_EVENTS_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "more than %u events", VARVE_APPEND_EVENTS_MAX);
    varve_event complete = {
        .stream = decision->stream,
        .type = event->type,
        .data = event->data,
        .metadata = decision->metadata,
        .content_type = event->content_type,
        .tags = event->tags,
        .tag_count = event->tag_count,
        .id = id_derive(decision->command_id, (uint32_t)decision->count),
        .schema_version = event->schema_version,
        .occurred_at = event->occurred_at,
    };
    varve_status status = event_complete(&complete, decision->count, decision->count + 1, error);
    if (status >= 0 && decision->schemas != NULL) status = schemas_check(decision->schemas, &complete, error);
    if (status < 0) {
        /* What a decider emits is the application's doing; who sent the command did nothing wrong. */
        if (status == VARVE_INVALID || status == VARVE_SCHEMA_MISMATCH) error->status = VARVE_APPLICATION;
        return error->status;
    }
    decision->bytes += complete.data.len + complete.metadata.len;
    if (decision->bytes > VARVE_APPEND_BYTES_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "more than %u bytes of events", VARVE_APPEND_BYTES_MAX);
    if (!grow(decision) || !decision_copy_event(decision->arena, &complete, &decision->events[decision->count]))
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    decision->count++;
    return VARVE_OK;
}

varve_status varve_reject(varve_decision *decision, const char *code, const char *format, ...)
{
    varve_error *error = &decision->error;
    if (error->status < 0) return error->status;
    if (event_check_name(varve_str_of(code), "rejection code", error) < 0) {
        error->status = VARVE_APPLICATION;
        return error->status;
    }
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *message = len < 0 ? NULL : arena_alloc(decision->arena, (size_t)len + 1);
    if (message == NULL || !arena_copy(decision->arena, varve_str_of(code), &decision->code))
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    va_start(args, format);
    vsnprintf(message, (size_t)len + 1, format, args);
    va_end(args);
    decision->message = (varve_str){ message, (size_t)len };
    if (!utf8_valid(decision->message))
        return varve_error_set(error, VARVE_APPLICATION, "the message of the rejection '%s' is not UTF-8", code);
    decision->rejected = true;
    decision->count = 0;
    return VARVE_REJECTED;
}
