/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running varve server, asked over HTTP. libcurl is opened when the first server is named and not
 * linked: it brings 21 more shared libraries and over 3 MB of memory, which `varve serve` and
 * everything on a store of its own do without.
 */
#ifndef VARVE_CLI_REMOTE_H
#define VARVE_CLI_REMOTE_H

#include <varve/event.h>

struct remote;

/*
 * Prepares requests to the server at `url` ("http://127.0.0.1:8080"; borrowed); close with
 * remote_close. Does not connect yet. VARVE_INVALID: not an http(s) URL. VARVE_UNAVAILABLE: libcurl
 * is not installed.
 */
varve_status remote_open(struct remote **remote, const char *url, varve_error *error);
void remote_close(struct remote *remote);

struct remote_request {
    varve_str path; /* with its query, escaped: see remote_segment and remote_parameter */
    varve_str body;
    const char *content_type; /* of the body; NULL: a GET without one */
    const char *accept;       /* NULL: application/json */
    const char *traceparent;  /* a header; NULL: none */

    /* When set, a successful answer comes here line by line, without line ends, as it arrives, and not into
     * `answer`. Anything but VARVE_OK ends the request and is returned. */
    varve_status (*line)(void *ctx, varve_str line, varve_error *error);
    void *ctx;
};

/*
 * Sends a request and waits for the answer, which replaces what is in `answer`. The status is the one
 * that the server's own call returned, read from its problem document: VARVE_REJECTED with the document in
 * `answer`, otherwise a failure with its message. VARVE_UNAVAILABLE: no connection.
 * VARVE_INDETERMINATE: a POST was sent and its answer did not come.
 */
varve_status remote_send(struct remote *remote, const struct remote_request *request, varve_buf *answer,
                         varve_error *error);

/* The shortest way to ask: opens, sends a GET (`content_type` NULL) or POST, closes. */
varve_status remote_ask(const char *url, varve_str path, const char *content_type, varve_str body, varve_buf *answer,
                        varve_error *error);

/* Appends "/" and one segment of a path, escaped (RFC 3986, section 2.1). */
void remote_segment(varve_buf *path, varve_str segment);
/* Appends "?name=value" or "&name=value", escaped. */
void remote_parameter(varve_buf *path, const char *name, varve_str value);
/* The same with several values, separated by commas; nothing when there are none. */
void remote_list(varve_buf *path, const char *name, const varve_str *values, size_t count);
/* The same with a number; nothing when it is 0. */
void remote_number(varve_buf *path, const char *name, uint64_t value);

/* The status that a problem document's type names, or VARVE_IO when it names none. */
varve_status remote_problem_status(varve_str problem);

#endif
