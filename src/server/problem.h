/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem documents (RFC 9457). The type of a problem is "urn:varve:problem:WORD": a status's word
 * (see varve/error.h), or one of the words below for what only HTTP knows.
 */
#ifndef VARVE_SERVER_PROBLEM_H
#define VARVE_SERVER_PROBLEM_H

#include <varve/command.h>

/* X(name, HTTP status, word, title) */
#define PROBLEM_TABLE(X)                                                                         \
    X(PROBLEM_METHOD, 405, "method-not-allowed", "this path does not answer to that method")     \
    X(PROBLEM_LATE, 408, "request-timeout", "the request took too long to arrive")               \
    X(PROBLEM_MEDIA_TYPE, 415, "unsupported-media-type", "the body is not of a type taken here") \
    X(PROBLEM_HOST, 421, "misdirected-request", "the Host header names no loopback address")

enum problem {
#define PROBLEM_ENUM(name, http, word, title) name,
    PROBLEM_TABLE(PROBLEM_ENUM)
#undef PROBLEM_ENUM
};

/* The HTTP status that a varve_status answers with. */
unsigned problem_http_status(varve_status status);

/* Appends {"type","title","status","detail"} for a failure; `detail` is the error's message. */
void problem_write(varve_status status, const char *detail, varve_buf *out);

/* The same for what only HTTP knows; returns the HTTP status. */
unsigned problem_write_http(enum problem problem, const char *detail, varve_buf *out);

/*
 * Appends what became of an append whose conditions do not hold: {"type","title","status":412,"detail",
 * "current_version","failed":[{"stream","expected_version","current_version"}]}. `request` is what was asked.
 */
void problem_write_conflict(const varve_append_request *request, const varve_appended *appended,
                            const varve_error *error, varve_buf *out);

/*
 * Appends what became of an append that failed otherwise. When its outcome is unknown the document has
 * "ids":[…], one an event: the same append repeated with them tells what happened and does nothing twice.
 */
void problem_write_append(varve_status status, const varve_appended *appended, const varve_error *error,
                          varve_buf *out);

/*
 * Appends what became of a command that was not accepted. A rejection is {"type","title","status":422,
 * "code","message"}, with "repeated":true when it was told before; a failure carries its "detail", and a pinned
 * version that does not hold its "current_version". With `in_batch` failures too have "code" (the status's word) and
 * "message" instead of "detail", so that every line that is no result reads alike. The command's "id" comes last
 * when `outcome` has one: the same command repeated with it is not executed twice.
 */
void problem_write_command(varve_status status, const varve_outcome *outcome, const varve_error *error, bool in_batch,
                           varve_buf *out);

#endif
