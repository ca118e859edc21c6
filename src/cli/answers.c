/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/answers.h"

#include <inttypes.h>

static const char *const columns[] = { "stream", "version", "last_position", "code", "error", "message", NULL };

void answers_init(struct answers *answers, const struct call *call)
{
    *answers = (struct answers){ .call = call, .lines = call->output };
    if (answers->lines.format == OUTPUT_JSON) {
        answers->lines.format = OUTPUT_NDJSON;
    }
    items_init(&answers->items, &answers->lines, (varve_str){ 0 }, columns);
}

void answers_write_rejection(varve_str json, varve_buf *out)
{
    varve_str code = VARVE_STR("null");
    varve_str message = VARVE_STR("null");
    varve_json_raw(json, "code", &code, NULL);
    varve_json_raw(json, "message", &message, NULL);
    bool repeated = varve_json_raw(json, "repeated", &(varve_str){ 0 }, NULL) == VARVE_OK;
    varve_buf_str(out, VARVE_STR("{\"code\":"));
    varve_buf_str(out, code);
    varve_buf_str(out, VARVE_STR(",\"message\":"));
    varve_buf_str(out, message);
    varve_buf_str(out, repeated ? VARVE_STR(",\"repeated\":true}") : VARVE_STR("}"));
}

static void write_failure(const varve_error *failure, varve_buf *out)
{
    varve_buf_printf(out, "{\"error\":\"%s\",\"message\":", varve_status_word(failure->status));
    varve_buf_json_string(out, varve_str_of(failure->message));
    if (failure->status == VARVE_CONFLICT && failure->detail >= 0) {
        varve_buf_printf(out, ",\"current_version\":%" PRId64, failure->detail);
    }
    varve_buf_str(out, VARVE_STR("}"));
}

varve_status answers_add(struct answers *answers, varve_status status, varve_str json, const varve_error *failure,
                         varve_error *error)
{
    varve_buf *out = &answers->json;
    varve_buf_reset(out);
    if (status == VARVE_REJECTED) {
        answers->rejected++;
        answers_write_rejection(json, out);
    } else if (status >= 0) {
        int64_t position = 0;
        answers->accepted++;
        varve_json_int(json, "last_position", &position, NULL);
        if (position > 0 && (uint64_t)position > answers->last_position) {
            answers->last_position = (uint64_t)position;
        }
        varve_buf_str(out, json);
    } else {
        uint64_t line = answers->accepted + answers->rejected + answers->failed + 1;
        if (answers->failed++ == 0) {
            varve_error_set(&answers->first, status, "command %" PRIu64 ": %s", line, failure->message);
        }
        write_failure(failure, out);
    }
    if (out->failed) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory for an answer");
    }
    return items_add(&answers->items, varve_buf_view(out), error);
}

varve_status answers_flush(struct answers *answers, varve_error *error)
{
    return items_flush(&answers->items, error);
}

varve_status answers_end(struct answers *answers, varve_error *error)
{
    varve_status status = items_end(&answers->items, (varve_str){ 0 }, error);
    if (!answers->call->quiet) {
        fprintf(stderr, "%" PRIu64 " accepted, %" PRIu64 " rejected, %" PRIu64 " failed; last position %" PRIu64 "\n",
                answers->accepted, answers->rejected, answers->failed, answers->last_position);
    }
    if (status == VARVE_OK && answers->failed > 0) {
        *error = answers->first;
        status = error->status;
    }
    return status;
}

void answers_fini(struct answers *answers)
{
    items_fini(&answers->items);
    varve_buf_fini(&answers->json);
}
