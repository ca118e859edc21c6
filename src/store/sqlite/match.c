/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the events of a query by their tags. */
#include "store/sqlite/match.h"

#include "event/query.h"

/* The next position of a tag after `after`; UINT64_MAX when there is none. */
static varve_status seek(const struct matcher *matcher, varve_str tag, uint64_t after, uint64_t *position,
                         varve_error *error)
{
    sqlite3_stmt *row = matcher->seek_tag;
    varve_status status = VARVE_OK;
    sqlite_bind_str(row, 1, tag);
    sqlite3_bind_int64(row, 2, (int64_t)after);
    int code = sqlite3_step(row);
    *position = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(row, 0) : UINT64_MAX;
    if (code != SQLITE_ROW && code != SQLITE_DONE) status = sqlite_failed(matcher->db, "looking for a tag", error);
    sqlite3_reset(row);
    return status;
}

/* The next position that all of the item's tags have; beyond `until` when there is none up to there. */
static varve_status next_by_tags(const struct matcher *matcher, const varve_query_item *item, uint64_t after,
                                 uint64_t until, uint64_t *position, varve_error *error)
{
    uint64_t at = after + 1; /* the least position that is still possible */
    size_t agreed = 0;
    for (size_t i = 0; agreed < item->tag_count && at <= until; i = (i + 1) % item->tag_count) {
        uint64_t found;
        varve_status status = seek(matcher, item->tags[i], at - 1, &found, error);
        if (status < 0) return status;
        agreed = found == at ? agreed + 1 : 1;
        at = found;
    }
    *position = at;
    return VARVE_OK;
}

static varve_status type_fits(const struct matcher *matcher, const varve_query_item *item, uint64_t position,
                              bool *fits, varve_error *error)
{
    *fits = true;
    if (item->type_count == 0) return VARVE_OK;
    sqlite3_stmt *row = matcher->type_at;
    varve_status status = VARVE_OK;
    sqlite3_bind_int64(row, 1, (int64_t)position);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW) {
        varve_str type = { (const char *)sqlite3_column_text(row, 0), (size_t)sqlite3_column_bytes(row, 0) };
        *fits = event_query_takes(item, type);
    } else if (code == SQLITE_DONE) {
        status = varve_error_set(error, VARVE_CORRUPT, "a tag points to position %llu, where no whole event is",
                                 (unsigned long long)position);
    } else {
        status = sqlite_failed(matcher->db, "reading an event's type", error);
    }
    sqlite3_reset(row);
    return status;
}

/* Without tags: a walk over what comes after. */
static varve_status next_by_type(const struct matcher *matcher, const varve_query_item *item, uint64_t after,
                                 uint64_t until, uint64_t *position, varve_error *error)
{
    sqlite3_stmt *rows = matcher->types_after;
    varve_status status = VARVE_OK;
    int code;
    *position = UINT64_MAX;
    sqlite3_bind_int64(rows, 1, (int64_t)after);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        uint64_t here = (uint64_t)sqlite3_column_int64(rows, 0);
        varve_str type = { (const char *)sqlite3_column_text(rows, 1), (size_t)sqlite3_column_bytes(rows, 1) };
        if (here > until) break;
        if (type.len == 0) {
            status = varve_error_set(error, VARVE_CORRUPT, "the type of the event at position %llu has no name",
                                     (unsigned long long)here);
            break;
        }
        if (!event_query_takes(item, type)) continue;
        *position = here;
        break;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = sqlite_failed(matcher->db, "reading the types of events", error);
    sqlite3_reset(rows);
    return status;
}

static varve_status next_of_item(const struct matcher *matcher, const varve_query_item *item, uint64_t after,
                                 uint64_t until, uint64_t *position, varve_error *error)
{
    if (item->tag_count == 0) return next_by_type(matcher, item, after, until, position, error);
    for (bool fits = false; !fits; after = *position) {
        varve_status status = next_by_tags(matcher, item, after, until, position, error);
        if (status < 0 || *position > until) return status;
        status = type_fits(matcher, item, *position, &fits, error);
        if (status < 0) return status;
    }
    return VARVE_OK;
}

varve_status match_next(const struct matcher *matcher, const varve_query_item *items, size_t count, uint64_t after,
                        uint64_t until, uint64_t *position, varve_error *error)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < count && after < until; i++) {
        uint64_t found = UINT64_MAX;
        varve_status status = next_of_item(matcher, &items[i], after, first < until ? first : until, &found, error);
        if (status < 0) return status;
        if (found < first) first = found;
    }
    *position = first > until ? 0 : first;
    return VARVE_OK;
}
