/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "command/bank_fixture.h"
#include "command/enrich.h"

/* A bank whose withdrawals look the limit up first. What is looked up waits while `held`, but for streams of `free`. */
struct look_up {
    struct bank *bank;
    bool held;
    unsigned begun; /* calls of enrich */
    const char *free;
    varve_status fails; /* 0: it does not */
};

static struct look_up look_up;

static varve_status enrich(void *worker, const varve_command *command, varve_enrichment *enrichment, varve_buf *context,
                           varve_error *error)
{
    struct bank *bank = look_up.bank;
    (void)worker;
    assert_true(varve_enrich_left_ms(enrichment) > 0);
    pthread_mutex_lock(&bank->mutex);
    look_up.begun++;
    pthread_cond_broadcast(&bank->changed);
    while (look_up.held && (look_up.free == NULL || !varve_str_is(command->stream, look_up.free)))
        pthread_cond_wait(&bank->changed, &bank->mutex);
    pthread_mutex_unlock(&bank->mutex);
    if (look_up.fails == VARVE_APPLICATION) return varve_error_set(error, VARVE_INVALID, "enrich.c:3: a mistake");
    if (look_up.fails != VARVE_OK) {
        const varve_query_request request = { .name = VARVE_STR("limits") };
        varve_answer answer = { 0 };
        return varve_enrich_query(enrichment, &request, &answer, error);
    }
    varve_buf_printf(context, "{\"limit\":10}");
    return VARVE_OK;
}

static varve_status ask_in_vain(void *ctx, const varve_query_request *request, uint64_t deadline_ns,
                                const atomic_bool *stopping, varve_answer *answer, varve_error *error)
{
    (void)ctx, (void)request, (void)deadline_ns, (void)stopping, (void)answer;
    return varve_error_set(error, VARVE_TIMEOUT, "no limits to be had");
}

static varve_status withdraw_within(const void *state, const varve_command *command, varve_decision *decision,
                                    varve_error *error)
{
    int64_t amount = 0, limit = 0;
    (void)state;
    if (varve_json_int(command->data, "amount", &amount, error) < 0) return error->status;
    if (varve_json_int(command->context, "limit", &limit, error) < 0) return error->status;
    if (amount > limit) return varve_reject(decision, "over_the_limit", "the limit is %d", (int)limit);
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Withdrawn"), .data = command->data });
}

static varve_status deposit(const void *state, const varve_command *command, varve_decision *decision,
                            varve_error *error)
{
    (void)state, (void)error;
    if (command->context.len > 0) return varve_error_set(error, VARVE_APPLICATION, "a deposit has no context");
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Deposited"), .data = command->data });
}

static const varve_command_handler commands[] = { { "Withdraw", withdraw_within },
                                                  { "Deposit", deposit },
                                                  { NULL, NULL } };
static const char *const enriched[] = { "Withdraw", NULL };

static void start(struct bank *bank)
{
    look_up = (struct look_up){ .bank = bank };
    bank_open(bank, 0);
    bank->account.commands = commands;
    bank->account.enrich = enrich;
    bank->account.enriched = enriched;
    bank->asks.query = ask_in_vain;
    bank_start(bank, 2, 100);
}

static void a_decision_has_what_was_fetched(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    start(&bank);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 10, &outcome, &error), VARVE_OK);
    assert_null(memmem(outcome.events[0].metadata.ptr, outcome.events[0].metadata.len, "context", 7));
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 11, &outcome, &error), VARVE_REJECTED);
    bank_assert_text(outcome.message, "the limit is 10");
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 11, NULL, &error), VARVE_OK);
    assert_int_equal(look_up.begun, 2);
    varve_command command = { .type = VARVE_STR("Withdraw"), .stream = VARVE_STR("account-1") };
    command.context = VARVE_STR("{\"limit\":1000}");
    bank_assert_failure(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_INVALID, &error, "context");
    bank_close(&bank);
}

static void it_is_recorded_where_the_decider_says_so(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_buf context = { 0 };
    varve_str raw = { 0 };
    varve_error error = { 0 };
    look_up = (struct look_up){ .bank = &bank };
    bank_open(&bank, 0);
    bank.account.commands = commands;
    bank.account.enrich = enrich;
    bank.account.enriched = enriched;
    bank.account.record_context = true;
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 1, &outcome, &error), VARVE_OK);
    assert_int_equal(varve_json_raw(outcome.events[0].metadata, "context", &raw, NULL), VARVE_OK);
    bank_assert_text(raw, "{\"limit\":10}");
    varve_outcome_fini(&outcome);
    varve_buf_fini(&context);
    bank_close(&bank);
}

/* Conflicts are decided again with the same context. */
static varve_status compete(const void *state, const varve_command *command, varve_decision *decision,
                            varve_error *error)
{
    struct bank *bank = look_up.bank;
    if (bank->competitors > 0) {
        bank->competitors--;
        bank_deposit_directly(bank, command->stream, 1000);
    }
    return withdraw_within(state, command, decision, error);
}

static void it_is_fetched_once_however_often_is_decided(void **state)
{
    (void)state;
    static const varve_command_handler competing[] = { { "Withdraw", compete }, { NULL, NULL } };
    struct bank bank;
    varve_error error = { 0 };
    look_up = (struct look_up){ .bank = &bank };
    bank_open(&bank, 0);
    bank.account.commands = competing;
    bank.account.enrich = enrich;
    bank_start(&bank, 1, 100);
    bank.competitors = 3;
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank_version(&bank, "account-1"), 4);
    assert_int_equal(look_up.begun, 1);
    bank_close(&bank);
}

/* One stream waits; the others, and whatever needs no enrichment there, do not. */
static void a_slow_one_holds_up_its_own_stream_alone(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    varve_error error = { 0 };
    start(&bank);
    look_up.held = true;
    look_up.free = "account-2";
    struct bank_journal journal = { &bank, .answers = 0 };
    bank_order(&journal, "Withdraw", 1, 0);
    bank_order(&journal, "Deposit", 7, 0); /* in order: behind it */
    bank_order(&journal, "Withdraw", 2, 0);
    bank_wait_for(&bank, &look_up.begun, 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(bank_execute(&bank, "Withdraw", "account-2", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-3", 1, NULL, &error), VARVE_OK);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.enrichment.waiting, 3);
    assert_int_equal(stats.enrichment.done, 20);
    assert_int_equal(bank_version(&bank, "account-1"), 0);
    bank_set(&bank, &look_up.held, false);
    bank_wait_for(&bank, &journal.answers, 3);
    assert_string_equal(journal.text, "v1 v2 v3 ");
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.enrichment.waiting, 0);
    bank_close(&bank);
}

/* A decider over a query, which has commands on the account too and enriches none. */
static varve_status read_audits(void *worker, const varve_command *command, varve_reading *reading, varve_error *error)
{
    const varve_str types[] = { VARVE_STR("Audited") };
    (void)worker, (void)command, (void)error;
    return varve_read_item(reading, &(varve_query_item){ types, 1, NULL, 0 });
}

static varve_status see_audit(void *state, const varve_event *event, varve_error *error)
{
    (void)state, (void)event, (void)error;
    return VARVE_OK;
}

static varve_status audit(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    (void)state, (void)command, (void)error;
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Audited"), .data = VARVE_STR("{\"amount\":0}") });
}

static const varve_command_handler audits[] = { { "AuditAll", audit }, { NULL, NULL } };
static const varve_decider auditor = {
    .state_size = sizeof(int), .reads = read_audits, .evolve = see_audit, .commands = audits
};

static void commands_of_another_decider_stay_in_order(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    look_up = (struct look_up){ .bank = &bank };
    bank_open(&bank, 0);
    bank.account.commands = commands;
    bank.account.enrich = enrich;
    bank.second = &auditor;
    bank_start(&bank, 2, 100);
    look_up.held = true;
    struct bank_journal journal = { &bank, .answers = 0 };
    bank_order(&journal, "Withdraw", 1, 0);
    bank_wait_for(&bank, &look_up.begun, 1);
    bank_order(&journal, "AuditAll", 1, 0);
    bank_order(&journal, "Withdraw", 2, 0);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.enrichment.waiting, 3);
    bank_set(&bank, &look_up.held, false);
    bank_wait_for(&bank, &journal.answers, 3);
    assert_string_equal(journal.text, "v1 v2 v3 ");
    bank_close(&bank);
}

static void a_failing_one_writes_nothing(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    varve_error error = { 0 };
    start(&bank);
    look_up.fails = VARVE_TIMEOUT;
    bank_assert_failure(bank_execute(&bank, "Withdraw", "account-1", 1, NULL, &error), VARVE_ENRICH_FAILED, &error,
                        "enrich of Withdraw on account-1: no limits to be had");
    assert_true((error.flags & VARVE_ERROR_RETRIABLE) != 0);
    look_up.fails = VARVE_APPLICATION;
    bank_assert_failure(bank_execute(&bank, "Withdraw", "account-1", 1, NULL, &error), VARVE_APPLICATION, &error,
                        "enrich.c:3: a mistake");
    assert_int_equal(bank_version(&bank, "account-1"), 0);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.enrichment.failed, 2);
    assert_int_equal(stats.failed, 2);
    look_up.fails = VARVE_OK;
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 1, NULL, &error), VARVE_OK);
    bank_close(&bank);
}

/* The first outcome, whatever could be fetched now. */
static void a_repeat_is_not_enriched(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    start(&bank);
    varve_command command = { .type = VARVE_STR("Withdraw"), .stream = VARVE_STR("account-1"), .id = bank_id(1) };
    command.data = VARVE_STR("{\"amount\":11}");
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, NULL, &error), VARVE_REJECTED);
    look_up.fails = VARVE_TIMEOUT;
    assert_int_equal(lanes_execute_wait(bank.lanes, &command, &outcome, &error), VARVE_REJECTED);
    assert_true(outcome.repeated);
    bank_assert_text(outcome.stream, "account-1");
    assert_memory_equal(&outcome.id, &command.id, sizeof command.id);
    varve_outcome_fini(&outcome);
    assert_int_equal(look_up.begun, 1);
    bank_close(&bank);
}

static void what_has_not_begun_is_refused_when_the_lanes_close(void **state)
{
    (void)state;
    struct bank bank;
    start(&bank);
    look_up.held = true;
    struct bank_journal journal = { &bank, .answers = 0 };
    bank_order(&journal, "Withdraw", 1, 0);
    bank_order(&journal, "Withdraw", 2, 0);
    bank_wait_for(&bank, &look_up.begun, 1);
    bank_set(&bank, &look_up.held, false);
    lanes_close(bank.lanes);
    assert_int_equal(journal.answers, 2);
    assert_non_null(strstr(journal.text, "v1 "));
    bank_start(&bank, 1, 10);
    bank_close(&bank);
}

/* Without an end: the lanes go on with what needs no enrichment. */
static void what_waits_is_refused_as_soon_as_enriching_stops(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    start(&bank);
    look_up.held = true;
    struct bank_journal journal = { &bank, .answers = 0 };
    for (int i = 0; i < 5; i++) bank_order(&journal, "Withdraw", 1, 0);
    bank_wait_for(&bank, &look_up.begun, 1);
    lanes_stop_enriching(bank.lanes);
    bank_assert_failure(bank_execute(&bank, "Withdraw", "account-2", 1, NULL, &error), VARVE_UNAVAILABLE, &error,
                        "stopping");
    assert_int_equal(bank_execute(&bank, "Deposit", "account-2", 1, NULL, &error), VARVE_OK);
    bank_set(&bank, &look_up.held, false);
    bank_wait_for(&bank, &journal.answers, 5);
    assert_int_equal(look_up.begun, 1);
    bank_close(&bank);
}

enum { TIMEOUT_MS = 500 };

/* However slow it is, other commands find room; and what waits for its turn waits no longer than it may take. */
static void waiting_is_bounded(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    varve_error error = { 0 };
    look_up = (struct look_up){ .bank = &bank };
    bank_open(&bank, 0);
    bank.account.commands = commands;
    bank.account.enrich = enrich;
    bank.account.enriched = enriched;
    bank.account.enrich_timeout_ms = TIMEOUT_MS;
    bank_start(&bank, 2, 15);
    look_up.held = true;
    struct bank_journal journal = { &bank, .answers = 0 };
    varve_command command = { .type = VARVE_STR("Withdraw"), .stream = VARVE_STR("account-1") };
    command.data = VARVE_STR("{\"amount\":1}");
    bank_order(&journal, "Withdraw", 1, 0);
    bank_wait_for(&bank, &look_up.begun, 1);
    for (int i = 0; i < 3; i++) bank_order(&journal, "Withdraw", 1, 0);
    bank_assert_failure(lanes_execute(bank.lanes, &command, bank_write_down, &journal, &error), VARVE_BUSY, &error,
                        "4 commands wait");
    assert_int_equal(bank_execute(&bank, "Deposit", "account-2", 1, NULL, &error), VARVE_OK);
    uint64_t over = clock_ns() + TIMEOUT_MS * UINT64_C(1000000);
    while (clock_ns() < over) sched_yield();
    bank_set(&bank, &look_up.held, false);
    bank_wait_for(&bank, &journal.answers, 4);
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    assert_int_equal(look_up.begun, 1);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.enrichment.failed, 3);
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decision_has_what_was_fetched),
        cmocka_unit_test(it_is_recorded_where_the_decider_says_so),
        cmocka_unit_test(it_is_fetched_once_however_often_is_decided),
        cmocka_unit_test(a_slow_one_holds_up_its_own_stream_alone),
        cmocka_unit_test(commands_of_another_decider_stay_in_order),
        cmocka_unit_test(a_failing_one_writes_nothing),
        cmocka_unit_test(a_repeat_is_not_enriched),
        cmocka_unit_test(what_has_not_begun_is_refused_when_the_lanes_close),
        cmocka_unit_test(what_waits_is_refused_as_soon_as_enriching_stops),
        cmocka_unit_test(waiting_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
