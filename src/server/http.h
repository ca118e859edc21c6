/* SPDX-License-Identifier: Apache-2.0 */
/* The transport: HTTP/1.1 by libmicrohttpd, which no other file knows of. See also request.h. */
#ifndef VARVE_SERVER_HTTP_H
#define VARVE_SERVER_HTTP_H

#include "server/request.h"

struct http;

struct http_options {
    int listen_fd;           /* a listening socket; taken over when opening succeeds */
    unsigned threads;        /* at least 1 */
    unsigned connections;    /* at the same time, at most; further ones wait to be accepted */
    size_t body_bytes;       /* of bodies held at the same time, by all requests together, at most */
    unsigned idle_s;         /* without a byte in either direction until a connection is closed */
    uint32_t arrival_ms;     /* that headers and body may take to arrive, and 1 s more for each 10 KB of body */
    struct backend *backend; /* borrowed */
};

/* Starts to answer. VARVE_NOMEM, VARVE_UNAVAILABLE. */
varve_status http_open(struct http **http, const struct http_options *options, varve_error *error);

/* From here on new requests are answered with 503, and connections end with the answer under way. */
void http_refuse(struct http *http);

/*
 * After http_refuse: waits until what is under way is answered, `drain_ms` at most, then cuts off
 * what is still being sent, closes all connections and frees everything. Commits and queries that
 * requests wait for are always waited for. NULL is allowed.
 */
void http_close(struct http *http, uint32_t drain_ms);

#endif
