/* SPDX-License-Identifier: Apache-2.0 */
/* A network between clients and a server, on 127.0.0.1, that can be cut at a chosen message. */
#ifndef VARVE_TESTS_POSTGRES_PROXY_H
#define VARVE_TESTS_POSTGRES_PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What happens to the connection on which a statement is about to be executed. */
enum cut {
    CUT_NONE,
    CUT_ANSWER,  /* it is executed; when its answer comes, both sides lose the connection */
    CUT_AT_ONCE, /* it is sent, and both sides lose the connection */
    CUT_ABANDON, /* it is sent; the client loses the connection, the server keeps it until proxy_release */
    CUT_DELAY,   /* the client loses the connection; it is sent with proxy_release */
    CUT_GARBLE,  /* no cut: it is executed, and its answer has a last row that libpq cannot take */
};

enum { PROXY_LINKS = 512 };

struct proxy {
    int listener;
    unsigned short port;        /* of the proxy */
    unsigned short server_port; /* on 127.0.0.1 */
    pthread_t thread;
    pthread_t links[PROXY_LINKS];
    size_t link_count;
    atomic_bool closing;

    pthread_mutex_t mutex; /* guards what follows */
    enum cut cut;
    bool refuses;             /* new connections are closed at once */
    bool swallows;            /* connections stay and are taken, and nothing passes */
    char statement[32];       /* cut where this prepared statement is bound */
    uint64_t releases;        /* calls of proxy_release */
    _Atomic size_t cuts;      /* how many there were */
    _Atomic size_t delivered; /* what was delayed and has been answered since */
};

/* Ends the program when there is no port. */
void proxy_open(struct proxy *proxy, unsigned short server_port);
void proxy_close(struct proxy *proxy);
/* The next time that a client executes `statement`. */
void proxy_arm(struct proxy *proxy, enum cut cut, const char *statement);
/* Whether the network is down from now on for who connects. */
void proxy_refuse(struct proxy *proxy, bool refuses);
/* Whether everything is swallowed from now on; what was meanwhile is passed on when it ends. */
void proxy_swallow(struct proxy *proxy, bool swallows);
/* Lets go of what is kept: delayed statements are delivered, abandoned connections closed. */
void proxy_release(struct proxy *proxy);

#endif
