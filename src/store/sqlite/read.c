/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of events. Positions, versions and correlation are found by index, other filters are applied to the rows. */
#include "base/assert.h"
#include "event/codec.h"
#include "event/query.h"
#include "store/sqlite/match.h"
#include "store/sqlite/reader.h"

/* Rows looked at for one page at most, so that a rare filter does not hold a snapshot for long. */
enum { PAGE_ROWS = 20000 };

enum {
    C_POSITION,
    C_VERSION,
    C_ID,
    C_TYPE,
    C_CONTENT_TYPE,
    C_SCHEMA_VERSION,
    C_TAGS,
    C_RECORDED_AT,
    C_OCCURRED_AT,
    C_DATA,
    C_METADATA,
    C_CRC,
    C_STREAM /* its name; not when one stream is read */
};

static varve_str column(sqlite3_stmt *row, int index)
{
    const void *bytes = sqlite3_column_type(row, index) == SQLITE_BLOB ? sqlite3_column_blob(row, index)
                                                                       : sqlite3_column_text(row, index);
    return (varve_str){ bytes, (size_t)sqlite3_column_bytes(row, index) };
}

static varve_status type_name(struct reader *reader, int64_t id, varve_str *name, varve_error *error)
{
    *name = names_get(&reader->types, id);
    if (name->len > 0) return VARVE_OK;
    sqlite3_stmt *statement = NULL;
    varve_status status = reader_statement(reader, R_TYPE_NAME, &statement, error);
    if (status < 0) return status;
    sqlite3_bind_int64(statement, 1, id);
    int code = sqlite3_step(statement);
    varve_str found = code == SQLITE_ROW ? column(statement, 0) : (varve_str){ 0 };
    if (found.len > 0) {
        *name = names_put(&reader->types, id, found);
        if (name->len == 0) status = varve_error_set(error, VARVE_NOMEM, "no memory for an event type's name");
    } else if (code == SQLITE_ROW || code == SQLITE_DONE) {
        status = varve_error_set(error, VARVE_CORRUPT, "event type %lld has no name", (long long)id);
    } else {
        status = sqlite_failed(reader->db, "reading an event type", error);
    }
    sqlite3_reset(statement);
    return status;
}

/* Moves the event's views into the arena, in one piece. */
static bool own_views(varve_event *event, varve_str packed_tags, struct arena *arena)
{
    varve_str *views[] = { &event->stream,   &event->type,         &event->data,
                           &event->metadata, &event->content_type, &packed_tags };
    size_t count = sizeof views / sizeof views[0], bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += views[i]->len;
    char *at = arena_alloc(arena, bytes + 1);
    if (at == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        if (views[i]->len > 0) memcpy(at, views[i]->ptr, views[i]->len);
        views[i]->ptr = at;
        at += views[i]->len;
    }
    return packed_tags.len == 0 || event_tags_read(packed_tags, arena, &event->tags, &event->tag_count);
}

varve_status sqlite_row_event(struct reader *reader, sqlite3_stmt *row, varve_str stream, struct arena *arena,
                              varve_event *event, varve_error *error)
{
    *event = (varve_event){
        .stream = stream.len > 0 ? stream : column(row, C_STREAM),
        .data = column(row, C_DATA),
        .metadata = column(row, C_METADATA),
        .content_type = column(row, C_CONTENT_TYPE),
        .schema_version = (uint32_t)sqlite3_column_int64(row, C_SCHEMA_VERSION),
        .occurred_at = sqlite3_column_int64(row, C_OCCURRED_AT),
        .version = (uint64_t)sqlite3_column_int64(row, C_VERSION),
        .position = (uint64_t)sqlite3_column_int64(row, C_POSITION),
        .recorded_at = sqlite3_column_int64(row, C_RECORDED_AT),
    };
    if (event->content_type.len == 0) event->content_type = VARVE_STR("application/json");
    varve_str id = column(row, C_ID);
    if (id.len == sizeof event->id) memcpy(event->id.bytes, id.ptr, id.len);
    varve_status status = type_name(reader, sqlite3_column_int64(row, C_TYPE), &event->type, error);
    if (status < 0) return status;
    if (!own_views(event, column(row, C_TAGS), arena))
        return varve_error_set(error, VARVE_NOMEM, "no memory for the event at position %llu",
                               (unsigned long long)event->position);
    if (event_checksum(event) == (uint32_t)sqlite3_column_int64(row, C_CRC)) return VARVE_OK;
    return varve_error_set(error, VARVE_CORRUPT, "the event at position %llu fails its checksum",
                           (unsigned long long)event->position);
}

/* ---- filters ---- */

static bool any_of(const varve_str *wanted, size_t count, varve_str value)
{
    for (size_t i = 0; i < count; i++)
        if (varve_str_eq(wanted[i], value)) return true;
    return count == 0;
}

/* Is the row's event one that an item of the query asks for? */
static bool is_asked_for(sqlite3_stmt *row, const varve_read_options *options, varve_str type)
{
    varve_str packed = column(row, C_TAGS);
    for (size_t i = 0; i < options->item_count; i++) {
        const varve_query_item *item = &options->items[i];
        size_t tags = 0;
        if (!event_query_takes(item, type)) continue;
        while (tags < item->tag_count && event_tags_have(packed, item->tags[tags])) tags++;
        if (tags == item->tag_count) return true;
    }
    return false;
}

/* Looks at a row before it is copied: does it pass the filters? */
static varve_status passes(struct reader *reader, sqlite3_stmt *row, const varve_read_options *options, bool *pass,
                           varve_error *error)
{
    *pass = true;
    if (options->type_count > 0 || options->item_count > 0) {
        varve_str type;
        varve_status status = type_name(reader, sqlite3_column_int64(row, C_TYPE), &type, error);
        if (status < 0) return status;
        *pass = any_of(options->types, options->type_count, type) &&
                (options->item_count == 0 || is_asked_for(row, options, type));
    }
    if (*pass && options->category_count > 0)
        *pass = any_of(options->categories, options->category_count, varve_stream_category(column(row, C_STREAM)));
    if (*pass && options->until_time != 0 && options->clock == VARVE_CLOCK_OCCURRED)
        *pass = sqlite3_column_int64(row, C_OCCURRED_AT) <= options->until_time;
    return VARVE_OK;
}

/* recorded_at never decreases, so going forward the first later one ends the read. */
static bool beyond_time(sqlite3_stmt *row, const varve_read_options *options)
{
    return options->until_time != 0 && options->clock == VARVE_CLOCK_RECORDED &&
           sqlite3_column_int64(row, C_RECORDED_AT) > options->until_time;
}

/* ---- pages ---- */

/* Places have no holes, so each row's is known, but for the first one backward and where an index leaves rows out. */
enum { ANY_PLACE = -1 };

static int64_t first_place(const struct store_read *read)
{
    const varve_read_options *options = read->options;
    if (options->stream.len > 0) return options->backward ? ANY_PLACE : (int64_t)read->next_version;
    return options->correlation_id.len > 0 || read->until_position == 0 ? ANY_PLACE : (int64_t)read->after_position + 1;
}

/* Damage can take rows out of a table or an index without a trace in those that are left. */
static varve_status missing(const struct store_read *read, int64_t place, varve_error *error)
{
    varve_str stream = read->options->stream;
    if (stream.len == 0)
        return varve_error_set(error, VARVE_CORRUPT, "the event at position %lld is missing", (long long)place);
    return varve_error_set(error, VARVE_CORRUPT, "version %lld of %.*s is missing", (long long)place, (int)stream.len,
                           stream.ptr);
}

/* Whether the rows ended although one at `place` should have come. A stream's last version is not known here. */
static bool ended_early(const struct store_read *read, int64_t place)
{
    const varve_read_options *options = read->options;
    if (place == ANY_PLACE) return false;
    if (options->stream.len == 0) return place <= (int64_t)read->until_position;
    return options->backward && place >= (options->until_version > 1 ? (int64_t)options->until_version : 1);
}

/* Takes rows until the page is full, the rows are over or a bound is reached. */
static varve_status fill(struct reader *reader, sqlite3_stmt *rows, const struct store_read *read,
                         struct store_page *page, varve_error *error)
{
    const varve_read_options *options = read->options;
    bool by_version = options->stream.len > 0;
    int64_t place = first_place(read); /* where the next row must stand */
    bool dense = by_version || place != ANY_PLACE;
    page->events = arena_alloc(&page->arena, read->event_limit * sizeof *page->events);
    if (page->events == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a page of events");
    page->capacity = read->event_limit;

    for (size_t looked_at = 0;; looked_at++) {
        if (page->count == read->event_limit || page->bytes >= read->byte_limit || looked_at == PAGE_ROWS) {
            page->more = true;
            return VARVE_OK;
        }
        int code = sqlite3_step(rows);
        if (code == SQLITE_DONE && ended_early(read, place)) return missing(read, place, error);
        if (code == SQLITE_DONE) break;
        if (code != SQLITE_ROW) return sqlite_failed(reader->db, "reading events", error);
        int64_t here = sqlite3_column_int64(rows, by_version ? C_VERSION : C_POSITION);
        if (place != ANY_PLACE && here != place) return missing(read, place, error);
        if (dense) place = options->backward ? here - 1 : here + 1;
        if (beyond_time(rows, options)) break;

        bool pass = false;
        varve_status status = passes(reader, rows, options, &pass, error);
        if (status >= 0 && pass) {
            varve_event *event = &page->events[page->count];
            status = sqlite_row_event(reader, rows, options->stream, &page->arena, event, error);
            if (status >= 0) page->count++;
            page->bytes += event->data.len + event->metadata.len;
        }
        if (status < 0) return status;
        page->scanned = (uint64_t)here;
    }
    if (!by_version) page->scanned = read->until_position;
    return VARVE_OK;
}

static varve_status stream_id(struct reader *reader, varve_str name, int64_t *id, varve_error *error)
{
    sqlite3_stmt *statement = NULL;
    varve_status status = reader_statement(reader, R_FIND_STREAM, &statement, error);
    if (status < 0) return status;
    sqlite_bind_str(statement, 1, name);
    int code = sqlite3_step(statement);
    *id = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE) status = sqlite_failed(reader->db, "reading a stream", error);
    sqlite3_reset(statement);
    return status;
}

static varve_status read_stream(struct reader *reader, const struct store_read *read, struct store_page *page,
                                varve_error *error)
{
    const varve_read_options *options = read->options;
    int64_t id = 0;
    varve_status status = stream_id(reader, options->stream, &id, error);
    if (status < 0 || id == 0) return status;
    sqlite3_stmt *rows = NULL;
    status = reader_statement(reader, options->backward ? R_STREAM_BACKWARD : R_STREAM, &rows, error);
    if (status < 0) return status;
    int64_t until = (int64_t)options->until_version;
    if (until == 0 && !options->backward) until = INT64_MAX;
    sqlite3_bind_int64(rows, 1, id);
    sqlite3_bind_int64(rows, 2, (int64_t)read->next_version);
    sqlite3_bind_int64(rows, 3, until);
    return fill(reader, rows, read, page, error);
}

static varve_status get_matcher(struct reader *reader, struct matcher *matcher, varve_error *error)
{
    matcher->db = reader->db;
    varve_status status = reader_statement(reader, R_SEEK_TAG, &matcher->seek_tag, error);
    if (status >= 0) status = reader_statement(reader, R_TYPE_AT, &matcher->type_at, error);
    if (status >= 0) status = reader_statement(reader, R_TYPES_AFTER, &matcher->types_after, error);
    return status;
}

/* Puts the event at a position that an index named onto the page, unless another filter is against it. */
static varve_status take_position(struct reader *reader, sqlite3_stmt *row, uint64_t position,
                                  const varve_read_options *options, struct store_page *page, bool *beyond,
                                  varve_error *error)
{
    bool pass = false;
    sqlite3_bind_int64(row, 1, (int64_t)position - 1);
    sqlite3_bind_int64(row, 2, (int64_t)position);
    int code = sqlite3_step(row);
    varve_status status = VARVE_OK;
    if (code == SQLITE_DONE)
        status = varve_error_set(error, VARVE_CORRUPT, "the event at position %llu is missing",
                                 (unsigned long long)position);
    else if (code != SQLITE_ROW)
        status = sqlite_failed(reader->db, "reading events", error);
    else if (!(*beyond = beyond_time(row, options)))
        status = passes(reader, row, options, &pass, error);
    if (pass) {
        status = sqlite_row_event(reader, row, options->stream, &page->arena, &page->events[page->count], error);
        if (status >= 0) page->count++;
    }
    sqlite3_reset(row);
    return status;
}

/* The log by tags: positions come from their index, so that what does not match is not looked at. */
static varve_status read_by_tags(struct reader *reader, const struct store_read *read, struct store_page *page,
                                 varve_error *error)
{
    const varve_read_options *options = read->options;
    struct matcher matcher;
    struct match match = { &matcher, options->items, options->item_count, { { 0 } } };
    sqlite3_stmt *row = NULL;
    bool beyond = false;
    varve_status status = get_matcher(reader, &matcher, error);
    if (status >= 0) status = reader_statement(reader, R_LOG, &row, error);
    if (status < 0) return status;
    page->events = arena_alloc(&page->arena, read->event_limit * sizeof *page->events);
    if (page->events == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a page of events");
    page->capacity = read->event_limit;

    for (size_t looked_at = 0; page->count < read->event_limit && page->bytes < read->byte_limit; looked_at++) {
        size_t before = page->count;
        uint64_t position = 0;
        if (looked_at == PAGE_ROWS) break;
        status = match_next(&match, page->scanned, read->until_position, &position, error);
        if (status >= 0 && position > 0) status = take_position(reader, row, position, options, page, &beyond, error);
        if (status < 0) return status;
        if (position == 0 || beyond) {
            page->scanned = read->until_position;
            return VARVE_OK;
        }
        page->scanned = position;
        if (page->count > before) page->bytes += page->events[before].data.len + page->events[before].metadata.len;
    }
    page->more = true;
    return VARVE_OK;
}

static varve_status read_log(struct reader *reader, const struct store_read *read, struct store_page *page,
                             varve_error *error)
{
    varve_str correlation = read->options->correlation_id;
    sqlite3_stmt *rows = NULL;
    if (correlation.len == 0 && event_query_by_tags(read->options->items, read->options->item_count))
        return read_by_tags(reader, read, page, error);
    varve_status status = reader_statement(reader, correlation.len > 0 ? R_CORRELATION : R_LOG, &rows, error);
    if (status < 0) return status;
    sqlite3_bind_int64(rows, 1, (int64_t)read->after_position);
    sqlite3_bind_int64(rows, 2, (int64_t)read->until_position);
    if (correlation.len > 0) sqlite_bind_str(rows, 3, correlation);
    return fill(reader, rows, read, page, error);
}

varve_status sqlite_read(struct store_log *log, const struct store_read *read, struct store_page *page,
                         varve_error *error)
{
    struct reader *reader = NULL;
    varve_status status = reader_take(log, &reader, error);
    if (status < 0) return status;
    status =
        read->options->stream.len > 0 ? read_stream(reader, read, page, error) : read_log(reader, read, page, error);
    reader_give(log, reader);
    return status;
}

varve_status sqlite_find(struct store_log *log, varve_uuid id, struct store_page *page, varve_error *error)
{
    struct reader *reader = NULL;
    sqlite3_stmt *row = NULL;
    varve_status status = reader_take(log, &reader, error);
    if (status < 0) return status;
    status = reader_statement(reader, R_EVENT, &row, error);
    page->events = arena_alloc(&page->arena, sizeof *page->events);
    if (page->events == NULL) status = varve_error_set(error, VARVE_NOMEM, "no memory for an event");
    if (status >= 0) {
        sqlite3_bind_blob(row, 1, id.bytes, sizeof id.bytes, SQLITE_STATIC);
        int code = sqlite3_step(row);
        if (code == SQLITE_ROW) {
            status = sqlite_row_event(reader, row, (varve_str){ 0 }, &page->arena, page->events, error);
            page->count = status >= 0;
        } else if (code != SQLITE_DONE) {
            status = sqlite_failed(reader->db, "looking for an event", error);
        }
    }
    reader_give(log, reader);
    return status;
}

/* ---- versions by time ---- */

/* The stream's newest event up to `version`, checked; its memory is the arena's. `found` false: there is none. */
static varve_status event_at(struct reader *reader, varve_str stream, int64_t id, int64_t version, struct arena *arena,
                             varve_event *event, bool *found, varve_error *error)
{
    sqlite3_stmt *row = NULL;
    varve_status status = reader_statement(reader, R_STREAM_BACKWARD, &row, error);
    if (status < 0) return status;
    arena_reset(arena);
    sqlite3_bind_int64(row, 1, id);
    sqlite3_bind_int64(row, 2, version);
    sqlite3_bind_int64(row, 3, 0);
    int code = sqlite3_step(row);
    *found = code == SQLITE_ROW;
    if (code == SQLITE_ROW) status = sqlite_row_event(reader, row, stream, arena, event, error);
    if (code != SQLITE_ROW && code != SQLITE_DONE) status = sqlite_failed(reader->db, "reading an event", error);
    sqlite3_reset(row);
    return status;
}

/* Halves the stream until the newest event up to `at` and the oldest after it are neighbours. */
static varve_status bisect(struct reader *reader, varve_str stream, int64_t id, varve_time at, uint64_t *version,
                           varve_error *error)
{
    struct arena arena = { 0 };
    varve_event event;
    bool found = false;
    uint64_t by_then = 0, after = 0;
    varve_status status = event_at(reader, stream, id, INT64_MAX, &arena, &event, &found, error);
    if (status >= 0 && found && event.recorded_at <= at) by_then = event.version;
    if (status >= 0 && found) after = event.version;
    while (status >= 0 && by_then + 1 < after) {
        uint64_t middle = by_then + (after - by_then) / 2;
        status = event_at(reader, stream, id, (int64_t)middle, &arena, &event, &found, error);
        if (status < 0) break;
        if (!found || event.version != middle) {
            status = varve_error_set(error, VARVE_CORRUPT, "version %llu of %.*s is missing",
                                     (unsigned long long)middle, (int)stream.len, stream.ptr);
        } else if (event.recorded_at <= at) {
            by_then = middle;
        } else {
            after = middle;
        }
    }
    arena_fini(&arena);
    *version = by_then;
    return status;
}

varve_status sqlite_version_at(struct store_log *log, varve_str stream, varve_time at, uint64_t *version,
                               varve_error *error)
{
    struct reader *reader = NULL;
    int64_t id = 0;
    varve_status status = reader_take(log, &reader, error);
    if (status < 0) return status;
    *version = 0;
    status = stream_id(reader, stream, &id, error);
    if (status >= 0 && id != 0) status = bisect(reader, stream, id, at, version, error);
    reader_give(log, reader);
    return status;
}
