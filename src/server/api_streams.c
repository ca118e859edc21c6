/* SPDX-License-Identifier: Apache-2.0 */
/* Appending, reading one stream, and which streams there are. */
#include <stdlib.h>

#include "server/api.h"
#include "server/page.h"
#include "server/problem.h"

/* An append under way; the parsed request is kept to say which conditions failed. */
struct append_work {
    varve_append_json *parsed;
    varve_condition condition; /* out of If-Match or If-None-Match */
    bool one_stream;
};

static void append_free(void *own)
{
    struct append_work *work = own;
    varve_append_json_free(work->parsed);
    free(work);
}

static void write_appended(const struct append_work *work, const varve_appended *appended, varve_buf *out)
{
    unsigned long long first = appended->first_position, last = appended->last_position;
    if (work->one_stream) {
        varve_buf_str(out, VARVE_STR("{\"stream\":"));
        varve_buf_json_string(out, appended->streams[0].stream);
        varve_buf_printf(out, ",\"version\":%llu,\"first_position\":%llu,\"last_position\":%llu}",
                         (unsigned long long)appended->streams[0].version, first, last);
        return;
    }
    varve_buf_printf(out, "{\"first_position\":%llu,\"last_position\":%llu,\"streams\":{", first, last);
    for (size_t i = 0; i < appended->stream_count; i++) {
        if (i > 0) varve_buf_str(out, VARVE_STR(","));
        varve_buf_json_string(out, appended->streams[i].stream);
        varve_buf_printf(out, ":%llu", (unsigned long long)appended->streams[i].version);
    }
    varve_buf_str(out, VARVE_STR("}}"));
}

/* On the store's writer thread. */
static void on_appended(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct request *request = ctx;
    const struct append_work *work = request->own;
    if (status >= 0) {
        if (work->one_stream) request->answer.etag = appended->streams[0].version;
        write_appended(work, appended, &request->answer.body);
        request_send(request, 200);
    } else if (status == VARVE_CONFLICT) {
        const varve_append_request *asked = varve_append_json_request(work->parsed);
        problem_write_conflict(asked, appended, error, &request->answer.body);
        request_send(request, problem_http_status(status));
    } else {
        problem_write_append(status, appended, error, &request->answer.body);
        request_send(request, problem_http_status(status));
    }
}

static varve_status append(struct request *request, varve_str stream, const varve_condition *condition,
                           varve_error *error)
{
    struct append_work *work = calloc(1, sizeof *work);
    if (work == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    request->own = work;
    request->own_free = append_free;
    work->one_stream = stream.len > 0;
    varve_status status = varve_append_json_parse(&work->parsed, varve_buf_view(&request->body), stream, error);
    if (status < 0) return status;
    varve_append_request *asked = varve_append_json_request(work->parsed);
    if (condition != NULL) {
        work->condition = *condition;
        asked->conditions = &work->condition;
        asked->condition_count = 1;
    }
    varve_str key = request->headers.idempotency_key;
    if (key.len > 0 && asked->idempotency_key.len > 0 && !varve_str_eq(key, asked->idempotency_key)) {
        return varve_error_set(error, VARVE_INVALID, "Idempotency-Key and \"idempotency_key\" are not the same");
    }
    if (key.len > 0) asked->idempotency_key = key;
    return varve_append_async(request->backend->store, asked, on_appended, request, error);
}

void api_append(struct request *request)
{
    varve_error error = { 0 };
    varve_status status = append(request, (varve_str){ NULL, 0 }, NULL, &error);
    if (status < 0) request_fail(request, status, &error);
}

/* If-Match: "N" is version N, If-Match: * any version, If-None-Match: * none. VARVE_OK without either. */
static varve_status read_condition(const struct request_headers *headers, varve_condition *condition,
                                   varve_error *error)
{
    varve_str match = headers->if_match;
    if (match.len > 0 && headers->if_none_match.len > 0) {
        return varve_error_set(error, VARVE_INVALID, "If-Match and If-None-Match exclude each other");
    }
    if (headers->if_none_match.len > 0) {
        condition->kind = VARVE_STREAM_NONE;
        if (varve_str_is(headers->if_none_match, "*")) return VARVE_OK;
        return varve_error_set(error, VARVE_INVALID, "If-None-Match can only be *");
    }
    if (match.len == 0) return VARVE_OK;
    condition->kind = VARVE_STREAM_EXISTS;
    if (varve_str_is(match, "*")) return VARVE_OK;
    condition->kind = VARVE_STREAM_AT;
    if (match.len > 2 && match.ptr[0] == '"' && match.ptr[match.len - 1] == '"' &&
        target_digits((varve_str){ match.ptr + 1, match.len - 2 }, &condition->version)) {
        return VARVE_OK;
    }
    return varve_error_set(error, VARVE_INVALID, "If-Match is a version in quotes, or *");
}

void api_stream_append(struct request *request)
{
    varve_error error = { 0 };
    varve_condition condition = { .kind = VARVE_STREAM_ANY, .stream = request->target.segments[1] };
    varve_status status = read_condition(&request->headers, &condition, &error);
    if (status >= 0) {
        const varve_condition *given = condition.kind == VARVE_STREAM_ANY ? NULL : &condition;
        status = append(request, condition.stream, given, &error);
    }
    if (status < 0) request_fail(request, status, &error);
}

/* ---- reading ---- */

static varve_status read_options(const struct target *target, varve_read_options *options, uint64_t *limit,
                                 varve_error *error)
{
    const varve_query_param *direction = target_param(target, "direction");
    varve_status status = page_limit(target, limit, error);
    if (status >= 0) status = target_number(target, "from", &options->from_version, error);
    if (status >= 0) status = target_version(target, "until_version", &options->until_version, error);
    if (status >= 0) status = page_time(target, &options->until_time, &options->clock, error);
    if (status < 0 || direction == NULL) return status;
    options->backward = varve_str_is(direction->value, "backward");
    if (options->backward || varve_str_is(direction->value, "forward")) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "'direction' is forward or backward");
}

/* Appends made after `version` was asked for stay out, so that the version and the events agree. */
static void bound(varve_read_options *options, uint64_t version)
{
    uint64_t *newest = options->backward ? &options->from_version : &options->until_version;
    if (*newest == 0 || *newest > version) *newest = version;
}

static varve_status read_stream(struct request *request, varve_error *error)
{
    const struct target *target = &request->target;
    varve_read_options options = { .stream = target->segments[1] };
    varve_store *store = request->backend->store;
    varve_buf *out = &request->answer.body;
    varve_cursor *cursor = NULL;
    struct page page = { 0 };
    struct shaped shaped = { 0 };
    uint64_t limit = 0, version = 0;

    varve_status status = read_options(target, &options, &limit, error);
    if (status >= 0) status = varve_stream_get_version(store, options.stream, &version, error);
    if (status < 0) return status;
    if (version == 0) return varve_error_set(error, VARVE_NOT_FOUND, "there is no such stream");
    bound(&options, version);
    options.limit = limit + 1;
    status = shaped_read(&shaped, &request->backend->shapes, target, &options, error);
    if (status >= 0) status = varve_cursor_open(&cursor, store, &options, error);
    if (status < 0) goto done;
    varve_buf_str(out, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(out, options.stream);
    varve_buf_printf(out, ",\"version\":%llu,\"events\":", (unsigned long long)version);
    status = page_write(cursor, &shaped, limit, &page, out, error);
    if (status < 0) goto done;
    if (page.more) {
        varve_buf_printf(out, ",\"next\":%llu}", (unsigned long long)page.following_version);
    } else {
        varve_buf_str(out, VARVE_STR(",\"next\":null}"));
    }
    request->answer.etag = version;
done:
    varve_cursor_close(cursor);
    shaped_fini(&shaped);
    return status;
}

void api_stream_read(struct request *request)
{
    varve_error error = { 0 };
    varve_status status = read_stream(request, &error);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        request_send(request, 200);
    }
}

/* ---- listing ---- */

struct listing {
    varve_buf *out;
    uint64_t left;  /* how many more the page takes */
    varve_buf last; /* the name of the newest item, as JSON */
    bool more;
};

static varve_status list_stream(void *ctx, const varve_stream_version *stream)
{
    struct listing *listing = ctx;
    if (listing->left == 0) {
        listing->more = true;
        return VARVE_DONE;
    }
    varve_str separator = listing->last.len == 0 ? VARVE_STR("{\"stream\":") : VARVE_STR(",{\"stream\":");
    varve_buf_reset(&listing->last);
    varve_buf_json_string(&listing->last, stream->stream);
    varve_buf_str(listing->out, separator);
    varve_buf_str(listing->out, varve_buf_view(&listing->last));
    varve_buf_printf(listing->out, ",\"version\":%llu}", (unsigned long long)stream->version);
    listing->left--;
    return VARVE_OK;
}

static varve_str text_param(const struct target *target, const char *name)
{
    const varve_query_param *param = target_param(target, name);
    return param == NULL ? (varve_str){ NULL, 0 } : param->value;
}

void api_stream_list(struct request *request)
{
    const struct target *target = &request->target;
    varve_error error = { 0 };
    struct listing listing = { .out = &request->answer.body };
    varve_status status = page_limit(target, &listing.left, &error);
    varve_buf_str(listing.out, VARVE_STR("{\"streams\":["));
    if (status >= 0) {
        status = varve_stream_list(request->backend->store, text_param(target, "category"), text_param(target, "after"),
                                   listing.left + 1, list_stream, &listing, &error);
    }
    varve_buf_str(listing.out, VARVE_STR("],\"next\":"));
    varve_buf_str(listing.out, listing.more ? varve_buf_view(&listing.last) : VARVE_STR("null"));
    varve_buf_str(listing.out, VARVE_STR("}"));
    if (listing.last.failed) status = varve_error_set(&error, VARVE_NOMEM, "out of memory");
    varve_buf_fini(&listing.last);
    if (status < 0) {
        request_fail(request, status, &error);
    } else {
        request_send(request, 200);
    }
}
