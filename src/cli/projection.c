/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <poll.h>

#include "base/json.h"
#include "cli/progress.h"
#include "cli/projections.h"
#include "cli/verbs.h"

enum { LOOK_MS = 100 };

struct listing {
    varve_buf *json;
    size_t count;
};

static void add_projection(void *ctx, const varve_projection_status *status)
{
    struct listing *listing = ctx;
    varve_buf_add(listing->json, ",", listing->count++ > 0 ? 1 : 0);
    varve_projection_write_json(status, listing->json);
}

varve_status projections_send(struct place *place, varve_str name, const char *rest, varve_str body, varve_buf *answer,
                              varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf_str(&path, VARVE_STR("/projections"));
    if (name.len > 0) {
        remote_segment(&path, name);
    }
    varve_buf_str(&path, varve_str_of(rest));
    struct remote_request request = { .path = varve_buf_view(&path), .body = body };
    if (body.len > 0) {
        request.content_type = "application/json";
    }
    varve_status status = path.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for a request")
                                      : remote_send(place->remote, &request, answer, error);
    varve_buf_fini(&path);
    return status;
}

varve_status projections_look(struct place *place, varve_str name, varve_buf *json, varve_error *error)
{
    varve_buf_reset(json);
    if (place->remote != NULL) {
        return projections_send(place, name, "", (varve_str){ 0 }, json, error);
    }
    struct listing listing = { .json = json };
    varve_buf_str(json, name.len == 0 ? VARVE_STR("{\"projections\":[") : VARVE_STR(""));
    varve_status status = varve_projection_list(place->local.engine, name, add_projection, &listing, error);
    varve_buf_str(json, name.len == 0 ? VARVE_STR("]}") : VARVE_STR(""));
    return status >= 0 && json->failed ? varve_error_set(error, VARVE_NOMEM, "out of memory") : status;
}

varve_status projections_may_change(const struct place *place, varve_error *error)
{
    return place->remote != NULL || !place->local.read_only
               ? VARVE_OK
               : varve_error_set(error, VARVE_LOCKED,
                                 "another process serves this store and builds its read models: give its --server URL");
}

/* What a walk over a document's projections does with each. */
typedef varve_status (*visit_document)(void *ctx, varve_str document, varve_error *error);

/* Visits the one that the document is of, or all in its list. */
static varve_status walk(varve_str document, visit_document visit, void *ctx, varve_error *error)
{
    struct json_scanner scanner;
    varve_str list = { 0 }, item = { 0 };
    varve_status status = VARVE_OK;
    if (json_find(document, VARVE_STR("projections"), &list) != JSON_ARRAY) {
        return visit(ctx, document, error);
    }
    json_start_around(&scanner, list);
    json_next(&scanner);
    for (enum json_token token = json_next(&scanner); status >= 0 && token == JSON_OBJECT;
         token = json_next(&scanner)) {
        status = json_skip(&scanner, token, &item) == JSON_ERROR
                     ? varve_error_set(error, VARVE_INVALID, "the answer is not a list of projections")
                     : visit(ctx, item, error);
    }
    return status;
}

static varve_status advise(void *ctx, varve_str document, varve_error *error)
{
    varve_buf name = { 0 };
    int64_t position = 0;
    (void)ctx;
    (void)error;
    if (varve_json_int(document, "failed_position", &position, NULL) >= 0 &&
        varve_json_string(document, "name", &name, NULL) >= 0) {
        fprintf(stderr,
                "%s stopped at position %" PRId64 ". When the cause is gone: varve projection retry %s; without that"
                " event: varve projection skip %s %" PRId64 "; from the beginning: varve projection rebuild %s\n",
                name.ptr, position, name.ptr, name.ptr, position, name.ptr);
    }
    varve_buf_fini(&name);
    return VARVE_OK;
}

void projections_advise(const struct call *call, varve_str document)
{
    if (!call->quiet) {
        walk(document, advise, NULL, NULL);
    }
}

varve_status run_projection_list(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "name", "version", "mode",  "state",   "position", "head",
                                           "lag",  "parked",  "owner", "problem", NULL };
    struct place place = { 0 };
    varve_buf json = { 0 };
    varve_status status = place_open(&place, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = projections_look(&place, (varve_str){ 0 }, &json, error);
    }
    if (status >= 0) {
        status = output_list(&call->output, varve_buf_view(&json), "projections", columns, error);
        projections_advise(call, varve_buf_view(&json));
    }
    varve_buf_fini(&json);
    place_close(&place);
    return status;
}

varve_status run_projection_status(struct call *call, varve_error *error)
{
    struct place place = { 0 };
    varve_buf json = { 0 };
    varve_status status = place_open(&place, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = projections_look(&place, varve_str_of(call->arguments[0]), &json, error);
    }
    if (status >= 0) {
        status = output_document(&call->output, varve_buf_view(&json), error);
        projections_advise(call, varve_buf_view(&json));
    }
    varve_buf_fini(&json);
    place_close(&place);
    return status;
}

/* ---- rebuilding ---- */

static varve_status start_one(struct place *place, varve_str name, varve_error *error)
{
    varve_buf answer = { 0 };
    varve_status status = projections_may_change(place, error);
    if (status >= 0) {
        status = place->remote == NULL ? varve_projection_rebuild(place->local.engine, name, error)
                                       : projections_send(place, name, "/rebuild", VARVE_STR("{}"), &answer, error);
    }
    varve_buf_fini(&answer);
    return status;
}

static varve_status start_of(void *ctx, varve_str document, varve_error *error)
{
    varve_buf name = { 0 };
    varve_status status = varve_json_string(document, "name", &name, error);
    if (status >= 0) {
        status = start_one(ctx, varve_buf_view(&name), error);
    }
    varve_buf_fini(&name);
    return status < 0 ? status : VARVE_OK;
}

/* How far all rebuilds are together. */
struct rebuilds {
    uint64_t done, total;
    bool running;
};

static varve_status add_rebuild(void *ctx, varve_str document, varve_error *error)
{
    struct rebuilds *rebuilds = ctx;
    varve_str rebuild = { 0 };
    int64_t done = 0, total = 0;
    (void)error;
    if (json_find(document, VARVE_STR("rebuild"), &rebuild) == JSON_OBJECT) {
        rebuilds->running = true;
        varve_json_int(rebuild, "done", &done, NULL);
        varve_json_int(rebuild, "total", &total, NULL);
    } else {
        varve_json_int(document, "head", &total, NULL);
        done = total;
    }
    rebuilds->done += (uint64_t)done;
    rebuilds->total += (uint64_t)total;
    return VARVE_OK;
}

/* Looks again and again until nothing is being built any more. */
static varve_status wait_for_rebuilds(const struct call *call, struct place *place, varve_str name, varve_buf *json,
                                      varve_error *error)
{
    struct progress progress;
    struct rebuilds rebuilds = { .running = true };
    varve_status status = VARVE_OK;
    progress_init(&progress, name.len == 0 ? "all" : call->arguments[0], call->quiet);
    while (status >= 0 && rebuilds.running) {
        rebuilds = (struct rebuilds){ 0 };
        status = projections_look(place, name, json, error);
        if (status >= 0) {
            status = walk(varve_buf_view(json), add_rebuild, &rebuilds, error);
        }
        if (status >= 0 && rebuilds.running) {
            progress_update(&progress, rebuilds.done, rebuilds.total);
            poll(NULL, 0, LOOK_MS);
        }
    }
    progress_fini(&progress);
    return status;
}

/* The first problem that one of them has is the failure. */
static varve_status find_problem(void *ctx, varve_str document, varve_error *error)
{
    varve_buf problem = { 0 }, name = { 0 };
    varve_status status = VARVE_OK;
    (void)ctx;
    if (varve_json_string(document, "problem", &problem, NULL) >= 0) {
        varve_json_string(document, "name", &name, NULL);
        status = varve_error_set(error, VARVE_APPLICATION, "%s: %s", name.ptr == NULL ? "" : name.ptr,
                                 problem.ptr == NULL ? "" : problem.ptr);
    }
    varve_buf_fini(&name);
    varve_buf_fini(&problem);
    return status;
}

static varve_status start(struct place *place, varve_str name, varve_buf *json, varve_error *error)
{
    if (name.len > 0) {
        return start_one(place, name, error);
    }
    varve_status status = projections_look(place, name, json, error);
    return status < 0 ? status : walk(varve_buf_view(json), start_of, place, error);
}

varve_status run_projection_rebuild(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "name", "version", "state", "position", "head", "rebuild", "problem", NULL };
    varve_str name = call->argument_count > 0 ? varve_str_of(call->arguments[0]) : (varve_str){ 0 };
    struct place place = { 0 };
    varve_buf json = { 0 };
    bool wait = call->server == NULL || call_option(call, OPTION_WAIT) != NULL;
    if ((name.len == 0) != (call_option(call, OPTION_ALL) != NULL)) {
        return varve_error_set(error, VARVE_INVALID, "give the NAME of a projection, or --all");
    }
    varve_status status = place_open(&place, call, LOCAL_CATCH_UP, error);
    if (status == VARVE_OK) {
        status = start(&place, name, &json, error);
    }
    if (status >= 0) {
        status =
            wait ? wait_for_rebuilds(call, &place, name, &json, error) : projections_look(&place, name, &json, error);
    }
    if (status >= 0) {
        status = name.len == 0 ? output_list(&call->output, varve_buf_view(&json), "projections", columns, error)
                               : output_document(&call->output, varve_buf_view(&json), error);
    }
    if (status >= 0 && wait) {
        status = walk(varve_buf_view(&json), find_problem, NULL, error);
    }
    varve_buf_fini(&json);
    place_close(&place);
    return status;
}
