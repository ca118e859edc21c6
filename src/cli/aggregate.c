/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/local.h"
#include "cli/remote.h"
#include "cli/verbs.h"

static varve_status show_local(const struct call *call, varve_str stream, const varve_aggregate_options *options,
                               varve_buf *answer, varve_error *error)
{
    struct local local = { 0 };
    varve_aggregate aggregate = { 0 };
    varve_status status = local_open(&local, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = varve_aggregate_show(local.engine, stream, options, &aggregate, error);
    }
    if (status == VARVE_OK) {
        varve_aggregate_write_json(&aggregate, answer);
    }
    varve_aggregate_fini(&aggregate);
    local_close(&local);
    return status;
}

static varve_status show_remote(const struct call *call, varve_str stream, const varve_aggregate_options *options,
                                varve_buf *answer, varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf_str(&path, VARVE_STR("/aggregates"));
    remote_segment(&path, stream);
    remote_number(&path, "version", options->version);
    if (options->at != 0) {
        char text[VARVE_TIME_TEXT_BYTES];
        varve_time_format(options->at, text);
        remote_parameter(&path, "at", varve_str_of(text));
        remote_parameter(&path, "clock",
                         options->clock == VARVE_CLOCK_OCCURRED ? VARVE_STR("occurred") : VARVE_STR("recorded"));
    }
    varve_status status = path.failed
                              ? varve_error_set(error, VARVE_NOMEM, "out of memory for a request")
                              : remote_ask(call->server, varve_buf_view(&path), NULL, (varve_str){ 0 }, answer, error);
    varve_buf_fini(&path);
    return status;
}

varve_status run_aggregate_show(struct call *call, varve_error *error)
{
    varve_str stream = varve_str_of(call->arguments[0]);
    varve_aggregate_options options = { 0 };
    varve_buf answer = { 0 };
    varve_status status = call_number(call, OPTION_VERSION, &options.version, error);
    if (status == VARVE_OK) {
        status = call_time(call, OPTION_AT, &options.at, error);
    }
    if (status == VARVE_OK) {
        status = call_clock(call, &options.clock, error);
    }
    if (status == VARVE_OK && call_option(call, OPTION_VERSION) != NULL && options.at != 0) {
        status = varve_error_set(error, VARVE_INVALID, "--version and --at exclude each other");
    }
    if (status == VARVE_OK && call_option(call, OPTION_VERSION) != NULL && options.version == 0) {
        status = varve_error_set(error, VARVE_INVALID, "--version begins at 1");
    }
    if (status == VARVE_OK && call_option(call, OPTION_CLOCK) != NULL && options.at == 0) {
        status = varve_error_set(error, VARVE_INVALID, "--clock says which time --at means: give --at too");
    }
    if (status == VARVE_OK) {
        status = call->server == NULL ? show_local(call, stream, &options, &answer, error)
                                      : show_remote(call, stream, &options, &answer, error);
    }
    if (status == VARVE_OK && answer.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory for the answer");
    }
    if (status == VARVE_OK) {
        status = output_document(&call->output, varve_buf_view(&answer), error);
    }
    varve_buf_fini(&answer);
    return status;
}
