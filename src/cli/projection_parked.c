/* SPDX-License-Identifier: Apache-2.0 */
/* Events that projections could not apply: those set aside, and what is done with one that stopped a projection. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <varve/projection.h>

#include "cli/projections.h"
#include "cli/verbs.h"

enum { PARKED_LIMIT = 100, PARKED_LIMIT_MAX = 1000, LOOK_MS = 20 };

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "out of memory");
}

/* ---- showing ---- */

struct page {
    varve_buf *json;
    uint64_t count, limit, last;
    bool more;
};

static varve_status write_parked(void *ctx, const varve_projection_parked_event *parked)
{
    struct page *page = ctx;
    page->more = page->count == page->limit;
    if (page->more) {
        return VARVE_DONE;
    }
    varve_buf_add(page->json, ",", page->count++ > 0 ? 1 : 0);
    varve_projection_parked_write_json(parked, page->json);
    page->last = parked->position;
    return VARVE_OK;
}

static varve_status parked_here(struct place *place, varve_str name, uint64_t after, uint64_t limit, varve_buf *json,
                                varve_error *error)
{
    struct page page = { .json = json, .limit = limit };
    varve_buf_str(json, VARVE_STR("{\"parked\":["));
    varve_status status =
        varve_projection_parked(place->local.engine, name, after, limit + 1, write_parked, &page, error);
    if (page.more) {
        varve_buf_printf(json, "],\"next\":%" PRIu64 "}", page.last);
    } else {
        varve_buf_str(json, VARVE_STR("],\"next\":null}"));
    }
    return status < 0 ? status : json->failed ? no_memory(error) : VARVE_OK;
}

static varve_status parked_there(struct place *place, varve_str name, uint64_t after, uint64_t limit, varve_buf *json,
                                 varve_error *error)
{
    char rest[80];
    snprintf(rest, sizeof(rest), "/parked?after=%" PRIu64 "&limit=%" PRIu64, after, limit);
    return projections_send(place, name, rest, (varve_str){ 0 }, json, error);
}

varve_status run_projection_parked(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "position", "type", "stream", "attempts", "error", "parked_at", NULL };
    varve_str name = varve_str_of(call->arguments[0]);
    struct place place = { 0 };
    varve_buf json = { 0 };
    uint64_t after = 0, limit = PARKED_LIMIT;
    int64_t next = 0;
    varve_status status = call_number(call, OPTION_AFTER, &after, error);
    if (status >= 0) {
        status = call_number(call, OPTION_LIMIT, &limit, error);
    }
    if (status >= 0 && (limit < 1 || limit > PARKED_LIMIT_MAX)) {
        status = varve_error_set(error, VARVE_INVALID, "--limit is a number from 1 to %d", PARKED_LIMIT_MAX);
    }
    if (status >= 0) {
        status = place_open(&place, call, LOCAL_READ, error);
    }
    if (status >= 0) {
        status = place.remote != NULL ? parked_there(&place, name, after, limit, &json, error)
                                      : parked_here(&place, name, after, limit, &json, error);
    }
    if (status >= 0) {
        status = output_list(&call->output, varve_buf_view(&json), "parked", columns, error);
    }
    if (status >= 0 && !call->quiet && call->output.format != OUTPUT_JSON &&
        varve_json_int(varve_buf_view(&json), "next", &next, NULL) >= 0) {
        fprintf(stderr, "more: --after %" PRId64 "\n", next);
    }
    varve_buf_fini(&json);
    place_close(&place);
    return status;
}

/* ---- retrying and skipping ---- */

static varve_status read_position(const char *text, uint64_t *position, varve_error *error)
{
    char *end = NULL;
    *position = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *position > 0 && *position <= INT64_MAX
               ? VARVE_OK
               : varve_error_set(error, VARVE_INVALID, "'%s' is not a position", text);
}

/* The projection has begun to run in this process just now: waits until it is through, or stopped at an event. */
static varve_status settle(struct place *place, varve_str name, varve_error *error)
{
    varve_buf json = { 0 }, state = { 0 };
    varve_status status = VARVE_OK;
    bool settled = false;
    while (status >= 0 && !settled) {
        status = projections_look(place, name, &json, error);
        varve_buf_reset(&state);
        if (status >= 0) {
            status = varve_json_string(varve_buf_view(&json), "state", &state, error);
        }
        settled = status >= 0 && !varve_str_is(varve_buf_view(&state), "catching_up");
        if (status >= 0 && !settled) {
            poll(NULL, 0, LOOK_MS);
        }
    }
    varve_buf_fini(&state);
    varve_buf_fini(&json);
    return status < 0 ? status : VARVE_OK;
}

static varve_status act_here(struct place *place, const varve_projection_action *action, bool skip, varve_error *error)
{
    varve_status status = projections_may_change(place, error);
    if (status >= 0) {
        status = settle(place, action->name, error);
    }
    if (status >= 0) {
        status = skip ? varve_projection_skip(place->local.engine, action, error)
                      : varve_projection_retry(place->local.engine, action, error);
    }
    /* That it began to run here was the retry. */
    return status == VARVE_CONFLICT && !skip && action->position == 0 ? VARVE_OK : status;
}

static void add_member(varve_buf *body, const char *member, varve_str text)
{
    if (text.len > 0) {
        varve_buf_printf(body, "%s\"%s\":", body->len > 1 ? "," : "", member);
        varve_buf_json_string(body, text);
    }
}

static varve_status act_there(struct place *place, const varve_projection_action *action, bool skip, varve_error *error)
{
    varve_buf body = { 0 }, answer = { 0 };
    varve_buf_str(&body, VARVE_STR("{"));
    if (action->position > 0) {
        varve_buf_printf(&body, "\"position\":%" PRIu64, action->position);
    }
    add_member(&body, "actor", action->actor);
    add_member(&body, "reason", action->reason);
    varve_buf_str(&body, VARVE_STR("}"));
    varve_status status = body.failed ? no_memory(error)
                                      : projections_send(place, action->name, skip ? "/skip" : "/retry",
                                                         varve_buf_view(&body), &answer, error);
    varve_buf_fini(&answer);
    varve_buf_fini(&body);
    return status;
}

static varve_status act(struct call *call, bool skip, varve_error *error)
{
    struct place place = { 0 };
    varve_buf json = { 0 };
    varve_projection_action action = {
        .name = varve_str_of(call->arguments[0]),
        .actor = call_text(call, OPTION_ACTOR),
        .reason = call_text(call, OPTION_REASON),
    };
    varve_status status =
        call->argument_count > 1 ? read_position(call->arguments[1], &action.position, error) : VARVE_OK;
    if (status >= 0) {
        status = place_open(&place, call, LOCAL_CATCH_UP, error);
    }
    if (status >= 0) {
        status =
            place.remote != NULL ? act_there(&place, &action, skip, error) : act_here(&place, &action, skip, error);
    }
    if (status >= 0) {
        status = projections_look(&place, action.name, &json, error);
    }
    if (status >= 0) {
        status = output_document(&call->output, varve_buf_view(&json), error);
        projections_advise(call, varve_buf_view(&json));
    }
    varve_buf_fini(&json);
    place_close(&place);
    return status;
}

varve_status run_projection_retry(struct call *call, varve_error *error)
{
    return act(call, false, error);
}

varve_status run_projection_skip(struct call *call, varve_error *error)
{
    return act(call, true, error);
}
