/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "cli/local.h"
#include "cli/pages.h"
#include "cli/remote.h"
#include "cli/verbs.h"

enum { PAGE_STREAMS = 1000 };

struct listing {
    const struct call *call;
    struct items items;
    varve_buf item;
    varve_buf last; /* the name of the newest item, as JSON */
    uint64_t limit; /* 0: none */
    bool cut;
    varve_status status;
    varve_error *error;
};

/* ---- of a store of one's own ---- */

static varve_status list_stream(void *ctx, const varve_stream_version *stream)
{
    struct listing *listing = ctx;
    if (listing->limit > 0 && listing->items.count == listing->limit) {
        listing->cut = true;
        return VARVE_DONE;
    }
    varve_buf_reset(&listing->last);
    varve_buf_json_string(&listing->last, stream->stream);
    varve_buf_reset(&listing->item);
    varve_buf_str(&listing->item, VARVE_STR("{\"stream\":"));
    varve_buf_str(&listing->item, varve_buf_view(&listing->last));
    varve_buf_printf(&listing->item, ",\"version\":%" PRIu64 "}", stream->version);
    listing->status = listing->item.failed || listing->last.failed
                          ? varve_error_set(listing->error, VARVE_NOMEM, "out of memory")
                          : items_add(&listing->items, varve_buf_view(&listing->item), listing->error);
    return listing->status < 0 ? VARVE_DONE : VARVE_OK;
}

static varve_status list_local(struct listing *listing, varve_error *error)
{
    const struct call *call = listing->call;
    varve_store *store = NULL;
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = varve_stream_list(store, call_text(call, OPTION_CATEGORY), call_text(call, OPTION_AFTER), 0,
                                   list_stream, listing, error);
    }
    if (status >= 0) {
        status = listing->status;
    }
    varve_store_close(store);
    return status;
}

/* ---- through a server ---- */

static varve_status add_item(void *ctx, varve_str item, varve_error *error)
{
    struct listing *listing = ctx;
    return items_add(&listing->items, item, error);
}

/* Prints the page that begins after the name `after` and replaces it by the name that the next one begins after. */
static varve_status list_page(struct remote *remote, struct listing *listing, varve_buf *after, varve_buf *answer,
                              varve_error *error)
{
    varve_buf path = { 0 };
    uint64_t left = listing->limit == 0 ? PAGE_STREAMS : listing->limit - listing->items.count;
    uint64_t count = 0;
    varve_str next = VARVE_STR("null");
    varve_buf_str(&path, VARVE_STR("/streams"));
    if (call_option(listing->call, OPTION_CATEGORY) != NULL) {
        remote_parameter(&path, "category", call_text(listing->call, OPTION_CATEGORY));
    }
    if (after->len > 0) {
        remote_parameter(&path, "after", varve_buf_view(after));
    }
    remote_number(&path, "limit", left < PAGE_STREAMS ? left : PAGE_STREAMS);
    struct remote_request request = { .path = varve_buf_view(&path) };
    varve_status status = path.failed || after->failed ? varve_error_set(error, VARVE_NOMEM, "out of memory")
                                                       : remote_send(remote, &request, answer, error);
    varve_buf_fini(&path);
    varve_str page = varve_buf_view(answer);
    if (status == VARVE_OK) {
        status = page_items(page, "streams", add_item, listing, &count, error);
    }
    varve_buf_reset(after);
    varve_buf_reset(&listing->last);
    if (status == VARVE_OK && varve_json_string(page, "next", after, NULL) == VARVE_OK) {
        varve_json_raw(page, "next", &next, NULL);
        varve_buf_str(&listing->last, next);
    }
    listing->cut = after->len > 0;
    return status;
}

static varve_status list_remote(struct listing *listing, varve_error *error)
{
    struct remote *remote = NULL;
    varve_buf after = { 0 };
    varve_buf answer = { 0 };
    varve_buf_str(&after, call_text(listing->call, OPTION_AFTER));
    varve_status status = remote_open(&remote, listing->call->server, error);
    while (status == VARVE_OK) {
        status = list_page(remote, listing, &after, &answer, error);
        if (!listing->cut || (listing->limit > 0 && listing->items.count >= listing->limit)) {
            break;
        }
    }
    remote_close(remote);
    varve_buf_fini(&answer);
    varve_buf_fini(&after);
    return status;
}

static varve_status end_list(struct listing *listing, varve_error *error)
{
    varve_str last = listing->cut ? varve_buf_view(&listing->last) : VARVE_STR("null");
    varve_buf_reset(&listing->item);
    varve_buf_printf(&listing->item, "],\"next\":%.*s}", (int)last.len, last.ptr);
    if (listing->item.failed || listing->last.failed) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    if (listing->cut && !listing->call->quiet && listing->call->output.format != OUTPUT_JSON) {
        fprintf(stderr, "more: --after %s\n", listing->last.ptr);
    }
    return items_end(&listing->items, varve_buf_view(&listing->item), error);
}

varve_status run_stream_list(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "stream", "version", NULL };
    struct listing listing = { .call = call, .error = error };
    varve_status status = call_number(call, OPTION_LIMIT, &listing.limit, error);
    if (status == VARVE_OK && call_option_count(call, OPTION_CATEGORY) > 1) {
        status = varve_error_set(error, VARVE_INVALID, "`stream list` takes one --category");
    }
    if (status == VARVE_OK) {
        items_init(&listing.items, &call->output, VARVE_STR("{\"streams\":["), columns);
        status = call->server == NULL ? list_local(&listing, error) : list_remote(&listing, error);
    }
    if (status == VARVE_OK) {
        status = end_list(&listing, error);
    }
    varve_buf_fini(&listing.last);
    varve_buf_fini(&listing.item);
    items_fini(&listing.items);
    return status;
}
