/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of events. Tags, correlations and a stream's versions are found by index; other filters are applied to windows
 * of positions, so that a rare one does not hold the server for long.
 */
#include "event/codec.h"
#include "event/query.h"
#include "store/postgres/log.h"

enum {
    WINDOW = 20000,   /* positions looked at in one statement, or for one page, when a filter must look at each */
    FIRST_CHUNK = 16, /* rows of a page's first statement: how large they are is not known yet */
    CHUNK_GROWTH = 8,
};

enum {
    C_POSITION,
    C_STREAM,
    C_VERSION,
    C_ID,
    C_TYPE,
    C_CONTENT_TYPE,
    C_SCHEMA_VERSION,
    C_TAGS,
    C_RECORDED_AT,
    C_OCCURRED_AT,
    C_DATA,
    C_BODY,
    C_METADATA,
    C_CRC
};

/* ---- rows ---- */

static uint32_t number4(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A text[] as it comes in binary (see array_begin): views into the arena's copy of it. */
static bool read_tags(varve_str packed, struct arena *arena, varve_event *event)
{
    const unsigned char *at = (const unsigned char *)packed.ptr, *end = at + packed.len;
    if (packed.len < 12 || number4(at) == 0) return true; /* NULL, or an empty array */
    if (packed.len < 20 || number4(at) != 1) return false;
    uint32_t count = number4(at + 12);
    if (count > VARVE_TAGS_MAX) return false;
    varve_str *tags = arena_array(arena, count, sizeof *tags);
    if (tags == NULL) return false;
    at += 20;
    for (uint32_t i = 0; i < count; i++) {
        if (end - at < 4) return false;
        uint32_t len = number4(at);
        at += 4;
        if ((size_t)(end - at) < len || !arena_copy(arena, (varve_str){ (const char *)at, len }, &tags[i]))
            return false;
        at += len;
    }
    event->tags = tags;
    event->tag_count = count;
    return true;
}

static bool own_views(varve_event *event, struct arena *arena)
{
    varve_str *views[] = { &event->stream, &event->type, &event->data, &event->metadata, &event->content_type };
    size_t count = sizeof views / sizeof views[0], bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += views[i]->len;
    char *at = arena_alloc(arena, bytes + 1);
    if (at == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        if (views[i]->len > 0) memcpy(at, views[i]->ptr, views[i]->len);
        views[i]->ptr = at;
        at += views[i]->len;
    }
    return true;
}

varve_status row_event(const PGresult *rows, int row, struct arena *arena, varve_event *event, varve_error *error)
{
    bool is_json = !PQgetisnull(rows, row, C_DATA);
    *event = (varve_event){
        .stream = result_text(rows, row, C_STREAM),
        .type = result_text(rows, row, C_TYPE),
        .data = result_text(rows, row, is_json ? C_DATA : C_BODY),
        .metadata = result_text(rows, row, C_METADATA),
        .content_type = result_text(rows, row, C_CONTENT_TYPE),
        .id = result_uuid(rows, row, C_ID),
        .schema_version = (uint32_t)result_int(rows, row, C_SCHEMA_VERSION),
        .occurred_at = result_time(rows, row, C_OCCURRED_AT),
    };
    if (event->content_type.len == 0) event->content_type = VARVE_STR("application/json");
    if (!own_views(event, arena) || !read_tags(result_text(rows, row, C_TAGS), arena, event))
        return varve_error_set(error, VARVE_NOMEM, "no memory for an event");
    bool whole = event_checksum(event) == (uint32_t)result_int(rows, row, C_CRC);
    event->position = (uint64_t)result_int(rows, row, C_POSITION);
    event->version = (uint64_t)result_int(rows, row, C_VERSION);
    event->recorded_at = result_time(rows, row, C_RECORDED_AT);
    if (event->occurred_at == 0) event->occurred_at = event->recorded_at;
    if (whole) return VARVE_OK;
    return varve_error_set(error, VARVE_CORRUPT, "the event at position %llu fails its checksum",
                           (unsigned long long)event->position);
}

/* Appends the events of a result (columns as EVENT_COLUMNS; a row without version is none), checked, until the page has
 * so many bytes. `taken`: the rows that were looked at. */
static varve_status page_add(struct store_page *page, const PGresult *result, size_t byte_limit, size_t *taken,
                             varve_error *error)
{
    *taken = 0;
    for (int i = 0; i < PQntuples(result) && page->bytes < byte_limit; i++) {
        *taken += 1;
        if (PQgetisnull(result, i, C_VERSION)) continue; /* left out by a filter (S_LOG_QUERY) */
        varve_event *event = &page->events[page->count];
        varve_status status = row_event(result, i, &page->arena, event, error);
        if (status < 0) return status;
        page->bytes += event->data.len + event->metadata.len;
        page->count++;
    }
    return VARVE_OK;
}

/* ---- filters ---- */

/* The filters of a read as parameters. Starts from {0}. */
struct filter {
    struct array types, categories;
    varve_buf query;
};

static void filter_fini(struct filter *filter)
{
    varve_buf_fini(&filter->types.bytes);
    varve_buf_fini(&filter->categories.bytes);
    varve_buf_fini(&filter->query);
}

static void add_names(struct values *values, struct array *array, const varve_str *names, size_t count)
{
    if (count == 0) {
        values_null(values);
        return;
    }
    array_begin(array, TYPE_TEXT);
    for (size_t i = 0; i < count; i++) array_text(array, names[i]);
    (void)values_array(values, array); /* a failure is noticed by filter_failed */
}

static bool filter_failed(const struct filter *filter)
{
    return filter->types.bytes.failed || filter->categories.bytes.failed || filter->query.failed;
}

static void add_query(struct values *values, struct filter *filter, const varve_read_options *options)
{
    if (options->item_count == 0) {
        values_null(values);
        return;
    }
    event_query_write_json(options->items, options->item_count, &filter->query);
    values_text(values, varve_buf_view(&filter->query));
}

static bool is_filtered(const varve_read_options *options)
{
    return options->type_count + options->category_count + options->item_count > 0 || options->until_time != 0 ||
           options->correlation_id.len > 0;
}

/* ---- the log ---- */

/* How the events of a read are found. */
static enum statement way_of(const varve_read_options *options)
{
    bool one_tag = options->item_count == 1 && options->items[0].tag_count == 1 && options->items[0].type_count == 0;
    if (options->correlation_id.len > 0) return S_LOG_CORRELATION;
    if (options->item_count > 0) return one_tag ? S_LOG_TAG : S_LOG_QUERY;
    return is_filtered(options) ? S_LOG_FILTERED : S_LOG;
}

static varve_status ask_log(struct store_log *log, const struct store_read *read, uint64_t after, uint64_t until,
                            size_t limit, PGresult **rows, varve_error *error)
{
    const varve_read_options *options = read->options;
    enum statement way = way_of(options);
    struct filter filter = { 0 };
    struct values values = { 0 };
    values_int(&values, (int64_t)after);
    values_int(&values, (int64_t)until);
    values_int(&values, (int64_t)limit);
    if (way != S_LOG) {
        add_names(&values, &filter.types, options->types, options->type_count);
        add_names(&values, &filter.categories, options->categories, options->category_count);
        if (options->until_time != 0)
            values_time(&values, options->until_time);
        else
            values_null(&values);
    }
    if (way == S_LOG_CORRELATION) values_text(&values, options->correlation_id);
    if (way == S_LOG_TAG) values_text(&values, options->items[0].tags[0]);
    if (way == S_LOG_QUERY || way == S_LOG_CORRELATION) add_query(&values, &filter, options);
    varve_status status = filter_failed(&filter)
                              ? varve_error_set(error, VARVE_NOMEM, "no memory to read the log")
                              : log_query_at(log, read->until_position, way, &values, "reading the log", rows, error);
    filter_fini(&filter);
    return status;
}

/* Whether everything after `position` was recorded after the time that is read up to. */
static varve_status is_beyond(struct store_log *log, const varve_read_options *options, uint64_t position, bool *beyond,
                              varve_error *error)
{
    PGresult *row = NULL;
    struct values values = { 0 };
    *beyond = false;
    if (options->until_time == 0) return VARVE_OK;
    values_int(&values, (int64_t)position);
    varve_status status = log_query(log, S_TIME_AT, &values, "reading the log", &row, error);
    if (status >= 0) *beyond = PQntuples(row) == 1 && result_time(row, 0, 0) > options->until_time;
    PQclear(row);
    return status;
}

static varve_status missing(const varve_read_options *options, uint64_t place, varve_error *error)
{
    if (options->stream.len == 0)
        return varve_error_set(error, VARVE_CORRUPT, "the event at position %llu is missing",
                               (unsigned long long)place);
    return varve_error_set(error, VARVE_CORRUPT, "version %llu of %.*s is missing", (unsigned long long)place,
                           (int)options->stream.len, options->stream.ptr);
}

/* Rows for the next statement of a page: as many as fit by the size of those before. While that is known of few, it is
 * not many more than those. When they turn out to be larger, those behind the page's end are let go and come again. */
static size_t next_chunk(const struct store_read *read, const struct store_page *page, size_t previous)
{
    size_t left = read->event_limit - page->count;
    size_t each = page->count > 0 ? page->bytes / page->count + 1 : read->event_bytes;
    size_t chunk = previous > 0 ? previous * CHUNK_GROWTH : read->event_bytes > 0 ? left : FIRST_CHUNK;
    if (each > 0) {
        size_t room = page->bytes < read->byte_limit ? read->byte_limit - page->bytes : 0;
        if (chunk > room / each + 1) chunk = room / each + 1;
    }
    return chunk < left ? chunk : left;
}

static varve_status read_log(struct store_log *log, const struct store_read *read, struct store_page *page,
                             varve_error *error)
{
    const varve_read_options *options = read->options;
    enum statement way = way_of(options);
    size_t chunk = 0, looked = 0;
    uint64_t window_end = read->until_position;
    page->scanned = read->after_position;
    if (way == S_LOG_FILTERED && window_end - read->after_position > WINDOW) window_end = read->after_position + WINDOW;
    while (page->count < read->event_limit && page->bytes < read->byte_limit && page->scanned < window_end &&
           looked < WINDOW) {
        PGresult *rows = NULL;
        size_t before = page->count, taken = 0;
        chunk = next_chunk(read, page, chunk);
        varve_status status = ask_log(log, read, page->scanned, window_end, chunk, &rows, error);
        if (status >= 0) status = page_add(page, rows, read->byte_limit, &taken, error);
        uint64_t last = taken > 0 ? (uint64_t)result_int(rows, (int)taken - 1, C_POSITION) : page->scanned;
        bool more = taken == chunk || taken < (size_t)PQntuples(rows);
        PQclear(rows);
        if (status < 0) return status;
        looked += taken;
        if (way == S_LOG && page->count > before) {
            /* Positions have no holes, so the rows must be all that are there. */
            if (last != page->scanned + (page->count - before)) return missing(options, page->scanned + 1, error);
        }
        if (way == S_LOG && !more && last < window_end) return missing(options, last + 1, error);
        page->scanned = more ? last : window_end;
    }
    if (page->scanned >= read->until_position) return VARVE_OK;
    bool beyond = false;
    varve_status status = is_beyond(log, options, page->scanned, &beyond, error);
    page->more = !beyond;
    if (beyond) page->scanned = read->until_position;
    return status;
}

/* ---- one stream ---- */

static varve_status ask_stream(struct store_log *log, const struct store_read *read, uint64_t low, uint64_t high,
                               size_t limit, PGresult **rows, varve_error *error)
{
    const varve_read_options *options = read->options;
    struct filter filter = { 0 };
    struct values values = { 0 };
    values_text(&values, options->stream);
    values_int(&values, (int64_t)low);
    values_int(&values, (int64_t)high);
    values_int(&values, (int64_t)limit);
    add_names(&values, &filter.types, options->types, options->type_count);
    add_query(&values, &filter, options);
    if (options->until_time != 0) /* the recorded time was turned into a version by the cursor */
        values_time(&values, options->until_time);
    else
        values_null(&values);
    varve_status status = filter_failed(&filter) ? varve_error_set(error, VARVE_NOMEM, "no memory to read a stream")
                                                 : log_query_at(log, read->until_position,
                                                                options->backward ? S_STREAM_BACKWARD : S_STREAM,
                                                                &values, "reading a stream", rows, error);
    filter_fini(&filter);
    return status;
}

/* The versions that are asked for and not read yet, `low` to `high`. */
static void stream_bounds(const struct store_read *read, uint64_t *low, uint64_t *high)
{
    const varve_read_options *options = read->options;
    uint64_t first = options->backward ? options->until_version : read->next_version;
    uint64_t last = options->backward ? read->next_version : options->until_version;
    *low = first == 0 ? 1 : first;
    *high = last == 0 || last > INT64_MAX ? INT64_MAX : last;
}

/* Versions have no holes, so each one's place is known, but for the first one backward. */
static varve_status check_places(const struct store_read *read, const struct store_page *page, size_t first,
                                 varve_error *error)
{
    bool backward = read->options->backward;
    for (size_t i = first; i < page->count; i++) {
        if (i == 0 && backward) continue;
        uint64_t before = i > 0 ? page->events[i - 1].version : read->next_version - 1;
        uint64_t expected = backward ? before - 1 : before + 1;
        if (page->events[i].version != expected) return missing(read->options, expected, error);
    }
    return VARVE_OK;
}

/* Every version: the end of the rows is the end of the stream. */
static varve_status read_stream(struct store_log *log, const struct store_read *read, struct store_page *page,
                                varve_error *error)
{
    bool backward = read->options->backward;
    uint64_t low = 0, high = 0;
    size_t chunk = 0;
    stream_bounds(read, &low, &high);
    while (page->count < read->event_limit && page->bytes < read->byte_limit && low <= high) {
        PGresult *rows = NULL;
        size_t before = page->count, taken = 0;
        chunk = next_chunk(read, page, chunk);
        varve_status status = ask_stream(log, read, low, high, chunk, &rows, error);
        if (status >= 0) status = page_add(page, rows, read->byte_limit, &taken, error);
        bool ended = taken < chunk && taken == (size_t)PQntuples(rows);
        PQclear(rows);
        if (status >= 0) status = check_places(read, page, before, error);
        if (status < 0) return status;
        if (page->count > 0) page->scanned = page->events[page->count - 1].version;
        if (ended && backward && page->scanned > low) return missing(read->options, page->scanned - 1, error);
        if (ended || page->scanned == (backward ? low : high)) return VARVE_OK;
        *(backward ? &high : &low) = backward ? page->scanned - 1 : page->scanned + 1;
    }
    page->more = low <= high;
    return VARVE_OK;
}

/* What a filter leaves of so many versions at once; where the stream ends has to be known. */
static varve_status read_stream_filtered(struct store_log *log, const struct store_read *read, struct store_page *page,
                                         varve_error *error)
{
    bool backward = read->options->backward;
    uint64_t low = 0, high = 0, version = 0;
    size_t chunk = 0;
    varve_status status = log_stream_version(log, read->options->stream, read->until_position, &version, error);
    if (status < 0) return status;
    stream_bounds(read, &low, &high);
    if (high > version) high = version;
    while (page->count < read->event_limit && page->bytes < read->byte_limit && low <= high) {
        PGresult *rows = NULL;
        size_t taken = 0;
        uint64_t from = backward && high - low >= WINDOW ? high - WINDOW + 1 : low;
        uint64_t to = !backward && high - low >= WINDOW ? low + WINDOW - 1 : high;
        chunk = next_chunk(read, page, chunk);
        status = ask_stream(log, read, from, to, chunk, &rows, error);
        if (status >= 0) status = page_add(page, rows, read->byte_limit, &taken, error);
        bool full = taken == chunk || taken < (size_t)PQntuples(rows);
        PQclear(rows);
        if (status < 0) return status;
        page->scanned = full ? page->events[page->count - 1].version : backward ? from : to;
        if (page->scanned == (backward ? low : high)) return VARVE_OK;
        *(backward ? &high : &low) = backward ? page->scanned - 1 : page->scanned + 1;
    }
    page->more = low <= high;
    return VARVE_OK;
}

static varve_status make_room(struct store_page *page, size_t events, varve_error *error)
{
    page->events = arena_alloc(&page->arena, events * sizeof *page->events);
    if (page->events == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a page of events");
    page->capacity = events;
    return VARVE_OK;
}

varve_status postgres_read(struct store_log *log, const struct store_read *read, struct store_page *page,
                           varve_error *error)
{
    varve_status status = make_room(page, read->event_limit, error);
    if (status < 0) return status;
    if (read->options->stream.len == 0) return read_log(log, read, page, error);
    return is_filtered(read->options) ? read_stream_filtered(log, read, page, error)
                                      : read_stream(log, read, page, error);
}

varve_status postgres_find(struct store_log *log, varve_uuid id, struct store_page *page, varve_error *error)
{
    PGresult *row = NULL;
    struct values values = { 0 };
    size_t taken = 0;
    values_uuid(&values, &id);
    varve_status status = make_room(page, 1, error);
    if (status >= 0) status = log_query(log, S_EVENT, &values, "looking for an event", &row, error);
    if (status >= 0) status = page_add(page, row, SIZE_MAX, &taken, error);
    PQclear(row);
    return status;
}
