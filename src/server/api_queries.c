/* SPDX-License-Identifier: Apache-2.0 */
/* Named queries and projections. */
#include "server/api.h"

/* The parameters that are not the query's own. */
static bool is_reserved(varve_str name)
{
    return varve_str_is(name, "limit") || varve_str_is(name, "cursor") || varve_str_is(name, "after_position") ||
           varve_str_is(name, "explain");
}

static varve_status read_explain(const struct target *target, bool *explain, varve_error *error)
{
    const varve_query_param *given = target_param(target, "explain");
    *explain = given != NULL && varve_str_is(given->value, "true");
    if (given != NULL && !*explain && !varve_str_is(given->value, "false"))
        return varve_error_set(error, VARVE_INVALID, "'explain' is true or false");
    return VARVE_OK;
}

static varve_status read_request(const struct target *target, varve_query_param params[TARGET_PARAMS_MAX],
                                 varve_query_request *query, varve_error *error)
{
    const varve_query_param *cursor = target_param(target, "cursor");
    uint64_t limit = 20;
    *query = (varve_query_request){ .name = target->segments[1], .params = params };
    if (cursor != NULL) query->cursor = cursor->value;
    varve_status status = target_number(target, "limit", &limit, error);
    if (status >= 0) status = target_number(target, "after_position", &query->after_position, error);
    if (status < 0) return status;
    if (limit < 1 || limit > 1000) return varve_error_set(error, VARVE_INVALID, "'limit' is a number from 1 to 1000");
    query->limit = (uint32_t)limit;
    for (size_t i = 0; i < target->param_count; i++) {
        if (!is_reserved(target->params[i].name)) params[query->param_count++] = target->params[i];
    }
    return VARVE_OK;
}

/* On a worker, when there is nothing left to wait for. */
static void ask(struct job *job)
{
    struct request *request = request_of_job(job);
    varve_query_param params[TARGET_PARAMS_MAX];
    varve_query_request query;
    varve_answer answer = { 0 };
    varve_error error = { 0 };
    varve_status status = read_request(&request->target, params, &query, &error);
    bool explain = false;
    if (status >= 0) status = read_explain(&request->target, &explain, &error);
    if (status >= 0 && explain) {
        status = varve_query_explain(request->backend->engine, &query, &request->answer.body, &error);
    } else if (status >= 0) {
        status = varve_query(request->backend->engine, &query, &answer, &error);
        if (status >= 0) varve_answer_write_json(&answer, &request->answer.body);
    }
    varve_answer_fini(&answer);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        request_send(request, 200);
    }
}

/* On a worker, since it may block: which model is behind. Where it has got there meanwhile, the question is asked. */
static void tell_late(struct job *job)
{
    struct request *request = request_of_job(job);
    varve_query_param params[TARGET_PARAMS_MAX];
    varve_query_request query;
    varve_error error = { 0 };
    varve_status status = read_request(&request->target, params, &query, &error);
    if (status >= 0) status = varve_query_reached(request->backend->engine, query.name, query.after_position, &error);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        ask(job);
    }
}

/* On an engine thread: the models have reached the position, or have not in time. */
static void on_ready(void *ctx, varve_status status)
{
    struct request *request = ctx;
    varve_error error = { 0 };
    if (status < 0 && status != VARVE_TIMEOUT) {
        varve_error_set(&error, status, "the engine is stopping");
        request_fail(request, status, &error);
        return;
    }
    if (status == VARVE_TIMEOUT) request->job.run = tell_late;
    workers_submit(request->backend->workers, &request->job);
}

void api_query(struct request *request)
{
    varve_query_param params[TARGET_PARAMS_MAX];
    varve_query_request query;
    varve_error error = { 0 };
    varve_status status = read_request(&request->target, params, &query, &error);
    request->job.run = ask;
    if (status >= 0) {
        status = VARVE_DONE;
        if (query.after_position > 0) {
            status = varve_query_wait(request->backend->engine, query.name, query.after_position, 0, on_ready, request,
                                      &error);
        }
    }
    if (status == VARVE_DONE) ask(&request->job);
    if (status < 0) request_fail(request, status, &error);
}

/* ---- projections ---- */

struct projection_list {
    varve_buf *out;
    size_t count;
};

static void write_projection(void *ctx, const varve_projection_status *status)
{
    struct projection_list *list = ctx;
    if (list->count++ > 0) varve_buf_str(list->out, VARVE_STR(","));
    varve_projection_write_json(status, list->out);
}

void api_projection_list(struct request *request)
{
    varve_error error = { 0 };
    struct projection_list list = { &request->answer.body, 0 };
    varve_buf_str(list.out, VARVE_STR("{\"projections\":["));
    varve_status status =
        varve_projection_list(request->backend->engine, (varve_str){ NULL, 0 }, write_projection, &list, &error);
    varve_buf_str(list.out, VARVE_STR("]}"));
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        request_send(request, 200);
    }
}

/* Sends the projection that the path names, with an HTTP status. */
static void show(struct request *request, unsigned http)
{
    varve_error error = { 0 };
    struct projection_list list = { &request->answer.body, 0 };
    varve_str name = request->target.segments[1];
    varve_status status = varve_projection_list(request->backend->engine, name, write_projection, &list, &error);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        request_send(request, http);
    }
}

void api_projection_show(struct request *request)
{
    show(request, 200);
}

/* True for an empty body, {} and white space around it. */
static bool is_empty_object(varve_str body)
{
    char braces[2] = { 0 };
    size_t count = 0;
    for (size_t i = 0; i < body.len; i++) {
        if (memchr(" \t\r\n", body.ptr[i], 4) != NULL) continue;
        if (count == 2) return false;
        braces[count++] = body.ptr[i];
    }
    return count == 0 || (count == 2 && memcmp(braces, "{}", 2) == 0);
}

void api_projection_rebuild(struct request *request)
{
    varve_error error = { 0 };
    varve_status status = VARVE_OK;
    if (!is_empty_object(varve_buf_view(&request->body))) {
        status = varve_error_set(&error, VARVE_INVALID, "a rebuild takes no fields: send {} or nothing");
    }
    if (status >= 0) {
        status = varve_projection_rebuild(request->backend->engine, request->target.segments[1], &error);
    }
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        show(request, 202);
    }
}
