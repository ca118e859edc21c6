/* SPDX-License-Identifier: Apache-2.0 */
/* Parked events. There is a record for each stream that has one; the events that wait behind it have none. */
#include "event/read_json.h"
#include "store/subscribe.h"

static varve_status no_memory(varve_error *error)
{
    varve_error_set(error, VARVE_NOMEM, "no memory for a parked event");
    return VARVE_NOMEM;
}

/* ---- the record ---- */

static varve_status read_field(struct event_reader *reader, varve_parked *parked)
{
    const struct json_scanner *key = &reader->scanner;
    uint64_t number = 0;
    varve_status status;
    if (json_is(key, "position")) return event_read_number(reader, "position", &parked->position);
    if (json_is(key, "version")) return event_read_number(reader, "version", &parked->version);
    if (json_is(key, "reason")) return event_read_text(reader, "reason", &parked->reason);
    if (json_is(key, "actor")) return event_read_text(reader, "actor", &parked->actor);
    if (!json_is(key, "attempts") && !json_is(key, "parked_at")) return event_read_unknown(reader);
    bool attempts = json_is(key, "attempts");
    status = event_read_number(reader, "attempts", &number);
    if (attempts)
        parked->attempts = (uint32_t)number;
    else
        parked->parked_at = (varve_time)number;
    return status;
}

/* Reads the value, and the member and the stream from the key: "NAME/0003/STREAM". */
static varve_status read_record(const struct store_record *record, struct arena *memory, varve_parked *parked,
                                varve_error *error)
{
    varve_error problem = { 0 };
    struct event_reader reader = { .memory = memory, .error = &problem };
    varve_status status = VARVE_OK;
    enum json_token token = JSON_ERROR;
    const char *slash = memchr(record->key.ptr, '/', record->key.len);
    size_t left = slash == NULL ? 0 : record->key.len - (size_t)(slash - record->key.ptr);
    *parked = (varve_parked){ 0 };
    json_start(&reader.scanner, record->value);
    if (json_next(&reader.scanner) == JSON_OBJECT)
        while (status >= 0 && (token = json_next(&reader.scanner)) == JSON_KEY) status = read_field(&reader, parked);
    if (status == VARVE_NOMEM) return no_memory(error);
    if (status < 0 || token != JSON_OBJECT_END || left < 7)
        return varve_error_set(error, VARVE_CORRUPT, "a parked event cannot be read: %s", problem.message);
    for (size_t i = 1; i <= 4; i++) parked->member = parked->member * 10 + (uint32_t)(slash[i] - '0');
    parked->place = (varve_str){ slash + 1, left - 1 };
    parked->stream = (varve_str){ slash + 6, left - 6 };
    return VARVE_OK;
}

varve_status parked_look(varve_store *store, const struct subscription *subscription, uint32_t member, varve_str stream,
                         struct arena *memory, varve_parked *parked, uint64_t *revision, varve_error *error)
{
    struct store_record record = { 0 };
    varve_error problem = { 0 };
    varve_str key;
    *revision = 0;
    if (!subscription_key(subscription, member, stream, "", memory, &key)) return no_memory(error);
    varve_status status = store_record_get(store, PARKED_SPACE, key, memory, &record, NULL, &problem);
    if (status == VARVE_NOT_FOUND) return VARVE_OK;
    if (status < 0 && error != NULL) *error = problem;
    if (status < 0) return status;
    *revision = record.revision;
    return read_record(&record, memory, parked, error);
}

varve_status parked_put(const struct subscription *subscription, const varve_parked *parked, uint64_t revision,
                        bool remove, struct arena *memory, struct store_write *write, varve_error *error)
{
    varve_buf json = { 0 };
    *write = (struct store_write){
        .record = { .space = PARKED_SPACE },
        .expect = revision == 0 ? STORE_EXPECT_NONE : STORE_EXPECT_REVISION,
        .expected = revision,
        .remove = remove,
    };
    varve_buf_printf(&json, "{\"position\":%llu,\"version\":%llu,\"attempts\":%lu,\"parked_at\":%lld,\"reason\":",
                     (unsigned long long)parked->position, (unsigned long long)parked->version,
                     (unsigned long)parked->attempts, (long long)parked->parked_at);
    varve_buf_json_string(&json, parked->reason);
    varve_buf_str(&json, VARVE_STR(",\"actor\":"));
    varve_buf_json_string(&json, parked->actor);
    varve_buf_str(&json, VARVE_STR("}"));
    bool made = !json.failed && arena_copy(memory, varve_buf_view(&json), &write->record.value) &&
                subscription_key(subscription, parked->member, parked->stream, "", memory, &write->record.key);
    varve_buf_fini(&json);
    return made ? VARVE_OK : no_memory(error);
}

/* ---- the list ---- */

struct listing {
    varve_parked_visit visit;
    void *ctx;
    struct arena memory;
    uint64_t count;
    bool ended; /* by the visitor */
    varve_error *error;
};

static varve_status show(void *ctx, const struct store_record *record)
{
    struct listing *listing = ctx;
    varve_parked parked;
    arena_reset(&listing->memory);
    varve_status status = read_record(record, &listing->memory, &parked, listing->error);
    listing->count++;
    if (status >= 0) status = listing->visit(listing->ctx, &parked);
    listing->ended = status > 0;
    return status;
}

varve_status parked_list(varve_store *store, const struct subscription *subscription, uint32_t member, varve_str after,
                         uint64_t limit, varve_parked_visit visit, void *ctx, varve_error *error)
{
    struct listing listing = { .visit = visit, .ctx = ctx, .error = error };
    varve_buf prefix = { 0 }, behind = { 0 };
    varve_str name = subscription->definition.name;
    varve_buf_printf(&prefix, "%.*s/", (int)name.len, name.ptr);
    if (after.len > 0) varve_buf_printf(&behind, "%s%.*s", prefix.failed ? "" : prefix.ptr, (int)after.len, after.ptr);
    if (member > 0) varve_buf_printf(&prefix, "%04lu/", (unsigned long)member);
    const struct store_record_range range = {
        .space = PARKED_SPACE, .prefix = varve_buf_view(&prefix), .after = varve_buf_view(&behind), .limit = limit
    };
    varve_status status = prefix.failed || behind.failed
                              ? no_memory(error)
                              : store_records_list(store, &range, show, &listing, NULL, error);
    if (status >= 0) status = !listing.ended && (limit == 0 || listing.count < limit) ? VARVE_DONE : VARVE_OK;
    varve_buf_fini(&behind);
    varve_buf_fini(&prefix);
    arena_fini(&listing.memory);
    return status;
}

varve_status varve_subscription_parked(varve_store *store, varve_str name, uint32_t member, varve_str after,
                                       uint64_t limit, varve_parked_visit visit, void *ctx, varve_error *error)
{
    struct arena memory = { 0 };
    struct subscription subscription;
    varve_status status = subscription_load(store, name, &memory, &subscription, error);
    if (status >= 0 && member > subscription.definition.members)
        status = varve_error_set(error, VARVE_INVALID, "the subscription %.*s has %lu members", (int)name.len, name.ptr,
                                 (unsigned long)subscription.definition.members);
    if (status >= 0) status = parked_list(store, &subscription, member, after, limit, visit, ctx, error);
    arena_fini(&memory);
    return status;
}
