/* SPDX-License-Identifier: Apache-2.0 */
/* What every store driver promises about appends. */
#include "tests/conformance/store.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static void a_new_store_is_empty(void **state)
{
    struct fixture *fixture = *state;
    varve_store_info info;
    uint64_t version = 7;
    assert_int_equal(head_of(fixture->store), 0);
    assert_int_equal(varve_store_get_info(fixture->store, &info, NULL), VARVE_OK);
    assert_int_equal(info.last_position, 0);
    assert_int_equal(info.stream_count, 0);
    assert_int_equal(strlen(info.incarnation), 36);
    assert_int_equal(varve_stream_get_version(fixture->store, VARVE_STR("order-1"), &version, NULL), VARVE_OK);
    assert_int_equal(version, 0);
}

static void every_field_comes_back_as_it_was_given(void **state)
{
    struct fixture *fixture = *state;
    const varve_str tags[] = { VARVE_STR("customer:1"), VARVE_STR("größe") };
    const char bytes[] = { 0, (char)0xff, 7 };
    varve_event events[] = {
        { .stream = VARVE_STR("order-a-b"),
          .type = VARVE_STR("OrderPlaced"),
          .data = VARVE_STR(" { \"n\" : 1.50 }\n"),
          .metadata = VARVE_STR("{\"correlation_id\":\"c-1\"}"),
          .tags = tags,
          .tag_count = 2,
          .schema_version = 3,
          .id = varve_uuid_new(),
          .occurred_at = 1234567890123456 },
        { .stream = VARVE_STR("blob"),
          .type = VARVE_STR("Stored"),
          .data = { bytes, sizeof bytes },
          .content_type = VARVE_STR("application/octet-stream") },
    };
    varve_appended appended = { 0 };
    const varve_append_request request = { .events = events, .event_count = 2 };
    assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_OK);
    assert_memory_equal(&appended.ids[0], &events[0].id, sizeof(varve_uuid));
    assert_false(varve_uuid_is_nil(appended.ids[1]));

    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &(varve_read_options){ 0 }, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_str(event->stream, "order-a-b");
    assert_str(event->type, "OrderPlaced");
    assert_str(event->data, " { \"n\" : 1.50 }\n");
    assert_str(event->metadata, "{\"correlation_id\":\"c-1\"}");
    assert_str(event->content_type, "application/json");
    assert_int_equal(event->tag_count, 2);
    assert_str(event->tags[0], "customer:1");
    assert_str(event->tags[1], "größe");
    assert_int_equal(event->schema_version, 3);
    assert_int_equal(event->occurred_at, 1234567890123456);
    assert_int_equal(event->recorded_at, appended.recorded_at);
    assert_memory_equal(&event->id, &events[0].id, sizeof(varve_uuid));
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(event->data.len, sizeof bytes);
    assert_memory_equal(event->data.ptr, bytes, sizeof bytes);
    assert_str(event->content_type, "application/octet-stream");
    assert_str(event->metadata, "{}");
    assert_int_equal(event->schema_version, 1);
    assert_int_equal(event->occurred_at, event->recorded_at);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_DONE);
    varve_cursor_close(cursor);
    varve_appended_fini(&appended);
}

static void one_append_may_span_streams(void **state)
{
    struct fixture *fixture = *state;
    const varve_event events[] = {
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E") },
        { .stream = VARVE_STR("b-1"), .type = VARVE_STR("E") },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E") },
    };
    varve_appended appended = { 0 };
    append_n(fixture->store, "b-1", "E", 4);
    const varve_append_request request = { .events = events, .event_count = 3 };
    assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_OK);
    assert_int_equal(appended.first_position, 5);
    assert_int_equal(appended.last_position, 7);
    assert_int_equal(appended.stream_count, 2);
    assert_str(appended.streams[0].stream, "a-1");
    assert_int_equal(appended.streams[0].version, 2);
    assert_str(appended.streams[1].stream, "b-1");
    assert_int_equal(appended.streams[1].version, 5);
    varve_appended_fini(&appended);
}

static void an_append_may_have_as_many_streams_as_events(void **state)
{
    struct fixture *fixture = *state;
    enum { EVENTS = 900, STREAMS = 300 };
    static char names[STREAMS][8];
    varve_event events[EVENTS];
    varve_condition conditions[STREAMS];
    varve_appended appended = { 0 };
    for (size_t i = 0; i < STREAMS; i++) {
        snprintf(names[i], sizeof names[i], "s-%zu", i);
        conditions[i] = (varve_condition){ .kind = VARVE_STREAM_NONE, .stream = varve_str_of(names[i]) };
    }
    for (size_t i = 0; i < EVENTS; i++)
        events[i] = (varve_event){ .stream = varve_str_of(names[i * 7 % STREAMS]), .type = VARVE_STR("E") };
    const varve_append_request request = {
        .events = events, .event_count = EVENTS, .conditions = conditions, .condition_count = STREAMS
    };
    assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_OK);
    assert_int_equal(appended.stream_count, STREAMS);
    for (size_t i = 0; i < STREAMS; i++) {
        assert_int_equal(appended.streams[i].version, EVENTS / STREAMS);
        assert_str(appended.streams[i].stream, names[i * 7 % STREAMS]);
    }
    varve_appended_fini(&appended);
    assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_CONFLICT);
    assert_int_equal(appended.failed_count, STREAMS);
    varve_appended_fini(&appended);
}

static void a_condition_on_a_stream_holds_or_refuses(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *stream;
        varve_condition_kind kind;
        uint64_t version;
        bool accepted;
        uint64_t current;
    } cases[] = {
        { "s-1", VARVE_STREAM_EXISTS, 0, false, 0 }, { "s-1", VARVE_STREAM_AT, 1, false, 0 },
        { "s-1", VARVE_STREAM_NONE, 0, true, 0 },    { "s-1", VARVE_STREAM_NONE, 0, false, 1 },
        { "s-1", VARVE_STREAM_AT, 0, false, 1 },     { "s-1", VARVE_STREAM_AT, 2, false, 1 },
        { "s-1", VARVE_STREAM_AT, 1, true, 0 },      { "s-1", VARVE_STREAM_EXISTS, 0, true, 0 },
        { "s-1", VARVE_STREAM_ANY, 0, true, 0 },     { "s-2", VARVE_STREAM_AT, 0, true, 0 },
    };
    uint64_t accepted = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_appended appended = { 0 };
        varve_error error = { 0 };
        varve_status status =
            append_if(fixture->store, cases[i].stream, cases[i].kind, cases[i].version, &appended, &error);
        assert_int_equal(status, cases[i].accepted ? VARVE_OK : VARVE_CONFLICT);
        if (!cases[i].accepted) {
            assert_int_equal(appended.failed_count, 1);
            assert_int_equal(appended.failed[0].index, 0);
            assert_int_equal(appended.failed[0].current_version, cases[i].current);
            assert_int_equal(error.detail, cases[i].current);
        }
        accepted += cases[i].accepted;
        assert_int_equal(head_of(fixture->store), accepted);
        varve_appended_fini(&appended);
    }
}

static void all_conditions_that_fail_are_named(void **state)
{
    struct fixture *fixture = *state;
    append_n(fixture->store, "s-1", "E", 3);
    const varve_event event = { .stream = VARVE_STR("t-1"), .type = VARVE_STR("E") };
    const varve_condition conditions[] = {
        { .kind = VARVE_STREAM_AT, .stream = VARVE_STR("s-1"), .version = 2 },
        { .kind = VARVE_STREAM_NONE, .stream = VARVE_STR("t-1") },
        { .kind = VARVE_STREAM_EXISTS, .stream = VARVE_STR("u-1") },
    };
    varve_appended appended = { 0 };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = conditions, .condition_count = 3
    };
    assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_CONFLICT);
    assert_int_equal(appended.failed_count, 2);
    assert_int_equal(appended.failed[0].index, 0);
    assert_int_equal(appended.failed[0].current_version, 3);
    assert_int_equal(appended.failed[1].index, 2);
    assert_int_equal(appended.failed[1].current_version, 0);
    assert_int_equal(head_of(fixture->store), 3);
    varve_appended_fini(&appended);
}

static void a_repeat_gets_the_first_result(void **state)
{
    struct fixture *fixture = *state;
    varve_event events[] = {
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .id = varve_uuid_new() },
        { .stream = VARVE_STR("b-1"), .type = VARVE_STR("E"), .id = varve_uuid_new() },
    };
    const varve_condition none = { .kind = VARVE_STREAM_NONE, .stream = VARVE_STR("a-1") };
    const varve_append_request request = {
        .events = events, .event_count = 2, .conditions = &none, .condition_count = 1
    };
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_OK);
    append_n(fixture->store, "a-1", "E", 5);

    varve_appended appended = { 0 };
    assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_REPEATED);
    assert_int_equal(appended.first_position, 1);
    assert_int_equal(appended.last_position, 2);
    assert_int_equal(appended.streams[0].version, 1);
    assert_int_equal(appended.streams[1].version, 1);
    assert_int_equal(head_of(fixture->store), 7);
    varve_appended_fini(&appended);
}

static void an_id_used_for_something_else_is_a_conflict(void **state)
{
    struct fixture *fixture = *state;
    varve_event events[] = {
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .id = varve_uuid_new() },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .id = varve_uuid_new() },
    };
    varve_append_request request = { .events = events, .event_count = 1 };
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_OK);
    request.event_count = 2; /* one is there, one is not */
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_ID_CONFLICT);
    request.event_count = 1;
    events[0].stream = VARVE_STR("a-2"); /* there, but of another stream */
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_ID_CONFLICT);
    request.event_count = 2;
    events[0].id = events[1].id;
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_INVALID);
    assert_int_equal(head_of(fixture->store), 1);
}

static void wrong_input_is_refused_and_nothing_written(void **state)
{
    struct fixture *fixture = *state;
    char long_name[256];
    memset(long_name, 'x', sizeof long_name);
    const varve_event cases[] = {
        { .stream = VARVE_STR(""), .type = VARVE_STR("E") },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("") },
        { .stream = { long_name, 256 }, .type = VARVE_STR("E") },
        { .stream = VARVE_STR("a\n1"), .type = VARVE_STR("E") },
        { .stream = VARVE_STR("a-\xff"), .type = VARVE_STR("E") },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .data = VARVE_STR("{") },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .data = VARVE_STR("{} {}") },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .data = VARVE_STR("\"\\u0000\"") },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .data = VARVE_STR("9223372036854775808") },
        { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E"), .metadata = VARVE_STR("[]") },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_error error = { 0 };
        const varve_append_request request = { .events = &cases[i], .event_count = 1 };
        varve_status status = varve_append(fixture->store, &request, NULL, &error);
        if (status != VARVE_INVALID && status != VARVE_TOO_LARGE) fail_msg("case %zu: status %d", i, status);
        assert_true(strlen(error.message) > 10);
    }
    assert_int_equal(varve_append(fixture->store, &(varve_append_request){ 0 }, NULL, NULL), VARVE_INVALID);
    const varve_event fine = { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E") };
    const varve_str nothing = VARVE_STR(""), name = VARVE_STR("n");
    const varve_query_item any = { 0 }, unnamed = { .tags = &nothing, .tag_count = 1 };
    const varve_query_item many = { .types = &name, .type_count = VARVE_QUERY_ITEMS_MAX + 1 };
    const varve_condition conditions[] = {
        { .kind = VARVE_FAIL_IF_MATCH },
        { .kind = VARVE_FAIL_IF_MATCH, .stream = VARVE_STR("a-1"), .items = &any, .item_count = 1 },
        { .kind = VARVE_FAIL_IF_MATCH, .items = &unnamed, .item_count = 1 },
        { .kind = VARVE_FAIL_IF_MATCH, .items = &many, .item_count = 1 },
        { .kind = VARVE_STREAM_NONE },
        { .kind = (varve_condition_kind)77, .stream = VARVE_STR("a-1") },
    };
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        const varve_append_request request = {
            .events = &fine, .event_count = 1, .conditions = &conditions[i], .condition_count = 1
        };
        varve_status status = varve_append(fixture->store, &request, NULL, NULL);
        if (status != VARVE_INVALID && status != VARVE_TOO_LARGE) fail_msg("condition %zu: status %d", i, status);
    }
    memset(long_name, 'k', sizeof long_name);
    const varve_append_request keyed = { .events = &fine, .event_count = 1, .idempotency_key = { long_name, 256 } };
    assert_int_equal(varve_append(fixture->store, &keyed, NULL, NULL), VARVE_INVALID);
    assert_int_equal(head_of(fixture->store), 0);
}

static void limits_are_exact(void **state)
{
    struct fixture *fixture = *state;
    size_t count = VARVE_APPEND_EVENTS_MAX + 1, bytes = VARVE_DATA_BYTES_MAX + 1;
    varve_event *events = calloc(count, sizeof *events);
    char *data = malloc(bytes);
    memset(data, ' ', bytes);
    data[0] = '1';
    for (size_t i = 0; i < count; i++) events[i] = (varve_event){ .stream = VARVE_STR("a-1"), .type = VARVE_STR("E") };
    varve_append_request request = { .events = events, .event_count = count };
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_TOO_LARGE);
    request.event_count = count - 1;
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_OK);
    request.event_count = 1;
    events[0].data = (varve_str){ data, bytes };
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_TOO_LARGE);
    events[0].data.len--;
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_OK);
    for (size_t i = 0; i < 9; i++) events[i].data = events[0].data;
    request.event_count = 9; /* each is small enough, together they are not */
    assert_int_equal(varve_append(fixture->store, &request, NULL, NULL), VARVE_TOO_LARGE);
    assert_int_equal(head_of(fixture->store), VARVE_APPEND_EVENTS_MAX + 1);
    free(data);
    free(events);
}

/* ---- many at once ---- */

struct tally {
    sem_t all;
    atomic_int answered, accepted, refused;
};

static void count_outcome(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct tally *tally = ctx;
    (void)error;
    atomic_fetch_add(status >= 0 ? &tally->accepted : &tally->refused, 1);
    assert_true(status < 0 || appended->last_position > 0);
    if (atomic_fetch_add(&tally->answered, 1) == 63) sem_post(&tally->all);
}

static void a_refused_append_disturbs_no_other(void **state)
{
    struct fixture *fixture = *state;
    struct tally tally = { 0 };
    sem_init(&tally.all, 0, 0);
    for (int i = 0; i < 64; i++) {
        const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
        /* Every other one expects what can never be. */
        const varve_condition condition = { .kind = VARVE_STREAM_AT, .stream = event.stream, .version = 1000 };
        const varve_append_request request = {
            .events = &event, .event_count = 1, .conditions = &condition, .condition_count = (size_t)(i % 2)
        };
        assert_int_equal(varve_append_async(fixture->store, &request, count_outcome, &tally, NULL), VARVE_OK);
    }
    sem_wait(&tally.all);
    assert_int_equal(tally.accepted, 32);
    assert_int_equal(tally.refused, 32);
    assert_int_equal(head_of(fixture->store), 32);
    sem_destroy(&tally.all);
}

struct flood {
    varve_store *store;
    int queued;
    varve_status refused;
    sem_t done;
    atomic_int answered;
};

static void count_flood(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct flood *flood = ctx;
    (void)appended;
    (void)error;
    assert_int_equal(status, VARVE_OK);
    if (atomic_fetch_add(&flood->answered, 1) + 1 == flood->queued) sem_post(&flood->done);
}

/* Runs on the writer's thread, so nothing leaves the queue meanwhile. */
static void flood_queue(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct flood *flood = ctx;
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    (void)status;
    (void)appended;
    (void)error;
    while ((flood->refused = varve_append_async(flood->store, &request, count_flood, flood, NULL)) >= 0)
        flood->queued++;
}

static void a_full_queue_says_busy(void **state)
{
    struct fixture *fixture = *state;
    struct flood flood = { .store = fixture->store };
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    sem_init(&flood.done, 0, 0);
    assert_int_equal(varve_append_async(fixture->store, &request, flood_queue, &flood, NULL), VARVE_OK);
    sem_wait(&flood.done);
    assert_int_equal(flood.refused, VARVE_BUSY);
    assert_int_equal(flood.queued, 64); /* the fixture's queue_limit */
    assert_int_equal(head_of(fixture->store), 65);
    sem_destroy(&flood.done);
}

/* Appends that are queued while the writer is held, so that they make up one batch, and what became of each. */
struct chained {
    varve_store *store;
    struct store_chain chain, other;
    sem_t answered;
    varve_status answers[8];
    unsigned count;
    bool named; /* a condition was named by one that stood behind */
};

static void take_chained(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct chained *chained = ctx;
    (void)error;
    chained->answers[chained->count++] = status;
    chained->named = chained->named || (status == VARVE_CONFLICT && chained->count > 2 && appended->failed_count > 0);
    sem_post(&chained->answered);
}

static void append_behind(struct chained *chained, struct store_chain *chain, uint64_t version)
{
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_condition condition = { .kind = VARVE_STREAM_AT, .stream = event.stream, .version = version };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = &condition, .condition_count = 1
    };
    const struct store_besides besides = { .chain = chain };
    assert_int_equal(store_append_besides(chained->store, &request, &besides, take_chained, chained, NULL), VARVE_OK);
}

static void queue_chained(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct chained *chained = ctx;
    (void)status, (void)appended, (void)error;
    append_behind(chained, NULL, 1);            /* somebody else is faster */
    append_behind(chained, &chained->chain, 1); /* so this is too late */
    append_behind(chained, &chained->chain, 2); /* … and this fits, but by chance */
    append_behind(chained, &chained->other, 2); /* this does not depend on it */
    append_behind(chained, &chained->other, 3);
}

static void what_was_decided_on_a_refused_append_is_refused_too(void **state)
{
    struct fixture *fixture = *state;
    struct chained chained = { .store = fixture->store };
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    const varve_status expected[] = { VARVE_OK, VARVE_CONFLICT, VARVE_CONFLICT, VARVE_OK, VARVE_OK, VARVE_CONFLICT };
    sem_init(&chained.answered, 0, 0);
    assert_int_equal(varve_append_async(fixture->store, &request, queue_chained, &chained, NULL), VARVE_OK);
    for (int i = 0; i < 5; i++) sem_wait(&chained.answered);
    append_behind(&chained, &chained.chain, 4); /* in another batch */
    sem_wait(&chained.answered);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) assert_int_equal(chained.answers[i], expected[i]);
    assert_false(chained.named);
    assert_true(chained.chain.is_broken);
    chained.chain = (struct store_chain){ 0 };
    append_behind(&chained, &chained.chain, 4);
    append_behind(&chained, &chained.chain, 5);
    for (int i = 0; i < 2; i++) sem_wait(&chained.answered);
    assert_int_equal(chained.answers[6], VARVE_OK);
    assert_int_equal(chained.answers[7], VARVE_OK);
    assert_int_equal(head_of(fixture->store), 6);
    sem_destroy(&chained.answered);
}

static void append_with_id(struct chained *chained, uint8_t id, uint64_t version)
{
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E"), .id = { { 1, [15] = id } } };
    const varve_condition condition = { .kind = VARVE_STREAM_AT, .stream = event.stream, .version = version };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = &condition, .condition_count = 1
    };
    const struct store_besides besides = { .chain = &chained->chain };
    assert_int_equal(store_append_besides(chained->store, &request, &besides, take_chained, chained, NULL), VARVE_OK);
}

static void queue_repeats(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct chained *chained = ctx;
    (void)status, (void)appended, (void)error;
    append_with_id(chained, 1, 2);
    append_with_id(chained, 2, 3);
    append_with_id(chained, 3, 4);
    append_with_id(chained, 2, 5);
}

/* What is in the log is there, whatever became of the append that it was decided on this time. */
static void a_repeat_behind_a_refused_append_is_a_repeat(void **state)
{
    struct fixture *fixture = *state;
    struct chained chained = { .store = fixture->store };
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    const varve_status expected[] = {
        VARVE_OK, VARVE_OK, VARVE_REPEATED, VARVE_REPEATED, VARVE_CONFLICT, VARVE_REPEATED
    };
    sem_init(&chained.answered, 0, 0);
    append_with_id(&chained, 1, 0);
    append_with_id(&chained, 2, 1);
    for (int i = 0; i < 2; i++) sem_wait(&chained.answered);
    assert_int_equal(varve_append_async(fixture->store, &request, queue_repeats, &chained, NULL), VARVE_OK);
    for (int i = 0; i < 4; i++) sem_wait(&chained.answered);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) assert_int_equal(chained.answers[i], expected[i]);
    assert_int_equal(head_of(fixture->store), 3);
    sem_destroy(&chained.answered);
}

static void closing_answers_everything_queued(void **state)
{
    struct fixture *fixture = *state;
    struct tally tally = { 0 };
    sem_init(&tally.all, 0, 0);
    for (int i = 0; i < 64; i++) {
        const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
        const varve_append_request request = { .events = &event, .event_count = 1 };
        assert_int_equal(varve_append_async(fixture->store, &request, count_outcome, &tally, NULL), VARVE_OK);
    }
    varve_store_close(fixture->store);
    assert_int_equal(tally.accepted, 64);
    assert_int_equal(open_again(fixture, &fixture->store, false, NULL), VARVE_OK);
    assert_int_equal(head_of(fixture->store), 64);
    sem_destroy(&tally.all);
}

enum { RACERS = 16, RACES = 40, RACE_STREAMS = 4 };

struct racer {
    pthread_t thread;
    varve_store *store;
    unsigned seed;
    atomic_int *won; /* for each stream and version, how many were told that they made it */
};

/* Appends at the version it last heard of, until it has won often enough. */
static void *race(void *argument)
{
    struct racer *racer = argument;
    uint64_t versions[RACE_STREAMS] = { 0 };
    for (int wins = 0; wins < RACES;) {
        unsigned s = (racer->seed = racer->seed * 1103515245u + 12345u) >> 16 & (RACE_STREAMS - 1);
        char stream[8];
        varve_appended appended = { 0 };
        snprintf(stream, sizeof stream, "s-%u", s);
        varve_status status = append_if(racer->store, stream, VARVE_STREAM_AT, versions[s], &appended, NULL);
        if (status == VARVE_CONFLICT) {
            assert_true(appended.failed[0].current_version > versions[s]); /* only because somebody else won */
            versions[s] = appended.failed[0].current_version;
        } else {
            assert_int_equal(status, VARVE_OK);
            assert_int_equal(appended.streams[0].version, versions[s] + 1);
            versions[s]++;
            atomic_fetch_add(&racer->won[s * RACERS * RACES + versions[s]], 1);
            wins++;
        }
        varve_appended_fini(&appended);
    }
    return NULL;
}

static void of_many_racers_one_wins_each_version(void **state)
{
    struct fixture *fixture = *state;
    struct racer racers[RACERS];
    atomic_int *won = calloc((size_t)RACE_STREAMS * RACERS * RACES + 1, sizeof *won);
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){ .store = fixture->store, .seed = i, .won = won };
        pthread_create(&racers[i].thread, NULL, race, &racers[i]);
    }
    for (unsigned i = 0; i < RACERS; i++) pthread_join(racers[i].thread, NULL);
    assert_int_equal(head_of(fixture->store), RACERS * RACES);
    uint64_t total = 0;
    for (unsigned s = 0; s < RACE_STREAMS; s++) {
        char stream[8];
        uint64_t version = 0;
        snprintf(stream, sizeof stream, "s-%u", s);
        assert_int_equal(varve_stream_get_version(fixture->store, varve_str_of(stream), &version, NULL), VARVE_OK);
        for (uint64_t v = 1; v <= version; v++) assert_int_equal(won[s * RACERS * RACES + v], 1);
        total += version;
    }
    assert_int_equal(total, RACERS * RACES);
    free(won);
}

static void reopen(struct fixture *fixture)
{
    varve_store_close(fixture->store);
    assert_int_equal(open_again(fixture, &fixture->store, false, NULL), VARVE_OK);
}

static void what_was_appended_is_there_after_reopening(void **state)
{
    struct fixture *fixture = *state;
    varve_store_info before, after;
    append_n(fixture->store, "s-1", "E", 10);
    assert_int_equal(varve_store_get_info(fixture->store, &before, NULL), VARVE_OK);
    reopen(fixture);
    assert_int_equal(varve_store_get_info(fixture->store, &after, NULL), VARVE_OK);
    assert_string_equal(before.incarnation, after.incarnation);
    assert_int_equal(after.last_position, 10);
    assert_int_equal(after.stream_count, 1);
    assert_int_equal(append_if(fixture->store, "s-1", VARVE_STREAM_AT, 10, NULL, NULL), VARVE_OK);
}

/* Each append is the first after opening: it meets a store that remembers nothing. */
static void what_is_not_remembered_is_not_guessed(void **state)
{
    static const struct {
        const char *stream;
        varve_condition_kind kind;
        uint64_t expected;
        varve_status status;
        uint64_t version;
    } first[] = {
        { "s-1", VARVE_STREAM_ANY, 0, VARVE_OK, 11 },         { "s-1", VARVE_STREAM_AT, 10, VARVE_CONFLICT, 11 },
        { "s-1", VARVE_STREAM_AT, 99, VARVE_CONFLICT, 11 },   { "s-1", VARVE_STREAM_AT, 11, VARVE_OK, 12 },
        { "s-1", VARVE_STREAM_NONE, 0, VARVE_CONFLICT, 12 },  { "s-1", VARVE_STREAM_EXISTS, 0, VARVE_OK, 13 },
        { "s-2", VARVE_STREAM_EXISTS, 0, VARVE_CONFLICT, 0 }, { "s-2", VARVE_STREAM_NONE, 0, VARVE_OK, 1 },
        { "s-3", VARVE_STREAM_ANY, 0, VARVE_OK, 1 },
    };
    struct fixture *fixture = *state;
    append_n(fixture->store, "s-1", "E", 10);
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        varve_appended appended = { 0 };
        reopen(fixture);
        assert_int_equal(append_if(fixture->store, first[i].stream, first[i].kind, first[i].expected, &appended, NULL),
                         first[i].status);
        if (first[i].status == VARVE_OK)
            assert_int_equal(appended.streams[0].version, first[i].version);
        else
            assert_int_equal(appended.failed[0].current_version, first[i].version);
        varve_appended_fini(&appended);
    }
}

/* A condition may be about a stream that the append writes nothing to; and a version may be as large as it can be. */
static void what_is_only_asked_about_is_looked_up(void **state)
{
    static const struct {
        const char *asked;
        varve_condition_kind kind;
        uint64_t expected;
        varve_status status;
        uint64_t version; /* of the stream that is asked about */
    } asks[] = {
        { "b-1", VARVE_STREAM_AT, 99, VARVE_CONFLICT, 3 },
        { "b-1", VARVE_STREAM_NONE, 0, VARVE_CONFLICT, 3 },
        { "b-1", VARVE_STREAM_AT, 3, VARVE_OK, 3 },
        { "b-1", VARVE_STREAM_EXISTS, 0, VARVE_OK, 3 },
        { "a-9", VARVE_STREAM_AT, UINT64_MAX, VARVE_CONFLICT, 0 },
        { "b-1", VARVE_STREAM_AT, UINT64_MAX - 1, VARVE_CONFLICT, 3 },
    };
    struct fixture *fixture = *state;
    append_n(fixture->store, "b-1", "E", 3);
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        const varve_event events[] = { { .stream = VARVE_STR("a-1"), .type = VARVE_STR("E") },
                                       { .stream = varve_str_of(asks[i].asked), .type = VARVE_STR("E") } };
        const varve_condition condition = { .kind = asks[i].kind,
                                            .stream = varve_str_of(asks[i].asked),
                                            .version = asks[i].expected };
        varve_append_request request = { .events = events, .conditions = &condition, .condition_count = 1 };
        for (size_t count = 1; count <= 2 && (count == 1 || asks[i].status != VARVE_OK); count++) {
            request.event_count = count;
            varve_appended appended = { 0 };
            reopen(fixture);
            assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), asks[i].status);
            if (asks[i].status != VARVE_OK) assert_int_equal(appended.failed[0].current_version, asks[i].version);
            varve_appended_fini(&appended);
        }
    }
    assert_int_equal(head_of(fixture->store), 5);
    assert_int_equal(varve_store_verify(fixture->store, NULL, &(uint64_t){ 0 }, NULL), VARVE_OK);
}

/* Several appends that share a batch, and what became of each. */
struct batch {
    varve_store *store;
    sem_t answered;
    struct batch_item {
        const char *stream;
        size_t events;
        varve_condition condition;
        varve_status status;
        uint64_t version; /* the stream's, after it or, when it is refused, as it is */
    } items[6];
    size_t count;
};

static void check_item(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct batch *batch = ctx;
    const struct batch_item *item = &batch->items[batch->count++];
    (void)error;
    assert_int_equal(status, item->status);
    assert_int_equal(status == VARVE_OK ? appended->streams[0].version : appended->failed[0].current_version,
                     item->version);
    sem_post(&batch->answered);
}

static void queue_batch(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct batch *batch = ctx;
    (void)status, (void)appended, (void)error;
    for (size_t i = 0; i < 6; i++) {
        struct batch_item *item = &batch->items[i];
        varve_event events[2] = { { .stream = varve_str_of(item->stream), .type = VARVE_STR("E") } };
        events[1] = events[0];
        item->condition.stream = events[0].stream;
        const varve_append_request request = {
            .events = events, .event_count = item->events, .conditions = &item->condition, .condition_count = 1
        };
        assert_int_equal(varve_append_async(batch->store, &request, check_item, batch, NULL), VARVE_OK);
    }
}

static void run_batch(struct fixture *fixture, struct batch *batch)
{
    const varve_event event = { .stream = VARVE_STR("other"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    reopen(fixture);
    batch->store = fixture->store;
    sem_init(&batch->answered, 0, 0);
    assert_int_equal(varve_append_async(fixture->store, &request, queue_batch, batch, NULL), VARVE_OK);
    for (int i = 0; i < 6; i++) sem_wait(&batch->answered);
    sem_destroy(&batch->answered);
}

static void a_batch_on_streams_that_are_not_remembered(void **state)
{
    struct fixture *fixture = *state;
    struct batch all_hold = { .items = { { "s-1", 2, { .kind = VARVE_STREAM_ANY }, VARVE_OK, 12 },
                                         { "s-2", 1, { .kind = VARVE_STREAM_AT, .version = 5 }, VARVE_OK, 6 },
                                         { "s-1", 1, { .kind = VARVE_STREAM_ANY }, VARVE_OK, 13 },
                                         { "s-2", 2, { .kind = VARVE_STREAM_AT, .version = 6 }, VARVE_OK, 8 },
                                         { "s-3", 1, { .kind = VARVE_STREAM_NONE }, VARVE_OK, 1 },
                                         { "s-4", 2, { .kind = VARVE_STREAM_ANY }, VARVE_OK, 2 } } };
    struct batch one_fails = { .items = { { "s-1", 1, { .kind = VARVE_STREAM_ANY }, VARVE_OK, 14 },
                                          { "s-2", 1, { .kind = VARVE_STREAM_AT, .version = 7 }, VARVE_CONFLICT, 8 },
                                          { "s-2", 1, { .kind = VARVE_STREAM_AT, .version = 8 }, VARVE_OK, 9 },
                                          { "s-3", 1, { .kind = VARVE_STREAM_NONE }, VARVE_CONFLICT, 1 },
                                          { "s-3", 1, { .kind = VARVE_STREAM_EXISTS }, VARVE_OK, 2 },
                                          { "s-1", 1, { .kind = VARVE_STREAM_AT, .version = 14 }, VARVE_OK, 15 } } };
    append_n(fixture->store, "s-1", "E", 10);
    append_n(fixture->store, "s-2", "E", 5);
    run_batch(fixture, &all_hold);
    run_batch(fixture, &one_fails);
    assert_int_equal(head_of(fixture->store), 15 + 1 + 9 + 1 + 4);
}

/* What one remembers decides nothing. */
static void two_writers_see_each_others_versions(void **state)
{
    struct fixture *fixture = *state;
    varve_store *other = NULL;
    varve_appended appended = { 0 };
    if ((fixture->driver->capabilities & STORE_MANY_WRITERS) == 0) return;
    assert_int_equal(append_n(fixture->store, "s-1", "E", 1), VARVE_OK);
    assert_int_equal(open_again(fixture, &other, false, NULL), VARVE_OK);
    assert_int_equal(append_n(other, "s-1", "E", 2), VARVE_OK);
    assert_int_equal(append_if(fixture->store, "s-1", VARVE_STREAM_AT, 2, &appended, NULL), VARVE_CONFLICT);
    assert_int_equal(appended.failed[0].current_version, 3);
    varve_appended_fini(&appended);
    assert_int_equal(append_n(other, "s-1", "E", 1), VARVE_OK);
    assert_int_equal(append_if(fixture->store, "s-1", VARVE_STREAM_AT, 4, NULL, NULL), VARVE_OK);
    assert_int_equal(append_if(other, "s-1", VARVE_STREAM_AT, 4, NULL, NULL), VARVE_CONFLICT);
    assert_int_equal(append_if(other, "s-1", VARVE_STREAM_AT, 5, NULL, NULL), VARVE_OK);
    varve_store_close(other);
}

static void a_second_writer_is_told_who_holds_the_store(void **state)
{
    struct fixture *fixture = *state;
    varve_store *second = NULL;
    varve_error error = { 0 };
    if ((fixture->driver->capabilities & STORE_ONE_WRITER) == 0) return;
    assert_int_equal(open_again(fixture, &second, false, &error), VARVE_LOCKED);
    assert_int_equal(error.detail, getpid());
    assert_int_equal(open_again(fixture, &second, true, &error), VARVE_OK);
    assert_int_equal(append_n(second, "s-1", "E", 1), VARVE_DENIED);
    append_n(fixture->store, "s-1", "E", 3);
    assert_int_equal(head_of(second), 3);
    varve_store_close(second);
}

static struct CMUnitTest cases[] = {
    CASE(a_new_store_is_empty),
    CASE(every_field_comes_back_as_it_was_given),
    CASE(one_append_may_span_streams),
    CASE(an_append_may_have_as_many_streams_as_events),
    CASE(a_condition_on_a_stream_holds_or_refuses),
    CASE(all_conditions_that_fail_are_named),
    CASE(a_repeat_gets_the_first_result),
    CASE(an_id_used_for_something_else_is_a_conflict),
    CASE(wrong_input_is_refused_and_nothing_written),
    CASE(limits_are_exact),
    CASE(a_refused_append_disturbs_no_other),
    CASE(a_full_queue_says_busy),
    CASE(what_was_decided_on_a_refused_append_is_refused_too),
    CASE(a_repeat_behind_a_refused_append_is_a_repeat),
    CASE(closing_answers_everything_queued),
    CASE(of_many_racers_one_wins_each_version),
    CASE(what_was_appended_is_there_after_reopening),
    CASE(what_is_not_remembered_is_not_guessed),
    CASE(a_batch_on_streams_that_are_not_remembered),
    CASE(what_is_only_asked_about_is_looked_up),
    CASE(two_writers_see_each_others_versions),
    CASE(a_second_writer_is_told_who_holds_the_store),
};

RUN_ON_ALL_DRIVERS(cases)
