/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator does with events that projections could not apply, and checks of read models. */
#include <inttypes.h>
#include <varve/projection.h>

#include "server/api.h"
#include "server/body.h"
#include "server/page.h"

struct parked_page {
    varve_buf *out;
    uint64_t count, limit, last;
    bool more;
};

static varve_status write_parked(void *ctx, const varve_projection_parked_event *parked)
{
    struct parked_page *page = ctx;
    page->more = page->count == page->limit;
    if (page->more) return VARVE_DONE;
    varve_buf_add(page->out, ",", page->count++ > 0 ? 1 : 0);
    varve_projection_parked_write_json(parked, page->out);
    page->last = parked->position;
    return VARVE_OK;
}

/* {"parked":[…],"next":POSITION|null} */
void api_projection_parked(struct request *request)
{
    varve_error error = { 0 };
    struct parked_page page = { .out = &request->answer.body };
    uint64_t after = 0;
    varve_status status = page_limit(&request->target, &page.limit, &error);
    if (status >= 0) status = target_number(&request->target, "after", &after, &error);
    varve_buf_str(page.out, VARVE_STR("{\"parked\":["));
    if (status >= 0)
        status = varve_projection_parked(request->backend->engine, request->target.segments[1], after, page.limit + 1,
                                         write_parked, &page, &error);
    if (page.more)
        varve_buf_printf(page.out, "],\"next\":%" PRIu64 "}", page.last);
    else
        varve_buf_str(page.out, VARVE_STR("],\"next\":null}"));
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        request_send(request, 200);
    }
}

static varve_status read_action(struct request *request, varve_projection_action *action, bool needs_position,
                                varve_error *error)
{
    struct body_field fields[] = {
        { .name = "position", .kind = BODY_NUMBER, .value = &action->position },
        { .name = "actor", .kind = BODY_TEXT, .value = &action->actor },
        { .name = "reason", .kind = BODY_TEXT, .value = &action->reason },
    };
    varve_status status =
        body_read(varve_buf_view(&request->body), fields, sizeof fields / sizeof *fields, &request->arena, error);
    if (status < 0) return status;
    action->name = request->target.segments[1];
    if (fields[0].given && action->position == 0)
        return varve_error_set(error, VARVE_INVALID, "positions begin with 1");
    if (needs_position && !fields[0].given) return varve_error_set(error, VARVE_INVALID, "'position' says which event");
    return VARVE_OK;
}

static void write_projection(void *ctx, const varve_projection_status *status)
{
    varve_projection_write_json(status, ctx);
}

/* Answers with the projection as it stands now. */
static void answer(struct request *request, varve_status status, varve_error *error)
{
    if (status >= 0)
        status = varve_projection_list(request->backend->engine, request->target.segments[1], write_projection,
                                       &request->answer.body, error);
    if (status < 0) {
        request_fail(request, status, error);
    } else {
        request_send(request, 200);
    }
}

void api_projection_retry(struct request *request)
{
    varve_error error = { 0 };
    varve_projection_action action = { 0 };
    varve_status status = read_action(request, &action, false, &error);
    if (status >= 0) status = varve_projection_retry(request->backend->engine, &action, &error);
    answer(request, status, &error);
}

void api_projection_skip(struct request *request)
{
    varve_error error = { 0 };
    varve_projection_action action = { 0 };
    varve_status status = read_action(request, &action, true, &error);
    if (status >= 0) status = varve_projection_skip(request->backend->engine, &action, &error);
    answer(request, status, &error);
}

/* ---- checking ---- */

static void show_check(struct request *request, varve_status status, unsigned http, varve_error *error)
{
    if (status >= 0)
        status = varve_projection_check_look(request->backend->engine, request->target.segments[1],
                                             &request->answer.body, error);
    if (status < 0) {
        request_fail(request, status, error);
    } else {
        request_send(request, http);
    }
}

void api_projection_check(struct request *request)
{
    varve_error error = { 0 };
    varve_status status = body_read(varve_buf_view(&request->body), NULL, 0, &request->arena, &error);
    if (status >= 0)
        status = varve_projection_check_start(request->backend->engine, request->target.segments[1], &error);
    show_check(request, status, 202, &error);
}

void api_projection_checked(struct request *request)
{
    varve_error error = { 0 };
    show_check(request, VARVE_OK, 200, &error);
}
