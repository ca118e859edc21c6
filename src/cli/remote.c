/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/curl.h"

/* How long an answer that does not come line by line may take. */
enum { CONNECT_SECONDS = 5, ANSWER_SECONDS = 120, SILENT_SECONDS = 60 };

struct remote {
    const char *url;
    size_t url_len; /* without '/' at the end */
    struct curl_functions curl;
    bool started;
    CURL *handle;
};

/* One request under way. */
struct transfer {
    struct remote *remote;
    const struct remote_request *request;
    varve_buf *answer;
    varve_buf partial; /* of a line whose end has not come yet */
    varve_status status;
    varve_error *error;
};

static bool is_loopback(varve_str host)
{
    static const char *const names[] = { "127.0.0.1", "localhost", "[::1]" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]);
        if (host.len >= len && memcmp(host.ptr, names[i], len) == 0 &&
            (host.len == len || host.ptr[len] == ':' || host.ptr[len] == '/')) {
            return true;
        }
    }
    return false;
}

varve_status remote_open(struct remote **out, const char *url, varve_error *error)
{
    *out = NULL;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        return varve_error_set(error, VARVE_INVALID, "--server takes a URL like http://127.0.0.1:8080, not '%s'", url);
    }
    struct remote *remote = calloc(1, sizeof(*remote));
    if (remote == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    remote->url = url;
    remote->url_len = strlen(url);
    while (url[remote->url_len - 1] == '/') {
        remote->url_len--;
    }
    if (curl_load(&remote->curl, "--server", error) < 0) {
        free(remote);
        return VARVE_UNAVAILABLE;
    }
    remote->started = remote->curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    remote->handle = remote->started ? remote->curl.easy_init() : NULL;
    if (remote->handle == NULL) {
        remote_close(remote);
        return varve_error_set(error, VARVE_NOMEM, "libcurl could not be started");
    }
    *out = remote;
    return VARVE_OK;
}

void remote_close(struct remote *remote)
{
    if (remote == NULL) {
        return;
    }
    if (remote->handle != NULL) {
        remote->curl.easy_cleanup(remote->handle);
    }
    if (remote->started) {
        remote->curl.global_cleanup();
    }
    free(remote);
}

/* Hands on each whole line of `bytes`. */
static varve_status take_lines(struct transfer *transfer, varve_str bytes)
{
    const struct remote_request *request = transfer->request;
    while (bytes.len > 0) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.ptr);
        varve_buf_add(&transfer->partial, bytes.ptr, len);
        if (transfer->partial.failed) {
            return varve_error_set(transfer->error, VARVE_NOMEM, "out of memory for an answer");
        }
        if (end == NULL) {
            return VARVE_OK;
        }
        varve_status status = request->line(request->ctx, varve_buf_view(&transfer->partial), transfer->error);
        if (status != VARVE_OK) {
            return status;
        }
        varve_buf_reset(&transfer->partial);
        bytes.ptr += len + 1;
        bytes.len -= len + 1;
    }
    return VARVE_OK;
}

static size_t receive(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    size_t len = size * count;
    long code = 0;
    transfer->remote->curl.easy_getinfo(transfer->remote->handle, CURLINFO_RESPONSE_CODE, &code);
    if (transfer->request->line != NULL && code >= 200 && code < 300) {
        transfer->status = take_lines(transfer, (varve_str){ bytes, len });
        return transfer->status == VARVE_OK ? len : 0;
    }
    varve_buf_add(transfer->answer, bytes, len);
    return transfer->answer->failed ? 0 : len;
}

varve_status remote_problem_status(varve_str problem)
{
#define WORD_AND_STATUS(name, value, word, meaning) { word, name },
    static const struct {
        const char *word;
        varve_status status;
    } words[] = { VARVE_STATUS_TABLE(WORD_AND_STATUS) };
#undef WORD_AND_STATUS
    varve_buf type = { 0 };
    varve_status found = VARVE_IO;
    if (varve_json_string(problem, "type", &type, NULL) == VARVE_OK && type.len > 0) {
        size_t start = type.len;
        while (start > 0 && type.ptr[start - 1] != '/' && type.ptr[start - 1] != ':') {
            start--;
        }
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (strcmp(type.ptr + start, words[i].word) == 0) {
                found = words[i].status;
            }
        }
        if (strcmp(type.ptr + start, "misdirected-request") == 0) {
            found = VARVE_DENIED;
        }
    }
    varve_buf_fini(&type);
    return found;
}

/* What an answer other than 2xx means. */
static varve_status problem(const struct transfer *transfer, long code)
{
    varve_str document = varve_buf_view(transfer->answer);
    varve_status status = document.len > 0 ? remote_problem_status(document) : VARVE_IO;
    if (status == VARVE_REJECTED) {
        return status;
    }
    varve_buf text = { 0 };
    if (status == VARVE_IO && document.len > 0 && document.ptr[0] != '{') {
        /* A proxy's page, or not a varve server. What stands behind a proxy may have done it. */
        bool perhaps_done = code >= 500 && transfer->request->content_type != NULL;
        status = perhaps_done ? VARVE_INDETERMINATE : VARVE_UNAVAILABLE;
    }
    if (varve_json_string(document, "detail", &text, NULL) != VARVE_OK) {
        varve_buf_reset(&text);
        if (varve_json_string(document, "title", &text, NULL) != VARVE_OK) {
            varve_buf_reset(&text);
            varve_buf_printf(&text, "%.*s answered with status %ld", (int)transfer->remote->url_len,
                             transfer->remote->url, code);
        }
    }
    status = varve_error_set(transfer->error, status < 0 ? status : VARVE_IO, "%s",
                             text.failed ? "out of memory" : text.ptr);
    if (transfer->error != NULL) {
        varve_json_int(document, "current_version", &transfer->error->detail, NULL);
    }
    varve_buf_fini(&text);
    return status;
}

/* What a request that libcurl could not finish means. */
static varve_status broken(const struct transfer *transfer, CURLcode code)
{
    const struct remote *remote = transfer->remote;
    if (transfer->status != VARVE_OK) {
        return transfer->status; /* it was us who ended it */
    }
    if (transfer->answer->failed || code == CURLE_OUT_OF_MEMORY) {
        return varve_error_set(transfer->error, VARVE_NOMEM, "out of memory for an answer");
    }
    const char *reason = remote->curl.easy_strerror(code);
    if (code == CURLE_URL_MALFORMAT) {
        return varve_error_set(transfer->error, VARVE_INVALID, "--server: %s: %.*s", reason, (int)remote->url_len,
                               remote->url);
    }
    bool sent = transfer->request->content_type != NULL && code != CURLE_COULDNT_CONNECT &&
                code != CURLE_COULDNT_RESOLVE_HOST && code != CURLE_COULDNT_RESOLVE_PROXY;
    if (sent) {
        return varve_error_set(transfer->error, VARVE_INDETERMINATE,
                               "%.*s took the request and did not answer (%s); it may have been done",
                               (int)remote->url_len, remote->url, reason);
    }
    return varve_error_set(transfer->error, VARVE_UNAVAILABLE, "cannot reach %.*s: %s", (int)remote->url_len,
                           remote->url, reason);
}

/* Appends a header; on failure the list is freed and NULL. */
static struct curl_slist *add_header(const struct curl_functions *curl, struct curl_slist *list, const char *name,
                                     const char *value)
{
    varve_buf line = { 0 };
    varve_buf_printf(&line, "%s: %s", name, value);
    struct curl_slist *longer = line.failed ? NULL : curl->slist_append(list, line.ptr);
    if (longer == NULL) {
        curl->slist_free_all(list);
    }
    varve_buf_fini(&line);
    return longer;
}

static struct curl_slist *make_headers(const struct curl_functions *curl, const struct remote_request *request)
{
    const char *accept = request->accept == NULL ? "application/json" : request->accept;
    struct curl_slist *list = add_header(curl, NULL, "Accept", accept);
    if (list != NULL && request->content_type != NULL) {
        list = add_header(curl, list, "Content-Type", request->content_type);
        /* A large body must not wait a second for permission. */
        list = list == NULL ? NULL : curl->slist_append(list, "Expect:");
    }
    if (list != NULL && request->traceparent != NULL) {
        list = add_header(curl, list, "traceparent", request->traceparent);
    }
    return list;
}

/* Describes the request to libcurl; the handle keeps its connection from one request to the next. */
static void set_options(struct transfer *transfer, const char *url, struct curl_slist *headers)
{
    const struct remote *remote = transfer->remote;
    const struct remote_request *request = transfer->request;
    const struct curl_functions *curl = &remote->curl;
    CURL *handle = remote->handle;
    const char *host = strstr(remote->url, "//") + 2;
    curl->easy_reset(handle);
    curl->easy_setopt(handle, CURLOPT_URL, url);
    curl->easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl->easy_setopt(handle, CURLOPT_USERAGENT, "varve");
    curl->easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl->easy_setopt(handle, CURLOPT_TIMEOUT, request->line == NULL ? (long)ANSWER_SECONDS : 0L);
    /* Lines may come for hours, but never more than this without a byte: a live stream has its heartbeats. */
    curl->easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, request->line == NULL ? 0L : 1L);
    curl->easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, request->line == NULL ? 0L : (long)SILENT_SECONDS);
    curl->easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive);
    curl->easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    if (is_loopback(varve_str_of(host))) {
        curl->easy_setopt(handle, CURLOPT_PROXY, ""); /* this machine is never reached through a proxy */
    }
    if (request->content_type != NULL) {
        curl->easy_setopt(handle, CURLOPT_POST, 1L);
        curl->easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl->easy_setopt(handle, CURLOPT_POSTFIELDS, request->body.len == 0 ? "" : request->body.ptr);
    }
}

varve_status remote_send(struct remote *remote, const struct remote_request *request, varve_buf *answer,
                         varve_error *error)
{
    struct transfer transfer = { .remote = remote, .request = request, .answer = answer, .error = error };
    varve_buf url = { 0 };
    varve_status status = VARVE_OK;
    varve_buf_reset(answer);
    varve_buf_add(&url, remote->url, remote->url_len);
    varve_buf_str(&url, request->path);
    struct curl_slist *headers = make_headers(&remote->curl, request);
    if (url.failed || headers == NULL) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory for a request");
        goto done;
    }
    set_options(&transfer, url.ptr, headers);
    CURLcode code = remote->curl.easy_perform(remote->handle);
    long http = 0;
    remote->curl.easy_getinfo(remote->handle, CURLINFO_RESPONSE_CODE, &http);
    if (code != CURLE_OK) {
        status = broken(&transfer, code);
    } else if (http < 200 || http > 299) {
        status = problem(&transfer, http);
    }

done:
    remote->curl.slist_free_all(headers);
    varve_buf_fini(&transfer.partial);
    varve_buf_fini(&url);
    return status;
}

varve_status remote_ask(const char *url, varve_str path, const char *content_type, varve_str body, varve_buf *answer,
                        varve_error *error)
{
    struct remote *remote = NULL;
    varve_status status = remote_open(&remote, url, error);
    if (remote != NULL) {
        struct remote_request request = { .path = path, .body = body, .content_type = content_type };
        status = remote_send(remote, &request, answer, error);
    }
    remote_close(remote);
    return status;
}

static void add_escaped(varve_buf *path, varve_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool plain = byte > 0x20 && byte < 0x7F && (isalnum(byte) || strchr("-._~", byte) != NULL);
        varve_buf_printf(path, plain ? "%c" : "%%%02X", byte);
    }
}

void remote_segment(varve_buf *path, varve_str segment)
{
    varve_buf_add(path, "/", 1);
    add_escaped(path, segment);
}

void remote_parameter(varve_buf *path, const char *name, varve_str value)
{
    bool first = path->len == 0 || memchr(path->ptr, '?', path->len) == NULL;
    varve_buf_add(path, first ? "?" : "&", 1);
    add_escaped(path, varve_str_of(name));
    varve_buf_add(path, "=", 1);
    add_escaped(path, value);
}

void remote_list(varve_buf *path, const char *name, const varve_str *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i == 0) {
            remote_parameter(path, name, values[i]);
        } else {
            varve_buf_add(path, ",", 1);
            add_escaped(path, values[i]);
        }
    }
}

void remote_number(varve_buf *path, const char *name, uint64_t value)
{
    if (value != 0) {
        char text[24];
        snprintf(text, sizeof(text), "%" PRIu64, value);
        remote_parameter(path, name, varve_str_of(text));
    }
}
