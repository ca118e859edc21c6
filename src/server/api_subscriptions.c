/* SPDX-License-Identifier: Apache-2.0 */
/* Durable subscriptions: what they are, reading them with a long poll, and what is done with their events. */
#include <inttypes.h>
#include <stdlib.h>
#include <varve/subscription.h>

#include "base/clock.h"
#include "server/api.h"
#include "server/body.h"
#include "server/page.h"
#include "server/waits.h"

#define WAIT_MS_MAX 60000u
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static void answer(struct request *request, varve_status status, unsigned http, const varve_error *error)
{
    if (status < 0) {
        request_fail(request, status, error);
    } else {
        request_send(request, http);
    }
}

/* ---- showing ---- */

struct list {
    varve_buf *out;
    size_t count;
};

static varve_status write_subscription(void *ctx, const varve_subscription_status *status)
{
    struct list *list = ctx;
    varve_buf_add(list->out, ",", list->count++ > 0 ? 1 : 0);
    varve_subscription_write_json(status, list->out);
    return VARVE_OK;
}

void api_subscription_list(struct request *request)
{
    varve_error error = { 0 };
    struct list list = { &request->answer.body, 0 };
    varve_buf_str(list.out, VARVE_STR("{\"subscriptions\":["));
    varve_status status =
        varve_subscription_list(request->backend->store, (varve_str){ 0 }, write_subscription, &list, &error);
    varve_buf_str(list.out, VARVE_STR("]}"));
    answer(request, status, 200, &error);
}

static void show(struct request *request, unsigned http)
{
    varve_error error = { 0 };
    struct list list = { &request->answer.body, 0 };
    varve_status status = varve_subscription_list(request->backend->store, request->target.segments[1],
                                                  write_subscription, &list, &error);
    answer(request, status, http, &error);
}

void api_subscription_show(struct request *request)
{
    show(request, 200);
}

struct parked_page {
    struct list list;
    uint64_t limit;
    varve_buf last; /* the place of the last one on the page */
    bool more;
};

static varve_status write_parked(void *ctx, const varve_parked *parked)
{
    struct parked_page *page = ctx;
    page->more = page->list.count == page->limit;
    if (page->more) return VARVE_DONE;
    varve_buf_add(page->list.out, ",", page->list.count++ > 0 ? 1 : 0);
    varve_parked_write_json(parked, page->list.out);
    varve_buf_reset(&page->last);
    varve_buf_str(&page->last, parked->place);
    return VARVE_OK;
}

/* {"parked":[…],"next":PLACE|null} */
void api_subscription_parked(struct request *request)
{
    varve_error error = { 0 };
    const varve_query_param *param = target_param(&request->target, "after");
    varve_str after = { 0 };
    struct parked_page page = { .list = { .out = &request->answer.body } };
    uint64_t member = 0;
    if (param != NULL) after = param->value;
    varve_status status = page_limit(&request->target, &page.limit, &error);
    if (status >= 0) status = target_number(&request->target, "member", &member, &error);
    varve_buf_str(page.list.out, VARVE_STR("{\"parked\":["));
    if (status >= 0)
        status = varve_subscription_parked(request->backend->store, request->target.segments[1],
                                           member > UINT32_MAX ? UINT32_MAX : (uint32_t)member, after, page.limit + 1,
                                           write_parked, &page, &error);
    varve_buf_str(page.list.out, VARVE_STR("],\"next\":"));
    if (page.more)
        varve_buf_json_string(page.list.out, varve_buf_view(&page.last));
    else
        varve_buf_str(page.list.out, VARVE_STR("null"));
    varve_buf_str(page.list.out, VARVE_STR("}"));
    if (status >= 0 && page.last.failed) status = varve_error_set(&error, VARVE_NOMEM, "out of memory");
    varve_buf_fini(&page.last);
    answer(request, status, 200, &error);
}

/* ---- creating and deleting ---- */

void api_subscription_create(struct request *request)
{
    varve_error error = { 0 };
    uint64_t members = 0, max_attempts = 0;
    varve_subscription wanted = { .name = request->target.segments[1] };
    struct body_field fields[] = {
        { .name = "categories",
          .kind = BODY_TEXTS,
          .max = VARVE_QUERY_ITEMS_MAX,
          .value = &wanted.categories,
          .count = &wanted.category_count },
        { .name = "types",
          .kind = BODY_TEXTS,
          .max = VARVE_QUERY_ITEMS_MAX,
          .value = &wanted.types,
          .count = &wanted.type_count },
        { .name = "tags",
          .kind = BODY_TEXTS,
          .max = VARVE_QUERY_ITEMS_MAX,
          .value = &wanted.tags,
          .count = &wanted.tag_count },
        { .name = "after", .kind = BODY_NUMBER, .value = &wanted.after_position },
        { .name = "members", .kind = BODY_NUMBER, .max = VARVE_SUBSCRIPTION_MEMBERS_MAX, .value = &members },
        { .name = "max_attempts", .kind = BODY_NUMBER, .max = UINT32_MAX, .value = &max_attempts },
    };
    varve_status status = body_read(varve_buf_view(&request->body), fields, COUNT(fields), &request->arena, &error);
    wanted.members = (uint32_t)members;
    wanted.max_attempts = (uint32_t)max_attempts;
    if (status >= 0) status = varve_subscription_create(request->backend->store, &wanted, &error);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        show(request, status == VARVE_REPEATED ? 200 : 201);
    }
}

static void write_outcome(struct request *request, const char *outcome)
{
    varve_buf *out = &request->answer.body;
    varve_buf_str(out, VARVE_STR("{\"name\":"));
    varve_buf_json_string(out, request->target.segments[1]);
    varve_buf_printf(out, ",\"outcome\":\"%s\"}", outcome);
}

void api_subscription_delete(struct request *request)
{
    varve_error error = { 0 };
    varve_status status = body_read(varve_buf_view(&request->body), NULL, 0, &request->arena, &error);
    if (status >= 0) status = varve_subscription_delete(request->backend->store, request->target.segments[1], &error);
    if (status >= 0) write_outcome(request, "deleted");
    answer(request, status, 200, &error);
}

/* ---- reading ---- */

/* A read under way. While it waits it is parked among the backend's waits; otherwise a worker has it. */
struct poll {
    struct waits *waits;
    struct wait wait;
    varve_reader *reader;
    struct shaped shaped;
    uint64_t end_ns;
};

static void poll_free(void *own)
{
    struct poll *poll = own;
    varve_reader_close(poll->reader);
    shaped_fini(&poll->shaped);
    waits_leave(poll->waits);
    free(poll);
}

/* What there is to acknowledge of an event that is nothing today. */
static void write_dropped(const varve_delivery *delivery, varve_buf *out)
{
    char id[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(delivery->event.id, id);
    varve_buf_printf(out, "{\"position\":%" PRIu64 ",\"stream\":", delivery->event.position);
    varve_buf_json_string(out, delivery->event.stream);
    varve_buf_printf(out, ",\"version\":%" PRIu64 ",\"id\":\"%s\",\"dropped\":true,\"attempt\":%lu}",
                     delivery->event.version, id, (unsigned long)delivery->attempt);
}

/* The batch as varve_subscription_batch_write_json has it, with all that each delivery is in the shapes asked for. */
static varve_status write_batch(struct shaped *shaped, const varve_subscription_batch *batch, varve_buf *out,
                                varve_error *error)
{
    const varve_event *events = NULL;
    char time[VARVE_TIME_TEXT_BYTES];
    size_t count = 0, written = 0;
    if (shaped->pool == NULL) {
        varve_subscription_batch_write_json(batch, out);
        return VARVE_OK;
    }
    varve_buf_str(out, VARVE_STR("{\"events\":["));
    for (size_t i = 0; i < batch->count && !out->failed; i++) {
        const varve_delivery *delivery = &batch->deliveries[i];
        varve_status status = shaped_event(shaped, &delivery->event, &events, &count, error);
        if (status < 0) return status;
        if (count == 0) {
            varve_buf_add(out, ",", written++ == 0 ? 0 : 1);
            write_dropped(delivery, out);
        }
        for (size_t j = 0; j < count && !out->failed; j++) {
            varve_buf_add(out, ",", written++ == 0 ? 0 : 1);
            varve_event_write_json(&events[j], out);
            if (out->failed) break;
            out->len--; /* the brace: one more member */
            varve_buf_printf(out, ",\"attempt\":%lu}", (unsigned long)delivery->attempt);
        }
    }
    varve_time_format(batch->lease_until, time);
    varve_buf_printf(out, "],\"position\":%" PRIu64 ",\"lease_until\":\"%s\"}", batch->position, time);
    return VARVE_OK;
}

static void step(struct job *job)
{
    struct request *request = request_of_job(job);
    struct poll *poll = request->own;
    varve_subscription_batch batch = { 0 };
    varve_error error = { 0 };
    varve_status status = varve_reader_next(poll->reader, &batch, &error);
    uint64_t now = clock_ns();
    bool over = now >= poll->end_ns || request_is_stopping(request);
    if (status == VARVE_SKIPPED && !over) {
        workers_submit(request->backend->workers, job); /* behind what others wait for */
        return;
    }
    if (status == VARVE_IDLE && !over) {
        uint64_t due = now + (uint64_t)varve_reader_due_ms(poll->reader) * 1000000u;
        if (waits_park(poll->waits, &poll->wait, varve_reader_fd(poll->reader), due < poll->end_ns ? due : poll->end_ns,
                       job))
            return;
    }
    if (status >= 0) status = write_batch(&poll->shaped, &batch, &request->answer.body, &error);
    shaped_rest(&poll->shaped);
    varve_subscription_batch_fini(&batch);
    answer(request, status, 200, &error);
}

static varve_status begin(struct request *request, const varve_subscription_read_options *options, varve_str shapes,
                          varve_error *error)
{
    struct waits *waits = request->backend->waits;
    varve_status status = waits_enter(waits, error);
    if (status < 0) return status;
    struct poll *poll = calloc(1, sizeof *poll);
    if (poll == NULL) {
        waits_leave(waits);
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    poll->waits = waits;
    poll->end_ns = clock_ns() + (uint64_t)options->wait_ms * 1000000u;
    request->own = poll;
    request->own_free = poll_free;
    status = shaped_init(&poll->shaped, &request->backend->shapes, shapes, error);
    shaped_rest(&poll->shaped);
    return status < 0 ? status : varve_reader_open(&poll->reader, request->backend->store, options, error);
}

void api_subscription_read(struct request *request)
{
    varve_error error = { 0 };
    varve_subscription_read_options options = { .name = request->target.segments[1] };
    uint64_t member = 0, limit = 0, wait_ms = 0, lease_ms = 0;
    varve_str shapes = { NULL, 0 };
    struct body_field fields[] = {
        { .name = "member", .kind = BODY_NUMBER, .max = VARVE_SUBSCRIPTION_MEMBERS_MAX, .value = &member },
        { .name = "consumer", .kind = BODY_TEXT, .value = &options.consumer },
        { .name = "limit", .kind = BODY_NUMBER, .max = VARVE_SUBSCRIPTION_LIMIT_MAX, .value = &limit },
        { .name = "wait_ms", .kind = BODY_NUMBER, .max = WAIT_MS_MAX, .value = &wait_ms },
        { .name = "lease_ms", .kind = BODY_NUMBER, .max = VARVE_SUBSCRIPTION_LEASE_MAX, .value = &lease_ms },
        { .name = "shapes", .kind = BODY_TEXT, .value = &shapes },
    };
    varve_status status = body_read(varve_buf_view(&request->body), fields, COUNT(fields), &request->arena, &error);
    options.member = (uint32_t)member;
    options.limit = (uint32_t)limit;
    options.wait_ms = (uint32_t)wait_ms;
    options.lease_ms = (uint32_t)lease_ms;
    request->job.run = step;
    if (status >= 0) status = begin(request, &options, shapes, &error);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        step(&request->job);
    }
}

/* ---- settling ---- */

static varve_status read_action(struct request *request, varve_subscription_action *action, uint64_t *position,
                                bool list, varve_error *error)
{
    uint64_t member = 0, delay_ms = 0;
    struct body_field all[] = {
        { .name = "member", .kind = BODY_NUMBER, .max = VARVE_SUBSCRIPTION_MEMBERS_MAX, .value = &member },
        { .name = "consumer", .kind = BODY_TEXT, .value = &action->consumer },
        { .name = "positions",
          .kind = BODY_NUMBERS,
          .max = VARVE_SUBSCRIPTION_LIMIT_MAX,
          .value = &action->positions,
          .count = &action->position_count },
        { .name = "through", .kind = BODY_NUMBER, .value = &action->through },
    };
    struct body_field one[] = {
        all[0],
        all[1],
        { .name = "position", .kind = BODY_NUMBER, .value = position },
        { .name = "delay_ms", .kind = BODY_NUMBER, .max = VARVE_SUBSCRIPTION_DELAY_MAX, .value = &delay_ms },
        { .name = "reason", .kind = BODY_TEXT, .value = &action->reason },
        { .name = "actor", .kind = BODY_TEXT, .value = &action->actor },
    };
    varve_status status = body_read(varve_buf_view(&request->body), list ? all : one, list ? COUNT(all) : COUNT(one),
                                    &request->arena, error);
    action->name = request->target.segments[1];
    action->member = (uint32_t)member;
    action->delay_ms = (uint32_t)delay_ms;
    if (list) return status;
    action->positions = position;
    action->position_count = one[2].given ? 1 : 0;
    return status;
}

void api_subscription_ack(struct request *request)
{
    varve_error error = { 0 };
    varve_subscription_action action = { 0 };
    varve_status status = read_action(request, &action, NULL, true, &error);
    if (status >= 0) status = varve_subscription_ack(request->backend->store, &action, &error);
    if (status >= 0) write_outcome(request, "acknowledged");
    answer(request, status, 200, &error);
}

/* A consumer's retry is of what was delivered to it; without a consumer it is an operator's, of what is parked. */
void api_subscription_retry(struct request *request)
{
    varve_error error = { 0 };
    uint64_t position = 0;
    varve_subscription_action action = { 0 };
    varve_store *store = request->backend->store;
    varve_status status = read_action(request, &action, &position, false, &error);
    bool parked = action.consumer.len == 0;
    if (status >= 0)
        status = parked ? varve_subscription_unpark(store, &action, &error)
                        : varve_subscription_retry(store, &action, &error);
    if (status >= 0) write_outcome(request, parked ? "unparked" : status == VARVE_DONE ? "parked" : "held");
    answer(request, status, 200, &error);
}

void api_subscription_park(struct request *request)
{
    varve_error error = { 0 };
    uint64_t position = 0;
    varve_subscription_action action = { 0 };
    varve_status status = read_action(request, &action, &position, false, &error);
    if (status >= 0) status = varve_subscription_park(request->backend->store, &action, &error);
    if (status >= 0) write_outcome(request, "parked");
    answer(request, status, 200, &error);
}

void api_subscription_skip(struct request *request)
{
    varve_error error = { 0 };
    uint64_t position = 0;
    varve_subscription_action action = { 0 };
    varve_status status = read_action(request, &action, &position, false, &error);
    if (status >= 0) status = varve_subscription_skip(request->backend->store, &action, &error);
    if (status >= 0) write_outcome(request, "skipped");
    answer(request, status, 200, &error);
}
