/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/follow.h"
#include "server/http.h"
#include "server/listen.h"
#include "server/metrics.h"
#include "server/page.h"
#include "server/waits.h"

#define DRAIN_MS    10000u
#define CONNECTIONS 2560u /* half of them may be event streams, and half wait for events */
#define IDLE_S      30u
#define ARRIVAL_MS  30000u
#define BODY_BYTES  ((size_t)256 << 20)

struct server {
    struct backend backend;
    struct http *http;
    int listen_fd;
    uint16_t port;
    char address[LISTEN_TEXT_BYTES];
};

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value == 0 ? otherwise : value;
}

/* A connection takes a descriptor, and one more as an event stream or while it waits; the rest needs some. */
static unsigned connections_within_limits(unsigned wanted)
{
    struct rlimit limit = { 0 };
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
    rlim_t possible = limit.rlim_cur > 96 ? (limit.rlim_cur - 64) / 2 : 16;
    return possible < wanted ? (unsigned)possible : wanted;
}

varve_status server_open(struct server **opened, const struct server_options *options, varve_error *error)
{
    const char *listen = options->listen == NULL ? "127.0.0.1:8080" : options->listen;
    unsigned connections = connections_within_limits(or_default(options->connections, CONNECTIONS));
    *opened = NULL;
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    struct backend *backend = &server->backend;
    server->listen_fd = -1;
    backend->engine = options->engine;
    backend->store = varve_engine_store(options->engine);
    backend->log = (struct log){ options->log, options->log_ctx };
    backend->page_positions = options->page_positions == 0 ? PAGE_POSITIONS : options->page_positions;
    backend->metrics = metrics_new();
    shapes_pool_init(&backend->shapes, options->engine);

    varve_status status = VARVE_OK;
    if (backend->metrics == NULL) status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    if (status >= 0) status = listen_open(&server->listen_fd, listen, server->address, &server->port, error);
    if (status >= 0) status = workers_open(&backend->workers, or_default(options->workers, 4), error);
    if (status >= 0) {
        struct follow_options follow = { backend->workers, connections / 2, or_default(options->heartbeat_ms, 15000) };
        status = follow_open(&backend->follow, &follow, error);
    }
    if (status >= 0) status = waits_open(&backend->waits, backend->workers, connections / 2, error);
    if (status >= 0) {
        struct http_options http = {
            .listen_fd = server->listen_fd,
            .threads = or_default(options->threads, 2),
            .connections = connections,
            .body_bytes = options->body_bytes == 0 ? BODY_BYTES : options->body_bytes,
            .idle_s = or_default(options->idle_s, IDLE_S),
            .arrival_ms = or_default(options->arrival_ms, ARRIVAL_MS),
            .backend = backend,
        };
        status = http_open(&server->http, &http, error);
    }
    if (status < 0) {
        server_close(server);
        return status;
    }
    *opened = server;
    return VARVE_OK;
}

const char *server_address(const struct server *server)
{
    return server->address;
}

uint16_t server_port(const struct server *server)
{
    return server->port;
}

void server_close(struct server *server)
{
    if (server == NULL) return;
    if (server->http != NULL) {
        http_refuse(server->http);
        follow_end(server->backend.follow);
        waits_end(server->backend.waits);
        http_close(server->http, DRAIN_MS);
    } else if (server->listen_fd >= 0) {
        close(server->listen_fd);
    }
    workers_close(server->backend.workers);
    follow_close(server->backend.follow);
    waits_close(server->backend.waits);
    metrics_free(server->backend.metrics);
    shapes_pool_fini(&server->backend.shapes);
    free(server);
}
