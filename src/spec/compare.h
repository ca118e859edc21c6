/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between an expected piece of JSON and the one that came. */
#ifndef VARVE_SPEC_COMPARE_H
#define VARVE_SPEC_COMPARE_H

#include "spec/file.h"

/* The differences told of one example; beyond them it is only said that there are more. */
#define SPEC_DIFFERENCES_MAX 20u

struct spec_difference {
    varve_str path;     /* "events[0].data.items[1].sku", "rejected.code", "state.status"; empty: all of it */
    varve_str expected; /* JSON; empty: nothing … */
    varve_str got;      /* … of that name came, or was expected */
};

/* Starts from {0} with an arena, which holds all of it. */
struct spec_differences {
    struct arena *arena;
    struct spec_difference list[SPEC_DIFFERENCES_MAX];
    size_t count; /* in the list */
    size_t more;  /* beyond it */
};

/* Adds one difference; texts are copied. VARVE_NOMEM. */
varve_status spec_differ(struct spec_differences *differences, varve_str path, varve_str expected, varve_str got,
                         varve_error *error);

/*
 * Adds what differs, in order of the paths. Both are JSON. Values are equal when they mean the same: objects whatever
 * the order of their members, texts whatever their escapes, integers with integers, and reals with reals as doubles, so
 * 1 and 1.0 differ. Of an object a part is enough where that is asked for; a list is always as long as it says.
 * VARVE_NOMEM.
 */
varve_status spec_compare(struct spec_differences *differences, varve_str path, const struct spec_json *expected,
                          varve_str got, varve_error *error);

#endif
