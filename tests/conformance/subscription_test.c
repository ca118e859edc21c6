/* SPDX-License-Identifier: Apache-2.0 */
/* What durable subscriptions promise on every store driver. */
#include "tests/conformance/subscription.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/stored_hash.h"

/* ---- creating ---- */

static void a_definition_is_kept_and_checked(void **state)
{
    struct fixture *fixture = *state;
    const varve_str types[] = { VARVE_STR("A"), VARVE_STR("B") };
    varve_subscription subscription = { .name = NAME, .types = types, .type_count = 2, .members = 3 };
    varve_subscription_batch batch;
    varve_subscription_read_options options = reading();
    assert_int_equal(varve_subscription_create(fixture->store, &subscription, NULL), VARVE_OK);
    assert_int_equal(varve_subscription_create(fixture->store, &subscription, NULL), VARVE_REPEATED);
    subscription.members = 4;
    assert_int_equal(varve_subscription_create(fixture->store, &subscription, NULL), VARVE_CONFLICT);
    subscription.members = 65;
    assert_int_equal(varve_subscription_create(fixture->store, &subscription, NULL), VARVE_INVALID);
    subscription = (varve_subscription){ .name = VARVE_STR("No") };
    assert_int_equal(varve_subscription_create(fixture->store, &subscription, NULL), VARVE_INVALID);
    subscription = (varve_subscription){ .name = VARVE_STR("x"), .after_position = 1 };
    assert_int_equal(varve_subscription_create(fixture->store, &subscription, NULL), VARVE_INVALID);
    assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_INVALID); /* which of 3? */
    options.member = 4;
    assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_INVALID);
    options.name = VARVE_STR("other");
    assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_NOT_FOUND);
}

static void what_is_deleted_is_gone_with_all_it_knew(void **state)
{
    struct fixture *fixture = *state;
    varve_subscription_read_options options = reading();
    varve_subscription_batch batch;
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1 a-2 a-3");
    expect(fixture->store, "1 2 3 ");
    done(fixture->store, varve_subscription_park, "2");
    done(fixture->store, varve_subscription_ack, "1");
    assert_int_equal(varve_subscription_delete(fixture->store, NAME, NULL), VARVE_OK);
    assert_int_equal(varve_subscription_delete(fixture->store, NAME, NULL), VARVE_NOT_FOUND);
    assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_NOT_FOUND);
    create(fixture->store, 1, 0);
    expect_parked(fixture->store, "");
    options.consumer = VARVE_STR("bob");
    expect_read(fixture->store, &options, "1 2 3 ");
}

/* ---- reading and acknowledging ---- */

static void events_come_in_order_until_they_are_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    varve_subscription_read_options options = reading();
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1 b-1 a-1 c-1 b-1");
    options.limit = 2;
    expect_read(fixture->store, &options, "1 2 ");
    expect_read(fixture->store, &options, "1 2 ");
    done(fixture->store, varve_subscription_ack, "~2");
    assert_int_equal(position_of(fixture->store), 2);
    expect(fixture->store, "3 4 5 ");
    done(fixture->store, varve_subscription_ack, "5 4");
    assert_int_equal(position_of(fixture->store), 2);
    expect(fixture->store, "3 ");
    done(fixture->store, varve_subscription_ack, "5 4"); /* may be repeated */
    done(fixture->store, varve_subscription_ack, "3");
    assert_int_equal(position_of(fixture->store), 5);
    done(fixture->store, varve_subscription_ack, "3 4 5");
    expect(fixture->store, "");
}

static void an_event_waits_for_the_earlier_ones_of_its_stream(void **state)
{
    struct fixture *fixture = *state;
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1 b-1 a-1 a-1");
    expect(fixture->store, "1 2 3 4 ");
    refused(fixture->store, varve_subscription_ack, "3", VARVE_CONFLICT, 1);
    refused(fixture->store, varve_subscription_ack, "2 4 1", VARVE_CONFLICT, 3);
    expect(fixture->store, "1 2 3 4 "); /* all or none */
    refused(fixture->store, varve_subscription_retry, "3", VARVE_CONFLICT, 1);
    refused(fixture->store, varve_subscription_park, "4", VARVE_CONFLICT, 1);
    refused(fixture->store, varve_subscription_skip, "4", VARVE_CONFLICT, 1);
    done(fixture->store, varve_subscription_ack, "4 3 1");
    expect(fixture->store, "2 ");
    refused(fixture->store, varve_subscription_ack, "5", VARVE_INVALID, 0);
    refused(fixture->store, varve_subscription_ack, "~5", VARVE_INVALID, 0);
    refused(fixture->store, varve_subscription_ack, "0", VARVE_OK, 0); /* settled as everything before the start is */
}

static void only_what_the_filter_takes_is_delivered(void **state)
{
    struct fixture *fixture = *state;
    const varve_str category = VARVE_STR("a"), type = VARVE_STR("Noted");
    const varve_subscription subscription = {
        .name = NAME, .categories = &category, .category_count = 1, .types = &type, .type_count = 1, .after_position = 1
    };
    append_to(fixture->store, "a-1 a-1 b-1");
    assert_int_equal(append_n(fixture->store, "a-1", "Other", 1), VARVE_OK);
    append_to(fixture->store, "a-2 b-1 b-1");
    assert_int_equal(varve_subscription_create(fixture->store, &subscription, NULL), VARVE_OK);
    expect(fixture->store, "2 5 ");
    refused(fixture->store, varve_subscription_ack, "3", VARVE_INVALID, 0);
    refused(fixture->store, varve_subscription_park, "4", VARVE_INVALID, 0);
    done(fixture->store, varve_subscription_ack, "2 5");
    expect(fixture->store, "");
    assert_int_equal(position_of(fixture->store), 7); /* nothing more up to there */
}

static void what_was_not_settled_is_delivered_after_a_crash(void **state)
{
    struct fixture *fixture = *state;
    varve_error error = { 0 };
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1 b-1 c-1 a-1 d-1 e-1");
    expect(fixture->store, "1 2 3 4 5 6 ");
    done(fixture->store, varve_subscription_ack, "2 6");
    done(fixture->store, varve_subscription_park, "1");
    done(fixture->store, varve_subscription_retry, "3");
    varve_store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(open_again(fixture, &fixture->store, false, &error), VARVE_OK);
    expect(fixture->store, "3#2 5 ");
    expect_parked(fixture->store, "1:a-1:broken ");
}

static void the_window_bounds_what_is_open(void **state)
{
    struct fixture *fixture = *state;
    varve_subscription_batch batch = { 0 };
    varve_subscription_read_options options = reading();
    uint64_t positions[999];
    create(fixture->store, 1, 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(append_n(fixture->store, "a-1", "Noted", 100), VARVE_OK);
        assert_int_equal(append_n(fixture->store, "b-1", "Noted", 100), VARVE_OK);
    }
    assert_int_equal(append_n(fixture->store, "c-1", "Noted", 1), VARVE_OK);
    assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_OK);
    assert_int_equal(batch.count, 1000);
    varve_subscription_batch_fini(&batch);
    /* All of b-1 that is in the window; a-1 is not dealt with. */
    size_t count = 0;
    for (uint64_t position = 1; position <= 1000; position++)
        if ((position - 1) / 100 % 2 == 1) positions[count++] = position;
    varve_subscription_action action = {
        .name = NAME, .consumer = VARVE_STR("ann"), .positions = positions, .position_count = count
    };
    assert_int_equal(varve_subscription_ack(fixture->store, &action, NULL), VARVE_OK);
    assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_OK);
    assert_int_equal(batch.count, 500);
    varve_subscription_batch_fini(&batch);
    refused(fixture->store, varve_subscription_ack, "1201", VARVE_INVALID, 0);   /* not delivered yet */
    refused(fixture->store, varve_subscription_ack, "~1201", VARVE_CONFLICT, 0); /* nor were all up to there */
    assert_int_equal(position_of(fixture->store), 0);
    count = 0;
    for (uint64_t position = 1; position <= 100; position++) positions[count++] = position;
    action.position_count = count;
    assert_int_equal(varve_subscription_ack(fixture->store, &action, NULL), VARVE_OK);
    assert_int_equal(position_of(fixture->store), 200);
    assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_OK);
    assert_int_equal(batch.count, 600);
    assert_int_equal(batch.deliveries[599].event.position, 1200);
    varve_subscription_batch_fini(&batch);
    done(fixture->store, varve_subscription_ack, "~1200"); /* the last one that was given out */
    assert_int_equal(position_of(fixture->store), 1200);
}

/* ---- retrying ---- */

static void a_retried_event_holds_its_stream_and_no_other(void **state)
{
    struct fixture *fixture = *state;
    uint64_t position = 1;
    varve_subscription_action later = {
        .name = NAME, .consumer = VARVE_STR("ann"), .positions = &position, .position_count = 1, .delay_ms = 60000
    };
    varve_subscription_read_options options = reading();
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1 b-1 a-1");
    expect(fixture->store, "1 2 3 ");
    assert_int_equal(varve_subscription_retry(fixture->store, &later, NULL), VARVE_OK);
    append_to(fixture->store, "a-1 c-1");
    expect(fixture->store, "2 5 ");
    refused(fixture->store, varve_subscription_ack, "3", VARVE_CONFLICT, 1);
    refused(fixture->store, varve_subscription_ack, "~5", VARVE_CONFLICT, 0); /* not all up to there was delivered */
    done(fixture->store, varve_subscription_ack, "2 5");
    expect(fixture->store, "");
    later.delay_ms = 100;
    assert_int_equal(varve_subscription_retry(fixture->store, &later, NULL), VARVE_OK);
    options.wait_ms = 20000; /* it comes when it is due */
    expect_read(fixture->store, &options, "1#3 3 4 ");
    done(fixture->store, varve_subscription_ack, "1");
    refused(fixture->store, varve_subscription_ack, "~4", VARVE_CONFLICT, 0);
    done(fixture->store, varve_subscription_ack, "3 4");
    assert_int_equal(position_of(fixture->store), 5);
    append_to(fixture->store, "a-1");
    expect(fixture->store, "6 ");
    done(fixture->store, varve_subscription_ack, "~6"); /* even again */
}

static void so_many_attempts_park(void **state)
{
    struct fixture *fixture = *state;
    create(fixture->store, 1, 3);
    append_to(fixture->store, "a-1 a-1 b-1");
    expect(fixture->store, "1 2 3 ");
    done(fixture->store, varve_subscription_retry, "1");
    expect(fixture->store, "1#2 2 3 ");
    done(fixture->store, varve_subscription_retry, "1");
    expect(fixture->store, "1#3 2 3 ");
    refused(fixture->store, varve_subscription_retry, "1", VARVE_DONE, 0);
    expect(fixture->store, "3 ");
    expect_parked(fixture->store, "1:a-1:broken ");
}

/* ---- parking ---- */

static void a_parked_event_parks_what_comes_behind_it(void **state)
{
    struct fixture *fixture = *state;
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1 b-1 a-1");
    expect(fixture->store, "1 2 3 ");
    done(fixture->store, varve_subscription_park, "1");
    refused(fixture->store, varve_subscription_park, "1", VARVE_REPEATED, 0);
    refused(fixture->store, varve_subscription_ack, "1", VARVE_CONFLICT, 1);
    refused(fixture->store, varve_subscription_ack, "3", VARVE_CONFLICT, 1);
    refused(fixture->store, varve_subscription_unpark, "3", VARVE_NOT_FOUND, 0);
    append_to(fixture->store, "a-1 b-1");
    expect(fixture->store, "2 5 ");
    done(fixture->store, varve_subscription_ack, "2 5");
    expect(fixture->store, "");
    assert_int_equal(position_of(fixture->store), 5); /* what is parked does not hold the position */
    refused(fixture->store, varve_subscription_ack, "4", VARVE_CONFLICT, 1);

    /* It and what waited comes again in order; what comes anew waits for its turn. */
    done(fixture->store, varve_subscription_unpark, "1");
    expect_parked(fixture->store, "");
    append_to(fixture->store, "a-1 b-1");
    expect(fixture->store, "1#2 3 4 7 ");
    refused(fixture->store, varve_subscription_ack, "3", VARVE_CONFLICT, 1);
    refused(fixture->store, varve_subscription_ack, "6", VARVE_CONFLICT, 1);
    refused(fixture->store, varve_subscription_ack, "~7", VARVE_CONFLICT, 0);
    done(fixture->store, varve_subscription_ack, "1 3");
    expect(fixture->store, "4 7 ");
    done(fixture->store, varve_subscription_ack, "1 3");
    done(fixture->store, varve_subscription_retry, "4");
    expect(fixture->store, "4#2 7 ");
    done(fixture->store, varve_subscription_ack, "4 7");
    expect(fixture->store, "6 ");
    done(fixture->store, varve_subscription_ack, "6");
    assert_int_equal(position_of(fixture->store), 7);
    assert_int_equal(look(fixture->store).unparked, 0);
}

static void a_skipped_event_lets_the_others_go_on(void **state)
{
    struct fixture *fixture = *state;
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1 b-1 a-1 a-1");
    expect(fixture->store, "1 2 3 4 ");
    done(fixture->store, varve_subscription_park, "1");
    done(fixture->store, varve_subscription_ack, "2");
    expect(fixture->store, "");
    done(fixture->store, varve_subscription_skip, "1");
    expect_parked(fixture->store, "");
    expect(fixture->store, "3 4 ");
    done(fixture->store, varve_subscription_park, "3"); /* again, while it is worked off */
    expect(fixture->store, "");
    done(fixture->store, varve_subscription_skip, "3");
    expect(fixture->store, "4 ");
    done(fixture->store, varve_subscription_skip, "4"); /* what is not parked, too */
    expect(fixture->store, "");
    append_to(fixture->store, "a-1 b-1");
    expect(fixture->store, "5 6 ");
    done(fixture->store, varve_subscription_ack, "~6");
}

/* The same while an earlier event keeps the position in front of what is parked. */
static void what_an_action_would_not_keep_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t position = 1;
    const varve_subscription_action plain = {
        .name = NAME, .consumer = VARVE_STR("ann"), .positions = &position, .position_count = 1
    };
    varve_subscription_action delayed = plain, reasoned = plain, by_actor = plain;
    delayed.delay_ms = 1;
    reasoned.reason = VARVE_STR("broken");
    by_actor.actor = VARVE_STR("eve");
    const struct {
        action_function function;
        bool delay, reason, actor;
    } kept[] = {
        { varve_subscription_ack, false, false, false },    { varve_subscription_skip, false, false, false },
        { varve_subscription_unpark, false, false, false }, { varve_subscription_retry, true, true, false },
        { varve_subscription_park, false, true, true },
    };
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1");
    expect(fixture->store, "1 ");
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        action_function act = kept[i].function;
        if (!kept[i].delay) assert_int_equal(act(fixture->store, &delayed, NULL), VARVE_INVALID);
        if (!kept[i].reason) assert_int_equal(act(fixture->store, &reasoned, NULL), VARVE_INVALID);
        if (!kept[i].actor) assert_int_equal(act(fixture->store, &by_actor, NULL), VARVE_INVALID);
    }
    expect(fixture->store, "1 ");
    expect_parked(fixture->store, "");
}

static void parking_beyond_the_position(void **state)
{
    struct fixture *fixture = *state;
    create(fixture->store, 1, 0);
    append_to(fixture->store, "x-1 a-1 b-1 a-1 b-1");
    expect(fixture->store, "1 2 3 4 5 ");
    done(fixture->store, varve_subscription_park, "2");
    done(fixture->store, varve_subscription_park, "3");
    expect(fixture->store, "1 ");
    assert_int_equal(position_of(fixture->store), 0);
    done(fixture->store, varve_subscription_unpark, "2");
    done(fixture->store, varve_subscription_skip, "3");
    expect(fixture->store, "1 2#2 4 5 ");
    refused(fixture->store, varve_subscription_ack, "~5", VARVE_CONFLICT, 0);
    done(fixture->store, varve_subscription_ack, "2 4 5");
    expect(fixture->store, "1 ");
    done(fixture->store, varve_subscription_ack, "1");
    assert_int_equal(position_of(fixture->store), 5);
}

/* A step of a reader of its own, so often at most: a poll that does not wait. */
static void expect_soon(varve_store *store, unsigned polls, const char *expected)
{
    varve_subscription_read_options options = reading();
    varve_subscription_batch batch = { 0 };
    varve_status status = VARVE_IDLE;
    while ((status == VARVE_IDLE || status == VARVE_SKIPPED) && polls-- > 0) {
        varve_reader *reader = NULL;
        assert_int_equal(varve_reader_open(&reader, store, &options, NULL), VARVE_OK);
        status = varve_reader_next(reader, &batch, NULL);
        varve_reader_close(reader);
    }
    assert_int_equal(status, VARVE_OK);
    assert_string_equal(batch_text(&batch), expected);
    varve_subscription_batch_fini(&batch);
}

static void append_many(varve_store *store, const char *stream, const char *type, unsigned hundreds)
{
    while (hundreds-- > 0) assert_int_equal(append_n(store, stream, type, 100), VARVE_OK);
}

#define THIRTY "aaaaaaaaaabbbbbbbbbbcccccccccc"

/* stored_hash is the same for both: XXH3 multiplies the halves of 16 bytes, which here have changed places. */
static void a_name_with_the_hash_of_a_parked_one_is_delivered(void **state)
{
    struct fixture *fixture = *state;
    static const char parked[] = "a-" THIRTY "aAAAA0A0aAAAA0A0" THIRTY THIRTY "12345678901234567890";
    static const char other[] =
        "a-" THIRTY "\xd5\xb9vq\xcb\xa0oX\xd5\xb9vq\xcb\xa0oX" THIRTY THIRTY "12345678901234567890";
    assert_true(stored_hash(varve_str_of(parked)) == stored_hash(varve_str_of(other)));
    create(fixture->store, 1, 0);
    assert_int_equal(append_n(fixture->store, parked, "Noted", 2), VARVE_OK);
    expect(fixture->store, "1 2 ");
    done(fixture->store, varve_subscription_park, "1");
    assert_int_equal(append_n(fixture->store, other, "Noted", 1), VARVE_OK);
    expect(fixture->store, "3 ");
    done(fixture->store, varve_subscription_ack, "3");
    assert_int_equal(position_of(fixture->store), 3);
}

/* More than the window holds waits behind what is parked. */
static void a_parked_stream_does_not_fill_the_window(void **state)
{
    struct fixture *fixture = *state;
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1");
    expect(fixture->store, "1 ");
    done(fixture->store, varve_subscription_park, "1");
    append_many(fixture->store, "a-1", "Noted", 15);
    append_to(fixture->store, "b-1");
    expect_soon(fixture->store, 3, "1502 ");
    done(fixture->store, varve_subscription_ack, "1502");
    assert_int_equal(position_of(fixture->store), 1502);
}

static void a_reader_that_stays_open_goes_on_past_what_is_parked(void **state)
{
    struct fixture *fixture = *state;
    varve_subscription_read_options options = reading();
    varve_subscription_batch batch = { 0 };
    varve_reader *reader = NULL;
    varve_status status = VARVE_SKIPPED;
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1");
    expect(fixture->store, "1 ");
    done(fixture->store, varve_subscription_park, "1");
    append_many(fixture->store, "a-1", "Noted", 6);
    assert_int_equal(varve_reader_open(&reader, fixture->store, &options, NULL), VARVE_OK);
    while (status == VARVE_SKIPPED) status = varve_reader_next(reader, &batch, NULL);
    assert_int_equal(status, VARVE_IDLE);
    append_many(fixture->store, "a-1", "Noted", 6);
    append_to(fixture->store, "b-1");
    for (int i = 0; i < 10 && (status == VARVE_SKIPPED || status == VARVE_IDLE); i++)
        status = varve_reader_next(reader, &batch, NULL);
    assert_int_equal(status, VARVE_OK);
    assert_string_equal(batch_text(&batch), "1202 ");
    varve_subscription_batch_fini(&batch);
    varve_reader_close(reader);
}

/* However much is looked at in vain, it need not be looked at again. */
static void who_does_not_wait_finds_what_is_rare(void **state)
{
    struct fixture *fixture = *state;
    const varve_str type = VARVE_STR("Rare");
    const varve_subscription subscription = { .name = NAME, .types = &type, .type_count = 1 };
    varve_event events[1000];
    for (size_t i = 0; i < 1000; i++)
        events[i] = (varve_event){ .stream = VARVE_STR("a-1"), .type = VARVE_STR("Noted") };
    for (int i = 0; i < 22; i++)
        assert_int_equal(varve_append(fixture->store, &(varve_append_request){ .events = events, .event_count = 1000 },
                                      NULL, NULL),
                         VARVE_OK);
    assert_int_equal(append_n(fixture->store, "a-1", "Rare", 1), VARVE_OK);
    assert_int_equal(varve_subscription_create(fixture->store, &subscription, NULL), VARVE_OK);
    expect_soon(fixture->store, 100, "22001 ");
}

/* ---- members and consumers ---- */

/* Each stream belongs to one member, and all events come to some member, each stream's in order. */
static void members_split_the_streams(void **state)
{
    struct fixture *fixture = *state;
    enum { MEMBERS = 5, STREAMS = 40, ROUNDS = 3 };
    unsigned seen[STREAMS * ROUNDS + 1] = { 0 };
    uint32_t owner[STREAMS] = { 0 };
    create(fixture->store, MEMBERS, 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < STREAMS; i++) {
            char stream[16];
            snprintf(stream, sizeof stream, "s-%d", i);
            append_to(fixture->store, stream);
        }
    }
    for (uint32_t member = 1; member <= MEMBERS; member++) {
        varve_subscription_read_options options = reading();
        varve_subscription_batch batch = { 0 };
        uint64_t versions[STREAMS] = { 0 };
        options.member = member;
        assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_OK);
        assert_in_range(batch.count, ROUNDS, STREAMS * ROUNDS - ROUNDS);
        for (size_t i = 0; i < batch.count; i++) {
            const varve_event *event = &batch.deliveries[i].event;
            size_t stream = strtoul(event->stream.ptr + 2, NULL, 10);
            seen[event->position]++;
            assert_int_equal(event->version, ++versions[stream]);
            assert_true(owner[stream] == 0 || owner[stream] == member);
            owner[stream] = member;
        }
        /* Of another member's event only the position tells whose it is. */
        const uint64_t position = batch.deliveries[0].event.position;
        const varve_subscription_action action = {
            .name = NAME, .consumer = VARVE_STR("ann"), .positions = &position, .position_count = 1
        };
        varve_subscription_action wrong = action;
        wrong.member = member % MEMBERS + 1;
        wrong.consumer = (varve_str){ 0 };
        assert_int_equal(varve_subscription_skip(fixture->store, &wrong, NULL), VARVE_INVALID);
        assert_int_equal(varve_subscription_ack(fixture->store, &action, NULL), VARVE_OK);
        varve_subscription_batch_fini(&batch);
    }
    for (size_t position = 1; position <= STREAMS * ROUNDS; position++) assert_int_equal(seen[position], 1);
}

static void a_member_has_one_consumer_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    varve_subscription_read_options ann = reading(), bob = reading();
    varve_subscription_batch batch;
    varve_error error = { 0 };
    varve_status status;
    bob.consumer = VARVE_STR("bob");
    ann.lease_ms = bob.lease_ms = 300;
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1 a-1");
    expect_read(fixture->store, &ann, "1 2 ");
    assert_int_equal(varve_subscription_read(fixture->store, &bob, &batch, &error), VARVE_LOCKED);
    assert_non_null(strstr(error.message, "ann"));
    assert_in_range(error.detail, 0, 300);
    done(fixture->store, varve_subscription_ack, "1");
    uint64_t end = clock_ns() + 20000000000u;
    while ((status = varve_subscription_read(fixture->store, &bob, &batch, &error)) == VARVE_LOCKED)
        assert_true(clock_ns() < end);
    assert_int_equal(status, VARVE_OK);
    assert_string_equal(batch_text(&batch), "2 ");
    varve_subscription_batch_fini(&batch);
    refused(fixture->store, varve_subscription_ack, "2", VARVE_CONFLICT, 0);
    refused(fixture->store, varve_subscription_retry, "2", VARVE_CONFLICT, 0);
    refused(fixture->store, varve_subscription_park, "2", VARVE_CONFLICT, 0);
    expect_read(fixture->store, &bob, "2 ");
}

static void a_consumer_that_waits_keeps_its_member(void **state)
{
    struct fixture *fixture = *state;
    varve_subscription_read_options ann = reading(), bob = reading();
    varve_reader *reader = NULL;
    varve_subscription_batch batch;
    varve_time first = 0;
    ann.lease_ms = 2000; /* renewed after half of it, which a busy machine does not sleep through */
    bob.consumer = VARVE_STR("bob");
    create(fixture->store, 1, 0);
    assert_int_equal(varve_reader_open(&reader, fixture->store, &ann, NULL), VARVE_OK);
    uint64_t end = clock_ns() + 20000000000u;
    do {
        assert_true(clock_ns() < end);
        assert_int_equal(varve_reader_next(reader, &batch, NULL), VARVE_IDLE);
        assert_in_range(varve_reader_due_ms(reader), 1, 1001);
        assert_true(varve_reader_fd(reader) >= 0);
        assert_int_equal(varve_subscription_read(fixture->store, &bob, &batch, NULL), VARVE_LOCKED);
        if (first == 0) first = look(fixture->store).lease_until;
    } while (look(fixture->store).lease_until <= first);
    varve_reader_close(reader);
}

struct appending {
    varve_store *store;
    atomic_bool go;
};

static void *append_when_told(void *argument)
{
    struct appending *appending = argument;
    while (!atomic_load(&appending->go)) {
    }
    append_to(appending->store, "a-1");
    return NULL;
}

static void an_append_wakes_who_waits(void **state)
{
    struct fixture *fixture = *state;
    struct appending appending = { .store = fixture->store };
    varve_subscription_read_options options = reading();
    pthread_t thread;
    create(fixture->store, 1, 0);
    options.wait_ms = 1;
    expect_read(fixture->store, &options, "");
    assert_int_equal(pthread_create(&thread, NULL, append_when_told, &appending), 0);
    options.wait_ms = 60000;
    atomic_store(&appending.go, true);
    uint64_t begin = clock_ns();
    expect_read(fixture->store, &options, "1 ");
    assert_true(clock_ns() - begin < 30000000000u);
    pthread_join(thread, NULL);
}

/* ---- races ---- */

struct racer {
    varve_store *store;
    uint64_t acknowledged;
};

/* Settles what it reads until there is nothing more; several do so under one name. */
static void *work_off(void *argument)
{
    struct racer *racer = argument;
    varve_subscription_read_options options = reading();
    varve_subscription_batch batch;
    options.limit = 3;
    while (varve_subscription_read(racer->store, &options, &batch, NULL) == VARVE_OK) {
        uint64_t positions[3];
        for (size_t i = 0; i < batch.count; i++) positions[i] = batch.deliveries[i].event.position;
        const varve_subscription_action action = {
            .name = NAME, .consumer = options.consumer, .positions = positions, .position_count = batch.count
        };
        if (varve_subscription_ack(racer->store, &action, NULL) == VARVE_OK) racer->acknowledged += batch.count;
        varve_subscription_batch_fini(&batch);
    }
    return NULL;
}

static void racing_consumers_lose_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct racer racers[4];
    pthread_t threads[4];
    create(fixture->store, 1, 0);
    for (int i = 0; i < 20; i++) append_to(fixture->store, "a-1 b-1 c-1");
    for (int i = 0; i < 4; i++) {
        racers[i] = (struct racer){ .store = fixture->store };
        assert_int_equal(pthread_create(&threads[i], NULL, work_off, &racers[i]), 0);
    }
    uint64_t acknowledged = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        acknowledged += racers[i].acknowledged;
    }
    assert_true(acknowledged >= 60);
    assert_int_equal(position_of(fixture->store), 60);
}

static void *create_and_delete(void *store)
{
    const varve_subscription subscription = { .name = NAME };
    for (int round = 0; round < 20; round++) {
        varve_subscription_create(store, &subscription, NULL);
        varve_subscription_delete(store, NAME, NULL);
    }
    return NULL;
}

/* Who is slow at deleting leaves alone what was created again: no definition is without members, or they without it. */
static void racing_deletions_leave_nothing_half(void **state)
{
    struct fixture *fixture = *state;
    const varve_subscription subscription = { .name = NAME };
    varve_error error = { 0 };
    pthread_t threads[4];
    append_to(fixture->store, "a-1");
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_and_delete, fixture->store), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    if (varve_subscription_create(fixture->store, &subscription, &error) < 0) fail_msg("%s", error.message);
    expect(fixture->store, "1 ");
}

/* ---- another history ---- */

static void another_incarnation_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    varve_subscription_read_options options = reading();
    varve_subscription_batch batch;
    varve_error error = { 0 };
    const char *path = place_of(fixture, "log");
    create(fixture->store, 1, 0);
    append_to(fixture->store, "a-1");
    expect(fixture->store, "1 ");
    varve_store_close(fixture->store);
    fixture->store = NULL;
    if (store_new_incarnation(fixture->driver, path, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(open_again(fixture, &fixture->store, false, &error), VARVE_OK);
    assert_int_equal(varve_subscription_read(fixture->store, &options, &batch, NULL), VARVE_REWOUND);
    refused(fixture->store, varve_subscription_ack, "1", VARVE_REWOUND, 0);
    refused(fixture->store, varve_subscription_skip, "1", VARVE_REWOUND, 0);
    assert_int_equal(position_of(fixture->store), 0); /* it can still be looked at */
    assert_int_equal(varve_subscription_delete(fixture->store, NAME, NULL), VARVE_OK);
    create(fixture->store, 1, 0);
    expect(fixture->store, "1 ");
}

static struct CMUnitTest cases[] = {
    CASE(a_definition_is_kept_and_checked),
    CASE(what_is_deleted_is_gone_with_all_it_knew),
    CASE(events_come_in_order_until_they_are_acknowledged),
    CASE(an_event_waits_for_the_earlier_ones_of_its_stream),
    CASE(only_what_the_filter_takes_is_delivered),
    CASE(what_was_not_settled_is_delivered_after_a_crash),
    CASE(the_window_bounds_what_is_open),
    CASE(a_retried_event_holds_its_stream_and_no_other),
    CASE(so_many_attempts_park),
    CASE(a_parked_event_parks_what_comes_behind_it),
    CASE(a_skipped_event_lets_the_others_go_on),
    CASE(what_an_action_would_not_keep_is_refused),
    CASE(parking_beyond_the_position),
    CASE(a_name_with_the_hash_of_a_parked_one_is_delivered),
    CASE(a_parked_stream_does_not_fill_the_window),
    CASE(a_reader_that_stays_open_goes_on_past_what_is_parked),
    CASE(who_does_not_wait_finds_what_is_rare),
    CASE(members_split_the_streams),
    CASE(a_member_has_one_consumer_at_a_time),
    CASE(a_consumer_that_waits_keeps_its_member),
    CASE(an_append_wakes_who_waits),
    CASE(racing_consumers_lose_nothing),
    CASE(racing_deletions_leave_nothing_half),
    CASE(another_incarnation_is_noticed),
};

RUN_ON_ALL_DRIVERS(cases)
