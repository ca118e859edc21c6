/* SPDX-License-Identifier: Apache-2.0 */
#include "command/history.h"

#include <stdlib.h>

#include "base/arena.h"
#include "command/decision.h"
#include "command/patch.h"
#include "store/access.h"

#define ENTRIES_DEFAULT 100u

/* A state as it is compared. */
struct picture {
    varve_buf json;
    struct arena arena;
    struct tree_node root; /* points into both */
};

/* A page being filled. */
struct page {
    struct arena *arena;
    varve_history_entry *entries;
    size_t count;
    size_t bytes;       /* of its entries */
    size_t state_bytes; /* encoded for it */
    varve_buf patch;
    struct picture pictures[2]; /* of the state before an event and after it, by turns */
    unsigned newest;            /* of them */
};

static varve_status take_picture(struct picture *picture, const struct load *load, varve_str stream, varve_error *error)
{
    varve_status status = load_encode(load, stream, &picture->json, error);
    if (status < 0) return status;
    arena_reset(&picture->arena);
    return tree_read(varve_buf_view(&picture->json), &picture->arena, &picture->root, error);
}

/* Applies the event to the state and adds it with what it changed. */
static varve_status add_entry(struct page *page, struct load *load, const varve_event *event, varve_error *error)
{
    struct picture *before = &page->pictures[page->newest], *after = &page->pictures[!page->newest];
    varve_history_entry *entry = &page->entries[page->count];
    varve_status status = load_evolve(load, event, error);
    if (status >= 0) status = take_picture(after, load, event->stream, error);
    varve_buf_reset(&page->patch);
    if (status >= 0) status = patch_write(&before->root, &after->root, &page->patch, error);
    if (status < 0) return status;
    if (!decision_copy_event(page->arena, event, &entry->event) ||
        !arena_copy(page->arena, varve_buf_view(&page->patch), &entry->patch))
        return varve_error_set(error, VARVE_NOMEM, "no memory for a history");
    page->newest = !page->newest;
    page->count++;
    page->bytes += event->data.len + event->metadata.len + page->patch.len;
    page->state_bytes += after->json.len;
    return VARVE_OK;
}

/* Adds what follows the state. `*next` becomes the version of the event after the page, if there is one. */
static varve_status fill(struct page *page, struct load *load, const struct load_source *source, varve_str stream,
                         uint64_t limit, uint64_t *next, varve_error *error)
{
    varve_read_options rest = { .stream = stream, .from_version = load->version + 1, .limit = limit + 1 };
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_status status = varve_cursor_open(&cursor, source->store, &rest, error);
    if (status < 0) return status;
    while ((status = varve_cursor_next(cursor, &event, error)) == VARVE_OK) {
        if (page->count == limit || page->bytes >= HISTORY_PAGE_BYTES || page->state_bytes >= HISTORY_STATE_BYTES) {
            *next = event->version;
            break;
        }
        status = add_entry(page, load, event, error);
        if (status < 0) break;
    }
    varve_cursor_close(cursor);
    return status < 0 ? status : VARVE_OK;
}

static void page_fini(struct page *page)
{
    varve_buf_fini(&page->patch);
    for (size_t i = 0; i < 2; i++) {
        varve_buf_fini(&page->pictures[i].json);
        arena_fini(&page->pictures[i].arena);
    }
}

varve_status history_read(const struct load_source *source, varve_str stream, const varve_history_options *options,
                          varve_history *history, varve_error *error)
{
    uint64_t limit = options == NULL || options->limit == 0 ? ENTRIES_DEFAULT : options->limit;
    uint64_t from = options == NULL || options->from_version == 0 ? 1 : options->from_version;
    struct page page = { 0 };
    struct load load = { 0 };
    varve_history found = { 0 };
    varve_status status;
    if (limit > VARVE_HISTORY_MAX)
        return varve_error_set(error, VARVE_INVALID, "a page of history has at most %u entries", VARVE_HISTORY_MAX);
    if (from > INT64_MAX) return varve_error_set(error, VARVE_INVALID, "no stream has that many versions");
    found.memory = page.arena = calloc(1, sizeof *page.arena);
    if (page.arena != NULL) page.entries = arena_array(page.arena, limit, sizeof *page.entries);
    if (page.entries == NULL || !arena_copy(page.arena, stream, &found.stream)) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory for a history");
        goto done;
    }
    status = load_at_version(&load, source, stream, from - 1, error);
    if (status == VARVE_OK) status = take_picture(&page.pictures[0], &load, stream, error);
    if (status == VARVE_OK) status = fill(&page, &load, source, stream, limit, &found.next, error);
    if (status == VARVE_OK && load.version == 0) status = load_refuse_empty(stream, error);
    if (status < 0) goto done;
    found.entries = page.entries;
    found.count = page.count;
    *history = found;
    found = (varve_history){ 0 };
done:
    page_fini(&page);
    load_fini(&load);
    varve_history_fini(&found);
    return status;
}
