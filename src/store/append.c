/* SPDX-License-Identifier: Apache-2.0 */
#include "store/append.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "event/codec.h"
#include "event/query.h"
#include "store/digest.h"

/* Of a few streams the latest is usually meant again; of many a table says where each stands. */
enum { SCANNED_STREAMS = 16 };

/* Open addressing over the streams' names, at most half full; a place holds a stream's index + 1, or 0. */
static bool index_streams(struct append *append, size_t most)
{
    struct stream_index *index = &append->index;
    for (index->size = 64; index->size < 2 * most; index->size *= 2) {
    }
    index->places = arena_array(&append->memory, index->size, sizeof *index->places);
    if (index->places == NULL) return false;
    for (size_t i = 0; i < append->work.stream_count; i++) {
        size_t at = hash_str(append->work.streams[i].stream) & (index->size - 1);
        while (index->places[at] != 0) at = (at + 1) & (index->size - 1);
        index->places[at] = (uint32_t)i + 1;
    }
    return true;
}

/* Where `name` stands in the table, or the empty place where it would. */
static uint32_t *find_place(struct append *append, varve_str name)
{
    struct stream_index *index = &append->index;
    size_t at = hash_str(name) & (index->size - 1);
    while (index->places[at] != 0 && !varve_str_eq(append->work.streams[index->places[at] - 1].stream, name))
        at = (at + 1) & (index->size - 1);
    return &index->places[at];
}

/* Finds `name` among the append's streams or adds it (copied: the result outlives the request), and says where it
 * stands. `most` is how many streams there may be in all. */
static bool intern_stream(struct append *append, varve_str name, size_t most, uint32_t *index)
{
    struct store_append *work = &append->work;
    uint32_t *place = NULL;
    if (work->stream_count < SCANNED_STREAMS) {
        for (size_t i = work->stream_count; i > 0; i--) {
            *index = (uint32_t)(i - 1);
            if (varve_str_eq(work->streams[i - 1].stream, name)) return true;
        }
    } else {
        if (append->index.places == NULL && !index_streams(append, most)) return false;
        place = find_place(append, name);
        *index = *place - 1;
        if (*place != 0) return true;
    }
    if (!arena_copy(&append->memory, name, &work->streams[work->stream_count].stream)) return false;
    *index = (uint32_t)work->stream_count++;
    if (place != NULL) *place = *index + 1;
    return true;
}

static bool copy_payload(struct arena *memory, varve_event *event)
{
    varve_str *tags = NULL;
    if (event->tag_count > 0) {
        tags = arena_array(memory, event->tag_count, sizeof *tags);
        if (tags == NULL) return false;
        for (size_t i = 0; i < event->tag_count; i++)
            if (!arena_copy(memory, event->tags[i], &tags[i])) return false;
    }
    event->tags = tags;
    return arena_copy(memory, event->type, &event->type) && arena_copy(memory, event->data, &event->data) &&
           arena_copy(memory, event->metadata, &event->metadata) &&
           arena_copy(memory, event->content_type, &event->content_type);
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(varve_uuid));
}

/* Two events of one append cannot have one id: that would be neither a repeat nor new. */
static varve_status check_ids(struct append *append, varve_error *error)
{
    size_t count = append->work.event_count;
    if (append->work.ids_are_new || count < 2) return VARVE_OK;
    varve_uuid *ids = arena_array(&append->memory, count, sizeof *ids);
    if (ids == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory to check %zu event ids", count);
    memcpy(ids, append->ids, count * sizeof *ids);
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 1; i < count; i++) {
        if (compare_ids(&ids[i - 1], &ids[i]) != 0) continue;
        char text[VARVE_UUID_TEXT_BYTES];
        varve_uuid_format(ids[i], text);
        return varve_error_set(error, VARVE_INVALID, "two events of one append have the id %s", text);
    }
    return VARVE_OK;
}

static size_t event_bytes(const varve_event *event)
{
    size_t bytes = event->stream.len + event->type.len + event->data.len + event->metadata.len;
    for (size_t i = 0; i < event->tag_count; i++) bytes += event->tags[i].len;
    return bytes;
}

static varve_status take_events(struct append *append, const varve_append_request *request, bool copy,
                                varve_error *error)
{
    varve_event *events = arena_array(&append->memory, request->event_count, sizeof *events);
    uint32_t *event_stream = arena_array(&append->memory, request->event_count, sizeof *event_stream);
    append->ids = arena_array(&append->memory, request->event_count, sizeof *append->ids);
    if (events == NULL || event_stream == NULL || append->ids == NULL)
        return varve_error_set(error, VARVE_NOMEM, "no memory for an append");

    size_t most = request->event_count + request->condition_count;
    append->work.ids_are_new = true;
    for (size_t i = 0; i < request->event_count; i++) {
        varve_event *event = &events[i];
        *event = request->events[i];
        varve_status status = event_complete(event, i, request->event_count, error);
        if (status < 0) return status;
        append->bytes += event_bytes(event);
        if (append->bytes > VARVE_APPEND_BYTES_MAX)
            return varve_error_set(error, VARVE_TOO_LARGE, "the append is larger than %u bytes",
                                   VARVE_APPEND_BYTES_MAX);
        if (varve_uuid_is_nil(event->id))
            event->id = varve_uuid_new();
        else
            append->work.ids_are_new = false;
        append->ids[i] = event->id;
        if (!intern_stream(append, event->stream, most, &event_stream[i]) ||
            (copy && !copy_payload(&append->memory, event)))
            return varve_error_set(error, VARVE_NOMEM, "no memory for an append of %zu bytes", append->bytes);
        event->stream = append->work.streams[event_stream[i]].stream;
    }
    append->work.events = events;
    append->work.event_count = request->event_count;
    append->work.event_stream = event_stream;
    append->event_stream_count = append->work.stream_count;
    return check_ids(append, error);
}

static varve_status take_condition(struct append *append, varve_condition *condition, bool copy, size_t most,
                                   uint32_t *stream, varve_error *error)
{
    if (condition->kind == VARVE_FAIL_IF_MATCH) {
        if (condition->item_count == 0)
            return varve_error_set(error, VARVE_INVALID, "fail_if_match needs at least one item");
        if (condition->stream.len > 0)
            return varve_error_set(error, VARVE_INVALID, "a condition is on a stream or on a query, not on both");
        varve_status status = event_query_check(condition->items, condition->item_count, error);
        if (status < 0 || !copy) return status;
        if (event_query_copy(&append->memory, condition->items, condition->item_count, &condition->items))
            return VARVE_OK;
        return varve_error_set(error, VARVE_NOMEM, "no memory for an append condition");
    }
    varve_status status = event_check_name(condition->stream, "a condition's stream", error);
    if (status < 0) return status;
    if (!intern_stream(append, condition->stream, most, stream))
        return varve_error_set(error, VARVE_NOMEM, "no memory for an append condition");
    condition->stream = append->work.streams[*stream].stream;
    return VARVE_OK;
}

static size_t names_bytes(const varve_str *names, size_t count)
{
    size_t bytes = count * sizeof *names;
    for (size_t i = 0; i < count; i++) bytes += names[i].len;
    return bytes;
}

/* With what points to the names: many short ones are no less in the way. */
static size_t condition_bytes(const varve_condition *condition)
{
    size_t items = condition->kind == VARVE_FAIL_IF_MATCH ? condition->item_count : 0; /* else nobody looks at them */
    size_t bytes = sizeof *condition + condition->stream.len + items * sizeof *condition->items;
    for (size_t i = 0; i < items; i++) {
        const varve_query_item *item = &condition->items[i];
        bytes += names_bytes(item->types, item->type_count) + names_bytes(item->tags, item->tag_count);
    }
    return bytes;
}

static varve_status take_conditions(struct append *append, const varve_append_request *request, bool copy,
                                    varve_error *error)
{
    size_t count = request->condition_count, most = request->event_count + count;
    if (count == 0) return VARVE_OK;
    varve_condition *conditions = arena_array(&append->memory, count, sizeof *conditions);
    uint32_t *condition_stream = arena_array(&append->memory, count, sizeof *condition_stream);
    append->work.failed = arena_array(&append->memory, count, sizeof *append->work.failed);
    if (conditions == NULL || condition_stream == NULL || append->work.failed == NULL)
        return varve_error_set(error, VARVE_NOMEM, "no memory for %zu append conditions", count);
    for (size_t i = 0; i < count; i++) {
        conditions[i] = request->conditions[i];
        if (conditions[i].kind < VARVE_STREAM_ANY || conditions[i].kind > VARVE_FAIL_IF_MATCH)
            return varve_error_set(error, VARVE_INVALID, "condition %zu is of no known kind", i + 1);
        varve_status status = take_condition(append, &conditions[i], copy, most, &condition_stream[i], error);
        if (status < 0) return status;
        append->bytes += condition_bytes(&conditions[i]);
    }
    append->work.conditions = conditions;
    append->work.condition_count = count;
    append->work.condition_stream = condition_stream;
    return VARVE_OK;
}

static bool copy_record(struct arena *memory, struct store_record *record)
{
    return arena_copy(memory, record->space, &record->space) && arena_copy(memory, record->key, &record->key) &&
           arena_copy(memory, record->value, &record->value);
}

/* The write that keeps the idempotency key; what it needs to find the first result again is the first event's id. */
static varve_status keep_key(struct append *append, const varve_append_request *request, uint32_t retention_s,
                             struct store_write *write, varve_error *error)
{
    char digest[DIGEST_TEXT_BYTES], id[VARVE_UUID_TEXT_BYTES], value[160];
    varve_str copy;
    varve_status status = event_check_name(request->idempotency_key, "the idempotency key", error);
    if (status < 0) return status;
    digest_request(request, digest);
    varve_uuid_format(append->ids[0], id);
    int len = snprintf(value, sizeof value, "{\"digest\":\"%s\",\"first_id\":\"%s\",\"events\":%zu}", digest, id,
                       request->event_count);
    *write = (struct store_write){
        .record = { .space = VARVE_STR("idempotency"),
                    .key = request->idempotency_key,
                    .value = { value, (size_t)len } },
        .expires_in = (varve_time)retention_s * 1000000,
        .expect = STORE_EXPECT_NONE,
    };
    if (!copy_record(&append->memory, &write->record) || !arena_copy(&append->memory, varve_str_of(digest), &copy))
        return varve_error_set(error, VARVE_NOMEM, "no memory for an idempotency key");
    append->digest = copy.ptr;
    append->key_write = append->work.write_count;
    return VARVE_OK;
}

static varve_status take_writes(struct append *append, const varve_append_request *request,
                                const struct append_options *options, varve_error *error)
{
    struct store_append *work = &append->work;
    bool has_key = request->idempotency_key.len > 0;
    size_t count = options->write_count + (has_key ? 1 : 0);
    if (count == 0) return VARVE_OK;
    work->writes = arena_array(&append->memory, count, sizeof *work->writes);
    if (work->writes == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for %zu records", count);
    work->write_count = count;
    for (size_t i = 0; i < options->write_count; i++) {
        work->writes[i] = options->writes[i];
        work->writes[i].record.revision = work->writes[i].tried = 0;
        append->bytes += options->writes[i].record.value.len;
        if (options->copy && !copy_record(&append->memory, &work->writes[i].record))
            return varve_error_set(error, VARVE_NOMEM, "no memory for %zu records", count);
    }
    if (!has_key) return VARVE_OK;
    return keep_key(append, request, options->idempotency_retention_s, &work->writes[count - 1], error);
}

static varve_status take_absent_id(struct append *append, const struct append_options *options, varve_error *error)
{
    if (options->absent_id == NULL) return VARVE_OK;
    varve_uuid *id = arena_alloc(&append->memory, sizeof *id);
    if (id == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for an append");
    *id = *options->absent_id;
    append->work.absent_id = id;
    return VARVE_OK;
}

static varve_status check_counts(const varve_append_request *request, const struct append_options *options,
                                 varve_error *error)
{
    if (request->event_count == 0 && options->write_count == 0)
        return varve_error_set(error, VARVE_INVALID, "an append needs at least one event");
    if (request->event_count > VARVE_APPEND_EVENTS_MAX || request->condition_count > VARVE_APPEND_EVENTS_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE,
                               "an append has at most %u events and %u conditions, not %zu and %zu",
                               VARVE_APPEND_EVENTS_MAX, VARVE_APPEND_EVENTS_MAX, request->event_count,
                               request->condition_count);
    return VARVE_OK;
}

varve_status append_new(struct append **out, const varve_append_request *request, const struct append_options *options,
                        varve_error *error)
{
    varve_status status = check_counts(request, options, error);
    if (status < 0) return status;

    struct append *append = calloc(1, sizeof *append);
    if (append == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for an append");
    sem_init(&append->settled, 0, 0);
    append->work.streams =
        arena_array(&append->memory, request->event_count + request->condition_count, sizeof *append->work.streams);
    if (append->work.streams == NULL)
        status = varve_error_set(error, VARVE_NOMEM, "no memory for an append");
    else
        status = take_events(append, request, options->copy, error);
    if (status >= 0) status = take_conditions(append, request, options->copy, error);
    if (status >= 0) status = take_writes(append, request, options, error);
    if (status >= 0) status = take_absent_id(append, options, error);
    if (status < 0) {
        append_free(append);
        return status;
    }
    *out = append;
    return VARVE_OK;
}

/* ---- known idempotency keys ---- */

struct kept_key {
    const struct append *append;
    bool found, same;
    varve_uuid first_id;
};

static varve_status take_key(void *ctx, const struct store_record *record)
{
    struct kept_key *kept = ctx;
    varve_buf text = { 0 };
    if (!varve_str_eq(record->key, kept->append->work.writes[kept->append->key_write - 1].record.key))
        return VARVE_DONE; /* a longer key */
    kept->found = varve_json_string(record->value, "digest", &text, NULL) >= 0;
    kept->same = kept->found && varve_str_is(varve_buf_view(&text), kept->append->digest);
    varve_buf_reset(&text);
    if (kept->found)
        kept->found = varve_json_string(record->value, "first_id", &text, NULL) >= 0 &&
                      varve_uuid_parse(&kept->first_id, varve_buf_view(&text), NULL) >= 0;
    varve_buf_fini(&text);
    return VARVE_DONE;
}

/* Takes positions, ids and versions from the events that the first request appended. */
static varve_status take_first_result(struct append *append, varve_uuid first_id, const struct store_driver *driver,
                                      struct store_log *log, varve_error *error)
{
    struct store_append *work = &append->work;
    struct store_page page = { 0 };
    varve_status status = driver->find(log, first_id, &page, error);
    if (status >= 0 && page.count == 0)
        status = varve_error_set(error, VARVE_CORRUPT, "the events of a known idempotency key are missing");
    if (status >= 0) {
        work->first_position = page.events[0].position;
        work->last_position = work->first_position + work->event_count - 1;
        work->recorded_at = page.events[0].recorded_at;
    }
    static const varve_read_options everything;
    struct store_read read = { .options = &everything, .byte_limit = SIZE_MAX };
    for (size_t i = 0; status >= 0 && i < work->event_count; i += page.count) {
        arena_reset(&page.arena);
        page.count = 0;
        read.after_position = work->first_position + i - 1;
        read.until_position = work->last_position;
        read.event_limit = work->event_count - i;
        page.scanned = read.after_position;
        status = driver->read(log, &read, &page, error);
        for (size_t j = 0; status >= 0 && j < page.count; j++) {
            append->ids[i + j] = page.events[j].id;
            work->streams[work->event_stream[i + j]].version = page.events[j].version;
        }
        if (status >= 0 && page.count == 0)
            status = varve_error_set(error, VARVE_CORRUPT, "the events of a known idempotency key are missing");
    }
    arena_fini(&page.arena);
    return status;
}

void append_resolve_key(struct append *append, const struct store_driver *driver, struct store_log *log)
{
    struct store_append *work = &append->work;
    const struct store_record *record = &work->writes[append->key_write - 1].record;
    struct store_record_range range = { .space = record->space, .prefix = record->key, .limit = 1 };
    struct kept_key kept = { .append = append };
    varve_time now;
    varve_status status = driver->records(log, &range, take_key, &kept, &now, &work->error);
    if (status >= 0 && !kept.found)
        status = varve_error_set(&work->error, VARVE_BUSY, "the idempotency key expired just now; try again");
    else if (status >= 0 && !kept.same)
        status = varve_error_set(&work->error, VARVE_KEY_CONFLICT,
                                 "the idempotency key \"%.*s\" was used for another request", (int)record->key.len,
                                 record->key.ptr);
    else if (status >= 0)
        status = take_first_result(append, kept.first_id, driver, log, &work->error);
    work->status = status < 0 ? status : VARVE_REPEATED;
}

void append_free(struct append *append)
{
    if (append == NULL) return;
    sem_destroy(&append->settled);
    arena_fini(&append->memory);
    free(append);
}

void append_result(const struct append *append, varve_appended *appended)
{
    const struct store_append *work = &append->work;
    *appended = (varve_appended){ .ids = append->ids, .id_count = work->event_count };
    if (work->status == VARVE_CONFLICT) {
        appended->failed = work->failed;
        appended->failed_count = work->failed_count;
    }
    if (work->status < 0) return;
    appended->first_position = work->first_position;
    appended->last_position = work->last_position;
    appended->recorded_at = work->recorded_at;
    appended->streams = work->streams;
    appended->stream_count = append->event_stream_count;
}

void varve_appended_fini(varve_appended *appended)
{
    append_free(appended->memory);
    *appended = (varve_appended){ 0 };
}
