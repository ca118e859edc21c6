/* SPDX-License-Identifier: Apache-2.0 */
#include "command/reading.h"

#include "base/hash.h"
#include "command/failure.h"
#include "event/query.h"
#include "store/access.h"

varve_status varve_read_item(varve_reading *reading, const varve_query_item *item)
{
    varve_error *error = &reading->error;
    const varve_query_item *copy = NULL;
    if (error->status < 0) return error->status;
    if (reading->asked_count == VARVE_QUERY_ITEMS_MAX)
        return varve_error_set(error, VARVE_APPLICATION, "reads asks for more than %u items", VARVE_QUERY_ITEMS_MAX);
    if (event_query_check(item, 1, error) < 0) {
        error->status = VARVE_APPLICATION;
        return error->status;
    }
    if (!event_query_copy(&reading->arena, item, 1, &copy)) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    reading->asked[reading->asked_count++] = *copy;
    return VARVE_OK;
}

/* An item has so many types at most: one that may have had more is several, of the same tags. */
static varve_status add_item(struct varve_reading *reading, varve_query_item item, varve_error *error)
{
    size_t left = item.type_count;
    do {
        if (reading->count == VARVE_QUERY_ITEMS_MAX)
            return varve_error_set(error, VARVE_APPLICATION,
                                   "with the types that its events had before, reads asks for more than %u items",
                                   VARVE_QUERY_ITEMS_MAX);
        item.type_count = left < VARVE_QUERY_ITEMS_MAX ? left : VARVE_QUERY_ITEMS_MAX;
        reading->items[reading->count++] = item;
        item.types += item.type_count;
        left -= item.type_count;
    } while (left > 0);
    return VARVE_OK;
}

/* In the log, what the decider asks for may have had other types. */
static varve_status ask_for_older_types(struct varve_reading *reading, const struct upcast *upcast, varve_error *error)
{
    bool any = upcast != NULL && upcast->set != NULL && upcast->set->count > 0;
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < reading->asked_count && status == VARVE_OK; i++) {
        varve_query_item item = reading->asked[i];
        if (any && item.type_count > 0)
            item.types = upcasters_sources(upcast->set, item.types, item.type_count, &reading->arena, &item.type_count);
        if (item.type_count > 0 && item.types == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
        status = add_item(reading, item, error);
    }
    return status;
}

varve_status reading_ask(struct varve_reading *reading, const struct load_decider *decider,
                         const varve_command *command, varve_error *error)
{
    varve_error cause = { 0 };
    arena_reset(&reading->arena);
    reading->asked_count = reading->count = 0;
    reading->error = (varve_error){ 0 };
    varve_status status = decider->table->reads(decider->worker, command, reading, &cause);
    if (reading->error.status < 0) {
        status = reading->error.status;
        cause = reading->error;
    } else if (status >= 0 && reading->asked_count == 0) {
        status = varve_error_set(&cause, VARVE_APPLICATION, "reads asks for nothing");
    }
    if (status >= 0) status = ask_for_older_types(reading, decider->upcast, &cause);
    if (status < 0) {
        *error = cause;
        return failure_explain(error, status == VARVE_NOMEM ? status : VARVE_APPLICATION, VARVE_STR("reads"),
                               command->stream);
    }
    reading->is_asked = true;
    return VARVE_OK;
}

varve_status reading_evolve(const struct varve_reading *reading, struct load *load, const varve_event *event,
                            varve_error *error)
{
    if (!event_query_matches(reading->items, reading->count, event)) return VARVE_OK;
    return load_evolve_asked(load, reading->asked, reading->asked_count, event, error);
}

static varve_status fold(struct varve_reading *reading, varve_store *store, varve_error *error)
{
    const varve_read_options news = { .items = reading->items,
                                      .item_count = reading->count,
                                      .after_position = reading->position };
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    uint64_t head = 0, position = reading->position;
    /* The head is known before anything is read, so whatever matches up to there is read. */
    varve_status status = varve_store_head(store, &head, error);
    if (status < 0 || head <= reading->position) return status;
    status = varve_cursor_open(&cursor, store, &news, error);
    if (status < 0) return status;
    while ((status = varve_cursor_next(cursor, &event, error)) == VARVE_OK) {
        status = reading_evolve(reading, &reading->load, event, error);
        if (status < 0) break;
        position = event->position;
    }
    varve_cursor_close(cursor);
    if (status < 0) return status;
    reading->position = position > head ? position : head;
    return VARVE_OK;
}

static uint64_t add_names(uint64_t hash, const varve_str *names, size_t count)
{
    for (size_t i = 0; i < count; i++) hash = (hash << 7 | hash >> 57) ^ hash_str(names[i]);
    return hash + count;
}

uint64_t reading_hash(const struct varve_reading *reading)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < reading->asked_count; i++) {
        const varve_query_item *item = &reading->asked[i];
        hash = add_names(hash, item->types, item->type_count);
        hash = add_names(hash, item->tags, item->tag_count);
    }
    return hash;
}

varve_status reading_load(struct varve_reading *reading, const struct load_source *source, varve_str stream,
                          varve_error *error)
{
    uint64_t history = store_history(source->store);
    varve_status status = VARVE_OK;
    if (reading->load.table == NULL || reading->load.history != history) {
        load_fini(&reading->load);
        reading->position = 0;
        status = load_begin(&reading->load, source->decider, stream, error);
        reading->load.history = history;
    }
    if (status >= 0) status = fold(reading, source->store, error);
    if (status < 0) load_fini(&reading->load); /* it may be half changed */
    return status;
}

varve_condition reading_condition(const struct varve_reading *reading)
{
    return (varve_condition){
        .kind = VARVE_FAIL_IF_MATCH,
        .items = reading->items,
        .item_count = reading->count,
        .after = reading->position,
    };
}

void reading_fini(struct varve_reading *reading)
{
    load_fini(&reading->load);
    arena_fini(&reading->arena);
}
