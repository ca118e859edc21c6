/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "event/codec.h"
#include "store/handle.h"
#include "store/writer.h"

#define KEY_MARGIN (60 * INT64_C(1000000)) /* microseconds: longer than an append waits */

enum { DEFAULT_QUEUE_LIMIT = 8192, DEFAULT_CHECKPOINT_PAGES = 1000, DEFAULT_IDEMPOTENCY_RETENTION_S = 86400 };

/* On a thread of the driver's, which may be quicker than the opening. */
static void on_moved(void *ctx, struct store_head head)
{
    varve_store *store = ctx;
    watch_move(&store->watch, head);
}

static void on_renewed(void *ctx, const char *incarnation, uint64_t history)
{
    varve_store *store = ctx;
    watch_renew(&store->watch, incarnation, history);
}

static varve_status open_log(varve_store *store, const varve_store_options *options, varve_error *error)
{
    struct store_location location = {
        .path = store->path,
        .read_only = options->read_only,
        .must_exist = options->must_exist || options->read_only,
        .durability = options->durability,
        .checkpoint_pages = options->checkpoint_pages == 0 ? DEFAULT_CHECKPOINT_PAGES : options->checkpoint_pages,
        .told = { store, on_moved, on_renewed },
        .log = { options->log, options->log_ctx },
    };
    char incarnation[VARVE_UUID_TEXT_BYTES];
    struct store_head head = { 0 };
    uint64_t history = 0;
    watch_init(&store->watch);
    share_init(&store->share);
    varve_status status = store->driver->open(&store->log, &location, error);
    if (status >= 0) status = store->driver->head(store->log, &head, error);
    if (status >= 0) status = store->driver->incarnation(store->log, incarnation, &history, error);
    if (status < 0) return status;
    watch_renew(&store->watch, incarnation, history);
    watch_move(&store->watch, head);
    if (options->read_only) return VARVE_OK;

    struct writer_options writer_options = {
        .driver = store->driver,
        .log = store->log,
        .watch = &store->watch,
        .queue_limit = options->queue_limit == 0 ? DEFAULT_QUEUE_LIMIT : options->queue_limit,
        .diagnostics = location.log,
    };
    return writer_open(&store->writer, &writer_options, error);
}

varve_status store_open(varve_store **out, const struct store_driver *driver, const char *path,
                        const varve_store_options *options, varve_error *error)
{
    if (path[0] == '\0')
        return varve_error_set(error, VARVE_INVALID, "the store's URI names no place: give %s:PATH", driver->scheme);
    varve_store *store = calloc(1, sizeof *store);
    char *copy = strdup(path);
    if (store == NULL || copy == NULL) {
        free(store);
        free(copy);
        return varve_error_set(error, VARVE_NOMEM, "no memory for a store");
    }
    store->driver = driver;
    store->path = copy;
    store->read_only = options->read_only;
    store->idempotency_retention_s =
        options->idempotency_retention_s == 0 ? DEFAULT_IDEMPOTENCY_RETENTION_S : options->idempotency_retention_s;
    varve_status status = open_log(store, options, error);
    if (status < 0) {
        varve_store_close(store);
        return status;
    }
    *out = store;
    return VARVE_OK;
}

void varve_store_close(varve_store *store)
{
    if (store == NULL) return;
    writer_close(store->writer);
    store->driver->close(store->log);
    share_fini(&store->share);
    watch_fini(&store->watch);
    free(store->path);
    free(store);
}

const char *varve_store_incarnation(varve_store *store, char text[VARVE_UUID_TEXT_BYTES])
{
    watch_history(&store->watch, text);
    return text;
}

bool store_is_read_only(const varve_store *store)
{
    return store->read_only;
}

bool store_has_many_writers(const varve_store *store)
{
    return (store->driver->capabilities & STORE_MANY_WRITERS) != 0;
}

uint64_t store_history(varve_store *store)
{
    char incarnation[VARVE_UUID_TEXT_BYTES];
    return watch_history(&store->watch, incarnation);
}

/* ---- append ---- */

static varve_status refuse_read_only(const varve_store *store, varve_error *error)
{
    if (!store->read_only) return VARVE_OK;
    return varve_error_set(error, VARVE_DENIED, "the store is open for reading only");
}

/* Queues the append and waits until it is answered. It stays the caller's. */
static varve_status put_and_wait(varve_store *store, struct append *append, varve_error *error)
{
    varve_status status = writer_put(store->writer, append, true, error);
    if (status < 0) {
        append->work.status = status;
        return status;
    }
    while (sem_wait(&append->settled) != 0) {
    } /* only a signal handler can interrupt it */
    if (append->work.status < 0 && error != NULL) *error = append->work.error;
    return append->work.status;
}

/* What the two below have the writer do. */
struct inlining {
    const struct store_driver *driver;
    const struct store_inline *inlined;
    store_change change;
    void *ctx;
};

static varve_status set_inline(void *ctx, struct store_log *log, varve_error *error)
{
    const struct inlining *inlining = ctx;
    return inlining->driver->set_inline(log, inlining->inlined, error);
}

static varve_status change_inline(void *ctx, struct store_log *log, varve_error *error)
{
    const struct inlining *inlining = ctx;
    return inlining->driver->change(log, inlining->change, inlining->ctx, error);
}

varve_status store_set_inline(varve_store *store, const struct store_inline *inlined, varve_error *error)
{
    struct inlining inlining = { .driver = store->driver, .inlined = inlined };
    varve_status status = refuse_read_only(store, error);
    return status < 0 ? status : writer_run(store->writer, set_inline, false, &inlining, error);
}

varve_status store_change_inline(varve_store *store, store_change change, void *ctx, varve_error *error)
{
    struct inlining inlining = { .driver = store->driver, .change = change, .ctx = ctx };
    varve_status status = refuse_read_only(store, error);
    return status < 0 ? status : writer_run(store->writer, change_inline, true, &inlining, error);
}

void store_set_check(varve_store *store, store_event_check check, void *ctx)
{
    store->check = check;
    store->check_ctx = ctx;
}

/* VARVE_OK when an event of this id is in the log, or VARVE_NOT_FOUND. */
static varve_status look_for_event(const varve_store *store, varve_uuid id, varve_error *error)
{
    struct store_page page = { 0 };
    varve_status status = store->driver->find(store->log, id, &page, error);
    if (status >= 0 && page.count == 0) status = VARVE_NOT_FOUND;
    arena_fini(&page.arena);
    return status < 0 ? status : VARVE_OK;
}

/* The same for the key. One that expires soon might be gone by the time of the append, which would be a new one. */
static varve_status look_for_key(varve_store *store, varve_str key, varve_error *error)
{
    struct arena memory = { 0 };
    struct store_record record = { 0 };
    varve_time now = 0;
    varve_status status = store_record_get(store, VARVE_STR("idempotency"), key, &memory, &record, &now, error);
    if (status >= 0 && record.expires_at < now + KEY_MARGIN) status = VARVE_NOT_FOUND;
    arena_fini(&memory);
    return status < 0 ? status : VARVE_OK;
}

/*
 * VARVE_OK when an id or the key of the request is in the store: the writer answers it as a repeat, or refuses it, but
 * does not append it. Otherwise VARVE_NOT_FOUND, or why that cannot be told.
 */
static varve_status look_for_first(varve_store *store, const varve_append_request *request, varve_error *error)
{
    for (size_t i = 0; i < request->event_count; i++)
        if (!varve_uuid_is_nil(request->events[i].id)) {
            varve_status status = look_for_event(store, request->events[i].id, error);
            if (status != VARVE_NOT_FOUND) return status;
            break; /* all of a repeat's are there */
        }
    if (request->idempotency_key.len == 0) return VARVE_NOT_FOUND;
    return look_for_key(store, request->idempotency_key, error);
}

/* Of an append that was made already nothing is to be refused, whatever the check has become since. */
static varve_status check_events(varve_store *store, const varve_append_request *request, varve_error *error)
{
    for (size_t i = 0; store->check != NULL && i < request->event_count; i++) {
        varve_error cause = { 0 };
        varve_status status = store->check(store->check_ctx, &request->events[i], &cause);
        if (status >= 0) continue;
        varve_status first = look_for_first(store, request, error);
        if (first != VARVE_NOT_FOUND) return first;
        if (request->event_count == 1) return varve_error_set(error, status, "%s", cause.message);
        return varve_error_set(error, status, "events[%zu]: %s", i, cause.message);
    }
    return VARVE_OK;
}

varve_status varve_append(varve_store *store, const varve_append_request *request, varve_appended *appended,
                          varve_error *error)
{
    struct append *append = NULL;
    varve_status status = refuse_read_only(store, error);
    const struct append_options options = { .idempotency_retention_s = store->idempotency_retention_s };
    if (status >= 0) status = check_events(store, request, error);
    if (status >= 0) status = append_new(&append, request, &options, error);
    if (status < 0) return status;

    status = put_and_wait(store, append, error);
    if (appended == NULL) {
        append_free(append);
        return status;
    }
    append_result(append, appended);
    appended->memory = append;
    return status;
}

varve_status store_append_besides(varve_store *store, const varve_append_request *request,
                                  const struct store_besides *besides, varve_append_callback callback, void *ctx,
                                  varve_error *error)
{
    struct append *append = NULL;
    varve_status status = refuse_read_only(store, error);
    const struct append_options options = {
        .copy = true,
        .idempotency_retention_s = store->idempotency_retention_s,
        .writes = besides->writes,
        .write_count = besides->write_count,
        .absent_id = besides->absent_id,
    };
    if (status >= 0) status = append_new(&append, request, &options, error);
    if (status < 0) return status;
    append->chain = besides->chain;
    append->callback = callback;
    append->ctx = ctx;
    status = writer_put(store->writer, append, false, error);
    if (status < 0) append_free(append);
    return status;
}

varve_status varve_append_async(varve_store *store, const varve_append_request *request, varve_append_callback callback,
                                void *ctx, varve_error *error)
{
    static const struct store_besides nothing;
    varve_status status = check_events(store, request, error);
    return status < 0 ? status : store_append_besides(store, request, &nothing, callback, ctx, error);
}

/* ---- records ---- */

varve_status store_records_write(varve_store *store, struct store_write *writes, size_t count, size_t *failed,
                                 varve_error *error)
{
    struct append *append = NULL;
    static const varve_append_request no_events;
    const struct append_options options = { .writes = writes, .write_count = count };
    *failed = 0;
    varve_status status = refuse_read_only(store, error);
    if (status >= 0) status = append_new(&append, &no_events, &options, error);
    if (status < 0) return status;
    status = put_and_wait(store, append, error);
    *failed = append->work.failed_write;
    for (size_t i = 0; i < count && status >= 0; i++)
        writes[i].record.revision = append->work.writes[i].record.revision;
    append_free(append);
    return status;
}

varve_status store_records_list(varve_store *store, const struct store_record_range *range, store_record_visit visit,
                                void *ctx, varve_time *now, varve_error *error)
{
    varve_time ignored;
    return store->driver->records(store->log, range, visit, ctx, now == NULL ? &ignored : now, error);
}

struct one_record {
    const struct store_record_range *range;
    struct arena *memory;
    struct store_record *record;
    bool found, failed;
};

static varve_status take_record(void *ctx, const struct store_record *record)
{
    struct one_record *one = ctx;
    if (!varve_str_eq(record->key, one->range->prefix)) return VARVE_DONE; /* a longer key */
    *one->record = *record;
    one->found = true;
    one->failed = !arena_copy(one->memory, record->space, &one->record->space) ||
                  !arena_copy(one->memory, record->key, &one->record->key) ||
                  !arena_copy(one->memory, record->value, &one->record->value);
    return VARVE_DONE;
}

varve_status store_record_get(varve_store *store, varve_str space, varve_str key, struct arena *memory,
                              struct store_record *record, varve_time *now, varve_error *error)
{
    const struct store_record_range range = { .space = space, .prefix = key, .limit = 1 };
    struct one_record one = { .range = &range, .memory = memory, .record = record };
    varve_status status = store_records_list(store, &range, take_record, &one, now, error);
    if (status >= 0 && one.failed) status = varve_error_set(error, VARVE_NOMEM, "no memory for a record");
    if (status >= 0 && !one.found)
        status = varve_error_set(error, VARVE_NOT_FOUND, "there is no record %.*s of %.*s", (int)key.len, key.ptr,
                                 (int)space.len, space.ptr);
    return status < 0 ? status : VARVE_OK;
}

void store_snapshot_put(varve_store *store, const struct store_snapshot *snapshot)
{
    if (store->writer != NULL) writer_put_snapshot(store->writer, snapshot);
}

void store_get_stats(varve_store *store, struct store_stats *stats)
{
    *stats = (struct store_stats){ 0 };
    if (store->writer != NULL) writer_get_stats(store->writer, stats);
}

/* ---- looking ---- */

varve_status store_snapshot_get(varve_store *store, varve_str stream, uint64_t state_version, uint64_t max_version,
                                uint64_t *version, varve_buf *state, varve_error *error)
{
    return store->driver->snapshot(store->log, stream, state_version, max_version, version, state, error);
}

varve_status store_version_at(varve_store *store, varve_str stream, varve_time at, uint64_t *version,
                              varve_error *error)
{
    if (at < 0 || at > varve_time_now())
        return varve_error_set(error, VARVE_INVALID, "the time to read up to lies in the future or before 1970");
    return store->driver->version_at(store->log, stream, at, version, error);
}

varve_status varve_store_head(varve_store *store, uint64_t *position, varve_error *error)
{
    struct store_head head = { 0 };
    /* On a store of this process alone nothing is newer than what is known; on others it may be. */
    if (store->read_only || (store->driver->capabilities & STORE_MANY_WRITERS) != 0) {
        varve_status status = store->driver->head(store->log, &head, error);
        if (status < 0) return status;
    } else {
        head = watch_head(&store->watch);
    }
    *position = head.position;
    return VARVE_OK;
}

varve_status varve_stream_get_version(varve_store *store, varve_str stream, uint64_t *version, varve_error *error)
{
    varve_status status = event_check_name(stream, "the stream", error);
    if (status < 0) return status;
    return store->driver->stream_version(store->log, stream, version, error);
}

varve_status varve_stream_list(varve_store *store, varve_str category, varve_str after, uint64_t limit,
                               varve_stream_visit visit, void *ctx, varve_error *error)
{
    return store->driver->streams(store->log, category, after, limit, visit, ctx, error);
}

/* Copies everything that `from` borrows into `memory`, in one piece. */
static bool own_event(const varve_event *from, varve_event *event, varve_buf *memory)
{
    varve_str *views[] = { &event->stream, &event->type, &event->data, &event->metadata, &event->content_type };
    size_t view_count = sizeof views / sizeof views[0], tag_bytes = from->tag_count * sizeof(varve_str);

    *event = *from;
    varve_buf_reset(memory);
    if (tag_bytes > 0) varve_buf_add(memory, from->tags, tag_bytes); /* first, where the memory is aligned */
    for (size_t i = 0; i < view_count; i++) varve_buf_str(memory, *views[i]);
    for (size_t i = 0; i < from->tag_count; i++) varve_buf_str(memory, from->tags[i]);
    if (memory->failed) return false;

    varve_str *tags = (void *)memory->ptr;
    const char *at = memory->ptr + tag_bytes;
    for (size_t i = 0; i < view_count; i++) {
        views[i]->ptr = at;
        at += views[i]->len;
    }
    for (size_t i = 0; i < from->tag_count; i++) {
        tags[i].ptr = at;
        at += tags[i].len;
    }
    event->tags = from->tag_count > 0 ? tags : NULL;
    return true;
}

varve_status varve_event_find(varve_store *store, varve_uuid id, varve_event *event, varve_buf *memory,
                              varve_error *error)
{
    struct store_page page = { 0 };
    char text[VARVE_UUID_TEXT_BYTES];
    varve_status status = store->driver->find(store->log, id, &page, error);
    if (status >= 0 && page.count == 0) {
        varve_uuid_format(id, text);
        status = varve_error_set(error, VARVE_NOT_FOUND, "no event has the id %s", text);
    }
    if (status >= 0 && !own_event(&page.events[0], event, memory))
        status = varve_error_set(error, VARVE_NOMEM, "no memory for an event");
    arena_fini(&page.arena);
    return status;
}

varve_status varve_store_get_info(varve_store *store, varve_store_info *info, varve_error *error)
{
    *info = (varve_store_info){ 0 };
    varve_status status = store->driver->info(store->log, info, error);
    info->read_only = store->read_only;
    return status;
}

varve_status varve_store_verify(varve_store *store, const varve_verify_options *options, uint64_t *events,
                                varve_error *error)
{
    *events = 0;
    return store->driver->verify(store->log, options, events, error);
}
