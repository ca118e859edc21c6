/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <varve/scheduled.h>

#include "base/json.h"
#include "base/traceparent.h"
#include "cli/answers.h"
#include "cli/batch.h"
#include "cli/input.h"
#include "cli/local.h"
#include "cli/remote.h"
#include "cli/verbs.h"

static varve_status send_local(const struct call *call, const varve_command *command, varve_buf *answer,
                               varve_error *error)
{
    struct local local = { 0 };
    varve_outcome outcome = { 0 };
    varve_status status = local_open(&local, call, LOCAL_WRITE, error);
    if (status == VARVE_OK) {
        status = varve_execute(local.engine, command, &outcome, error);
    }
    if (status >= 0) {
        varve_outcome_write_json(&outcome, answer);
    }
    varve_outcome_fini(&outcome);
    local_close(&local);
    return status;
}

/* Keeps the command in the store; with an application, when that knows it. */
static varve_status schedule_local(const struct call *call, const varve_command *command, varve_buf *answer,
                                   varve_error *error)
{
    struct local local = { 0 };
    varve_store *store = NULL;
    varve_scheduled scheduled = { 0 };
    varve_status status = VARVE_OK;
    if (call->app != NULL) {
        status = local_open(&local, call, LOCAL_WRITE, error);
        if (status >= 0) {
            status = varve_schedule(local.engine, command, &scheduled, error);
        }
    } else {
        status = local_store_open(&store, call, LOCAL_WRITE, error);
        if (status >= 0) {
            status = varve_store_schedule(store, command, &scheduled, error);
        }
    }
    if (status >= 0) {
        varve_scheduled_write_json(&scheduled, answer);
    }
    varve_scheduled_fini(&scheduled);
    varve_store_close(store);
    local_close(&local);
    return status;
}

static varve_status refuse_actor(varve_error *error)
{
    return varve_error_set(error, VARVE_UNSUPPORTED,
                           "--actor through a server is not built yet: it will know who asks by their token");
}

static void add_text(varve_buf *body, const char *name, varve_str value)
{
    if (value.len > 0) {
        varve_buf_printf(body, ",\"%s\":", name);
        varve_buf_json_string(body, value);
    }
}

static varve_status ask(const char *server, const struct remote_request *request, varve_buf *answer, varve_error *error)
{
    struct remote *remote = NULL;
    varve_status status = remote_open(&remote, server, error);
    if (status == VARVE_OK) {
        status = remote_send(remote, request, answer, error);
    }
    remote_close(remote);
    return status;
}

static varve_status send_remote(const struct call *call, const varve_command *command, const char *expected,
                                varve_buf *answer, varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf body = { 0 };
    char id[VARVE_UUID_TEXT_BYTES];
    varve_status status = VARVE_OK;
    if (command->actor.len > 0) {
        return refuse_actor(error);
    }
    /* A server leaves a header that is no trace context alone. Who types one should learn of it. */
    if (command->traceparent.len > 0 && !traceparent_is_valid(command->traceparent)) {
        return varve_error_set(error, VARVE_INVALID, "--traceparent: not 00-TRACE-PARENT-FLAGS");
    }
    varve_uuid_format(command->id, id);
    varve_buf_str(&path, VARVE_STR("/commands"));
    remote_segment(&path, command->type);
    varve_buf_str(&body, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(&body, command->stream);
    varve_buf_printf(&body, ",\"id\":\"%s\"", id);
    if (command->data.len > 0) {
        varve_buf_str(&body, VARVE_STR(",\"data\":"));
        varve_buf_str(&body, command->data);
    }
    if (expected != NULL) {
        bool number = command->expected == VARVE_STREAM_AT;
        varve_buf_printf(&body, ",\"expected_version\":%s", number ? "" : "\"");
        if (number) {
            varve_buf_printf(&body, "%llu", (unsigned long long)command->expected_version);
        } else {
            varve_buf_printf(&body, "%s\"", expected);
        }
    }
    if (command->not_before != 0) {
        char not_before[VARVE_TIME_TEXT_BYTES];
        varve_time_format(command->not_before, not_before);
        add_text(&body, "not_before", varve_str_of(not_before));
    }
    add_text(&body, "correlation_id", command->correlation_id);
    add_text(&body, "causation_id", command->causation_id);
    varve_buf_str(&body, VARVE_STR("}"));
    struct remote_request request = {
        .path = varve_buf_view(&path),
        .body = varve_buf_view(&body),
        .content_type = "application/json",
        .traceparent = call_option(call, OPTION_TRACEPARENT),
    };
    status = path.failed || body.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for a request")
                                        : ask(call->server, &request, answer, error);
    varve_buf_fini(&body);
    varve_buf_fini(&path);
    return status;
}

static varve_status print_answer(const struct call *call, varve_status outcome, varve_str answer, varve_error *error)
{
    varve_buf rejection = { 0 };
    varve_status status = VARVE_OK;
    if (outcome != VARVE_REJECTED) {
        return output_document(&call->output, answer, error);
    }
    answers_write_rejection(answer, &rejection);
    status = rejection.failed ? varve_error_set(error, VARVE_NOMEM, "rejected, but out of memory for the answer")
                              : output_document(&call->output, varve_buf_view(&rejection), error);
    varve_buf_fini(&rejection);
    return status < 0 ? status : VARVE_REJECTED;
}

/* A time, or so long from now. */
static varve_status read_not_before(const struct call *call, varve_time *time, varve_error *error)
{
    static const struct {
        char unit;
        varve_time seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    const char *text = call_option(call, OPTION_NOT_BEFORE);
    if (text == NULL || text[0] != '+') {
        return call_time(call, OPTION_NOT_BEFORE, time, error);
    }
    char *end = NULL;
    long long number = strtoll(text + 1, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        bool fits = text[1] >= '0' && text[1] <= '9' && number <= 1000000000;
        if (fits && end[0] == units[i].unit && end[1] == '\0') {
            *time = varve_time_now() + number * units[i].seconds * 1000000;
            return VARVE_OK;
        }
    }
    return varve_error_set(error, VARVE_INVALID,
                           "--not-before takes a time like 2026-01-02T03:04:05Z, or +90s, +15m, +8h, +30d, not '%s'",
                           text);
}

/* Makes the command that arguments and options describe; `data` holds its payload. */
static varve_status make_command(const struct call *call, varve_buf *data, varve_command *command, varve_error *error)
{
    const char *expected = call_option(call, OPTION_EXPECTED_VERSION);
    const char *id = call_option(call, OPTION_ID);
    varve_status status = input_json(call, OPTION_DATA, data, error);
    command->type = varve_str_of(call->arguments[0]);
    command->stream = varve_str_of(call->arguments[1]);
    command->data = varve_buf_view(data);
    command->actor = call_text(call, OPTION_ACTOR);
    command->correlation_id = call_text(call, OPTION_CORRELATION_ID);
    command->causation_id = call_text(call, OPTION_CAUSATION_ID);
    command->traceparent = call_text(call, OPTION_TRACEPARENT);
    if (status == VARVE_OK && expected != NULL) {
        status =
            varve_expected_version_parse(varve_str_of(expected), &command->expected, &command->expected_version, error);
    }
    if (status == VARVE_OK) {
        status = read_not_before(call, &command->not_before, error);
    }
    if (status == VARVE_OK && id != NULL) {
        status = varve_uuid_parse(&command->id, varve_str_of(id), error);
    } else if (status == VARVE_OK) {
        command->id = varve_uuid_new();
    }
    return status;
}

/* With the very time that "+15m" was: of another one it would be another command. */
static void hint_repeat(const varve_command *command)
{
    char id[VARVE_UUID_TEXT_BYTES], not_before[VARVE_TIME_TEXT_BYTES];
    varve_uuid_format(command->id, id);
    varve_time_format(command->not_before, not_before);
    fprintf(stderr, "to learn what became of it, repeat the same command with --id %s%s%s\n", id,
            command->not_before != 0 ? " --not-before " : "", command->not_before != 0 ? not_before : "");
}

static varve_status send_one(const struct call *call, varve_error *error)
{
    varve_command command = { 0 };
    varve_buf data = { 0 };
    varve_buf answer = { 0 };
    varve_status status = make_command(call, &data, &command, error);
    if (status == VARVE_OK && command.not_before == 0) {
        status = call_needs_app(call, error);
    }
    if (status == VARVE_OK && call->server != NULL) {
        status = send_remote(call, &command, call_option(call, OPTION_EXPECTED_VERSION), &answer, error);
    } else if (status == VARVE_OK) {
        status = command.not_before == 0 ? send_local(call, &command, &answer, error)
                                         : schedule_local(call, &command, &answer, error);
    }
    if (status >= 0 && answer.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "done, but out of memory for the answer");
    }
    if (status >= 0) {
        status = print_answer(call, status, varve_buf_view(&answer), error);
    } else if (status == VARVE_INDETERMINATE && !call->quiet) {
        hint_repeat(&command);
    }
    varve_buf_fini(&answer);
    varve_buf_fini(&data);
    return status;
}

varve_status run_command_send(struct call *call, varve_error *error)
{
    if (call->server != NULL && call_option(call, OPTION_ALLOW_PRIVATE_ADDRESSES) != NULL) {
        return varve_error_set(error, VARVE_INVALID,
                               "--allow-private-addresses goes with --store; a server has its own");
    }
    if (call->argument_count == 2) {
        return send_one(call, error);
    }
    static const enum option of_one[] = { OPTION_DATA,           OPTION_ID,           OPTION_EXPECTED_VERSION,
                                          OPTION_CORRELATION_ID, OPTION_CAUSATION_ID, OPTION_NOT_BEFORE };
    for (size_t i = 0; i < sizeof(of_one) / sizeof(of_one[0]); i++) {
        if (call_option(call, of_one[i]) != NULL) {
            return varve_error_set(error, VARVE_INVALID,
                                   "--%s goes with one command (TYPE STREAM); in a batch it stands in each line",
                                   option_specs[of_one[i]].name);
        }
    }
    if (call->server != NULL && call_option(call, OPTION_ACTOR) != NULL) {
        return refuse_actor(error);
    }
    varve_status status = call_needs_app(call, error);
    return status < 0 ? status : batch_send(call, call->arguments[0], error);
}
