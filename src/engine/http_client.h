/* SPDX-License-Identifier: Apache-2.0 */
/* Asking others over HTTP, for enrichment. libcurl is opened when somebody is asked first. */
#ifndef VARVE_ENGINE_HTTP_CLIENT_H
#define VARVE_ENGINE_HTTP_CLIENT_H

#include <stdatomic.h>
#include <varve/enrich.h>

struct http_client;

/* `allow_private`: see varve_engine_options.allow_private_addresses. VARVE_NOMEM. */
varve_status http_client_open(struct http_client **client, bool allow_private, varve_error *error);
/* When nobody asks any more. NULL is allowed. */
void http_client_close(struct http_client *client);

struct http_until {
    uint64_t deadline_ns;        /* clock_ns */
    const atomic_bool *stopping; /* ends it soon after it was set */
};

/* As varve_enrich_http, by a deadline. Any thread. */
varve_status http_client_fetch(struct http_client *client, const varve_http_request *request,
                               const struct http_until *until, varve_http_response *response, varve_error *error);

#endif
