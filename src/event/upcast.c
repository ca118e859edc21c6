/* SPDX-License-Identifier: Apache-2.0 */
#include "event/upcast.h"

#include <stdlib.h>

#include "event/codec.h"

#define FIRST_EVENTS 4u

struct upcast_worker {
    void *worker;
    bool is_open;
};

/* One call of an upcaster. */
struct varve_upcasting {
    struct upcast *upcast;
    const varve_upcaster *upcaster;
    const varve_event *event; /* of the log */
    varve_error error;        /* the first failure of varve_upcast_emit; it outweighs what the upcaster returns */
};

static bool add(struct upcast_list *list, struct arena *arena, const varve_event *event)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? FIRST_EVENTS : list->capacity * 2;
        varve_event *events = arena_array(arena, capacity, sizeof *events);
        if (events == NULL) return false;
        if (list->count > 0) memcpy(events, list->events, list->count * sizeof *events);
        list->events = events;
        list->capacity = capacity;
    }
    list->events[list->count++] = *event;
    return true;
}

/* Copies what an upcaster gave; all else is borrowed from the event of the log. */
static bool copy_given(struct arena *arena, varve_event *event)
{
    return arena_copy_all(arena, event->tags, event->tag_count, &event->tags) &&
           arena_copy(arena, event->type, &event->type) && arena_copy(arena, event->data, &event->data) &&
           arena_copy(arena, event->content_type, &event->content_type);
}

/* Fills in the shape where it was left out, and makes sure that it was declared. */
static bool take_shape(const varve_upcaster *upcaster, varve_event *event)
{
    size_t fits = 0, at = 0;
    for (size_t i = 0; i < upcaster_into_count(upcaster); i++) {
        varve_shape shape = upcaster_into(upcaster, i);
        if (event->type.len > 0 && !varve_str_is(event->type, shape.type)) continue;
        if (event->schema_version != 0 && event->schema_version != shape.schema_version) continue;
        at = i;
        fits++;
    }
    if (fits != 1) return false;
    event->type = varve_str_of(upcaster_into(upcaster, at).type);
    event->schema_version = upcaster_into(upcaster, at).schema_version;
    return true;
}

varve_status varve_upcast_emit(varve_upcasting *into, const varve_event *event)
{
    struct upcast *upcast = into->upcast;
    varve_error *error = &into->error;
    varve_event complete = *into->event;
    if (error->status < 0) return error->status;
    complete.type = event->type;
    complete.schema_version = event->schema_version;
    complete.data = event->data;
    complete.content_type = event->content_type;
    complete.tags = event->tags;
    complete.tag_count = event->tag_count;
    if (event->occurred_at != 0) complete.occurred_at = event->occurred_at;
    if (!take_shape(into->upcaster, &complete)) {
        return varve_error_set(error, VARVE_APPLICATION,
                               "gives '%.*s', schema version %u, which is not one that it declared",
                               (int)(event->type.len > 80 ? 80 : event->type.len), event->type.ptr,
                               event->schema_version);
    }
    if (event_complete(&complete, 0, 1, error) < 0) {
        if (error->status != VARVE_NOMEM) error->status = VARVE_APPLICATION;
        return error->status;
    }
    upcast->bytes += complete.data.len;
    if (++upcast->given > VARVE_SHAPES_MAX || upcast->bytes > VARVE_APPEND_BYTES_MAX) {
        return varve_error_set(error, VARVE_APPLICATION, "one event becomes more than %u, or more than %u bytes",
                               VARVE_SHAPES_MAX, VARVE_APPEND_BYTES_MAX);
    }
    if (!copy_given(&upcast->arena, &complete) || !add(&upcast->pending, &upcast->arena, &complete))
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    return VARVE_OK;
}

/* Of those from `first` on, the one given first is to be the next. */
static void reverse(struct upcast_list *list, size_t first)
{
    for (size_t after = list->count; first + 1 < after; first++, after--) {
        varve_event event = list->events[first];
        list->events[first] = list->events[after - 1];
        list->events[after - 1] = event;
    }
}

static varve_status open_worker(struct upcast *upcast, size_t index, void **worker, varve_error *error)
{
    const struct upcasters_entry *entry = &upcast->set->entries[index];
    *worker = entry->ctx;
    if (entry->upcaster->worker_open == NULL) return VARVE_OK;
    if (upcast->workers == NULL) upcast->workers = calloc(upcast->set->count, sizeof *upcast->workers);
    if (upcast->workers == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    struct upcast_worker *own = &upcast->workers[index];
    varve_status status = own->is_open ? VARVE_OK : entry->upcaster->worker_open(entry->ctx, &own->worker, error);
    if (status < 0) return status;
    own->is_open = true;
    *worker = own->worker;
    return VARVE_OK;
}

static varve_status blame(const varve_upcaster *upcaster, varve_status status, const varve_error *cause,
                          varve_error *error)
{
    status = status == VARVE_NOMEM ? status : VARVE_APPLICATION;
    uint32_t version = upcaster->from.schema_version == 0 ? 1 : upcaster->from.schema_version;
    return varve_error_set(error, status, "upcaster of %s, schema version %u: %s", upcaster->from.type, version,
                           cause->message[0] == '\0' ? varve_status_meaning(status) : cause->message);
}

/* Runs one upcaster; what it gives is pending. */
static varve_status step(struct upcast *upcast, size_t index, const varve_event *event, varve_error *error)
{
    const varve_upcaster *upcaster = upcast->set->entries[index].upcaster;
    struct varve_upcasting into = { .upcast = upcast, .upcaster = upcaster, .event = event };
    size_t first = upcast->pending.count;
    varve_event seen = *event;
    varve_error cause = { 0 };
    void *worker = NULL;
    /* As in evolve: an event may be seen before these are known, and must not become another one after. */
    if (seen.occurred_at == seen.recorded_at) seen.occurred_at = 0;
    seen.position = 0;
    seen.recorded_at = 0;
    varve_status status = open_worker(upcast, index, &worker, &cause);
    if (status >= 0) status = upcaster->upcast(worker, &seen, &into, &cause);
    if (into.error.status < 0) {
        if (cause.message[0] != '\0') {
            varve_error reason = into.error;
            varve_error_set(&into.error, reason.status, "%s: %s", cause.message, reason.message);
        }
        return blame(upcaster, into.error.status, &into.error, error);
    }
    if (status < 0) return blame(upcaster, status, &cause, error);
    reverse(&upcast->pending, first);
    return VARVE_OK;
}

varve_status upcast_event(struct upcast *upcast, const varve_event *event, const varve_event **events, size_t *count,
                          varve_error *error)
{
    size_t index = 0;
    *events = event;
    *count = 1;
    if (upcast->set == NULL || !upcasters_find(upcast->set, event->type, event->schema_version, &index))
        return VARVE_OK;
    arena_reset(&upcast->arena);
    upcast->pending = upcast->shapes = (struct upcast_list){ 0 };
    upcast->given = upcast->bytes = 0;
    varve_status status = step(upcast, index, event, error);
    while (status >= 0 && upcast->pending.count > 0) {
        varve_event next = upcast->pending.events[--upcast->pending.count];
        if (upcasters_find(upcast->set, next.type, next.schema_version, &index))
            status = step(upcast, index, &next, error);
        else if (!add(&upcast->shapes, &upcast->arena, &next))
            status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    *events = upcast->shapes.events;
    *count = upcast->shapes.count;
    return status < 0 ? status : VARVE_OK;
}

void upcast_fini(struct upcast *upcast)
{
    for (size_t i = 0; upcast->workers != NULL && i < upcast->set->count; i++) {
        const varve_upcaster *upcaster = upcast->set->entries[i].upcaster;
        if (upcast->workers[i].is_open && upcaster->worker_close != NULL)
            upcaster->worker_close(upcast->workers[i].worker);
    }
    free(upcast->workers);
    arena_fini(&upcast->arena);
    *upcast = (struct upcast){ 0 };
}
