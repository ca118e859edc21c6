/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/append.h"

#include <inttypes.h>

#include "cli/input.h"
#include "cli/local.h"
#include "cli/remote.h"
#include "cli/verbs.h"

/* As JSON, with data written as base64 and names around it. */
enum { DOCUMENT_BYTES_MAX = 2 * VARVE_APPEND_BYTES_MAX };

static void write_appended(const varve_appended *appended, varve_buf *out)
{
    varve_buf_printf(out, "{\"first_position\":%" PRIu64 ",\"last_position\":%" PRIu64 ",\"streams\":{",
                     appended->first_position, appended->last_position);
    for (size_t i = 0; i < appended->stream_count; i++) {
        varve_buf_printf(out, "%s", i > 0 ? "," : "");
        varve_buf_json_string(out, appended->streams[i].stream);
        varve_buf_printf(out, ":%" PRIu64, appended->streams[i].version);
    }
    varve_buf_printf(out, "}}");
}

static varve_status append_local(const struct call *call, varve_str document, varve_buf *answer, varve_error *error)
{
    varve_append_json *parsed = NULL;
    struct local local = { 0 };
    varve_appended appended = { 0 };
    /* Read before the store is opened: input that is wrong must not create one. */
    varve_status status = varve_append_json_parse(&parsed, document, (varve_str){ 0 }, error);
    if (status == VARVE_OK) {
        status = local_open_to_append(&local, call, error);
    }
    if (status == VARVE_OK) {
        status = varve_append(varve_engine_store(local.engine), varve_append_json_request(parsed), &appended, error);
    }
    if (status >= 0) {
        write_appended(&appended, answer);
    }
    varve_appended_fini(&appended);
    local_close(&local);
    varve_append_json_free(parsed);
    return status < 0 ? status : VARVE_OK;
}

varve_status append_document(const struct call *call, varve_str document, varve_buf *answer, varve_error *error)
{
    varve_status status = call->server == NULL ? append_local(call, document, answer, error)
                                               : remote_ask(call->server, VARVE_STR("/append"), "application/json",
                                                            document, answer, error);
    if (status >= 0 && answer->failed) {
        status = varve_error_set(error, VARVE_NOMEM, "appended, but out of memory for the answer");
    }
    return status;
}

varve_status run_append(struct call *call, varve_error *error)
{
    varve_buf document = { 0 };
    varve_buf answer = { 0 };
    varve_status status = input_read(call->arguments[0], DOCUMENT_BYTES_MAX, &document, error);
    if (status == VARVE_OK) {
        status = append_document(call, varve_buf_view(&document), &answer, error);
    }
    if (status == VARVE_OK) {
        status = output_document(&call->output, varve_buf_view(&answer), error);
    }
    varve_buf_fini(&answer);
    varve_buf_fini(&document);
    return status;
}
