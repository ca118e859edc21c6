/* SPDX-License-Identifier: Apache-2.0 */
/* One thread's use of upcasters: what an event of the log is today. */
#ifndef VARVE_EVENT_UPCAST_H
#define VARVE_EVENT_UPCAST_H

#include "event/upcasters.h"

/* Events in a row; their memory is an arena's. */
struct upcast_list {
    varve_event *events;
    size_t count, capacity;
};

struct upcast_worker;

/* Starts from {0} with a set, which may be NULL: none; ends with upcast_fini. One thread at a time. */
struct upcast {
    const struct upcasters *set;
    struct upcast_worker *workers; /* of each upcaster; NULL: none was needed yet */
    struct arena arena;            /* what follows, for the event under way */
    struct upcast_list pending;    /* to be upcast further, the next one last */
    struct upcast_list shapes;     /* what it is today, as far as is known */
    size_t given, bytes;           /* by upcasters */
};

/*
 * What `event` is today, as varve_shapes_of. An event without an upcaster costs one look-up and is given back as it
 * is. VARVE_APPLICATION, VARVE_NOMEM.
 */
varve_status upcast_event(struct upcast *upcast, const varve_event *event, const varve_event **events, size_t *count,
                          varve_error *error);

void upcast_fini(struct upcast *upcast);

#endif
