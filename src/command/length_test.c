/* SPDX-License-Identifier: Apache-2.0 */
/* What looking at an aggregate costs, in events, when its stream is short and when it is long: length_test [EVENTS]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command/bank_fixture.h"

enum { SHORT = 100, BATCH = 500 };

/* A stream of so many deposits of 1, appended in batches, with a look after each, which keeps a snapshot. */
struct grown {
    struct bank bank;
    uint64_t length;
    varve_time half_recorded_at; /* when the first half was there and nothing else */
};

/* Looks, and returns the numbers of what was seen. */
static varve_aggregate look(struct grown *grown, varve_aggregate_options options)
{
    varve_aggregate aggregate = { 0 }, seen = { 0 };
    varve_error error = { 0 };
    int64_t balance = 0;
    varve_status status = lanes_show(grown->bank.lanes, VARVE_STR("account-1"), &options, &aggregate, &error);
    if (status < 0) fail_msg("%s", error.message);
    assert_int_equal(varve_json_int(aggregate.state, "balance", &balance, &error), VARVE_OK);
    assert_int_equal(balance, aggregate.version);
    assert_int_equal(aggregate.snapshot_version + aggregate.events_replayed, aggregate.version);
    seen.version = aggregate.version;
    seen.snapshot_version = aggregate.snapshot_version;
    seen.events_replayed = aggregate.events_replayed;
    varve_aggregate_fini(&aggregate);
    return seen;
}

static varve_time append(struct grown *grown, size_t count)
{
    varve_event events[BATCH];
    varve_appended appended = { 0 };
    varve_error error = { 0 };
    for (size_t i = 0; i < count; i++)
        events[i] = (varve_event){ .stream = VARVE_STR("account-1"),
                                   .type = VARVE_STR("Deposited"),
                                   .data = VARVE_STR("{\"amount\":1}") };
    const varve_append_request request = { .events = events, .event_count = count };
    if (varve_append(grown->bank.store, &request, &appended, &error) < 0) fail_msg("%s", error.message);
    varve_time recorded_at = appended.recorded_at;
    varve_appended_fini(&appended);
    return recorded_at;
}

static void grow(struct grown *grown, uint64_t length)
{
    size_t batch = length < 2 * BATCH ? (size_t)length / 2 : BATCH;
    bank_open(&grown->bank, 0);
    grown->bank.account.snapshot_every = 0; /* the default */
    bank_start(&grown->bank, 1, 10);
    grown->length = length;
    for (uint64_t version = batch; version <= length; version += batch) {
        varve_time recorded_at = append(grown, batch);
        if (version == length / 2) {
            grown->half_recorded_at = recorded_at;
            while (varve_time_now() <= recorded_at) {
            }
        }
        (void)look(grown, (varve_aggregate_options){ 0 });
    }
    bank_deposit_directly(&grown->bank, VARVE_STR("other-1"), 0); /* the last snapshot is there by now */
}

static void assert_cheap(struct grown *grown)
{
    const uint64_t length = grown->length;
    assert_true(look(grown, (varve_aggregate_options){ 0 }).events_replayed <= 50);
    for (uint64_t part = 1; part < 20; part++) {
        uint64_t version = length - length * part / 20, distance = length - version;
        varve_aggregate past = look(grown, (varve_aggregate_options){ .version = version });
        assert_int_equal(past.version, version);
        assert_true(past.events_replayed <= (distance / 2 > BATCH ? distance / 2 : BATCH));
    }
    varve_aggregate half = look(grown, (varve_aggregate_options){ .at = grown->half_recorded_at });
    assert_int_equal(half.version, length / 2);
    assert_true(half.events_replayed <= (length / 4 > BATCH ? length / 4 : BATCH));
}

/* A command costs its own events and what follows the newest snapshot. */
static void assert_command_cheap(struct grown *grown)
{
    varve_error error = { 0 };
    unsigned evolved = grown->bank.evolved;
    assert_int_equal(bank_execute(&grown->bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_true(grown->bank.evolved - evolved <= 50);
}

static void test_looking_costs_the_same_however_long_the_stream(void **state)
{
    const uint64_t lengths[] = { SHORT, *(uint64_t *)*state };
    for (size_t i = 0; i < 2; i++) {
        struct grown grown;
        grow(&grown, lengths[i]);
        assert_cheap(&grown);
        assert_command_cheap(&grown);
        bank_close(&grown.bank);
    }
}

int main(int count, char **arguments)
{
    uint64_t length = count > 1 ? strtoull(arguments[1], NULL, 10) : 20000;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_looking_costs_the_same_however_long_the_stream, &length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
