/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bare_http.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/place.h"

enum { BODY_BYTES = 2048, FILE_BYTES = 32 << 20, AT_ONCE = 1024 };

struct exchange {
    struct exchange *next;
    struct MHD_Connection *connection;
    size_t len;
    bool waited, failed;
    char body[BODY_BYTES];
};

struct bare_http {
    struct MHD_Daemon *daemon;
    struct MHD_Response *accepted, *refused;
    int fd;
    size_t offset;
    pthread_t flusher;
    bool flushing; /* the thread runs */

    pthread_mutex_t lock;
    pthread_cond_t work;
    struct exchange *waiting;
    bool closing;
    uint64_t flushes, bodies;

    char batch[AT_ONCE * BODY_BYTES];
};

/* One write and one flush for all of them; the file has its size already and is written round and round. */
static bool flush(struct bare_http *http, const struct exchange *waiting)
{
    size_t len = 0;
    for (; waiting != NULL && len + waiting->len <= sizeof http->batch; waiting = waiting->next) {
        memcpy(http->batch + len, waiting->body, waiting->len);
        len += waiting->len;
    }
    if (http->offset + len > FILE_BYTES) http->offset = 0;
    bool done = waiting == NULL && pwrite(http->fd, http->batch, len, (off_t)http->offset) == (ssize_t)len &&
                fdatasync(http->fd) == 0;
    http->offset += len;
    return done;
}

static void *run(void *argument)
{
    struct bare_http *http = argument;
    pthread_mutex_lock(&http->lock);
    for (;;) {
        while (http->waiting == NULL && !http->closing) pthread_cond_wait(&http->work, &http->lock);
        struct exchange *batch = http->waiting;
        http->waiting = NULL;
        http->flushes += batch != NULL;
        pthread_mutex_unlock(&http->lock);
        if (batch == NULL) return NULL;
        bool done = flush(http, batch);
        uint64_t bodies = 0;
        while (batch != NULL) {
            struct exchange *next = batch->next;
            batch->waited = true;
            batch->failed = !done;
            MHD_resume_connection(batch->connection); /* the exchange may be over by now */
            batch = next;
            bodies++;
        }
        pthread_mutex_lock(&http->lock);
        http->bodies += bodies;
    }
}

static enum MHD_Result wait_for_flush(struct bare_http *http, struct exchange *exchange)
{
    enum MHD_Result result = MHD_YES;
    pthread_mutex_lock(&http->lock);
    if (http->closing) {
        result = MHD_queue_response(exchange->connection, MHD_HTTP_SERVICE_UNAVAILABLE, http->refused);
    } else {
        MHD_suspend_connection(exchange->connection);
        exchange->next = http->waiting;
        http->waiting = exchange;
        pthread_cond_signal(&http->work);
    }
    pthread_mutex_unlock(&http->lock);
    return result;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **context)
{
    struct bare_http *http = cls;
    struct exchange *exchange = *context;
    (void)url;
    (void)method;
    (void)version;
    if (exchange == NULL) {
        exchange = malloc(sizeof *exchange);
        if (exchange == NULL) return MHD_NO;
        exchange->connection = connection;
        exchange->len = 0;
        exchange->waited = exchange->failed = false;
        *context = exchange;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        if (*upload_size > BODY_BYTES - exchange->len) return MHD_NO;
        memcpy(exchange->body + exchange->len, upload, *upload_size);
        exchange->len += *upload_size;
        *upload_size = 0;
        return MHD_YES;
    }
    if (!exchange->waited) return wait_for_flush(http, exchange);
    if (exchange->failed) return MHD_queue_response(connection, MHD_HTTP_SERVICE_UNAVAILABLE, http->refused);
    return MHD_queue_response(connection, MHD_HTTP_OK, http->accepted);
}

static void on_over(void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how)
{
    (void)cls;
    (void)connection;
    (void)how;
    free(*context);
    *context = NULL;
}

static struct MHD_Response *response(const char *text)
{
    struct MHD_Response *made =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    if (made != NULL) MHD_add_response_header(made, "Content-Type", "application/json");
    return made;
}

static varve_status start(struct bare_http *http, unsigned threads, varve_error *error)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    http->accepted = response("{\"stream\":\"order-000001\",\"version\":1,\"first_position\":100001,"
                              "\"last_position\":100001}");
    http->refused = response("{}");
    if (http->accepted == NULL || http->refused == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    http->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
                                    http, MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_SOCK_ADDR, &address,
                                    MHD_OPTION_NOTIFY_COMPLETED, on_over, NULL, MHD_OPTION_END);
    if (http->daemon == NULL) return varve_error_set(error, VARVE_UNAVAILABLE, "the bare endpoint cannot be started");
    http->flushing = pthread_create(&http->flusher, NULL, run, http) == 0;
    return http->flushing ? VARVE_OK : varve_error_set(error, VARVE_NOMEM, "no thread for the bare endpoint");
}

varve_status bare_http_open(struct bare_http **out, const char *path, unsigned threads, varve_error *error)
{
    struct bare_http *http = calloc(1, sizeof *http);
    if (http == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    http->fd = -1;
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->work, NULL);
    varve_status status = place_filled(path, FILE_BYTES, &http->fd, error);
    if (status >= 0) status = start(http, threads, error);
    if (status < 0) {
        bare_http_close(http);
        return status;
    }
    *out = http;
    return VARVE_OK;
}

uint16_t bare_http_port(const struct bare_http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info == NULL ? 0 : info->port;
}

void bare_http_counts(struct bare_http *http, uint64_t *flushes, uint64_t *bodies)
{
    pthread_mutex_lock(&http->lock);
    *flushes = http->flushes;
    *bodies = http->bodies;
    pthread_mutex_unlock(&http->lock);
}

void bare_http_close(struct bare_http *http)
{
    if (http == NULL) return;
    if (http->flushing) {
        pthread_mutex_lock(&http->lock);
        http->closing = true;
        pthread_cond_signal(&http->work);
        pthread_mutex_unlock(&http->lock);
        pthread_join(http->flusher, NULL); /* from here on nothing is suspended */
    }
    if (http->daemon != NULL) MHD_stop_daemon(http->daemon);
    if (http->accepted != NULL) MHD_destroy_response(http->accepted);
    if (http->refused != NULL) MHD_destroy_response(http->refused);
    if (http->fd >= 0) close(http->fd);
    pthread_cond_destroy(&http->work);
    pthread_mutex_destroy(&http->lock);
    free(http);
}
