/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two databases with the author's tables, row by row. Each gives its rows in order of their keys' texts and then their
 * own, compared byte by byte, so that one pass over both tells what differs, whatever types and collations there are.
 */
#ifndef VARVE_QUERY_COMPARE_H
#define VARVE_QUERY_COMPARE_H

#include "query/place.h"
#include <varve/projection.h>

/* One of the two; nothing may run on its session meanwhile. */
struct compare_side {
    struct sql_session *session;
    varve_str only;             /* the tables that belong to it, as place_kind.take_in names them; empty: all */
    struct sql_statement *rows; /* compare_models' own from here on */
    bool ready;
    varve_str key, row;
};

/* Counts and visits the differences; see varve_projection_check. VARVE_DONE: the visitor ended it. */
varve_status compare_models(const struct place *place, struct compare_side *live, struct compare_side *fresh,
                            const varve_projection_check_options *options, varve_projection_check_summary *summary,
                            varve_error *error);

#endif
