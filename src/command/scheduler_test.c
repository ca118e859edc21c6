/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduled commands: when they are executed, by whom, and what becomes of those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>
#include <sched.h>
#include <cmocka.h>

#include "base/id.h"
#include "command/scheduled.h"
#include "command/scheduled_fixture.h"
#include "store/lease.h"

#define SECOND INT64_C(1000000)

/* The stream's events as "TYPE DATA, …"; `*last_at`: when the last one was recorded. */
static void read_all(struct bank *bank, char *text, size_t size, varve_time *last_at)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    const varve_read_options options = { .stream = VARVE_STR("account-1") };
    size_t len = 0;
    text[0] = '\0';
    assert_int_equal(varve_cursor_open(&cursor, bank->store, &options, &error), VARVE_OK);
    while (varve_cursor_next(cursor, &event, &error) == VARVE_OK && len < size) {
        len += (size_t)snprintf(text + len, size - len, "%.*s %.*s, ", (int)event->type.len, event->type.ptr,
                                (int)event->data.len, event->data.ptr);
        if (last_at != NULL) *last_at = event->recorded_at;
    }
    varve_cursor_close(cursor);
}

static varve_time now_of(struct bank *bank)
{
    varve_time now = 0;
    struct arena memory = { 0 };
    struct lease lease;
    assert_int_equal(lease_look(bank->store, VARVE_STR("nobody's"), &memory, &lease, &now, NULL), VARVE_OK);
    arena_fini(&memory);
    return now;
}

static void what_is_due_is_executed_in_order(void **state)
{
    (void)state;
    struct bank bank;
    char text[512];
    bank_open(&bank, 0);
    bank_start(&bank, 2, 100);
    scheduled_add(&bank, "Deposit", "{\"amount\":1}", 9, 30 * SECOND);
    scheduled_add(&bank, "Deposit", "{\"amount\":2}", 5, 10 * SECOND);
    scheduled_add(&bank, "Deposit", "{\"amount\":3}", 1, 20 * SECOND);
    scheduled_add(&bank, "Deposit", "{\"amount\":4}", 7, INT64_C(253402300799) * SECOND);
    struct scheduler *scheduler = scheduled_start(&bank);
    scheduled_wait_until_gone(&bank, 9);
    scheduled_wait_until_gone(&bank, 5);
    scheduled_wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    read_all(&bank, text, sizeof text, NULL);
    assert_string_equal(text, "Deposited {\"amount\":2}, Deposited {\"amount\":3}, Deposited {\"amount\":1}, ");
    varve_scheduled scheduled = { 0 };
    assert_int_equal(varve_scheduled_get(bank.store, bank_id(7), &scheduled, NULL), VARVE_OK);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_WAITING);
    assert_int_equal(scheduled.attempts, 0);
    varve_scheduled_fini(&scheduled);
    bank_close(&bank);
}

/* The scheduler sleeps towards one and is woken for another, which comes first. */
static void none_is_executed_before_its_time(void **state)
{
    (void)state;
    struct bank bank;
    char text[256];
    varve_time at = 0;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    struct scheduler *scheduler = scheduled_start(&bank);
    varve_time due = now_of(&bank) + SECOND / 4;
    scheduled_add(&bank, "Deposit", "{\"amount\":1}", 1, due + 600 * SECOND);
    scheduled_add(&bank, "Deposit", "{\"amount\":2}", 2, due);
    scheduler_wake(scheduler);
    scheduled_wait_until_gone(&bank, 2);
    read_all(&bank, text, sizeof text, &at);
    assert_string_equal(text, "Deposited {\"amount\":2}, ");
    assert_true(at >= due);
    scheduler_close(scheduler);
    bank_close(&bank);
}

/* The event of a command that was executed before, on account-NUMBER. */
static void append_outcome(struct bank *bank, uint8_t number)
{
    char stream[32];
    varve_error error = { 0 };
    snprintf(stream, sizeof stream, "account-%u", number);
    const varve_event event = { .id = id_derive(bank_id(number), 0),
                                .stream = varve_str_of(stream),
                                .type = VARVE_STR("Deposited"),
                                .data = VARVE_STR("{\"amount\":1}") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append(bank->store, &request, NULL, &error), VARVE_OK);
}

/* ---- attempts of other processes ---- */

static varve_status evolve_nothing(void *state, const varve_event *event, varve_error *error)
{
    (void)state, (void)event, (void)error;
    return VARVE_OK;
}

static varve_status be_unavailable(const void *state, const varve_command *command, varve_decision *decision,
                                   varve_error *error)
{
    (void)state, (void)command, (void)decision;
    return varve_error_set(error, VARVE_UNAVAILABLE, "not now");
}

static varve_status know_nothing(const void *state, const varve_command *command, varve_decision *decision,
                                 varve_error *error)
{
    (void)state, (void)command, (void)decision, (void)error;
    return VARVE_NOT_FOUND;
}

static varve_status do_nothing(const void *state, const varve_command *command, varve_decision *decision,
                               varve_error *error)
{
    (void)state, (void)command, (void)decision, (void)error;
    return VARVE_OK;
}

static const varve_command_handler errands[] = { { "Go", be_unavailable }, { "Stay", do_nothing }, { NULL, NULL } };
static const varve_decider errand = {
    .category = "errand", .state_size = 1, .evolve = evolve_nothing, .commands = errands
};
static const varve_decider blank_errand = {
    .category = "errand", .state_size = 1, .evolve = evolve_nothing, .decide = know_nothing
};

/* Whoever ran it before may have been killed behind the commit: an attempt that never came to the log says nothing of
 * that, so it does not become one that can be called off. */
static void what_may_have_happened_is_not_called_off(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    char value[256];
    bank_open(&bank, 0);
    bank.second = &errand;
    snprintf(value, sizeof value,
             "{\"state\":%d,\"not_before\":1,\"next_at\":1,\"attempts\":1,\"type\":\"Go\",\"stream\":\"errand-1\","
             "\"code\":\"outcome-unknown\",\"data\":{}}",
             (int)VARVE_SCHEDULED_RUNNING);
    scheduled_put(&bank, 1, value, "{}");
    bank_start(&bank, 1, 100);
    struct scheduler *scheduler = scheduled_start(&bank);
    for (bool again = true; again;) { /* until it was tried, and put off */
        assert_int_equal(varve_scheduled_get(bank.store, bank_id(1), &scheduled, &error), VARVE_OK);
        again = scheduled.next_at == 1;
        varve_scheduled_fini(&scheduled);
        sched_yield();
    }
    assert_int_equal(varve_scheduled_cancel(bank.store, bank_id(1), NULL, &error), VARVE_CONFLICT);
    scheduler_close(scheduler);
    bank_close(&bank);
}

static void what_a_process_left_is_looked_up_first(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    scheduled_put_running(&bank, 1, "Deposit", 1, 0, "");
    append_outcome(&bank, 1);
    bank_start(&bank, 1, 100);
    struct scheduler *scheduler = scheduled_start(&bank);
    scheduled_wait_until_gone(&bank, 1);
    assert_int_equal(bank.decided, 0); /* by what may be its end */
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    scheduler_close(scheduler);
    bank_close(&bank);
}

/* What ends the process that executes it: it may not do so for ever, nor others wait for it. */
static void what_was_interrupted_is_put_off_and_fails_in_the_end(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    varve_scheduled_state was = VARVE_SCHEDULED_WAITING;
    bank_open(&bank, 0);
    scheduled_put_running(&bank, 1, "Deposit", 1, 0, "");
    scheduled_put_running(&bank, 2, "Deposit", 9, 8, "");
    scheduled_put_running(&bank, 3, "Deposit", 10, 9, "");
    bank_start(&bank, 1, 100);
    varve_time before = now_of(&bank);
    struct scheduler *scheduler = scheduled_start(&bank);
    scheduled_wait(&bank, 3, VARVE_SCHEDULED_FAILED, &scheduled);
    bank_assert_text(scheduled.code, "outcome-unknown");
    assert_non_null(strstr(scheduled.message.ptr, "its process ended"));
    assert_int_equal(scheduled.attempts, 10);
    assert_int_equal(scheduled.interrupted, 10);
    varve_scheduled_fini(&scheduled);
    scheduled_wait_until_gone(&bank, 1); /* the first time it is executed again at once */
    assert_int_equal(varve_scheduled_get(bank.store, bank_id(2), &scheduled, &error), VARVE_OK);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_RUNNING);
    assert_int_equal(scheduled.interrupted, 9);
    assert_true(scheduled.next_at >= before + 128 * SECOND);
    varve_scheduled_fini(&scheduled);
    assert_int_equal(varve_scheduled_cancel(bank.store, bank_id(2), &was, &error), VARVE_CONFLICT);
    assert_int_equal(varve_scheduled_cancel(bank.store, bank_id(3), &was, &error), VARVE_OK);
    assert_int_equal(was, VARVE_SCHEDULED_FAILED);
    scheduler_close(scheduler);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    assert_int_equal(bank.decided, 1);
    bank_close(&bank);
}

static void what_comes_to_nothing_is_kept_with_its_reason(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    varve_scheduled_state was = VARVE_SCHEDULED_WAITING;
    bank_open(&bank, 0);
    bank.second = &errand;
    bank_start(&bank, 1, 100);
    scheduled_add(&bank, "Withdraw", "{\"amount\":5}", 1, SECOND);
    scheduled_add(&bank, "Burn", "{}", 2, SECOND);
    varve_command pinned = scheduled_command("Deposit", "{\"amount\":5}", 3, SECOND);
    pinned.expected = VARVE_STREAM_AT;
    pinned.expected_version = 7;
    assert_int_equal(varve_store_schedule(bank.store, &pinned, NULL, &error), VARVE_OK);
    varve_command errand_now = scheduled_command("Go", "{}", 4, SECOND);
    errand_now.stream = VARVE_STR("errand-1");
    assert_int_equal(varve_store_schedule(bank.store, &errand_now, NULL, &error), VARVE_OK);
    struct scheduler *scheduler = scheduled_start(&bank);
    const struct {
        varve_scheduled_state state;
        const char *code;
    } expected[] = { { VARVE_SCHEDULED_REJECTED, "insufficient_funds" },
                     { VARVE_SCHEDULED_FAILED, "application-error" },
                     { VARVE_SCHEDULED_FAILED, "version-conflict" },
                     { VARVE_SCHEDULED_WAITING, "unavailable" } };
    for (uint8_t i = 0; i < 4; i++) {
        scheduled_wait(&bank, i + 1, expected[i].state, &scheduled);
        bank_assert_text(scheduled.code, expected[i].code);
        assert_true(scheduled.message.len > 0);
        if (i == 3) assert_true(scheduled.next_at > scheduled.scheduled_at);
        varve_scheduled_fini(&scheduled);
        assert_int_equal(varve_scheduled_cancel(bank.store, bank_id(i + 1), &was, &error), VARVE_OK);
        assert_int_equal(was, expected[i].state);
        assert_int_equal(varve_scheduled_get(bank.store, bank_id(i + 1), &scheduled, &error), VARVE_NOT_FOUND);
    }
    struct scheduler_stats stats;
    scheduler_get_stats(scheduler, &stats);
    assert_int_equal(stats.rejected, 1);
    assert_int_equal(stats.failed, 2);
    assert_true(stats.retries >= 1);
    scheduler_close(scheduler);
    bank_close(&bank);
}

/* Each lost race is another's event, not a version that anybody pinned. */
static void who_loses_every_race_is_tried_again(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 1);
    bank.competitors = 22; /* one more than it is decided at once, and one */
    varve_command command = scheduled_command("Compete", "{\"amount\":1}", 1, SECOND);
    command.expected = VARVE_STREAM_EXISTS;
    assert_int_equal(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_OK);
    struct scheduler *scheduler = scheduled_start(&bank);
    scheduled_wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    assert_int_equal(bank_version(&bank, "account-1"), 24);
    bank_close(&bank);
}

static void what_runs_cannot_be_cancelled(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_set(&bank, &bank.gate_closed, true);
    scheduled_add(&bank, "Deposit", "{\"amount\":5}", 1, SECOND);
    struct scheduler *scheduler = scheduled_start(&bank);
    bank_wait_for(&bank, &bank.decided, 1);
    bank_assert_failure(varve_scheduled_cancel(bank.store, bank_id(1), NULL, &error), VARVE_CONFLICT, &error,
                        "running");
    assert_int_equal(varve_scheduled_get(bank.store, bank_id(1), &scheduled, &error), VARVE_OK);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_RUNNING);
    assert_int_equal(scheduled.attempts, 1);
    varve_scheduled_fini(&scheduled);
    bank_set(&bank, &bank.gate_closed, false);
    scheduled_wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    bank_close(&bank);
}

/* Closing waits for what is under way, and leaves nothing half done. */
static void the_rest_is_for_the_next(void **state)
{
    (void)state;
    enum { COUNT = 150 };
    struct bank bank;
    bank_open(&bank, 0);
    bank_start(&bank, 2, 1000);
    for (unsigned i = 1; i <= COUNT; i++) scheduled_add(&bank, "Deposit", "{\"amount\":1}", (uint8_t)i, i * SECOND);
    for (unsigned at_least = 40; at_least <= 80; at_least += 40) {
        struct scheduler *scheduler = scheduled_start(&bank);
        bank_wait_for(&bank, &bank.decided, at_least);
        scheduler_close(scheduler);
        lanes_close(bank.lanes);
        bank_start(&bank, 2, 1000);
    }
    struct scheduler *scheduler = scheduled_start(&bank);
    for (unsigned i = 1; i <= COUNT; i++) scheduled_wait_until_gone(&bank, (uint8_t)i);
    scheduler_close(scheduler);
    assert_int_equal(bank_version(&bank, "account-1"), COUNT);
    bank_close(&bank);
}

/* Two at once, as two processes have them: each command takes effect once. */
static void two_do_not_get_in_each_others_way(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    struct bank bank;
    bank_open(&bank, 0);
    bank_start(&bank, 2, 1000);
    struct scheduler *one = scheduled_start(&bank), *other = scheduled_start(&bank);
    for (unsigned i = 1; i <= COUNT; i++) {
        scheduled_add(&bank, "Deposit", "{\"amount\":1}", (uint8_t)i, SECOND);
        scheduler_wake(i % 2 == 0 ? one : other);
    }
    for (unsigned i = 1; i <= COUNT; i++) scheduled_wait_until_gone(&bank, (uint8_t)i);
    scheduler_close(one);
    scheduler_close(other);
    assert_int_equal(bank_version(&bank, "account-1"), COUNT);
    bank_close(&bank);
}

/* A process that took the lease and is not heard of any more is waited for as long as its lease. */
static void a_lease_is_taken_over(void **state)
{
    (void)state;
    struct bank bank;
    struct arena memory = { 0 };
    struct lease lease, previous;
    char text[128];
    varve_time at = 0;
    const struct lease dead = { .name = VARVE_STR("scheduled commands"),
                                .owner = VARVE_STR("dead/1/1"),
                                .duration_ms = 700 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    assert_int_equal(lease_take(bank.store, &dead, &memory, &lease, &previous, NULL), VARVE_OK);
    scheduled_add(&bank, "Deposit", "{\"amount\":1}", 1, SECOND);
    struct scheduler *scheduler = scheduled_start(&bank);
    scheduled_wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    read_all(&bank, text, sizeof text, &at);
    assert_string_equal(text, "Deposited {\"amount\":1}, ");
    if (store_has_many_writers(bank.store)) assert_true(at >= lease.expires_at);
    arena_fini(&memory);
    bank_close(&bank);
}

/* ---- several applications on one store ---- */

static struct lanes *start_others(struct bank *bank, const varve_decider *decider)
{
    struct lanes *lanes = NULL;
    varve_error error = { 0 };
    const struct lanes_options options = { .workers = 1, .queue_limit = 10 };
    assert_int_equal(lanes_open(&lanes, bank->store, &options, &error), VARVE_OK);
    assert_int_equal(lanes_add(lanes, decider, NULL, &error), VARVE_OK);
    assert_int_equal(lanes_start(lanes, &error), VARVE_OK);
    return lanes;
}

/* One that always has something due keeps the lease, which is longer than it is between two looks, but for a moment
 * now and then. */
static void who_does_not_know_a_command_leaves_it_to_others(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    scheduled_put(&bank, 7, "{\"state\":-1}", "{\"type\":\"Deposit\",\"stream\":\"account-7\"}");
    const char *const types[] = { "Stay", "Fly" };
    for (uint8_t i = 0; i < 2; i++) {
        varve_command command = scheduled_command(types[i], "{}", i + 1, SECOND);
        command.stream = VARVE_STR("errand-1");
        assert_int_equal(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_OK);
    }
    struct scheduler *one = scheduled_start_on(&bank, bank.lanes, 1500);
    scheduled_add(&bank, "Deposit", "{\"amount\":1}", 3, SECOND);
    scheduler_wake(one);
    scheduled_wait_until_gone(&bank, 3); /* the lease is one's */
    struct lanes *lanes = start_others(&bank, &errand);
    struct scheduler *other = scheduled_start_on(&bank, lanes, 1500);
    scheduled_wait_until_gone(&bank, 1);
    assert_int_equal(varve_scheduled_get(bank.store, bank_id(2), &scheduled, &error), VARVE_OK);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_WAITING);
    assert_int_equal(scheduled.attempts, 0);
    varve_scheduled_fini(&scheduled);
    scheduler_close(one);
    scheduler_close(other);
    lanes_close(lanes);
    bank_close(&bank);
}

/* Where no table tells, it is the decider that says so, and that is no attempt. */
static void what_no_decider_knows_is_not_an_attempt(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    bank_open(&bank, 0);
    bank.second = &blank_errand;
    bank_start(&bank, 1, 100);
    varve_command command = scheduled_command("Go", "{}", 1, SECOND);
    command.stream = VARVE_STR("errand-1");
    assert_int_equal(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_OK);
    struct scheduler *scheduler = scheduled_start(&bank);
    for (bool again = true; again;) {
        varve_scheduled_fini(&scheduled);
        assert_int_equal(varve_scheduled_get(bank.store, bank_id(1), &scheduled, &error), VARVE_OK);
        again = scheduled.state != VARVE_SCHEDULED_WAITING || scheduled.code.len == 0;
        sched_yield();
    }
    bank_assert_text(scheduled.code, "not-found");
    assert_int_equal(scheduled.attempts, 0);
    varve_scheduled_fini(&scheduled);
    scheduler_close(scheduler);
    bank_close(&bank);
}

/* ---- a clock that goes back ---- */

static atomic_llong behind;
static atomic_uint looks;

static varve_status records_of_the_past(struct store_log *log, const struct store_record_range *range,
                                        store_record_visit visit, void *ctx, varve_time *now, varve_error *error)
{
    varve_status status = store_sqlite.records(log, range, visit, ctx, now, error);
    *now -= behind;
    if (varve_str_is(range->space, "scheduled due")) looks++;
    return status;
}

static void a_clock_that_goes_back_makes_it_late_and_no_more(void **state)
{
    (void)state;
    struct bank bank;
    struct store_driver driver = store_sqlite;
    driver.records = records_of_the_past;
    behind = 3600 * SECOND;
    looks = 0;
    bank_open_in_a_file(&bank, &driver, 0);
    bank_start(&bank, 1, 100);
    scheduled_add(&bank, "Deposit", "{\"amount\":1}", 1, varve_time_now() - 60 * SECOND);
    struct scheduler *scheduler = scheduled_start(&bank);
    while (looks < 2) sched_yield();
    assert_int_equal(bank_version(&bank, "account-1"), 0);
    behind = 0;
    scheduled_wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    bank_close(&bank);
}

/* Those that ended their processes more than once are executed one at a time. */
static void suspects_are_not_executed_together(void **state)
{
    (void)state;
    struct bank bank;
    struct store_driver driver = store_sqlite;
    driver.records = records_of_the_past;
    behind = 0;
    looks = 0;
    bank_open_in_a_file(&bank, &driver, 0);
    scheduled_put_running(&bank, 1, "Deposit", 3, 3, "outcome-unknown");
    scheduled_put_running(&bank, 2, "Deposit", 3, 3, "outcome-unknown");
    scheduled_put_running(&bank, 3, "Deposit", 3, 1, "outcome-unknown");
    bank_start(&bank, 3, 100);
    bank_set(&bank, &bank.gate_closed, true);
    struct scheduler *scheduler = scheduled_start(&bank);
    bank_wait_for(&bank, &bank.decided, 1);
    for (unsigned before = looks; looks < before + 3;) { /* at which the others are due, each time */
        scheduler_wake(scheduler);
        sched_yield();
    }
    varve_scheduled scheduled = { 0 };
    assert_int_equal(varve_scheduled_get(bank.store, bank_id(2), &scheduled, NULL), VARVE_OK);
    assert_int_equal(scheduled.attempts, 3);
    varve_scheduled_fini(&scheduled);
    assert_int_equal(varve_scheduled_get(bank.store, bank_id(3), &scheduled, NULL), VARVE_OK);
    assert_int_equal(scheduled.attempts, 4);
    varve_scheduled_fini(&scheduled);
    bank_set(&bank, &bank.gate_closed, false);
    for (uint8_t i = 1; i <= 3; i++) scheduled_wait_until_gone(&bank, i);
    scheduler_close(scheduler);
    bank_close(&bank);
}

/* ---- commits that are not told of ---- */

static varve_status commit_and_not_tell(struct store_log *log, struct store_batch *batch, struct store_head *head,
                                        varve_error *error)
{
    varve_status status = store_sqlite.commit(log, batch, head, error);
    for (size_t i = 0; i < batch->append_count; i++)
        if (batch->appends[i]->event_count > 0)
            batch->appends[i]->status = varve_error_set(&batch->appends[i]->error, VARVE_TIMEOUT, "no answer");
    return status;
}

/* The last attempt is no reason to say that it failed: the log knows. */
static void what_is_in_the_log_has_not_failed(void **state)
{
    (void)state;
    struct bank bank;
    struct store_driver driver = store_sqlite;
    driver.commit = commit_and_not_tell;
    bank_open_in_a_file(&bank, &driver, 0);
    scheduled_put_running(&bank, 1, "Deposit", 99, 0, "unavailable");
    bank_start(&bank, 1, 100);
    struct scheduler *scheduler = scheduled_start(&bank);
    scheduled_wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    bank_close(&bank);
}

static atomic_uint refusals;

/* Refuses a change of the second command by itself. */
static varve_status refuse_the_second(struct store_log *log, struct store_batch *batch, struct store_head *head,
                                      varve_error *error)
{
    char id[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(bank_id(2), id);
    struct store_append *append = batch->appends[0];
    bool is_it = batch->append_count == 1 && append->write_count > 0 && append->write_count <= SCHEDULED_WRITES_MAX &&
                 varve_str_is(append->writes[0].record.key, id);
    if (!is_it || refusals == 0) return store_sqlite.commit(log, batch, head, error);
    refusals--;
    append->status = varve_error_set(&append->error, VARVE_FULL, "no room");
    return VARVE_OK;
}

static atomic_bool look_is_held, is_looking;

/* Keeps the scheduler at its look at what is due. */
static varve_status hold_the_look(struct store_log *log, const struct store_record_range *range,
                                  store_record_visit visit, void *ctx, varve_time *now, varve_error *error)
{
    while (look_is_held && varve_str_is(range->space, "scheduled due")) {
        is_looking = true;
        sched_yield();
    }
    return store_sqlite.records(log, range, visit, ctx, now, error);
}

/* Another process changed it, as it were. */
static void touch(struct bank *bank, uint8_t number)
{
    char id[VARVE_UUID_TEXT_BYTES];
    size_t failed = 0;
    struct arena memory = { 0 };
    struct store_write write = { 0 };
    varve_error error = { 0 };
    varve_uuid_format(bank_id(number), id);
    assert_int_equal(store_record_get(bank->store, VARVE_STR("scheduled"), varve_str_of(id), &memory, &write.record,
                                      NULL, &error),
                     VARVE_OK);
    assert_int_equal(store_records_write(bank->store, &write, 1, &failed, &error), VARVE_OK);
    arena_fini(&memory);
}

/* Three end together: one has become another's, one is taken down, one cannot be for now. None leaves a key behind. */
static void what_is_taken_down_in_part_is_taken_down_once(void **state)
{
    (void)state;
    struct bank bank;
    struct store_driver driver = store_sqlite;
    struct scheduler_stats stats;
    varve_scheduled scheduled = { 0 };
    driver.commit = refuse_the_second;
    driver.records = hold_the_look;
    refusals = 0;
    look_is_held = is_looking = false;
    bank_open_in_a_file(&bank, &driver, 0);
    bank.second = &errand;
    bank_start(&bank, 1, 100);
    bank_set(&bank, &bank.gate_closed, true);
    const char *const types[] = { "Go", "Go", "Deposit" };
    varve_error error = { 0 };
    assert_int_equal(bank_send(&bank, "Deposit", "account-9", 1), VARVE_OK);
    bank_wait_for(&bank, &bank.decided, 1);
    for (uint8_t i = 0; i < 3; i++) {
        varve_command command = scheduled_command(types[i], "{\"amount\":1}", i + 1, (i + 1) * SECOND);
        if (i < 2) command.stream = VARVE_STR("errand-1");
        assert_int_equal(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_OK);
    }
    struct scheduler *scheduler = scheduled_start(&bank);
    do {
        scheduler_get_stats(scheduler, &stats);
        sched_yield();
    } while (stats.running < 3);
    touch(&bank, 3);
    refusals = 1;
    look_is_held = true;
    while (!is_looking) {
        scheduler_wake(scheduler);
        sched_yield();
    }
    bank_set(&bank, &bank.gate_closed, false);
    do {
        scheduler_get_stats(scheduler, &stats);
        sched_yield();
    } while (stats.running > 0);
    look_is_held = false;
    for (uint8_t i = 1; i <= 2; i++) {
        scheduled_wait(&bank, i, VARVE_SCHEDULED_WAITING, &scheduled);
        bank_assert_text(scheduled.code, "unavailable");
        varve_scheduled_fini(&scheduled);
    }
    scheduled_wait_until_gone(&bank, 3);
    scheduler_close(scheduler);
    assert_int_equal(refusals, 0);
    assert_int_equal(bank_count_records(&bank, "scheduled due"), 2);
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_is_executed_in_order),
        cmocka_unit_test(none_is_executed_before_its_time),
        cmocka_unit_test(what_may_have_happened_is_not_called_off),
        cmocka_unit_test(what_a_process_left_is_looked_up_first),
        cmocka_unit_test(what_was_interrupted_is_put_off_and_fails_in_the_end),
        cmocka_unit_test(what_comes_to_nothing_is_kept_with_its_reason),
        cmocka_unit_test(who_loses_every_race_is_tried_again),
        cmocka_unit_test(what_runs_cannot_be_cancelled),
        cmocka_unit_test(the_rest_is_for_the_next),
        cmocka_unit_test(two_do_not_get_in_each_others_way),
        cmocka_unit_test(a_lease_is_taken_over),
        cmocka_unit_test(who_does_not_know_a_command_leaves_it_to_others),
        cmocka_unit_test(what_no_decider_knows_is_not_an_attempt),
        cmocka_unit_test(a_clock_that_goes_back_makes_it_late_and_no_more),
        cmocka_unit_test(suspects_are_not_executed_together),
        cmocka_unit_test(what_is_in_the_log_has_not_failed),
        cmocka_unit_test(what_is_taken_down_in_part_is_taken_down_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
