/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at an aggregate: its state now and then, what happened to it, what differs between two points. */
#include "server/api.h"
#include "server/page.h"

/* Sends what was written into the answer, or the failure. */
static void finish(struct request *request, varve_status status, const varve_error *error)
{
    if (status < 0) {
        request_fail(request, status, error);
    } else {
        request_send(request, 200);
    }
}

void api_aggregate_show(struct request *request)
{
    varve_error error = { 0 };
    varve_aggregate_options options = { 0 };
    varve_aggregate aggregate = { 0 };
    const struct target *target = &request->target;
    varve_status status = target_version(target, "version", &options.version, &error);
    if (status >= 0) status = page_time(target, &options.at, &options.clock, &error);
    if (status >= 0 && options.version > 0 && options.at > 0) {
        status = varve_error_set(&error, VARVE_INVALID, "'version' and 'at' exclude each other");
    }
    if (status >= 0) {
        status = varve_aggregate_show(request->backend->engine, target->segments[1], &options, &aggregate, &error);
    }
    if (status >= 0) varve_aggregate_write_json(&aggregate, &request->answer.body);
    varve_aggregate_fini(&aggregate);
    finish(request, status, &error);
}

void api_aggregate_history(struct request *request)
{
    varve_error error = { 0 };
    varve_history_options options = { 0 };
    varve_history history = { 0 };
    const struct target *target = &request->target;
    varve_status status = target_number(target, "from", &options.from_version, &error);
    if (status >= 0) status = page_limit(target, &options.limit, &error);
    if (status >= 0) {
        status = varve_aggregate_history(request->backend->engine, target->segments[1], &options, &history, &error);
    }
    if (status >= 0) varve_history_write_json(&history, &request->answer.body);
    varve_history_fini(&history);
    finish(request, status, &error);
}

/* One end of a difference: a version, or a time under another name. `*given` says whether there is one. */
static varve_status read_point(const struct target *target, const char *version, const char *at,
                               varve_aggregate_options *point, bool *given, varve_error *error)
{
    bool by_version = target_param(target, version) != NULL, by_time = target_param(target, at) != NULL;
    *given = by_version || by_time;
    if (by_version && by_time)
        return varve_error_set(error, VARVE_INVALID, "'%s' and '%s' exclude each other", version, at);
    varve_status status = target_number(target, version, &point->version, error);
    if (status >= 0) status = target_time(target, at, &point->at, error);
    if (status < 0 || !by_version || point->version > 0) return status;
    return varve_error_set(error, VARVE_INVALID,
                           "'%s' begins at 1; without 'from' it is the state before the first event", version);
}

void api_aggregate_diff(struct request *request)
{
    varve_error error = { 0 };
    varve_aggregate_options from = { 0 }, to = { 0 };
    varve_difference difference = { 0 };
    bool has_from = false, has_to = false;
    varve_clock clock = VARVE_CLOCK_RECORDED;
    const struct target *target = &request->target;
    varve_status status = read_point(target, "from", "from_at", &from, &has_from, &error);
    if (status >= 0) status = read_point(target, "to", "to_at", &to, &has_to, &error);
    if (status >= 0) status = page_clock(target, from.at != 0 || to.at != 0, &clock, &error);
    if (from.at != 0) from.clock = clock;
    if (to.at != 0) to.clock = clock;
    if (status >= 0) {
        status = varve_aggregate_diff(request->backend->engine, target->segments[1], has_from ? &from : NULL,
                                      has_to ? &to : NULL, &difference, &error);
    }
    if (status >= 0) varve_difference_write_json(&difference, &request->answer.body);
    varve_difference_fini(&difference);
    finish(request, status, &error);
}
