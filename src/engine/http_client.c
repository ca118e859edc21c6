/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/http_client.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/curl.h"
#include "engine/address.h"

enum { ORIGIN_BYTES = 300, REDIRECTS_MAX = 3, DEFAULT_RETRIES = 2, FIRST_PAUSE_MS = 100, PAUSE_DOUBLINGS_MAX = 4 };

struct http_client {
    bool allow_private;
    pthread_mutex_t mutex; /* of loading */
    bool loaded;
    struct curl_functions curl;
};

/* One try. */
struct transfer {
    const struct http_client *client;
    const struct http_until *until;
    varve_buf body;
    bool too_large;
    char refused[INET6_ADDRSTRLEN]; /* the private address that it would have gone to */
};

/* ---- opening ---- */

varve_status http_client_open(struct http_client **out, bool allow_private, varve_error *error)
{
    struct http_client *client = calloc(1, sizeof *client);
    if (client == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    client->allow_private = allow_private;
    pthread_mutex_init(&client->mutex, NULL);
    *out = client;
    return VARVE_OK;
}

void http_client_close(struct http_client *client)
{
    if (client == NULL) return;
    if (client->loaded) client->curl.global_cleanup();
    pthread_mutex_destroy(&client->mutex);
    free(client);
}

static varve_status load(struct http_client *client, varve_error *error)
{
    varve_status status = VARVE_OK;
    pthread_mutex_lock(&client->mutex);
    if (!client->loaded) {
        status = curl_load(&client->curl, "HTTP of enrich", error);
        if (status >= 0 && client->curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            status = varve_error_set(error, VARVE_NOMEM, "libcurl could not be started");
        client->loaded = status >= 0;
    }
    pthread_mutex_unlock(&client->mutex);
    return status;
}

/* ---- checks ---- */

static bool is_token(varve_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (!isalnum(c) && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) return false;
    }
    return text.len > 0;
}

/* Without line ends, which would begin another header. */
static bool is_line(varve_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 && text.ptr[i] != '\t') return false;
    return true;
}

static bool begins(varve_str text, const char *with)
{
    size_t len = strlen(with);
    return text.len > len && strncasecmp(text.ptr, with, len) == 0;
}

static bool is_method(const varve_http_request *request, const char *method)
{
    if (request->method.len > 0) return varve_str_is(request->method, method);
    return strcmp(method, request->body.len > 0 ? "POST" : "GET") == 0;
}

static varve_status check_request(const varve_http_request *request, varve_error *error)
{
    if ((!begins(request->url, "http://") && !begins(request->url, "https://")) || !is_line(request->url))
        return varve_error_set(error, VARVE_INVALID, "a URL begins with http:// or https:// and is one line");
    if (request->method.len > 0 && !is_token(request->method))
        return varve_error_set(error, VARVE_INVALID, "an HTTP method is a word such as GET");
    if (is_method(request, "HEAD") && request->body.len > 0)
        return varve_error_set(error, VARVE_INVALID, "HEAD has no body");
    if (request->retries > VARVE_HTTP_RETRIES_MAX || request->header_count > VARVE_HTTP_HEADERS_MAX)
        return varve_error_set(error, VARVE_INVALID, "at most %d retries and %u headers", VARVE_HTTP_RETRIES_MAX,
                               VARVE_HTTP_HEADERS_MAX);
    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_token(request->headers[i].name) || !is_line(request->headers[i].value))
            return varve_error_set(error, VARVE_INVALID, "header %zu is none", i + 1);
    }
    return VARVE_OK;
}

/* ---- one try ---- */

/* Where a name leads is known here: this is what a redirect, or a name that changed, comes through too. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct transfer *transfer = ctx;
    const struct sockaddr *address = (const struct sockaddr *)(void *)&to->addr;
    (void)purpose;
    if (!transfer->client->allow_private && address_is_private(address)) {
        const void *bytes = address->sa_family == AF_INET6
                                ? (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr
                                : (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
        if (inet_ntop(address->sa_family, bytes, transfer->refused, sizeof transfer->refused) == NULL)
            snprintf(transfer->refused, sizeof transfer->refused, "unknown");
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t receive(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    size_t len = size * count;
    if (transfer->body.len + len > VARVE_HTTP_RESPONSE_BYTES_MAX) {
        transfer->too_large = true;
        return 0;
    }
    varve_buf_add(&transfer->body, bytes, len);
    return transfer->body.failed ? 0 : len;
}

static int look_whether_to_stop(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct transfer *transfer = ctx;
    (void)down_total, (void)down, (void)up_total, (void)up;
    return *transfer->until->stopping;
}

/* False when memory is out. */
static bool add_headers(const struct curl_functions *curl, const varve_http_request *request, struct curl_slist **list)
{
    varve_buf line = { 0 };
    bool added = true;
    for (size_t i = 0; i <= request->header_count && added; i++) {
        varve_buf_reset(&line);
        if (i == request->header_count) {
            varve_buf_str(&line, VARVE_STR("Expect:")); /* a body must not wait a second for permission */
        } else {
            varve_buf_str(&line, request->headers[i].name);
            varve_buf_str(&line, VARVE_STR(": "));
            varve_buf_str(&line, request->headers[i].value);
        }
        struct curl_slist *longer = line.failed ? NULL : curl->slist_append(*list, line.ptr);
        added = longer != NULL;
        if (added) *list = longer;
    }
    varve_buf_fini(&line);
    return added;
}

static void describe(CURL *handle, struct transfer *transfer, const varve_http_request *request)
{
    const struct curl_functions *curl = &transfer->client->curl;
    curl->easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(handle, CURLOPT_PROXY, ""); /* it would go where the address check does not see */
    curl->easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(handle, CURLOPT_USERAGENT, "varve");
    (void)curl->easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L); /* a name's resolver may take longer than the request */
    curl->easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl->easy_setopt(handle, CURLOPT_OPENSOCKETDATA, transfer);
    curl->easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive);
    curl->easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl->easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl->easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, look_whether_to_stop);
    curl->easy_setopt(handle, CURLOPT_XFERINFODATA, transfer);
    if (is_method(request, "HEAD")) curl->easy_setopt(handle, CURLOPT_NOBODY, 1L);
    if (request->body.len > 0 || is_method(request, "POST")) {
        curl->easy_setopt(handle, CURLOPT_POST, 1L);
        curl->easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl->easy_setopt(handle, CURLOPT_POSTFIELDS, request->body.len == 0 ? "" : request->body.ptr);
    }
}

/* Scheme, host and port: all that a message tells of a URL, which may carry what is secret. */
static void write_origin(const char *url, char origin[ORIGIN_BYTES])
{
    const char *end = strstr(url, "://"), *host = end == NULL ? url : end + 3;
    size_t scheme = (size_t)(host - url), len = strcspn(host, "/?#");
    for (size_t i = len; i > 0; i--) {
        if (host[i - 1] != '@') continue;
        host += i;
        len -= i;
        break;
    }
    snprintf(origin, ORIGIN_BYTES, "%.*s%.*s", (int)scheme, url, (int)len, host);
}

/* Only what may be done twice, nothing given for one origin to another, and nothing in the clear that was not. */
static bool may_follow(const varve_http_request *request, const char *from, const char *to)
{
    char one[ORIGIN_BYTES], other[ORIGIN_BYTES];
    if (!is_method(request, "GET") && !is_method(request, "HEAD")) return false;
    if (begins(varve_str_of(from), "https://") && !begins(varve_str_of(to), "https://")) return false;
    if (request->header_count == 0 && request->body.len == 0) return true;
    write_origin(from, one);
    write_origin(to, other);
    return strlen(one) < ORIGIN_BYTES - 1 && strcasecmp(one, other) == 0;
}

/* What a try that libcurl could not finish means. */
static varve_status broken(const struct transfer *transfer, CURLcode code, const char *url, varve_error *error)
{
    char origin[ORIGIN_BYTES];
    write_origin(url, origin);
    if (*transfer->until->stopping) return varve_error_set(error, VARVE_UNAVAILABLE, "the engine is stopping");
    if (transfer->body.failed || code == CURLE_OUT_OF_MEMORY)
        return varve_error_set(error, VARVE_NOMEM, "out of memory for an answer");
    if (transfer->too_large)
        return varve_error_set(error, VARVE_TOO_LARGE, "%.100s: the answer is larger than %u bytes", origin,
                               VARVE_HTTP_RESPONSE_BYTES_MAX);
    if (transfer->refused[0] != '\0')
        return varve_error_set(error, VARVE_DENIED,
                               "%.100s is at %s, no public address, which only --allow-private-addresses lets in",
                               origin, transfer->refused);
    const char *reason = transfer->client->curl.easy_strerror(code);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return varve_error_set(error, VARVE_INVALID, "%.100s: %s", origin, reason);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return varve_error_set(error, VARVE_TIMEOUT, "%.100s did not answer in time", origin);
    return varve_error_set(error, VARVE_UNAVAILABLE, "%.100s: %s", origin, reason);
}

static varve_status take_response(CURL *handle, struct transfer *transfer, varve_http_response *response,
                                  varve_error *error)
{
    const struct curl_functions *curl = &transfer->client->curl;
    const char *type = NULL;
    long status = 0;
    varve_http_response_fini(response); /* of an earlier try */
    struct arena *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory for an answer");
    response->memory = memory;
    curl->easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    curl->easy_getinfo(handle, CURLINFO_CONTENT_TYPE, &type);
    response->status = (unsigned)status;
    if (arena_copy(memory, varve_str_of(type == NULL ? "" : type), &response->content_type) &&
        arena_copy(memory, varve_buf_view(&transfer->body), &response->body))
        return VARVE_OK;
    varve_http_response_fini(response);
    return varve_error_set(error, VARVE_NOMEM, "out of memory for an answer");
}

/* Asks, and asks where the answer points to. `at` is the URL, which changes. libcurl would take headers along. */
static varve_status perform(CURL *handle, struct transfer *transfer, const varve_http_request *request, varve_buf *at,
                            uint32_t timeout_ms, varve_http_response *response, varve_error *error)
{
    const struct curl_functions *curl = &transfer->client->curl;
    uint64_t end = clock_ns() + timeout_ms * UINT64_C(1000000);
    for (int redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
        const char *next = NULL;
        uint64_t now = clock_ns();
        curl->easy_setopt(handle, CURLOPT_URL, at->ptr);
        curl->easy_setopt(handle, CURLOPT_TIMEOUT_MS, now < end ? (long)((end - now) / 1000000 + 1) : 1L);
        CURLcode code = curl->easy_perform(handle);
        if (code != CURLE_OK) return broken(transfer, code, at->ptr, error);
        curl->easy_getinfo(handle, CURLINFO_REDIRECT_URL, &next);
        if (next == NULL || !may_follow(request, at->ptr, next))
            return take_response(handle, transfer, response, error);
        varve_buf_reset(at);
        varve_buf_reset(&transfer->body);
        varve_buf_str(at, varve_str_of(next));
        if (at->failed) return varve_error_set(error, VARVE_NOMEM, "out of memory for a request");
    }
    char origin[ORIGIN_BYTES];
    write_origin(at->ptr, origin);
    return varve_error_set(error, VARVE_UNAVAILABLE, "%.100s: more than %d redirects", origin, REDIRECTS_MAX);
}

static varve_status try_once(const struct http_client *client, const varve_http_request *request,
                             const struct http_until *until, uint32_t timeout_ms, varve_http_response *response,
                             varve_error *error)
{
    const struct curl_functions *curl = &client->curl;
    struct transfer transfer = { .client = client, .until = until };
    struct curl_slist *headers = NULL;
    varve_buf at = { 0 };
    char method[64];
    varve_status status = VARVE_OK;
    CURL *handle = curl->easy_init();
    varve_buf_str(&at, request->url);
    if (handle == NULL || at.failed || !add_headers(curl, request, &headers)) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory for a request");
        goto done;
    }
    describe(handle, &transfer, request);
    curl->easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    snprintf(method, sizeof method, "%.*s", (int)request->method.len, request->method.ptr);
    if (request->method.len > 0 && !is_method(request, "HEAD"))
        curl->easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
    status = perform(handle, &transfer, request, &at, timeout_ms, response, error);

done:
    curl->slist_free_all(headers);
    if (handle != NULL) curl->easy_cleanup(handle);
    varve_buf_fini(&transfer.body);
    varve_buf_fini(&at);
    return status;
}

/* ---- tries ---- */

static uint32_t left_ms(const struct http_until *until)
{
    uint64_t now = clock_ns();
    if (now >= until->deadline_ns || *until->stopping) return 0;
    return (uint32_t)((until->deadline_ns - now + 999999) / 1000000);
}

static bool is_worth_another(varve_status status, const varve_http_response *response)
{
    if (status == VARVE_UNAVAILABLE || status == VARVE_TIMEOUT) return true;
    return status == VARVE_OK && (response->status == 429 || (response->status >= 502 && response->status <= 504));
}

/* Longer each time, half of it by chance, so that those who were refused together do not come back together. */
static uint32_t pause_ms(int tries)
{
    uint32_t most = (uint32_t)FIRST_PAUSE_MS << (tries < PAUSE_DOUBLINGS_MAX ? tries : PAUSE_DOUBLINGS_MAX);
    return most / 2 + (uint32_t)(clock_ns() / 1000 % (most / 2));
}

varve_status http_client_fetch(struct http_client *client, const varve_http_request *request,
                               const struct http_until *until, varve_http_response *response, varve_error *error)
{
    int retries = request->retries;
    if (retries == 0 && (is_method(request, "GET") || is_method(request, "HEAD"))) retries = DEFAULT_RETRIES;
    varve_status status = check_request(request, error);
    if (status >= 0) status = load(client, error);
    if (status < 0) return status;
    for (int tries = 0;; tries++) {
        uint32_t left = left_ms(until);
        uint32_t timeout_ms = request->timeout_ms == 0 || request->timeout_ms > left ? left : request->timeout_ms;
        if (left == 0) {
            status = varve_error_set(error, *until->stopping ? VARVE_UNAVAILABLE : VARVE_TIMEOUT,
                                     "no time is left to ask over HTTP");
            break;
        }
        status = try_once(client, request, until, timeout_ms, response, error);
        uint32_t pause = pause_ms(tries);
        if (!is_worth_another(status, response) || tries >= retries || pause >= left_ms(until)) break;
        nanosleep(&(struct timespec){ .tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000L }, NULL);
    }
    if (status < 0) varve_http_response_fini(response);
    return status;
}

void varve_http_response_fini(varve_http_response *response)
{
    struct arena *memory = response->memory;
    if (memory != NULL) {
        arena_fini(memory);
        free(memory);
    }
    *response = (varve_http_response){ 0 };
}
