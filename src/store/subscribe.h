/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of durable subscriptions:
 *
 *   space                  key             value
 *   subscription           NAME            the definition
 *   subscription_member    NAME/0003       struct member
 *   lease                  NAME/0003 …     who reads the member; its key begins with "subscription "
 *   subscription_parked    NAME/0003/STREAM    the stream's parked event; those of it that came later wait behind it
 *
 * A member's state changes only together with its record's revision. Which stream belongs to which member follows from
 * stored_hash.
 */
#ifndef VARVE_STORE_SUBSCRIBE_H
#define VARVE_STORE_SUBSCRIBE_H

#include "store/lease.h"
#include "store/member.h"

#define SUBSCRIPTION_SPACE VARVE_STR("subscription")
#define MEMBER_SPACE       VARVE_STR("subscription_member")
#define PARKED_SPACE       VARVE_STR("subscription_parked")

struct subscription {
    varve_subscription definition;
    varve_time created_at;
    varve_str incarnation; /* the log's when it was created */
    bool deleting;
    uint64_t revision;
};

/* subscribe_json.c: the definition as it is stored. CORRUPT, NOMEM. */
varve_status subscription_read(varve_str json, struct arena *memory, struct subscription *subscription,
                               varve_error *error);
void subscription_write(const struct subscription *subscription, varve_buf *json);

/* subscribe.c: loads a definition. NOT_FOUND; INVALID when there cannot be one of that name. */
varve_status subscription_load(varve_store *store, varve_str name, struct arena *memory,
                               struct subscription *subscription, varve_error *error);
/* REWOUND when the log has another history since. */
varve_status subscription_check_history(varve_store *store, const struct subscription *subscription,
                                        varve_error *error);

/* "NAME/0003", and "NAME/0003/STREAM" where a stream is given, with `before` in front. False when memory is out. */
bool subscription_key(const struct subscription *subscription, uint32_t member, varve_str stream, const char *before,
                      struct arena *memory, varve_str *key);

/* The number of the member, from 1, that a stream belongs to. */
uint32_t subscription_member_of(const struct subscription *subscription, varve_str stream);

/* Loads a member's state, with room as member_read. */
varve_status subscription_load_member(varve_store *store, const struct subscription *subscription, uint32_t number,
                                      size_t more, struct arena *memory, struct member *member, varve_time *now,
                                      varve_error *error);
/* A write of the state that expects it as it was loaded. NOMEM. */
varve_status subscription_put_member(const struct subscription *subscription, uint32_t number,
                                     const struct member *member, struct arena *memory, struct store_write *write,
                                     varve_error *error);

/* Looks at the lease of a member. */
varve_status subscription_look_lease(varve_store *store, const struct subscription *subscription, uint32_t number,
                                     struct arena *memory, struct lease *lease, varve_time *now, varve_error *error);

/* Reads the subscription's event at a position, copied. INVALID when it has none there. */
varve_status subscription_event_at(varve_store *store, const struct subscription *subscription, uint64_t position,
                                   struct arena *memory, varve_event *event, varve_error *error);

/* Copies what the event borrows into `memory`. False when memory is out. */
bool subscription_copy_event(const varve_event *from, struct arena *memory, varve_event *event);

/* parked.c: the parked event of a stream; `revision` (0: there is none) is its record's. */
varve_status parked_look(varve_store *store, const struct subscription *subscription, uint32_t member, varve_str stream,
                         struct arena *memory, varve_parked *parked, uint64_t *revision, varve_error *error);
/* As varve_subscription_parked, of a subscription that is loaded. */
varve_status parked_list(varve_store *store, const struct subscription *subscription, uint32_t member, varve_str after,
                         uint64_t limit, varve_parked_visit visit, void *ctx, varve_error *error);
/* A write that parks, or with `remove` no longer parks, and expects the record at its revision (0: none). NOMEM. */
varve_status parked_put(const struct subscription *subscription, const varve_parked *parked, uint64_t revision,
                        bool remove, struct arena *memory, struct store_write *write, varve_error *error);

#endif
