/* SPDX-License-Identifier: Apache-2.0 */
/* What every store driver promises about tags and fail_if_match, idempotency keys and records. */
#include "tests/conformance/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "event/query.h"

/* ---- tags ---- */

/* One event with tags, given as "a b c". Returns its position. */
static uint64_t append_tagged(varve_store *store, const char *stream, const char *type, const char *tags)
{
    varve_str views[8];
    size_t count = 0;
    for (const char *at = tags; *at != '\0'; at += strspn(at, " ")) {
        views[count++] = (varve_str){ at, strcspn(at, " ") };
        at += strcspn(at, " ");
    }
    const varve_event event = {
        .stream = varve_str_of(stream), .type = varve_str_of(type), .tags = views, .tag_count = count
    };
    varve_appended appended = { 0 };
    assert_int_equal(varve_append(store, &(varve_append_request){ .events = &event, .event_count = 1 }, &appended,
                                  NULL),
                     VARVE_OK);
    uint64_t position = appended.last_position;
    varve_appended_fini(&appended);
    return position;
}

/* The positions that a read gives, as "1 4 7 ". */
static const char *positions_of(varve_store *store, const varve_read_options *options)
{
    static char text[1024];
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    size_t len = 0;
    text[0] = '\0';
    if (varve_cursor_open(&cursor, store, options, &error) < 0) fail_msg("%s", error.message);
    varve_status status;
    while ((status = varve_cursor_next(cursor, &event, &error)) == VARVE_OK)
        len += (size_t)snprintf(text + len, sizeof text - len, "%llu ", (unsigned long long)event->position);
    if (status < 0) fail_msg("%s", error.message);
    varve_cursor_close(cursor);
    return text;
}

#define TEXT(literal)                   \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    } /* VARVE_STR is no constant in C17 */

static const varve_str course = TEXT("course:c1"), ada = TEXT("student:ada"), bob = TEXT("student:bob");
static const varve_str enrolled = TEXT("Enrolled"), left = TEXT("Left");

static void append_school(varve_store *store)
{
    append_tagged(store, "course-c1", "Opened", "course:c1");               /* 1 */
    append_tagged(store, "course-c1", "Enrolled", "course:c1 student:ada"); /* 2 */
    append_tagged(store, "course-c2", "Enrolled", "student:ada course:c2"); /* 3 */
    append_tagged(store, "course-c1", "Enrolled", "student:bob course:c1"); /* 4 */
    append_tagged(store, "note-1", "Noted", "");                            /* 5 */
    append_tagged(store, "course-c1", "Left", "course:c1 student:ada");     /* 6 */
    append_tagged(store, "course-c12", "Enrolled", "course:c12");           /* 7 */
}

static void reading_by_tags_finds_what_has_all_of_them(void **state)
{
    struct fixture *fixture = *state;
    const varve_str both[] = { course, ada }, unknown[] = { course, VARVE_STR("student:eve") };
    const varve_str courses = VARVE_STR("course"), notes = VARVE_STR("note");
    append_school(fixture->store);
    const struct {
        varve_read_options options;
        const char *positions;
    } cases[] = {
        { { .tags = &course, .tag_count = 1 }, "1 2 4 6 " },
        { { .tags = &ada, .tag_count = 1 }, "2 3 6 " },
        { { .tags = both, .tag_count = 2 }, "2 6 " },
        { { .tags = unknown, .tag_count = 2 }, "" },
        { { .tags = both, .tag_count = 2, .types = &enrolled, .type_count = 1 }, "2 " },
        { { .tags = &ada, .tag_count = 1, .after_position = 2 }, "3 6 " },
        { { .tags = &ada, .tag_count = 1, .until_position = 3 }, "2 3 " },
        { { .tags = &ada, .tag_count = 1, .limit = 2 }, "2 3 " },
        { { .tags = &ada, .tag_count = 1, .categories = &courses, .category_count = 1 }, "2 3 6 " },
        { { .tags = &ada, .tag_count = 1, .categories = &notes, .category_count = 1 }, "" },
        { { .tags = &ada, .tag_count = 1, .stream = VARVE_STR("course-c1") }, "2 6 " },
        { { .tags = &ada, .tag_count = 1, .stream = VARVE_STR("course-c1"), .backward = true }, "6 2 " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *positions = positions_of(fixture->store, &cases[i].options);
        if (strcmp(positions, cases[i].positions) != 0)
            fail_msg("case %zu: \"%s\" is not \"%s\"", i, positions, cases[i].positions);
    }
}

static void a_query_finds_what_any_item_asks_for(void **state)
{
    struct fixture *fixture = *state;
    const varve_str types[] = { enrolled, left };
    const varve_query_item either[] = {
        { .types = &left, .type_count = 1, .tags = &ada, .tag_count = 1 },
        { .types = types, .type_count = 2, .tags = &bob, .tag_count = 1 },
    };
    const varve_query_item by_type[] = { { .types = &left, .type_count = 1 }, { .tags = &bob, .tag_count = 1 } };
    const varve_query_item everything = { 0 };
    append_school(fixture->store);
    assert_string_equal(positions_of(fixture->store, &(varve_read_options){ .items = either, .item_count = 2 }),
                        "4 6 ");
    assert_string_equal(positions_of(fixture->store, &(varve_read_options){ .items = by_type, .item_count = 2 }),
                        "4 6 ");
    assert_string_equal(positions_of(fixture->store, &(varve_read_options){ .items = &everything, .item_count = 1 }),
                        "1 2 3 4 5 6 7 ");
}

/* A few of the texts "a", "b", …, each once. */
static size_t choose(unsigned *seed, unsigned one_in, varve_str *texts)
{
    static const char letters[] = "abcde";
    size_t count = 0;
    for (size_t i = 0; letters[i] != '\0'; i++)
        if ((unsigned)rand_r(seed) % one_in == 0) texts[count++] = (varve_str){ &letters[i], 1 };
    return count;
}

static void a_query_finds_what_a_look_at_every_event_finds(void **state)
{
    enum { EVENTS = 150, QUERIES = 60, ITEMS = 4 };
    struct fixture *fixture = *state;
    varve_event events[EVENTS];
    varve_str tags[EVENTS][5];
    unsigned seed = 1;
    for (size_t i = 0; i < EVENTS; i++) {
        varve_str type = VARVE_STR("abc");
        events[i] = (varve_event){ .stream = VARVE_STR("s-1"), .type = { type.ptr + rand_r(&seed) % 3, 1 } };
        events[i].tags = tags[i];
        events[i].tag_count = choose(&seed, 3, tags[i]);
    }
    const varve_append_request request = { .events = events, .event_count = EVENTS };
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_OK);
    for (int query = 0; query < QUERIES; query++) {
        varve_str names[ITEMS][2][5];
        varve_query_item items[ITEMS];
        size_t count = 1 + (unsigned)rand_r(&seed) % ITEMS;
        for (size_t i = 0; i < count; i++) {
            items[i] = (varve_query_item){ .types = names[i][0], .type_count = choose(&seed, 5, names[i][0]) };
            items[i].tags = names[i][1];
            /* Mostly with tags: those alone are found by their index. */
            do items[i].tag_count = choose(&seed, 3, names[i][1]);
            while (items[i].tag_count == 0 && query % 4 != 0);
        }
        char expected[4 * EVENTS + 1] = "";
        size_t len = 0, first = 0;
        for (size_t i = 0; i < EVENTS; i++) {
            if (!event_query_matches(items, count, &events[i])) continue;
            if (first == 0) first = i + 1;
            len += (size_t)snprintf(expected + len, sizeof expected - len, "%zu ", i + 1);
        }
        assert_string_equal(positions_of(fixture->store, &(varve_read_options){ .items = items, .item_count = count }),
                            expected);
        varve_appended appended = { 0 };
        const varve_condition none = { .kind = VARVE_FAIL_IF_MATCH, .items = items, .item_count = count };
        const varve_condition version = { .kind = VARVE_STREAM_NONE, .stream = VARVE_STR("s-1") };
        const varve_condition both[] = { version, none };
        const varve_append_request refused = {
            .events = events, .event_count = 1, .conditions = both, .condition_count = 2
        };
        assert_int_equal(varve_append(fixture->store, &refused, &appended, NULL), VARVE_CONFLICT);
        assert_int_equal(appended.failed_count, first == 0 ? 1 : 2);
        if (first != 0) assert_int_equal(appended.failed[1].position, first);
        varve_appended_fini(&appended);
    }
}

static void a_rare_tag_is_found_among_many_events(void **state)
{
    struct fixture *fixture = *state;
    const varve_str rare = VARVE_STR("rare"), often = VARVE_STR("often"), pair[] = { often, rare };
    varve_event events[500];
    for (size_t i = 0; i < 500; i++)
        events[i] = (varve_event){
            .stream = VARVE_STR("s-1"),
            .type = VARVE_STR("E"),
            .tags = i % 100 == 50 ? pair : &often,
            .tag_count = i % 100 == 50 ? 2 : 1,
        };
    for (int i = 0; i < 6; i++)
        assert_int_equal(varve_append(fixture->store, &(varve_append_request){ .events = events, .event_count = 500 },
                                      NULL, NULL),
                         VARVE_OK);
    assert_string_equal(positions_of(fixture->store,
                                     &(varve_read_options){ .tags = pair, .tag_count = 2, .after_position = 2500 }),
                        "2551 2651 2751 2851 2951 ");
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    size_t count = 0;
    const varve_read_options options = { .tags = &often, .tag_count = 1 };
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    while (varve_cursor_next(cursor, &event, NULL) == VARVE_OK) assert_int_equal(event->position, ++count);
    assert_int_equal(count, 3000);
    varve_cursor_close(cursor);
}

static void a_subscription_by_tag_says_how_far_it_looked(void **state)
{
    struct fixture *fixture = *state;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    append_school(fixture->store);
    const varve_read_options options = { .tags = &ada, .tag_count = 1, .follow = true, .wait_ms = 5000 };
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_CAUGHT_UP);
    assert_int_equal(varve_cursor_scanned(cursor), 7);
    append_tagged(fixture->store, "course-c1", "Enrolled", "student:bob");
    append_tagged(fixture->store, "course-c1", "Enrolled", "student:ada");
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(event->position, 9);
    varve_cursor_close(cursor);
}

/* ---- fail_if_match ---- */

static varve_status append_unless(varve_store *store, const varve_query_item *items, size_t count, uint64_t after,
                                  const char *tag, varve_appended *appended, varve_error *error)
{
    const varve_str view = varve_str_of(tag);
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E"), .tags = &view, .tag_count = 1 };
    const varve_condition condition = {
        .kind = VARVE_FAIL_IF_MATCH, .items = items, .item_count = count, .after = after
    };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = &condition, .condition_count = 1
    };
    return varve_append(store, &request, appended, error);
}

static void what_matches_after_a_position_refuses(void **state)
{
    struct fixture *fixture = *state;
    const varve_str both[] = { course, ada };
    const varve_query_item left_course = { .types = &left, .type_count = 1, .tags = both, .tag_count = 2 };
    const varve_query_item left_at_all = { .types = &left, .type_count = 1 };
    const varve_query_item bob_or_ada[] = { { .tags = &bob, .tag_count = 1 }, { .tags = &ada, .tag_count = 1 } };
    const varve_query_item everything = { 0 };
    append_school(fixture->store);
    const struct {
        const varve_query_item *items;
        size_t count;
        uint64_t after, match; /* match 0: none */
    } cases[] = {
        { &left_course, 1, 0, 6 },  { &left_course, 1, 5, 6 }, { &left_course, 1, 6, 0 }, { &left_at_all, 1, 3, 6 },
        { &left_at_all, 1, 99, 0 }, { bob_or_ada, 2, 0, 2 },   { bob_or_ada, 2, 3, 4 },   { bob_or_ada, 2, 4, 6 },
        { bob_or_ada, 2, 6, 0 },    { &everything, 1, 6, 7 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_appended appended = { 0 };
        varve_error error = { 0 };
        varve_status status =
            append_unless(fixture->store, cases[i].items, cases[i].count, cases[i].after, "x", &appended, &error);
        if (status != (cases[i].match == 0 ? VARVE_OK : VARVE_CONFLICT)) fail_msg("case %zu: %s", i, error.message);
        if (cases[i].match != 0) {
            assert_int_equal(appended.failed_count, 1);
            assert_int_equal(appended.failed[0].position, cases[i].match);
            assert_int_equal(error.detail, cases[i].match);
        }
        varve_appended_fini(&appended);
    }
}

/* Many appends at once that see each other only within one transaction. */
struct crowd {
    atomic_uint accepted, refused;
};

static void count_crowd(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct crowd *crowd = ctx;
    (void)appended;
    (void)error;
    if (status == VARVE_OK) atomic_fetch_add(&crowd->accepted, 1);
    if (status == VARVE_CONFLICT) atomic_fetch_add(&crowd->refused, 1);
}

static void appends_of_one_batch_see_each_other(void **state)
{
    struct fixture *fixture = *state;
    const varve_str voucher = VARVE_STR("voucher:7");
    const varve_query_item used = { .tags = &voucher, .tag_count = 1 };
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E"), .tags = &voucher, .tag_count = 1 };
    const varve_condition condition = { .kind = VARVE_FAIL_IF_MATCH, .items = &used, .item_count = 1 };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = &condition, .condition_count = 1
    };
    struct crowd crowd = { 0 };
    for (int i = 0; i < 60; i++)
        assert_int_equal(varve_append_async(fixture->store, &request, count_crowd, &crowd, NULL), VARVE_OK);
    varve_store_close(fixture->store);
    assert_int_equal(crowd.accepted, 1);
    assert_int_equal(crowd.refused, 59);
    assert_int_equal(open_again(fixture, &fixture->store, false, NULL), VARVE_OK);
    assert_int_equal(head_of(fixture->store), 1);
}

enum { RACERS = 16, ROUNDS = 1000 };

struct race {
    varve_store *store;
    pthread_barrier_t line;
    atomic_uint won[ROUNDS];
};

static void *race(void *argument)
{
    struct race *race = argument;
    for (int round = 0; round < ROUNDS; round++) {
        char tag[32];
        snprintf(tag, sizeof tag, "seat:%d", round);
        const varve_str view = varve_str_of(tag);
        const varve_query_item taken = { .tags = &view, .tag_count = 1 };
        pthread_barrier_wait(&race->line);
        varve_status status = append_unless(race->store, &taken, 1, 0, tag, NULL, NULL);
        assert_true(status == VARVE_OK || status == VARVE_CONFLICT);
        if (status == VARVE_OK) atomic_fetch_add(&race->won[round], 1);
    }
    return NULL;
}

static void of_racers_for_a_tag_exactly_one_wins(void **state)
{
    struct fixture *fixture = *state;
    struct race *shared = calloc(1, sizeof *shared);
    pthread_t racers[RACERS];
    shared->store = fixture->store;
    pthread_barrier_init(&shared->line, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) pthread_create(&racers[i], NULL, race, shared);
    for (int i = 0; i < RACERS; i++) pthread_join(racers[i], NULL);
    for (int i = 0; i < ROUNDS; i++) assert_int_equal(shared->won[i], 1);
    assert_int_equal(head_of(fixture->store), ROUNDS);
    pthread_barrier_destroy(&shared->line);
    free(shared);
}

/* ---- idempotency keys ---- */

static varve_status append_keyed(varve_store *store, const char *key, const char *data, varve_appended *appended)
{
    const varve_event events[] = {
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .data = varve_str_of(data) },
        { .stream = VARVE_STR("b-1"), .type = VARVE_STR("E") },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E") },
    };
    const varve_append_request request = { .events = events, .event_count = 3, .idempotency_key = varve_str_of(key) };
    return varve_append(store, &request, appended, NULL);
}

static void a_key_makes_an_append_repeatable(void **state)
{
    struct fixture *fixture = *state;
    varve_appended first = { 0 }, again = { 0 };
    append_n(fixture->store, "a-1", "E", 4);
    assert_int_equal(append_keyed(fixture->store, "key", "1", &first), VARVE_OK);
    append_n(fixture->store, "a-1", "E", 4);
    assert_int_equal(append_keyed(fixture->store, "key", "1", &again), VARVE_REPEATED);
    assert_int_equal(again.first_position, 5);
    assert_int_equal(again.last_position, 7);
    assert_int_equal(again.recorded_at, first.recorded_at);
    assert_int_equal(again.stream_count, 2);
    assert_int_equal(again.streams[0].version, 6);
    assert_int_equal(again.streams[1].version, 1);
    assert_memory_equal(again.ids, first.ids, 3 * sizeof *first.ids);
    varve_appended_fini(&again);

    assert_int_equal(append_keyed(fixture->store, "key", "2", NULL), VARVE_KEY_CONFLICT);
    assert_int_equal(append_keyed(fixture->store, "ke", "1", NULL), VARVE_OK);
    assert_int_equal(append_keyed(fixture->store, "key2", "2", NULL), VARVE_OK);
    assert_int_equal(append_keyed(fixture->store, "key", "1", NULL), VARVE_REPEATED);
    assert_int_equal(head_of(fixture->store), 17);
    varve_appended_fini(&first);
}

static void a_key_outlives_the_process(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(append_keyed(fixture->store, "key", "1", NULL), VARVE_OK);
    varve_store_close(fixture->store);
    assert_int_equal(open_again(fixture, &fixture->store, false, NULL), VARVE_OK);
    assert_int_equal(append_keyed(fixture->store, "key", "1", NULL), VARVE_REPEATED);
}

static void a_refused_append_leaves_its_key_free(void **state)
{
    struct fixture *fixture = *state;
    const varve_event event = { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E") };
    const varve_condition exists = { .kind = VARVE_STREAM_EXISTS, .stream = event.stream };
    const varve_append_request request = {
        .events = &event,
        .event_count = 1,
        .conditions = &exists,
        .condition_count = 1,
        .idempotency_key = VARVE_STR("key"),
    };
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_CONFLICT);
    append_n(fixture->store, "a-1", "E", 1);
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_OK);
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_REPEATED);
}

static void a_key_used_twice_at_once_appends_once(void **state)
{
    struct fixture *fixture = *state;
    struct crowd crowd = { 0 };
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1, .idempotency_key = VARVE_STR("key") };
    for (int i = 0; i < 60; i++)
        assert_int_equal(varve_append_async(fixture->store, &request, count_crowd, &crowd, NULL), VARVE_OK);
    varve_store_close(fixture->store);
    assert_int_equal(crowd.accepted, 1);
    assert_int_equal(crowd.refused, 0);
    assert_int_equal(open_again(fixture, &fixture->store, false, NULL), VARVE_OK);
    assert_int_equal(head_of(fixture->store), 1);
}

static void an_id_twice_in_one_batch_appends_once(void **state)
{
    struct fixture *fixture = *state;
    struct crowd crowd = { 0 };
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E"), .id = varve_uuid_new() };
    const varve_event other = { .stream = VARVE_STR("s-2"), .type = VARVE_STR("E"), .id = event.id };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    const varve_append_request another = { .events = &other, .event_count = 1 };
    for (int i = 0; i < 30; i++) {
        assert_int_equal(varve_append_async(fixture->store, &request, count_crowd, &crowd, NULL), VARVE_OK);
        assert_int_equal(varve_append_async(fixture->store, &another, count_crowd, &crowd, NULL), VARVE_OK);
    }
    varve_store_close(fixture->store);
    assert_int_equal(crowd.accepted, 1);
    assert_int_equal(open_again(fixture, &fixture->store, false, NULL), VARVE_OK);
    assert_int_equal(head_of(fixture->store), 1);
}

/* ---- records ---- */

static varve_status put(varve_store *store, const char *key, const char *value, enum store_expectation expect,
                        uint64_t expected, uint64_t *revision)
{
    size_t failed = 9;
    struct store_write write = {
        .record = { .space = VARVE_STR("test"), .key = varve_str_of(key), .value = varve_str_of(value) },
        .expect = expect,
        .expected = expected,
    };
    varve_status status = store_records_write(store, &write, 1, &failed, NULL);
    assert_int_equal(failed, status == VARVE_CONFLICT ? 1 : 0);
    if (revision != NULL) *revision = write.record.revision;
    return status;
}

static void a_record_changes_only_from_what_is_expected(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first = 0, second = 0, third = 0;
    assert_int_equal(put(fixture->store, "k", "1", STORE_EXPECT_REVISION, 7, NULL), VARVE_CONFLICT);
    assert_int_equal(put(fixture->store, "k", "1", STORE_EXPECT_NONE, 0, &first), VARVE_OK);
    assert_int_equal(put(fixture->store, "k", "2", STORE_EXPECT_NONE, 0, NULL), VARVE_CONFLICT);
    assert_int_equal(put(fixture->store, "k", "2", STORE_EXPECT_REVISION, first, &second), VARVE_OK);
    assert_true(second > first);
    assert_int_equal(put(fixture->store, "k", "3", STORE_EXPECT_REVISION, first, NULL), VARVE_CONFLICT);
    assert_int_equal(put(fixture->store, "k", "4", STORE_EXPECT_ANY, 0, &third), VARVE_OK);
    struct arena memory = { 0 };
    struct store_record record;
    varve_time now = 0;
    assert_int_equal(store_record_get(fixture->store, VARVE_STR("test"), VARVE_STR("k"), &memory, &record, &now, NULL),
                     VARVE_OK);
    assert_str(record.value, "4");
    assert_int_equal(record.revision, third);
    assert_true(now > 1700000000000000);
    assert_int_equal(store_record_get(fixture->store, VARVE_STR("test"), VARVE_STR("j"), &memory, &record, NULL, NULL),
                     VARVE_NOT_FOUND);
    arena_fini(&memory);
    assert_int_equal(head_of(fixture->store), 0);
}

static varve_status list_record(void *ctx, const struct store_record *record)
{
    varve_buf_str(ctx, record->key);
    varve_buf_str(ctx, VARVE_STR("="));
    varve_buf_str(ctx, record->value);
    varve_buf_str(ctx, VARVE_STR(" "));
    return VARVE_OK;
}

static void assert_records(struct fixture *fixture, struct store_record_range range, const char *expected)
{
    varve_buf text = { 0 };
    varve_buf_str(&text, VARVE_STR(""));
    range.space = VARVE_STR("test");
    assert_int_equal(store_records_list(fixture->store, &range, list_record, &text, NULL, NULL), VARVE_OK);
    assert_str(varve_buf_view(&text), expected);
    varve_buf_fini(&text);
}

static void records_are_listed_in_the_order_of_their_keys(void **state)
{
    struct fixture *fixture = *state;
    const char *const keys[] = { "b/2", "a", "b/1", "B", "b/10", "c", "bé" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_equal(put(fixture->store, keys[i], "1", STORE_EXPECT_NONE, 0, NULL), VARVE_OK);
    assert_records(fixture, (struct store_record_range){ 0 }, "B=1 a=1 b/1=1 b/10=1 b/2=1 bé=1 c=1 ");
    assert_records(fixture, (struct store_record_range){ .prefix = VARVE_STR("b/") }, "b/1=1 b/10=1 b/2=1 ");
    assert_records(fixture, (struct store_record_range){ .prefix = VARVE_STR("b/"), .after = VARVE_STR("b/1") },
                   "b/10=1 b/2=1 ");
    assert_records(fixture, (struct store_record_range){ .after = VARVE_STR("a"), .limit = 2 }, "b/1=1 b/10=1 ");
    assert_records(fixture, (struct store_record_range){ .prefix = VARVE_STR("x") }, "");
}

static void writes_go_together_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    size_t failed = 0;
    struct store_write writes[] = {
        { .record = { VARVE_STR("test"), VARVE_STR("a"), VARVE_STR("1"), 0, 0 }, .expect = STORE_EXPECT_NONE },
        { .record = { VARVE_STR("test"), VARVE_STR("b"), VARVE_STR("1"), 0, 0 }, .expect = STORE_EXPECT_NONE },
    };
    assert_int_equal(put(fixture->store, "b", "0", STORE_EXPECT_NONE, 0, NULL), VARVE_OK);
    assert_int_equal(store_records_write(fixture->store, writes, 2, &failed, NULL), VARVE_CONFLICT);
    assert_int_equal(failed, 2);
    assert_records(fixture, (struct store_record_range){ 0 }, "b=0 ");
    writes[1].expect = STORE_EXPECT_ANY;
    writes[1].remove = true;
    assert_int_equal(store_records_write(fixture->store, writes, 2, &failed, NULL), VARVE_OK);
    assert_records(fixture, (struct store_record_range){ 0 }, "a=1 ");
}

static void a_record_that_has_expired_is_gone(void **state)
{
    struct fixture *fixture = *state;
    size_t failed = 0;
    struct store_write write = { .record = { VARVE_STR("test"), VARVE_STR("k"), VARVE_STR("1"), 0, 1000000 } };
    assert_int_equal(store_records_write(fixture->store, &write, 1, &failed, NULL), VARVE_OK);
    assert_records(fixture, (struct store_record_range){ 0 }, "");
    uint64_t expired = write.record.revision, revision = 0;
    assert_int_equal(put(fixture->store, "k", "2", STORE_EXPECT_REVISION, expired, NULL), VARVE_CONFLICT);
    assert_int_equal(put(fixture->store, "k", "2", STORE_EXPECT_NONE, 0, &revision), VARVE_OK);
    assert_true(revision > expired);
    assert_records(fixture, (struct store_record_range){ 0 }, "k=2 ");
}

static struct CMUnitTest cases[] = {
    CASE(reading_by_tags_finds_what_has_all_of_them),
    CASE(a_query_finds_what_any_item_asks_for),
    CASE(a_query_finds_what_a_look_at_every_event_finds),
    CASE(a_rare_tag_is_found_among_many_events),
    CASE(a_subscription_by_tag_says_how_far_it_looked),
    CASE(what_matches_after_a_position_refuses),
    CASE(appends_of_one_batch_see_each_other),
    CASE(of_racers_for_a_tag_exactly_one_wins),
    CASE(a_key_makes_an_append_repeatable),
    CASE(a_key_outlives_the_process),
    CASE(a_refused_append_leaves_its_key_free),
    CASE(a_key_used_twice_at_once_appends_once),
    CASE(an_id_twice_in_one_batch_appends_once),
    CASE(a_record_changes_only_from_what_is_expected),
    CASE(records_are_listed_in_the_order_of_their_keys),
    CASE(writes_go_together_or_not_at_all),
    CASE(a_record_that_has_expired_is_gone),
};

RUN_ON_ALL_DRIVERS(cases)
