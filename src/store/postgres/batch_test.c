/* SPDX-License-Identifier: Apache-2.0 */
/* When records expire: by the server's clock, whatever that of this machine says. What is found of a batch that is sent
 * a second time. And what may be presumed of one that is sent without a look. */
#include "store/postgres/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/append.h"

#define RETENTION_S 3600u
#define RETENTION   ((varve_time)RETENTION_S * 1000000)
#define YEAR        (INT64_C(365) * 86400 * 1000000)

/* An append with an idempotency key, and the batch of it alone. The key's record is as given; revision 0: none. */
struct keyed {
    struct append *append;
    struct store_append *work;
    struct batch batch;
};

static void decide_keyed(struct keyed *keyed, varve_time now, uint64_t revision, varve_time expires_at)
{
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1, .idempotency_key = VARVE_STR("key") };
    const struct append_options options = { .idempotency_retention_s = RETENTION_S };
    assert_int_equal(append_new(&keyed->append, &request, &options, NULL), VARVE_OK);
    keyed->work = &keyed->append->work;
    const struct store_batch work = { .appends = &keyed->work, .append_count = 1 };
    assert_int_equal(batch_init(&keyed->batch, &work, false, NULL), VARVE_OK);
    keyed->batch.now = now;
    keyed->batch.streams[0].knowledge = VERSION_KNOWN;
    keyed->batch.records[0].known = revision;
    keyed->batch.records[0].expires_at = expires_at;
    batch_decide(&keyed->batch);
}

static void keyed_fini(struct keyed *keyed)
{
    batch_fini(&keyed->batch);
    append_free(keyed->append);
}

/* How far the server's clock is off. */
static const varve_time skews[] = { 0, YEAR, -YEAR };

static void a_key_is_kept_for_its_time_by_the_servers_clock(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof skews / sizeof skews[0]; i++) {
        struct keyed keyed;
        varve_time now = varve_time_now() + skews[i];
        decide_keyed(&keyed, now, 0, 0);
        assert_int_equal(keyed.work->status, VARVE_OK);
        assert_int_equal(keyed.work->writes[0].record.expires_at, now + RETENTION);
        /* Decided again later, under the lock. */
        keyed.batch.now = now + 5;
        batch_decide(&keyed.batch);
        assert_int_equal(keyed.work->writes[0].record.expires_at, now + 5 + RETENTION);
        keyed_fini(&keyed);
    }
}

static void a_key_has_expired_when_the_servers_clock_says_so(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof skews / sizeof skews[0]; i++) {
        struct keyed keyed;
        varve_time now = varve_time_now() + skews[i];
        decide_keyed(&keyed, now, 7, now + 1);
        assert_int_equal(keyed.work->status, VARVE_CONFLICT);
        assert_int_equal(keyed.work->failed_write, 1);
        keyed_fini(&keyed);
        decide_keyed(&keyed, now, 7, now - 1);
        assert_int_equal(keyed.work->status, VARVE_OK);
        assert_true(keyed.work->writes[0].record.revision > 7);
        keyed_fini(&keyed);
    }
}

/* The first try was committed: it had refused the third append, and so the fourth. */
static void what_a_chain_came_to_is_found_when_it_is_sent_again(void **state)
{
    enum { APPENDS = 4 };
    (void)state;
    struct append *appends[APPENDS];
    struct store_append *works[APPENDS];
    struct batch batch;
    const varve_status expected[APPENDS] = { VARVE_REPEATED, VARVE_REPEATED, VARVE_CONFLICT, VARVE_CONFLICT };
    for (size_t i = 0; i < APPENDS; i++) {
        const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E"), .id = varve_uuid_new() };
        const varve_condition condition = { .kind = VARVE_STREAM_AT, .stream = event.stream, .version = 7 + i };
        const varve_append_request request = {
            .events = &event, .event_count = 1, .conditions = &condition, .condition_count = 1
        };
        const struct append_options options = { .copy = true };
        assert_int_equal(append_new(&appends[i], &request, &options, NULL), VARVE_OK);
        works[i] = &appends[i]->work;
        if (i > 0) works[i]->after = works[i - 1];
    }
    const struct store_batch work = { .appends = works, .append_count = APPENDS };
    assert_int_equal(batch_init(&batch, &work, true, NULL), VARVE_OK);
    batch.streams[0].knowledge = VERSION_KNOWN;
    batch.streams[0].version = 9;
    batch.head.position = 102;
    for (size_t i = 0; i < 2; i++) {
        batch.ids[i].position = 101 + i;
        batch.ids[i].version = 8 + i;
        batch.ids[i].stream = VARVE_STR("s-1");
    }
    batch_decide(&batch);
    for (size_t i = 0; i < APPENDS; i++) assert_int_equal(works[i]->status, expected[i]);
    assert_int_equal(batch.accepted_count, 0);
    batch_fini(&batch);
    for (size_t i = 0; i < APPENDS; i++) append_free(appends[i]);
}

/* ---- what is presumed ---- */

/* Appends of one event each, to a stream under one condition; the memory of what they come to. */
struct presumed {
    struct append *appends[3];
    struct store_append *works[3];
    struct batch batch;
};

struct wish {
    const char *stream, *asked; /* about which the condition is; NULL: there is none */
    varve_condition_kind kind;
    uint64_t version;
    bool own_id;
};

static bool presume(struct presumed *presumed, const struct wish *wishes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        varve_event event = { .stream = varve_str_of(wishes[i].stream), .type = VARVE_STR("E") };
        if (wishes[i].own_id) event.id = varve_uuid_new();
        const varve_condition condition = { .kind = wishes[i].kind,
                                            .stream = varve_str_of(wishes[i].asked == NULL ? "" : wishes[i].asked),
                                            .version = wishes[i].version };
        const varve_append_request request = {
            .events = &event, .event_count = 1, .conditions = &condition, .condition_count = wishes[i].asked != NULL
        };
        const struct append_options options = { .copy = true };
        assert_int_equal(append_new(&presumed->appends[i], &request, &options, NULL), VARVE_OK);
        presumed->works[i] = &presumed->appends[i]->work;
    }
    const struct store_batch work = { .appends = presumed->works, .append_count = count };
    assert_int_equal(batch_init(&presumed->batch, &work, false, NULL), VARVE_OK);
    if (!batch_presume(&presumed->batch)) return false;
    batch_decide(&presumed->batch);
    return batch_may_be_written(&presumed->batch);
}

static void presumed_fini(struct presumed *presumed, size_t count)
{
    batch_fini(&presumed->batch);
    for (size_t i = 0; i < count; i++) append_free(presumed->appends[i]);
}

static void a_presumption_is_one_that_the_write_asserts(void **state)
{
    static const struct {
        struct wish wishes[3];
        size_t count;
        bool may;
    } cases[] = {
        { { { "a", NULL, 0, 0, false } }, 1, true },
        { { { "a", NULL, 0, 0, true } }, 1, true },
        { { { "a", "a", VARVE_STREAM_AT, 5, false } }, 1, true },
        { { { "a", "a", VARVE_STREAM_NONE, 0, false } }, 1, true },
        { { { "a", "a", VARVE_STREAM_EXISTS, 0, false } }, 1, false },
        { { { "a", "b", VARVE_STREAM_AT, 5, false } }, 1, false }, /* no event asserts it */
        { { { "a", "a", VARVE_STREAM_AT, INT64_MAX, false } }, 1, false },
        { { { "a", "a", VARVE_STREAM_AT, UINT64_MAX, false } }, 1, false },
        { { { "a", "b", VARVE_STREAM_AT, 5, false }, { "b", "b", VARVE_STREAM_AT, 5, false } }, 2, true },
        { { { "a", NULL, 0, 0, false }, { "a", "a", VARVE_STREAM_AT, 5, false } }, 2, false }, /* counted from 0 */
        { { { "a", "a", VARVE_STREAM_AT, 5, false }, { "a", "a", VARVE_STREAM_AT, 6, false } }, 2, true },
        { { { "a", "a", VARVE_STREAM_AT, 5, false }, { "a", "a", VARVE_STREAM_AT, 5, false } },
          2,
          true }, /* one of them */
        { { { "a", "a", VARVE_STREAM_AT, 5, false }, { "a", "a", VARVE_STREAM_AT, 5, true } },
          2,
          false }, /* a repeat? */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct presumed presumed = { .works = { NULL } };
        bool may = presume(&presumed, cases[i].wishes, cases[i].count);
        if (may != cases[i].may) fail_msg("case %zu", i);
        presumed_fini(&presumed, cases[i].count);
    }
}

/* What only the write can tell is added to what was counted from 0. */
static void versions_that_are_counted_are_told_in_the_end(void **state)
{
    static const struct wish wishes[] = { { "a", NULL, 0, 0, false }, { "a", NULL, 0, 0, false } };
    struct presumed presumed = { .works = { NULL } };
    (void)state;
    assert_true(presume(&presumed, wishes, 2));
    batch_find_stream(&presumed.batch, VARVE_STR("a"))->version = 40;
    batch_settle(&presumed.batch, 0, 7);
    assert_int_equal(presumed.works[0]->streams[0].version, 41);
    assert_int_equal(presumed.works[1]->streams[0].version, 42);
    presumed_fini(&presumed, 2);
}

/* Others appended in between: where it was written is told by the write too. */
static void positions_are_those_behind_the_head_that_was_found(void **state)
{
    static const struct wish wishes[] = { { "a", NULL, 0, 0, true }, { "b", NULL, 0, 0, true } };
    struct presumed presumed = { .works = { NULL } };
    (void)state;
    assert_true(presume(&presumed, wishes, 2));
    uint64_t first = presumed.works[0]->first_position;
    batch_settle(&presumed.batch, 30, 7);
    assert_int_equal(presumed.works[0]->first_position, first + 30);
    assert_int_equal(presumed.works[0]->last_position, first + 30);
    assert_int_equal(presumed.works[1]->first_position, first + 31);
    assert_int_equal(presumed.batch.head.position, first - 1 + 30);
    presumed_fini(&presumed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_kept_for_its_time_by_the_servers_clock),
        cmocka_unit_test(a_key_has_expired_when_the_servers_clock_says_so),
        cmocka_unit_test(what_a_chain_came_to_is_found_when_it_is_sent_again),
        cmocka_unit_test(a_presumption_is_one_that_the_write_asserts),
        cmocka_unit_test(versions_that_are_counted_are_told_in_the_end),
        cmocka_unit_test(positions_are_those_behind_the_head_that_was_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
