/* SPDX-License-Identifier: Apache-2.0 */
/* Queries over events by type and tag: what append conditions and reads ask for, the same for every driver. */
#ifndef VARVE_EVENT_QUERY_H
#define VARVE_EVENT_QUERY_H

#include "base/arena.h"

/* INVALID, TOO_LARGE: what is wrong with the query. */
varve_status event_query_check(const varve_query_item *items, size_t count, varve_error *error);

/* Copies a query into the arena; false when memory is out. `*copy` may be the place that `items` stands in. */
bool event_query_copy(struct arena *memory, const varve_query_item *items, size_t count, const varve_query_item **copy);

/* Is the event one that any of the items asks for? */
bool event_query_matches(const varve_query_item *items, size_t count, const varve_event *event);

/* May an event of this type be one that the item asks for? */
bool event_query_takes(const varve_query_item *item, varve_str type);

/* Appends the query as JSON: [{"types":[…],"tags":[…]}]. */
void event_query_write_json(const varve_query_item *items, size_t count, varve_buf *out);

/* Has every item a tag? One without is found only by looking at every event. */
bool event_query_by_tags(const varve_query_item *items, size_t count);

#endif
