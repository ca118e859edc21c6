/* SPDX-License-Identifier: Apache-2.0 */
#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/target.h"

#define BACKLOG 511

/*
 * What the kernel holds for a client that does not read; accepted sockets inherit it. Left to itself
 * it grows to megabytes a client, and tells of progress so seldom that a slow client looks dead.
 */
#define SEND_BUFFER_BYTES (128 * 1024)

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Cuts "host:port" at its last colon; the brackets around an IPv6 address go. */
static bool split(const char *text, char host[LISTEN_TEXT_BYTES], uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    uint64_t number = 0;
    if (colon == NULL || !target_digits(varve_str_of(colon + 1), &number) || number > UINT16_MAX) return false;
    size_t len = (size_t)(colon - text);
    bool brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (brackets) text++, len -= 2;
    if (len == 0 || len >= LISTEN_TEXT_BYTES || (!brackets && memchr(text, ':', len) != NULL)) return false;
    memcpy(host, text, len);
    host[len] = '\0';
    *port = (uint16_t)number;
    return true;
}

static varve_status parse(union address *address, socklen_t *size, const char *text, varve_error *error)
{
    char host[LISTEN_TEXT_BYTES];
    uint16_t port = 0;
    bool loopback = false;
    memset(address, 0, sizeof *address);
    if (!split(text, host, &port)) {
        return varve_error_set(error, VARVE_INVALID, "'%.80s' is not an address: give HOST:PORT", text);
    }
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (inet_pton(AF_INET, numeric, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        *size = sizeof address->v4;
        loopback = (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127;
    } else if (inet_pton(AF_INET6, numeric, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        *size = sizeof address->v6;
        loopback = IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    } else {
        return varve_error_set(error, VARVE_INVALID, "'%.80s' is not an address: give a numeric one, or localhost",
                               text);
    }
    if (loopback) return VARVE_OK;
    return varve_error_set(error, VARVE_UNSUPPORTED,
                           "'%.80s' is not a loopback address: without TLS and tokens, which are not built yet, "
                           "listen on 127.0.0.1 or [::1]",
                           text);
}

static void describe(int fd, char text[LISTEN_TEXT_BYTES], uint16_t *port)
{
    union address bound;
    socklen_t size = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "";
    memset(&bound, 0, sizeof bound);
    getsockname(fd, &bound.any, &size);
    if (bound.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &bound.v4.sin_addr, host, sizeof host);
        *port = ntohs(bound.v4.sin_port);
        snprintf(text, LISTEN_TEXT_BYTES, "%s:%u", host, *port);
    } else {
        inet_ntop(AF_INET6, &bound.v6.sin6_addr, host, sizeof host);
        *port = ntohs(bound.v6.sin6_port);
        snprintf(text, LISTEN_TEXT_BYTES, "[%s]:%u", host, *port);
    }
}

varve_status listen_open(int *opened, const char *text, char bound[LISTEN_TEXT_BYTES], uint16_t *port,
                         varve_error *error)
{
    union address address;
    socklen_t size = 0;
    int on = 1, send_buffer = SEND_BUFFER_BYTES;
    *opened = -1;
    varve_status status = parse(&address, &size, text, error);
    if (status < 0) return status;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) goto failed;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) goto failed;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer) != 0) goto failed;
    if (bind(fd, &address.any, size) != 0 || listen(fd, BACKLOG) != 0) goto failed;
    describe(fd, bound, port);
    *opened = fd;
    return VARVE_OK;
failed:
    if (errno == EADDRINUSE) {
        status = varve_error_set(error, VARVE_UNAVAILABLE, "cannot listen on %.80s: the port is in use", text);
    } else {
        status = varve_error_set(error, errno == EACCES ? VARVE_DENIED : VARVE_IO, "cannot listen on %.80s: %s", text,
                                 strerrordesc_np(errno));
    }
    if (fd >= 0) close(fd);
    return status;
}
