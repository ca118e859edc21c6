/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a decider's `enrich` may ask for, before the decision: named queries, and others over HTTP.
 *
 * Threads: only within the call of `enrich` that the enrichment was given to. Every call here waits, and ends in the
 * time that is left to it (varve_decider.enrich_timeout_ms); one that fails makes the command VARVE_ENRICH_FAILED when
 * `enrich` fails too.
 */
#ifndef VARVE_ENRICH_H
#define VARVE_ENRICH_H

#include <varve/command.h>
#include <varve/query.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VARVE_CONTEXT_BYTES_MAX       (256u << 10)
#define VARVE_HTTP_RESPONSE_BYTES_MAX (1u << 20)
#define VARVE_HTTP_HEADERS_MAX        32u
#define VARVE_HTTP_RETRIES_MAX        5

/* The milliseconds that are left. */
VARVE_API uint32_t varve_enrich_left_ms(const varve_enrichment *enrichment);

/* As varve_query; it waits for `after_position` no longer than what is left. */
VARVE_API varve_status varve_enrich_query(varve_enrichment *enrichment, const varve_query_request *request,
                                          varve_answer *answer, varve_error *error);

typedef struct varve_http_header {
    varve_str name, value;
} varve_http_header;

typedef struct varve_http_request {
    varve_str method; /* default "GET", with a body "POST" */
    varve_str url;    /* http or https; a name or an address */
    const varve_http_header *headers;
    size_t header_count; /* VARVE_HTTP_HEADERS_MAX at most */
    varve_str body;
    uint32_t timeout_ms; /* for each try; 0: what is left */
    int retries; /* tries more, VARVE_HTTP_RETRIES_MAX at most, with growing pauses: after no connection, no answer,
                    429, 502, 503, 504; 0 means 2 for GET and HEAD, else none; negative: none */
} varve_http_request;

/* An answer; start from {0}, end with varve_http_response_fini. */
typedef struct varve_http_response {
    unsigned status; /* whatever it is, 404 and 500 too */
    varve_str content_type;
    varve_str body;
    void *memory;
} varve_http_response;

VARVE_API void varve_http_response_fini(varve_http_response *response);

/*
 * Asks over HTTP. GET and HEAD follow three redirects at most, with headers or a body only within their origin, and
 * never from https to http; any other redirect is the answer. VARVE_OK: there is an answer. VARVE_INVALID: the request
 * is none. Messages tell scheme, host and port of the URL, no more.
 * VARVE_DENIED: the address is a private, loopback or link-local one and the engine was not opened with
 * allow_private_addresses. VARVE_UNAVAILABLE: no connection, or libcurl is not installed. VARVE_TIMEOUT.
 * VARVE_TOO_LARGE: the answer. No proxy is used.
 */
VARVE_API varve_status varve_enrich_http(varve_enrichment *enrichment, const varve_http_request *request,
                                         varve_http_response *response, varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
