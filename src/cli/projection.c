/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>

#include "base/json.h"
#include "cli/place.h"
#include "cli/progress.h"
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

/* The document of one projection, or {"projections":[…]} for an empty name. */
static varve_status look(struct place *place, varve_str name, varve_buf *json, varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_buf_reset(json);
    if (place->remote != NULL) {
        varve_buf path = { 0 };
        varve_buf_str(&path, VARVE_STR("/projections"));
        if (name.len > 0) {
            remote_segment(&path, name);
        }
        struct remote_request request = { .path = varve_buf_view(&path) };
        status = path.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for a request")
                             : remote_send(place->remote, &request, json, error);
        varve_buf_fini(&path);
        return status;
    }
    struct listing listing = { .json = json };
    varve_buf_str(json, name.len == 0 ? VARVE_STR("{\"projections\":[") : VARVE_STR(""));
    status = varve_projection_list(place->local.engine, name, add_projection, &listing, error);
    varve_buf_str(json, name.len == 0 ? VARVE_STR("]}") : VARVE_STR(""));
    return status >= 0 && json->failed ? varve_error_set(error, VARVE_NOMEM, "out of memory") : status;
}

varve_status run_projection_list(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "name", "version", "mode",  "state",   "position",
                                           "head", "lag",     "owner", "problem", NULL };
    struct place place = { 0 };
    varve_buf json = { 0 };
    varve_status status = place_open(&place, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = look(&place, (varve_str){ 0 }, &json, error);
    }
    if (status >= 0) {
        status = output_list(&call->output, varve_buf_view(&json), "projections", columns, error);
    }
    varve_buf_fini(&json);
    place_close(&place);
    return status;
}

static varve_status start_rebuild(struct place *place, varve_str name, varve_error *error)
{
    varve_status status = VARVE_OK;
    if (place->remote == NULL && place->local.read_only) {
        return varve_error_set(error, VARVE_LOCKED,
                               "another process serves this store and builds its read models: give its --server URL");
    }
    if (place->remote == NULL) {
        return varve_projection_rebuild(place->local.engine, name, error);
    }
    varve_buf path = { 0 };
    varve_buf answer = { 0 };
    varve_buf_str(&path, VARVE_STR("/projections"));
    remote_segment(&path, name);
    varve_buf_str(&path, VARVE_STR("/rebuild"));
    struct remote_request request = { .path = varve_buf_view(&path),
                                      .body = VARVE_STR("{}"),
                                      .content_type = "application/json" };
    status = path.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for a request")
                         : remote_send(place->remote, &request, &answer, error);
    varve_buf_fini(&answer);
    varve_buf_fini(&path);
    return status;
}

/* Looks again and again until nothing is being built any more. */
static varve_status wait_for_rebuild(const struct call *call, struct place *place, varve_str name, varve_buf *json,
                                     varve_error *error)
{
    struct progress progress;
    varve_status status = VARVE_OK;
    progress_init(&progress, call->arguments[0], call->quiet);
    while ((status = look(place, name, json, error)) >= 0) {
        varve_str document = varve_buf_view(json);
        varve_str rebuild = { 0 };
        int64_t done = 0;
        int64_t total = 0;
        if (json_find(document, VARVE_STR("rebuild"), &rebuild) != JSON_OBJECT) {
            break;
        }
        varve_json_int(rebuild, "done", &done, NULL);
        varve_json_int(rebuild, "total", &total, NULL);
        progress_update(&progress, (uint64_t)done, (uint64_t)total);
        poll(NULL, 0, LOOK_MS);
    }
    progress_fini(&progress);
    return status;
}

varve_status run_projection_rebuild(struct call *call, varve_error *error)
{
    varve_str name = varve_str_of(call->arguments[0]);
    struct place place = { 0 };
    varve_buf json = { 0 };
    varve_buf problem = { 0 };
    bool wait = call->server == NULL || call_option(call, OPTION_WAIT) != NULL;
    varve_status status = place_open(&place, call, LOCAL_CATCH_UP, error);
    if (status == VARVE_OK) {
        status = start_rebuild(&place, name, error);
    }
    if (status >= 0) {
        status = wait ? wait_for_rebuild(call, &place, name, &json, error) : look(&place, name, &json, error);
    }
    if (status >= 0) {
        status = output_document(&call->output, varve_buf_view(&json), error);
    }
    if (status >= 0 && wait && varve_json_string(varve_buf_view(&json), "problem", &problem, NULL) == VARVE_OK) {
        status = varve_error_set(error, VARVE_APPLICATION, "%s", problem.ptr);
    }
    varve_buf_fini(&problem);
    varve_buf_fini(&json);
    place_close(&place);
    return status;
}
