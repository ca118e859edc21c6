/* SPDX-License-Identifier: Apache-2.0 */
/* The table of everything the server answers to. */
#ifndef VARVE_SERVER_ROUTES_H
#define VARVE_SERVER_ROUTES_H

#include "server/request.h"

/* How a handler is run. */
enum route_run {
    RUN_AT_ONCE,  /* on the transport's thread; has sent the answer when it returns */
    RUN_QUEUES,   /* on the transport's thread with the request suspended; may send later, must not wait */
    RUN_MAY_WAIT, /* on a worker with the request suspended; may send later too */
};

enum {
    HEEDS_MATCH = 1 << 0, /* If-Match and If-None-Match */
    HEEDS_KEY = 1 << 1,   /* Idempotency-Key */
};

struct route {
    const char *method;                      /* "GET" (HEAD too) or "POST" */
    const char *path;                        /* "/streams/{stream}": {…} stands for any one segment */
    void (*handle)(struct request *request); /* NULL: designed, but not built yet */
    enum route_run run;
    unsigned media;     /* MEDIA_… that a body may have; 0: no body */
    size_t body_max;    /* bytes */
    const char *params; /* names of query parameters, separated by blanks; NULL: the handler knows them */
    unsigned heeds;     /* HEEDS_…: the headers that mean something here */
};

/*
 * Finds the request's route and checks what can be checked before its body has come. False when
 * the answer is already there: a problem document in `request->answer`, with its status.
 */
bool routes_admit(struct request *request, varve_str uri, char *memory);

/* How many routes there are, and where in the table one stands; what is no route counts as the last + 1. */
size_t routes_count(void);
size_t routes_index(const struct route *route);
/* The method and path at a place in the table; "" and "none" behind the last. */
const char *routes_method(size_t index);
const char *routes_path(size_t index);

#endif
