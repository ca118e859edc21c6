/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a server that may never answer: its machine or its processes may stand still, or what lies between may
 * swallow everything, while the kernel at the other end keeps the connection alive. A server that works, or makes us
 * wait for a lock, is as silent; but it answers who knocks.
 */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "store/postgres/connection.h"

enum {
    KNOCK_EVERY_MS = 10000,
    LOOK_ENCRYPTED_MS = 100, /* at what the socket may be silent about */
};

/* Whether anybody answers where the connection leads to; a refusal is an answer. */
static bool is_there(const struct connection *connection)
{
    static const char *const keys[] = { "dbname", "host", "hostaddr", "port", "connect_timeout", NULL };
    const char *const settings[] = {
        connection->uri, PQhost(connection->pq), PQhostaddr(connection->pq), PQport(connection->pq), "10", NULL
    };
    return PQpingParams(keys, settings, 1) != PQPING_NO_RESPONSE;
}

static int ms_until(uint64_t then, uint64_t now)
{
    return then <= now ? 0 : (int)((then - now) / 1000000u) + 1;
}

/* Of what came encrypted a record may have been taken off the socket whole and given to libpq in part: no poll tells
 * of the rest. Called with a silent socket, this leaves no rest, unless something came just now. */
static bool has_more_in_hand(PGconn *pq)
{
    return PQconsumeInput(pq) != 1 || PQisBusy(pq) == 0;
}

/* Waits until the server says something, or takes something of what is `unsent`. False: it is silent. */
static bool await_server(const struct connection *connection, bool unsent)
{
    bool encrypted = PQsslInUse(connection->pq) != 0 || PQgssEncInUse(connection->pq) != 0;
    struct pollfd fd = { .fd = PQsocket(connection->pq), .events = (short)(unsent ? POLLIN | POLLOUT : POLLIN) };
    uint64_t now = clock_ns(), knock = now + KNOCK_EVERY_MS * 1000000ull;
    uint64_t end = connection->limit_ms == NO_LIMIT ? UINT64_MAX : now + (uint64_t)connection->limit_ms * 1000000u;
    for (int look_ms = 0;; look_ms = LOOK_ENCRYPTED_MS, now = clock_ns()) {
        int wait_ms = ms_until(knock < end ? knock : end, now);
        int ready = poll(&fd, 1, encrypted && look_ms < wait_ms ? look_ms : wait_ms);
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
        if (encrypted && has_more_in_hand(connection->pq)) return true;
        now = clock_ns();
        if (now >= end || (now >= knock && !is_there(connection))) return poll(&fd, 1, 0) > 0;
        if (now >= knock) knock = clock_ns() + KNOCK_EVERY_MS * 1000000ull;
    }
}

PGresult *connection_result(struct connection *connection)
{
    if (connection->broken) return NULL;
    for (;;) {
        int unsent = PQflush(connection->pq); /* -1: nothing can be sent any more, but why may be there to be read */
        if (PQisBusy(connection->pq) == 0 || PQsocket(connection->pq) < 0) break;
        if (!await_server(connection, unsent > 0)) {
            connection->broken = connection->silent = true;
            return NULL;
        }
        if (PQconsumeInput(connection->pq) != 1) break;
    }
    return PQgetResult(connection->pq);
}
