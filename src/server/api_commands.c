/* SPDX-License-Identifier: Apache-2.0 */
/* One command, and looking at an aggregate. A batch of commands is batch.c. */
#include "server/api.h"
#include "server/page.h"
#include "server/problem.h"

/* On an engine thread. */
static void on_executed(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct request *request = ctx;
    unsigned http = problem_http_status(status);
    if (status == VARVE_OK || status == VARVE_REPEATED) {
        varve_outcome_write_json(outcome, &request->answer.body);
    } else {
        problem_write_command(status, outcome, error, false, &request->answer.body);
        request->answer.retry_after = http == 503 && status != VARVE_INDETERMINATE;
    }
    request_send(request, http);
}

void api_command(struct request *request)
{
    varve_error error = { 0 };
    varve_command_json *parsed = NULL;
    varve_str type = request->target.segments[1];
    varve_status status = varve_command_json_parse(&parsed, varve_buf_view(&request->body), type, &error);
    if (status >= 0) {
        varve_command *command = varve_command_json_command(parsed);
        if (admit_traceparent(request->headers.traceparent)) command->traceparent = request->headers.traceparent;
        status = varve_execute_async(request->backend->engine, command, on_executed, request, &error);
    }
    varve_command_json_free(parsed);
    /* Without a failure the request may be over by now. */
    if (status < 0) request_fail(request, status, &error);
}

void api_aggregate_show(struct request *request)
{
    varve_error error = { 0 };
    varve_aggregate_options options = { 0 };
    varve_aggregate aggregate = { 0 };
    const struct target *target = &request->target;
    varve_status status = target_number(target, "version", &options.version, &error);
    if (status >= 0) status = page_time(target, &options.at, &options.clock, &error);
    if (status >= 0 && options.version > 0 && options.at > 0) {
        status = varve_error_set(&error, VARVE_INVALID, "'version' and 'at' exclude each other");
    }
    if (status >= 0) {
        status = varve_aggregate_show(request->backend->engine, target->segments[1], &options, &aggregate, &error);
    }
    if (status >= 0) varve_aggregate_write_json(&aggregate, &request->answer.body);
    varve_aggregate_fini(&aggregate);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        request_send(request, 200);
    }
}
