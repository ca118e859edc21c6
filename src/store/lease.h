/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: what is owned by one at a time, until it is given back or the time is over. A lease is a record in the
 * store, so it is shared by all who share the store, and its time is the store's clock.
 *
 *   free     ── take ─►  held until expires_at     another's epoch: one more than the last
 *   held     ── keep ─►  held for longer           by its owner in its epoch; otherwise CONFLICT
 *   held     ── drop ─►  free
 *   expired  ── take ─►  held, by whoever comes    the owner before may still believe that it holds it …
 *
 * … which is why an effect of the owner is written together with lease_fence: once somebody else has taken the lease
 * that write is refused. All of this blocks for a disk flush, but for lease_look. Any thread.
 */
#ifndef VARVE_STORE_LEASE_H
#define VARVE_STORE_LEASE_H

#include "store/access.h"

struct lease {
    varve_str name;
    varve_str owner;      /* empty: free */
    varve_str backend;    /* what the owner wants whoever takes over to know, such as the session to be ended */
    uint32_t duration_ms; /* that it is taken or kept for */
    uint64_t epoch;       /* grows whenever the owner changes */
    varve_time expires_at;
    uint64_t revision; /* 0: there is no record yet */
};

/* Reads a lease, its texts into `memory`; `now` is the store's time. One that nobody ever took is free. */
varve_status lease_look(varve_store *store, varve_str name, struct arena *memory, struct lease *lease, varve_time *now,
                        varve_error *error);

/* Does somebody hold it? */
bool lease_is_held(const struct lease *lease, varve_time now);

/*
 * Takes the lease for `wanted`'s owner, who may hold it already, with its backend, for duration_ms. LOCKED says who
 * holds it and until when. Whose it was and expired becomes `*previous` (owner empty: nobody's), so that what is left
 * of that owner can be ended.
 */
varve_status lease_take(varve_store *store, const struct lease *wanted, struct arena *memory, struct lease *lease,
                        struct lease *previous, varve_error *error);

/* Holds it for duration_ms from now. CONFLICT: it is another's, or another epoch. */
varve_status lease_keep(varve_store *store, struct lease *lease, struct arena *memory, varve_error *error);

/* Gives it back; the next epoch is still a later one. CONFLICT as above. */
varve_status lease_drop(varve_store *store, struct lease *lease, struct arena *memory, varve_error *error);

/*
 * A write to be put among the effect's own: it keeps the lease, from `now`, if it is as `lease` knows it, and refuses
 * the whole otherwise. Afterwards lease_fenced. NOMEM.
 */
varve_status lease_fence(struct lease *lease, varve_time now, struct arena *memory, struct store_write *write,
                         varve_error *error);
/* The fence was written: the lease has a new revision. */
void lease_fenced(struct lease *lease, const struct store_write *write);

#endif
