/* SPDX-License-Identifier: Apache-2.0 */
/* Watching a model that another process keeps: which generation serves, and how far it is. */
#ifndef VARVE_QUERY_OBSERVER_H
#define VARVE_QUERY_OBSERVER_H

#include "query/generation.h"

/* Starts from {0}; one thread at a time. */
struct observer {
    struct sql_session *session;
    struct sql_statement *lookup;     /* the place's */
    struct sql_statement *checkpoint; /* of the generation below */
    uint64_t number;                  /* of the generation that serves; 0: none does */
};

/* Reads the position that serves, 0 when it belongs to another history or nothing serves. What fails may pass. */
varve_status observer_look(struct observer *observer, const struct generation_home *home, uint64_t *position,
                           varve_error *error);
/* Closes its session; it can be used again. */
void observer_close(struct observer *observer, const struct generation_home *home);

#endif
