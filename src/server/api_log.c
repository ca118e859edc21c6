/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole log, as pages and as a live stream of events; one event by its id.
 *
 * A position means something in one incarnation of the log only: every answer names it, and a reader that gives it
 * back with its position is told when the log is another one since (409, history-changed).
 */
#include "server/api.h"
#include "server/follow.h"
#include "server/page.h"

/* The incarnation that the reader's position belongs to, in the form it was told. */
static varve_status read_incarnation(struct request *request, varve_str *incarnation, varve_error *error)
{
    const varve_query_param *param = target_param(&request->target, "incarnation");
    varve_uuid id = { 0 };
    if (param == NULL) return VARVE_OK;
    if (varve_uuid_parse(&id, param->value, NULL) < 0) {
        return varve_error_set(error, VARVE_INVALID, "'incarnation' is not a UUID");
    }
    char *text = arena_alloc(&request->arena, VARVE_UUID_TEXT_BYTES);
    if (text == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    varve_uuid_format(id, text);
    *incarnation = varve_str_of(text);
    return VARVE_OK;
}

static varve_status read_options(struct request *request, varve_read_options *options, varve_error *error)
{
    const struct target *target = &request->target;
    const varve_query_param *correlation = target_param(target, "correlation_id");
    struct arena *arena = &request->arena;
    if (correlation != NULL) options->correlation_id = correlation->value;
    varve_status status = target_number(target, "after", &options->after_position, error);
    if (status >= 0) status = read_incarnation(request, &options->incarnation, error);
    if (status >= 0) status = target_list(target, "types", arena, &options->types, &options->type_count, error);
    if (status >= 0) {
        status = target_list(target, "categories", arena, &options->categories, &options->category_count, error);
    }
    if (status >= 0) status = target_list(target, "tags", arena, &options->tags, &options->tag_count, error);
    return status;
}

/*
 * How far a page looks when types or categories are to be found among all events, so that a rare one does not have
 * the whole log read for it. 0: to the head; a correlation_id and tags are found by index.
 */
static varve_status bound(struct request *request, varve_read_options *options, varve_error *error)
{
    uint64_t head = 0;
    if (options->type_count + options->category_count == 0 || options->correlation_id.len > 0 || options->tag_count > 0)
        return VARVE_OK;
    varve_status status = varve_store_head(request->backend->store, &head, error);
    uint64_t positions = request->backend->page_positions;
    if (status >= 0 && head > positions && options->after_position < head - positions) {
        options->until_position = options->after_position + positions;
    }
    return status;
}

/*
 * {"events":[…],"last_position","next":POSITION|null,"incarnation"}: `next` is the `after` of the page that follows.
 * With filters a page may hold fewer events than asked for, or none, and be followed by more: only null is the end.
 */
static varve_status read_page(struct request *request, varve_read_options *options, varve_error *error)
{
    varve_buf *out = &request->answer.body;
    varve_cursor *cursor = NULL;
    struct page page = { 0 };
    struct shaped shaped = { 0 };
    uint64_t limit = 0;

    varve_status status = page_limit(&request->target, &limit, error);
    if (status >= 0) status = shaped_read(&shaped, &request->backend->shapes, &request->target, options, error);
    if (status >= 0) status = bound(request, options, error);
    if (status < 0) goto done;
    options->limit = limit + 1;
    status = varve_cursor_open(&cursor, request->backend->store, options, error);
    if (status < 0) goto done;
    varve_buf_str(out, VARVE_STR("{\"events\":"));
    status = page_write(cursor, &shaped, limit, &page, out, error);
    if (status < 0) goto done;
    /* The log was looked at up to here, matching or not; a full page ends with its last event. */
    unsigned long long last = page.more ? page.last_position : varve_cursor_scanned(cursor);
    varve_buf_printf(out, ",\"last_position\":%llu,\"next\":", last);
    if (page.more || options->until_position > 0) {
        varve_buf_printf(out, "%llu", last);
    } else {
        varve_buf_str(out, VARVE_STR("null"));
    }
    varve_buf_printf(out, ",\"incarnation\":\"%s\"}", request->answer.incarnation);
done:
    varve_cursor_close(cursor);
    shaped_fini(&shaped);
    if (status >= 0) request_send(request, 200);
    return status;
}

static varve_status start_stream(struct request *request, varve_read_options *options, varve_error *error)
{
    varve_str resumed = request->headers.last_event_id;
    if (target_param(&request->target, "limit") != NULL) {
        return varve_error_set(error, VARVE_INVALID, "an event stream takes no 'limit'");
    }
    if (resumed.len > 0 && !target_digits(resumed, &options->after_position)) {
        return varve_error_set(error, VARVE_INVALID, "Last-Event-ID is not a position");
    }
    return follow_start(request->backend->follow, request, request->backend->store, options, error);
}

void api_log_read(struct request *request)
{
    varve_error error = { 0 };
    varve_read_options options = { 0 };
    bool stream = admit_event_stream(request->headers.accept) && !request_is_head(request);
    varve_store_incarnation(request->backend->store, request->answer.incarnation);
    varve_status status = read_options(request, &options, &error);
    if (status >= 0) {
        status = stream ? start_stream(request, &options, &error) : read_page(request, &options, &error);
    }
    if (status < 0) request_fail(request, status, &error);
}

void api_event_show(struct request *request)
{
    varve_error error = { 0 };
    varve_uuid id = { 0 };
    varve_event event;
    varve_buf memory = { 0 };
    varve_status status = varve_uuid_parse(&id, request->target.segments[1], &error);
    if (status >= 0) status = varve_event_find(request->backend->store, id, &event, &memory, &error);
    if (status >= 0) varve_event_write_json(&event, &request->answer.body);
    varve_buf_fini(&memory);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        request_send(request, 200);
    }
}
