/* SPDX-License-Identifier: Apache-2.0 */
#include "command/look.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/json.h"
#include "command/failure.h"

/* Copies the state as JSON, which is checked: it is put into other JSON as it is. */
static varve_status copy_state(varve_aggregate *aggregate, const struct load *load, varve_str stream,
                               varve_error *error)
{
    struct arena *arena = aggregate->memory;
    varve_buf json = { 0 };
    varve_status status = load->table->encode(load->state, &json, error);
    if (status >= 0 && !json.failed) status = json_check(varve_buf_view(&json), "the encoded state", error);
    if (status < 0) {
        status =
            failure_explain(error, status == VARVE_NOMEM ? status : VARVE_APPLICATION, VARVE_STR("encode"), stream);
    } else if (json.failed || !arena_copy(arena, varve_buf_view(&json), &aggregate->state) ||
               !arena_copy(arena, stream, &aggregate->stream)) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    varve_buf_fini(&json);
    return status;
}

varve_status look_at(const struct load_source *source, varve_str stream, const varve_aggregate_options *options,
                     varve_aggregate *aggregate, varve_error *error)
{
    const varve_decider *table = source->decider->table;
    struct load load = { 0 };
    varve_aggregate found = { 0 };
    if (table->encode == NULL) {
        return varve_error_set(error, VARVE_UNSUPPORTED, "the decider of '%s' has no encode, so no state can be shown",
                               table->category);
    }
    varve_status status = load_as_of(&load, source, stream, options, error);
    if (status < 0) goto done;
    found.memory = calloc(1, sizeof(struct arena));
    if (found.memory == NULL) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
        goto done;
    }
    found.version = load.version;
    found.snapshot_version = load.snapshot_version;
    found.events_replayed = load.replayed;
    status = copy_state(&found, &load, stream, error);
    if (status >= 0) {
        status = VARVE_OK;
        *aggregate = found;
        found = (varve_aggregate){ 0 };
    }
done:
    varve_aggregate_fini(&found);
    load_fini(&load);
    return status;
}
