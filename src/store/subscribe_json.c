/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions as JSON: as they are stored, and as they are shown. */
#include "event/read_json.h"
#include "store/subscribe.h"

/* ---- stored ---- */

static varve_status read_small(struct event_reader *reader, const char *field, uint32_t *value)
{
    uint64_t number = 0;
    varve_status status = event_read_number(reader, field, &number);
    *value = (uint32_t)number;
    return status;
}

static varve_status read_field(struct event_reader *reader, struct subscription *subscription)
{
    const struct json_scanner *key = &reader->scanner;
    varve_subscription *own = &subscription->definition;
    uint64_t number = 0;
    if (json_is(key, "categories"))
        return event_read_texts(reader, "categories", &own->categories, &own->category_count);
    if (json_is(key, "types")) return event_read_texts(reader, "types", &own->types, &own->type_count);
    if (json_is(key, "tags")) return event_read_texts(reader, "tags", &own->tags, &own->tag_count);
    if (json_is(key, "after")) return event_read_number(reader, "after", &own->after_position);
    if (json_is(key, "members")) return read_small(reader, "members", &own->members);
    if (json_is(key, "max_attempts")) return read_small(reader, "max_attempts", &own->max_attempts);
    if (json_is(key, "incarnation")) return event_read_text(reader, "incarnation", &subscription->incarnation);
    if (!json_is(key, "created_at") && !json_is(key, "deleting")) return event_read_unknown(reader);
    bool created = json_is(key, "created_at");
    varve_status status = event_read_number(reader, "created_at", &number);
    if (created)
        subscription->created_at = (varve_time)number;
    else
        subscription->deleting = number > 0;
    return status;
}

varve_status subscription_read(varve_str json, struct arena *memory, struct subscription *subscription,
                               varve_error *error)
{
    varve_error problem = { 0 };
    struct event_reader reader = { .memory = memory, .error = &problem };
    varve_status status = VARVE_OK;
    enum json_token token = JSON_ERROR;
    json_start(&reader.scanner, json);
    if (json_next(&reader.scanner) != JSON_OBJECT) status = event_read_wrong(&reader, "subscription", "an object");
    while (status >= 0 && (token = json_next(&reader.scanner)) == JSON_KEY) status = read_field(&reader, subscription);
    if (status == VARVE_NOMEM) return varve_error_set(error, VARVE_NOMEM, "%s", problem.message);
    if (status < 0 || token != JSON_OBJECT_END || subscription->definition.members == 0)
        return varve_error_set(error, VARVE_CORRUPT, "a subscription's definition cannot be read: %s", problem.message);
    return VARVE_OK;
}

static void write_texts(const char *name, const varve_str *texts, size_t count, varve_buf *json)
{
    varve_buf_printf(json, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        varve_buf_add(json, ",", i == 0 ? 0 : 1);
        varve_buf_json_string(json, texts[i]);
    }
    varve_buf_str(json, VARVE_STR("],"));
}

static void write_definition(const varve_subscription *definition, varve_buf *json)
{
    write_texts("categories", definition->categories, definition->category_count, json);
    write_texts("types", definition->types, definition->type_count, json);
    write_texts("tags", definition->tags, definition->tag_count, json);
    varve_buf_printf(json, "\"after\":%llu,\"members\":%lu,\"max_attempts\":%lu",
                     (unsigned long long)definition->after_position, (unsigned long)definition->members,
                     (unsigned long)definition->max_attempts);
}

void subscription_write(const struct subscription *subscription, varve_buf *json)
{
    varve_buf_str(json, VARVE_STR("{"));
    write_definition(&subscription->definition, json);
    varve_buf_printf(json, ",\"created_at\":%lld,\"deleting\":%d,\"incarnation\":", (long long)subscription->created_at,
                     subscription->deleting);
    varve_buf_json_string(json, subscription->incarnation);
    varve_buf_str(json, VARVE_STR("}"));
}

/* ---- shown ---- */

static void write_time(const char *name, varve_time time, varve_buf *out)
{
    char text[VARVE_TIME_TEXT_BYTES];
    varve_time_format(time, text);
    varve_buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

static void write_member(uint32_t number, const varve_subscription_member *member, varve_buf *out)
{
    varve_buf_printf(out,
                     "{\"member\":%lu,\"position\":%llu,\"lag\":%llu,\"held\":%lu,\"parked\":%llu,\"unparked\":%lu,"
                     "\"consumer\":",
                     (unsigned long)number, (unsigned long long)member->position, (unsigned long long)member->lag,
                     (unsigned long)member->held, (unsigned long long)member->parked, (unsigned long)member->unparked);
    if (member->consumer.len == 0) {
        varve_buf_str(out, VARVE_STR("null,\"lease_until\":null}"));
        return;
    }
    varve_buf_json_string(out, member->consumer);
    write_time("lease_until", member->lease_until, out);
    varve_buf_str(out, VARVE_STR("}"));
}

void varve_subscription_write_json(const varve_subscription_status *status, varve_buf *out)
{
    uint64_t position = UINT64_MAX, parked = 0;
    for (uint32_t i = 0; i < status->definition.members; i++) {
        parked += status->members[i].parked;
        if (status->members[i].position < position) position = status->members[i].position;
    }
    varve_buf_str(out, VARVE_STR("{\"name\":"));
    varve_buf_json_string(out, status->definition.name);
    varve_buf_printf(out, ",\"state\":\"%s\",\"position\":%llu,\"head\":%llu,\"lag\":%llu,\"parked\":%llu,",
                     status->rewound ? "rewound" : "active", (unsigned long long)position,
                     (unsigned long long)status->head,
                     (unsigned long long)(status->head > position ? status->head - position : 0),
                     (unsigned long long)parked);
    write_definition(&status->definition, out);
    write_time("created_at", status->created_at, out);
    varve_buf_str(out, VARVE_STR(",\"progress\":["));
    for (uint32_t i = 0; i < status->definition.members; i++) {
        varve_buf_add(out, ",", i == 0 ? 0 : 1);
        write_member(i + 1, &status->members[i], out);
    }
    varve_buf_str(out, VARVE_STR("]}"));
}

void varve_subscription_batch_write_json(const varve_subscription_batch *batch, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{\"events\":["));
    for (size_t i = 0; i < batch->count; i++) {
        varve_buf_add(out, ",", i == 0 ? 0 : 1);
        varve_event_write_json(&batch->deliveries[i].event, out);
        if (out->failed) return;
        out->len--; /* the brace: one more member */
        varve_buf_printf(out, ",\"attempt\":%lu}", (unsigned long)batch->deliveries[i].attempt);
    }
    varve_buf_printf(out, "],\"position\":%llu", (unsigned long long)batch->position);
    write_time("lease_until", batch->lease_until, out);
    varve_buf_str(out, VARVE_STR("}"));
}

void varve_parked_write_json(const varve_parked *parked, varve_buf *out)
{
    varve_buf_printf(out, "{\"member\":%lu,\"stream\":", (unsigned long)parked->member);
    varve_buf_json_string(out, parked->stream);
    varve_buf_printf(out, ",\"position\":%llu,\"version\":%llu,\"attempts\":%lu,\"reason\":",
                     (unsigned long long)parked->position, (unsigned long long)parked->version,
                     (unsigned long)parked->attempts);
    varve_buf_json_string(out, parked->reason);
    varve_buf_str(out, VARVE_STR(",\"actor\":"));
    varve_buf_json_string(out, parked->actor);
    write_time("parked_at", parked->parked_at, out);
    varve_buf_str(out, VARVE_STR(",\"place\":"));
    varve_buf_json_string(out, parked->place);
    varve_buf_str(out, VARVE_STR("}"));
}
