/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests are let in: the checks on headers that come before a request's own meaning. */
#ifndef VARVE_SERVER_ADMIT_H
#define VARVE_SERVER_ADMIT_H

#include <varve/event.h>

/* Body types that a route may take. */
enum media_type {
    MEDIA_OTHER = 0,
    MEDIA_JSON = 1 << 0,        /* application/json */
    MEDIA_NDJSON = 1 << 1,      /* application/x-ndjson, application/ndjson */
    MEDIA_CLOUDEVENTS = 1 << 2, /* application/cloudevents…: designed, not built */
};

/*
 * True for "127.0.0.1", "localhost" and "[::1]", with or without a port. A page elsewhere whose name
 * was made to resolve to this machine sends its own name here and stays out.
 */
bool admit_host(varve_str host);

/* What a Content-Type header names. A charset other than UTF-8 makes it MEDIA_OTHER. */
enum media_type admit_media_type(varve_str content_type);

/* True when an Accept header asks for text/event-stream (without weighing alternatives). */
bool admit_event_stream(varve_str accept);

/* ASCII comparison without regard to case, as header names and media types have it. */
bool admit_same(varve_str text, const char *lower);

#endif
