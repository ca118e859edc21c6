/* SPDX-License-Identifier: Apache-2.0 */
/* For those who operate the server. */
#include <varve.h>

#include "server/api.h"
#include "server/metrics.h"

void api_health_live(struct request *request)
{
    varve_buf_str(&request->answer.body, VARVE_STR("{\"status\":\"live\"}"));
    request_send(request, 200);
}

void api_health_ready(struct request *request)
{
    varve_error error = { 0 };
    uint64_t head = 0;
    varve_engine_stats stats = { 0 };
    varve_status status = varve_store_head(request->backend->store, &head, &error);
    varve_engine_get_stats(request->backend->engine, &stats);
    if (status >= 0 && !stats.writable) {
        status = varve_error_set(&error, VARVE_UNAVAILABLE, "the store takes no writes");
    }
    if (status < 0) {
        request_fail(request, VARVE_UNAVAILABLE, &error);
        return;
    }
    varve_buf_printf(&request->answer.body, "{\"status\":\"ready\",\"last_position\":%llu}", (unsigned long long)head);
    request_send(request, 200);
}

void api_metrics(struct request *request)
{
    metrics_write_engine(request->backend->engine, &request->answer.body);
    metrics_write_requests(request->backend->metrics, &request->answer.body);
    request->answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
    request_send(request, 200);
}

void api_version(struct request *request)
{
    varve_error error = { 0 };
    varve_store_info info = { 0 };
    varve_status status = varve_store_get_info(request->backend->store, &info, &error);
    if (status < 0) {
        request_fail(request, status, &error);
        return;
    }
    varve_buf_printf(&request->answer.body,
                     "{\"name\":\"varve\",\"version\":\"%s\",\"store\":{\"driver\":\"%s\",\"driver_version\":\"%s\","
                     "\"format_version\":%u,\"incarnation\":\"%s\"}}",
                     VARVE_VERSION, info.driver, info.driver_version, info.format_version, info.incarnation);
    request_send(request, 200);
}
