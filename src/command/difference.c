/* SPDX-License-Identifier: Apache-2.0 */
#include "command/difference.h"

#include <stdlib.h>

#include "base/arena.h"
#include "command/patch.h"
#include "store/access.h"

/* Loads and encodes one of the two states; `options` NULL is the initial one. */
static varve_status encode_state(const struct load_source *source, varve_str stream,
                                 const varve_aggregate_options *options, varve_buf *json, uint64_t *version,
                                 varve_error *error)
{
    struct load load = { 0 };
    varve_status status = options == NULL ? load_at_version(&load, source, stream, 0, error)
                                          : load_as_of(&load, source, stream, options, error);
    if (status == VARVE_OK) status = load_encode(&load, stream, json, error);
    *version = load.version;
    load_fini(&load);
    return status;
}

/* When neither state has an event in it the stream may not exist at all. */
static varve_status refuse_missing(const struct load_source *source, varve_str stream, varve_error *error)
{
    uint64_t version = 0;
    varve_status status = varve_stream_get_version(source->store, stream, &version, error);
    return status == VARVE_OK && version == 0 ? load_refuse_empty(stream, error) : status;
}

static varve_status compare(varve_str before, varve_str after, varve_buf *patch, varve_error *error)
{
    struct arena arena = { 0 };
    struct tree_node from, to;
    varve_status status = tree_read(before, &arena, &from, error);
    if (status == VARVE_OK) status = tree_read(after, &arena, &to, error);
    if (status == VARVE_OK) status = patch_write(&from, &to, patch, error);
    arena_fini(&arena);
    return status;
}

varve_status difference_find(const struct load_source *source, varve_str stream, const varve_aggregate_options *from,
                             const varve_aggregate_options *to, varve_difference *difference, varve_error *error)
{
    static const varve_aggregate_options newest = { 0 };
    varve_buf before = { 0 }, after = { 0 }, patch = { 0 };
    struct arena *arena = NULL;
    varve_difference found = { 0 };
    varve_status status = encode_state(source, stream, from, &before, &found.from, error);
    if (status == VARVE_OK) status = encode_state(source, stream, to == NULL ? &newest : to, &after, &found.to, error);
    if (status == VARVE_OK && found.from == 0 && found.to == 0) status = refuse_missing(source, stream, error);
    if (status == VARVE_OK) status = compare(varve_buf_view(&before), varve_buf_view(&after), &patch, error);
    if (status < 0) goto done;
    found.memory = arena = calloc(1, sizeof *arena);
    if (arena == NULL || !arena_copy(arena, stream, &found.stream) ||
        !arena_copy(arena, varve_buf_view(&patch), &found.patch)) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory for a difference");
        goto done;
    }
    *difference = found;
    found = (varve_difference){ 0 };
done:
    varve_difference_fini(&found);
    varve_buf_fini(&before);
    varve_buf_fini(&after);
    varve_buf_fini(&patch);
    return status;
}
