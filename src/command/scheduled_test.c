/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduled commands: how they are kept, found, listed and taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <sched.h>
#include <cmocka.h>

#include "command/scheduled.h"
#include "command/scheduled_fixture.h"

#define SECOND INT64_C(1000000)

static void a_command_is_scheduled_once(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled scheduled = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    scheduled_add(&bank, "Deposit", "{\"amount\":1}", 1, SECOND);
    varve_command command = scheduled_command("Deposit", " { \"amount\":1}", 1, SECOND);
    assert_int_equal(varve_store_schedule(bank.store, &command, &scheduled, &error), VARVE_REPEATED);
    assert_int_equal(scheduled.state, VARVE_SCHEDULED_WAITING);
    bank_assert_text(scheduled.command.data, "{\"amount\":1}");
    varve_scheduled_fini(&scheduled);
    const varve_command others[] = { scheduled_command("Deposit", "{\"amount\":2}", 1, SECOND),
                                     scheduled_command("Withdraw", "{\"amount\":1}", 1, SECOND),
                                     scheduled_command("Deposit", "{\"amount\":1}", 1, 2 * SECOND) };
    for (size_t i = 0; i < 3; i++)
        bank_assert_failure(varve_store_schedule(bank.store, &others[i], NULL, &error), VARVE_ID_CONFLICT, &error,
                            "scheduled already");
    struct scheduler *scheduler = scheduled_start(&bank);
    scheduled_wait_until_gone(&bank, 1);
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
    varve_command command = scheduled_command("Deposit", "{}", 1, 0);
    bank_assert_failure(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID, &error, "not_before");
    command.not_before = INT64_MAX;
    bank_assert_failure(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID, &error, "10000");
    command = scheduled_command("Deposit", "{", 1, SECOND);
    assert_int_equal(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID);
    command = scheduled_command("Deposit", "{}", 1, SECOND);
    command.time = -1; /* what could not be read back */
    bank_assert_failure(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID, &error, "time");
    command.time = 0;
    command.expected = VARVE_STREAM_AT;
    command.expected_version = UINT64_MAX;
    bank_assert_failure(varve_store_schedule(bank.store, &command, NULL, &error), VARVE_INVALID, &error, "63 bits");
    command = scheduled_command("Deposit", "{}", 1, SECOND);
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_INVALID, &error, "scheduled");
    assert_int_equal(varve_scheduled_cancel(bank.store, bank_id(1), NULL, &error), VARVE_NOT_FOUND);
    bank_close(&bank);
}

/* Damage, which a checksum would tell of, or what another version of varve wrote. */
static void a_record_that_cannot_be_read_holds_up_no_other(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_scheduled_state was = VARVE_SCHEDULED_WAITING;
    bank_open(&bank, 0);
    scheduled_put(&bank, 7, "{\"state\":-1}", "{}");
    varve_command filler = scheduled_command("Deposit", "{\"amount\":2}", 2, 2 * SECOND);
    filler.expected_version = UINT64_MAX; /* of no meaning without VARVE_STREAM_AT */
    assert_int_equal(varve_store_schedule(bank.store, &filler, NULL, &error), VARVE_OK);
    bank_start(&bank, 1, 100);
    struct scheduler *scheduler = scheduled_start(&bank);
    scheduled_wait_until_gone(&bank, 2);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    /* It is taken away like any other, and its key, which nobody could know, by the scheduler. */
    assert_int_equal(varve_scheduled_cancel(bank.store, bank_id(7), &was, &error), VARVE_OK);
    assert_int_equal(was, VARVE_SCHEDULED_UNREADABLE);
    assert_string_equal(varve_scheduled_cancel_word(was), "discarded");
    assert_int_equal(varve_scheduled_cancel(bank.store, bank_id(7), &was, &error), VARVE_NOT_FOUND);
    scheduler_wake(scheduler);
    while (bank_count_records(&bank, "scheduled due") > 0) sched_yield();
    scheduler_close(scheduler);
    bank_close(&bank);
}

static bool is_an_account(void *ctx, const varve_command *command)
{
    (void)ctx;
    return varve_str_is(varve_stream_category(command->stream), "account");
}

/* Puts due keys of others in front of everything. */
static void crowd(struct bank *bank, unsigned count)
{
    for (unsigned done = 0; done < count;) {
        struct store_write writes[50];
        char keys[50][64];
        size_t some = 0, failed = 0;
        varve_error error = { 0 };
        for (; some < 50 && done < count; some++, done++) {
            snprintf(keys[some], sizeof keys[some], "%020u/01890a5d-ac96-774b-bcce-b302%08x", 0U, done);
            writes[some] = (struct store_write){
                .record = { .space = VARVE_STR("scheduled due"),
                            .key = varve_str_of(keys[some]),
                            .value = VARVE_STR("{\"type\":\"Ring\",\"stream\":\"bell-1\"}") },
            };
        }
        assert_int_equal(store_records_write(bank->store, writes, some, &failed, &error), VARVE_OK);
    }
}

static void what_others_have_due_is_passed_over(void **state)
{
    (void)state;
    struct bank bank;
    struct scheduled_scan scan = { .wants = is_an_account };
    struct scheduled_due due[2];
    size_t found = 9;
    varve_time now = 0;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    crowd(&bank, 1100);
    for (uint8_t i = 1; i <= 3; i++) scheduled_add(&bank, "Deposit", "{\"amount\":1}", i, i * SECOND);
    /* So many at a time; then from there, again and again, while there is something. */
    assert_int_equal(scheduled_next(bank.store, &scan, 2, due, &found, &now, &error), VARVE_OK);
    assert_int_equal(found, 0);
    assert_true(scan.others_due);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(scheduled_next(bank.store, &scan, 2, due, &found, &now, &error), VARVE_OK);
        assert_int_equal(found, 2);
        assert_int_equal(due[1].next_at, 2 * SECOND);
    }
    struct scheduler *scheduler = scheduled_start(&bank);
    for (uint8_t i = 1; i <= 3; i++) scheduled_wait_until_gone(&bank, i);
    scheduler_close(scheduler);
    assert_int_equal(bank_count_records(&bank, "scheduled due"), 1100);
    assert_int_equal(scheduled_next(bank.store, &scan, 2, due, &found, &now, &error), VARVE_OK);
    assert_int_equal(found, 0);
    assert_string_equal(scan.after, "");
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
    for (uint8_t i = 1; i <= 50; i++) scheduled_add(&bank, "Deposit", "{\"amount\":1}", i, (51 - i) * SECOND);
    assert_int_equal(varve_scheduled_list(bank.store, page.last, 20, count_one, &page, &error), VARVE_OK);
    assert_int_equal(page.count, 20);
    page.ends_after = 45;
    assert_int_equal(varve_scheduled_list(bank.store, page.last, 0, count_one, &page, &error), VARVE_OK);
    assert_int_equal(page.count, 45);
    assert_int_equal(varve_scheduled_list(bank.store, page.last, 0, count_one, &page, &error), VARVE_OK);
    assert_int_equal(page.count, 50);
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_scheduled_once),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_record_that_cannot_be_read_holds_up_no_other),
        cmocka_unit_test(what_others_have_due_is_passed_over),
        cmocka_unit_test(they_are_listed_in_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
