/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>
#include <cmocka.h>

#include "base/id.h"
#include "command/bank_fixture.h"
#include "store/access.h"

/* ---- outcomes ---- */

static void test_accepted_commands_tell_what_was_appended(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 2, 100);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 100, &outcome, &error), VARVE_OK);
    bank_assert_text(outcome.stream, "account-1");
    assert_int_equal(outcome.version, 1);
    assert_int_equal(outcome.first_position, 1);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_execute(&bank, "DepositThrice", "account-1", 5, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 4);
    assert_int_equal(outcome.first_position, 2);
    assert_int_equal(outcome.last_position, 4);
    assert_int_equal(outcome.event_count, 3);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 15, NULL, &error), VARVE_OK);
    assert_int_equal(bank_balance(&bank, "account-1"), 100);
    bank_close(&bank);
}

/* The outcome's events, as JSON, are what reading the stream gives. */
static void test_events_of_an_outcome_are_as_a_read_gives_them(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_buf told = { 0 }, read = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "DepositThrice", "account-1", 5, &outcome, &error), VARVE_OK);
    varve_read_options options = { .stream = VARVE_STR("account-1") };
    assert_int_equal(varve_cursor_open(&cursor, bank.store, &options, &error), VARVE_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(varve_cursor_next(cursor, &event, &error), VARVE_OK);
        varve_event_write_json(&outcome.events[i], &told);
        varve_event_write_json(event, &read);
    }
    assert_string_equal(told.ptr, read.ptr);
    varve_cursor_close(cursor);
    varve_buf_fini(&told);
    varve_buf_fini(&read);
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

static void test_metadata_says_where_an_event_came_from(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    varve_command command = {
        .type = VARVE_STR("Deposit"),
        .stream = VARVE_STR("account-1"),
        .data = VARVE_STR("{\"amount\":1}"),
        .id = bank_id(1),
    };
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, &outcome, &error), VARVE_OK);
    bank_assert_text(outcome.events[0].metadata, "{\"correlation_id\":\"01890a5d-ac96-774b-bcce-b302099a8001\","
                                                 "\"causation_id\":\"01890a5d-ac96-774b-bcce-b302099a8001\","
                                                 "\"command_digest\":\"e6f17d402e82afb3\"}");
    varve_outcome_fini(&outcome);
    command.id = bank_id(2);
    command.correlation_id = VARVE_STR("c-7");
    command.causation_id = VARVE_STR("e-3");
    command.actor = VARVE_STR("Zo\"e");
    command.traceparent = VARVE_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, &outcome, &error), VARVE_OK);
    bank_assert_text(outcome.events[0].metadata,
                     "{\"correlation_id\":\"c-7\",\"causation_id\":\"01890a5d-ac96-774b-bcce-b302099a8002\","
                     "\"command_causation_id\":\"e-3\",\"command_digest\":\"e6f17d402e82afb3\",\"actor\":\"Zo\\\"e\","
                     "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}");
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

static void test_a_rejection_has_code_and_message_and_writes_nothing(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 30, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 31, &outcome, &error), VARVE_REJECTED);
    bank_assert_text(outcome.code, "insufficient_funds");
    bank_assert_text(outcome.message, "balance is 30");
    bank_assert_text(outcome.stream, "account-1");
    assert_int_equal(outcome.event_count, 0);
    assert_int_equal(error.status, VARVE_OK);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.accepted, 1);
    assert_int_equal(stats.rejected, 1);
    assert_int_equal(stats.failed, 0);
    assert_int_equal(stats.queue_length, 0);
    bank_close(&bank);
}

static void test_a_command_may_be_accepted_without_events(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 30, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Audit", "account-1", 0, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 1);
    assert_int_equal(outcome.first_position, 0);
    assert_int_equal(outcome.last_position, 0);
    assert_int_equal(outcome.event_count, 0);
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

/* ---- failures ---- */

static void test_the_deciders_failures_are_told_apart(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    struct lanes_stats stats;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bank_assert_failure(bank_execute(&bank, "Burn", "account-1", 1, NULL, &error), VARVE_APPLICATION, &error,
                        "Burn on account-1: account.c:7: the bank is on fire");
    bank_assert_failure(bank_execute(&bank, "EmitNonsense", "account-1", 1, NULL, &error), VARVE_APPLICATION, &error,
                        "EmitNonsense on account-1: ");
    bank_assert_failure(bank_execute(&bank, "RejectBadly", "account-1", 1, NULL, &error), VARVE_APPLICATION, &error,
                        "without a rejection");
    bank_assert_failure(bank_execute(&bank, "ForgetError", "account-1", 1, NULL, &error), VARVE_APPLICATION, &error,
                        "ForgetError on account-1: ");
    varve_command command = { .type = VARVE_STR("Deposit"), .stream = VARVE_STR("account-1") };
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_INVALID, &error, "amount");
    assert_int_equal(bank_version(&bank, "account-1"), 0);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.failed, 5);
    bank_close(&bank);
}

static void test_an_event_that_cannot_be_applied_is_the_applications_failure(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    varve_event event = { .stream = VARVE_STR("account-1"), .type = VARVE_STR("Deposited") };
    varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append(bank.store, &request, NULL, &error), VARVE_OK);
    bank_assert_failure(bank_execute(&bank, "Deposit", "account-1", 1, NULL, &error), VARVE_APPLICATION, &error,
                        "Deposited, version 1 on account-1: ");
    bank_close(&bank);
}

static void test_what_is_wrong_with_a_command_is_told_before_it_is_queued(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    char *large = malloc(VARVE_DATA_BYTES_MAX + 1);
    const varve_command good = { .type = VARVE_STR("Deposit"), .stream = VARVE_STR("account-1") };
    varve_command bad = good;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    bad.stream = VARVE_STR("order-1");
    bank_assert_failure(lanes_execute(bank.lanes, &bad, NULL, NULL, &error), VARVE_NOT_FOUND, &error, "'order'");
    bad.stream = VARVE_STR("");
    bank_assert_failure(lanes_execute(bank.lanes, &bad, NULL, NULL, &error), VARVE_INVALID, &error, "stream");
    bad = good;
    bad.type = VARVE_STR("De\nposit");
    bank_assert_failure(lanes_execute(bank.lanes, &bad, NULL, NULL, &error), VARVE_INVALID, &error, "type");
    bad = good;
    bad.data = VARVE_STR("{\"amount\":}");
    bank_assert_failure(lanes_execute(bank.lanes, &bad, NULL, NULL, &error), VARVE_INVALID, &error, "data");
    assert_non_null(large);
    memset(large, ' ', VARVE_DATA_BYTES_MAX + 1);
    large[0] = '1';
    bad.data = (varve_str){ large, VARVE_DATA_BYTES_MAX + 1 };
    bank_assert_failure(lanes_execute(bank.lanes, &bad, NULL, NULL, &error), VARVE_TOO_LARGE, &error, "data");
    bad = good;
    bad.expected = VARVE_FAIL_IF_MATCH;
    bank_assert_failure(lanes_execute(bank.lanes, &bad, NULL, NULL, &error), VARVE_UNSUPPORTED, &error, "match");
    bad = good;
    bad.correlation_id = VARVE_STR("a\nb");
    bank_assert_failure(lanes_execute(bank.lanes, &bad, NULL, NULL, &error), VARVE_INVALID, &error, "correlation_id");
    bad = good;
    bad.type = VARVE_STR("Transfer");
    bank_assert_failure(lanes_execute_wait(bank.lanes, &bad, NULL, &error), VARVE_NOT_FOUND, &error,
                        "'account' has no command 'Transfer'");
    free(large);
    bank_close(&bank);
}

static varve_status decide_knows_nothing(const void *state, const varve_command *command, varve_decision *decision,
                                         varve_error *error)
{
    (void)state, (void)command, (void)decision, (void)error;
    return VARVE_NOT_FOUND;
}

static void test_a_decider_of_one_function_says_itself_what_it_does_not_know(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank.account.commands = NULL;
    bank.account.decide = decide_knows_nothing;
    bank_start(&bank, 1, 100);
    bank_assert_failure(bank_execute(&bank, "Transfer", "account-1", 1, NULL, &error), VARVE_NOT_FOUND, &error,
                        "'account' has no command 'Transfer'");
    bank_close(&bank);
}

/* ---- conflicts ---- */

static void test_a_conflict_is_decided_again_on_what_is_new(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank.competitors = 3;
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "Compete", "account-1", 5, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 4);
    assert_int_equal(outcome.event_count, 1);
    assert_int_equal(error.status, VARVE_OK);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank.decided, 4);
    assert_int_equal(bank.evolved, 3 + 1); /* each competitor's event once, and its own after the commit */
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.retries, 3);
    assert_int_equal(bank_balance(&bank, "account-1"), 3005);
    bank_close(&bank);
}

static void test_a_command_that_always_loses_gives_up(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank.competitors = 1000;
    bank_start(&bank, 1, 100);
    bank_assert_failure(bank_execute(&bank, "Compete", "account-1", 5, &outcome, &error), VARVE_CONFLICT, &error,
                        "version 21");
    assert_int_equal(outcome.current_version, 21);
    assert_int_equal(error.detail, 21);
    assert_int_equal(bank.decided, 21);
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

static void test_a_pinned_version_is_checked_and_never_tried_again(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    varve_command command = {
        .type = VARVE_STR("Compete"),
        .stream = VARVE_STR("account-1"),
        .data = VARVE_STR("{\"amount\":1}"),
    };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);

    command.expected = VARVE_STREAM_EXISTS;
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_CONFLICT, &error, "version 0");
    command.expected = VARVE_STREAM_NONE;
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_OK);
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, &outcome, &error), VARVE_CONFLICT, &error,
                        "version 1");
    assert_int_equal(outcome.current_version, 1);
    varve_outcome_fini(&outcome);

    command.expected = VARVE_STREAM_AT;
    command.expected_version = 1;
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_OK);
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_CONFLICT, &error, "version 2");
    assert_int_equal(bank.decided, 2); /* what does not hold is not even decided */

    command.expected_version = 2;
    bank.competitors = 1;
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, &outcome, &error), VARVE_CONFLICT, &error,
                        "version 3");
    assert_int_equal(outcome.current_version, 3);
    assert_int_equal(error.detail, 3);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank.decided, 3);

    /* A stream that exists goes on existing, whoever else appends to it. */
    command.expected = VARVE_STREAM_EXISTS;
    bank.competitors = 1;
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 5);
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

/* ---- repeats ---- */

static void test_a_repeated_id_gives_the_first_outcome(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome first = { 0 }, again = { 0 };
    varve_buf first_json = { 0 }, again_json = { 0 };
    varve_error error = { 0 };
    varve_command command = {
        .type = VARVE_STR("DepositThrice"),
        .stream = VARVE_STR("account-1"),
        .data = VARVE_STR("{\"amount\":1}"),
        .id = bank_id(1),
    };
    bank_open(&bank, 0);
    bank_start(&bank, 2, 100);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 7, NULL, &error), VARVE_OK);
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, &first, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "DepositThrice", "account-1", 7, NULL, &error), VARVE_OK);
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, &again, &error), VARVE_REPEATED);
    assert_int_equal(again.event_count, 3);
    assert_true(again.repeated && !first.repeated);
    first.repeated = true;
    varve_outcome_write_json(&first, &first_json);
    varve_outcome_write_json(&again, &again_json);
    assert_string_equal(first_json.ptr, again_json.ptr);
    assert_int_equal(bank_version(&bank, "account-1"), 7);

    command.stream = VARVE_STR("account-2");
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_ID_CONFLICT, &error, "account-1");
    varve_buf_fini(&first_json);
    varve_buf_fini(&again_json);
    varve_outcome_fini(&first);
    varve_outcome_fini(&again);
    bank_close(&bank);
}

/* Decided again it would be rejected, or fail: the money is gone. */
static void test_a_repeat_is_not_judged_by_the_state_that_it_made(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    varve_command command = {
        .type = VARVE_STR("Withdraw"),
        .stream = VARVE_STR("account-1"),
        .data = VARVE_STR("{\"amount\":7}"),
        .id = bank_id(1),
    };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 7, NULL, &error), VARVE_OK);
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_OK);
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, &outcome, &error), VARVE_REPEATED);
    assert_int_equal(outcome.event_count, 1);
    assert_int_equal(outcome.version, 2);
    assert_int_equal(outcome.code.len, 0);
    varve_outcome_fini(&outcome);
    command.expected = VARVE_STREAM_AT;
    command.expected_version = 1;
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_REPEATED);
    command.type = VARVE_STR("Burn");
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_ID_CONFLICT, &error,
                        "another command");
    bank_close(&bank);
}

/* The same command executed elsewhere between our look and our append: the store knows the ids. */
struct elsewhere {
    varve_store *store;
    size_t event_count;
};

static varve_status decide_twice(const void *state, const varve_command *command, varve_decision *decision,
                                 varve_error *error)
{
    const struct elsewhere *elsewhere = *(struct elsewhere *const *)state;
    varve_event events[2] = { 0 };
    for (size_t i = 0; i < elsewhere->event_count; i++) {
        events[i] = (varve_event){
            .stream = command->stream,
            .type = VARVE_STR("Tried"),
            .id = id_derive(command->id, (uint32_t)i),
        };
    }
    varve_append_request request = { .events = events, .event_count = elsewhere->event_count };
    if (varve_append(elsewhere->store, &request, NULL, error) < 0) return error->status;
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Tried") });
}

static varve_status remember_elsewhere(void *worker, void *state, varve_error *error)
{
    (void)error;
    *(void **)state = worker;
    return VARVE_OK;
}

static varve_status evolve_nothing(void *state, const varve_event *event, varve_error *error)
{
    (void)state, (void)event, (void)error;
    return VARVE_OK;
}

static void test_a_repeat_that_only_the_store_notices(void **state)
{
    (void)state;
    static const varve_decider attempt = {
        .category = "attempt",
        .state_size = sizeof(void *),
        .initial = remember_elsewhere,
        .evolve = evolve_nothing,
        .decide = decide_twice,
    };
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    for (size_t count = 1; count <= 2; count++) {
        struct lanes *lanes = NULL;
        varve_outcome outcome = { 0 };
        struct elsewhere elsewhere = { bank.store, count };
        struct lanes_options options = { .workers = 1, .queue_limit = 10 };
        varve_command command = { .type = VARVE_STR("Try"), .stream = VARVE_STR("attempt-1") };
        command.id = bank_id((uint8_t)count);
        assert_int_equal(lanes_open(&lanes, bank.store, &options, &error), VARVE_OK);
        assert_int_equal(lanes_add(lanes, &attempt, &elsewhere, &error), VARVE_OK);
        assert_int_equal(lanes_start(lanes, &error), VARVE_OK);
        assert_int_equal(lanes_execute_wait(lanes, &command, &outcome, &error), VARVE_REPEATED);
        assert_int_equal(outcome.event_count, count);
        varve_outcome_fini(&outcome);
        lanes_close(lanes);
    }
    assert_int_equal(bank_version(&bank, "attempt-1"), 3);
    bank_close(&bank);
}

/* Leaves the index by stream and version without entries, as a partial index that no longer says so. */
static void empty_the_index_of_streams(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP INDEX events_by_stream;"
                                  "CREATE INDEX events_by_stream ON events (stream, version) WHERE version < 0;"
                                  "PRAGMA writable_schema = 1;"
                                  "UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX events_by_stream ON "
                                  "events (stream, version)' WHERE name = 'events_by_stream'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_a_repeat_whose_stream_has_lost_its_events_tells_of_damage(void **state)
{
    (void)state;
    struct bank bank;
    char path[128];
    varve_error error = { 0 };
    varve_outcome outcome = { 0 };
    varve_store_options options = { 0 };
    varve_command command = {
        .type = VARVE_STR("Deposit"),
        .stream = VARVE_STR("account-1"),
        .data = VARVE_STR("{\"amount\":1}"),
        .id = bank_id(1),
    };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 10);
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_OK);
    if (!bank.in_a_file) { /* the damage is one of files */
        bank_close(&bank);
        return;
    }
    lanes_close(bank.lanes);
    varve_store_close(bank.store);
    snprintf(path, sizeof path, "%s/bank.db", bank.folder);
    empty_the_index_of_streams(path);
    assert_int_equal(store_open(&bank.store, &store_sqlite, path, &options, &error), VARVE_OK);
    bank_start(&bank, 1, 10);
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, &outcome, &error), VARVE_CORRUPT, &error,
                        "version 1 of 'account-1'");
    assert_int_equal(outcome.event_count, 0);
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_commands_tell_what_was_appended),
        cmocka_unit_test(test_events_of_an_outcome_are_as_a_read_gives_them),
        cmocka_unit_test(test_metadata_says_where_an_event_came_from),
        cmocka_unit_test(test_a_rejection_has_code_and_message_and_writes_nothing),
        cmocka_unit_test(test_a_command_may_be_accepted_without_events),
        cmocka_unit_test(test_the_deciders_failures_are_told_apart),
        cmocka_unit_test(test_an_event_that_cannot_be_applied_is_the_applications_failure),
        cmocka_unit_test(test_what_is_wrong_with_a_command_is_told_before_it_is_queued),
        cmocka_unit_test(test_a_decider_of_one_function_says_itself_what_it_does_not_know),
        cmocka_unit_test(test_a_conflict_is_decided_again_on_what_is_new),
        cmocka_unit_test(test_a_command_that_always_loses_gives_up),
        cmocka_unit_test(test_a_pinned_version_is_checked_and_never_tried_again),
        cmocka_unit_test(test_a_repeated_id_gives_the_first_outcome),
        cmocka_unit_test(test_a_repeat_is_not_judged_by_the_state_that_it_made),
        cmocka_unit_test(test_a_repeat_that_only_the_store_notices),
        cmocka_unit_test(test_a_repeat_whose_stream_has_lost_its_events_tells_of_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
