/* SPDX-License-Identifier: Apache-2.0 */
#include "command/look.h"

#include <stdlib.h>

#include "base/arena.h"
#include "command/difference.h"
#include "command/history.h"

static varve_status look_at_state(struct look *look, const struct load_source *source, varve_error *error)
{
    static const varve_aggregate_options newest = { 0 };
    const varve_aggregate_options *options = look->state.options == NULL ? &newest : look->state.options;
    struct load load = { 0 };
    struct arena *arena = NULL;
    varve_aggregate found = { 0 };
    varve_buf json = { 0 };
    varve_status status = load_as_of(&load, source, look->stream, options, error);
    if (status == VARVE_OK && load.version == 0) status = load_refuse_empty(look->stream, error);
    if (status == VARVE_OK) status = load_encode(&load, look->stream, &json, error);
    if (status < 0) goto done;
    found.memory = arena = calloc(1, sizeof *arena);
    if (arena == NULL || !arena_copy(arena, varve_buf_view(&json), &found.state) ||
        !arena_copy(arena, look->stream, &found.stream)) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
        goto done;
    }
    found.version = load.version;
    found.snapshot_version = load.snapshot_version;
    found.events_replayed = load.replayed;
    *look->state.aggregate = found;
    found = (varve_aggregate){ 0 };
done:
    varve_aggregate_fini(&found);
    varve_buf_fini(&json);
    load_fini(&load);
    return status;
}

void look_run(struct look *look, const struct load_source *source)
{
    const varve_decider *table = source->decider->table;
    if (table->encode == NULL) {
        look->status = varve_error_set(&look->error, VARVE_UNSUPPORTED,
                                       "the decider of '%s' has no encode, so no state can be shown", table->category);
        return;
    }
    switch (look->kind) {
    case LOOK_AT_STATE:
        look->status = look_at_state(look, source, &look->error);
        break;
    case LOOK_AT_HISTORY:
        look->status = history_read(source, look->stream, look->history.options, look->history.page, &look->error);
        break;
    case LOOK_AT_DIFFERENCE:
        look->status = difference_find(source, look->stream, look->difference.from, look->difference.to,
                                       look->difference.difference, &look->error);
        break;
    }
}
