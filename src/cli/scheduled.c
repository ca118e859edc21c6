/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduled commands, of a store in this process or through a server, as the same JSON. */
#include <varve/scheduled.h>

#include "cli/local.h"
#include "cli/remote.h"
#include "cli/verbs.h"

enum { LIST_LIMIT = 100, LIST_LIMIT_MAX = 1000 };

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "out of memory");
}

/* Prints a document that is there, and frees it. */
static varve_status print(const struct call *call, varve_status status, varve_buf *json, varve_error *error)
{
    if (status >= 0) {
        status = json->failed ? no_memory(error) : output_document(&call->output, varve_buf_view(json), error);
    }
    varve_buf_fini(json);
    return status;
}

/* ---- the list ---- */

struct scheduled_page {
    varve_buf *json;
    uint64_t limit, count;
    varve_uuid last;
    bool more;
};

static varve_status write_scheduled(void *ctx, const varve_scheduled *scheduled)
{
    struct scheduled_page *page = ctx;
    page->more = page->count == page->limit;
    if (page->more) {
        return VARVE_DONE;
    }
    varve_buf_add(page->json, ",", page->count++ > 0 ? 1 : 0);
    varve_scheduled_write_json(scheduled, page->json);
    page->last = scheduled->command.id;
    return VARVE_OK;
}

static varve_status list_local(const struct call *call, uint64_t limit, varve_buf *json, varve_error *error)
{
    varve_store *store = NULL;
    varve_uuid after = { 0 };
    char next[VARVE_UUID_TEXT_BYTES];
    struct scheduled_page page = { .json = json, .limit = limit };
    varve_status status = VARVE_OK;
    if (call_option(call, OPTION_AFTER) != NULL) {
        status = varve_uuid_parse(&after, call_text(call, OPTION_AFTER), error);
    }
    if (status >= 0) {
        status = local_store_open(&store, call, LOCAL_READ, error);
    }
    varve_buf_str(json, VARVE_STR("{\"scheduled\":["));
    if (status >= 0) {
        status = varve_scheduled_list(store, after, limit + 1, write_scheduled, &page, error);
    }
    varve_uuid_format(page.last, next);
    varve_buf_str(json, VARVE_STR("],\"next\":"));
    if (page.more) {
        varve_buf_printf(json, "\"%s\"}", next);
    } else {
        varve_buf_str(json, VARVE_STR("null}"));
    }
    varve_store_close(store);
    return status;
}

static varve_status list_remote(const struct call *call, uint64_t limit, varve_buf *json, varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf_str(&path, VARVE_STR("/scheduled"));
    remote_number(&path, "limit", limit);
    if (call_option(call, OPTION_AFTER) != NULL) {
        remote_parameter(&path, "after", call_text(call, OPTION_AFTER));
    }
    varve_status status = path.failed
                              ? no_memory(error)
                              : remote_ask(call->server, varve_buf_view(&path), NULL, (varve_str){ 0 }, json, error);
    varve_buf_fini(&path);
    return status;
}

varve_status run_scheduled_list(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "id",       "type", "stream",  "state", "not_before",
                                           "attempts", "code", "message", NULL };
    uint64_t limit = LIST_LIMIT;
    varve_buf json = { 0 };
    varve_buf next = { 0 };
    varve_status status = call_number(call, OPTION_LIMIT, &limit, error);
    if (status >= 0 && (limit < 1 || limit > LIST_LIMIT_MAX)) {
        status = varve_error_set(error, VARVE_INVALID, "--limit is a number from 1 to %d", LIST_LIMIT_MAX);
    }
    if (status >= 0) {
        status = call->server != NULL ? list_remote(call, limit, &json, error) : list_local(call, limit, &json, error);
    }
    if (status >= 0) {
        status = json.failed ? no_memory(error)
                             : output_list(&call->output, varve_buf_view(&json), "scheduled", columns, error);
    }
    if (status >= 0 && !call->quiet && call->output.format != OUTPUT_JSON &&
        varve_json_string(varve_buf_view(&json), "next", &next, NULL) >= 0) {
        fprintf(stderr, "more: --after %s\n", next.ptr);
    }
    varve_buf_fini(&next);
    varve_buf_fini(&json);
    return status;
}

/* ---- one ---- */

static varve_status ask(const struct call *call, const char *verb, const char *content_type, varve_buf *json,
                        varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf_str(&path, VARVE_STR("/scheduled"));
    remote_segment(&path, varve_str_of(call->arguments[0]));
    varve_buf_str(&path, varve_str_of(verb));
    varve_str body = varve_str_of(content_type == NULL ? NULL : "{}");
    varve_status status = path.failed
                              ? no_memory(error)
                              : remote_ask(call->server, varve_buf_view(&path), content_type, body, json, error);
    varve_buf_fini(&path);
    return status;
}

static varve_status open_for(const struct call *call, enum local_mode mode, varve_store **store, varve_uuid *id,
                             varve_error *error)
{
    varve_status status = varve_uuid_parse(id, varve_str_of(call->arguments[0]), error);
    return status < 0 ? status : local_store_open(store, call, mode, error);
}

static varve_status show_local(const struct call *call, varve_buf *json, varve_error *error)
{
    varve_store *store = NULL;
    varve_uuid id;
    varve_scheduled scheduled = { 0 };
    varve_status status = open_for(call, LOCAL_READ, &store, &id, error);
    if (status >= 0) {
        status = varve_scheduled_get(store, id, &scheduled, error);
    }
    if (status >= 0) {
        varve_scheduled_write_json(&scheduled, json);
    }
    varve_scheduled_fini(&scheduled);
    varve_store_close(store);
    return status;
}

varve_status run_scheduled_show(struct call *call, varve_error *error)
{
    varve_buf json = { 0 };
    varve_status status = call->server != NULL ? ask(call, "", NULL, &json, error) : show_local(call, &json, error);
    return print(call, status, &json, error);
}

static varve_status cancel_local(const struct call *call, varve_buf *json, varve_error *error)
{
    varve_store *store = NULL;
    varve_uuid id;
    varve_scheduled_state was = VARVE_SCHEDULED_WAITING;
    varve_status status = open_for(call, LOCAL_CATCH_UP, &store, &id, error);
    if (status >= 0) {
        status = varve_scheduled_cancel(store, id, &was, error);
    }
    if (status >= 0) {
        char text[VARVE_UUID_TEXT_BYTES];
        varve_uuid_format(id, text);
        varve_buf_printf(json, "{\"id\":\"%s\",\"outcome\":\"%s\"}", text, varve_scheduled_cancel_word(was));
    }
    varve_store_close(store);
    return status;
}

static bool was_discarded(varve_str json)
{
    varve_buf outcome = { 0 };
    bool discarded = varve_json_string(json, "outcome", &outcome, NULL) >= 0 &&
                     varve_str_is(varve_buf_view(&outcome), varve_scheduled_cancel_word(VARVE_SCHEDULED_UNREADABLE));
    varve_buf_fini(&outcome);
    return discarded;
}

varve_status run_scheduled_cancel(struct call *call, varve_error *error)
{
    varve_buf json = { 0 };
    varve_status status = call->server != NULL ? ask(call, "/cancel", "application/json", &json, error)
                                               : cancel_local(call, &json, error);
    if (status >= 0 && !call->quiet && was_discarded(varve_buf_view(&json))) {
        fprintf(stderr, "it could not be read: the log alone tells whether it took effect\n");
    }
    return print(call, status, &json, error);
}
