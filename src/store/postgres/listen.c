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
    bool closing;

    /* The thread's own. */
    uint64_t told;    /* the position that the others were told of */
    uint64_t told_ns; /* when */
};

static bool is_closing(struct listener *listener)
{
    pthread_mutex_lock(&listener->mutex);
    bool closing = listener->closing;
    pthread_mutex_unlock(&listener->mutex);
    return closing;
}

static struct store_head announced_head(struct listener *listener)
{
    pthread_mutex_lock(&listener->mutex);
    struct store_head head = listener->announced;
    pthread_mutex_unlock(&listener->mutex);
    return head;
}

static void moved(struct listener *listener, struct store_head head)
{
    listener->log->told.moved(listener->log->told.ctx, head);
}

/* ---- the conversation; each fails only when the connection is of no more use ---- */

static varve_status look_at_head(struct listener *listener, varve_error *error)
{
    PGresult *row = NULL;
    varve_status status = connection_exec(
        listener->connection,
        "SELECT position, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM events ORDER BY position DESC LIMIT 1",
        "looking at the head of the log", &row, error);
    if (status < 0) return status;
    if (PQntuples(row) == 1)
        moved(listener, (struct store_head){ strtoull(PQgetvalue(row, 0, 0), NULL, 10),
                                             strtoll(PQgetvalue(row, 0, 1), NULL, 10) });
    PQclear(row);
    return VARVE_OK;
}

static varve_status begin_listening(struct listener *listener, varve_error *error)
{
    struct store_log *log = listener->log;
    char sql[128];
    varve_status status = connection_open(&listener->connection, log->uri, log->schema, error);
    if (status < 0) {
        listener->connection = NULL;
        return status;
    }
    snprintf(sql, sizeof sql, "LISTEN \"varve %s\"", log->schema);
    status = connection_exec(listener->connection, sql, "listening", NULL, error);
    if (status >= 0) status = schema_check_history(log, listener->connection, error);
    if (status >= 0) status = look_at_head(listener, error);
    return status;
}

static varve_status tell(struct listener *listener, struct store_head head, varve_error *error)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT pg_notify('varve %s', '%" PRIu64 " %" PRId64 "')", listener->log->schema,
             head.position, head.recorded_at);
    listener->told = head.position;
    listener->told_ns = clock_ns();
    return connection_exec(listener->connection, sql, "telling of the head", NULL, error);
}

static varve_status hear(struct listener *listener, varve_error *error)
{
    PGnotify *notice;
    if (PQconsumeInput(listener->connection->pq) != 1)
        return connection_failed(listener->connection, NULL, "listening", error);
    while ((notice = PQnotifies(listener->connection->pq)) != NULL) {
        char *rest = NULL;
        uint64_t position = strtoull(notice->extra, &rest, 10);
        if (notice->be_pid != PQbackendPID(listener->connection->pq) && position > 0)
            moved(listener, (struct store_head){ position, strtoll(rest, NULL, 10) });
        PQfreemem(notice);
    }
    return VARVE_OK;
}

/* Waits for something to hear or to tell, and does it. */
static varve_status turn(struct listener *listener, varve_error *error)
{
    struct store_head head = announced_head(listener);
    uint64_t since_ms = (clock_ns() - listener->told_ns) / 1000000u;
    int wait_ms = LOOK_EVERY_MS;
    if (head.position > listener->told) {
        if (since_ms >= TOLD_TOGETHER_MS) return tell(listener, head, error);
        wait_ms = TOLD_TOGETHER_MS - (int)since_ms;
    }
    struct pollfd fds[] = { { .fd = PQsocket(listener->connection->pq), .events = POLLIN },
                            { .fd = listener->wake_fd, .events = POLLIN } };
    int ready = poll(fds, 2, wait_ms);
    if (ready < 0 && errno != EINTR) return varve_error_set(error, VARVE_UNAVAILABLE, "listening: %s", strerror(errno));
    if (ready == 0 && wait_ms == LOOK_EVERY_MS) return look_at_head(listener, error);
    eventfd_t count;
    if (ready > 0 && fds[1].revents != 0) (void)eventfd_read(listener->wake_fd, &count);
    return ready > 0 && fds[0].revents != 0 ? hear(listener, error) : VARVE_OK;
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
    bool news = head.position > listener->announced.position;
    if (news) listener->announced = head;
    pthread_mutex_unlock(&listener->mutex);
    if (news) (void)eventfd_write(listener->wake_fd, 1);
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
