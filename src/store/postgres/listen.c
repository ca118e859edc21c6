/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/listen.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    TOLD_TOGETHER_MS = 5, /* at most one notification in this time */
    LOOK_EVERY_MS = 1000, /* at the head, when nothing is heard */
    LOOK_DEAF_MS = 100,   /* the same on a standby, which hears nothing */
    FIRST_PAUSE_MS = 50,
    LONGEST_PAUSE_MS = 2000,
};

struct listener {
    struct store_log *log;
    struct connection *connection; /* NULL while there is none */
    pthread_t thread;
    int wake_fd;

    pthread_mutex_t mutex; /* guards what follows */
    struct store_head announced;
    bool waits_for_head; /* an announcement has to wake the thread */
    bool closing;

    /* The thread's own. */
    struct store_head told; /* what the others were told */
    uint64_t told_ns;       /* when */
    int look_ms;
};

static bool is_closing(struct listener *listener)
{
    pthread_mutex_lock(&listener->mutex);
    bool closing = listener->closing;
    pthread_mutex_unlock(&listener->mutex);
    return closing;
}

/* Positions of another history say nothing about those of this one. */
static bool is_newer(const struct store_head *head, const struct store_head *than)
{
    return head->history > than->history || (head->history == than->history && head->position > than->position);
}

/* Whether there is something to tell; if not, the next announcement will wake the thread. */
static bool take_announced(struct listener *listener, struct store_head *head)
{
    pthread_mutex_lock(&listener->mutex);
    *head = listener->announced;
    listener->waits_for_head = !is_newer(head, &listener->told);
    bool newer = !listener->waits_for_head;
    pthread_mutex_unlock(&listener->mutex);
    return newer;
}

/* ---- the conversation; each fails only when the connection is of no more use ---- */

/* A standby cannot listen; there the head is looked at more often. */
static varve_status subscribe(struct listener *listener, varve_error *error)
{
    char sql[128];
    snprintf(sql, sizeof sql, "LISTEN \"varve %s\"", listener->log->schema);
    varve_status status = connection_exec(listener->connection, sql, "listening", NULL, error);
    bool deaf = listener->log->read_only && strcmp(listener->connection->state, "25006") == 0;
    listener->look_ms = deaf ? LOOK_DEAF_MS : LOOK_EVERY_MS;
    return deaf ? VARVE_OK : status;
}

static varve_status begin_listening(struct listener *listener, varve_error *error)
{
    struct store_log *log = listener->log;
    varve_status status = connection_open(&listener->connection, log->uri, log->schema, !log->read_only, error);
    if (status < 0) {
        listener->connection = NULL;
        return status;
    }
    status = subscribe(listener, error);
    if (status >= 0) status = schema_check_history(log, listener->connection, error);
    /* Telling of what is safe already need not wait for the disk, nor for a standby. */
    if (status >= 0)
        status = connection_exec(listener->connection, "SET synchronous_commit TO off", "listening", NULL, error);
    return status;
}

static varve_status tell(struct listener *listener, const struct store_head *head, varve_error *error)
{
    struct store_log *log = listener->log;
    char sql[256], incarnation[VARVE_UUID_TEXT_BYTES];
    pthread_mutex_lock(&log->mutex);
    bool current = head->history == log->history;
    memcpy(incarnation, log->incarnation, sizeof incarnation);
    pthread_mutex_unlock(&log->mutex);
    varve_status status = VARVE_OK;
    snprintf(sql, sizeof sql, "SELECT pg_notify('varve %s', '%" PRIu64 " %" PRId64 " %s')", log->schema, head->position,
             head->recorded_at, incarnation);
    if (current) status = connection_exec(listener->connection, sql, "telling of the head", NULL, error);
    if (status >= 0) listener->told = *head;
    listener->told_ns = clock_ns();
    return status;
}

/* What another process tells counts when it is about the history that we know; else we look ourselves. */
static varve_status take_notice(struct listener *listener, const char *text, varve_error *error)
{
    struct store_log *log = listener->log;
    char *rest = NULL;
    struct store_head head = { .position = strtoull(text, &rest, 10) };
    head.recorded_at = strtoll(rest, &rest, 10);
    pthread_mutex_lock(&log->mutex);
    bool current = *rest == ' ' && strcmp(rest + 1, log->incarnation) == 0;
    head.history = log->history;
    pthread_mutex_unlock(&log->mutex);
    if (!current) return log_look(log, listener->connection, error);
    log_take_head(log, head);
    log->told.moved(log->told.ctx, head);
    return VARVE_OK;
}

static varve_status hear(struct listener *listener, varve_error *error)
{
    PGconn *pq = listener->connection->pq;
    PGnotify *notice;
    varve_status status = VARVE_OK;
    if (PQconsumeInput(pq) != 1) return connection_failed(listener->connection, NULL, "listening", error);
    while (status >= 0 && (notice = PQnotifies(pq)) != NULL) {
        if (notice->be_pid != PQbackendPID(pq)) status = take_notice(listener, notice->extra, error);
        PQfreemem(notice);
    }
    return status;
}

/* Waits for something to hear or to tell, and does it. */
static varve_status turn(struct listener *listener, varve_error *error)
{
    /* Notices may have come along with an answer, and then the socket is silent about them. */
    varve_status status = hear(listener, error);
    if (status < 0) return status;
    struct store_head head;
    uint64_t since_ms = (clock_ns() - listener->told_ns) / 1000000u;
    int wait_ms = listener->look_ms;
    if (take_announced(listener, &head)) {
        if (since_ms >= TOLD_TOGETHER_MS) return tell(listener, &head, error);
        wait_ms = TOLD_TOGETHER_MS - (int)since_ms;
    }
    struct pollfd fds[] = { { .fd = PQsocket(listener->connection->pq), .events = POLLIN },
                            { .fd = listener->wake_fd, .events = POLLIN } };
    int ready = poll(fds, 2, wait_ms);
    if (ready < 0 && errno != EINTR) return varve_error_set(error, VARVE_UNAVAILABLE, "listening: %s", strerror(errno));
    if (ready == 0 && wait_ms == listener->look_ms) return log_look(listener->log, listener->connection, error);
    eventfd_t count;
    if (ready > 0 && fds[1].revents != 0) (void)eventfd_read(listener->wake_fd, &count);
    return VARVE_OK;
}

static void *run(void *argument)
{
    struct listener *listener = argument;
    int pause = FIRST_PAUSE_MS;
    while (!is_closing(listener)) {
        varve_error error = { 0 };
        varve_status status = listener->connection == NULL ? begin_listening(listener, &error) : turn(listener, &error);
        if (status >= 0) {
            pause = FIRST_PAUSE_MS;
            continue;
        }
        log_line(&listener->log->diagnostics, VARVE_LOG_WARNING, "not hearing of other processes: %s", error.message);
        connection_close(listener->connection);
        listener->connection = NULL;
        struct pollfd wake = { .fd = listener->wake_fd, .events = POLLIN };
        eventfd_t count;
        if (poll(&wake, 1, pause) > 0) (void)eventfd_read(listener->wake_fd, &count);
        pause = pause * 2 < LONGEST_PAUSE_MS ? pause * 2 : LONGEST_PAUSE_MS;
    }
    return NULL;
}

/* ---- outside ---- */

static void listener_free(struct listener *listener)
{
    connection_close(listener->connection);
    if (listener->wake_fd >= 0) close(listener->wake_fd);
    pthread_mutex_destroy(&listener->mutex);
    free(listener);
}

varve_status listener_open(struct listener **out, struct store_log *log, varve_error *error)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory to listen");
    listener->log = log;
    pthread_mutex_init(&listener->mutex, NULL);
    listener->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = listener->wake_fd < 0 ? errno : pthread_create(&listener->thread, NULL, run, listener);
    if (failed != 0) {
        listener_free(listener);
        return varve_error_set(error, VARVE_UNAVAILABLE, "no thread to listen: %s", strerror(failed));
    }
    *out = listener;
    return VARVE_OK;
}

void listener_announce(struct listener *listener, struct store_head head)
{
    pthread_mutex_lock(&listener->mutex);
    bool newer = is_newer(&head, &listener->announced);
    bool wake = newer && listener->waits_for_head;
    if (newer) listener->announced = head;
    if (wake) listener->waits_for_head = false;
    pthread_mutex_unlock(&listener->mutex);
    if (wake) (void)eventfd_write(listener->wake_fd, 1);
}

void listener_close(struct listener *listener)
{
    if (listener == NULL) return;
    pthread_mutex_lock(&listener->mutex);
    listener->closing = true;
    pthread_mutex_unlock(&listener->mutex);
    (void)eventfd_write(listener->wake_fd, 1);
    pthread_join(listener->thread, NULL);
    listener_free(listener);
}
