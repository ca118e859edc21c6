/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the events of a query, over whichever connection. */
#ifndef VARVE_STORE_SQLITE_MATCH_H
#define VARVE_STORE_SQLITE_MATCH_H

#include "store/sqlite/log.h"

/* What looking for the events of a query needs of a connection, prepared. */
struct matcher {
    sqlite3 *db;
    sqlite3_stmt *seek_tag;    /* SEEK_TAG */
    sqlite3_stmt *type_at;     /* TYPE_AT */
    sqlite3_stmt *types_after; /* TYPES_AFTER */
};

#define SEEK_TAG "SELECT position FROM event_tags WHERE tag = ?1 AND position > ?2 ORDER BY position LIMIT 1"
#define TYPE_AT  "SELECT t.name FROM events e JOIN types t ON t.id = e.type WHERE e.position = ?1"
#define TYPES_AFTER                                                                                     \
    "SELECT e.position, t.name FROM events e LEFT JOIN types t ON t.id = e.type WHERE e.position > ?1 " \
    "ORDER BY e.position"

/* Where an item's next match is looked for: there is none before `at`, and with `found` it stands there. */
struct match_place {
    uint64_t at;
    bool found;
};

/* A query that is gone through, match after match. Begun with the first three set, the rest 0. */
struct match {
    const struct matcher *matcher;
    const varve_query_item *items;
    size_t count;
    struct match_place places[VARVE_QUERY_ITEMS_MAX];
};

/*
 * The first position after `after`, up to `until`, whose event matches one of the items; 0 when there is none. Neither
 * may be less than in the call before. Of an item's tags the rarest decides how much is looked at: each is asked in
 * turn for its next position from where the one before it stands (a leapfrog join, Veldhuizen 2014). Where the other
 * items stand is kept, so that a match costs the item that it is one of, and no other.
 */
varve_status match_next(struct match *match, uint64_t after, uint64_t until, uint64_t *position, varve_error *error);

#endif
