/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/events.h"

#include <inttypes.h>
#include <varve/upcast.h>

#include "cli/local.h"
#include "cli/pages.h"
#include "cli/remote.h"

enum { PAGE_EVENTS = 500, FOLLOW_WAIT_MS = 1000 };

/* ---- from a store of one's own ---- */

/* A store to read from, and where today's shapes are asked for, the engine that makes them. */
struct source {
    varve_store *store;
    varve_cursor *cursor;
    struct local local;
    varve_shapes *shapes;   /* NULL: as they are stored */
    const varve_str *types; /* as they are today, when `shapes` is not NULL; none: all */
    size_t type_count;
};

static varve_status stream_version(varve_store *store, const varve_read_options *options, uint64_t *version,
                                   varve_error *error)
{
    if (options->stream.len == 0) {
        return VARVE_OK;
    }
    varve_status status = varve_stream_get_version(store, options->stream, version, error);
    if (status == VARVE_OK && *version == 0) {
        status = varve_error_set(error, VARVE_NOT_FOUND, "there is no stream '%.*s'", (int)options->stream.len,
                                 options->stream.ptr);
    }
    return status;
}

/* Makes the types of `options` those that the log has for them. */
static varve_status open_shapes(struct source *source, const struct call *call, varve_read_options *options,
                                varve_error *error)
{
    varve_status status = VARVE_OK;
    if (call->app == NULL)
        return varve_error_set(error, VARVE_INVALID, "--shapes current needs the application: --app DIR");
    status = local_open(&source->local, call, LOCAL_READ, error);
    if (status < 0) return status;
    source->store = varve_engine_store(source->local.engine);
    status = varve_shapes_open(&source->shapes, source->local.engine, error);
    if (status < 0 || options->type_count == 0) return status;
    source->types = options->types;
    source->type_count = options->type_count;
    return varve_shapes_types(source->shapes, source->types, source->type_count, &options->types, &options->type_count,
                              error);
}

static bool is_wanted(const struct source *source, const varve_event *event)
{
    for (size_t i = 0; i < source->type_count; i++)
        if (varve_str_eq(source->types[i], event->type)) return true;
    return source->type_count == 0;
}

/* Hands on an event of the log: all that it is today, or as it is. */
static varve_status hand_on(const struct source *source, const varve_event *event, const struct events_sink *sink,
                            varve_buf *json, varve_error *error)
{
    size_t count = 1;
    varve_status status = VARVE_OK;
    if (source->shapes != NULL) status = varve_shapes_of(source->shapes, event, &event, &count, error);
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        if (!is_wanted(source, &event[i])) continue;
        varve_buf_reset(json);
        varve_event_write_json(&event[i], json);
        status = json->failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for an event")
                              : sink->event(sink->ctx, varve_buf_view(json), error);
    }
    return status;
}

/* Reads to the end, or up to the limit and one event further to learn whether there is more. */
static varve_status local_events(const struct source *source, const varve_read_options *options,
                                 const struct events_sink *sink, struct events_end *end, varve_error *error)
{
    varve_buf json = { 0 };
    uint64_t count = 0;
    varve_status status = VARVE_OK;
    while (status >= 0) {
        const varve_event *event = NULL;
        status = varve_cursor_next(source->cursor, &event, error);
        if (status == VARVE_DONE) {
            end->last_position = varve_cursor_scanned(source->cursor);
            break;
        }
        if (status == VARVE_CAUGHT_UP) {
            status = sink->caught_up(sink->ctx, error);
            continue;
        }
        if (status != VARVE_OK) {
            continue;
        }
        if (options->limit > 0 && count == options->limit) {
            end->next = options->stream.len > 0 ? event->version : end->last_position;
            break;
        }
        uint64_t position = event->position;
        status = hand_on(source, event, sink, &json, error);
        end->last_position = position;
        count++;
        if (options->follow && count == options->limit) {
            break;
        }
    }
    varve_buf_fini(&json);
    return status < 0 ? status : VARVE_OK;
}

static varve_status read_local(const struct call *call, const varve_read_options *options, bool current,
                               const struct events_sink *sink, struct events_end *end, varve_error *error)
{
    struct source source = { 0 };
    varve_store_info info = { 0 };
    uint64_t version = 0;
    varve_read_options own = *options;
    own.limit = options->follow || options->limit == 0 || options->limit == UINT64_MAX ? 0 : options->limit + 1;
    own.wait_ms = FOLLOW_WAIT_MS;
    varve_status status =
        current ? open_shapes(&source, call, &own, error) : local_store_open(&source.store, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = stream_version(source.store, options, &version, error);
    }
    if (status == VARVE_OK) {
        status = varve_cursor_open(&source.cursor, source.store, &own, error);
    }
    if (status == VARVE_OK && options->stream.len == 0) {
        status = varve_store_get_info(source.store, &info, error);
        memcpy(end->incarnation, info.incarnation, sizeof(end->incarnation));
    }
    if (status == VARVE_OK) {
        status = sink->begin(sink->ctx, version, error);
    }
    if (status == VARVE_OK) {
        status = local_events(&source, options, sink, end, error);
    }
    varve_cursor_close(source.cursor);
    varve_shapes_close(source.shapes);
    if (current)
        local_close(&source.local);
    else
        varve_store_close(source.store);
    return status;
}

/* ---- through a server ---- */

/* The path and query of a page that begins at `from` (a version, or a position to begin after). */
static void page_path(const varve_read_options *options, bool current, uint64_t from, uint64_t limit, varve_buf *path)
{
    varve_buf_reset(path);
    if (options->stream.len > 0) {
        varve_buf_str(path, VARVE_STR("/streams"));
        remote_segment(path, options->stream);
        remote_number(path, "from", from);
        remote_number(path, "until_version", options->until_version);
        if (options->backward) {
            remote_parameter(path, "direction", VARVE_STR("backward"));
        }
        if (options->until_time != 0) {
            char text[VARVE_TIME_TEXT_BYTES];
            varve_time_format(options->until_time, text);
            remote_parameter(path, "at", varve_str_of(text));
            remote_parameter(path, "clock",
                             options->clock == VARVE_CLOCK_OCCURRED ? VARVE_STR("occurred") : VARVE_STR("recorded"));
        }
    } else {
        varve_buf_str(path, VARVE_STR("/log"));
        remote_number(path, "after", from);
        if (options->incarnation.len > 0) {
            remote_parameter(path, "incarnation", options->incarnation);
        }
        remote_list(path, "types", options->types, options->type_count);
        remote_list(path, "categories", options->categories, options->category_count);
        remote_list(path, "tags", options->tags, options->tag_count);
        if (options->correlation_id.len > 0) {
            remote_parameter(path, "correlation_id", options->correlation_id);
        }
    }
    if (current) {
        remote_parameter(path, "shapes", VARVE_STR("current"));
    }
    remote_number(path, "limit", limit);
}

/* What a page of the log, or a stream that has caught up, says of its history; otherwise it stays as it is. */
static void take_incarnation(varve_str json, char incarnation[VARVE_UUID_TEXT_BYTES])
{
    varve_uuid id = { 0 };
    varve_str text = { 0 };
    if (page_member(json, "incarnation", &text) == JSON_STRING &&
        varve_uuid_parse(&id, (varve_str){ text.ptr + 1, text.len - 2 }, NULL) == VARVE_OK) {
        varve_uuid_format(id, incarnation);
    }
}

static varve_status read_pages(struct remote *remote, const varve_read_options *options, bool current,
                               const struct events_sink *sink, struct events_end *end, varve_error *error)
{
    bool stream = options->stream.len > 0;
    uint64_t from = stream ? options->from_version : options->after_position;
    uint64_t count = 0;
    bool begun = false;
    varve_read_options own = *options;
    varve_buf path = { 0 };
    varve_buf page = { 0 };
    varve_status status = VARVE_OK;
    for (;;) {
        uint64_t left = options->limit == 0 ? PAGE_EVENTS : options->limit - count;
        page_path(&own, current, from, left < PAGE_EVENTS ? left : PAGE_EVENTS, &path);
        if (path.failed) {
            status = varve_error_set(error, VARVE_NOMEM, "out of memory for a request");
            break;
        }
        struct remote_request request = { .path = varve_buf_view(&path) };
        status = remote_send(remote, &request, &page, error);
        if (status == VARVE_OK && !begun) {
            begun = true;
            status = sink->begin(sink->ctx, stream ? page_number(varve_buf_view(&page), "version") : 0, error);
        }
        if (status == VARVE_OK) {
            status = page_items(varve_buf_view(&page), "events", sink->event, sink->ctx, &count, error);
        }
        if (status != VARVE_OK) {
            break;
        }
        end->last_position = page_number(varve_buf_view(&page), "last_position");
        take_incarnation(varve_buf_view(&page), end->incarnation);
        own.incarnation = varve_str_of(end->incarnation); /* all pages come from one history */
        from = page_number(varve_buf_view(&page), "next");
        if (from == 0 || (options->limit > 0 && count >= options->limit)) {
            end->next = from;
            break;
        }
    }
    varve_buf_fini(&path);
    varve_buf_fini(&page);
    return status;
}

/* A stream of server-sent events (WHATWG HTML, section 9.2), as far as varve's server uses them. */
struct live {
    const struct events_sink *sink;
    varve_buf data; /* of the message that is coming in */
    bool is_event;  /* what kind of message it is; one of no kind is a heartbeat */
    bool is_caught_up;
    bool is_error;
    bool failed; /* the server said why it ended the stream */
    char incarnation[VARVE_UUID_TEXT_BYTES];
    uint64_t position;
    uint64_t limit;
    uint64_t count;
};

/* A message is whole. */
static varve_status live_message(struct live *live, varve_error *error)
{
    varve_str json = varve_buf_view(&live->data);
    varve_status status = VARVE_OK;
    uint64_t position = page_number(json, "position");
    live->position = position > live->position ? position : live->position;
    if (live->is_caught_up) {
        take_incarnation(json, live->incarnation);
        status = live->sink->caught_up(live->sink->ctx, error);
    } else if (live->is_error) {
        varve_buf detail = { 0 };
        status = remote_problem_status(json);
        (void)varve_json_string(json, "detail", &detail, NULL);
        varve_error_set(error, status, "%s", detail.len > 0 ? detail.ptr : varve_status_meaning(status));
        varve_buf_fini(&detail);
        live->failed = true;
    } else if (live->is_event && json.len > 0) {
        status = live->sink->event(live->sink->ctx, json, error);
        live->count++;
        status = status == VARVE_OK && live->count == live->limit ? VARVE_DONE : status;
    }
    varve_buf_reset(&live->data);
    live->is_event = false;
    live->is_caught_up = false;
    live->is_error = false;
    return status;
}

static varve_status live_line(void *ctx, varve_str line, varve_error *error)
{
    static const char field[] = "data: ";
    size_t skip = sizeof(field) - 1;
    struct live *live = ctx;
    if (line.len == 0) {
        return live_message(live, error);
    }
    live->is_caught_up |= varve_str_is(line, "event: caught_up");
    live->is_event |= varve_str_is(line, "event: event");
    live->is_error |= varve_str_is(line, "event: error");
    if (line.len >= skip && memcmp(line.ptr, field, skip) == 0) {
        varve_buf_add(&live->data, "\n", live->data.len > 0 ? 1 : 0);
        varve_buf_add(&live->data, line.ptr + skip, line.len - skip);
    }
    return live->data.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for an event") : VARVE_OK;
}

static varve_status follow_remote(struct remote *remote, const varve_read_options *options, bool current,
                                  const struct events_sink *sink, varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf answer = { 0 };
    struct live live = { .sink = sink, .position = options->after_position, .limit = options->limit };
    varve_status status = sink->begin(sink->ctx, 0, error);
    page_path(options, current, options->after_position, 0, &path);
    if (status == VARVE_OK && path.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory for a request");
    }
    if (status == VARVE_OK) {
        struct remote_request request = {
            .path = varve_buf_view(&path), .accept = "text/event-stream", .line = live_line, .ctx = &live
        };
        status = remote_send(remote, &request, &answer, error);
        bool ended = status == VARVE_OK || (status == VARVE_UNAVAILABLE && live.position > options->after_position);
        if (ended && !live.failed) {
            status = varve_error_set(error, VARVE_UNAVAILABLE,
                                     "the server ended the stream; go on with --after %" PRIu64 "%s%s", live.position,
                                     live.incarnation[0] != '\0' ? " --incarnation " : "", live.incarnation);
        }
    }
    varve_buf_fini(&live.data);
    varve_buf_fini(&path);
    varve_buf_fini(&answer);
    return status == VARVE_DONE ? VARVE_OK : status;
}

/* --shapes: whether today's are asked for. */
static varve_status read_shapes(const struct call *call, bool *current, varve_error *error)
{
    const char *shapes = call_option(call, OPTION_SHAPES);
    *current = shapes != NULL && strcmp(shapes, "current") == 0;
    if (shapes == NULL || *current || strcmp(shapes, "stored") == 0) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "--shapes takes stored or current, not '%s'", shapes);
}

varve_status events_read(const struct call *call, const varve_read_options *options, const struct events_sink *sink,
                         struct events_end *end, varve_error *error)
{
    bool current = false;
    varve_status status = read_shapes(call, &current, error);
    *end = (struct events_end){ 0 };
    if (status < 0) {
        return status;
    }
    if (call->server == NULL) {
        return read_local(call, options, current, sink, end, error);
    }
    struct remote *remote = NULL;
    status = remote_open(&remote, call->server, error);
    if (status == VARVE_OK) {
        status = options->follow ? follow_remote(remote, options, current, sink, error)
                                 : read_pages(remote, options, current, sink, end, error);
    }
    remote_close(remote);
    return status;
}
