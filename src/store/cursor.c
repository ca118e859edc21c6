/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors. A cursor reads a page, gives its events out one by one, and reads the next. One that
 * follows goes on at the head: it tells once that it has caught up, then waits for the head to move.
 *
 *   reading ──(page empty, bound or limit reached)──► over            VARVE_DONE from then on
 *   reading ──(nothing up to the head, follows)─────► live, CAUGHT_UP once
 *   live ─────(the head moves)──────────────────────► reads up to it, stays live
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "event/codec.h"
#include "event/query.h"
#include "store/handle.h"

enum {
    FIRST_PAGE_EVENTS = 64, /* a cursor may be opened for one event only … */
    PAGE_EVENTS = 1024,     /* … or for all: pages grow up to this */
    PAGE_BYTES = 1 << 20,
    OTHER_PROCESS_POLL_MS = 20,
};

struct varve_cursor {
    varve_store *store;
    varve_read_options options;
    struct arena memory; /* what the options borrow */

    struct store_read read;
    struct store_page page;  /* its own … */
    struct share_part *part; /* … or, when not NULL, one that it shares */
    size_t next;             /* the page's event to give out next */
    uint64_t given;          /* events given out */
    uint64_t scanned;        /* the position up to which everything was given out or passed over */
    uint64_t page_end;       /* what `scanned` becomes once the page is given out */
    uint64_t seen_head;      /* the head that the latest exhausted read went up to */
    uint64_t history;        /* the watch's, when it was opened */
    bool exhausted;          /* nothing more up to seen_head */
    bool live;               /* CAUGHT_UP was told */
    struct waiter waiter;
    bool has_waiter;
    struct share_member member;
    bool shares;
};

static varve_status check_names(const varve_str *names, size_t count, const char *what, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count && status >= 0; i++) status = event_check_name(names[i], what, error);
    return status;
}

static varve_status check_filters(const varve_read_options *options, varve_error *error)
{
    varve_str id = options->correlation_id;
    if (options->item_count > 0 && options->type_count + options->tag_count > 0)
        return varve_error_set(error, VARVE_INVALID, "types and tags are one item of a query: give them or items");
    varve_status status = event_query_check(options->items, options->item_count, error);
    if (status >= 0) status = check_names(options->tags, options->tag_count, "a tag", error);
    if (status >= 0) status = check_names(options->types, options->type_count, "a type", error);
    if (status >= 0) status = check_names(options->categories, options->category_count, "a category", error);
    /* It comes from metadata and so may hold what is not printable. */
    if (status >= 0 && id.len > 0 && (!utf8_valid(id) || memchr(id.ptr, 0, id.len) != NULL))
        status = varve_error_set(error, VARVE_INVALID, "the correlation_id must be UTF-8 without a zero byte");
    return status;
}

static varve_status check_options(const varve_read_options *options, varve_error *error)
{
    bool stream = options->stream.len > 0;
    if (options->size != 0 && options->size != sizeof *options)
        return varve_error_set(error, VARVE_INVALID, "varve_read_options is of another version of the library");
    bool bounded = options->until_version > 0 || options->until_position > 0 || options->until_time != 0;
    varve_status status = check_filters(options, error);
    if (status < 0) return status;
    if (stream) {
        status = event_check_name(options->stream, "the stream", error);
        if (status < 0) return status;
        if (options->category_count > 0 || options->correlation_id.len > 0 || options->after_position > 0 ||
            options->until_position > 0 || !varve_uuid_is_nil(options->after_id))
            return varve_error_set(
                error, VARVE_INVALID,
                "a stream is read by version: categories, correlation and positions are for the log");
    } else if (options->from_version > 0 || options->until_version > 0 || options->backward ||
               options->clock != VARVE_CLOCK_RECORDED) {
        return varve_error_set(error, VARVE_INVALID,
                               "versions, reading backward and the occurred clock need a stream to read");
    }
    if (options->follow && (options->backward || bounded))
        return varve_error_set(error, VARVE_INVALID, "a subscription goes forward and has no end");
    if (options->until_time < 0 || options->until_time > varve_time_now())
        return varve_error_set(error, VARVE_INVALID, "the time to read up to lies in the future or before 1970");
    return VARVE_OK;
}

/* Tags are given to the driver as a query, which one item of types and tags is. */
static bool copy_query(varve_cursor *cursor)
{
    varve_read_options *own = &cursor->options;
    varve_query_item given = { own->types, own->type_count, own->tags, own->tag_count };
    if (own->tag_count > 0) {
        own->items = &given;
        own->item_count = 1;
        own->types = own->tags = NULL;
        own->type_count = own->tag_count = 0;
    }
    return event_query_copy(&cursor->memory, own->items, own->item_count, &own->items);
}

static bool copy_options(varve_cursor *cursor, const varve_read_options *options)
{
    varve_read_options *own = &cursor->options;
    *own = *options;
    own->incarnation = (varve_str){ 0 }; /* was checked */
    return arena_copy(&cursor->memory, options->stream, &own->stream) &&
           arena_copy(&cursor->memory, options->correlation_id, &own->correlation_id) &&
           arena_copy_all(&cursor->memory, own->categories, own->category_count, &own->categories) &&
           copy_query(cursor) && arena_copy_all(&cursor->memory, own->types, own->type_count, &own->types);
}

/*
 * A stream's events up to a recorded time are those up to a version, which is found without looking at what came
 * later. No event by then: the read is over before it begins.
 */
static varve_status resolve_time(varve_cursor *cursor, varve_error *error)
{
    varve_read_options *options = &cursor->options;
    uint64_t version = 0;
    if (options->stream.len == 0 || options->until_time == 0 || options->clock != VARVE_CLOCK_RECORDED) return VARVE_OK;
    varve_status status = store_version_at(cursor->store, options->stream, options->until_time, &version, error);
    if (status < 0) return status;
    options->until_time = 0;
    cursor->exhausted = version == 0;
    uint64_t *bound = options->backward ? &options->from_version : &options->until_version;
    if (*bound == 0 || *bound > version) *bound = version;
    return VARVE_OK;
}

static void start_read(varve_cursor *cursor)
{
    const varve_read_options *options = &cursor->options;
    cursor->read = (struct store_read){
        .options = options,
        .next_version = options->from_version,
        .after_position = options->after_position,
        .event_limit = FIRST_PAGE_EVENTS,
        .byte_limit = PAGE_BYTES,
    };
    if (options->from_version == 0) cursor->read.next_version = options->backward ? INT64_MAX : 1;
    cursor->scanned = options->after_position;
}

static varve_status rewound(const char *what, varve_error *error)
{
    return varve_error_set(error, VARVE_REWOUND, "%s: the log was restored or imported since, begin again", what);
}

/* A checkpoint is a position, the incarnation it was noted in, and the id of the event there. */
static varve_status check_checkpoint(varve_store *store, const varve_read_options *options, uint64_t *history,
                                     varve_error *error)
{
    char incarnation[VARVE_UUID_TEXT_BYTES];
    *history = watch_history(&store->watch, incarnation);
    varve_event event;
    varve_buf memory = { 0 };
    uint64_t head = 0;
    varve_status status = VARVE_OK;
    if (options->after_position > 0) status = varve_store_head(store, &head, error);
    if (status < 0) return status;
    if (options->after_position > head)
        return varve_error_set(error, VARVE_REWOUND, "position %llu lies beyond the head, which is %llu",
                               (unsigned long long)options->after_position, (unsigned long long)head);
    if (options->incarnation.len > 0 && !varve_str_is(options->incarnation, incarnation))
        return rewound("the checkpoint belongs to another incarnation", error);
    if (varve_uuid_is_nil(options->after_id)) return VARVE_OK;
    status = varve_event_find(store, options->after_id, &event, &memory, error);
    if (status == VARVE_NOT_FOUND || (status >= 0 && event.position != options->after_position))
        status = rewound("another event stands at the checkpoint's position", error);
    varve_buf_fini(&memory);
    return status;
}

/* Whether the head that this process knows moves by itself. */
static bool hears_of_news(const varve_store *store)
{
    return !store->read_only || (store->driver->capabilities & STORE_MANY_WRITERS) != 0;
}

varve_status varve_cursor_open(varve_cursor **out, varve_store *store, const varve_read_options *options,
                               varve_error *error)
{
    varve_status status = check_options(options, error);
    uint64_t history = 0;
    if (status >= 0) status = check_checkpoint(store, options, &history, error);
    if (status < 0) return status;
    varve_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a cursor");
    cursor->store = store;
    cursor->history = history;
    if (!copy_options(cursor, options)) status = varve_error_set(error, VARVE_NOMEM, "no memory for a cursor");
    if (status >= 0) status = resolve_time(cursor, error);
    if (status >= 0 && options->follow && hears_of_news(store)) {
        status = waiter_init(&cursor->waiter, &store->watch, error);
        cursor->has_waiter = status >= 0;
    }
    if (status < 0) {
        varve_cursor_close(cursor);
        return status;
    }
    start_read(cursor);
    *out = cursor;
    return VARVE_OK;
}

void varve_cursor_close(varve_cursor *cursor)
{
    if (cursor == NULL) return;
    if (cursor->has_waiter) waiter_fini(&cursor->waiter, &cursor->store->watch);
    share_give_back(&cursor->store->share, cursor->part);
    if (cursor->shares) share_leave(&cursor->store->share, &cursor->member);
    arena_fini(&cursor->page.arena);
    arena_fini(&cursor->memory);
    free(cursor);
}

uint64_t varve_cursor_scanned(const varve_cursor *cursor)
{
    return cursor->scanned;
}

int varve_cursor_fd(varve_cursor *cursor)
{
    return cursor->has_waiter ? cursor->waiter.fd : -1;
}

/* What was read may be of another history than what was given out before. */
static varve_status check_history(const varve_cursor *cursor, varve_error *error)
{
    char incarnation[VARVE_UUID_TEXT_BYTES];
    if (watch_history(&cursor->store->watch, incarnation) == cursor->history) return VARVE_OK;
    return rewound("the log became another while this cursor was open", error);
}

void store_cursor_share(varve_cursor *cursor)
{
    const varve_read_options *options = &cursor->options;
    ASSERT(options->follow && options->stream.len == 0 && options->item_count == 0 && options->category_count == 0 &&
           options->correlation_id.len == 0 && cursor->given == 0);
    cursor->shares = true;
    share_join(&cursor->store->share, &cursor->member);
}

/* In a part that is shared there is whatever was appended. */
static bool is_wanted(const varve_cursor *cursor, const varve_event *event)
{
    const varve_read_options *options = &cursor->options;
    for (size_t i = 0; i < options->type_count; i++)
        if (varve_str_eq(options->types[i], event->type)) return true;
    return options->type_count == 0;
}

/* What the next events are taken from. */
static const struct store_page *page_of(const varve_cursor *cursor)
{
    return cursor->part != NULL ? share_page(cursor->part) : &cursor->page;
}

/* A cursor's own page. */
static varve_status read_alone(varve_cursor *cursor, varve_error *error)
{
    varve_store *store = cursor->store;
    struct store_read *read = &cursor->read;
    struct store_page *page = &cursor->page;
    uint64_t left = cursor->options.limit == 0 ? UINT64_MAX : cursor->options.limit - cursor->given;
    size_t page_limit = read->event_limit;
    if (left < read->event_limit) read->event_limit = (size_t)left;
    arena_reset(&page->arena);
    *page = (struct store_page){
        .arena = page->arena,
        .scanned = cursor->options.stream.len == 0 ? read->after_position : 0,
    };
    varve_status status = store->driver->read(store->log, read, page, error);
    read->event_limit = page_limit * 4 > PAGE_EVENTS ? PAGE_EVENTS : page_limit * 4;
    return status;
}

/* The next page, from those who share where that is possible. */
static varve_status read_page(varve_cursor *cursor, varve_error *error)
{
    const struct share_source source = { cursor->store->driver, cursor->store->log, cursor->history };
    varve_status status = VARVE_DONE;
    if (cursor->shares)
        status = share_read(&cursor->store->share, &cursor->member, &source, &cursor->read, &cursor->part, error);
    return status == VARVE_DONE ? read_alone(cursor, error) : status;
}

static void drop_page(varve_cursor *cursor)
{
    share_give_back(&cursor->store->share, cursor->part);
    cursor->part = NULL;
    cursor->page.count = cursor->next = 0;
}

/* Reads the next page up to `head`. */
static varve_status fill(varve_cursor *cursor, uint64_t head, varve_error *error)
{
    struct store_read *read = &cursor->read;
    const varve_read_options *options = &cursor->options;
    bool by_version = options->stream.len > 0;

    read->until_position = head;
    if (options->until_position > 0 && options->until_position < head) read->until_position = options->until_position;
    drop_page(cursor);
    if (!by_version && head < read->after_position) {
        if (!cursor->has_waiter) return rewound("the log ends before what was read of it", error);
        /* The head is not known yet, or no longer. */
        cursor->exhausted = true;
        cursor->seen_head = head;
        return check_history(cursor, error);
    }
    varve_status status = read_page(cursor, error);
    varve_status same = check_history(cursor, error); /* says more than that an event is missing */
    if (same < 0) status = same;
    if (status < 0) {
        drop_page(cursor);
        return status;
    }
    const struct store_page *page = page_of(cursor);
    if (page->count > 0) read->event_bytes = page->bytes / page->count + 1;
    if (cursor->part != NULL) {
        while (cursor->next < page->count && page->events[cursor->next].position <= read->after_position)
            cursor->next++;
        if (head < page->scanned) head = page->scanned; /* another one knew more of the log */
    }
    cursor->exhausted = cursor->part != NULL ? page->scanned >= head : !page->more;
    if (cursor->exhausted) cursor->seen_head = head;
    if (!by_version) {
        read->after_position = cursor->page_end = page->scanned;
    } else {
        if (page->scanned > 0) read->next_version = options->backward ? page->scanned - 1 : page->scanned + 1;
        if (cursor->exhausted) cursor->page_end = head;
    }
    return VARVE_OK;
}

/* A subscriber at the head keeps no memory for the pages that brought it there. */
static void release_page(varve_cursor *cursor)
{
    drop_page(cursor);
    arena_fini(&cursor->page.arena);
    cursor->page.events = NULL;
    cursor->read.event_limit = FIRST_PAGE_EVENTS;
}

/* Gives out the page's next event that is wanted; NULL: there is none left. */
static const varve_event *give(varve_cursor *cursor)
{
    const struct store_page *page = page_of(cursor);
    while (cursor->next < page->count) {
        const varve_event *event = &page->events[cursor->next++];
        if (cursor->part != NULL && !is_wanted(cursor, event)) continue;
        cursor->given++;
        cursor->scanned = event->position;
        return event;
    }
    return NULL;
}

/* The head to read up to: what this process knows, or when nothing tells it, what the database says. */
static varve_status find_head(varve_cursor *cursor, uint64_t *head, varve_error *error)
{
    varve_status status = check_history(cursor, error);
    if (status < 0) return status;
    /* A stream is read to its own end, whatever the head: what is known serves for varve_cursor_scanned. */
    bool is_told = cursor->has_waiter || (cursor->options.stream.len > 0 && hears_of_news(cursor->store));
    if (!is_told) return varve_store_head(cursor->store, head, error);
    *head = watch_head(&cursor->store->watch).position;
    return VARVE_OK;
}

/* Waits until the head is beyond what was seen, wait_ms at most, and says where it is. */
static varve_status wait_for_more(varve_cursor *cursor, uint64_t *head, varve_error *error)
{
    uint64_t now = clock_ns(), end = now + (uint64_t)cursor->options.wait_ms * 1000000u;
    for (;; now = clock_ns()) {
        varve_status status = find_head(cursor, head, error);
        if (status < 0 || *head > cursor->seen_head || now >= end) return status;
        if (!cursor->has_waiter) {
            /* Another process writes: nothing tells us when, so look now and then. */
            nanosleep(&(struct timespec){ .tv_nsec = OTHER_PROCESS_POLL_MS * 1000000L }, NULL);
        } else if (waiter_arm(&cursor->waiter, &cursor->store->watch, cursor->seen_head, cursor->history)) {
            waiter_wait(&cursor->waiter, (uint32_t)((end - now) / 1000000u) + 1);
        }
    }
}

/* Before IDLE is told the waiter must be armed, or its descriptor would stay silent about what just came. */
static bool may_idle(varve_cursor *cursor)
{
    return !cursor->has_waiter ||
           waiter_arm(&cursor->waiter, &cursor->store->watch, cursor->seen_head, cursor->history);
}

varve_status varve_cursor_next(varve_cursor *cursor, const varve_event **event, varve_error *error)
{
    bool waited = false, filled = false;
    for (;;) {
        const varve_event *given = give(cursor);
        if (given != NULL) {
            *event = given;
            return VARVE_OK;
        }
        if (cursor->options.limit > 0 && cursor->given >= cursor->options.limit) return VARVE_DONE;
        if (cursor->page_end > cursor->scanned) cursor->scanned = cursor->page_end;

        uint64_t head = 0;
        varve_status status = VARVE_OK;
        if (!cursor->exhausted && cursor->options.follow && filled) {
            return VARVE_SKIPPED;
        }
        if (!cursor->exhausted) {
            status = find_head(cursor, &head, error);
        } else if (!cursor->options.follow) {
            return VARVE_DONE;
        } else if (!cursor->live) {
            cursor->live = true;
            release_page(cursor);
            return VARVE_CAUGHT_UP;
        } else if (!waited) {
            status = wait_for_more(cursor, &head, error);
            waited = true;
            if (status >= 0 && head <= cursor->seen_head) continue;
        } else if (may_idle(cursor)) {
            release_page(cursor);
            return VARVE_IDLE;
        } else {
            status = find_head(cursor, &head, error);
        }
        if (status >= 0) status = fill(cursor, head, error);
        if (status < 0) return status;
        filled = true;
    }
}
