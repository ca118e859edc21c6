/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How libmicrohttpd is used. Its threads poll with epoll and call `on_request` several times a
 * request: once with the headers, then with pieces of the body, then once without, and again after
 * every resume until an answer is queued. A connection may only be suspended from within a call of
 * on_request or of a content reader, and the library aborts when it is stopped with a connection
 * suspended: `suspended` counts them, and http_close waits for it.
 */
#include "server/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "server/deadline.h"
#include "server/metrics.h"
#include "server/problem.h"
#include "server/routes.h"

#define CONNECTION_MEMORY (32u * 1024u) /* headers take half of it at most, the rest is for sending */
#define BYTES_A_SECOND    10240u        /* that a body must come with, once its first time is over */

struct http {
    struct MHD_Daemon *daemon;
    struct backend *backend;
    size_t body_bytes; /* as in the options */
    uint32_t arrival_ms;
    uint64_t idle_ns;
    struct deadlines *deadlines;
    atomic_bool refusing;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    size_t under_way; /* requests handed to a handler and not over */
    size_t suspended;
    bool cutting; /* nothing may be suspended any more */
};

/* A request and what the transport knows about it. */
struct exchange {
    struct request request; /* first, so that the one is found from the other */
    struct http *http;
    struct MHD_Connection *connection;
    struct deadline *deadline; /* the connection's */
    bool begun, handled;
    bool answered; /* request_send was called */
    bool suspended;
    bool counted;     /* in under_way */
    bool last;        /* the connection ends with this answer */
    bool crowded;     /* there is no room for its body */
    bool late;        /* it took too long to arrive */
    uint64_t came_ns; /* when its first line had come */
    size_t received;  /* bytes of the body */
    size_t held;      /* bytes of the body, counted in the metrics */
    size_t uri_len;
    char uri[]; /* as it came, and behind it the memory for its decoded parts */
};

static const char out_of_memory[] = "{\"type\":\"urn:varve:problem:out-of-memory\","
                                    "\"title\":\"memory could not be allocated\",\"status\":503}";

/* ---- suspending ---- */

static bool suspend(struct exchange *exchange)
{
    struct http *http = exchange->http;
    pthread_mutex_lock(&http->lock);
    bool allowed = !http->cutting;
    if (allowed) http->suspended++;
    pthread_mutex_unlock(&http->lock);
    if (!allowed) return false;
    exchange->suspended = true;
    MHD_suspend_connection(exchange->connection);
    return true;
}

static void resume(struct exchange *exchange)
{
    struct http *http = exchange->http;
    exchange->suspended = false;
    MHD_resume_connection(exchange->connection);
    /* The exchange may be over by now. */
    pthread_mutex_lock(&http->lock);
    if (--http->suspended == 0) pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
}

bool request_suspend(struct request *request)
{
    return suspend((struct exchange *)request);
}

void request_resume(struct request *request)
{
    resume((struct exchange *)request);
}

void request_send(struct request *request, unsigned status)
{
    struct exchange *exchange = (struct exchange *)request;
    request->answer.status = status;
    exchange->answered = true;
    if (exchange->suspended) resume(exchange);
}

/* ---- a connection, and how long the next request may take ---- */

/* When a connection is cut off that has nothing to wait for: it may idle, and then its request has its time. */
static uint64_t first_deadline(const struct http *http)
{
    return clock_ns() + http->idle_ns + (uint64_t)http->arrival_ms * 1000000u;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *http = cls;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) { /* its socket is still open */
        deadline_remove(http->deadlines, *context);
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *context = deadline_add(http->deadlines, fd, first_deadline(http));
    if (*context == NULL) shutdown(fd, SHUT_RDWR);
}

/* Until when a request that comes at the least rate has come, in clock_ns. */
static uint64_t due_ns(const struct exchange *exchange)
{
    uint64_t allowed_ms = exchange->http->arrival_ms + (uint64_t)exchange->received * 1000u / BYTES_A_SECOND;
    return exchange->came_ns + allowed_ms * 1000000u;
}

static bool is_late(const struct exchange *exchange)
{
    return clock_ns() > due_ns(exchange);
}

/* What comes late is told so; what still does not come is cut off. */
static void await_more(struct exchange *exchange)
{
    deadline_set(exchange->deadline, due_ns(exchange) + exchange->http->idle_ns);
}

/* ---- a request arrives ---- */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    size_t len = uri == NULL ? 0 : strlen(uri);
    struct deadline *deadline = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct exchange *exchange = deadline == NULL ? NULL : calloc(1, sizeof *exchange + 2 * len + 1);
    if (exchange == NULL) return NULL;
    exchange->deadline = deadline;
    exchange->http = cls;
    exchange->connection = connection;
    exchange->request.backend = exchange->http->backend;
    exchange->came_ns = clock_ns();
    exchange->uri_len = len;
    if (len > 0) memcpy(exchange->uri, uri, len);
    return exchange;
}

/* The library would decode the path before it is cut into segments: we do that ourselves. */
static size_t keep_encoded(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* What the headers say about the body's length, and how often. */
struct framing {
    struct request_headers *headers;
    unsigned lengths, encodings;
};

/* Headers that may come once: which of two is meant would be anybody's guess. */
static const struct {
    const char *name, *twice;
    size_t value; /* where in request_headers */
} singles[] = {
    { "host", "Host comes more than once", offsetof(struct request_headers, host) },
    { "content-type", "Content-Type comes more than once", offsetof(struct request_headers, content_type) },
    { "idempotency-key", "Idempotency-Key comes more than once", offsetof(struct request_headers, idempotency_key) },
    { "if-match", "If-Match comes more than once", offsetof(struct request_headers, if_match) },
    { "if-none-match", "If-None-Match comes more than once", offsetof(struct request_headers, if_none_match) },
    { "last-event-id", "Last-Event-ID comes more than once", offsetof(struct request_headers, last_event_id) },
};

static bool take_single(struct request_headers *headers, varve_str name, varve_str text)
{
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
        if (!admit_same(name, singles[i].name)) continue;
        varve_str *value = (varve_str *)(void *)((char *)headers + singles[i].value);
        if (value->ptr != NULL) headers->framing_problem = singles[i].twice;
        *value = text;
        return true;
    }
    return false;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                 const char *value, size_t value_size)
{
    struct framing *framing = cls;
    struct request_headers *headers = framing->headers;
    varve_str name = { key, key_size }, text = { value == NULL ? "" : value, value_size };
    (void)kind;
    if (take_single(headers, name, text)) return MHD_YES;
    if (admit_same(name, "content-length")) {
        if (!target_digits(text, &headers->content_length)) headers->framing_problem = "Content-Length is no number";
        framing->lengths++;
    } else if (admit_same(name, "transfer-encoding")) {
        if (!admit_same(text, "chunked")) headers->framing_problem = "Transfer-Encoding can only be chunked";
        framing->encodings++;
    } else if (admit_same(name, "content-encoding")) {
        headers->encoded = true;
    } else if (admit_same(name, "accept")) {
        headers->accept = text;
    } else if (admit_same(name, "traceparent")) {
        headers->traceparent = text;
    } else if (name.len > 3 && admit_same((varve_str){ key, 3 }, "ce-")) {
        headers->cloudevent = true;
    }
    return MHD_YES;
}

static void read_headers(struct exchange *exchange)
{
    struct request_headers *headers = &exchange->request.headers;
    struct framing framing = { headers, 0, 0 };
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, on_header, &framing);
    if (framing.lengths > 1) headers->framing_problem = "Content-Length comes more than once";
    if (framing.encodings > 1) headers->framing_problem = "Transfer-Encoding comes more than once";
    if (framing.lengths > 0 && framing.encodings > 0) {
        headers->framing_problem = "Content-Length and Transfer-Encoding exclude each other";
    }
    headers->has_body = headers->content_length > 0 || framing.encodings > 0;
    exchange->last = headers->framing_problem != NULL;
}

/* ---- answering ---- */

static ssize_t on_more(void *cls, uint64_t offset, char *bytes, size_t max)
{
    struct exchange *exchange = cls;
    (void)offset;
    ssize_t count = exchange->request.answer.read(&exchange->request, bytes, max);
    if (count == ANSWER_END) return MHD_CONTENT_READER_END_OF_STREAM;
    return count == ANSWER_BROKEN ? MHD_CONTENT_READER_END_WITH_ERROR : count;
}

static struct MHD_Response *new_response(struct exchange *exchange)
{
    struct answer *answer = &exchange->request.answer;
    if (answer->read != NULL) {
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, CONNECTION_MEMORY, on_more, exchange, NULL);
    }
    if (answer->body.failed) {
        answer->status = 503;
        return MHD_create_response_from_buffer(sizeof out_of_memory - 1, (void *)(uintptr_t)out_of_memory,
                                               MHD_RESPMEM_PERSISTENT);
    }
    /* The text stays ours until the request is over. */
    return MHD_create_response_from_buffer(answer->body.len, answer->body.ptr, MHD_RESPMEM_PERSISTENT);
}

static bool add_headers(struct exchange *exchange, struct MHD_Response *response)
{
    const struct answer *answer = &exchange->request.answer;
    const char *type = answer->status < 400 ? "application/json" : "application/problem+json";
    char etag[24];
    if (answer->content_type != NULL) type = answer->content_type;
    if (MHD_add_response_header(response, "Content-Type", type) != MHD_YES) return false;
    if (answer->etag > 0) {
        snprintf(etag, sizeof etag, "\"%llu\"", (unsigned long long)answer->etag);
        if (MHD_add_response_header(response, "ETag", etag) != MHD_YES) return false;
    }
    if (answer->allow != NULL && MHD_add_response_header(response, "Allow", answer->allow) != MHD_YES) return false;
    if (answer->incarnation[0] != '\0' &&
        MHD_add_response_header(response, "Varve-Incarnation", answer->incarnation) != MHD_YES) {
        return false;
    }
    if (answer->status == 503 && MHD_add_response_header(response, "Retry-After", "1") != MHD_YES) return false;
    if (answer->read != NULL && MHD_add_response_header(response, "Cache-Control", "no-store") != MHD_YES) return false;
    bool last = exchange->last || atomic_load_explicit(&exchange->http->refusing, memory_order_relaxed);
    return !last || MHD_add_response_header(response, "Connection", "close") == MHD_YES;
}

static enum MHD_Result queue_answer(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    struct MHD_Response *response = new_response(exchange);
    enum MHD_Result result = MHD_NO; /* closes the connection */
    deadline_set(exchange->deadline, DEADLINE_NONE);
    exchange->handled = true; /* a library that is shutting down forgets the answer, and asks once more */
    if (response == NULL) return MHD_NO;
    if (add_headers(exchange, response)) {
        metrics_count(request->backend->metrics, routes_index(request->route), request->answer.status);
        result = MHD_queue_response(exchange->connection, request->answer.status, response);
    }
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct exchange *exchange, varve_status status, const char *detail)
{
    exchange->request.answer.status = problem_http_status(status);
    problem_write(status, detail, &exchange->request.answer.body);
    return queue_answer(exchange);
}

static enum MHD_Result refuse_late(struct exchange *exchange)
{
    struct answer *answer = &exchange->request.answer;
    exchange->last = true;
    answer->status = problem_write_http(PROBLEM_LATE, "send headers and body without pauses", &answer->body);
    return queue_answer(exchange);
}

/* ---- handling ---- */

bool request_is_stopping(const struct request *request)
{
    const struct exchange *exchange = (const struct exchange *)request;
    return atomic_load_explicit(&exchange->http->refusing, memory_order_relaxed);
}

static void run_job(struct job *job)
{
    struct request *request = request_of_job(job);
    request->route->handle(request);
}

static enum MHD_Result begin(struct exchange *exchange, const char *method)
{
    struct request *request = &exchange->request;
    exchange->begun = true;
    await_more(exchange);
    request->method = method;
    read_headers(exchange);
    if (atomic_load_explicit(&exchange->http->refusing, memory_order_relaxed)) {
        return refuse(exchange, VARVE_UNAVAILABLE, "the server is stopping");
    }
    if (is_late(exchange)) return refuse_late(exchange);
    varve_str uri = { exchange->uri, exchange->uri_len };
    if (routes_admit(request, uri, exchange->uri + exchange->uri_len)) return MHD_YES;
    if (request->headers.has_body) return queue_answer(exchange);
    /* An answer queued during this first call would end the connection. */
    exchange->answered = true;
    return MHD_YES;
}

/* Counts bytes that are about to be held; false when all requests together would hold too many. */
static bool hold(struct exchange *exchange, size_t len)
{
    struct http *http = exchange->http;
    exchange->held += len;
    return metrics_hold(http->backend->metrics, len) <= http->body_bytes;
}

static void drop_body(struct exchange *exchange)
{
    varve_buf_fini(&exchange->request.body);
    metrics_let_go(exchange->http->backend->metrics, exchange->held);
    exchange->held = 0;
}

/*
 * Keeps a piece of the body, or only counts it when the request is to be refused: an answer has to wait for the end
 * of the body. A body that is far too large, or late and still not at its end, is cut off instead.
 */
static enum MHD_Result take_body(struct exchange *exchange, const char *bytes, size_t *len)
{
    struct request *request = &exchange->request;
    size_t max = request->route->body_max;
    if (exchange->late) return MHD_NO;
    exchange->late = is_late(exchange);
    exchange->received += *len;
    await_more(exchange);
    if (exchange->received > 2 * max + CONNECTION_MEMORY) return MHD_NO;
    if (exchange->late || exchange->crowded || exchange->received > max) {
        drop_body(exchange);
    } else if (hold(exchange, *len)) {
        varve_buf_add(&request->body, bytes, *len);
    } else {
        exchange->crowded = true;
        drop_body(exchange);
    }
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result handle(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    struct http *http = exchange->http;
    exchange->handled = true;
    deadline_set(exchange->deadline, DEADLINE_NONE);
    if (exchange->late) return refuse_late(exchange);
    if (exchange->received > request->route->body_max)
        return refuse(exchange, VARVE_TOO_LARGE, "the body is too large");
    if (exchange->crowded) return refuse(exchange, VARVE_BUSY, "too many bytes of other requests are held already");
    if (request->body.failed) return refuse(exchange, VARVE_NOMEM, "out of memory");
    exchange->counted = true;
    pthread_mutex_lock(&http->lock);
    http->under_way++;
    pthread_mutex_unlock(&http->lock);
    if (request->route->run == RUN_AT_ONCE) {
        request->route->handle(request);
        return queue_answer(exchange);
    }
    if (!suspend(exchange)) return refuse(exchange, VARVE_UNAVAILABLE, "the server is stopping");
    /* From here on the request may be on another thread: it is looked at again after the resume. */
    if (request->route->run == RUN_MAY_WAIT) {
        request->job.run = run_job;
        workers_submit(request->backend->workers, &request->job);
    } else {
        request->route->handle(request);
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **context)
{
    struct exchange *exchange = *context;
    (void)cls;
    (void)connection;
    (void)url;
    (void)version;
    if (exchange == NULL) return MHD_NO;
    if (!exchange->begun) return begin(exchange, method);
    if (*upload_size > 0) return take_body(exchange, upload, upload_size);
    if (exchange->answered) return queue_answer(exchange);
    return exchange->handled ? MHD_YES : handle(exchange);
}

static void on_over(void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how)
{
    struct exchange *exchange = *context;
    struct http *http = cls;
    (void)connection;
    (void)how;
    if (exchange == NULL) return;
    *context = NULL;
    deadline_set(exchange->deadline, first_deadline(http)); /* the connection may go on */
    struct request *request = &exchange->request;
    if (request->own_free != NULL) request->own_free(request->own);
    arena_fini(&request->arena);
    drop_body(exchange);
    varve_buf_fini(&request->answer.body);
    if (exchange->counted) {
        pthread_mutex_lock(&http->lock);
        if (--http->under_way == 0) pthread_cond_broadcast(&http->changed);
        pthread_mutex_unlock(&http->lock);
    }
    free(exchange);
}

/* ---- opening and closing ---- */

static void on_log(void *cls, const char *format, va_list args) VARVE_PRINTF(2, 0);

static void on_log(void *cls, const char *format, va_list args)
{
    const struct http *http = cls;
    char line[256];
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    log_line(&http->backend->log, VARVE_LOG_DEBUG, "http: %s", line);
}

varve_status http_open(struct http **opened, const struct http_options *options, varve_error *error)
{
    struct http *http = calloc(1, sizeof *http);
    *opened = NULL;
    if (http == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    http->backend = options->backend;
    http->body_bytes = options->body_bytes;
    http->arrival_ms = options->arrival_ms;
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->changed, NULL);
    http->idle_ns = (uint64_t)options->idle_s * 1000000000u;
    varve_status status =
        deadlines_open(&http->deadlines, options->arrival_ms / 4 + 1, options->backend->metrics, error);
    if (status < 0) {
        http_close(http, 0);
        return status;
    }
    http->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                         on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http, MHD_OPTION_LISTEN_SOCKET,
                         options->listen_fd, MHD_OPTION_THREAD_POOL_SIZE, options->threads, MHD_OPTION_CONNECTION_LIMIT,
                         options->connections, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_s,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                         MHD_OPTION_URI_LOG_CALLBACK, on_uri, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL,
                         MHD_OPTION_NOTIFY_COMPLETED, on_over, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                         MHD_OPTION_END);
    if (http->daemon == NULL) {
        http_close(http, 0);
        return varve_error_set(error, VARVE_UNAVAILABLE, "the HTTP server cannot be started");
    }
    *opened = http;
    return VARVE_OK;
}

void http_refuse(struct http *http)
{
    atomic_store(&http->refusing, true);
}

void http_close(struct http *http, uint32_t drain_ms)
{
    if (http == NULL) return;
    struct timespec deadline = clock_deadline(drain_ms);
    int late = 0;
    pthread_mutex_lock(&http->lock);
    while (http->under_way > 0 && late == 0) {
        late = pthread_cond_clockwait(&http->changed, &http->lock, CLOCK_MONOTONIC, &deadline);
    }
    http->cutting = true;
    while (http->suspended > 0) pthread_cond_wait(&http->changed, &http->lock);
    pthread_mutex_unlock(&http->lock);
    if (http->daemon != NULL) MHD_stop_daemon(http->daemon);
    deadlines_close(http->deadlines);
    pthread_cond_destroy(&http->changed);
    pthread_mutex_destroy(&http->lock);
    free(http);
}
