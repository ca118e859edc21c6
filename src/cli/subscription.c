/* SPDX-License-Identifier: Apache-2.0 */
/* Durable subscriptions, of a store in this process or through a server, as the same JSON. */
#include <inttypes.h>
#include <stdlib.h>
#include <varve/subscription.h>

#include "cli/local.h"
#include "cli/pages.h"
#include "cli/remote.h"
#include "cli/verbs.h"

enum { PARKED_LIMIT = 100, WAIT_MS_MAX = 60000 };

/* What the options of a verb say, checked as numbers; everything else is the store's or the server's to check. */
struct numbers {
    uint64_t after, members, max_attempts, member, limit, wait_ms, lease_ms, delay_ms, through;
    uint64_t positions[VARVE_SUBSCRIPTION_LIMIT_MAX];
    size_t position_count;
};

static varve_status no_memory(varve_error *error)
{
    varve_error_set(error, VARVE_NOMEM, "out of memory");
    return VARVE_NOMEM;
}

static varve_status read_small(const struct call *call, enum option option, uint64_t max, uint64_t *number,
                               varve_error *error)
{
    varve_status status = call_number(call, option, number, error);
    if (status < 0 || *number <= max) {
        return status;
    }
    return varve_error_set(error, VARVE_INVALID, "--%s is at most %" PRIu64, option_specs[option].name, max);
}

static varve_status read_positions(const struct call *call, struct numbers *given, varve_error *error)
{
    if (call->argument_count - 1 > VARVE_SUBSCRIPTION_LIMIT_MAX) {
        return varve_error_set(error, VARVE_INVALID, "at most %u positions at once", VARVE_SUBSCRIPTION_LIMIT_MAX);
    }
    for (size_t i = 1; i < call->argument_count; i++) {
        char *end = NULL;
        const char *text = call->arguments[i];
        uint64_t position = strtoull(text, &end, 10);
        if (text[0] < '0' || text[0] > '9' || *end != '\0' || position > INT64_MAX) {
            return varve_error_set(error, VARVE_INVALID, "'%s' is not a position", text);
        }
        given->positions[given->position_count++] = position;
    }
    return VARVE_OK;
}

static varve_status read_given(const struct call *call, struct numbers *given, varve_error *error)
{
    const struct {
        enum option option;
        uint64_t max, *number;
    } numbers[] = {
        { OPTION_MEMBERS, VARVE_SUBSCRIPTION_MEMBERS_MAX, &given->members },
        { OPTION_MAX_ATTEMPTS, UINT32_MAX, &given->max_attempts },
        { OPTION_MEMBER, VARVE_SUBSCRIPTION_MEMBERS_MAX, &given->member },
        { OPTION_LIMIT, VARVE_SUBSCRIPTION_LIMIT_MAX, &given->limit },
        { OPTION_WAIT_MS, WAIT_MS_MAX, &given->wait_ms },
        { OPTION_LEASE_MS, VARVE_SUBSCRIPTION_LEASE_MAX, &given->lease_ms },
        { OPTION_DELAY_MS, VARVE_SUBSCRIPTION_DELAY_MAX, &given->delay_ms },
        { OPTION_THROUGH, INT64_MAX, &given->through },
    };
    varve_status status = read_positions(call, given, error);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && status >= 0; i++) {
        status = read_small(call, numbers[i].option, numbers[i].max, numbers[i].number, error);
    }
    return status;
}

/* ---- through a server ---- */

static varve_status send(const struct call *call, const char *verb, varve_str body, varve_buf *answer,
                         varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf_str(&path, VARVE_STR("/subscriptions"));
    if (call->argument_count > 0) {
        remote_segment(&path, varve_str_of(call->arguments[0]));
    }
    varve_buf_str(&path, varve_str_of(verb));
    varve_status status = path.failed ? no_memory(error)
                                      : remote_ask(call->server, varve_buf_view(&path),
                                                   body.len > 0 ? "application/json" : NULL, body, answer, error);
    varve_buf_fini(&path);
    return status;
}

/* Members of a body under way; each begins with what separates it from the one before. */
static void begin_member(varve_buf *body, const char *name)
{
    varve_buf_printf(body, "%s\"%s\":", body->len == 0 ? "{" : ",", name);
}

static void add_number(varve_buf *body, const char *name, uint64_t number)
{
    if (number > 0) {
        begin_member(body, name);
        varve_buf_printf(body, "%" PRIu64, number);
    }
}

static void add_text(varve_buf *body, const struct call *call, const char *name, enum option option)
{
    if (call_option(call, option) != NULL) {
        begin_member(body, name);
        varve_buf_json_string(body, call_text(call, option));
    }
}

static void add_texts(varve_buf *body, const struct call *call, const char *name, enum option option)
{
    size_t count = call_option_count(call, option);
    for (size_t i = 0; i < count; i++) {
        if (i == 0) {
            begin_member(body, name);
        }
        varve_buf_str(body, i == 0 ? VARVE_STR("[") : VARVE_STR(","));
        varve_buf_json_string(body, varve_str_of(call_option_at(call, option, i)));
    }
    varve_buf_str(body, count > 0 ? VARVE_STR("]") : VARVE_STR(""));
}

static varve_status send_body(const struct call *call, const char *verb, varve_buf *body, varve_buf *answer,
                              varve_error *error)
{
    varve_buf_str(body, body->len == 0 ? VARVE_STR("{}") : VARVE_STR("}"));
    return body->failed ? no_memory(error) : send(call, verb, varve_buf_view(body), answer, error);
}

/* ---- showing ---- */

struct list {
    varve_buf *json;
    size_t count;
};

static varve_status write_subscription(void *ctx, const varve_subscription_status *status)
{
    struct list *list = ctx;
    varve_buf_add(list->json, ",", list->count++ > 0 ? 1 : 0);
    varve_subscription_write_json(status, list->json);
    return VARVE_OK;
}

/* One, or {"subscriptions":[…]} for an empty name. */
static varve_status show(varve_store *store, varve_str name, varve_buf *json, varve_error *error)
{
    struct list list = { .json = json };
    varve_buf_str(json, name.len == 0 ? VARVE_STR("{\"subscriptions\":[") : VARVE_STR(""));
    varve_status status = varve_subscription_list(store, name, write_subscription, &list, error);
    varve_buf_str(json, name.len == 0 ? VARVE_STR("]}") : VARVE_STR(""));
    return status;
}

static varve_status look(const struct call *call, varve_str name, varve_buf *json, varve_error *error)
{
    varve_store *store = NULL;
    if (call->server != NULL) {
        return send(call, "", (varve_str){ 0 }, json, error);
    }
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    if (status >= 0) {
        status = show(store, name, json, error);
    }
    varve_store_close(store);
    return status;
}

varve_status run_subscription_list(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "name", "state", "members", "position", "head", "lag", "parked", NULL };
    varve_buf json = { 0 };
    varve_status status = look(call, (varve_str){ 0 }, &json, error);
    if (status >= 0) {
        status = json.failed ? no_memory(error)
                             : output_list(&call->output, varve_buf_view(&json), "subscriptions", columns, error);
    }
    varve_buf_fini(&json);
    return status;
}

/* Prints a document that is there, and frees it. */
static varve_status print(const struct call *call, varve_status status, varve_buf *json, varve_error *error)
{
    if (status >= 0) {
        status = json->failed ? no_memory(error) : output_document(&call->output, varve_buf_view(json), error);
    }
    varve_buf_fini(json);
    return status;
}

varve_status run_subscription_show(struct call *call, varve_error *error)
{
    varve_buf json = { 0 };
    return print(call, look(call, varve_str_of(call->arguments[0]), &json, error), &json, error);
}

struct parked_page {
    struct list list;
    uint64_t limit;
    varve_buf last;
    bool more;
};

static varve_status write_parked(void *ctx, const varve_parked *parked)
{
    struct parked_page *page = ctx;
    page->more = page->list.count == page->limit;
    if (page->more) {
        return VARVE_DONE;
    }
    varve_buf_add(page->list.json, ",", page->list.count++ > 0 ? 1 : 0);
    varve_parked_write_json(parked, page->list.json);
    varve_buf_reset(&page->last);
    varve_buf_str(&page->last, parked->place);
    return VARVE_OK;
}

static varve_status parked_local(const struct call *call, const struct numbers *given, varve_buf *json,
                                 varve_error *error)
{
    varve_store *store = NULL;
    struct parked_page page = { .list = { .json = json }, .limit = given->limit == 0 ? PARKED_LIMIT : given->limit };
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    varve_buf_str(json, VARVE_STR("{\"parked\":["));
    if (status >= 0) {
        status = varve_subscription_parked(store, varve_str_of(call->arguments[0]), (uint32_t)given->member,
                                           call_text(call, OPTION_AFTER), page.limit + 1, write_parked, &page, error);
    }
    varve_buf_str(json, VARVE_STR("],\"next\":"));
    if (page.more) {
        varve_buf_json_string(json, varve_buf_view(&page.last));
    } else {
        varve_buf_str(json, VARVE_STR("null"));
    }
    varve_buf_str(json, VARVE_STR("}"));
    if (status >= 0 && page.last.failed) {
        status = no_memory(error);
    }
    varve_buf_fini(&page.last);
    varve_store_close(store);
    return status;
}

static varve_status parked_remote(const struct call *call, const struct numbers *given, varve_buf *json,
                                  varve_error *error)
{
    varve_buf query = { 0 };
    varve_buf_str(&query, VARVE_STR("/parked"));
    remote_number(&query, "member", given->member);
    remote_number(&query, "limit", given->limit);
    if (call_option(call, OPTION_AFTER) != NULL) {
        remote_parameter(&query, "after", call_text(call, OPTION_AFTER));
    }
    varve_status status = query.failed ? no_memory(error) : send(call, query.ptr, (varve_str){ 0 }, json, error);
    varve_buf_fini(&query);
    return status;
}

varve_status run_subscription_parked(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "position", "stream",    "member", "attempts",
                                           "reason",   "parked_at", "actor",  NULL };
    struct numbers given = { 0 };
    varve_buf json = { 0 };
    varve_buf next = { 0 };
    varve_status status = read_given(call, &given, error);
    if (status >= 0) {
        status =
            call->server != NULL ? parked_remote(call, &given, &json, error) : parked_local(call, &given, &json, error);
    }
    if (status >= 0) {
        status = json.failed ? no_memory(error)
                             : output_list(&call->output, varve_buf_view(&json), "parked", columns, error);
    }
    if (status >= 0 && !call->quiet && call->output.format != OUTPUT_JSON &&
        varve_json_string(varve_buf_view(&json), "next", &next, NULL) >= 0) {
        fprintf(stderr, "more: --after %s\n", next.ptr);
    }
    varve_buf_fini(&next);
    varve_buf_fini(&json);
    return status;
}

/* ---- creating and deleting ---- */

/* The values of a repeatable option; free them. NULL when memory is out. */
static varve_str *values_of(const struct call *call, enum option option, size_t *count)
{
    *count = call_option_count(call, option);
    varve_str *values = calloc(*count + 1, sizeof(*values));
    for (size_t i = 0; values != NULL && i < *count; i++) {
        values[i] = varve_str_of(call_option_at(call, option, i));
    }
    return values;
}

static varve_status create_local(const struct call *call, const struct numbers *given, varve_buf *json,
                                 varve_error *error)
{
    varve_store *store = NULL;
    varve_subscription wanted = {
        .name = varve_str_of(call->arguments[0]),
        .after_position = given->after,
        .members = (uint32_t)given->members,
        .max_attempts = (uint32_t)given->max_attempts,
    };
    varve_str *categories = values_of(call, OPTION_CATEGORY, &wanted.category_count);
    varve_str *types = values_of(call, OPTION_TYPE, &wanted.type_count);
    varve_str *tags = values_of(call, OPTION_TAG, &wanted.tag_count);
    wanted.categories = categories;
    wanted.types = types;
    wanted.tags = tags;
    varve_status status = categories == NULL || types == NULL || tags == NULL
                              ? no_memory(error)
                              : local_store_open(&store, call, LOCAL_WRITE, error);
    if (status >= 0) {
        status = varve_subscription_create(store, &wanted, error);
    }
    if (status >= 0) {
        status = show(store, wanted.name, json, error);
    }
    varve_store_close(store);
    free(tags);
    free(types);
    free(categories);
    return status;
}

static varve_status create_remote(const struct call *call, const struct numbers *given, varve_buf *json,
                                  varve_error *error)
{
    varve_buf body = { 0 };
    add_texts(&body, call, "categories", OPTION_CATEGORY);
    add_texts(&body, call, "types", OPTION_TYPE);
    add_texts(&body, call, "tags", OPTION_TAG);
    add_number(&body, "after", given->after);
    add_number(&body, "members", given->members);
    add_number(&body, "max_attempts", given->max_attempts);
    varve_status status = send_body(call, "", &body, json, error);
    varve_buf_fini(&body);
    return status;
}

varve_status run_subscription_create(struct call *call, varve_error *error)
{
    struct numbers given = { 0 };
    varve_buf json = { 0 };
    varve_status status = read_given(call, &given, error);
    if (status >= 0) {
        status = call_number(call, OPTION_AFTER, &given.after, error);
    }
    if (status >= 0) {
        status =
            call->server != NULL ? create_remote(call, &given, &json, error) : create_local(call, &given, &json, error);
    }
    return print(call, status, &json, error);
}

static void write_outcome(const struct call *call, const char *outcome, varve_buf *json)
{
    varve_buf_str(json, VARVE_STR("{\"name\":"));
    varve_buf_json_string(json, varve_str_of(call->arguments[0]));
    varve_buf_printf(json, ",\"outcome\":\"%s\"}", outcome);
}

varve_status run_subscription_delete(struct call *call, varve_error *error)
{
    varve_store *store = NULL;
    varve_buf json = { 0 };
    varve_status status = VARVE_OK;
    if (call->server != NULL) {
        return print(call, send(call, "/delete", VARVE_STR("{}"), &json, error), &json, error);
    }
    status = local_store_open(&store, call, LOCAL_CATCH_UP, error);
    if (status >= 0) {
        status = varve_subscription_delete(store, varve_str_of(call->arguments[0]), error);
    }
    write_outcome(call, "deleted", &json);
    varve_store_close(store);
    return print(call, status, &json, error);
}

/* ---- reading ---- */

static varve_status read_local(const struct call *call, const struct numbers *given, varve_buf *json,
                               varve_error *error)
{
    const varve_subscription_read_options options = {
        .name = varve_str_of(call->arguments[0]),
        .member = (uint32_t)given->member,
        .consumer = call_text(call, OPTION_CONSUMER),
        .limit = (uint32_t)given->limit,
        .wait_ms = (uint32_t)given->wait_ms,
        .lease_ms = (uint32_t)given->lease_ms,
    };
    varve_store *store = NULL;
    varve_subscription_batch batch = { 0 };
    varve_status status = local_store_open(&store, call, LOCAL_CATCH_UP, error);
    if (status >= 0) {
        status = varve_subscription_read(store, &options, &batch, error);
    }
    if (status >= 0) {
        varve_subscription_batch_write_json(&batch, json);
    }
    varve_subscription_batch_fini(&batch);
    varve_store_close(store);
    return status;
}

static varve_status read_remote(const struct call *call, const struct numbers *given, varve_buf *json,
                                varve_error *error)
{
    varve_buf body = { 0 };
    add_number(&body, "member", given->member);
    add_text(&body, call, "consumer", OPTION_CONSUMER);
    add_number(&body, "limit", given->limit);
    add_number(&body, "wait_ms", given->wait_ms);
    add_number(&body, "lease_ms", given->lease_ms);
    varve_status status = send_body(call, "/read", &body, json, error);
    varve_buf_fini(&body);
    return status;
}

varve_status run_subscription_read(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "position", "stream", "version", "type", "attempt", "data", NULL };
    struct numbers given = { 0 };
    varve_buf json = { 0 };
    varve_status status = read_given(call, &given, error);
    if (status >= 0 && call_option(call, OPTION_CONSUMER) == NULL) {
        status = varve_error_set(error, VARVE_INVALID, "say who reads: --consumer NAME");
    }
    if (status >= 0) {
        status =
            call->server != NULL ? read_remote(call, &given, &json, error) : read_local(call, &given, &json, error);
    }
    if (status >= 0) {
        status = json.failed ? no_memory(error)
                             : output_list(&call->output, varve_buf_view(&json), "events", columns, error);
    }
    varve_buf_fini(&json);
    return status;
}

/* ---- settling ---- */

/* What a verb does here, and what it is called there. */
struct settling {
    varve_status (*settle)(varve_store *store, const varve_subscription_action *action, varve_error *error);
    const char *verb, *outcome;
};

static varve_status settle_local(const struct call *call, const struct settling *settling, const struct numbers *given,
                                 varve_buf *json, varve_error *error)
{
    const varve_subscription_action action = {
        .name = varve_str_of(call->arguments[0]),
        .member = (uint32_t)given->member,
        .consumer = call_text(call, OPTION_CONSUMER),
        .positions = given->positions,
        .position_count = given->position_count,
        .through = given->through,
        .delay_ms = (uint32_t)given->delay_ms,
        .reason = call_text(call, OPTION_REASON),
        .actor = call_text(call, OPTION_ACTOR),
    };
    varve_store *store = NULL;
    varve_status status = local_store_open(&store, call, LOCAL_CATCH_UP, error);
    if (status >= 0) {
        status = settling->settle(store, &action, error);
    }
    write_outcome(call, status == VARVE_DONE ? "parked" : settling->outcome, json);
    varve_store_close(store);
    return status;
}

static varve_status settle_remote(const struct call *call, const struct settling *settling, const struct numbers *given,
                                  varve_buf *json, varve_error *error)
{
    varve_buf body = { 0 };
    bool list = settling->settle == varve_subscription_ack;
    add_number(&body, "member", given->member);
    add_text(&body, call, "consumer", OPTION_CONSUMER);
    add_number(&body, "through", given->through);
    for (size_t i = 0; i < given->position_count; i++) {
        if (i == 0) {
            begin_member(&body, list ? "positions" : "position");
        }
        varve_buf_printf(&body, "%s%" PRIu64, !list ? "" : i == 0 ? "[" : ",", given->positions[i]);
    }
    varve_buf_str(&body, list && given->position_count > 0 ? VARVE_STR("]") : VARVE_STR(""));
    add_number(&body, "delay_ms", given->delay_ms);
    add_text(&body, call, "reason", OPTION_REASON);
    add_text(&body, call, "actor", OPTION_ACTOR);
    varve_status status = send_body(call, settling->verb, &body, json, error);
    varve_buf_fini(&body);
    return status;
}

static varve_status settle(const struct call *call, const struct settling *settling, varve_error *error)
{
    struct numbers given = { 0 };
    varve_buf json = { 0 };
    varve_status status = read_given(call, &given, error);
    if (status >= 0) {
        status = call->server != NULL ? settle_remote(call, settling, &given, &json, error)
                                      : settle_local(call, settling, &given, &json, error);
    }
    return print(call, status, &json, error);
}

varve_status run_subscription_ack(struct call *call, varve_error *error)
{
    return settle(call, &(struct settling){ varve_subscription_ack, "/ack", "acknowledged" }, error);
}

varve_status run_subscription_retry(struct call *call, varve_error *error)
{
    if (call_option(call, OPTION_CONSUMER) != NULL) {
        return settle(call, &(struct settling){ varve_subscription_retry, "/retry", "held" }, error);
    }
    if (call_option(call, OPTION_DELAY_MS) != NULL || call_option(call, OPTION_REASON) != NULL) {
        return varve_error_set(error, VARVE_INVALID,
                               "--delay-ms and --reason are for a consumer's retry: give --consumer");
    }
    return settle(call, &(struct settling){ varve_subscription_unpark, "/retry", "unparked" }, error);
}

varve_status run_subscription_park(struct call *call, varve_error *error)
{
    return settle(call, &(struct settling){ varve_subscription_park, "/park", "parked" }, error);
}

varve_status run_subscription_skip(struct call *call, varve_error *error)
{
    return settle(call, &(struct settling){ varve_subscription_skip, "/skip", "skipped" }, error);
}
