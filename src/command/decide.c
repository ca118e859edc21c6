/* SPDX-License-Identifier: Apache-2.0 */
#include "command/decide.h"

#include "command/failure.h"
#include "command/registry.h"

varve_decide decide_find(const varve_decider *table, varve_str type)
{
    if (table->commands == NULL) return table->decide;
    for (const varve_command_handler *handler = table->commands; handler->type != NULL; handler++)
        if (varve_str_is(type, handler->type)) return handler->decide;
    return NULL;
}

bool decide_is_expected(const varve_command *command, uint64_t version)
{
    switch (command->expected) {
    case VARVE_STREAM_AT:
        return version == command->expected_version;
    case VARVE_STREAM_NONE:
        return version == 0;
    case VARVE_STREAM_EXISTS:
        return version > 0;
    default:
        return true;
    }
}

static varve_status refuse_unknown(const varve_decider *table, varve_str type, varve_error *error)
{
    return varve_error_set(error, VARVE_NOT_FOUND, "'%s' has no command '%.*s'", registry_name(table), (int)type.len,
                           type.ptr);
}

/* A decider's failure, in the caller's terms. */
static varve_status explain_failure(const varve_command *command, varve_status status, varve_error *cause,
                                    varve_error *error)
{
    switch (status) {
    case VARVE_NOT_FOUND: /* a handler missed a field of the command, as varve_json_… tell it */
        status = VARVE_INVALID;
        break;
    case VARVE_CONFLICT: /* these would speak about an append that never was */
    case VARVE_ID_CONFLICT:
    case VARVE_INDETERMINATE:
        status = VARVE_APPLICATION;
        break;
    default:
        break;
    }
    if (status >= 0) {
        varve_error_set(cause, VARVE_APPLICATION, "decide returned %d without a rejection", (int)status);
        status = VARVE_APPLICATION;
    }
    status = failure_explain(cause, status, command->type, command->stream);
    if (error != NULL) *error = *cause;
    return status;
}

/* Puts what the decider says, such as where in its source it was, before the reason for a refusal. */
static void say_where(varve_error *refusal, const varve_error *cause)
{
    varve_error reason = *refusal;
    if (cause->message[0] == '\0') return;
    varve_error_set(refusal, reason.status, "%s: %s", cause->message, reason.message);
}

varve_status decide_run(const varve_decider *table, const void *state, const varve_command *command,
                        struct varve_decision *decision, varve_error *error)
{
    varve_decide function = decide_find(table, command->type);
    varve_error cause = { 0 };
    if (function == NULL) return refuse_unknown(table, command->type, error);
    varve_status status = function(state, command, decision, &cause);
    if (decision->error.status < 0) {
        say_where(&decision->error, &cause);
        return explain_failure(command, decision->error.status, &decision->error, error);
    }
    if (status == VARVE_NOT_FOUND && table->commands == NULL) return refuse_unknown(table, command->type, error);
    if (decision->rejected && status >= 0) return VARVE_REJECTED;
    return status == VARVE_OK ? VARVE_OK : explain_failure(command, status, &cause, error);
}
