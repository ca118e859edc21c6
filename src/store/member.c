/* SPDX-License-Identifier: Apache-2.0 */
#include "store/member.h"

#include "event/read_json.h"

/* ---- reading ---- */

static varve_status read_numbers(struct event_reader *reader, size_t more, uint64_t **values, size_t *count)
{
    varve_status status = event_read_array(reader, "settled", count);
    if (status < 0) return status;
    *values = arena_array(reader->memory, *count + more, sizeof **values);
    if (*values == NULL) return varve_error_set(reader->error, VARVE_NOMEM, "no memory for a subscription");
    for (size_t i = 0; i < *count; i++)
        if ((status = event_read_number(reader, "settled", &(*values)[i])) < 0) return status;
    (void)json_next(&reader->scanner); /* the array's end, seen while counting */
    return VARVE_OK;
}

static varve_status read_hold_field(struct event_reader *reader, struct unparked *item)
{
    const struct json_scanner *key = &reader->scanner;
    uint64_t number = 0;
    varve_status status;
    if (json_is(key, "position")) return event_read_number(reader, "position", &item->next.position);
    if (json_is(key, "reason")) return event_read_text(reader, "reason", &item->next.reason);
    if (json_is(key, "stream")) return event_read_text(reader, "stream", &item->stream);
    if (json_is(key, "version")) return event_read_number(reader, "version", &item->version);
    if (json_is(key, "attempts")) {
        status = event_read_number(reader, "attempts", &number);
        item->next.attempts = (uint32_t)number;
        return status;
    }
    if (json_is(key, "not_before")) {
        status = event_read_number(reader, "not_before", &number);
        item->next.not_before = (varve_time)number;
        return status;
    }
    return event_read_unknown(reader);
}

static varve_status read_hold(struct event_reader *reader, const char *list, struct unparked *item)
{
    enum json_token token = json_next(&reader->scanner);
    if (token != JSON_OBJECT) return event_read_wrong(reader, list, "a list of objects");
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        varve_status status = read_hold_field(reader, item);
        if (status < 0) return status;
    }
    return token == JSON_ERROR ? event_read_not_json(reader) : VARVE_OK;
}

static varve_status read_held(struct event_reader *reader, struct member *member)
{
    varve_status status = event_read_array(reader, "held", &member->held_count);
    if (status < 0) return status;
    member->held = arena_array(reader->memory, member->held_count + 1, sizeof *member->held);
    if (member->held == NULL) return varve_error_set(reader->error, VARVE_NOMEM, "no memory for a subscription");
    for (size_t i = 0; i < member->held_count; i++) {
        struct unparked item = { 0 };
        if ((status = read_hold(reader, "held", &item)) < 0) return status;
        member->held[i] = item.next;
    }
    (void)json_next(&reader->scanner);
    return VARVE_OK;
}

static varve_status read_unparked(struct event_reader *reader, struct member *member)
{
    varve_status status = event_read_array(reader, "unparked", &member->unparked_count);
    if (status < 0) return status;
    member->unparked = arena_array(reader->memory, member->unparked_count + 1, sizeof *member->unparked);
    if (member->unparked == NULL) return varve_error_set(reader->error, VARVE_NOMEM, "no memory for a subscription");
    for (size_t i = 0; i < member->unparked_count; i++)
        if ((status = read_hold(reader, "unparked", &member->unparked[i])) < 0) return status;
    (void)json_next(&reader->scanner);
    return VARVE_OK;
}

static varve_status read_field(struct event_reader *reader, size_t more, struct member *member)
{
    const struct json_scanner *key = &reader->scanner;
    if (json_is(key, "position")) return event_read_number(reader, "position", &member->position);
    if (json_is(key, "parked")) return event_read_number(reader, "parked", &member->parked);
    if (json_is(key, "uneven")) return event_read_number(reader, "uneven", &member->uneven);
    if (json_is(key, "settled")) return read_numbers(reader, more, &member->settled, &member->settled_count);
    if (json_is(key, "held")) return read_held(reader, member);
    if (json_is(key, "unparked")) return read_unparked(reader, member);
    return event_read_unknown(reader);
}

varve_status member_read(varve_str json, size_t more, struct arena *memory, struct member *member, varve_error *error)
{
    varve_error problem = { 0 };
    struct event_reader reader = { .memory = memory, .error = &problem };
    varve_status status = VARVE_OK;
    enum json_token token = JSON_ERROR;
    *member = (struct member){ 0 };
    json_start(&reader.scanner, json);
    if (json_next(&reader.scanner) != JSON_OBJECT) status = event_read_wrong(&reader, "member", "an object");
    while (status >= 0 && (token = json_next(&reader.scanner)) == JSON_KEY) status = read_field(&reader, more, member);
    bool whole = member->settled != NULL && member->held != NULL && member->unparked != NULL;
    if (status == VARVE_NOMEM) return varve_error_set(error, VARVE_NOMEM, "%s", problem.message);
    if (status < 0 || token != JSON_OBJECT_END || !whole)
        return varve_error_set(error, VARVE_CORRUPT, "the state of a subscription cannot be read: %s", problem.message);
    return VARVE_OK;
}

/* ---- writing ---- */

static void write_hold(const struct hold *hold, varve_buf *json)
{
    varve_buf_printf(json, "{\"position\":%llu,\"attempts\":%lu,\"not_before\":%lld,\"reason\":",
                     (unsigned long long)hold->position, (unsigned long)hold->attempts, (long long)hold->not_before);
    varve_buf_json_string(json, hold->reason);
}

void member_write(const struct member *member, varve_buf *json)
{
    varve_buf_printf(json, "{\"position\":%llu,\"parked\":%llu,\"uneven\":%llu,\"settled\":[",
                     (unsigned long long)member->position, (unsigned long long)member->parked,
                     (unsigned long long)member->uneven);
    for (size_t i = 0; i < member->settled_count; i++)
        varve_buf_printf(json, "%s%llu", i == 0 ? "" : ",", (unsigned long long)member->settled[i]);
    varve_buf_str(json, VARVE_STR("],\"held\":["));
    for (size_t i = 0; i < member->held_count; i++) {
        varve_buf_add(json, ",", i == 0 ? 0 : 1);
        write_hold(&member->held[i], json);
        varve_buf_str(json, VARVE_STR("}"));
    }
    varve_buf_str(json, VARVE_STR("],\"unparked\":["));
    for (size_t i = 0; i < member->unparked_count; i++) {
        const struct unparked *unparked = &member->unparked[i];
        varve_buf_add(json, ",", i == 0 ? 0 : 1);
        write_hold(&unparked->next, json);
        varve_buf_str(json, VARVE_STR(",\"stream\":"));
        varve_buf_json_string(json, unparked->stream);
        varve_buf_printf(json, ",\"version\":%llu}", (unsigned long long)unparked->version);
    }
    varve_buf_str(json, VARVE_STR("]}"));
}

/* ---- changing ---- */

struct hold *member_hold(const struct member *member, uint64_t position)
{
    for (size_t i = 0; i < member->held_count; i++)
        if (member->held[i].position == position) return &member->held[i];
    return NULL;
}

void member_add_hold(struct member *member, const struct hold *hold)
{
    struct hold *there = member_hold(member, hold->position);
    if (there != NULL) {
        *there = *hold;
        return;
    }
    size_t at = member->held_count++;
    for (; at > 0 && member->held[at - 1].position > hold->position; at--) member->held[at] = member->held[at - 1];
    member->held[at] = *hold;
}

void member_drop_hold(struct member *member, uint64_t position)
{
    size_t kept = 0;
    for (size_t i = 0; i < member->held_count; i++)
        if (member->held[i].position != position) member->held[kept++] = member->held[i];
    member->held_count = kept;
}

void member_add_settled(struct member *member, uint64_t position)
{
    size_t at = member->settled_count++;
    for (; at > 0 && member->settled[at - 1] > position; at--) member->settled[at] = member->settled[at - 1];
    member->settled[at] = position;
}

struct unparked *member_unparked(const struct member *member, varve_str stream)
{
    for (size_t i = 0; i < member->unparked_count; i++)
        if (varve_str_eq(member->unparked[i].stream, stream)) return &member->unparked[i];
    return NULL;
}

void member_drop_unparked(struct member *member, struct unparked *unparked)
{
    *unparked = member->unparked[--member->unparked_count];
}
