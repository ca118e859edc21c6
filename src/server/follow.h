/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event streams: subscriptions to the log as server-sent events (WHATWG HTML, section 9.2).
 *
 * A stream that has nothing to send holds no thread: its connection is suspended, and one thread
 * for all streams polls their cursors and sends the heartbeats. Reading the log is the workers'.
 *
 * What a client sees, each with `id: POSITION`, so that Last-Event-ID is always how far the log was looked at:
 *
 *   event: event      data is the event
 *   event: caught_up  data is {"position","incarnation"}: the backlog is through, what follows is live
 *   event: position   data is {"position"}: the heartbeat; nothing that matches came up to here
 *   event: error      (no id) data is a problem document, and the stream ends
 *
 * A client that reads slowly is simply not read for; one that stops reading is dropped by the
 * transport's idle timeout. Nothing is buffered beyond one page.
 */
#ifndef VARVE_SERVER_FOLLOW_H
#define VARVE_SERVER_FOLLOW_H

#include "server/request.h"

struct follow;

struct follow_options {
    struct workers *workers; /* borrowed */
    unsigned streams;        /* open at the same time at most */
    uint32_t heartbeat_ms;   /* "event: position" goes out after at most this long without anything else */
};

/* VARVE_NOMEM, VARVE_UNAVAILABLE. */
varve_status follow_open(struct follow **follow, const struct follow_options *options, varve_error *error);

/*
 * Makes `request` a subscription with these options (`follow` is set here; the rest is copied) and
 * sends the head of the answer. A failure has sent nothing: VARVE_BUSY (too many streams), or as
 * varve_cursor_open.
 */
varve_status follow_start(struct follow *follow, struct request *request, varve_store *store,
                          const varve_read_options *options, varve_error *error);

/* Ends every stream, now and from now on, after the events it has taken up; it takes up no more. */
void follow_end(struct follow *follow);

/* After the last stream is over. NULL is allowed. */
void follow_close(struct follow *follow);

/* Appends one server-sent event; `data` may have several lines, `position` 0 means no id. */
void follow_write_event(varve_buf *out, uint64_t position, const char *name, varve_str data);

#endif
