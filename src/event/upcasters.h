/* SPDX-License-Identifier: Apache-2.0 */
/* Upcasters by the shape they are for. With what they declare they are a graph without a circle. */
#ifndef VARVE_EVENT_UPCASTERS_H
#define VARVE_EVENT_UPCASTERS_H

#include <varve/upcast.h>

#include "base/arena.h"

struct upcasters_entry {
    const varve_upcaster *upcaster; /* borrowed */
    void *ctx;
    varve_str type;
    uint32_t schema_version; /* at least 1 */
};

/* Starts from {0}; filled before anything runs, only read afterwards; ends with upcasters_fini. */
struct upcasters {
    struct upcasters_entry *entries; /* in an order for look-ups */
    size_t count;
};

/* As varve_engine_add_upcaster. */
varve_status upcasters_add(struct upcasters *set, const varve_upcaster *upcaster, void *ctx, varve_error *error);

void upcasters_fini(struct upcasters *set);

/* Is there an upcaster for this shape (schema_version 0 means 1)? `*index` is its place in `entries`. */
bool upcasters_find(const struct upcasters *set, varve_str type, uint32_t schema_version, size_t *index);

/* The shapes that an upcaster may give, with what was left out filled in. */
size_t upcaster_into_count(const varve_upcaster *upcaster);
varve_shape upcaster_into(const varve_upcaster *upcaster, size_t i);

/*
 * The types that events can have in the log which are, or become, one of `types`: those themselves first. From `arena`.
 * NULL when memory is out.
 */
const varve_str *upcasters_sources(const struct upcasters *set, const varve_str *types, size_t type_count,
                                   struct arena *arena, size_t *count);

/*
 * A number for what is made of upcast events: `version` itself where no upcaster is concerned, else beyond 32 bits
 * what tells these upcasters from others: their shapes and revisions, in whatever order they were added. `types` are
 * the types in the log that matter; NULL: all of them. It is stored, as 64 bits signed, and never negative.
 */
uint64_t upcasters_stamp(const struct upcasters *set, const varve_str *types, size_t type_count, uint32_t version);

#endif
