/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduled commands: when they are executed, by whom, and what is kept of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <pthread.h>
#include <sched.h>
#include <cmocka.h>

#include "command/bank_fixture.h"
#include "command/scheduler.h"
#include "store/lease.h"

#define SECOND INT64_C(1000000)

static struct scheduler *start(struct bank *bank)
{
    struct scheduler *scheduler = NULL;
    varve_error error = { 0 };
    const struct log silent = { 0 };
    assert_int_equal(scheduler_open(&scheduler, bank->store, bank->lanes, 0, &silent, &error), VARVE_OK);
    return scheduler;
}

static varve_command command_of(const char *type, const char *data, uint8_t number, varve_time not_before)
{
    return (varve_command){
        .type = varve_str_of(type),
        .stream = VARVE_STR("account-1"),
        .data = varve_str_of(data),
        .id = bank_id(number),
        .not_before = not_before,
    };
}

static void schedule(struct bank *bank, const char *type, const char *data, uint8_t number, varve_time not_before)
{
    varve_error error = { 0 };
    const varve_command command = command_of(type, data, number, not_before);
    if (varve_store_schedule(bank->store, &command, NULL, &error) != VARVE_OK) fail_msg("%s", error.message);
}

/* Until the command is in that state; DONE: not kept any more. Borrowed texts live in `scheduled`. */
static void wait_until(struct bank *bank, uint8_t number, varve_scheduled_state state, varve_scheduled *scheduled)
{
    varve_error error = { 0 };
    for (;;) {
        varve_status status = varve_scheduled_get(bank->store, bank_id(number), scheduled, &error);
        if (status == VARVE_NOT_FOUND && state == VARVE_SCHEDULED_DONE) return;
        assert_int_equal(status, VARVE_OK);
        if (scheduled->state == state && (state != VARVE_SCHEDULED_WAITING || scheduled->attempts > 0)) return;
        varve_scheduled_fini(scheduled);
        sched_yield();
    }
}

static void wait_until_gone(struct bank *bank, uint8_t number)
{
    varve_scheduled scheduled = { 0 };
    wait_until(bank, number, VARVE_SCHEDULED_DONE, &scheduled);
}

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
    schedule(&bank, "Deposit", "{\"amount\":1}", 9, 30 * SECOND);
    schedule(&bank, "Deposit", "{\"amount\":2}", 5, 10 * SECOND);
    schedule(&bank, "Deposit", "{\"amount\":3}", 1, 20 * SECOND);
    schedule(&bank, "Deposit", "{\"amount\":4}", 7, INT64_C(253402300799) * SECOND);
    struct scheduler *scheduler = start(&bank);
    wait_until_gone(&bank, 9);
    wait_until_gone(&bank, 5);
    wait_until_gone(&bank, 1);
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
    struct scheduler *scheduler = start(&bank);
    varve_time due = now_of(&bank) + SECOND / 4;
    schedule(&bank, "Deposit", "{\"amount\":1}", 1, due + 600 * SECOND);
    schedule(&bank, "Deposit", "{\"amount\":2}", 2, due);
    scheduler_wake(scheduler);
    wait_until_gone(&bank, 2);
    read_all(&bank, text, sizeof text, &at);
    assert_string_equal(text, "Deposited {\"amount\":2}, ");
    assert_true(at >= due);
    scheduler_close(scheduler);
    bank_close(&bank);
}

static void a_command_is_scheduled_once(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    schedule(&bank, "Deposit", "{\"amount\":1}", 1, SECOND);
    varve_command command = command_of("Deposit", " { \"amount\":1}", 1, SECOND);
    assert_int_equal(varve_store_schedule(bank.store, &command, &scheduled, &error), VARVE_REPEATED);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_WAITING);
    bank_assert_text(scheduled.command.data, "{\"amount\":1}");
    varve_scheduled_fini(&scheduled);
    const varve_command others[] = { command_of("Deposit", "{\"amount\":2}", 1, SECOND),
                                     command_of("Withdraw", "{\"amount\":1}", 1, SECOND),
                                     command_of("Deposit", "{\"amount\":1}", 1, 2 * SECOND) };
    for (size_t i = 0; i < 3; i++)
        bank_assert_failure(varve_store_schedule(bank.store, &others[i], NULL, &error), VARVE_ID_CONFLICT, &error,
                            "scheduled already");
    struct scheduler *scheduler = start(&bank);
    wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    /* It was executed: so much is known, and nothing is kept again. */
    assert_int_equal(varve_store_schedule(bank.store, &command, &scheduled, &error), VARVE_REPEATED);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_DONE);
    varve_scheduled_fini(&scheduled);
    assert_int_equal(varve_store_schedule(bank.store, &others[0], NULL, &error), VARVE_ID_CONFLICT);
    assert_int_equal(varve_scheduled_get(bank.store, bank_id(1), &scheduled, &error), VARVE_NOT_FOUND);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    bank_close(&bank);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    varve_command command = command_of("Deposit", "{}", 1, 0);
    bank_assert_failure(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID, &error, "not_before");
    command.not_before = INT64_MAX;
    bank_assert_failure(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID, &error, "10000");
    command = command_of("Deposit", "{", 1, SECOND);
    assert_int_equal(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID);
    command = command_of("Deposit", "{}", 1, SECOND);
    command.time = -1; /* what could not be read back */
    bank_assert_failure(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID, &error, "time");
    command.time = 0;
    command.expected = VARVE_STREAM_AT;
    command.expected_version = UINT64_MAX;
    bank_assert_failure(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID, &error, "63 bits");
    command = command_of("Deposit", "{}", 1, SECOND);
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_INVALID, &error, "scheduled");
    assert_int_equal(varve_scheduled_cancel(bank.store, bank_id(1), NULL, &error), VARVE_NOT_FOUND);
    bank_close(&bank);
}

/* Damage, which a checksum would tell of, or what another version of varve wrote. */
static void a_record_that_cannot_be_read_holds_up_no_other(void **state)
{
    (void)state;
    struct bank bank;
    size_t failed = 0;
    varve_error error = { 0 };
    char id[VARVE_UUID_TEXT_BYTES], due[64];
    bank_open(&bank, 0);
    varve_uuid_format(bank_id(7), id);
    int len = snprintf(due, sizeof due, "%020d/%s", 1, id);
    struct store_write writes[] = {
        { .record = { .space = VARVE_STR("scheduled"),
                      .key = varve_str_of(id),
                      .value = VARVE_STR("{\"state\":-1}") } },
        { .record = { .space = VARVE_STR("scheduled due"), .key = { due, (size_t)len }, .value = VARVE_STR("{}") } },
    };
    assert_int_equal(store_records_write(bank.store, writes, 2, &failed, &error), VARVE_OK);
    varve_command filler = command_of("Deposit", "{\"amount\":2}", 2, 2 * SECOND);
    filler.expected_version = UINT64_MAX; /* of no meaning without VARVE_STREAM_AT */
    assert_int_equal(varve_store_schedule(bank.store, &filler, NULL, &error), VARVE_OK);
    bank_start(&bank, 1, 100);
    struct scheduler *scheduler = start(&bank);
    wait_until_gone(&bank, 2);
    scheduler_close(scheduler);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    bank_close(&bank);
}

/* Whoever ran it before may have been killed behind the commit: an attempt that never came to the log says nothing of
 * that, so it does not become one that can be called off. */
static void what_may_have_happened_is_not_called_off(void **state)
{
    (void)state;
    struct bank bank;
    size_t failed = 0;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    char id[VARVE_UUID_TEXT_BYTES], due[64], value[256];
    bank_open(&bank, 0);
    varve_uuid_format(bank_id(1), id);
    int len = snprintf(due, sizeof due, "%020d/%s", 1, id);
    snprintf(value, sizeof value,
             "{\"state\":%d,\"not_before\":1,\"scheduled_at\":1,\"next_at\":1,\"attempts\":1,\"expected\":0,"
             "\"expected_version\":0,\"time\":1,\"type\":\"Go\",\"stream\":\"nobody-1\",\"data\":{}}",
             (int)VARVE_SCHEDULED_RUNNING);
    struct store_write writes[] = {
        { .record = { .space = VARVE_STR("scheduled"), .key = varve_str_of(id), .value = varve_str_of(value) } },
        { .record = { .space = VARVE_STR("scheduled due"), .key = { due, (size_t)len }, .value = VARVE_STR("{}") } },
    };
    assert_int_equal(store_records_write(bank.store, writes, 2, &failed, &error), VARVE_OK);
    bank_start(&bank, 1, 100);
    struct scheduler *scheduler = start(&bank);
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

static void what_comes_to_nothing_is_kept_with_its_reason(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    varve_scheduled_state was = VARVE_SCHEDULED_WAITING;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    schedule(&bank, "Withdraw", "{\"amount\":5}", 1, SECOND);
    schedule(&bank, "Burn", "{}", 2, SECOND);
    varve_command pinned = command_of("Deposit", "{\"amount\":5}", 3, SECOND);
    pinned.expected = VARVE_STREAM_AT;
    pinned.expected_version = 7;
    assert_int_equal(varve_store_schedule(bank.store, &pinned, NULL, &error), VARVE_OK);
    varve_command foreign = command_of("Deposit", "{\"amount\":5}", 4, SECOND);
    foreign.stream = VARVE_STR("unknown-1");
    assert_int_equal(varve_store_schedule(bank.store, &foreign, NULL, &error), VARVE_OK);
    struct scheduler *scheduler = start(&bank);
    const struct {
        varve_scheduled_state state;
        const char *code;
    } expected[] = { { VARVE_SCHEDULED_REJECTED, "insufficient_funds" },
                     { VARVE_SCHEDULED_FAILED, "application-error" },
                     { VARVE_SCHEDULED_FAILED, "version-conflict" },
                     { VARVE_SCHEDULED_WAITING, "not-found" } };
    for (uint8_t i = 0; i < 4; i++) {
        wait_until(&bank, i + 1, expected[i].state, &scheduled);
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

static void set_gate(struct bank *bank, bool closed)
{
    pthread_mutex_lock(&bank->mutex);
    bank->gate_closed = closed;
    pthread_cond_broadcast(&bank->changed);
    pthread_mutex_unlock(&bank->mutex);
}

static void what_runs_cannot_be_cancelled(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    set_gate(&bank, true);
    schedule(&bank, "Deposit", "{\"amount\":5}", 1, SECOND);
    struct scheduler *scheduler = start(&bank);
    bank_wait_for(&bank, &bank.decided, 1);
    bank_assert_failure(varve_scheduled_cancel(bank.store, bank_id(1), NULL, &error), VARVE_CONFLICT, &error,
                        "running");
    assert_int_equal(varve_scheduled_get(bank.store, bank_id(1), &scheduled, &error), VARVE_OK);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_RUNNING);
    assert_int_equal(scheduled.attempts, 1);
    varve_scheduled_fini(&scheduled);
    set_gate(&bank, false);
    wait_until_gone(&bank, 1);
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
    for (unsigned i = 1; i <= COUNT; i++) schedule(&bank, "Deposit", "{\"amount\":1}", (uint8_t)i, i * SECOND);
    for (unsigned at_least = 40; at_least <= 80; at_least += 40) {
        struct scheduler *scheduler = start(&bank);
        bank_wait_for(&bank, &bank.decided, at_least);
        scheduler_close(scheduler);
        lanes_close(bank.lanes);
        bank_start(&bank, 2, 1000);
    }
    struct scheduler *scheduler = start(&bank);
    for (unsigned i = 1; i <= COUNT; i++) wait_until_gone(&bank, (uint8_t)i);
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
    struct scheduler *one = start(&bank), *other = start(&bank);
    for (unsigned i = 1; i <= COUNT; i++) {
        schedule(&bank, "Deposit", "{\"amount\":1}", (uint8_t)i, SECOND);
        scheduler_wake(i % 2 == 0 ? one : other);
    }
    for (unsigned i = 1; i <= COUNT; i++) wait_until_gone(&bank, (uint8_t)i);
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
    schedule(&bank, "Deposit", "{\"amount\":1}", 1, SECOND);
    struct scheduler *scheduler = start(&bank);
    wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    read_all(&bank, text, sizeof text, &at);
    assert_string_equal(text, "Deposited {\"amount\":1}, ");
    if (store_has_many_writers(bank.store)) assert_true(at >= lease.expires_at);
    arena_fini(&memory);
    bank_close(&bank);
}

struct page {
    unsigned count, ends_after;
    varve_uuid last;
};

static varve_status count_one(void *ctx, const varve_scheduled *scheduled)
{
    struct page *page = ctx;
    assert_true(memcmp(&scheduled->command.id, &page->last, sizeof page->last) > 0);
    assert_int_equal(scheduled->command.data.len, 0);
    page->last = scheduled->command.id;
    return ++page->count == page->ends_after ? VARVE_DONE : VARVE_OK;
}

static void they_are_listed_in_pages(void **state)
{
    (void)state;
    struct bank bank;
    struct page page = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    for (uint8_t i = 1; i <= 50; i++) schedule(&bank, "Deposit", "{\"amount\":1}", i, (51 - i) * SECOND);
    assert_int_equal(varve_scheduled_list(bank.store, page.last, 20, count_one, &page, &error), VARVE_OK);
    assert_int_equal(page.count, 20);
    page.ends_after = 45;
    assert_int_equal(varve_scheduled_list(bank.store, page.last, 0, count_one, &page, &error), VARVE_OK);
    assert_int_equal(page.count, 45);
    assert_int_equal(varve_scheduled_list(bank.store, page.last, 0, count_one, &page, &error), VARVE_OK);
    assert_int_equal(page.count, 50);
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
    schedule(&bank, "Deposit", "{\"amount\":1}", 1, varve_time_now() - 60 * SECOND);
    struct scheduler *scheduler = start(&bank);
    while (looks < 2) sched_yield();
    assert_int_equal(bank_version(&bank, "account-1"), 0);
    behind = 0;
    wait_until_gone(&bank, 1);
    scheduler_close(scheduler);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    bank_close(&bank);
}

/* ---- judging ---- */

static void attempts_are_judged(void **state)
{
    (void)state;
    static const struct {
        varve_status status;
        varve_condition_kind expected;
        uint32_t attempts;
        enum scheduler_verdict verdict;
        varve_time delay_s;
    } cases[] = {
        { VARVE_OK, VARVE_STREAM_ANY, 1, SCHEDULER_DONE, 1 },
        { VARVE_REPEATED, VARVE_STREAM_ANY, 100, SCHEDULER_DONE, 300 },
        { VARVE_REJECTED, VARVE_STREAM_ANY, 1, SCHEDULER_REJECTED, 1 },
        { VARVE_APPLICATION, VARVE_STREAM_ANY, 1, SCHEDULER_FAILED, 1 },
        { VARVE_CONFLICT, VARVE_STREAM_AT, 1, SCHEDULER_FAILED, 1 },
        { VARVE_CONFLICT, VARVE_STREAM_ANY, 2, SCHEDULER_AGAIN, 2 },
        { VARVE_ENRICH_FAILED, VARVE_STREAM_ANY, 9, SCHEDULER_AGAIN, 256 },
        { VARVE_ENRICH_FAILED, VARVE_STREAM_ANY, 10, SCHEDULER_AGAIN, 300 },
        { VARVE_ENRICH_FAILED, VARVE_STREAM_ANY, 99, SCHEDULER_AGAIN, 300 },
        { VARVE_ENRICH_FAILED, VARVE_STREAM_ANY, 100, SCHEDULER_FAILED, 300 },
        { VARVE_BUSY, VARVE_STREAM_ANY, 1000, SCHEDULER_AGAIN, 300 },
        { VARVE_INDETERMINATE, VARVE_STREAM_ANY, 1000, SCHEDULER_PERHAPS_AGAIN, 300 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_time delay_us = 0;
        assert_int_equal(scheduler_judge(cases[i].status, cases[i].expected, cases[i].attempts, &delay_us),
                         cases[i].verdict);
        assert_int_equal(delay_us, cases[i].delay_s * SECOND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_is_executed_in_order),
        cmocka_unit_test(none_is_executed_before_its_time),
        cmocka_unit_test(a_command_is_scheduled_once),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_record_that_cannot_be_read_holds_up_no_other),
        cmocka_unit_test(what_may_have_happened_is_not_called_off),
        cmocka_unit_test(what_comes_to_nothing_is_kept_with_its_reason),
        cmocka_unit_test(what_runs_cannot_be_cancelled),
        cmocka_unit_test(the_rest_is_for_the_next),
        cmocka_unit_test(two_do_not_get_in_each_others_way),
        cmocka_unit_test(a_lease_is_taken_over),
        cmocka_unit_test(they_are_listed_in_pages),
        cmocka_unit_test(a_clock_that_goes_back_makes_it_late_and_no_more),
        cmocka_unit_test(attempts_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
