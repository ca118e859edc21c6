/* SPDX-License-Identifier: Apache-2.0 */
/* One command. A batch of commands is batch.c, scheduled ones are looked at in api_scheduled.c. */
#include <varve/scheduled.h>

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

static void free_parsed(void *own)
{
    varve_command_json_free(own);
}

/* On a worker, because it waits for a flush. */
static void schedule(struct job *job)
{
    struct request *request = request_of_job(job);
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    varve_command *command = varve_command_json_command(request->own);
    if (varve_uuid_is_nil(command->id)) command->id = varve_uuid_new(); /* to be told when the outcome is unknown */
    varve_outcome nothing = { .id = command->id };
    varve_status status = varve_schedule(request->backend->engine, command, &scheduled, &error);
    bool to_come = scheduled.state == VARVE_SCHEDULED_WAITING || scheduled.state == VARVE_SCHEDULED_RUNNING;
    if (status >= 0) varve_scheduled_write_json(&scheduled, &request->answer.body);
    varve_scheduled_fini(&scheduled);
    if (status < 0) {
        on_executed(request, status, &nothing, &error);
    } else {
        request_send(request, to_come ? 202 : 200);
    }
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
        if (command->not_before != 0) {
            request->own = parsed;
            request->own_free = free_parsed;
            request->job.run = schedule;
            workers_submit(request->backend->workers, &request->job);
            return;
        }
        status = varve_execute_async(request->backend->engine, command, on_executed, request, &error);
    }
    varve_command_json_free(parsed);
    /* Without a failure the request may be over by now. */
    if (status < 0) on_executed(request, status, &nothing, &error);
}
