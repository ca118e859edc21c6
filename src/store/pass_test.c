/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs a reader that streams are parked: a list of them, not a question for each stream that it meets. */
#include "tests/conformance/subscription.h"

enum { STREAMS = 300, PARKED = 20, QUESTIONS_MOST = 20 };

/* The driver's functions get no context of ours, so this is the test program's one global. */
static unsigned questions;

static varve_status counted_records(struct store_log *log, const struct store_record_range *range,
                                    store_record_visit visit, void *ctx, varve_time *now, varve_error *error)
{
    questions++;
    return store_sqlite.records(log, range, visit, ctx, now, error);
}

static void append_round(varve_store *store)
{
    for (int i = 1; i <= STREAMS; i++) {
        char stream[16];
        snprintf(stream, sizeof stream, "s-%d", i);
        append_to(store, stream);
    }
}

static void parked_streams_are_listed_once(void **state)
{
    static struct store_driver driver;
    struct scratch scratch;
    varve_store *store = NULL;
    varve_subscription_batch batch = { 0 };
    const varve_subscription_read_options options = reading();
    const varve_store_options none = { 0 };
    (void)state;
    driver = store_sqlite;
    driver.records = counted_records;
    scratch_init(&scratch);
    assert_int_equal(store_open(&store, &driver, scratch_path(&scratch, "s.db"), &none, NULL), VARVE_OK);
    create(store, 1, 0);
    append_round(store);
    expect_read(store, &(varve_subscription_read_options){ .name = NAME, .consumer = options.consumer, .limit = 1 },
                "1 ");
    for (int i = 1; i <= PARKED; i++) {
        char position[16];
        snprintf(position, sizeof position, "%d", i * STREAMS / PARKED);
        done(store, varve_subscription_park, position);
    }
    append_round(store);

    questions = 0;
    assert_int_equal(varve_subscription_read(store, &options, &batch, NULL), VARVE_OK);
    assert_in_range(questions, 1, QUESTIONS_MOST);
    assert_int_equal(batch.count, 2 * (STREAMS - PARKED));
    for (size_t i = 0; i < batch.count; i++)
        assert_int_not_equal(batch.deliveries[i].event.position % (STREAMS / PARKED), 0);
    varve_subscription_batch_fini(&batch);

    questions = 0;
    done(store, varve_subscription_ack, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 16 17 18 19 301 302");
    assert_in_range(questions, 1, QUESTIONS_MOST);
    varve_store_close(store);
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(parked_streams_are_listed_once) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
