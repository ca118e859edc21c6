/* SPDX-License-Identifier: Apache-2.0 */
/* One command. A batch of commands is batch.c. */
#include "base/traceparent.h"
#include "server/api.h"
#include "server/problem.h"

/* On an engine thread, or on the request's own when the command was not queued. */
static void on_executed(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct request *request = ctx;
    if (status == VARVE_OK || status == VARVE_REPEATED) {
        varve_outcome_write_json(outcome, &request->answer.body);
    } else {
        problem_write_command(status, outcome, error, false, &request->answer.body);
    }
    request_send(request, problem_http_status(status));
}

void api_command(struct request *request)
{
    varve_error error = { 0 };
    varve_outcome nothing = { 0 };
    varve_command_json *parsed = NULL;
    varve_str type = request->target.segments[1];
    varve_status status = varve_command_json_parse(&parsed, varve_buf_view(&request->body), type, &error);
    if (status >= 0) {
        varve_command *command = varve_command_json_command(parsed);
        if (traceparent_is_valid(request->headers.traceparent)) command->traceparent = request->headers.traceparent;
        nothing.id = command->id;
        status = varve_execute_async(request->backend->engine, command, on_executed, request, &error);
    }
    varve_command_json_free(parsed);
    /* Without a failure the request may be over by now. */
    if (status < 0) on_executed(request, status, &nothing, &error);
}
