/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an event stream. Each state names whose it is:
 *
 *   sending   transport   `out` goes to the client; when it is through, the connection is suspended
 *   filling   a worker    reads the cursor into `out`; then sending again, filling again when nothing matched so
 *                         far, or parked when nothing came
 *   parked    follow      in the list and armed in epoll; an event makes it filling, a heartbeat and
 *                         the end make it sending
 *
 * Only the follow thread takes a stream out of the parked list, and each is disarmed by then, so an
 * event that epoll reports always belongs to a parked stream.
 */
#include "server/follow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/problem.h"
#include "server/shaped.h"

#define FILL_BYTES  (64u * 1024u) /* a page ends when it is longer than this … */
#define FILL_EVENTS 1000u         /* … or was made of so many events, of which upcasters may drop any number */

struct event_stream {
    struct follow *follow;
    struct request *request;
    varve_cursor *cursor;
    struct shaped shaped;
    varve_buf out, line;
    size_t sent;     /* of out */
    bool ended;      /* nothing comes after `out` */
    bool watched;    /* the cursor's descriptor is in the epoll set, armed or not */
    uint64_t due_ns; /* when a heartbeat is due, unless something goes out before */
    struct event_stream *previous, *next;
};

struct follow {
    struct follow_options options;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool running;
    atomic_uint streams;
    pthread_mutex_t lock;              /* guards everything below, and the parked streams */
    struct event_stream *first, *last; /* parked */
    bool ending, closing;
};

/* ---- the parked list; under the lock ---- */

static void list_add(struct follow *follow, struct event_stream *stream)
{
    stream->previous = follow->last;
    stream->next = NULL;
    *(follow->last == NULL ? &follow->first : &follow->last->next) = stream;
    follow->last = stream;
}

static void list_remove(struct follow *follow, struct event_stream *stream)
{
    *(stream->previous == NULL ? &follow->first : &stream->previous->next) = stream->next;
    *(stream->next == NULL ? &follow->last : &stream->next->previous) = stream->previous;
}

static bool watch(struct event_stream *stream)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = stream };
    int operation = stream->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(stream->follow->epoll_fd, operation, varve_cursor_fd(stream->cursor), &event) != 0) return false;
    stream->watched = true;
    return true;
}

static void unwatch(struct event_stream *stream)
{
    if (!stream->watched) return;
    epoll_ctl(stream->follow->epoll_fd, EPOLL_CTL_DEL, varve_cursor_fd(stream->cursor), NULL);
    stream->watched = false;
}

/* False when the stream ends instead. */
static bool park(struct event_stream *stream)
{
    struct follow *follow = stream->follow;
    pthread_mutex_lock(&follow->lock);
    bool parked = !follow->ending && watch(stream);
    if (parked) list_add(follow, stream);
    pthread_mutex_unlock(&follow->lock);
    return parked;
}

/* ---- heartbeats ---- */

/* How often it is looked who needs one, so that nobody waits longer than an interval. */
static uint64_t tick_ns(const struct follow *follow)
{
    return (uint64_t)follow->options.heartbeat_ms * 1000000u / 8;
}

/* Something goes out. */
static void put_off_heartbeat(struct event_stream *stream)
{
    stream->due_ns = clock_ns() + 7 * tick_ns(stream->follow);
}

/* Says how far the log was looked at, with an id, so that a client whose filter matches rarely resumes from there. */
static void write_heartbeat(struct event_stream *stream)
{
    uint64_t scanned = varve_cursor_scanned(stream->cursor);
    varve_buf_reset(&stream->line);
    varve_buf_printf(&stream->line, "{\"position\":%llu}", (unsigned long long)scanned);
    follow_write_event(&stream->out, scanned, "position", varve_buf_view(&stream->line));
}

/* ---- filling ---- */

void follow_write_event(varve_buf *out, uint64_t position, const char *name, varve_str data)
{
    if (position > 0) varve_buf_printf(out, "id: %llu\n", (unsigned long long)position);
    varve_buf_printf(out, "event: %s\ndata: ", name);
    for (size_t start = 0, i = 0; i <= data.len; i++) {
        if (i < data.len && data.ptr[i] != '\n' && data.ptr[i] != '\r') continue;
        varve_buf_add(out, data.ptr + start, i - start);
        bool pair = i + 1 < data.len && data.ptr[i] == '\r' && data.ptr[i + 1] == '\n';
        if (i < data.len) varve_buf_str(out, VARVE_STR("\ndata: "));
        if (pair) i++;
        start = i + 1;
    }
    varve_buf_str(out, VARVE_STR("\n\n"));
}

/* An event of the log in the shapes that were asked for; the id comes with the last, when the client has all of it. */
static varve_status write_shapes(struct event_stream *stream, const varve_event *event, varve_error *error)
{
    const varve_event *events = NULL;
    size_t count = 0;
    varve_status status = shaped_event(&stream->shaped, event, &events, &count, error);
    for (size_t i = 0; i < count && status >= 0; i++) {
        varve_buf_reset(&stream->line);
        varve_event_write_json(&events[i], &stream->line);
        follow_write_event(&stream->out, i + 1 == count ? event->position : 0, "event", varve_buf_view(&stream->line));
    }
    return status < 0 ? status : VARVE_OK;
}

/* Turns what the cursor said into text. */
static void write_step(struct event_stream *stream, varve_status status, const varve_event *event, varve_error *error)
{
    if (status == VARVE_OK) status = write_shapes(stream, event, error);
    varve_buf_reset(&stream->line);
    if (status == VARVE_CAUGHT_UP) {
        uint64_t scanned = varve_cursor_scanned(stream->cursor);
        varve_buf_printf(&stream->line, "{\"position\":%llu,\"incarnation\":\"%s\"}", (unsigned long long)scanned,
                         stream->request->answer.incarnation);
        follow_write_event(&stream->out, scanned, "caught_up", varve_buf_view(&stream->line));
    } else if (status != VARVE_OK) {
        stream->ended = true;
        if (status >= 0) return;
        problem_write(status, error->message, &stream->line);
        follow_write_event(&stream->out, 0, "error", varve_buf_view(&stream->line));
    }
    if (stream->line.failed || stream->out.failed) stream->ended = true;
}

static bool is_ending(struct follow *follow)
{
    pthread_mutex_lock(&follow->lock);
    bool ending = follow->ending;
    pthread_mutex_unlock(&follow->lock);
    return ending;
}

static void fill(struct job *job)
{
    struct request *request = request_of_job(job);
    struct event_stream *stream = request->own;
    varve_buf_reset(&stream->out);
    stream->sent = 0;
    if (is_ending(stream->follow)) stream->ended = true;
    bool skipped = false;
    for (unsigned events = 0; !stream->ended && stream->out.len < FILL_BYTES; events++) {
        const varve_event *event = NULL;
        varve_error error = { 0 };
        skipped = events == FILL_EVENTS;
        if (skipped) break;
        varve_status status = varve_cursor_next(stream->cursor, &event, &error);
        skipped = status == VARVE_SKIPPED;
        if (skipped || status == VARVE_IDLE) break;
        write_step(stream, status, event, &error);
    }
    shaped_rest(&stream->shaped);
    if (stream->out.len == 0 && !stream->ended) {
        /* On a busy log this one may be woken so often that the follow thread never finds it parked. */
        bool due = clock_ns() >= stream->due_ns;
        if (!due && skipped) {
            workers_submit(stream->follow->options.workers, job); /* behind what others wait for */
            return;
        }
        if (!due && park(stream)) return;
        stream->ended = !due;
        if (due) write_heartbeat(stream);
    }
    put_off_heartbeat(stream);
    request_resume(request);
}

static ssize_t read_stream(struct request *request, char *bytes, size_t max)
{
    struct event_stream *stream = request->own;
    if (stream->out.failed || stream->line.failed) return ANSWER_BROKEN;
    size_t left = stream->out.len - stream->sent;
    if (left > 0) {
        size_t count = left < max ? left : max;
        memcpy(bytes, stream->out.ptr + stream->sent, count);
        stream->sent += count;
        return (ssize_t)count;
    }
    if (stream->ended || !request_suspend(request)) return ANSWER_END;
    request->job.run = fill;
    workers_submit(stream->follow->options.workers, &request->job);
    return 0;
}

/* ---- the follow thread ---- */

/* Sends the heartbeats that are due, or ends everything. Under the lock. */
static void sweep(struct follow *follow, uint64_t now)
{
    struct event_stream *next = NULL;
    for (struct event_stream *stream = follow->first; stream != NULL; stream = next) {
        next = stream->next;
        if (!follow->ending && stream->due_ns > now) continue;
        list_remove(follow, stream);
        unwatch(stream);
        varve_buf_reset(&stream->out);
        stream->sent = 0;
        stream->ended = follow->ending;
        if (!stream->ended) write_heartbeat(stream);
        put_off_heartbeat(stream);
        request_resume(stream->request);
    }
}

static void *run(void *arg)
{
    struct follow *follow = arg;
    struct epoll_event events[64];
    bool closing = false;
    uint64_t now = clock_ns(), tick = now + tick_ns(follow);
    while (!closing) {
        int count = epoll_wait(follow->epoll_fd, events, 64, now < tick ? (int)((tick - now) / 1000000u) + 1 : 0);
        pthread_mutex_lock(&follow->lock);
        for (int i = 0; i < count; i++) {
            struct event_stream *stream = events[i].data.ptr;
            uint64_t ignored;
            if (stream == NULL) {
                if (read(follow->wake_fd, &ignored, sizeof ignored) < 0) continue;
            } else {
                list_remove(follow, stream);
                workers_submit(follow->options.workers, &stream->request->job);
            }
        }
        now = clock_ns();
        if (follow->ending || now >= tick) {
            sweep(follow, now);
            tick = now + tick_ns(follow);
        }
        closing = follow->closing;
        pthread_mutex_unlock(&follow->lock);
    }
    return NULL;
}

/* ---- opening and closing ---- */

static void stream_free(void *own)
{
    struct event_stream *stream = own;
    if (stream->cursor != NULL) unwatch(stream);
    varve_cursor_close(stream->cursor);
    shaped_fini(&stream->shaped);
    varve_buf_fini(&stream->out);
    varve_buf_fini(&stream->line);
    atomic_fetch_sub(&stream->follow->streams, 1);
    free(stream);
}

varve_status follow_start(struct follow *follow, struct request *request, varve_store *store,
                          const varve_read_options *options, varve_error *error)
{
    varve_read_options read = *options;
    read.follow = true;
    read.wait_ms = 0;
    if (atomic_fetch_add(&follow->streams, 1) >= follow->options.streams) {
        atomic_fetch_sub(&follow->streams, 1);
        return varve_error_set(error, VARVE_BUSY, "%u event streams are open already", follow->options.streams);
    }
    struct event_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        atomic_fetch_sub(&follow->streams, 1);
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    stream->follow = follow;
    stream->request = request;
    put_off_heartbeat(stream);
    request->own = stream;
    request->own_free = stream_free;
    varve_status status = shaped_read(&stream->shaped, &request->backend->shapes, &request->target, &read, error);
    if (status >= 0) status = varve_cursor_open(&stream->cursor, store, &read, error);
    shaped_rest(&stream->shaped);
    if (status < 0) return status;
    if (varve_cursor_fd(stream->cursor) < 0) {
        return varve_error_set(error, VARVE_UNSUPPORTED, "a store that another process writes cannot be followed");
    }
    request->answer.content_type = "text/event-stream";
    request->answer.read = read_stream;
    request_send(request, 200);
    return VARVE_OK;
}

varve_status follow_open(struct follow **opened, const struct follow_options *options, varve_error *error)
{
    struct follow *follow = calloc(1, sizeof *follow);
    *opened = NULL;
    if (follow == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    follow->options = *options;
    follow->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    follow->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&follow->lock, NULL);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    bool ready = follow->epoll_fd >= 0 && follow->wake_fd >= 0 &&
                 epoll_ctl(follow->epoll_fd, EPOLL_CTL_ADD, follow->wake_fd, &event) == 0;
    follow->running = ready && pthread_create(&follow->thread, NULL, run, follow) == 0;
    if (!follow->running) {
        follow_close(follow);
        return varve_error_set(error, VARVE_UNAVAILABLE, "the server's event streams cannot be started");
    }
    *opened = follow;
    return VARVE_OK;
}

static void wake(struct follow *follow)
{
    uint64_t one = 1;
    ssize_t written = write(follow->wake_fd, &one, sizeof one);
    (void)written; /* fails only when the counter is full, and then the thread wakes too */
}

void follow_end(struct follow *follow)
{
    pthread_mutex_lock(&follow->lock);
    follow->ending = true;
    pthread_mutex_unlock(&follow->lock);
    wake(follow);
}

void follow_close(struct follow *follow)
{
    if (follow == NULL) return;
    if (follow->running) {
        pthread_mutex_lock(&follow->lock);
        follow->closing = true;
        pthread_mutex_unlock(&follow->lock);
        wake(follow);
        pthread_join(follow->thread, NULL);
    }
    if (follow->epoll_fd >= 0) close(follow->epoll_fd);
    if (follow->wake_fd >= 0) close(follow->wake_fd);
    pthread_mutex_destroy(&follow->lock);
    free(follow);
}
