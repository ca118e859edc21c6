/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server on an engine: JSON over HTTP/1.1, answers and problems as docs/ and routes.c have
 * them. It installs no signal handlers and writes to nothing but its sockets.
 */
#ifndef VARVE_SERVER_SERVER_H
#define VARVE_SERVER_SERVER_H

#include <varve/engine.h>

struct server;

struct server_options {
    varve_engine *engine;    /* started; borrowed until server_close returns */
    const char *listen;      /* "127.0.0.1:8080"; port 0 picks a free one; NULL means 127.0.0.1:8080 */
    unsigned threads;        /* that speak HTTP; 0 means 2 */
    unsigned workers;        /* that read the store and ask queries; 0 means 4 */
    unsigned connections;    /* at the same time at most; 0 means 2560, or fewer as the limit on open files has it */
    uint32_t heartbeat_ms;   /* of event streams; 0 means 15000 */
    unsigned idle_s;         /* without a byte in either direction until a connection is closed; 0 means 30 */
    uint32_t arrival_ms;     /* that a request may take to arrive, and 1 s more for each 10 KB of body; 0 means 30000 */
    size_t body_bytes;       /* of requests' bodies held at the same time at most; 0 means 256 MiB */
    uint64_t page_positions; /* that a page of the filtered log looks at, at most; 0 means 100000 */
    varve_log_function log;  /* NULL: silent */
    void *log_ctx;
};

/*
 * Listens and answers; close it with server_close. VARVE_INVALID: `listen` is no address;
 * VARVE_UNSUPPORTED: not a loopback address; VARVE_UNAVAILABLE: the port is in use; VARVE_NOMEM.
 */
varve_status server_open(struct server **server, const struct server_options *options, varve_error *error);

/* The address it is bound to, such as "127.0.0.1:8080". Borrowed from the server. */
const char *server_address(const struct server *server);
uint16_t server_port(const struct server *server);

/*
 * Refuses new requests, ends event streams, answers what is under way (for 10 s at most, then
 * what is still being sent is cut off) and frees the server. Before varve_engine_close. NULL is
 * allowed.
 */
void server_close(struct server *server);

#endif
