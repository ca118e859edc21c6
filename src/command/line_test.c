/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of one stream: they share a flush, wait for each other, come to other ends than hoped for; their state. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

#include "command/bank_fixture.h"

/* ---- commands of one stream ---- */

static struct store_stats stats_of(struct bank *bank)
{
    struct store_stats stats;
    store_get_stats(bank->store, &stats);
    return stats;
}

static void commands_on_one_stream_share_a_flush(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    uint64_t before = stats_of(&bank).commits;
    for (int i = 0; i < 10; i++) bank_order(&journal, i % 2 == 0 ? "DepositThrice" : "Withdraw", i % 2 == 0 ? 1 : 3, 0);
    bank_wait_until_queued(&bank, 10);
    assert_int_equal(journal.answers, 0);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 10);
    assert_string_equal(journal.text, "v3 v4 v7 v8 v11 v12 v15 v16 v19 v20 ");
    assert_int_equal(stats_of(&bank).commits, before + 1);
    assert_int_equal(bank_balance(&bank, "account-1"), 0);
    bank_close(&bank);
}

/* What is rejected because of what is not durable yet might have to be decided otherwise. */
static void an_outcome_waits_for_what_it_was_decided_on(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    bank_order(&journal, "Deposit", 1, 0);
    bank_order(&journal, "Withdraw", 2, 0);
    bank_order(&journal, "Withdraw", 1, 0);
    bank_order(&journal, "Withdraw", 1, 0);
    assert_int_equal(bank_send(&bank, "Withdraw", "account-2", 1), VARVE_OK);
    bank_wait_for(&bank, &bank.answers, 1); /* another stream's; by then the lane has decided the others */
    assert_int_equal(bank.decided, 5);
    assert_int_equal(journal.answers, 0);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 4);
    assert_string_equal(journal.text, "v1 no0 v2 no0 ");
    bank_close(&bank);
}

/* Somebody else's event stands where the first command's would have: by its version the second one's append fits. */
static void what_was_decided_on_a_lost_race_is_decided_again(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct lanes_stats stats;
    struct bank_journal journal = { .bank = &bank };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    bank_deposit_soon(&bank, 100);
    bank_order(&journal, "Deposit", 1, 0);
    bank_order(&journal, "Withdraw", 2, 0); /* rejected at first */
    bank_order(&journal, "Withdraw", 1, 0);
    bank_order(&journal, "Withdraw", 100, 0); /* rejected at first */
    bank_wait_for(&bank, &bank.decided, 4);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 4);
    assert_string_equal(journal.text, "v2 v3 v4 no0 ");
    assert_int_equal(bank_balance(&bank, "account-1"), 98);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.retries, 1); /* the others did not lose anything themselves */
    bank_close(&bank);
}

/* A pinned command that fails takes none of those behind it along. */
static void a_failure_ahead_is_nobody_elses(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    varve_error error = { 0 };
    varve_command pinned = {
        .type = VARVE_STR("Deposit"),
        .stream = VARVE_STR("account-1"),
        .data = VARVE_STR("{\"amount\":5}"),
        .expected = VARVE_STREAM_NONE,
    };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    bank_deposit_soon(&bank, 1);
    assert_int_equal(lanes_execute(bank.lanes, &pinned, bank_write_down, &journal, &error), VARVE_OK);
    bank_order(&journal, "Withdraw", 3, 0); /* only the pinned one's money would do */
    bank_order(&journal, "Withdraw", 1, 0);
    bank_wait_for(&bank, &bank.decided, 3);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 3);
    assert_string_equal(journal.text, "version-conflict no0 v2 ");
    bank_close(&bank);
}

/* The first command's event is in the log, but no state can be made of it: the second one is not decided on half a
 * state, and told so once the first is durable. */
static void an_event_that_cannot_be_applied_holds_up_what_is_behind(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    bank_order(&journal, "EmitUnreadable", 1, 0);
    bank_order(&journal, "Withdraw", 1, 0);
    bank_order(&journal, "Deposit", 1, 0);
    assert_int_equal(bank_execute(&bank, "Audit", "account-2", 0, NULL, &error), VARVE_OK); /* the lane was there */
    assert_int_equal(journal.answers, 0);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 3);
    assert_string_equal(journal.text, "v1 application-error application-error ");
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    assert_true(bank.warnings > 0);
    bank_close(&bank);
}

static void so_many_are_decided_and_not_durable_at_most(void **state)
{
    enum { AHEAD = 256, SENT = 300 }; /* as docs/limits.md says */
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, SENT + 1);
    bank_stall_store(&bank, &stall);
    for (int i = 0; i < SENT; i++) assert_int_equal(bank_send(&bank, "Deposit", "account-1", 1), VARVE_OK);
    bank_wait_until_queued(&bank, AHEAD);
    assert_int_equal(bank_execute(&bank, "Audit", "account-2", 0, NULL, &error), VARVE_OK); /* the lane is through */
    assert_int_equal(bank.decided, AHEAD);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &bank.answers, SENT);
    assert_int_equal(bank_balance(&bank, "account-1"), SENT);
    bank_close(&bank);
}

enum { HOT_CALLERS = 64, HOT_COMMANDS = 20, HOT_DEPOSITS = 40 };

struct hot {
    struct bank *bank;
    atomic_int accepted, rejected;
    atomic_bool versions[HOT_CALLERS * HOT_COMMANDS + HOT_DEPOSITS + 1]; /* told to somebody as the one it made */
};

/* Withdraws until each of its commands has an outcome; a caller that lost 20 races tries again. */
static void *withdraw_often(void *ctx)
{
    struct hot *hot = ctx;
    for (int i = 0; i < HOT_COMMANDS; i++) {
        varve_outcome outcome = { 0 };
        varve_error error = { 0 };
        varve_status status = bank_execute(hot->bank, "Withdraw", "account-1", 1, &outcome, &error);
        if (status == VARVE_CONFLICT) {
            i--;
        } else if (status == VARVE_REJECTED) {
            atomic_fetch_add(&hot->rejected, 1);
        } else {
            assert_int_equal(status, VARVE_OK);
            atomic_fetch_add(&hot->accepted, 1);
            assert_false(atomic_exchange(&hot->versions[outcome.version], true));
        }
        varve_outcome_fini(&outcome);
    }
    return NULL;
}

/* Many callers on one aggregate, and somebody who appends to it behind the engine's back. */
static void many_callers_on_one_aggregate(void **state)
{
    (void)state;
    struct bank bank;
    struct hot hot = { .bank = &bank };
    pthread_t callers[HOT_CALLERS];
    bank_open(&bank, 0);
    bank_start(&bank, 2, 1000);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 10); /* or all of them might be rejected before the first */
    for (size_t i = 0; i < HOT_CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, withdraw_often, &hot), 0);
    for (int i = 1; i < HOT_DEPOSITS; i++) bank_deposit_directly(&bank, VARVE_STR("account-1"), 10);
    for (size_t i = 0; i < HOT_CALLERS; i++) pthread_join(callers[i], NULL);
    assert_int_equal(hot.accepted + hot.rejected, HOT_CALLERS * HOT_COMMANDS);
    assert_int_equal(bank_version(&bank, "account-1"), (uint64_t)hot.accepted + HOT_DEPOSITS);
    assert_int_equal(bank_balance(&bank, "account-1"), 10 * HOT_DEPOSITS - hot.accepted);
    assert_in_range(hot.accepted, 1, 10 * HOT_DEPOSITS);
    bank_close(&bank);
}

/* ---- a store that has bad days ---- */

/* What the driver does; changed only while its writer is held. */
static struct plan {
    bool doubts;  /* a batch is written, and its outcome told to be unknown */
    bool resends; /* a batch is written, and then, as if the answer was lost, sent again */
    unsigned batches;
    struct store_listener told;
} plan;

static varve_status planned_open(struct store_log **log, const struct store_location *location, varve_error *error)
{
    plan.told = location->told;
    return store_sqlite.open(log, location, error);
}

static varve_status planned_commit(struct store_log *log, struct store_batch *batch, struct store_head *head,
                                   varve_error *error)
{
    plan.batches++;
    varve_status status = store_sqlite.commit(log, batch, head, error);
    if (status == VARVE_OK && plan.resends) status = store_sqlite.commit(log, batch, head, error);
    for (size_t i = 0; status == VARVE_OK && plan.doubts && i < batch->append_count; i++)
        if (batch->appends[i]->status == VARVE_OK)
            batch->appends[i]->status =
                varve_error_set(&batch->appends[i]->error, VARVE_INDETERMINATE, "the connection was lost");
    return status;
}

static void open_with_plan(struct bank *bank)
{
    static struct store_driver driver;
    plan = (struct plan){ 0 };
    driver = store_sqlite;
    driver.open = planned_open;
    driver.commit = planned_commit;
    bank_open_in_a_file(bank, &driver, 0);
    bank_start(bank, 1, 100);
}

/* Decided again, the second would be rejected: the money is gone, for it is in the log. */
static void an_unknown_outcome_is_not_decided_again(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    varve_error error = { 0 };
    open_with_plan(&bank);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 2, NULL, &error), VARVE_OK);
    bank_stall_store(&bank, &stall);
    bank_order(&journal, "Withdraw", 1, 0);
    bank_order(&journal, "Withdraw", 1, 0);
    bank_order(&journal, "Audit", 0, 0);
    bank_wait_until_queued(&bank, 2);
    plan.doubts = true;
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 3);
    assert_string_equal(journal.text, "outcome-unknown outcome-unknown v3 ");
    assert_int_equal(bank_version(&bank, "account-1"), 3);
    bank_close(&bank);
}

static void what_was_sent_twice_is_told_once(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    varve_error error = { 0 };
    open_with_plan(&bank);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 3, NULL, &error), VARVE_OK);
    bank_stall_store(&bank, &stall);
    for (int i = 0; i < 3; i++) bank_order(&journal, "Withdraw", 1, 0);
    bank_wait_until_queued(&bank, 3);
    plan.resends = true;
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 3);
    assert_string_equal(journal.text, "again2 again3 again4 ");
    assert_int_equal(bank.decided, 4);
    bank_close(&bank);
}

/* A caller that heard nothing sends everything again: no command is decided twice because others are repeats. */
static void many_repeats_take_one_batch(void **state)
{
    enum { REPEATS = 50 };
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    char expected[1024] = "";
    open_with_plan(&bank);
    for (int i = 1; i <= REPEATS; i++) bank_order(&journal, "Deposit", 1, (uint8_t)i);
    bank_wait_for(&bank, &journal.answers, REPEATS);
    journal.text[0] = '\0';
    bank_stall_store(&bank, &stall);
    for (int i = 1; i <= REPEATS; i++) {
        bank_order(&journal, "Deposit", 1, (uint8_t)i);
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "again%d ", i);
    }
    bank_order(&journal, "Deposit", 1, 0);
    bank_wait_until_queued(&bank, REPEATS + 1);
    unsigned before = plan.batches;
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 2 * REPEATS + 1);
    snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "v%d ", REPEATS + 1);
    assert_string_equal(journal.text, expected);
    assert_int_equal(bank.decided, 2 * REPEATS + 2); /* the last one again, because it was decided on repeats */
    assert_int_equal(plan.batches, before + 2);
    bank_close(&bank);
}

/* ---- states that are kept ---- */

static void a_kept_state_is_not_folded_again(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    for (int i = 0; i < 5; i++)
        assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank.evolved, 5);
    assert_int_equal(bank.states, 1);
    assert_int_equal(bank_balance(&bank, "account-1"), 5); /* read from the log */
    assert_int_equal(bank.times_seen, 0);
    bank_close(&bank);
}

static void a_kept_state_is_never_trusted(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 10);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 11, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 3);
    varve_outcome_fini(&outcome);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 10);
    assert_int_equal(bank_execute(&bank, "Audit", "account-1", 0, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 4);
    varve_outcome_fini(&outcome);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 10);
    varve_command pinned = { .type = VARVE_STR("Deposit"),
                             .stream = VARVE_STR("account-1"),
                             .data = VARVE_STR("{\"amount\":1}"),
                             .expected = VARVE_STREAM_AT,
                             .expected_version = 5 };
    assert_int_equal(lanes_execute_wait(bank.lanes, &pinned, NULL, &error), VARVE_OK);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 10);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 8);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_balance(&bank, "account-1"), 32);
    bank_close(&bank);
}

static void kept_states_have_a_limit(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    char stream[32];
    bank_open(&bank, 0);
    bank.state_bytes = 16384;
    bank_start(&bank, 1, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(stream, sizeof stream, "account-%d", i);
        assert_int_equal(bank_execute(&bank, "Deposit", stream, 1, NULL, &error), VARVE_OK);
        assert_int_equal(bank_execute(&bank, "Deposit", "account-0", 1, NULL, &error), VARVE_OK);
    }
    assert_in_range(bank.states, 2, 60);
    assert_int_equal(bank.evolved, 200); /* the one that is used most was never let go */
    assert_int_equal(bank_balance(&bank, "account-0"), 101);
    assert_int_equal(bank_balance(&bank, "account-1"), 1);
    bank_close(&bank);
}

static bool is_full(void *worker)
{
    struct bank *bank = worker;
    pthread_mutex_lock(&bank->mutex);
    bool full = bank->is_full;
    pthread_mutex_unlock(&bank->mutex);
    return full;
}

static void a_full_worker_keeps_no_states(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank.account.worker_is_full = is_full;
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-2", 1, NULL, &error), VARVE_OK);
    pthread_mutex_lock(&bank.mutex);
    assert_int_equal(bank.states, 2);
    bank.is_full = true;
    pthread_mutex_unlock(&bank.mutex);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    pthread_mutex_lock(&bank.mutex);
    while (bank.states > 0) pthread_cond_wait(&bank.changed, &bank.mutex);
    pthread_mutex_unlock(&bank.mutex);
    assert_int_equal(bank_balance(&bank, "account-1"), 2);
    bank_close(&bank);
}

/* Made of a state that never came about, it must not be mixed with the next. */
static void a_snapshot_is_of_the_state_that_came_about(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    varve_error error = { 0 };
    varve_buf json = { 0 };
    uint64_t version = 0;
    bank_open(&bank, 0);
    bank.account.snapshot_every = 1;
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    bank_deposit_soon(&bank, 100);
    bank_order(&journal, "Deposit", 1, 0);
    bank_order(&journal, "Deposit", 1, 0);
    bank_order(&journal, "Withdraw", 1000, 0);
    bank_wait_for(&bank, &bank.decided, 3);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 3);
    assert_string_equal(journal.text, "v2 v3 no0 ");
    bank_deposit_directly(&bank, VARVE_STR("account-2"), 1); /* the snapshot goes with it */
    bank_deposit_directly(&bank, VARVE_STR("account-2"), 1);
    assert_int_equal(store_snapshot_get(bank.store, VARVE_STR("account-1"), 1, INT64_MAX, &version, &json, &error),
                     VARVE_OK);
    assert_int_equal(version, 3);
    bank_assert_text(varve_buf_view(&json), "{\"balance\":102}");
    varve_buf_fini(&json);
    bank_close(&bank);
}

/* Other events may stand at the same versions. */
static void a_kept_state_belongs_to_one_history(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct bank_journal journal = { .bank = &bank };
    varve_error error = { 0 };
    open_with_plan(&bank);
    for (int i = 0; i < 5; i++)
        assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank.evolved, 5);
    plan.told.renewed(plan.told.ctx, "another", 1);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank.evolved, 11);
    plan.told.renewed(plan.told.ctx, "a third one", 2);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 7, NULL, &error), VARVE_REJECTED);
    assert_int_equal(bank.evolved, 17);

    bank_stall_store(&bank, &stall);
    bank_order(&journal, "Deposit", 1, 0);
    bank_wait_for(&bank, &bank.decided, 8);
    plan.told.renewed(plan.told.ctx, "a fourth one", 3); /* what is decided on it waits for what is in the store */
    bank_order(&journal, "Withdraw", 7, 0);
    assert_int_equal(bank_execute(&bank, "Audit", "account-2", 0, NULL, &error), VARVE_OK);
    assert_int_equal(bank.decided, 8);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 2);
    assert_string_equal(journal.text, "v7 v8 ");
    assert_int_equal(bank.evolved, 17 + 1 + 7 + 1);
    bank_close(&bank);
}

/* Its events are many, and no snapshot tells how small its state is: it is let go itself. */
static void what_is_too_large_to_keep_drives_nothing_else_out(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    char data[32768];
    bank_open(&bank, 0);
    bank.state_bytes = 16384;
    bank_start(&bank, 1, 100);
    snprintf(data, sizeof data, "{\"amount\":1,\"why\":\"%030000d\"}", 0);
    varve_command large = { .type = VARVE_STR("Deposit"),
                            .stream = VARVE_STR("account-9"),
                            .data = varve_str_of(data) };
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(lanes_execute_wait(bank.lanes, &large, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank.evolved, 3);
    assert_int_equal(lanes_execute_wait(bank.lanes, &large, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank.evolved, 3 + 2 + 1);
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_on_one_stream_share_a_flush),
        cmocka_unit_test(an_outcome_waits_for_what_it_was_decided_on),
        cmocka_unit_test(what_was_decided_on_a_lost_race_is_decided_again),
        cmocka_unit_test(a_failure_ahead_is_nobody_elses),
        cmocka_unit_test(an_event_that_cannot_be_applied_holds_up_what_is_behind),
        cmocka_unit_test(so_many_are_decided_and_not_durable_at_most),
        cmocka_unit_test(many_callers_on_one_aggregate),
        cmocka_unit_test(a_kept_state_is_not_folded_again),
        cmocka_unit_test(a_kept_state_is_never_trusted),
        cmocka_unit_test(kept_states_have_a_limit),
        cmocka_unit_test(an_unknown_outcome_is_not_decided_again),
        cmocka_unit_test(what_was_sent_twice_is_told_once),
        cmocka_unit_test(many_repeats_take_one_batch),
        cmocka_unit_test(a_full_worker_keeps_no_states),
        cmocka_unit_test(a_snapshot_is_of_the_state_that_came_about),
        cmocka_unit_test(a_kept_state_belongs_to_one_history),
        cmocka_unit_test(what_is_too_large_to_keep_drives_nothing_else_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
