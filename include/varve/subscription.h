/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable subscriptions: the store keeps, under a name, which events were dealt with. A subscription has 1 to 64
 * members, between which its streams are split for good, by a hash of their names; each member is read by one
 * consumer at a time. Consumers of different members compete; each stream's events come in order.
 *
 * An event is delivered until it is acknowledged (at least once), and not while an earlier one of its stream waits to
 * be delivered again. What a consumer cannot deal with it retries later, or parks: then the stream's later events wait
 * too, until somebody has the parked event retried or skips it. All else goes on.
 *
 * Threads: as store.h; every function may be called from any thread at once, but for one reader, which is used by one
 * thread at a time. All of them may wait for the disk. Everything that changes something needs a store that is open
 * for writing (VARVE_DENIED), and may return VARVE_BUSY when others change the same all the time.
 */
#ifndef VARVE_SUBSCRIPTION_H
#define VARVE_SUBSCRIPTION_H

#include <varve/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VARVE_SUBSCRIPTION_NAME_MAX    64u /* bytes: a-z, 0-9, '_', '-' */
#define VARVE_SUBSCRIPTION_MEMBERS_MAX 64u
#define VARVE_SUBSCRIPTION_LIMIT_MAX   1000u /* events of one batch, positions of one acknowledgement */
#define VARVE_SUBSCRIPTION_WINDOW      1000u /* events of a member behind its first unsettled one that are given out */
#define VARVE_SUBSCRIPTION_UNPARKED    100u  /* streams of a member that are worked off again at the same time */
#define VARVE_SUBSCRIPTION_DELAY_MAX   86400000u /* ms, of a retry: a day */
#define VARVE_SUBSCRIPTION_LEASE_MAX   3600000u  /* ms */

/* What a subscription is; none of it changes later. Zero means the default. */
typedef struct varve_subscription {
    size_t size; /* sizeof(varve_subscription), or 0 for this version's */
    varve_str name;
    const varve_str *categories; /* any of these, and any of the types, and all of the tags */
    size_t category_count;
    const varve_str *types;
    size_t type_count;
    const varve_str *tags;
    size_t tag_count;
    uint64_t after_position; /* it begins behind this; VARVE_INVALID beyond the head */
    uint32_t members;        /* 0: one */
    uint32_t max_attempts;   /* so many failed attempts park an event; 0: no such limit */
} varve_subscription;

/*
 * Creates a subscription. VARVE_REPEATED: it was there with the same definition; VARVE_CONFLICT: with another one.
 * VARVE_INVALID says what is wrong.
 */
VARVE_API varve_status varve_subscription_create(varve_store *store, const varve_subscription *subscription,
                                                 varve_error *error);

/* Takes a subscription away, with all it knows. VARVE_NOT_FOUND. */
VARVE_API varve_status varve_subscription_delete(varve_store *store, varve_str name, varve_error *error);

/* How far a member is. */
typedef struct varve_subscription_member {
    uint64_t position;  /* all its events up to here are settled or parked */
    uint64_t lag;       /* positions between there and the head */
    uint64_t parked;    /* streams with a parked event */
    uint32_t held;      /* events that wait for their retry */
    uint32_t unparked;  /* streams that are worked off again */
    varve_str consumer; /* who reads it; empty: nobody */
    varve_time lease_until;
} varve_subscription_member;

typedef struct varve_subscription_status {
    varve_subscription definition;
    varve_time created_at;
    uint64_t head;
    bool rewound; /* the log has another history since (a restore, an import): delete it and create it again */
    const varve_subscription_member *members; /* definition.members of them */
} varve_subscription_status;

/* Called for each subscription in order of name; borrowed for the call. A positive return ends the visit. */
typedef varve_status (*varve_subscription_visit)(void *ctx, const varve_subscription_status *status);

/* Visits the subscription of that name (VARVE_NOT_FOUND), or all of them when it is empty. Read-only stores too. */
VARVE_API varve_status varve_subscription_list(varve_store *store, varve_str name, varve_subscription_visit visit,
                                               void *ctx, varve_error *error);

/* Appends {"name","categories","types","tags","after","members":[{…}],"max_attempts","created_at","head","state"}. */
VARVE_API void varve_subscription_write_json(const varve_subscription_status *status, varve_buf *out);

/* ---- reading ---- */

typedef struct varve_subscription_read_options {
    size_t size; /* sizeof(varve_subscription_read_options), or 0 for this version's */
    varve_str name;
    uint32_t member; /* 1 to its members; 0: the only one */
    varve_str
        consumer;      /* who reads: 1 to 255 bytes; holds the member for lease_ms from now, and longer by reading on */
    uint32_t limit;    /* events at most; 0: 100 */
    uint32_t wait_ms;  /* how long to wait for an event; 0: not at all */
    uint32_t lease_ms; /* 0: 30000. Must be longer than it takes to deal with a batch */
} varve_subscription_read_options;

/* An event to be dealt with. */
typedef struct varve_delivery {
    varve_event event;
    uint32_t attempt; /* 1, and one more for each retry */
} varve_delivery;

/* Starts from {0}, ends with varve_subscription_batch_fini. A batch ends early at some MiB. */
typedef struct varve_subscription_batch {
    const varve_delivery *deliveries; /* in order of position; they and what they borrow live as long as the batch */
    size_t count;
    uint64_t position; /* the member's: all up to here is settled */
    varve_time lease_until;
    void *memory;
} varve_subscription_batch;

VARVE_API void varve_subscription_batch_fini(varve_subscription_batch *batch);

/* Appends {"events":[…],"position","lease_until"}, each event as varve_event_write_json, with its "attempt". */
VARVE_API void varve_subscription_batch_write_json(const varve_subscription_batch *batch, varve_buf *out);

/*
 * Gives the first events of a member that may be delivered, the same ones until they are settled. VARVE_OK;
 * VARVE_IDLE: none was found within wait_ms (the next read looks further), or as many as the window has room for wait
 * to be settled. VARVE_LOCKED: another consumer holds the member (`error->detail`: for so many ms more, unless it reads
 * on). VARVE_REWOUND: the log has another history since the subscription was created. VARVE_NOT_FOUND, VARVE_INVALID.
 */
VARVE_API varve_status varve_subscription_read(varve_store *store, const varve_subscription_read_options *options,
                                               varve_subscription_batch *batch, varve_error *error);

/*
 * The same for a caller with an event loop of its own. Options are copied, wait_ms means nothing. varve_reader_next
 * does not wait for events: VARVE_OK, VARVE_IDLE, VARVE_SKIPPED (much was looked at, call again soon), or a failure.
 * After VARVE_IDLE call it again when varve_reader_fd (-1: there is none just now) polls readable, or after
 * varve_reader_due_ms at the latest.
 */
typedef struct varve_reader varve_reader;
VARVE_API varve_status varve_reader_open(varve_reader **reader, varve_store *store,
                                         const varve_subscription_read_options *options, varve_error *error);
VARVE_API varve_status varve_reader_next(varve_reader *reader, varve_subscription_batch *batch, varve_error *error);
VARVE_API int varve_reader_fd(varve_reader *reader);
VARVE_API uint32_t varve_reader_due_ms(const varve_reader *reader);
VARVE_API void varve_reader_close(varve_reader *reader);

/* ---- settling ---- */

/* What is done with events of a member. VARVE_INVALID when something is given that the action would not keep. */
typedef struct varve_subscription_action {
    size_t size; /* sizeof(varve_subscription_action), or 0 for this version's */
    varve_str name;
    uint32_t member;    /* as for reading; not needed where the position tells */
    varve_str consumer; /* must hold the member; may be empty where an operator acts */
    const uint64_t *positions;
    size_t position_count;
    uint64_t through;  /* acknowledging: all that came up to here, instead of positions */
    uint32_t delay_ms; /* retrying: not before */
    varve_str reason;  /* retrying, parking: why; up to 255 bytes */
    varve_str actor;   /* parking: who did it, when it was not the consumer; up to 255 bytes */
} varve_subscription_action;

/*
 * Acknowledges events: up to 1,000 positions, or all `through` one. All of them or none. What is settled already is
 * passed over, so it may be repeated. VARVE_CONFLICT: the consumer does not hold the member any more; an earlier event
 * of the stream is not settled, or is parked (`error->detail`: its position); `through`, but something up to there was
 * retried or unparked, or not given out yet: then acknowledge by positions. VARVE_INVALID: not an event of this member.
 */
VARVE_API varve_status varve_subscription_ack(varve_store *store, const varve_subscription_action *action,
                                              varve_error *error);

/*
 * Has one event delivered again, delay_ms from now at the earliest; the later ones of its stream wait for it, all
 * others go on. VARVE_DONE: max_attempts was reached and it was parked, for the same reason. Otherwise as ack.
 */
VARVE_API varve_status varve_subscription_retry(varve_store *store, const varve_subscription_action *action,
                                                varve_error *error);

/* Parks one event, by its consumer or an operator. VARVE_REPEATED: it is parked. Otherwise as acknowledging. */
VARVE_API varve_status varve_subscription_park(varve_store *store, const varve_subscription_action *action,
                                               varve_error *error);

/* Has a parked event delivered again, then those of its stream that came later. VARVE_NOT_FOUND: it is not parked. */
VARVE_API varve_status varve_subscription_unpark(varve_store *store, const varve_subscription_action *action,
                                                 varve_error *error);

/* Gives one event up, parked or not: the later ones of its stream go on. Otherwise as acknowledging. */
VARVE_API varve_status varve_subscription_skip(varve_store *store, const varve_subscription_action *action,
                                               varve_error *error);

/* A parked event; the later ones of its stream wait behind it. */
typedef struct varve_parked {
    varve_str place; /* in the list of all of them, to go on behind */
    uint32_t member;
    varve_str stream;
    uint64_t position, version;
    uint32_t attempts; /* that failed */
    varve_time parked_at;
    varve_str reason, actor;
} varve_parked;

/* Called for each; borrowed for the call, in which the store must not be called. A positive return ends the visit. */
typedef varve_status (*varve_parked_visit)(void *ctx, const varve_parked *parked);

/*
 * Visits the parked events of a subscription, of one member (0: of all), by member and name of stream, behind the
 * place `after` (empty: from the first), `limit` at most (0: all). VARVE_DONE: no more; VARVE_OK: there may be more.
 */
VARVE_API varve_status varve_subscription_parked(varve_store *store, varve_str name, uint32_t member, varve_str after,
                                                 uint64_t limit, varve_parked_visit visit, void *ctx,
                                                 varve_error *error);

/* Appends {"member","stream","position","version","attempts","reason","actor","parked_at","place"}. */
VARVE_API void varve_parked_write_json(const varve_parked *parked, varve_buf *out);

#ifdef __cplusplus
}
#endif
#endif
