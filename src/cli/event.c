/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/local.h"
#include "cli/remote.h"
#include "cli/verbs.h"

static varve_status show_local(const struct call *call, varve_uuid id, varve_buf *json, varve_error *error)
{
    varve_store *store = NULL;
    varve_event event;
    varve_buf memory = { 0 };
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = varve_event_find(store, id, &event, &memory, error);
    }
    if (status == VARVE_OK) {
        varve_event_write_json(&event, json);
    }
    varve_buf_fini(&memory);
    varve_store_close(store);
    return status;
}

static varve_status show_remote(const struct call *call, varve_uuid id, varve_buf *json, varve_error *error)
{
    char text[VARVE_UUID_TEXT_BYTES];
    varve_buf path = { 0 };
    varve_uuid_format(id, text);
    varve_buf_printf(&path, "/events/%s", text);
    varve_status status = path.failed
                              ? varve_error_set(error, VARVE_NOMEM, "out of memory for a request")
                              : remote_ask(call->server, varve_buf_view(&path), NULL, (varve_str){ 0 }, json, error);
    varve_buf_fini(&path);
    return status;
}

varve_status run_event_show(struct call *call, varve_error *error)
{
    varve_uuid id = { 0 };
    varve_buf json = { 0 };
    varve_status status = varve_uuid_parse(&id, varve_str_of(call->arguments[0]), error);
    if (status == VARVE_OK) {
        status = call->server == NULL ? show_local(call, id, &json, error) : show_remote(call, id, &json, error);
    }
    if (status == VARVE_OK) {
        status = json.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for the event")
                             : output_document(&call->output, varve_buf_view(&json), error);
    }
    varve_buf_fini(&json);
    return status;
}
