/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli/local.h"
#include "cli/progress.h"
#include "cli/remote.h"
#include "cli/verbs.h"

/* How often to look whether read models get on, and how many looks without any movement are enough. */
enum { LOOK_MS = 500, LOOKS_MAX = 20, LIMIT_DEFAULT = 20 };

/* How far the projections are, all together. */
struct movement {
    uint64_t done;
    uint64_t total;
};

static void add_projection(void *ctx, const varve_projection_status *status)
{
    struct movement *movement = ctx;
    movement->done += status->rebuilding ? status->rebuild_done : status->position;
    movement->total += status->head;
}

/* Asks once, or says how it would be answered. */
static varve_status ask_once(const struct call *call, varve_engine *engine, const varve_query_request *request,
                             varve_buf *json, varve_error *error)
{
    varve_answer answer = { 0 };
    if (call_option(call, OPTION_EXPLAIN) != NULL) {
        return varve_query_explain(engine, request, json, error);
    }
    varve_status status = varve_query(engine, request, &answer, error);
    if (status == VARVE_OK) {
        varve_answer_write_json(&answer, json);
    }
    varve_answer_fini(&answer);
    return status;
}

/*
 * Asks until the read models have reached the position: as long as they are getting on, however far
 * they have to go. A query that is slow where they have reached it is not asked again.
 */
static varve_status ask_patiently(const struct call *call, varve_engine *engine, varve_query_request *request,
                                  varve_buf *json, varve_error *error)
{
    struct progress progress;
    uint64_t before = 0;
    varve_status status = VARVE_TIMEOUT;
    request->wait_ms = LOOK_MS;
    progress_init(&progress, "catching up", call->quiet);
    for (int looks = 0; status == VARVE_TIMEOUT && looks < LOOKS_MAX; looks++) {
        struct movement movement = { 0 };
        bool there = varve_query_reached(engine, request->name, request->after_position, NULL) == VARVE_OK;
        status = ask_once(call, engine, request, json, error);
        if (status != VARVE_TIMEOUT || there ||
            varve_projection_list(engine, (varve_str){ 0 }, add_projection, &movement, NULL) < 0) {
            break;
        }
        looks = movement.done > before ? 0 : looks;
        before = movement.done;
        progress_update(&progress, movement.done, movement.total);
    }
    progress_fini(&progress);
    return status;
}

static varve_status ask_local(const struct call *call, varve_query_request *request, varve_buf *json,
                              varve_error *error)
{
    struct local local = { 0 };
    varve_status status = local_open(&local, call, LOCAL_CATCH_UP, error);
    if (status == VARVE_OK && !local.read_only && call_option(call, OPTION_AFTER_POSITION) == NULL) {
        status = varve_store_head(varve_engine_store(local.engine), &request->after_position, error);
    }
    if (status == VARVE_OK) {
        status = local.read_only ? ask_once(call, local.engine, request, json, error)
                                 : ask_patiently(call, local.engine, request, json, error);
    }
    local_close(&local);
    return status;
}

static varve_status ask_remote(const struct call *call, const varve_query_request *request, varve_buf *json,
                               varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf_str(&path, VARVE_STR("/queries"));
    remote_segment(&path, request->name);
    for (size_t i = 0; i < request->param_count; i++) {
        varve_buf name = { 0 };
        varve_buf_str(&name, request->params[i].name);
        path.failed |= name.failed;
        remote_parameter(&path, name.ptr == NULL ? "" : name.ptr, request->params[i].value);
        varve_buf_fini(&name);
    }
    remote_number(&path, "limit", request->limit);
    remote_number(&path, "after_position", request->after_position);
    if (request->cursor.len > 0) {
        remote_parameter(&path, "cursor", request->cursor);
    }
    if (call_option(call, OPTION_EXPLAIN) != NULL) {
        remote_parameter(&path, "explain", VARVE_STR("true"));
    }
    varve_status status = path.failed
                              ? varve_error_set(error, VARVE_NOMEM, "out of memory for a request")
                              : remote_ask(call->server, varve_buf_view(&path), NULL, (varve_str){ 0 }, json, error);
    varve_buf_fini(&path);
    return status;
}

/* Prints the rows; where the document is not printed whole, what else it says goes to standard error. */
static varve_status print_answer(const struct call *call, varve_str json, varve_error *error)
{
    if (call_option(call, OPTION_EXPLAIN) != NULL) {
        return output_document(&call->output, json, error);
    }
    varve_status status = output_list(&call->output, json, "rows", NULL, error);
    if (status != VARVE_OK || call->quiet || call->output.format == OUTPUT_JSON) {
        return status;
    }
    int64_t position = 0;
    varve_buf next = { 0 };
    if (call->output.format == OUTPUT_TABLE && varve_json_int(json, "position", &position, NULL) == VARVE_OK) {
        fflush(call->output.file);
        fprintf(stderr, "at position %" PRId64 "\n", position);
    }
    if (varve_json_string(json, "next", &next, NULL) == VARVE_OK) {
        fflush(call->output.file);
        fprintf(stderr, "more: --cursor %s\n", next.ptr);
    }
    varve_buf_fini(&next);
    return status;
}

/* Cuts each "key=value" in two. */
static varve_status read_params(const struct call *call, varve_query_param *params, varve_error *error)
{
    for (size_t i = 1; i < call->argument_count; i++) {
        const char *text = call->arguments[i];
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals == text) {
            return varve_error_set(error, VARVE_INVALID, "'%s' is no parameter: write key=value", text);
        }
        params[i - 1] =
            (varve_query_param){ .name = { text, (size_t)(equals - text) }, .value = varve_str_of(equals + 1) };
    }
    return VARVE_OK;
}

varve_status run_query(struct call *call, varve_error *error)
{
    uint64_t limit = LIMIT_DEFAULT;
    varve_buf json = { 0 };
    varve_query_param *params = calloc(call->argument_count, sizeof(*params));
    varve_query_request request = {
        .name = varve_str_of(call->arguments[0]),
        .params = params,
        .param_count = call->argument_count - 1,
        .cursor = call_text(call, OPTION_CURSOR),
    };
    varve_status status =
        params == NULL ? varve_error_set(error, VARVE_NOMEM, "out of memory") : read_params(call, params, error);
    if (status == VARVE_OK) {
        status = call_number(call, OPTION_LIMIT, &limit, error);
    }
    if (status == VARVE_OK && (limit < 1 || limit > 1000)) {
        status = varve_error_set(error, VARVE_INVALID, "--limit takes a number from 1 to 1000");
    }
    if (status == VARVE_OK) {
        status = call_number(call, OPTION_AFTER_POSITION, &request.after_position, error);
    }
    request.limit = (uint32_t)limit;
    if (status == VARVE_OK) {
        status =
            call->server == NULL ? ask_local(call, &request, &json, error) : ask_remote(call, &request, &json, error);
    }
    if (status == VARVE_OK && json.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory for the answer");
    }
    if (status == VARVE_OK) {
        status = print_answer(call, varve_buf_view(&json), error);
    }
    varve_buf_fini(&json);
    free(params);
    return status;
}
