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

/* Moves the place on to the next position that all of the item's tags have; not found when it lies beyond `until`. */
static varve_status next_by_tags(const struct matcher *matcher, const varve_query_item *item, uint64_t until,
                                 struct match_place *place, varve_error *error)
{
    size_t agreed = 0;
    for (size_t i = 0; agreed < item->tag_count && place->at <= until; i = (i + 1) % item->tag_count) {
        uint64_t found;
        varve_status status = seek(matcher, item->tags[i], place->at - 1, &found, error);
        if (status < 0) return status;
        agreed = found == place->at ? agreed + 1 : 1;
        place->at = found;
    }
    place->found = agreed == item->tag_count;
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
static varve_status next_by_type(const struct matcher *matcher, const varve_query_item *item, uint64_t until,
                                 struct match_place *place, varve_error *error)
{
    sqlite3_stmt *rows = matcher->types_after;
    varve_status status = VARVE_OK;
    int code;
    sqlite3_bind_int64(rows, 1, (int64_t)place->at - 1);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        varve_str type = { (const char *)sqlite3_column_text(rows, 1), (size_t)sqlite3_column_bytes(rows, 1) };
        place->at = (uint64_t)sqlite3_column_int64(rows, 0);
        if (place->at > until) break;
        if (type.len == 0)
            status = varve_error_set(error, VARVE_CORRUPT, "the type of the event at position %llu has no name",
                                     (unsigned long long)place->at);
        place->found = status >= 0 && event_query_takes(item, type);
        if (place->found || status < 0) break;
    }
    if (code == SQLITE_DONE)
        place->at = UINT64_MAX;
    else if (code != SQLITE_ROW)
        status = sqlite_failed(matcher->db, "reading the types of events", error);
    sqlite3_reset(rows);
    return status;
}

/* Moves the place on to the item's next match, or to where none has been found that is not beyond `until`. */
static varve_status next_of_item(const struct matcher *matcher, const varve_query_item *item, uint64_t until,
                                 struct match_place *place, varve_error *error)
{
    if (item->tag_count + item->type_count == 0) { /* any event will do, and positions have no holes */
        place->found = true;
        return VARVE_OK;
    }
    if (item->tag_count == 0) return next_by_type(matcher, item, until, place, error);
    for (;;) {
        varve_status status = next_by_tags(matcher, item, until, place, error);
        if (status < 0 || item->type_count == 0) return status;
        if (place->at > until) break; /* whatever it is */
        status = type_fits(matcher, item, place->at, &place->found, error);
        if (status < 0 || place->found) return status;
        place->at++;
    }
    place->found = false;
    return VARVE_OK;
}

varve_status match_next(struct match *match, uint64_t after, uint64_t until, uint64_t *position, varve_error *error)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < match->count && after < until; i++) {
        struct match_place *place = &match->places[i];
        uint64_t bound = first < until ? first : until;
        if (place->at <= after) *place = (struct match_place){ .at = after + 1 };
        if (!place->found && place->at <= bound) {
            varve_status status = next_of_item(match->matcher, &match->items[i], bound, place, error);
            if (status < 0) return status;
        }
        if (place->found && place->at < first) first = place->at;
    }
    *position = first > until ? 0 : first;
    return VARVE_OK;
}
