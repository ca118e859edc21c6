/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that come again with the id their caller gave them: whatever became of the first is told once more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>
#include <semaphore.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/id.h"
#include "command/bank_fixture.h"
#include "command/first.h"
#include "store/access.h"

static varve_status send(struct bank *bank, const char *type, const char *data, uint8_t number, varve_outcome *outcome,
                         varve_error *error)
{
    const varve_command command = {
        .type = varve_str_of(type),
        .stream = VARVE_STR("account-1"),
        .data = varve_str_of(data),
        .id = bank_id(number),
    };
    return lanes_execute_wait(bank->lanes, &command, outcome, error);
}

/* Other lanes on the same store, as another process or the next would have them. */
static void restart(struct bank *bank)
{
    lanes_close(bank->lanes);
    bank_start(bank, 1, 100);
}

static void a_rejection_stays_one(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_buf json = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 2, 100);
    assert_int_equal(send(&bank, "Withdraw", "{\"amount\":5}", 1, &outcome, &error), VARVE_REJECTED);
    assert_false(outcome.repeated);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 100, NULL, &error), VARVE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(&bank, "Withdraw", "{\"amount\":5}", 1, &outcome, &error), VARVE_REJECTED);
        assert_true(outcome.repeated);
        varve_outcome_write_json(&outcome, &json);
        bank_assert_text(varve_buf_view(&json),
                         "{\"code\":\"insufficient_funds\",\"message\":\"balance is 0\",\"repeated\":true}");
        varve_buf_reset(&json);
        varve_outcome_fini(&outcome);
        restart(&bank);
    }
    assert_int_equal(bank_balance(&bank, "account-1"), 100);
    assert_int_equal(send(&bank, "Withdraw", "{\"amount\":5}", 2, NULL, &error), VARVE_OK);
    varve_buf_fini(&json);
    bank_close(&bank);
}

/* Without an id of the caller's nobody can ask again, and nothing is kept. */
static void only_what_can_be_asked_for_is_kept(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 2, 100);
    assert_int_equal(bank_execute(&bank, "Withdraw", "account-1", 1, NULL, &error), VARVE_REJECTED);
    assert_int_equal(bank_execute(&bank, "Audit", "account-1", 1, NULL, &error), VARVE_OK);
    assert_int_equal(send(&bank, "Deposit", "{\"amount\":5}", 1, NULL, &error), VARVE_OK);
    bank_assert_failure(send(&bank, "Burn", "{}", 2, NULL, &error), VARVE_APPLICATION, &error, "fire");
    assert_int_equal(bank_count_records(&bank, "command"), 0);
    assert_int_equal(send(&bank, "Withdraw", "{\"amount\":9}", 3, NULL, &error), VARVE_REJECTED);
    assert_int_equal(bank_count_records(&bank, "command"), 1);
    /* A failure is no outcome: the command may still succeed. */
    assert_int_equal(send(&bank, "Deposit", "{\"amount\":5}", 2, NULL, &error), VARVE_OK);
    bank_close(&bank);
}

static void what_was_accepted_without_events_stays_so(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 5, NULL, &error), VARVE_OK);
    assert_int_equal(send(&bank, "Audit", "{}", 1, NULL, &error), VARVE_OK);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 5, NULL, &error), VARVE_OK);
    assert_int_equal(send(&bank, "Audit", "{}", 1, &outcome, &error), VARVE_REPEATED);
    assert_int_equal(outcome.version, 1);
    assert_int_equal(outcome.event_count, 0);
    assert_true(outcome.repeated);
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

static void an_id_is_for_one_command(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    bank_open(&bank, 0);
    bank_start(&bank, 2, 100);
    assert_int_equal(send(&bank, "Deposit", "{\"amount\":5}", 1, NULL, &error), VARVE_OK);
    assert_int_equal(send(&bank, "Withdraw", "{\"amount\":9}", 2, NULL, &error), VARVE_REJECTED);
    assert_int_equal(send(&bank, "Audit", "{}", 3, NULL, &error), VARVE_OK);
    static const struct {
        const char *type, *data;
        uint8_t number;
    } others[] = {
        { "Deposit", "{\"amount\":6}", 1 },   { "DepositThrice", "{\"amount\":5}", 1 },
        { "Withdraw", "{\"amount\":99}", 1 }, { "Audit", "{\"amount\":5}", 1 },
        { "Withdraw", "{\"amount\":1}", 2 },  { "Withdraw", "{\"amount\":99}", 2 },
        { "Deposit", "{\"amount\":9}", 2 },   { "Audit", "{\"amount\":1}", 3 },
        { "Deposit", "{\"amount\":1}", 3 },   { "Withdraw", "{\"amount\":99}", 3 },
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        bank_assert_failure(send(&bank, others[i].type, others[i].data, others[i].number, NULL, &error),
                            VARVE_ID_CONFLICT, &error, "another command");
    assert_int_equal(bank_version(&bank, "account-1"), 1);
    /* White space, the time and who asks are not what a command is about. */
    varve_command again = { .type = VARVE_STR("Deposit"), .stream = VARVE_STR("account-1"), .id = bank_id(1) };
    again.data = VARVE_STR("{ \"amount\" : 5 }");
    again.actor = VARVE_STR("somebody else");
    again.time = 1;
    assert_int_equal(lanes_execute_wait(bank.lanes, &again, NULL, &error), VARVE_REPEATED);
    bank_close(&bank);
}

/* The first is not durable yet when the second is decided. */
static void repeats_that_come_at_once_have_one_outcome(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_stall stall;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 100);
    struct bank_journal journal = { &bank, .answers = 0 };
    bank_stall_store(&bank, &stall);
    bank_order(&journal, "Withdraw", 5, 1); /* rejected … */
    bank_order(&journal, "Deposit", 5, 2);
    bank_order(&journal, "Withdraw", 5, 1); /* … and it would not be any more */
    bank_order(&journal, "Withdraw", 5, 3); /* accepted … */
    bank_order(&journal, "Withdraw", 5, 3); /* … and would be rejected */
    bank_order(&journal, "Audit", 5, 4);
    bank_order(&journal, "Audit", 5, 4);
    bank_wait_until_queued(&bank, 7);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 7);
    assert_string_equal(journal.text, "no0 v1 no0 v2 again2 v2 again2 ");
    bank_close(&bank);
}

/* A rejection holds up nothing behind it, and shares the flush. */
static void rejections_share_a_flush(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    struct bank bank;
    struct bank_stall stall;
    struct store_stats before, after;
    bank_open(&bank, 0);
    bank_start(&bank, 1, 200);
    struct bank_journal journal = { &bank, .answers = 0 };
    bank_stall_store(&bank, &stall);
    store_get_stats(bank.store, &before);
    for (int i = 0; i < COUNT; i++) {
        bank_order(&journal, "Withdraw", 1000, (uint8_t)(1 + i));
        bank_order(&journal, "Deposit", 1, (uint8_t)(101 + i));
    }
    bank_wait_until_queued(&bank, 2 * COUNT);
    bank_resume_store(&stall);
    bank_wait_for(&bank, &journal.answers, 2 * COUNT);
    store_get_stats(bank.store, &after);
    assert_true(after.commits - before.commits <= 2);
    assert_int_equal(bank_balance(&bank, "account-1"), COUNT);
    bank_close(&bank);
}

static void after_its_retention_a_rejection_is_forgotten(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_status status = VARVE_REJECTED;
    bank_open(&bank, 0);
    bank.retention_s = 1;
    bank_start(&bank, 1, 100);
    assert_int_equal(send(&bank, "Withdraw", "{\"amount\":5}", 1, NULL, &error), VARVE_REJECTED);
    uint64_t begun = clock_ns();
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 5, NULL, &error), VARVE_OK);
    while (status == VARVE_REJECTED && clock_ns() - begun < UINT64_C(20000000000))
        status = send(&bank, "Withdraw", "{\"amount\":5}", 1, NULL, &error);
    assert_int_equal(status, VARVE_OK);
    bank_close(&bank);
}

/* ---- two that race ---- */

enum { ROUNDS = 100 };

struct racer {
    pthread_t thread;
    varve_store *store;
    pthread_barrier_t *start;
    bool rejects;
    varve_status statuses[ROUNDS];
};

struct waiting {
    sem_t answered;
    varve_status status;
};

static void wake(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct waiting *waiting = ctx;
    (void)appended, (void)error;
    waiting->status = status;
    sem_post(&waiting->answered);
}

/* What two processes write that got one command: the one rejects it, the other accepts it. */
static varve_status race_once(struct racer *racer, uint64_t round)
{
    struct waiting waiting;
    varve_uuid id = bank_id(0);
    id.bytes[14] = (uint8_t)round;
    const varve_command command = {
        .type = VARVE_STR("T"), .stream = VARVE_STR("s-1"), .data = VARVE_STR("{}"), .id = id
    };
    const varve_uuid first_id = id_derive(id, 0);
    const varve_event event = { .stream = command.stream, .type = command.type, .id = first_id };
    varve_append_request request = { .events = &event, .event_count = racer->rejects ? 0 : 1 };
    struct first first = { .key = "" };
    struct store_write write;
    struct store_besides besides = { .writes = &write, .write_count = 1 };
    varve_error error = { 0 };
    const varve_outcome rejection = { .code = VARVE_STR("no"), .message = VARVE_STR("no") };
    first_init(&first, &command);
    if (racer->rejects) {
        besides.absent_id = &first_id;
        assert_int_equal(first_keep(&first, &rejection, 60, &write, &error), VARVE_OK);
    } else {
        first_check(&first, &write);
    }
    sem_init(&waiting.answered, 0, 0);
    assert_int_equal(store_append_besides(racer->store, &request, &besides, wake, &waiting, &error), VARVE_OK);
    while (sem_wait(&waiting.answered) != 0) {
    }
    sem_destroy(&waiting.answered);
    first_fini(&first);
    return waiting.status;
}

static void *race(void *ctx)
{
    struct racer *racer = ctx;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(racer->start);
        racer->statuses[round] = race_once(racer, round);
    }
    return NULL;
}

static void an_outcome_is_of_one_kind(void **state)
{
    (void)state;
    struct bank bank;
    pthread_barrier_t start;
    varve_store *other = NULL;
    bank_open(&bank, 0);
#ifdef VARVE_WITH_POSTGRES
    varve_error error = { 0 };
    varve_store_options options = { 0 };
    if (!bank.in_a_file)
        assert_int_equal(store_open(&other, postgres_store(), postgres_uri(&bank.postgres, NULL), &options, &error),
                         VARVE_OK);
#endif
    bank_start(&bank, 1, 10);
    struct racer racers[2] = { { .store = bank.store, .start = &start, .rejects = true },
                               { .store = other != NULL ? other : bank.store, .start = &start } };
    pthread_barrier_init(&start, NULL, 2);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(racers[i].thread, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        varve_status rejected = racers[0].statuses[round], accepted = racers[1].statuses[round];
        assert_true((rejected == VARVE_OK && accepted == VARVE_ID_CONFLICT) ||
                    (rejected == VARVE_ID_CONFLICT && accepted == VARVE_OK));
    }
    pthread_barrier_destroy(&start);
    varve_store_close(other);
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rejection_stays_one),
        cmocka_unit_test(only_what_can_be_asked_for_is_kept),
        cmocka_unit_test(what_was_accepted_without_events_stays_so),
        cmocka_unit_test(an_id_is_for_one_command),
        cmocka_unit_test(repeats_that_come_at_once_have_one_outcome),
        cmocka_unit_test(rejections_share_a_flush),
        cmocka_unit_test(after_its_retention_a_rejection_is_forgotten),
        cmocka_unit_test(an_outcome_is_of_one_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
