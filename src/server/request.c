/* SPDX-License-Identifier: Apache-2.0 */
#include "server/request.h"

#include "server/problem.h"

struct request *request_of_job(struct job *job)
{
    return (struct request *)((char *)job - offsetof(struct request, job));
}

bool request_is_head(const struct request *request)
{
    return strcmp(request->method, "HEAD") == 0;
}

void request_fail(struct request *request, varve_status status, const varve_error *error)
{
    varve_buf_reset(&request->answer.body);
    problem_write(status, error->message, &request->answer.body);
    request_send(request, problem_http_status(status));
}
