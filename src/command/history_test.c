/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command/bank_fixture.h"
#include "command/history.h"

/* Appends `count` deposits of 1, 2, 3 … straight to the stream. */
static void deposit(struct bank *bank, int count)
{
    for (int i = 1; i <= count; i++) bank_deposit_directly(bank, VARVE_STR("account-1"), i);
}

static varve_history read_page(struct bank *bank, varve_history_options options)
{
    varve_history history = { 0 };
    varve_error error = { 0 };
    varve_status status = lanes_history(bank->lanes, VARVE_STR("account-1"), &options, &history, &error);
    if (status != VARVE_OK) fail_msg("%s", error.message);
    bank_assert_text(history.stream, "account-1");
    return history;
}

static void assert_refused(struct bank *bank, const char *stream, varve_history_options options, varve_status expected,
                           const char *part)
{
    varve_history history = { 0 };
    varve_error error = { 0 };
    varve_status status = lanes_history(bank->lanes, varve_str_of(stream), &options, &history, &error);
    bank_assert_failure(status, expected, &error, part);
    assert_null(history.memory);
}

/* Writes "version:patch " for each entry. */
static void add_entries(const varve_history *history, varve_buf *out)
{
    for (size_t i = 0; i < history->count; i++)
        varve_buf_printf(out, "%" PRIu64 ":%.*s ", history->entries[i].event.version,
                         (int)history->entries[i].patch.len, history->entries[i].patch.ptr);
}

static void test_each_event_with_what_it_changed(void **state)
{
    (void)state;
    struct bank bank;
    varve_buf text = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 5);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 2, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 0, NULL, &error), VARVE_OK);
    varve_history history = { 0 };
    assert_int_equal(lanes_history(bank.lanes, VARVE_STR("account-1"), NULL, &history, &error), VARVE_OK);
    add_entries(&history, &text);
    assert_string_equal(text.ptr, "1:[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":5}] "
                                  "2:[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":3}] "
                                  "3:[] ");
    assert_int_equal(history.next, 0);

    const varve_event *withdrawn = &history.entries[1].event;
    varve_str causation;
    bank_assert_text(withdrawn->type, "Withdrawn");
    bank_assert_text(withdrawn->data, "{\"amount\":2}");
    assert_int_equal(withdrawn->position, 2);
    assert_true(withdrawn->recorded_at >= history.entries[0].event.recorded_at);
    assert_int_equal(varve_json_raw(withdrawn->metadata, "causation_id", &causation, &error), VARVE_OK);
    varve_history_fini(&history);
    varve_buf_fini(&text);
    bank_close(&bank);
}

static void test_pages_join_without_a_seam(void **state)
{
    (void)state;
    struct bank bank;
    varve_buf whole = { 0 }, joined = { 0 };
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    deposit(&bank, 23);
    varve_history history = read_page(&bank, (varve_history_options){ 0 });
    assert_int_equal(history.count, 23);
    add_entries(&history, &whole);
    varve_history_fini(&history);
    varve_history_options options = { .limit = 4 };
    do {
        history = read_page(&bank, options);
        assert_int_equal(history.count, history.next == 0 ? 3 : 4);
        add_entries(&history, &joined);
        options.from_version = history.next;
        varve_history_fini(&history);
    } while (options.from_version != 0);
    assert_string_equal(joined.ptr, whole.ptr);
    varve_buf_fini(&whole);
    varve_buf_fini(&joined);
    bank_close(&bank);
}

static void test_a_hundred_entries_by_default(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    deposit(&bank, 101);
    varve_history history = read_page(&bank, (varve_history_options){ 0 });
    assert_int_equal(history.count, 100);
    assert_int_equal(history.next, 101);
    varve_history_fini(&history);
    history = read_page(&bank, (varve_history_options){ .limit = VARVE_HISTORY_MAX });
    assert_int_equal(history.count, 101);
    assert_int_equal(history.next, 0);
    varve_history_fini(&history);
    bank_close(&bank);
}

static void test_a_page_begins_with_the_snapshot_before_it(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank.account.snapshot_every = 5;
    bank_start(&bank, 1, 10);
    for (int i = 0; i < 30; i++)
        assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_OK);
    bank_deposit_directly(&bank, VARVE_STR("other-1"), 0); /* the snapshot is in its transaction or an earlier one */
    unsigned evolved = bank.evolved;
    varve_history history = read_page(&bank, (varve_history_options){ .from_version = 28, .limit = 2 });
    assert_int_equal(history.entries[0].event.version, 28);
    bank_assert_text(history.entries[0].patch, "[{\"op\":\"replace\",\"path\":\"/balance\",\"value\":28}]");
    assert_int_equal(bank.evolved, evolved + 2 + 2); /* 26 and 27 after the snapshot at 25, then the two shown */
    varve_history_fini(&history);
    bank_close(&bank);
}

static void test_large_events_make_short_pages(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_buf data = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    varve_buf_str(&data, VARVE_STR("{\"amount\":1,\"pad\":\""));
    while (data.len < 1000000) varve_buf_str(&data, VARVE_STR("................................................"));
    varve_buf_str(&data, VARVE_STR("\"}"));
    varve_event event = { .stream = VARVE_STR("account-1"),
                          .type = VARVE_STR("Deposited"),
                          .data = varve_buf_view(&data) };
    for (int i = 0; i < 7; i++)
        assert_int_equal(varve_append(bank.store, &(varve_append_request){ .events = &event, .event_count = 1 }, NULL,
                                      &error),
                         VARVE_OK);
    varve_history history = read_page(&bank, (varve_history_options){ 0 });
    assert_int_equal(history.count, HISTORY_PAGE_BYTES / data.len + 1);
    assert_int_equal(history.next, history.count + 1);
    varve_history_fini(&history);
    varve_buf_fini(&data);
    bank_close(&bank);
}

static void test_what_has_no_history(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    deposit(&bank, 3);
    varve_history history = read_page(&bank, (varve_history_options){ .from_version = 4 }); /* nothing there yet */
    assert_int_equal(history.count, 0);
    assert_int_equal(history.next, 0);
    varve_history_fini(&history);
    assert_refused(&bank, "account-1", (varve_history_options){ .from_version = 5 }, VARVE_NOT_FOUND, "it is at 3");
    assert_refused(&bank, "account-9", (varve_history_options){ 0 }, VARVE_NOT_FOUND, "account-9");
    assert_refused(&bank, "order-1", (varve_history_options){ 0 }, VARVE_NOT_FOUND, "'order'");
    assert_refused(&bank, "", (varve_history_options){ 0 }, VARVE_INVALID, "stream");
    assert_refused(&bank, "account-1", (varve_history_options){ .limit = VARVE_HISTORY_MAX + 1 }, VARVE_INVALID,
                   "1000");
    assert_refused(&bank, "account-1", (varve_history_options){ .from_version = UINT64_MAX }, VARVE_INVALID,
                   "versions");
    bank_close(&bank);
}

static void test_a_failing_evolve_is_told(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    deposit(&bank, 1);
    const varve_event strange = { .stream = VARVE_STR("account-1"), .type = VARVE_STR("Deposited") };
    assert_int_equal(varve_append(bank.store, &(varve_append_request){ .events = &strange, .event_count = 1 }, NULL,
                                  &error),
                     VARVE_OK);
    assert_refused(&bank, "account-1", (varve_history_options){ 0 }, VARVE_APPLICATION,
                   "evolve of Deposited, version 2");
    bank_close(&bank);
}

static void test_a_decider_without_encode_has_no_history(void **state)
{
    (void)state;
    struct bank bank;
    bank_open(&bank, 0);
    bank.account.encode = NULL;
    bank.account.decode = NULL;
    bank_start(&bank, 1, 10);
    deposit(&bank, 1);
    assert_refused(&bank, "account-1", (varve_history_options){ 0 }, VARVE_UNSUPPORTED, "encode");
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_event_with_what_it_changed),
        cmocka_unit_test(test_pages_join_without_a_seam),
        cmocka_unit_test(test_a_hundred_entries_by_default),
        cmocka_unit_test(test_a_page_begins_with_the_snapshot_before_it),
        cmocka_unit_test(test_large_events_make_short_pages),
        cmocka_unit_test(test_what_has_no_history),
        cmocka_unit_test(test_a_failing_evolve_is_told),
        cmocka_unit_test(test_a_decider_without_encode_has_no_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
