/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of one stream whose appends come to other ends than those that were hoped for. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "command/bank_fixture.h"

/* A word an answer, in order. */
struct journal {
    struct bank *bank;
    unsigned answers;
    char text[1024];
};

static void write_down(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct journal *journal = ctx;
    (void)error;
    pthread_mutex_lock(&journal->bank->mutex);
    size_t used = strlen(journal->text);
    if (status < 0)
        snprintf(journal->text + used, sizeof journal->text - used, "%s ", varve_status_word(status));
    else
        snprintf(journal->text + used, sizeof journal->text - used, "%s%d ",
                 status == VARVE_REJECTED   ? "no"
                 : status == VARVE_REPEATED ? "again"
                                            : "v",
                 (int)outcome->version);
    journal->answers++;
    pthread_cond_broadcast(&journal->bank->changed);
    pthread_mutex_unlock(&journal->bank->mutex);
}

static varve_uuid some_id(uint8_t last)
{
    varve_uuid id;
    assert_int_equal(varve_uuid_parse(&id, VARVE_STR("01890a5d-ac96-774b-bcce-b302099a8057"), NULL), VARVE_OK);
    id.bytes[15] = last;
    return id;
}

/* `number`: of the command's id; 0: it has none. */
static void send(struct journal *journal, const char *type, int amount, int number)
{
    varve_error error = { 0 };
    char data[64];
    snprintf(data, sizeof data, "{\"amount\":%d}", amount);
    varve_command command = { .type = varve_str_of(type),
                              .stream = VARVE_STR("account-1"),
                              .data = varve_str_of(data) };
    if (number > 0) command.id = some_id((uint8_t)number);
    assert_int_equal(lanes_execute(journal->bank->lanes, &command, write_down, journal, &error), VARVE_OK);
}

static void ignore_appended(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    (void)ctx, (void)status, (void)appended, (void)error;
}

/* Somebody else's, in the same batch as what is sent next while the store is held. */
static void deposit_behind_their_back(struct bank *bank, const char *data)
{
    varve_error error = { 0 };
    varve_event event = { .stream = VARVE_STR("account-1"),
                          .type = VARVE_STR("Deposited"),
                          .data = varve_str_of(data) };
    varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append_async(bank->store, &request, ignore_appended, NULL, &error), VARVE_OK);
}

/* In the store, whose writer is held. */
static void wait_until_queued(struct bank *bank, uint64_t appends)
{
    struct store_stats stats = { 0 };
    for (; stats.queue_length < appends; store_get_stats(bank->store, &stats)) sched_yield();
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
    struct journal journal = { .bank = &bank };
    varve_error error = { 0 };
    open_with_plan(&bank);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 2, NULL, &error), VARVE_OK);
    bank_stall_store(&bank, &stall);
    send(&journal, "Withdraw", 1, 0);
    send(&journal, "Withdraw", 1, 0);
    send(&journal, "Audit", 0, 0);
    wait_until_queued(&bank, 2);
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
    struct journal journal = { .bank = &bank };
    varve_error error = { 0 };
    open_with_plan(&bank);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 3, NULL, &error), VARVE_OK);
    bank_stall_store(&bank, &stall);
    for (int i = 0; i < 3; i++) send(&journal, "Withdraw", 1, 0);
    wait_until_queued(&bank, 3);
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
    struct journal journal = { .bank = &bank };
    char expected[1024] = "";
    open_with_plan(&bank);
    for (int i = 1; i <= REPEATS; i++) send(&journal, "Deposit", 1, i);
    bank_wait_for(&bank, &journal.answers, REPEATS);
    journal.text[0] = '\0';
    bank_stall_store(&bank, &stall);
    for (int i = 1; i <= REPEATS; i++) {
        send(&journal, "Deposit", 1, i);
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "again%d ", i);
    }
    send(&journal, "Deposit", 1, 0);
    wait_until_queued(&bank, REPEATS + 1);
    unsigned before = plan.batches;
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 2 * REPEATS + 1);
    snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "v%d ", REPEATS + 1);
    assert_string_equal(journal.text, expected);
    assert_int_equal(bank.decided, 2 * REPEATS + 2); /* the last one again, because it was decided on repeats */
    assert_int_equal(plan.batches, before + 2);
    bank_close(&bank);
}

/* ---- what is kept ---- */

/* Made of a state that never came about, it must not be mixed with the next. */
static void a_snapshot_is_of_the_state_that_came_about(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    struct journal journal = { .bank = &bank };
    varve_error error = { 0 };
    varve_buf json = { 0 };
    uint64_t version = 0;
    bank_open(&bank, 0);
    bank.account.snapshot_every = 1;
    bank_start(&bank, 1, 100);
    bank_stall_store(&bank, &stall);
    deposit_behind_their_back(&bank, "{\"amount\":100}");
    send(&journal, "Deposit", 1, 0);
    send(&journal, "Deposit", 1, 0);
    send(&journal, "Withdraw", 1000, 0);
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
    struct journal journal = { .bank = &bank };
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
    send(&journal, "Deposit", 1, 0);
    bank_wait_for(&bank, &bank.decided, 8);
    plan.told.renewed(plan.told.ctx, "a fourth one", 3); /* what is decided on it waits for what is in the store */
    send(&journal, "Withdraw", 7, 0);
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
        cmocka_unit_test(an_unknown_outcome_is_not_decided_again),
        cmocka_unit_test(what_was_sent_twice_is_told_once),
        cmocka_unit_test(many_repeats_take_one_batch),
        cmocka_unit_test(a_snapshot_is_of_the_state_that_came_about),
        cmocka_unit_test(a_kept_state_belongs_to_one_history),
        cmocka_unit_test(what_is_too_large_to_keep_drives_nothing_else_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
