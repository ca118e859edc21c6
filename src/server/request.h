/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on its way from the wire to an answer. This is all that the handlers see of HTTP.
 *
 *   phase      ends with                     whose the request is
 *   arriving   its last byte                 the transport's (http.c)
 *   handled    request_send                  the handler's, on whatever thread that continues
 *   answering  the answer's last byte        the transport's, which calls `answer.read` for more
 *   over       own_free                      nobody's
 *
 * One thread has a request at a time. While it is suspended its connection is left alone by the
 * transport, and costs no thread.
 */
#ifndef VARVE_SERVER_REQUEST_H
#define VARVE_SERVER_REQUEST_H

#include <sys/types.h>
#include <varve/engine.h>

#include "base/log.h"
#include "server/admit.h"
#include "server/shaped.h"
#include "server/target.h"
#include "server/workers.h"

struct follow;
struct metrics;
struct request;
struct route;
struct waits;

/* What handlers work with; outlives every request. */
struct backend {
    varve_engine *engine;
    varve_store *store;
    struct workers *workers;
    struct follow *follow;
    struct waits *waits;
    struct metrics *metrics;
    struct shapes_pool shapes;
    uint64_t page_positions; /* that a page of the filtered log looks at, at most */
    struct log log;
};

/* The headers that mean something to us; views live as long as the request. */
struct request_headers {
    varve_str host, content_type, accept, if_match, if_none_match, last_event_id, traceparent;
    const char *framing_problem; /* the message's length or meaning is ambiguous: what is wrong */
    uint64_t content_length;     /* 0 when not given */
    bool has_body;
    bool encoded; /* a Content-Encoding */
    varve_str idempotency_key;
    bool cloudevent; /* a ce-… header: a CloudEvent in binary mode */
};

/*
 * Fills at most `max` bytes of an answer that comes bit by bit and returns how many; 0 after
 * request_suspend, to be asked again after request_resume; ANSWER_END or ANSWER_BROKEN.
 */
typedef ssize_t (*answer_read)(struct request *request, char *bytes, size_t max);
enum { ANSWER_END = -1, ANSWER_BROKEN = -2 };

struct answer {
    unsigned status;          /* HTTP's */
    const char *content_type; /* NULL: application/json, for failures application/problem+json */
    varve_buf body;
    answer_read read;                        /* when set it is asked instead of `body` */
    uint64_t etag;                           /* sent as "N"; 0: none */
    const char *allow;                       /* with 405 */
    char incarnation[VARVE_UUID_TEXT_BYTES]; /* the log's, sent as Varve-Incarnation; "": none */
};

struct request {
    struct backend *backend;
    const char *method;
    const struct route *route; /* NULL until it is known */
    struct target target;
    struct request_headers headers;
    varve_buf body;
    struct arena arena; /* for the handler */
    struct answer answer;
    void *own; /* the handler's own, given to own_free when the request is over */
    void (*own_free)(void *own);
    struct job job; /* the handler's */
};

/* The request whose `job` this is. */
struct request *request_of_job(struct job *job);

/* True for a HEAD request, which is handled as GET and answered without a body. */
bool request_is_head(const struct request *request);

/* True once the server is being closed: what this request has begun is finished, and nothing more begun. Any thread. */
bool request_is_stopping(const struct request *request);

/*
 * The handler's last word: the answer stands in `answer` and goes out with this HTTP status. The
 * request is no longer the handler's. Any thread.
 */
void request_send(struct request *request, unsigned status);

/* Sends a problem document for a failure. Any thread. */
void request_fail(struct request *request, varve_status status, const varve_error *error);

/*
 * Leaves the connection alone until request_resume. Only from answer.read; false when the server
 * is being closed and the answer must end. Suspend first, then arrange for the call that resumes.
 */
bool request_suspend(struct request *request);

/* The connection goes on: answer.read is called again. Any thread, once for each request_suspend. */
void request_resume(struct request *request);

#endif
