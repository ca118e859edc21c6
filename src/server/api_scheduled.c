/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduled commands: what there is, and cancelling. They are scheduled as commands with a "not_before". */
#include <varve/scheduled.h>

#include "server/api.h"
#include "server/body.h"
#include "server/page.h"

static void answer(struct request *request, varve_status status, const varve_error *error)
{
    if (status < 0) {
        request_fail(request, status, error);
    } else {
        request_send(request, 200);
    }
}

struct scheduled_page {
    varve_buf *out;
    uint64_t limit, count;
    varve_uuid last;
    bool more;
};

static varve_status write_scheduled(void *ctx, const varve_scheduled *scheduled)
{
    struct scheduled_page *page = ctx;
    page->more = page->count == page->limit;
    if (page->more) return VARVE_DONE;
    varve_buf_add(page->out, ",", page->count++ > 0 ? 1 : 0);
    varve_scheduled_write_json(scheduled, page->out);
    page->last = scheduled->command.id;
    return VARVE_OK;
}

/* {"scheduled":[…],"next":ID|null} */
void api_scheduled_list(struct request *request)
{
    varve_error error = { 0 };
    varve_uuid after = { 0 };
    struct scheduled_page page = { .out = &request->answer.body };
    const varve_query_param *param = target_param(&request->target, "after");
    char next[VARVE_UUID_TEXT_BYTES];
    varve_status status = page_limit(&request->target, &page.limit, &error);
    if (status >= 0 && param != NULL) status = varve_uuid_parse(&after, param->value, &error);
    varve_buf_str(page.out, VARVE_STR("{\"scheduled\":["));
    if (status >= 0)
        status = varve_scheduled_list(request->backend->store, after, page.limit + 1, write_scheduled, &page, &error);
    varve_uuid_format(page.last, next);
    varve_buf_str(page.out, VARVE_STR("],\"next\":"));
    if (page.more)
        varve_buf_printf(page.out, "\"%s\"}", next);
    else
        varve_buf_str(page.out, VARVE_STR("null}"));
    answer(request, status, &error);
}

void api_scheduled_show(struct request *request)
{
    varve_error error = { 0 };
    varve_uuid id;
    varve_scheduled scheduled = { 0 };
    varve_status status = varve_uuid_parse(&id, request->target.segments[1], &error);
    if (status >= 0) status = varve_scheduled_get(request->backend->store, id, &scheduled, &error);
    if (status >= 0) varve_scheduled_write_json(&scheduled, &request->answer.body);
    varve_scheduled_fini(&scheduled);
    answer(request, status, &error);
}

/* {"id","outcome"}: as varve_scheduled_cancel_word. */
void api_scheduled_cancel(struct request *request)
{
    varve_error error = { 0 };
    varve_uuid id;
    varve_scheduled_state was = VARVE_SCHEDULED_WAITING;
    char text[VARVE_UUID_TEXT_BYTES];
    varve_status status = body_read(varve_buf_view(&request->body), NULL, 0, &request->arena, &error);
    if (status >= 0) status = varve_uuid_parse(&id, request->target.segments[1], &error);
    if (status >= 0) status = varve_scheduled_cancel(request->backend->store, id, &was, &error);
    if (status >= 0) {
        varve_uuid_format(id, text);
        varve_buf_printf(&request->answer.body, "{\"id\":\"%s\",\"outcome\":\"%s\"}", text,
                         varve_scheduled_cancel_word(was));
    }
    answer(request, status, &error);
}
