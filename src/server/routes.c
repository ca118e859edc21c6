/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes.h"

#include "server/api.h"
#include "server/problem.h"

#define APPEND_BODY_MAX  (12u << 20) /* VARVE_APPEND_BYTES_MAX as base64, names and braces around it */
#define COMMAND_BODY_MAX (8u << 20)
#define BATCH_BODY_MAX   (64u << 20)
#define ACTION_BODY_MAX  1024u
#define LIST_BODY_MAX    (64u << 10) /* names, or positions */

#define OF_ONE_STREAM (HEEDS_MATCH | HEEDS_KEY)

#define STREAM_PARAMS "from limit direction until_version at clock shapes"
#define LOG_PARAMS    "after incarnation limit types categories tags correlation_id shapes"
#define DIFF_PARAMS   "from from_at to to_at clock"

/* clang-format off */
static const struct route table[] = {
    { "POST", "/streams/{stream}", api_stream_append, RUN_QUEUES, MEDIA_JSON, APPEND_BODY_MAX, "", OF_ONE_STREAM },
    { "GET", "/streams/{stream}", api_stream_read, RUN_MAY_WAIT, 0, 0, STREAM_PARAMS, 0 },
    { "GET", "/streams", api_stream_list, RUN_MAY_WAIT, 0, 0, "after category limit", 0 },
    { "POST", "/append", api_append, RUN_QUEUES, MEDIA_JSON, APPEND_BODY_MAX, "", HEEDS_KEY },
    { "GET", "/log", api_log_read, RUN_MAY_WAIT, 0, 0, LOG_PARAMS, 0 },
    { "GET", "/events/{id}", api_event_show, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "POST", "/commands", api_command_batch, RUN_AT_ONCE, MEDIA_NDJSON, BATCH_BODY_MAX, "", 0 },
    { "POST", "/commands/{type}", api_command, RUN_QUEUES, MEDIA_JSON, COMMAND_BODY_MAX, "", 0 },
    { "GET", "/scheduled", api_scheduled_list, RUN_MAY_WAIT, 0, 0, "after limit", 0 },
    { "GET", "/scheduled/{id}", api_scheduled_show, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "POST", "/scheduled/{id}/cancel", api_scheduled_cancel, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "", 0 },
    { "GET", "/aggregates/{stream}", api_aggregate_show, RUN_MAY_WAIT, 0, 0, "version at clock", 0 },
    { "GET", "/aggregates/{stream}/history", api_aggregate_history, RUN_MAY_WAIT, 0, 0, "from limit", 0 },
    { "GET", "/aggregates/{stream}/diff", api_aggregate_diff, RUN_MAY_WAIT, 0, 0, DIFF_PARAMS, 0 },
    { "GET", "/queries/{name}", api_query, RUN_MAY_WAIT, 0, 0, NULL, 0 },
    { "GET", "/projections", api_projection_list, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "GET", "/projections/{name}", api_projection_show, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "POST", "/projections/{name}/rebuild", api_projection_rebuild, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "",
      0 },
    { "POST", "/projections/{name}/check", api_projection_check, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "", 0 },
    { "GET", "/projections/{name}/check", api_projection_checked, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "GET", "/projections/{name}/parked", api_projection_parked, RUN_MAY_WAIT, 0, 0, "after limit", 0 },
    { "POST", "/projections/{name}/retry", api_projection_retry, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "", 0 },
    { "POST", "/projections/{name}/skip", api_projection_skip, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "", 0 },
    { "GET", "/subscriptions", api_subscription_list, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "GET", "/subscriptions/{name}", api_subscription_show, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "POST", "/subscriptions/{name}", api_subscription_create, RUN_MAY_WAIT, MEDIA_JSON, LIST_BODY_MAX, "", 0 },
    { "GET", "/subscriptions/{name}/parked", api_subscription_parked, RUN_MAY_WAIT, 0, 0, "member after limit", 0 },
    { "POST", "/subscriptions/{name}/read", api_subscription_read, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "", 0 },
    { "POST", "/subscriptions/{name}/ack", api_subscription_ack, RUN_MAY_WAIT, MEDIA_JSON, LIST_BODY_MAX, "", 0 },
    { "POST", "/subscriptions/{name}/retry", api_subscription_retry, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "",
      0 },
    { "POST", "/subscriptions/{name}/park", api_subscription_park, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "", 0 },
    { "POST", "/subscriptions/{name}/skip", api_subscription_skip, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "", 0 },
    { "POST", "/subscriptions/{name}/delete", api_subscription_delete, RUN_MAY_WAIT, MEDIA_JSON, ACTION_BODY_MAX, "",
      0 },
    { "GET", "/health/live", api_health_live, RUN_AT_ONCE, 0, 0, "", 0 },
    { "GET", "/health/ready", api_health_ready, RUN_AT_ONCE, 0, 0, "", 0 },
    { "GET", "/metrics", api_metrics, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "GET", "/version", api_version, RUN_MAY_WAIT, 0, 0, "", 0 },
    { "GET", "/openapi.json", NULL, RUN_AT_ONCE, 0, 0, NULL, 0 },
    { "POST", "/projections/{name}/pause", NULL, RUN_AT_ONCE, 0, 0, NULL, 0 },
    { "POST", "/projections/{name}/resume", NULL, RUN_AT_ONCE, 0, 0, NULL, 0 },
};
/* clang-format on */

/* Whole families that are designed, but not built yet: any method, any path below. */
static const char *const planned[] = { "relays", "outbox", "sagas", "flows" };

#define ROUTE_COUNT (sizeof table / sizeof *table)

size_t routes_count(void)
{
    return ROUTE_COUNT;
}

size_t routes_index(const struct route *route)
{
    return route == NULL ? ROUTE_COUNT : (size_t)(route - table);
}

const char *routes_method(size_t index)
{
    return index < ROUTE_COUNT ? table[index].method : "";
}

const char *routes_path(size_t index)
{
    return index < ROUTE_COUNT ? table[index].path : "none";
}

static bool path_matches(const char *pattern, const struct target *target)
{
    for (size_t i = 0; i < target->segment_count; i++) {
        if (*pattern++ != '/') return false;
        size_t len = strcspn(pattern, "/");
        if (pattern[0] != '{' && !varve_str_eq(target->segments[i], (varve_str){ pattern, len })) return false;
        pattern += len;
    }
    return *pattern == '\0';
}

/* Ends the request's admission with a problem. */
static bool refuse(struct request *request, varve_status status, const char *detail)
{
    request->answer.status = problem_http_status(status);
    problem_write(status, detail, &request->answer.body);
    return false;
}

static bool refuse_http(struct request *request, enum problem problem, const char *detail)
{
    request->answer.status = problem_write_http(problem, detail, &request->answer.body);
    return false;
}

static bool find_route(struct request *request)
{
    const struct target *target = &request->target;
    const char *method = request_is_head(request) ? "GET" : request->method;
    const char *allow = NULL;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!path_matches(table[i].path, target)) continue;
        if (strcmp(table[i].method, method) == 0) {
            request->route = &table[i];
            return table[i].handle != NULL || refuse(request, VARVE_UNSUPPORTED, "this is designed, but not built yet");
        }
        const char *own = strcmp(table[i].method, "GET") == 0 ? "GET, HEAD" : table[i].method;
        allow = allow == NULL ? own : "GET, HEAD, POST";
    }
    for (size_t i = 0; i < sizeof planned / sizeof *planned && target->segment_count > 0; i++) {
        if (varve_str_is(target->segments[0], planned[i])) {
            return refuse(request, VARVE_UNSUPPORTED, "this is designed, but not built yet");
        }
    }
    if (allow == NULL) return refuse(request, VARVE_NOT_FOUND, "there is no such path");
    request->answer.allow = allow;
    return refuse_http(request, PROBLEM_METHOD, "the Allow header names the methods of this path");
}

static bool has_word(const char *words, varve_str word)
{
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        if (varve_str_eq(word, (varve_str){ words, len })) return true;
        words += len + strspn(words + len, " ");
    }
    return false;
}

static bool check_params(struct request *request)
{
    const struct target *target = &request->target;
    varve_error error = { 0 };
    for (size_t i = 0; request->route->params != NULL && i < target->param_count; i++) {
        varve_str name = target->params[i].name;
        if (has_word(request->route->params, name)) continue;
        varve_error_set(&error, VARVE_INVALID, "there is no parameter '%.*s' here", (int)name.len, name.ptr);
        return refuse(request, VARVE_INVALID, error.message);
    }
    return true;
}

static bool check_body(struct request *request)
{
    const struct request_headers *headers = &request->headers;
    const struct route *route = request->route;
    if (route->media == 0) {
        return !headers->has_body || refuse(request, VARVE_INVALID, "this takes no body");
    }
    enum media_type type = admit_media_type(headers->content_type);
    if (type == MEDIA_CLOUDEVENTS || headers->cloudevent) {
        return refuse(request, VARVE_UNSUPPORTED, "CloudEvents are designed, but not built yet");
    }
    if (headers->encoded) return refuse_http(request, PROBLEM_MEDIA_TYPE, "send it without a Content-Encoding");
    if ((type & route->media) == 0) {
        return refuse_http(request, PROBLEM_MEDIA_TYPE,
                           route->media == MEDIA_NDJSON ? "send it with Content-Type: application/x-ndjson"
                                                        : "send it with Content-Type: application/json");
    }
    if (headers->content_length > route->body_max) return refuse(request, VARVE_TOO_LARGE, "the body is too large");
    return true;
}

static bool check_headers(struct request *request)
{
    const struct request_headers *headers = &request->headers;
    bool post = strcmp(request->route->method, "POST") == 0;
    if (post && headers->idempotency_key.len > 0 && (request->route->heeds & HEEDS_KEY) == 0) {
        return refuse(request, VARVE_INVALID, "Idempotency-Key is for appends: a command's own id makes it repeatable");
    }
    if (post && (request->route->heeds & HEEDS_MATCH) == 0 &&
        (headers->if_match.len > 0 || headers->if_none_match.len > 0)) {
        return refuse(request, VARVE_INVALID, "If-Match and If-None-Match mean nothing here: the body has conditions");
    }
    return true;
}

bool routes_admit(struct request *request, varve_str uri, char *memory)
{
    varve_error error = { 0 };
    if (request->headers.framing_problem != NULL) {
        return refuse(request, VARVE_INVALID, request->headers.framing_problem);
    }
    if (!admit_host(request->headers.host)) {
        return refuse_http(request, PROBLEM_HOST, "without tokens only 127.0.0.1, localhost and [::1] are answered");
    }
    varve_status status = target_parse(&request->target, uri, memory, &error);
    if (status < 0) return refuse(request, status, error.message);
    return find_route(request) && check_params(request) && check_headers(request) && check_body(request);
}
