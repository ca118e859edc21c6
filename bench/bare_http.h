/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit of a durable append over HTTP: an endpoint on bare libmicrohttpd that takes a body,
 * suspends the request, and answers it once one write and one flush have put all bodies that were
 * waiting on the disk. It looks at no header and no byte of the body.
 */
#ifndef VARVE_BENCH_BARE_HTTP_H
#define VARVE_BENCH_BARE_HTTP_H

#include <varve/error.h>

struct bare_http;

/* Serves on a free loopback port, with `threads` threads, and writes to a new file at `path`. */
varve_status bare_http_open(struct bare_http **http, const char *path, unsigned threads, varve_error *error);
uint16_t bare_http_port(const struct bare_http *http);
/* Flushes so far, and the bodies they were for. */
void bare_http_counts(struct bare_http *http, uint64_t *flushes, uint64_t *bodies);
/* NULL is allowed. */
void bare_http_close(struct bare_http *http);

#endif
