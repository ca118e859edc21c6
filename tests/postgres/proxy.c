/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/postgres/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURN_MS = 20 };

struct link {
    struct proxy *proxy;
    int client, server; /* -1: closed */
    char kept[65536];   /* what is delayed */
    size_t kept_len;
    uint64_t released; /* the proxy's releases when it was cut */
    bool garbles;      /* the next answer */
};

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static void close_end(int *end)
{
    if (*end >= 0) close(*end);
    *end = -1;
}

static void send_all(int to, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(to, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return; /* the other direction will notice */
        bytes += sent;
        len -= (size_t)sent;
    }
}

static uint64_t releases(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    uint64_t count = proxy->releases;
    pthread_mutex_unlock(&proxy->mutex);
    return count;
}

/* In a Bind message the name of the portal, which is empty, comes before that of the statement. */
static enum cut take_cut(struct proxy *proxy, const char *bytes, size_t len)
{
    char marker[34] = "";
    enum cut cut = CUT_NONE;
    pthread_mutex_lock(&proxy->mutex);
    size_t name = strlen(proxy->statement);
    memcpy(marker + 1, proxy->statement, name + 1);
    if (proxy->cut != CUT_NONE && memmem(bytes, len, marker, name + 2) != NULL) {
        cut = proxy->cut;
        proxy->cut = CUT_NONE;
    }
    pthread_mutex_unlock(&proxy->mutex);
    return cut;
}

/* Reads and drops answers; false once the server has closed. */
static bool drop_answers(struct link *link, int ms)
{
    char answers[4096];
    struct pollfd readable = { .fd = link->server, .events = POLLIN };
    if (poll(&readable, 1, ms) <= 0) return true;
    return recv(link->server, answers, sizeof answers, 0) > 0;
}

/* The client's side is gone; the server's is kept until the release. */
static void keep_server(struct link *link)
{
    struct proxy *proxy = link->proxy;
    while (releases(proxy) == link->released && !atomic_load(&proxy->closing)) {
        if (!drop_answers(link, TURN_MS)) return;
    }
    if (link->kept_len == 0) return;
    send_all(link->server, link->kept, link->kept_len);
    (void)drop_answers(link, -1);
    close_end(&link->server);
    atomic_fetch_add(&proxy->delivered, 1);
}

static void do_cut(struct link *link, enum cut cut, const char *bytes, size_t len)
{
    link->released = releases(link->proxy);
    if (cut == CUT_DELAY) {
        memcpy(link->kept, bytes, len);
        link->kept_len = len;
    } else {
        send_all(link->server, bytes, len);
    }
    if (cut == CUT_ANSWER) (void)drop_answers(link, -1);
    close_end(&link->client);
    atomic_fetch_add(&link->proxy->cuts, 1);
    if (cut == CUT_ABANDON || cut == CUT_DELAY) keep_server(link);
}

/* The last row of an answer that came in one piece gets a column too many: its number stands behind 'D' and length. */
static void garble(struct link *link, unsigned char *bytes, size_t len)
{
    unsigned char *row = NULL;
    for (size_t at = 0; at + 7 <= len;) {
        if (bytes[at] == 'D') row = bytes + at;
        at += 1 +
              ((size_t)bytes[at + 1] << 24 | (size_t)bytes[at + 2] << 16 | (size_t)bytes[at + 3] << 8 | bytes[at + 4]);
    }
    if (row == NULL) return;
    row[6]++;
    link->garbles = false;
    atomic_fetch_add(&link->proxy->cuts, 1);
}

/* Passes on what one side sent; false when the link is over. */
static bool pass_on(struct link *link, bool from_client)
{
    char bytes[sizeof link->kept];
    ssize_t got = recv(from_client ? link->client : link->server, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) return false;
    enum cut cut = from_client ? take_cut(link->proxy, bytes, (size_t)got) : CUT_NONE;
    if (!from_client && link->garbles) garble(link, (unsigned char *)bytes, (size_t)got);
    if (cut == CUT_GARBLE) {
        link->garbles = true;
        cut = CUT_NONE;
    }
    if (cut == CUT_NONE)
        send_all(from_client ? link->server : link->client, bytes, (size_t)got);
    else
        do_cut(link, cut, bytes, (size_t)got);
    return cut == CUT_NONE;
}

static bool is_swallowing(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    bool swallows = proxy->swallows;
    pthread_mutex_unlock(&proxy->mutex);
    return swallows;
}

static void *run_link(void *argument)
{
    struct link *link = argument;
    for (bool open = true; open && !atomic_load(&link->proxy->closing);) {
        if (is_swallowing(link->proxy)) {
            poll(NULL, 0, TURN_MS);
            continue;
        }
        struct pollfd ends[] = { { .fd = link->client, .events = POLLIN }, { .fd = link->server, .events = POLLIN } };
        if (poll(ends, 2, TURN_MS) <= 0) continue;
        if (ends[0].revents != 0) open = pass_on(link, true);
        if (open && ends[1].revents != 0) open = pass_on(link, false);
    }
    close_end(&link->client);
    close_end(&link->server);
    free(link);
    return NULL;
}

static int connect_to_server(const struct proxy *proxy)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(proxy->server_port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1, server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0) give_up("socket");
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(server, (struct sockaddr *)&address, sizeof address) == 0) return server;
    close(server);
    return -1;
}

static void start_link(struct proxy *proxy, int client)
{
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL || proxy->link_count == PROXY_LINKS) give_up("a connection too many");
    int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *link = (struct link){ .proxy = proxy, .client = client, .server = connect_to_server(proxy) };
    if (pthread_create(&proxy->links[proxy->link_count++], NULL, run_link, link) != 0) give_up("a thread");
}

static bool is_refusing(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    bool refuses = proxy->refuses;
    pthread_mutex_unlock(&proxy->mutex);
    return refuses;
}

static void *run(void *argument)
{
    struct proxy *proxy = argument;
    while (!atomic_load(&proxy->closing)) {
        struct pollfd readable = { .fd = proxy->listener, .events = POLLIN };
        if (poll(&readable, 1, TURN_MS) <= 0) continue;
        struct sockaddr_in address;
        socklen_t len = sizeof address;
        int client = accept4(proxy->listener, (struct sockaddr *)&address, &len, SOCK_CLOEXEC);
        if (client >= 0 && is_refusing(proxy))
            close(client);
        else if (client >= 0)
            start_link(proxy, client);
    }
    return NULL;
}

void proxy_open(struct proxy *proxy, unsigned short server_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *proxy = (struct proxy){ .server_port = server_port };
    pthread_mutex_init(&proxy->mutex, NULL);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (proxy->listener < 0 || bind(proxy->listener, (struct sockaddr *)&address, len) != 0 ||
        listen(proxy->listener, 64) != 0 || getsockname(proxy->listener, (struct sockaddr *)&address, &len) != 0)
        give_up("the proxy's port");
    proxy->port = ntohs(address.sin_port);
    if (pthread_create(&proxy->thread, NULL, run, proxy) != 0) give_up("a thread");
}

void proxy_close(struct proxy *proxy)
{
    atomic_store(&proxy->closing, true);
    pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < proxy->link_count; i++) pthread_join(proxy->links[i], NULL);
    close(proxy->listener);
    pthread_mutex_destroy(&proxy->mutex);
}

void proxy_arm(struct proxy *proxy, enum cut cut, const char *statement)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->cut = cut;
    snprintf(proxy->statement, sizeof proxy->statement, "%s", statement);
    pthread_mutex_unlock(&proxy->mutex);
}

void proxy_refuse(struct proxy *proxy, bool refuses)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->refuses = refuses;
    pthread_mutex_unlock(&proxy->mutex);
}

void proxy_swallow(struct proxy *proxy, bool swallows)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->swallows = swallows;
    pthread_mutex_unlock(&proxy->mutex);
}

void proxy_release(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->releases++;
    pthread_mutex_unlock(&proxy->mutex);
}
