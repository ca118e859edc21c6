/* SPDX-License-Identifier: Apache-2.0 */
#include "command/load.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/json.h"
#include "command/failure.h"
#include "event/query.h"
#include "store/access.h"

#define SNAPSHOT_EVERY_DEFAULT 50u

static bool takes_snapshots(const varve_decider *table)
{
    return table->encode != NULL && table->decode != NULL && table->snapshot_every != VARVE_NO_SNAPSHOTS;
}

/* What snapshots are told apart by: the decider's state_version, and which upcasters its events went through. */
static uint64_t state_version(const struct load_decider *decider)
{
    return decider->stamp | decider->table->state_version;
}

void load_fini(struct load *load)
{
    if (load->table != NULL) {
        if (load->table->fini != NULL) load->table->fini(load->state);
        free(load->state);
    }
    *load = (struct load){ 0 };
}

varve_status load_begin(struct load *load, const struct load_decider *decider, varve_str stream, varve_error *error)
{
    const varve_decider *table = decider->table;
    void *state = calloc(1, table->state_size);
    if (state == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    if (table->initial != NULL && table->initial(decider->worker, state, error) < 0) {
        free(state);
        varve_status status = error->status == VARVE_NOMEM ? VARVE_NOMEM : VARVE_APPLICATION;
        return failure_explain(error, status, VARVE_STR("the initial state"), stream);
    }
    *load = (struct load){ .table = table, .state = state, .upcast = decider->upcast };
    return VARVE_OK;
}

/* Begins with the newest snapshot up to `max_version`, or with nothing. */
static varve_status begin_from_snapshot(struct load *load, const struct load_source *source, varve_str stream,
                                        uint64_t max_version, varve_error *error)
{
    const varve_decider *table = source->decider->table;
    struct load begun = { 0 };
    varve_buf json = { 0 };
    varve_error cause = { 0 };
    uint64_t version = 0;
    varve_status status = load_begin(&begun, source->decider, stream, error);
    if (status < 0 || !takes_snapshots(table)) goto done;
    status =
        store_snapshot_get(source->store, stream, state_version(source->decider), max_version, &version, &json, &cause);
    if (status == VARVE_NOT_FOUND) {
        status = VARVE_OK;
        goto done;
    }
    if (status < 0) {
        *error = cause;
        goto done;
    }
    cause = (varve_error){ 0 };
    if (table->decode(begun.state, varve_buf_view(&json), &cause) < 0) {
        log_line(&source->log, VARVE_LOG_WARNING, "snapshot %" PRIu64 " of %.*s is not used: %s", version,
                 (int)stream.len, stream.ptr, cause.message);
        load_fini(&begun);
        status = load_begin(&begun, source->decider, stream, error);
        goto done;
    }
    begun.version = version;
    begun.snapshot_version = version;
    begun.written = json.len;
    status = VARVE_OK;

done:
    varve_buf_fini(&json);
    *load = begun;
    return status;
}

static varve_status evolve(struct load *load, const varve_event *event, varve_error *error)
{
    varve_error cause = { 0 };
    varve_event seen = *event;
    if (seen.occurred_at == seen.recorded_at) seen.occurred_at = 0;
    seen.position = 0;
    seen.recorded_at = 0;
    varve_status status = load->table->evolve(load->state, &seen, &cause);
    if (status < 0) {
        varve_buf what = { 0 };
        varve_buf_printf(&what, "evolve of %.*s, version %" PRIu64, (int)event->type.len, event->type.ptr,
                         event->version);
        *error = cause;
        status = failure_explain(error, status == VARVE_NOMEM ? VARVE_NOMEM : VARVE_APPLICATION, varve_buf_view(&what),
                                 event->stream);
        varve_buf_fini(&what);
        return status;
    }
    return VARVE_OK;
}

/* An event that an upcaster fails on, and where it is: of one that is not committed yet there is only its version. */
static varve_status blame_upcaster(const varve_event *event, varve_status status, varve_error *error)
{
    varve_buf what = { 0 };
    varve_buf_printf(&what, "%.*s, version %" PRIu64, (int)event->type.len, event->type.ptr, event->version);
    if (event->position > 0) varve_buf_printf(&what, ", position %" PRIu64 ",", event->position);
    status = failure_explain(error, status, varve_buf_view(&what), event->stream);
    varve_buf_fini(&what);
    return status;
}

/* By today's type and the tags in the log, by which it was found: an upcaster that gives others hides nothing. */
static bool is_asked(const varve_query_item *items, size_t item_count, const varve_event *stored,
                     const varve_event *shape)
{
    const varve_event asked = { .type = shape->type, .tags = stored->tags, .tag_count = stored->tag_count };
    return event_query_matches(items, item_count, &asked);
}

/* `items` is NULL: all of it. */
static varve_status evolve_shapes(struct load *load, const varve_query_item *items, size_t item_count,
                                  const varve_event *event, varve_error *error)
{
    const varve_event *events = event;
    size_t count = 1;
    varve_error cause = { 0 };
    varve_status status = VARVE_OK;
    ASSERT(load->table != NULL); /* begun before it is folded */
    if (load->upcast != NULL) status = upcast_event(load->upcast, event, &events, &count, &cause);
    if (status < 0) {
        *error = cause;
        return blame_upcaster(event, status, error);
    }
    for (size_t i = 0; i < count && status >= 0; i++)
        if (items == NULL || is_asked(items, item_count, event, &events[i])) status = evolve(load, &events[i], error);
    if (status < 0) return status;
    load->version = event->version;
    load->added += event->data.len;
    return VARVE_OK;
}

varve_status load_evolve(struct load *load, const varve_event *event, varve_error *error)
{
    return evolve_shapes(load, NULL, 0, event, error);
}

varve_status load_evolve_asked(struct load *load, const varve_query_item *items, size_t item_count,
                               const varve_event *event, varve_error *error)
{
    return evolve_shapes(load, items, item_count, event, error);
}

static varve_status fold(struct load *load, varve_store *store, const varve_read_options *options, varve_error *error)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_status status = varve_cursor_open(&cursor, store, options, error);
    if (status < 0) return status;
    for (;;) {
        status = varve_cursor_next(cursor, &event, error);
        if (status != VARVE_OK) break;
        status = load_evolve(load, event, error);
        if (status < 0) break;
        load->replayed++;
    }
    varve_cursor_close(cursor);
    return status < 0 ? status : VARVE_OK;
}

varve_status load_newest(struct load *load, const struct load_source *source, varve_str stream, varve_error *error)
{
    uint64_t history = store_history(source->store);
    if (load->table == NULL || load->history != history) {
        load_fini(load);
        varve_status status = begin_from_snapshot(load, source, stream, INT64_MAX, error);
        if (status < 0) return status;
        load->history = history;
    }
    varve_read_options tail = { .stream = stream, .from_version = load->version + 1 };
    load->is_behind = false;
    return fold(load, source->store, &tail, error);
}

bool load_is_usable(const struct load *load, const struct load_source *source)
{
    return load->table != NULL && !load->is_behind && load->history == store_history(source->store);
}

varve_status load_refuse_empty(varve_str stream, varve_error *error)
{
    return varve_error_set(error, VARVE_NOT_FOUND, "the stream '%.*s' has no event by then", (int)stream.len,
                           stream.ptr);
}

varve_status load_at_version(struct load *load, const struct load_source *source, varve_str stream, uint64_t version,
                             varve_error *error)
{
    varve_status status = begin_from_snapshot(load, source, stream, version, error);
    if (status < 0) return status;
    if (load->version < version) {
        varve_read_options tail = { .stream = stream, .from_version = load->version + 1, .until_version = version };
        status = fold(load, source->store, &tail, error);
    }
    if (status == VARVE_OK && load->version != version) {
        return varve_error_set(error, VARVE_NOT_FOUND,
                               "version %" PRIu64 " of '%.*s' does not exist: it is at %" PRIu64, version,
                               (int)stream.len, stream.ptr, load->version);
    }
    return status;
}

static varve_status load_at_occurred(struct load *load, const struct load_source *source, varve_str stream,
                                     varve_time at, varve_error *error)
{
    varve_read_options occurred = { .stream = stream, .until_time = at, .clock = VARVE_CLOCK_OCCURRED };
    varve_status status = load_begin(load, source->decider, stream, error);
    if (status == VARVE_OK) status = fold(load, source->store, &occurred, error);
    return status;
}

varve_status load_as_of(struct load *load, const struct load_source *source, varve_str stream,
                        const varve_aggregate_options *options, varve_error *error)
{
    uint64_t version = options->version;
    varve_status status = VARVE_OK;
    if (options->version != 0 && options->at != 0)
        return varve_error_set(error, VARVE_INVALID, "a version or a time, not both");
    if (options->clock != VARVE_CLOCK_RECORDED && options->clock != VARVE_CLOCK_OCCURRED)
        return varve_error_set(error, VARVE_INVALID, "unknown clock");
    if (options->at == 0 && options->clock == VARVE_CLOCK_OCCURRED)
        return varve_error_set(error, VARVE_INVALID, "a clock needs a time");
    if (options->version > INT64_MAX) return varve_error_set(error, VARVE_INVALID, "no stream has that many versions");
    if (options->clock == VARVE_CLOCK_OCCURRED) return load_at_occurred(load, source, stream, options->at, error);
    if (options->at != 0) status = store_version_at(source->store, stream, options->at, &version, error);
    if (status < 0) return status;
    if (options->at != 0 || version != 0) return load_at_version(load, source, stream, version, error);
    status = load_newest(load, source, stream, error);
    if (status == VARVE_OK) load_keep(load, source, stream);
    return status;
}

varve_status load_encode(const struct load *load, varve_str stream, varve_buf *json, varve_error *error)
{
    varve_error cause = { 0 };
    varve_buf_reset(json);
    varve_status status = load->table->encode(load->state, json, &cause);
    if (json->failed) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    if (status >= 0) status = json_check(varve_buf_view(json), "the encoded state", &cause);
    if (status >= 0) return VARVE_OK;
    status = failure_explain(&cause, status == VARVE_NOMEM ? status : VARVE_APPLICATION, VARVE_STR("encode"), stream);
    if (error != NULL) *error = cause;
    return status;
}

/* True when as many events as the decider asks for are newer than any snapshot we know of. */
static bool is_due(const struct load *load, const struct load_kept *kept, uint64_t stream_hash)
{
    uint32_t every = load->table->snapshot_every == 0 ? SNAPSHOT_EVERY_DEFAULT : load->table->snapshot_every;
    uint64_t newest = load->snapshot_version > load->kept_version ? load->snapshot_version : load->kept_version;
    size_t place = stream_hash % LOAD_KEPT_PLACES;
    if (kept->places[place].stream_hash == stream_hash && kept->places[place].version > newest)
        newest = kept->places[place].version;
    return load->version >= newest + every;
}

bool load_make_snapshot(struct load *load, const struct load_source *source, varve_str stream, varve_buf *json)
{
    const varve_decider *table = load->table;
    varve_error error = { 0 };
    if (!takes_snapshots(table) || store_is_read_only(source->store)) return false;
    if (!is_due(load, source->kept, hash_str(stream))) return false;
    if (table->encode(load->state, json, &error) < 0 || json->failed) {
        log_line(&source->log, VARVE_LOG_WARNING, "no snapshot of %.*s at version %" PRIu64 ": %s", (int)stream.len,
                 stream.ptr, load->version, json->failed ? "out of memory" : error.message);
        return false;
    }
    load->kept_version = load->version;
    load->written = json->len;
    load->added = 0;
    return true;
}

void load_keep_snapshot(const struct load_source *source, varve_str stream, uint64_t version, varve_str json)
{
    struct store_snapshot snapshot = { stream, version, state_version(source->decider), json };
    uint64_t stream_hash = hash_str(stream);
    size_t place = stream_hash % LOAD_KEPT_PLACES;
    store_snapshot_put(source->store, &snapshot);
    source->kept->places[place].stream_hash = stream_hash;
    source->kept->places[place].version = version;
}

void load_keep(struct load *load, const struct load_source *source, varve_str stream)
{
    varve_buf json = { 0 };
    if (load_make_snapshot(load, source, stream, &json))
        load_keep_snapshot(source, stream, load->version, varve_buf_view(&json));
    varve_buf_fini(&json);
}
