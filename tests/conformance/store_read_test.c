/* SPDX-License-Identifier: Apache-2.0 */
/* What every store driver promises about reading, subscribing and looking. */
#include "tests/conformance/store.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Reads everything the options give and writes "stream@version " for each event. */
static void read_all(varve_store *store, const varve_read_options *options, varve_buf *out)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_status status;
    varve_error error = { 0 };
    varve_buf_reset(out);
    varve_buf_add(out, "", 0);
    if (varve_cursor_open(&cursor, store, options, &error) < 0) fail_msg("%s", error.message);
    while ((status = varve_cursor_next(cursor, &event, &error)) == VARVE_OK)
        varve_buf_printf(out, "%.*s@%llu ", (int)event->stream.len, event->stream.ptr,
                         (unsigned long long)event->version);
    if (status != VARVE_DONE) fail_msg("%s", error.message);
    varve_cursor_close(cursor);
}

static void assert_reads(varve_store *store, const char *expected, varve_read_options options)
{
    varve_buf got = { 0 };
    read_all(store, &options, &got);
    assert_string_equal(got.len == 0 ? "" : got.ptr, expected);
    varve_buf_fini(&got);
}

static void a_stream_reads_by_version_both_ways(void **state)
{
    struct fixture *fixture = *state;
    varve_store *store = fixture->store;
    const varve_str s = VARVE_STR("s-1");
    append_n(store, "s-1", "E", 3);
    append_n(store, "t-1", "E", 2);
    append_n(store, "s-1", "E", 2);
    assert_reads(store, "s-1@1 s-1@2 s-1@3 s-1@4 s-1@5 ", (varve_read_options){ .stream = s });
    assert_reads(store, "s-1@2 s-1@3 ", (varve_read_options){ .stream = s, .from_version = 2, .until_version = 3 });
    assert_reads(store, "s-1@4 s-1@5 ", (varve_read_options){ .stream = s, .from_version = 4 });
    assert_reads(store, "s-1@1 s-1@2 ", (varve_read_options){ .stream = s, .limit = 2 });
    assert_reads(store, "s-1@5 s-1@4 s-1@3 s-1@2 s-1@1 ", (varve_read_options){ .stream = s, .backward = true });
    assert_reads(store, "s-1@4 s-1@3 ",
                 (varve_read_options){ .stream = s, .backward = true, .from_version = 4, .limit = 2 });
    assert_reads(store, "s-1@3 s-1@2 ",
                 (varve_read_options){ .stream = s, .backward = true, .from_version = 3, .until_version = 2 });
    assert_reads(store, "", (varve_read_options){ .stream = s, .from_version = 6 });
    assert_reads(store, "", (varve_read_options){ .stream = VARVE_STR("none") });
}

static void the_log_reads_by_position_and_filters(void **state)
{
    struct fixture *fixture = *state;
    varve_store *store = fixture->store;
    const varve_str a = VARVE_STR("A"), order = VARVE_STR("order"), both[] = { VARVE_STR("x"), VARVE_STR("order") };
    append_n(store, "order-1", "A", 2);
    append_n(store, "orders-1", "A", 1);
    append_n(store, "order-2-x", "B", 1);
    append_n(store, "x", "A", 1);
    assert_reads(store, "order-1@1 order-1@2 orders-1@1 order-2-x@1 x@1 ", (varve_read_options){ 0 });
    assert_reads(store, "orders-1@1 order-2-x@1 ", (varve_read_options){ .after_position = 2, .until_position = 4 });
    assert_reads(store, "order-1@1 order-1@2 orders-1@1 x@1 ", (varve_read_options){ .types = &a, .type_count = 1 });
    assert_reads(store, "order-1@1 order-1@2 order-2-x@1 ",
                 (varve_read_options){ .categories = &order, .category_count = 1 });
    assert_reads(store, "order-1@1 order-1@2 x@1 ",
                 (varve_read_options){ .categories = both, .category_count = 2, .types = &a, .type_count = 1 });
    assert_reads(store, "order-1@2 ",
                 (varve_read_options){ .categories = &order, .category_count = 1, .after_position = 1, .limit = 1 });
}

/* More matches that another filter leaves out than a driver looks at in one go. */
static void a_query_goes_on_behind_what_filters_leave_out(void **state)
{
    struct fixture *fixture = *state;
    const varve_str rare = VARVE_STR("rare"), a = VARVE_STR("A"), c = VARVE_STR("C");
    const varve_query_item items[] = { { .types = &a, .type_count = 1 }, { .types = &c, .type_count = 1 } };
    append_n(fixture->store, "rare-1", "A", 1);
    append_n(fixture->store, "often-1", "A", 100);
    append_n(fixture->store, "rare-1", "B", 1);
    append_n(fixture->store, "rare-1", "C", 1);
    append_n(fixture->store, "often-1", "C", 20);
    append_n(fixture->store, "rare-1", "C", 1);
    append_n(fixture->store, "often-1", "A", 20);
    assert_reads(fixture->store, "rare-1@1 rare-1@3 rare-1@4 ",
                 (varve_read_options){ .items = items, .item_count = 2, .categories = &rare, .category_count = 1 });
}

static void correlated_events_are_found(void **state)
{
    struct fixture *fixture = *state;
    const varve_event events[] = {
        { .stream = VARVE_STR("a"), .type = VARVE_STR("E"), .metadata = VARVE_STR("{\"correlation_id\":\"c-1\"}") },
        { .stream = VARVE_STR("b"), .type = VARVE_STR("E"), .metadata = VARVE_STR("{\"correlation_id\":\"c-2\"}") },
        { .stream = VARVE_STR("c"), .type = VARVE_STR("E") },
        { .stream = VARVE_STR("d"),
          .type = VARVE_STR("E"),
          .metadata = VARVE_STR("{\"a\":1,\"correlation_id\":\"c-1\"}") },
    };
    varve_append(fixture->store, &(varve_append_request){ .events = events, .event_count = 4 }, NULL, NULL);
    assert_reads(fixture->store, "a@1 d@1 ", (varve_read_options){ .correlation_id = VARVE_STR("c-1") });
    assert_reads(fixture->store, "d@1 ",
                 (varve_read_options){ .correlation_id = VARVE_STR("c-1"), .after_position = 1 });
    assert_reads(fixture->store, "", (varve_read_options){ .correlation_id = VARVE_STR("c-3") });
}

static void reading_up_to_a_time(void **state)
{
    struct fixture *fixture = *state;
    varve_appended first = { 0 };
    varve_store *store = fixture->store;
    const varve_str s = VARVE_STR("s-1");
    varve_event event = { .stream = s, .type = VARVE_STR("E"), .occurred_at = 5000000 };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append(store, &request, &first, NULL), VARVE_OK);
    while (varve_time_now() <= first.recorded_at) {
    }
    event.occurred_at = 3000000;
    assert_int_equal(varve_append(store, &request, NULL, NULL), VARVE_OK);

    varve_time then = first.recorded_at;
    assert_reads(store, "s-1@1 ", (varve_read_options){ .until_time = then });
    assert_reads(store, "s-1@1 ", (varve_read_options){ .stream = s, .until_time = then });
    assert_reads(store, "s-1@1 ", (varve_read_options){ .stream = s, .until_time = then, .backward = true });
    assert_reads(store, "", (varve_read_options){ .until_time = then - 1 });
    assert_reads(store, "s-1@2 ",
                 (varve_read_options){ .stream = s, .until_time = 4000000, .clock = VARVE_CLOCK_OCCURRED });
    varve_cursor *cursor = NULL;
    const varve_read_options future = { .until_time = varve_time_now() + 60000000 };
    assert_int_equal(varve_cursor_open(&cursor, store, &future, NULL), VARVE_INVALID);
    varve_appended_fini(&first);
}

static void recorded_time_never_decreases(void **state)
{
    struct fixture *fixture = *state;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_time last = 0;
    for (int i = 0; i < 20; i++) append_n(fixture->store, "s-1", "E", 10);
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &(varve_read_options){ 0 }, NULL), VARVE_OK);
    for (uint64_t position = 1; position <= 200; position++) {
        assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
        assert_int_equal(event->position, position);
        assert_true(event->recorded_at >= last);
        last = event->recorded_at;
    }
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_DONE);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_DONE);
    varve_cursor_close(cursor);
}

static void contradicting_options_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const varve_str name = VARVE_STR("a"), nothing = VARVE_STR(""), cut_off = VARVE_STR("a\xc3");
    const varve_query_item item = { .tags = &name, .tag_count = 1 }, unnamed = { .tags = &nothing, .tag_count = 1 };
    const struct {
        varve_read_options options;
        varve_status status;
    } cases[] = {
        { { .backward = true }, VARVE_INVALID },
        { { .from_version = 1 }, VARVE_INVALID },
        { { .stream = name, .after_position = 1 }, VARVE_INVALID },
        { { .stream = name, .categories = &name, .category_count = 1 }, VARVE_INVALID },
        { { .follow = true, .until_position = 3 }, VARVE_INVALID },
        { { .clock = VARVE_CLOCK_OCCURRED, .until_time = 1 }, VARVE_INVALID },
        { { .tags = &name, .tag_count = 1, .items = &item, .item_count = 1 }, VARVE_INVALID },
        { { .items = &unnamed, .item_count = 1 }, VARVE_INVALID },
        { { .types = &cut_off, .type_count = 1 }, VARVE_INVALID },
        { { .categories = &cut_off, .category_count = 1 }, VARVE_INVALID },
        { { .correlation_id = cut_off }, VARVE_INVALID },
        { { .after_position = 1 }, VARVE_REWOUND },
        { { .follow = true, .after_position = 9 }, VARVE_REWOUND },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_cursor *cursor = NULL;
        assert_int_equal(varve_cursor_open(&cursor, fixture->store, &cases[i].options, NULL), cases[i].status);
        assert_null(cursor);
    }
}

static void pages_join_without_a_seam(void **state)
{
    struct fixture *fixture = *state;
    char *large = malloc(300000);
    memset(large, ' ', 300000);
    large[0] = '1';
    for (int i = 0; i < 40; i++) append_n(fixture->store, "s-1", i % 2 == 0 ? "Even" : "Odd", 100);
    for (int i = 0; i < 10; i++) { /* together more than a page may hold */
        const varve_event event = { .stream = VARVE_STR("s-2"), .type = VARVE_STR("Large"), .data = { large, 300000 } };
        varve_append(fixture->store, &(varve_append_request){ .events = &event, .event_count = 1 }, NULL, NULL);
    }
    const varve_str odd = VARVE_STR("Odd");
    const struct {
        varve_read_options options;
        uint64_t count;
    } cases[] = {
        { { 0 }, 4010 },
        { { .stream = VARVE_STR("s-1") }, 4000 },
        { { .stream = VARVE_STR("s-1"), .backward = true }, 4000 },
        { { .stream = VARVE_STR("s-2") }, 10 },
        { { .types = &odd, .type_count = 1 }, 2000 },
        { { .stream = VARVE_STR("s-1"), .types = &odd, .type_count = 1, .backward = true }, 2000 },
        { { .limit = 1500 }, 1500 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_cursor *cursor = NULL;
        const varve_event *event = NULL;
        uint64_t count = 0, last = 0;
        assert_int_equal(varve_cursor_open(&cursor, fixture->store, &cases[i].options, NULL), VARVE_OK);
        while (varve_cursor_next(cursor, &event, NULL) == VARVE_OK) {
            if (count > 0) assert_true(cases[i].options.backward ? event->position < last : event->position > last);
            last = event->position;
            count++;
        }
        assert_int_equal(count, cases[i].count);
        varve_cursor_close(cursor);
    }
    free(large);
}

/* ---- subscriptions ---- */

enum { SMALL_FIRST = 40, LARGE_BYTES = 20000, LARGE_AFTER = 60, PAGE_BYTES = 50000 };

/* Reads page after page, each as if it were known that events are small; gives how many there were. */
static size_t read_in_pages(const struct store_driver *driver, struct store_log *log, const varve_read_options *options)
{
    struct store_read read = { .options = options, .event_limit = 1000, .byte_limit = PAGE_BYTES, .event_bytes = 3 };
    struct store_page page = { .more = true };
    size_t count = 0;
    read.until_position = SMALL_FIRST + LARGE_AFTER;
    read.next_version = options->backward ? INT64_MAX : 1;
    while (page.more) {
        arena_reset(&page.arena);
        page.count = page.capacity = page.bytes = 0;
        page.scanned = options->stream.len == 0 ? read.after_position : 0;
        page.more = false;
        assert_int_equal(driver->read(log, &read, &page, NULL), VARVE_OK);
        assert_true(page.bytes < PAGE_BYTES + LARGE_BYTES);
        for (size_t i = 0; i < page.count; i++, count++)
            assert_int_equal(page.events[i].position, options->backward ? read.until_position - count : count + 1);
        read.after_position = page.scanned;
        read.next_version = options->backward ? page.scanned - 1 : page.scanned + 1;
    }
    arena_fini(&page.arena);
    return count;
}

static void a_page_ends_where_it_is_full(void **state)
{
    struct fixture *fixture = *state;
    static char data[LARGE_BYTES];
    const varve_str type = VARVE_STR("Noted"), tag = VARVE_STR("t"), stream = VARVE_STR("s-1");
    const varve_query_item items[] = { { &type, 1, &tag, 1 }, { NULL, 0, &tag, 1 } };
    const varve_read_options ways[] = {
        { .size = 0 },
        { .types = &type, .type_count = 1 },
        { .items = items + 1, .item_count = 1 },
        { .items = items, .item_count = 2 },
        { .stream = stream },
        { .stream = stream, .backward = true },
        { .stream = stream, .types = &type, .type_count = 1 },
        { .stream = stream, .types = &type, .type_count = 1, .backward = true },
    };
    memset(data, 'x', sizeof data);
    data[0] = data[sizeof data - 1] = '"';
    for (size_t i = 0; i < SMALL_FIRST + LARGE_AFTER; i++) {
        const varve_event event = { .stream = stream,
                                    .type = type,
                                    .tags = &tag,
                                    .tag_count = 1,
                                    .data = i < SMALL_FIRST ? VARVE_STR("1") : (varve_str){ data, sizeof data } };
        const varve_append_request request = { .events = &event, .event_count = 1 };
        assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_OK);
    }
    struct store_log *log = NULL;
    const struct store_location location = { .path = place_of(fixture, "log"), .read_only = true, .must_exist = true };
    assert_int_equal(fixture->driver->open(&log, &location, NULL), VARVE_OK);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        assert_int_equal(read_in_pages(fixture->driver, log, &ways[i]), SMALL_FIRST + LARGE_AFTER);
    fixture->driver->close(log);
}

static void a_subscription_catches_up_then_is_live(void **state)
{
    struct fixture *fixture = *state;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    append_n(fixture->store, "s-1", "E", 2);
    const varve_read_options options = { .follow = true };
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_scanned(cursor), 1);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_CAUGHT_UP);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_IDLE);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_IDLE);

    struct pollfd readable = { .fd = varve_cursor_fd(cursor), .events = POLLIN };
    assert_int_equal(poll(&readable, 1, 0), 0);
    append_n(fixture->store, "s-2", "E", 1);
    assert_int_equal(poll(&readable, 1, 10000), 1);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(event->position, 3);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_IDLE);
    assert_int_equal(poll(&readable, 1, 0), 0);
    varve_cursor_close(cursor);
}

static void a_rare_filter_reports_what_was_scanned(void **state)
{
    struct fixture *fixture = *state;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    const varve_str rare = VARVE_STR("Rare");
    const varve_read_options options = { .follow = true, .types = &rare, .type_count = 1 };
    append_n(fixture->store, "s-1", "Common", 100);
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_CAUGHT_UP);
    assert_int_equal(varve_cursor_scanned(cursor), 100);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_IDLE);
    append_n(fixture->store, "s-1", "Common", 50);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_IDLE);
    assert_int_equal(varve_cursor_scanned(cursor), 150);
    struct pollfd readable = { .fd = varve_cursor_fd(cursor), .events = POLLIN };
    append_n(fixture->store, "s-1", "Rare", 1);
    assert_int_equal(poll(&readable, 1, 10000), 1);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(event->position, 151);
    varve_cursor_close(cursor);
}

static void a_rare_filter_does_not_hold_a_subscriber(void **state)
{
    struct fixture *fixture = *state;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    const varve_str rare = VARVE_STR("Rare");
    const varve_read_options options = { .follow = true, .types = &rare, .type_count = 1 };
    enum { EVENTS = 1000, APPENDS = 45 };
    static varve_event events[EVENTS];
    for (size_t i = 0; i < EVENTS; i++)
        events[i] = (varve_event){ .stream = VARVE_STR("s-1"), .type = VARVE_STR("Common") };
    const varve_append_request request = { .events = events, .event_count = EVENTS };
    for (int i = 0; i < APPENDS; i++) assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_OK);
    append_n(fixture->store, "s-1", "Rare", 1);

    int skipped = 0;
    uint64_t scanned = 0;
    varve_status status;
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    while ((status = varve_cursor_next(cursor, &event, NULL)) == VARVE_SKIPPED) {
        assert_true(varve_cursor_scanned(cursor) > scanned);
        scanned = varve_cursor_scanned(cursor);
        skipped++;
    }
    assert_int_equal(status, VARVE_OK);
    assert_int_equal(event->position, EVENTS * APPENDS + 1);
    assert_true(skipped > 0);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_CAUGHT_UP);
    varve_cursor_close(cursor);
}

static void *append_some(void *argument)
{
    for (int i = 0; i < 300; i++) append_n(argument, "s-1", "E", 1);
    return NULL;
}

static void a_subscription_sees_every_event_once_in_order(void **state)
{
    struct fixture *fixture = *state;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    pthread_t threads[4];
    bool caught_up = false;
    append_n(fixture->store, "s-1", "E", 100);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, append_some, fixture->store);
    const varve_read_options options = { .follow = true, .wait_ms = 10000 };
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    for (uint64_t position = 1; position <= 1300;) {
        varve_status status = varve_cursor_next(cursor, &event, NULL);
        if (status == VARVE_CAUGHT_UP) {
            assert_false(caught_up);
            caught_up = true;
            continue;
        }
        assert_int_equal(status, VARVE_OK);
        assert_int_equal(event->position, position);
        position++;
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    varve_cursor_close(cursor);
}

static void a_stream_can_be_followed(void **state)
{
    struct fixture *fixture = *state;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    const varve_read_options options = { .follow = true, .stream = VARVE_STR("s-1"), .from_version = 2 };
    append_n(fixture->store, "s-1", "E", 1);
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_CAUGHT_UP);
    append_n(fixture->store, "s-2", "E", 1);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_IDLE);
    append_n(fixture->store, "s-1", "E", 2);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(event->version, 2);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(event->version, 3);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_IDLE);
    varve_cursor_close(cursor);
}

static void another_handle_follows_too(void **state)
{
    struct fixture *fixture = *state;
    varve_store *reader = NULL;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    append_n(fixture->store, "s-1", "E", 1);
    assert_int_equal(open_again(fixture, &reader, true, NULL), VARVE_OK);
    const varve_read_options options = { .follow = true, .wait_ms = 10000, .after_position = 1 };
    assert_int_equal(varve_cursor_open(&cursor, reader, &options, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_CAUGHT_UP);
    append_n(fixture->store, "s-1", "E", 1);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(event->position, 2);
    varve_cursor_close(cursor);
    varve_store_close(reader);
}

/* ---- looking ---- */

static void an_event_is_found_by_its_id(void **state)
{
    struct fixture *fixture = *state;
    const varve_str tag = VARVE_STR("t");
    const varve_event given = { .stream = VARVE_STR("s-1"),
                                .type = VARVE_STR("E"),
                                .data = VARVE_STR("[1]"),
                                .id = varve_uuid_new(),
                                .tags = &tag,
                                .tag_count = 1 };
    varve_event found;
    varve_buf memory = { 0 };
    append_n(fixture->store, "s-1", "Other", 5);
    varve_append(fixture->store, &(varve_append_request){ .events = &given, .event_count = 1 }, NULL, NULL);
    assert_int_equal(varve_event_find(fixture->store, given.id, &found, &memory, NULL), VARVE_OK);
    assert_int_equal(found.position, 6);
    assert_int_equal(found.version, 6);
    assert_str(found.stream, "s-1");
    assert_str(found.data, "[1]");
    assert_int_equal(found.tag_count, 1);
    assert_str(found.tags[0], "t");
    assert_int_equal(varve_event_find(fixture->store, varve_uuid_new(), &found, &memory, NULL), VARVE_NOT_FOUND);
    varve_buf_fini(&memory);
}

static varve_status note_stream(void *ctx, const varve_stream_version *stream)
{
    varve_buf_printf(ctx, "%.*s@%llu ", (int)stream->stream.len, stream->stream.ptr,
                     (unsigned long long)stream->version);
    return VARVE_OK;
}

static void streams_are_listed_by_name(void **state)
{
    struct fixture *fixture = *state;
    varve_buf names = { 0 };
    const varve_str none = { 0 };
    append_n(fixture->store, "order-2", "E", 2);
    append_n(fixture->store, "orders-1", "E", 1);
    append_n(fixture->store, "order-1", "E", 3);
    append_n(fixture->store, "order", "E", 1);
    append_n(fixture->store, "a-1", "E", 1);
    assert_int_equal(varve_stream_list(fixture->store, none, none, 0, note_stream, &names, NULL), VARVE_DONE);
    assert_string_equal(names.ptr, "a-1@1 order@1 order-1@3 order-2@2 orders-1@1 ");
    varve_buf_reset(&names);
    assert_int_equal(varve_stream_list(fixture->store, VARVE_STR("order"), none, 2, note_stream, &names, NULL),
                     VARVE_OK);
    assert_string_equal(names.ptr, "order@1 order-1@3 ");
    varve_buf_reset(&names);
    assert_int_equal(varve_stream_list(fixture->store, VARVE_STR("order"), VARVE_STR("order-1"), 2, note_stream, &names,
                                       NULL),
                     VARVE_DONE);
    assert_string_equal(names.ptr, "order-2@2 ");
    varve_buf_fini(&names);
}

static void the_newest_fitting_snapshot_is_found(void **state)
{
    struct fixture *fixture = *state;
    varve_buf text = { 0 };
    uint64_t version = 0;
    const varve_str s = VARVE_STR("s-1");
    append_n(fixture->store, "s-1", "E", 60);
    store_snapshot_put(fixture->store, &(struct store_snapshot){ s, 50, 1, VARVE_STR("{\"n\":50}") });
    append_n(fixture->store, "s-1", "E", 1); /* shares the transaction, or comes after it */
    append_n(fixture->store, "s-1", "E", 1);
    assert_int_equal(store_snapshot_get(fixture->store, s, 1, UINT64_MAX, &version, &text, NULL), VARVE_OK);
    assert_int_equal(version, 50);
    assert_string_equal(text.ptr, "{\"n\":50}");
    assert_int_equal(store_snapshot_get(fixture->store, s, 2, UINT64_MAX, &version, &text, NULL), VARVE_NOT_FOUND);
    assert_int_equal(store_snapshot_get(fixture->store, s, 1, 49, &version, &text, NULL), VARVE_NOT_FOUND);
    assert_int_equal(store_snapshot_get(fixture->store, VARVE_STR("s-2"), 1, 99, &version, &text, NULL),
                     VARVE_NOT_FOUND);
    varve_buf_fini(&text);
}

/* Hands a snapshot over and appends to another stream: it is written with the first append, or before the second. */
static void put_snapshot(varve_store *store, const char *stream, uint64_t version, uint32_t state_version)
{
    char state[32];
    snprintf(state, sizeof state, "%llu", (unsigned long long)version);
    store_snapshot_put(store,
                       &(struct store_snapshot){ varve_str_of(stream), version, state_version, varve_str_of(state) });
    append_n(store, "other-1", "E", 1);
    append_n(store, "other-1", "E", 1);
}

/* The newest snapshot up to `max`, 0 when there is none. */
static uint64_t snapshot_up_to(varve_store *store, const char *stream, uint32_t state_version, uint64_t max)
{
    varve_buf text = { 0 };
    uint64_t version = 0;
    varve_status status = store_snapshot_get(store, varve_str_of(stream), state_version, max, &version, &text, NULL);
    if (status == VARVE_NOT_FOUND) return 0;
    assert_int_equal(status, VARVE_OK);
    assert_int_equal(strtoull(text.ptr, NULL, 10), version);
    varve_buf_fini(&text);
    return version;
}

static void older_snapshots_are_kept_thinly(void **state)
{
    struct fixture *fixture = *state;
    varve_store *store = fixture->store;
    append_n(store, "s-1", "E", 1);
    append_n(store, "s-2", "E", 1);
    put_snapshot(store, "s-2", 70, 1);
    for (uint64_t version = 50; version <= 5000; version += 50) put_snapshot(store, "s-1", version, 1);
    size_t kept = 0;
    for (uint64_t at = UINT64_MAX; (at = snapshot_up_to(store, "s-1", 1, at)) > 0; at--) kept++;
    assert_in_range(kept, 8, 20);
    for (uint64_t version = 5000; version >= 50; version -= 50) {
        uint64_t distance = 5000 - version, begins = snapshot_up_to(store, "s-1", 1, version);
        assert_true(version - begins <= (distance / 2 > 50 ? distance / 2 : 50));
    }
    assert_int_equal(snapshot_up_to(store, "s-2", 1, UINT64_MAX), 70);
    assert_int_equal(snapshot_up_to(store, "s-1", 1, UINT64_MAX), 5000);

    /* A newer meaning of the state makes the older ones useless, wherever they stand. */
    put_snapshot(store, "s-1", 5000, 2);
    assert_int_equal(snapshot_up_to(store, "s-1", 1, UINT64_MAX), 0);
    assert_int_equal(snapshot_up_to(store, "s-1", 2, UINT64_MAX), 5000);
    put_snapshot(store, "unknown-1", 1, 1);
    assert_int_equal(snapshot_up_to(store, "unknown-1", 1, UINT64_MAX), 0);
}

static void a_time_tells_the_version(void **state)
{
    struct fixture *fixture = *state;
    varve_store *store = fixture->store;
    const varve_str s = VARVE_STR("s-1");
    varve_time recorded[12];
    uint64_t versions[12], version = 9;
    for (size_t i = 0; i < 12; i++) { /* each append later than the one before, with other streams between */
        varve_appended appended = { 0 };
        const varve_event event = { .stream = s, .type = VARVE_STR("E") }, events[] = { event, event };
        append_n(store, "s-2", "E", i * 7);
        assert_int_equal(varve_append(store, &(varve_append_request){ .events = events, .event_count = 1 + i % 2 },
                                      &appended, NULL),
                         VARVE_OK);
        recorded[i] = appended.recorded_at;
        versions[i] = appended.streams[0].version;
        varve_appended_fini(&appended);
        while (varve_time_now() <= recorded[i] + 1) {
        }
    }
    assert_int_equal(store_version_at(store, s, recorded[0] - 1, &version, NULL), VARVE_OK);
    assert_int_equal(version, 0);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(store_version_at(store, s, recorded[i], &version, NULL), VARVE_OK);
        assert_int_equal(version, versions[i]);
        assert_int_equal(store_version_at(store, s, recorded[i] + 1, &version, NULL), VARVE_OK);
        assert_int_equal(version, versions[i]);
        assert_int_equal(store_version_at(store, s, recorded[i] - 1, &version, NULL), VARVE_OK);
        assert_int_equal(version, i == 0 ? 0 : versions[i - 1]);
    }
    assert_int_equal(store_version_at(store, VARVE_STR("none"), recorded[3], &version, NULL), VARVE_OK);
    assert_int_equal(version, 0);
    assert_int_equal(store_version_at(store, s, varve_time_now() + 60000000, &version, NULL), VARVE_INVALID);
    assert_int_equal(store_version_at(store, s, -1, &version, NULL), VARVE_INVALID);
}

static void print_problem(void *ctx, const char *problem)
{
    varve_buf_printf(ctx, "%s\n", problem);
}

/* Changes one byte of the file, inside the only place that holds `needle`. */
static void damage(struct fixture *fixture, const char *needle)
{
    const char *path = scratch_path(&fixture->scratch, "log.db");
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    char *bytes = malloc(size);
    rewind(file);
    assert_int_equal(fread(bytes, 1, size, file), size);
    char *place = memmem(bytes, size, needle, strlen(needle));
    assert_non_null(place);
    fseek(file, place - bytes, SEEK_SET);
    fputc(*place ^ 1, file);
    fclose(file);
    free(bytes);
}

static void a_damaged_event_is_an_error_that_names_it(void **state)
{
    struct fixture *fixture = *state;
    varve_buf problems = { 0 };
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    uint64_t checked = 0;
    const varve_verify_options verify = { .problem = print_problem, .ctx = &problems };
    const varve_event precious = { .stream = VARVE_STR("s-1"),
                                   .type = VARVE_STR("E"),
                                   .data = VARVE_STR("\"precious\"") };
    append_n(fixture->store, "s-1", "E", 2);
    varve_append(fixture->store, &(varve_append_request){ .events = &precious, .event_count = 1 }, NULL, NULL);
    assert_int_equal(varve_store_verify(fixture->store, &verify, &checked, &error), VARVE_OK);
    assert_int_equal(checked, 3);
    if ((fixture->driver->capabilities & STORE_IN_A_FILE) == 0) return;

    varve_store_close(fixture->store);
    damage(fixture, "precious");
    assert_int_equal(open_again(fixture, &fixture->store, false, &error), VARVE_OK);
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &(varve_read_options){ 0 }, NULL), VARVE_OK);
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) status = varve_cursor_next(cursor, &event, &error);
    assert_int_equal(status, VARVE_CORRUPT);
    assert_non_null(strstr(error.message, "position 3"));
    varve_cursor_close(cursor);
    assert_int_equal(varve_store_verify(fixture->store, &verify, &checked, &error), VARVE_CORRUPT);
    assert_non_null(strstr(problems.ptr, "position 3"));
    varve_buf_fini(&problems);
}

static void a_damaged_snapshot_is_passed_over(void **state)
{
    struct fixture *fixture = *state;
    varve_error error = { 0 };
    if ((fixture->driver->capabilities & STORE_IN_A_FILE) == 0) return;
    append_n(fixture->store, "s-1", "E", 1);
    put_snapshot(fixture->store, "s-1", 50, 1);
    put_snapshot(fixture->store, "s-1", 100, 1);
    store_snapshot_put(fixture->store, &(struct store_snapshot){ VARVE_STR("s-1"), 150, 1, VARVE_STR("\"fragile\"") });
    varve_store_close(fixture->store);
    damage(fixture, "fragile");
    assert_int_equal(open_again(fixture, &fixture->store, false, &error), VARVE_OK);
    assert_int_equal(snapshot_up_to(fixture->store, "s-1", 1, UINT64_MAX), 100);
    put_snapshot(fixture->store, "s-1", 150, 1);
    assert_int_equal(snapshot_up_to(fixture->store, "s-1", 1, UINT64_MAX), 150);
}

static struct CMUnitTest cases[] = {
    CASE(a_stream_reads_by_version_both_ways),
    CASE(the_log_reads_by_position_and_filters),
    CASE(correlated_events_are_found),
    CASE(reading_up_to_a_time),
    CASE(recorded_time_never_decreases),
    CASE(contradicting_options_are_refused),
    CASE(a_query_goes_on_behind_what_filters_leave_out),
    CASE(pages_join_without_a_seam),
    CASE(a_page_ends_where_it_is_full),
    CASE(a_subscription_catches_up_then_is_live),
    CASE(a_rare_filter_reports_what_was_scanned),
    CASE(a_rare_filter_does_not_hold_a_subscriber),
    CASE(a_subscription_sees_every_event_once_in_order),
    CASE(a_stream_can_be_followed),
    CASE(another_handle_follows_too),
    CASE(an_event_is_found_by_its_id),
    CASE(streams_are_listed_by_name),
    CASE(the_newest_fitting_snapshot_is_found),
    CASE(older_snapshots_are_kept_thinly),
    CASE(a_time_tells_the_version),
    CASE(a_damaged_snapshot_is_passed_over),
    CASE(a_damaged_event_is_an_error_that_names_it),
};

RUN_ON_ALL_DRIVERS(cases)
