/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer makes of a commit that fails: a driver whose commits fail to order, around the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <semaphore.h>
#include <varve.h>
#include <cmocka.h>

#include "store/access.h"
#include "tests/support/scratch.h"

enum { APPENDS = 4 };

/* How commits fail. The driver's functions get no context of ours, so this is the test program's one global. */
static struct plan {
    varve_status batch; /* for more than one append at a time; OK: not at all */
    uint64_t fatal_at;  /* the single commit, counted from 1, after which nobody knows; 0: none */
    varve_str refused;  /* a stream whose append the disk has no room for */
    uint64_t singles;
    uint64_t tended_after_fatal;
    bool fatal;
    bool unreachable;        /* the database is, for a batch … */
    uint64_t unreachable_at; /* … or for the single commit of this number (0: for none); and then … */
    varve_store *store;      /* … an append comes to wait behind it */
    varve_status behind;     /* its outcome */
} plan;

static void note_behind(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    (void)ctx;
    (void)appended;
    (void)error;
    plan.behind = status;
}

static void be_unreachable(struct store_batch *batch)
{
    const varve_event event = { .stream = VARVE_STR("behind"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append_async(plan.store, &request, note_behind, NULL, NULL), VARVE_OK);
    for (size_t i = 0; i < batch->append_count; i++)
        batch->appends[i]->status = varve_error_set(&batch->appends[i]->error, VARVE_UNAVAILABLE, "nobody is there");
    batch->unreachable = true;
}

static varve_status planned_commit(struct store_log *log, struct store_batch *batch, struct store_head *head,
                                   varve_error *error)
{
    if (batch->append_count > 1 && plan.unreachable) {
        be_unreachable(batch);
        return VARVE_OK;
    }
    if (batch->append_count > 1 && plan.batch < 0) return varve_error_set(error, plan.batch, "the batch fails");
    plan.singles++;
    if (plan.singles == plan.unreachable_at) {
        be_unreachable(batch);
        return VARVE_OK;
    }
    if (plan.singles == plan.fatal_at) {
        varve_error_set(error, VARVE_INDETERMINATE, "the flush fails");
        error->flags |= VARVE_ERROR_FATAL | VARVE_ERROR_UNKNOWN_OUTCOME;
        plan.fatal = true;
        return VARVE_INDETERMINATE;
    }
    assert_false(plan.fatal); /* nothing may be committed on top of a failed flush */
    if (batch->append_count == 1 && varve_str_eq(batch->appends[0]->streams[0].stream, plan.refused))
        return varve_error_set(error, VARVE_FULL, "no room for this one");
    return store_sqlite.commit(log, batch, head, error);
}

static void planned_tend(struct store_log *log)
{
    plan.tended_after_fatal += plan.fatal;
    store_sqlite.tend(log);
}

struct flight {
    varve_store *store;
    sem_t done;
    int answered;
    varve_status outcomes[APPENDS];
};

struct ticket {
    struct flight *flight;
    int number;
};

static struct ticket tickets[APPENDS];

static void note(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct ticket *ticket = ctx;
    (void)appended;
    (void)error;
    ticket->flight->outcomes[ticket->number] = status;
    if (++ticket->flight->answered == APPENDS) sem_post(&ticket->flight->done);
}

/* Runs on the writer's thread: what it queues is one batch. */
static void queue_batch(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct flight *flight = ctx;
    (void)status;
    (void)appended;
    (void)error;
    for (int i = 0; i < APPENDS; i++) {
        char stream[16];
        snprintf(stream, sizeof stream, "s-%d", i);
        const varve_event event = { .stream = varve_str_of(stream), .type = VARVE_STR("E") };
        const varve_append_request request = { .events = &event, .event_count = 1 };
        tickets[i] = (struct ticket){ flight, i };
        assert_int_equal(varve_append_async(flight->store, &request, note, &tickets[i], NULL), VARVE_OK);
    }
}

/* Opens a store on the failing driver, lets one append pass and then what `queue` queues, and gives its outcomes. */
static void fly(struct scratch *scratch, struct flight *flight, varve_append_callback queue)
{
    static struct store_driver driver;
    driver = store_sqlite;
    driver.commit = planned_commit;
    driver.tend = planned_tend;
    *flight = (struct flight){ 0 };
    sem_init(&flight->done, 0, 0);
    const varve_store_options options = { 0 };
    assert_int_equal(store_open(&flight->store, &driver, scratch_path(scratch, "s.db"), &options, NULL), VARVE_OK);
    plan.store = flight->store;
    const varve_event event = { .stream = VARVE_STR("first"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append_async(flight->store, &request, queue, flight, NULL), VARVE_OK);
    sem_wait(&flight->done);
    sem_destroy(&flight->done);
}

static varve_status append_one(varve_store *store, varve_error *error)
{
    const varve_event event = { .stream = VARVE_STR("later"), .type = VARVE_STR("E") };
    return varve_append(store, &(varve_append_request){ .events = &event, .event_count = 1 }, NULL, error);
}

static void of_a_failing_batch_only_the_offender_is_refused(void **state)
{
    struct scratch scratch;
    struct flight flight;
    uint64_t head = 0;
    (void)state;
    plan = (struct plan){ .batch = VARVE_FULL, .refused = VARVE_STR("s-2") };
    scratch_init(&scratch);
    fly(&scratch, &flight, queue_batch);
    for (int i = 0; i < APPENDS; i++) assert_int_equal(flight.outcomes[i], i == 2 ? VARVE_FULL : VARVE_OK);
    assert_int_equal(varve_store_head(flight.store, &head, NULL), VARVE_OK);
    assert_int_equal(head, 4);
    assert_int_equal(append_one(flight.store, NULL), VARVE_OK);
    varve_store_close(flight.store);
    scratch_fini(&scratch);
}

/* One append that the disk has no room for, and one of a chain that is broken already; both in one batch. */
static void queue_behind_a_break(void *ctx, varve_status status, const varve_appended *appended,
                                 const varve_error *error)
{
    static struct store_chain chain;
    static const char *const streams[] = { "s-2", "s-3" };
    struct flight *flight = ctx;
    (void)status;
    (void)appended;
    (void)error;
    chain = (struct store_chain){ .is_broken = true };
    flight->answered = APPENDS - 2;
    for (int i = 0; i < 2; i++) {
        const varve_event event = { .stream = varve_str_of(streams[i]), .type = VARVE_STR("E") };
        const varve_append_request request = { .events = &event, .event_count = 1 };
        tickets[i] = (struct ticket){ flight, i };
        const struct store_besides besides = { .chain = i == 1 ? &chain : NULL };
        assert_int_equal(store_append_besides(flight->store, &request, &besides, note, &tickets[i], NULL), VARVE_OK);
    }
}

static void what_is_not_tried_shares_no_failure(void **state)
{
    struct scratch scratch;
    struct flight flight;
    (void)state;
    plan = (struct plan){ .refused = VARVE_STR("s-2") };
    scratch_init(&scratch);
    fly(&scratch, &flight, queue_behind_a_break);
    assert_int_equal(flight.outcomes[0], VARVE_FULL);
    assert_int_equal(flight.outcomes[1], VARVE_CONFLICT);
    varve_store_close(flight.store);
    scratch_fini(&scratch);
}

static void nothing_is_written_after_a_failed_flush(void **state)
{
    struct scratch scratch;
    struct flight flight;
    varve_error error = { 0 };
    (void)state;
    plan = (struct plan){ .batch = VARVE_FULL, .fatal_at = 3 }; /* the first passes, s-0 passes, s-1 fails for good */
    scratch_init(&scratch);
    fly(&scratch, &flight, queue_batch);
    assert_int_equal(flight.outcomes[0], VARVE_OK);
    assert_int_equal(flight.outcomes[1], VARVE_INDETERMINATE);
    assert_int_equal(flight.outcomes[2], VARVE_IO); /* surely not written, so not unknown */
    assert_int_equal(flight.outcomes[3], VARVE_IO);
    assert_int_equal(append_one(flight.store, &error), VARVE_IO);
    assert_true((error.flags & VARVE_ERROR_FATAL) != 0);
    varve_store_close(flight.store);
    assert_int_equal(plan.singles, 3);
    assert_int_equal(plan.tended_after_fatal, 0);
    scratch_fini(&scratch);
}

static void a_batch_that_meets_a_held_database_is_refused_once(void **state)
{
    struct scratch scratch;
    struct flight flight;
    (void)state;
    plan = (struct plan){ .batch = VARVE_BUSY };
    scratch_init(&scratch);
    fly(&scratch, &flight, queue_batch);
    for (int i = 0; i < APPENDS; i++) assert_int_equal(flight.outcomes[i], VARVE_BUSY);
    assert_int_equal(plan.singles, 1); /* only the very first append */
    varve_store_close(flight.store);
    scratch_fini(&scratch);
}

static void what_waits_behind_an_unreachable_database_is_refused_at_once(void **state)
{
    struct scratch scratch;
    struct flight flight;
    (void)state;
    plan = (struct plan){ .unreachable = true };
    scratch_init(&scratch);
    fly(&scratch, &flight, queue_batch);
    assert_int_equal(append_one(flight.store, NULL), VARVE_OK); /* what comes after that is tried */
    for (int i = 0; i < APPENDS; i++) assert_int_equal(flight.outcomes[i], VARVE_UNAVAILABLE);
    varve_store_close(flight.store);
    assert_int_equal(plan.behind, VARVE_UNAVAILABLE);
    assert_int_equal(plan.singles, 2); /* the first and the last */
    scratch_fini(&scratch);
}

/* The first append of all is made before the batch is queued. */
static void a_split_batch_ends_where_the_database_is_unreachable(void **state)
{
    struct scratch scratch;
    struct flight flight;
    (void)state;
    plan = (struct plan){ .batch = VARVE_FULL, .unreachable_at = 3 };
    scratch_init(&scratch);
    fly(&scratch, &flight, queue_batch);
    assert_int_equal(append_one(flight.store, NULL), VARVE_OK);
    assert_int_equal(flight.outcomes[0], VARVE_OK);
    for (int i = 1; i < APPENDS; i++) assert_int_equal(flight.outcomes[i], VARVE_UNAVAILABLE);
    varve_store_close(flight.store);
    assert_int_equal(plan.behind, VARVE_UNAVAILABLE);
    assert_int_equal(plan.singles, 4); /* the first, two of the batch, the last */
    scratch_fini(&scratch);
}

enum { FLOOD_MOST = 100 };

struct flood {
    varve_store *store;
    unsigned queued, answered;
    varve_status refused;
    sem_t done;
};

static void count_flood(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct flood *flood = ctx;
    (void)appended;
    (void)error;
    assert_int_equal(status, VARVE_OK);
    if (++flood->answered == flood->queued) sem_post(&flood->done);
}

/* Runs on the writer's thread: small events with conditions of 1 MiB each. */
static void flood_with_conditions(void *ctx, varve_status status, const varve_appended *appended,
                                  const varve_error *error)
{
    static char text[255];
    static varve_str tags[VARVE_QUERY_ITEMS_MAX];
    static varve_query_item items[VARVE_QUERY_ITEMS_MAX];
    struct flood *flood = ctx;
    (void)status;
    (void)appended;
    (void)error;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < VARVE_QUERY_ITEMS_MAX; i++) {
        tags[i] = (varve_str){ text, sizeof text };
        items[i] = (varve_query_item){ .tags = tags, .tag_count = VARVE_QUERY_ITEMS_MAX };
    }
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_condition condition = { .kind = VARVE_FAIL_IF_MATCH,
                                        .items = items,
                                        .item_count = VARVE_QUERY_ITEMS_MAX };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = &condition, .condition_count = 1
    };
    while (flood->queued < FLOOD_MOST && flood->refused >= 0) {
        flood->refused = varve_append_async(flood->store, &request, count_flood, flood, NULL);
        if (flood->refused >= 0) flood->queued++;
    }
}

static void conditions_take_room_in_the_queue(void **state)
{
    struct scratch scratch;
    struct flood flood = { 0 };
    const varve_store_options options = { 0 };
    const varve_event event = { .stream = VARVE_STR("first"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    (void)state;
    scratch_init(&scratch);
    sem_init(&flood.done, 0, 0);
    assert_int_equal(store_open(&flood.store, &store_sqlite, scratch_path(&scratch, "s.db"), &options, NULL), VARVE_OK);
    assert_int_equal(varve_append_async(flood.store, &request, flood_with_conditions, &flood, NULL), VARVE_OK);
    sem_wait(&flood.done);
    assert_int_equal(flood.refused, VARVE_BUSY);
    assert_in_range(flood.queued, 32, 64); /* of the queue's 64 MiB */
    varve_store_close(flood.store);
    sem_destroy(&flood.done);
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_failing_batch_only_the_offender_is_refused),
        cmocka_unit_test(what_is_not_tried_shares_no_failure),
        cmocka_unit_test(nothing_is_written_after_a_failed_flush),
        cmocka_unit_test(a_batch_that_meets_a_held_database_is_refused_once),
        cmocka_unit_test(what_waits_behind_an_unreachable_database_is_refused_at_once),
        cmocka_unit_test(a_split_batch_ends_where_the_database_is_unreachable),
        cmocka_unit_test(conditions_take_room_in_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
