/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's tenure of a projection, where several processes share its models: the lease "projection NAME", which says
 * who the owner is, and the claim on the models, which is what changes are fenced with (place.h). The lease decides,
 * the claim protects: an owner whose lease is over can still believe in it, but no longer change anything.
 */
#ifndef VARVE_QUERY_TENURE_H
#define VARVE_QUERY_TENURE_H

#include "query/place.h"
#include "store/lease.h"

#define TENURE_MS       10000u /* a lease's duration unless another one is asked for */
#define TENURE_LOOK_MS  500u   /* at the most, between two looks at another's lease */
#define TENURE_NAME_MAX 128    /* bytes of an owner's name that are kept, with the end */

/* Starts with tenure_init, ends with tenure_fini. One thread at a time. */
struct tenure {
    varve_store *store;          /* borrowed, as the two below */
    struct place *place;         /* its owner is this process; its epoch is kept here */
    varve_str name;              /* the projection's */
    uint32_t duration_ms;        /* of the lease */
    uint32_t look_ms;            /* how often to look at another's lease */
    bool held;                   /* as far as this process knows */
    uint64_t due_ns;             /* when tenure_hold wants to be called; 0: at once */
    struct lease lease;          /* as last seen */
    struct arena memory;         /* the lease's texts */
    varve_buf key, before;       /* the lease's name; what is left of the owner before us and not ended yet */
    char owner[TENURE_NAME_MAX]; /* whose the lease was when last looked at; "" when nobody's */
};

/* `place` is borrowed too; `duration_ms` 0: TENURE_MS. */
void tenure_init(struct tenure *tenure, varve_store *store, struct place *place, varve_str name, uint32_t duration_ms);

/*
 * Takes the lease or keeps it, with a text for whoever takes over (see place_kind.identify), and sets when to come
 * again. `*fresh`: the models were claimed just now, and what is known about them is worth nothing. LOCKED: they are
 * another's. Any other failure leaves `held` as it was: it has to be tried again.
 */
varve_status tenure_hold(struct tenure *tenure, varve_str backend, bool *fresh, varve_error *error);

/* Who owns a projection, for who only looks: "" when nobody does. */
varve_status tenure_look(varve_store *store, varve_str name, char owner[TENURE_NAME_MAX], varve_error *error);

/* Is it time to hold? */
bool tenure_is_due(const struct tenure *tenure);

/* A change was refused: the next tenure_hold, which is due at once, tells how it stands. */
void tenure_lose(struct tenure *tenure);

/* Gives the lease back if it is held, so that another takes over at once. */
void tenure_drop(struct tenure *tenure);
/* Does so, and frees what the tenure has. */
void tenure_fini(struct tenure *tenure);

#endif
