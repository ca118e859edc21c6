/* SPDX-License-Identifier: Apache-2.0 */
/* A voucher that can be used once, whatever account it is used on: decided over a query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <stdlib.h>
#include <cmocka.h>

#include "command/bank_fixture.h"

enum { RACERS = 64, USES = 200 };

static struct bank *the_bank;
static atomic_uint times_used[USES]; /* by UseOften: decided on so many uses before */

/* UseVoucher {"voucher"}: may go to any stream. ReadNothing, ReadNonsense: what a mistaken decider asks for. */
static varve_status reads(void *worker, const varve_command *command, varve_reading *reading, varve_error *error)
{
    varve_buf tag = { 0 };
    const varve_str types[] = { VARVE_STR("VoucherUsed") };
    (void)worker;
    if (varve_str_is(command->type, "ReadNothing")) return VARVE_OK;
    varve_buf_str(&tag, VARVE_STR("voucher:"));
    varve_status status = varve_json_string(command->data, "voucher", &tag, error);
    varve_str tags[] = { varve_buf_view(&tag) };
    if (varve_str_is(command->type, "ReadNonsense")) tags[0] = VARVE_STR("");
    if (status >= 0) status = varve_read_item(reading, &(varve_query_item){ types, 1, tags, 1 });
    varve_buf_fini(&tag);
    return status;
}

static varve_status count_use(void *state, const varve_event *event, varve_error *error)
{
    (void)event, (void)error;
    ++*(int *)state;
    return VARVE_OK;
}

static varve_status use(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    varve_buf tag = { 0 };
    if (the_bank->competitors > 0) { /* on another account, behind our back */
        the_bank->competitors--;
        const varve_str tags[] = { VARVE_STR("voucher:v-1") };
        const varve_event event = {
            .stream = VARVE_STR("account-77"), .type = VARVE_STR("VoucherUsed"), .tags = tags, .tag_count = 1
        };
        if (varve_append(the_bank->store, &(varve_append_request){ .events = &event, .event_count = 1 }, NULL, error) <
            0)
            return error->status;
    }
    if (*(const int *)state > 0) return varve_reject(decision, "voucher_used", "used %d times", *(const int *)state);
    varve_buf_str(&tag, VARVE_STR("voucher:"));
    varve_status status = varve_json_string(command->data, "voucher", &tag, error);
    const varve_str tags[] = { varve_buf_view(&tag) };
    if (status >= 0)
        status = varve_emit(decision, &(varve_event){ .type = VARVE_STR("VoucherUsed"),
                                                      .data = VARVE_STR("{\"amount\":0}"),
                                                      .tags = tags,
                                                      .tag_count = 1 });
    varve_buf_fini(&tag);
    return status;
}

/* Somebody is always faster. */
static varve_status lose(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    const int none = 0;
    (void)state;
    return use(&none, command, decision, error);
}

static varve_status look_only(const void *state, const varve_command *command, varve_decision *decision,
                              varve_error *error)
{
    (void)state, (void)command, (void)decision, (void)error;
    return VARVE_OK;
}

/* As often as anybody likes, but each time is decided on all that were before. */
static varve_status use_often(const void *state, const varve_command *command, varve_decision *decision,
                              varve_error *error)
{
    const int none = 0;
    times_used[*(const int *)state]++;
    return use(&none, command, decision, error);
}

static const varve_command_handler commands[] = {
    { "UseVoucher", use },   { "UseOften", use_often }, { "LookAtVoucher", look_only },
    { "LoseVoucher", lose }, { "ReadNothing", use },    { "ReadNonsense", use },
    { NULL, NULL },
};

static const varve_decider voucher = {
    .state_size = sizeof(int), .reads = reads, .evolve = count_use, .commands = commands
};

static void start(struct bank *bank, uint32_t workers)
{
    the_bank = bank;
    bank_open(bank, 0);
    bank->second = &voucher;
    bank_start(bank, workers, 1000);
}

static varve_command on(const char *type, const char *stream, const char *data)
{
    return (varve_command){ varve_str_of(type), varve_str_of(stream), .data = varve_str_of(data) };
}

static varve_status execute(struct bank *bank, const varve_command *command, varve_outcome *outcome, varve_error *error)
{
    return lanes_execute_wait(bank->lanes, command, outcome, error);
}

static void it_is_decided_on_whatever_matches(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    start(&bank, 2);
    varve_command first = on("UseVoucher", "account-1", "{\"voucher\":\"v-1\"}");
    varve_command again = on("UseVoucher", "account-2", "{\"voucher\":\"v-1\"}");
    varve_command other = on("UseVoucher", "nobody-3", "{\"voucher\":\"v-2\"}");
    varve_command look = on("LookAtVoucher", "account-1", "{\"voucher\":\"v-1\"}");
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 5, NULL, &error), VARVE_OK);
    assert_int_equal(execute(&bank, &first, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 2);
    assert_int_equal(outcome.events[0].version, 2);
    assert_int_equal(outcome.events[0].position, outcome.first_position);
    varve_outcome_fini(&outcome);
    assert_int_equal(execute(&bank, &again, &outcome, &error), VARVE_REJECTED);
    bank_assert_text(outcome.message, "used 1 times");
    varve_outcome_fini(&outcome);
    assert_int_equal(execute(&bank, &other, NULL, &error), VARVE_OK); /* no category has to be there */
    assert_int_equal(execute(&bank, &look, &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.version, 2);
    assert_int_equal(outcome.event_count, 0);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_version(&bank, "account-2"), 0);
    bank_close(&bank);
}

static void what_matches_in_the_meantime_is_decided_on(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    varve_error error = { 0 };
    start(&bank, 1);
    varve_command command = on("UseVoucher", "account-1", "{\"voucher\":\"v-1\"}");
    command.expected = VARVE_STREAM_NONE; /* holds, so that the command may be tried again */
    bank.competitors = 1;
    assert_int_equal(execute(&bank, &command, NULL, &error), VARVE_REJECTED);
    assert_int_equal(bank_version(&bank, "account-1"), 0);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.retries, 1);
    bank_close(&bank);
}

/* It says what came in between, and not that a version was pinned, which none was. */
static void who_is_always_too_late_is_told_why(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    start(&bank, 1);
    varve_command command = on("LoseVoucher", "account-1", "{\"voucher\":\"v-1\"}");
    bank.competitors = VERDICT_CONFLICTS_MAX + 1;
    bank_assert_failure(execute(&bank, &command, &outcome, &error), VARVE_CONFLICT, &error, "the event at position 21");
    assert_int_equal(error.detail, -1);
    assert_int_equal(bank.competitors, 0);
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

static void a_pinned_version_is_the_streams(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    start(&bank, 1);
    varve_command command = on("UseVoucher", "account-1", "{\"voucher\":\"v-1\"}");
    command.expected = VARVE_STREAM_AT;
    command.expected_version = 1;
    assert_int_equal(execute(&bank, &command, &outcome, &error), VARVE_CONFLICT);
    assert_int_equal(outcome.current_version, 0);
    varve_outcome_fini(&outcome);
    assert_int_equal(bank_execute(&bank, "Deposit", "account-1", 5, NULL, &error), VARVE_OK);
    assert_int_equal(execute(&bank, &command, NULL, &error), VARVE_OK);
    bank_close(&bank);
}

/* With those of the stream's own decider, before it and behind it. */
static void commands_of_one_stream_stay_in_order(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    start(&bank, 1);
    struct bank_journal journal = { &bank, .answers = 0 };
    varve_command command = on("UseVoucher", "account-1", "{\"voucher\":\"v-1\"}");
    for (int i = 0; i < 3; i++) {
        bank_order(&journal, "Deposit", 1, 0);
        bank_order(&journal, "Deposit", 1, 0);
        assert_int_equal(lanes_execute(bank.lanes, &command, bank_write_down, &journal, &error), VARVE_OK);
    }
    bank_order(&journal, "Withdraw", 6, 0);
    bank_wait_for(&bank, &journal.answers, 10);
    assert_string_equal(journal.text, "v1 v2 v3 v4 v5 no0 v6 v7 no0 v8 ");
    bank_close(&bank);
}

static void a_repeat_is_told_the_first_outcome(void **state)
{
    (void)state;
    struct bank bank;
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    start(&bank, 2);
    varve_command accepted = on("UseVoucher", "account-1", "{\"voucher\":\"v-1\"}");
    varve_command rejected = on("UseVoucher", "account-2", "{\"voucher\":\"v-1\"}");
    accepted.id = bank_id(1);
    rejected.id = bank_id(2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(execute(&bank, &accepted, &outcome, &error), i == 0 ? VARVE_OK : VARVE_REPEATED);
        assert_int_equal(outcome.version, 1);
        varve_outcome_fini(&outcome);
        assert_int_equal(execute(&bank, &rejected, &outcome, &error), VARVE_REJECTED);
        assert_int_equal(outcome.repeated, i == 1);
        varve_outcome_fini(&outcome);
    }
    bank_close(&bank);
}

static void a_mistaken_decider_is_told(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    start(&bank, 1);
    varve_command nothing = on("ReadNothing", "account-1", "{}");
    varve_command nonsense = on("ReadNonsense", "account-1", "{\"voucher\":\"v\"}");
    bank_assert_failure(execute(&bank, &nothing, NULL, &error), VARVE_APPLICATION, &error, "asks for nothing");
    bank_assert_failure(execute(&bank, &nonsense, NULL, &error), VARVE_APPLICATION, &error, "reads on account-1");
    bank_close(&bank);
}

/* Each on an account of its own, all at once: one of them has it, and none is told that it lost too often. */
static void one_of_many_has_it(void **state)
{
    (void)state;
    struct bank bank;
    varve_error error = { 0 };
    varve_outcome outcome = { 0 };
    start(&bank, 4);
    struct bank_journal journal = { &bank, .answers = 0 };
    for (int i = 0; i < RACERS; i++) {
        char stream[32];
        snprintf(stream, sizeof stream, "racer-%d", i);
        varve_command command = on("UseVoucher", stream, "{\"voucher\":\"v-1\"}");
        assert_int_equal(lanes_execute(bank.lanes, &command, bank_write_down, &journal, &error), VARVE_OK);
    }
    bank_wait_for(&bank, &journal.answers, RACERS);
    unsigned accepted = 0, rejected = 0;
    for (const char *at = journal.text; *at != '\0'; at++) {
        accepted += *at == 'v';
        rejected += *at == 'n';
    }
    assert_int_equal(accepted, 1);
    assert_int_equal(rejected, RACERS - 1);
    varve_outcome_fini(&outcome);
    bank_close(&bank);
}

/* More than may lose one after the other: each is decided once, in its turn, on all that were decided before it. */
static void each_of_many_has_its_turn(void **state)
{
    (void)state;
    struct bank bank;
    struct lanes_stats stats;
    varve_error error = { 0 };
    start(&bank, 4);
    struct bank_journal journal = { &bank, .answers = 0 };
    for (int i = 0; i < USES; i++) {
        char stream[32];
        snprintf(stream, sizeof stream, "racer-%d", i % RACERS);
        varve_command command = on("UseOften", stream, "{\"voucher\":\"v-1\"}");
        assert_int_equal(lanes_execute(bank.lanes, &command, bank_write_down, &journal, &error), VARVE_OK);
    }
    bank_wait_for(&bank, &journal.answers, USES);
    lanes_get_stats(bank.lanes, &stats);
    assert_int_equal(stats.accepted, USES);
    assert_int_equal(stats.retries, 0);
    for (int i = 0; i < USES; i++) assert_int_equal(times_used[i], 1);
    bank_close(&bank);
}

/* ---- with upcasters ---- */

struct tally {
    int a, b;
};

/* Tally: A of a:1 and B of b:1. TallyOften asks for the same so often that there is no room for older types. */
static varve_status read_tally(void *worker, const varve_command *command, varve_reading *reading, varve_error *error)
{
    const varve_str a[] = { VARVE_STR("A") }, b[] = { VARVE_STR("B") };
    const varve_str of_a[] = { VARVE_STR("a:1") }, of_b[] = { VARVE_STR("b:1") };
    const int times = varve_str_is(command->type, "TallyOften") ? VARVE_QUERY_ITEMS_MAX - 1 : 1;
    (void)worker, (void)error;
    varve_status status = varve_read_item(reading, &(varve_query_item){ b, 1, of_b, 1 });
    for (int i = 0; i < times && status >= 0; i++)
        status = varve_read_item(reading, &(varve_query_item){ a, 1, of_a, 1 });
    return status;
}

static varve_status count_kinds(void *state, const varve_event *event, varve_error *error)
{
    struct tally *tally = state;
    if (varve_str_is(event->type, "A"))
        tally->a++;
    else if (varve_str_is(event->type, "B"))
        tally->b++;
    else
        return varve_error_set(error, VARVE_APPLICATION, "nobody asked for it");
    return VARVE_OK;
}

static varve_status tell_tally(const void *state, const varve_command *command, varve_decision *decision,
                               varve_error *error)
{
    const struct tally *tally = state;
    (void)command, (void)error;
    return varve_reject(decision, "tally", "A %d, B %d", tally->a, tally->b);
}

static const varve_command_handler tallies[] = { { "Tally", tell_tally },
                                                 { "TallyOften", tell_tally },
                                                 { NULL, NULL } };

static const varve_decider tally = {
    .state_size = sizeof(struct tally), .reads = read_tally, .evolve = count_kinds, .commands = tallies
};

static varve_status split(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker, (void)event, (void)error;
    varve_status status = varve_upcast_emit(into, &(varve_event){ .type = VARVE_STR("A") });
    return status < 0 ? status : varve_upcast_emit(into, &(varve_event){ .type = VARVE_STR("B") });
}

static varve_status become_a(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker, (void)event, (void)error;
    return varve_upcast_emit(into, &(varve_event){ 0 });
}

static void append_old(struct bank *bank, const char *type, uint32_t schema_version)
{
    const varve_str tags[] = { VARVE_STR("a:1") };
    varve_error error = { 0 };
    const varve_event event = { .stream = VARVE_STR("old-1"),
                                .type = varve_str_of(type),
                                .schema_version = schema_version,
                                .tags = tags,
                                .tag_count = 1 };
    if (varve_append(bank->store, &(varve_append_request){ .events = &event, .event_count = 1 }, NULL, &error) < 0)
        fail_msg("%s", error.message);
}

static void tally_is(struct bank *bank, const char *expected)
{
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };
    varve_command command = on("Tally", "account-1", "{}");
    if (execute(bank, &command, &outcome, &error) != VARVE_REJECTED) fail_msg("%s", error.message);
    bank_assert_text(outcome.message, expected);
    varve_outcome_fini(&outcome);
}

/* Of an event that is two today only what was asked for, and nothing that only shares an older type with it. */
static void what_upcasters_give_is_held_against_the_query(void **state)
{
    static const varve_shape into[] = { { "A", 1 }, { "B", 1 } };
    static const varve_upcaster upcaster = { .from = { "X", 1 }, .into = into, .into_count = 2, .upcast = split };
    struct upcasters upcasters = { 0 };
    struct bank bank;
    (void)state;
    assert_int_equal(upcasters_add(&upcasters, &upcaster, NULL, NULL), VARVE_OK);
    bank_open(&bank, 0);
    bank.second = &tally;
    bank.upcasters = &upcasters;
    bank_start(&bank, 1, 1000);
    append_old(&bank, "X", 1);
    append_old(&bank, "X", 2);
    tally_is(&bank, "A 1, B 0");
    bank_close(&bank);
    upcasters_fini(&upcasters);
}

enum { OLDER = 2 * VARVE_QUERY_ITEMS_MAX };

static void more_older_types_than_an_item_has_are_several_items(void **state)
{
    static const varve_shape into[] = { { "A", 1 } };
    static char names[OLDER][16];
    static varve_upcaster all[OLDER];
    struct upcasters upcasters = { 0 };
    struct bank bank;
    varve_error error = { 0 };
    (void)state;
    for (int i = 0; i < OLDER; i++) {
        snprintf(names[i], sizeof names[i], "Old%d", i);
        all[i] = (varve_upcaster){ .from = { names[i], 1 }, .into = into, .into_count = 1, .upcast = become_a };
        assert_int_equal(upcasters_add(&upcasters, &all[i], NULL, NULL), VARVE_OK);
    }
    bank_open(&bank, 0);
    bank.second = &tally;
    bank.upcasters = &upcasters;
    bank_start(&bank, 1, 1000);
    append_old(&bank, "Old0", 1);
    append_old(&bank, names[OLDER - 1], 1);
    append_old(&bank, "A", 1);
    tally_is(&bank, "A 3, B 0");
    varve_command often = on("TallyOften", "account-1", "{}");
    bank_assert_failure(execute(&bank, &often, NULL, &error), VARVE_APPLICATION, &error,
                        "had before, reads asks for more than 64 items");
    bank_close(&bank);
    upcasters_fini(&upcasters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_decided_on_whatever_matches),
        cmocka_unit_test(what_matches_in_the_meantime_is_decided_on),
        cmocka_unit_test(who_is_always_too_late_is_told_why),
        cmocka_unit_test(a_pinned_version_is_the_streams),
        cmocka_unit_test(commands_of_one_stream_stay_in_order),
        cmocka_unit_test(a_repeat_is_told_the_first_outcome),
        cmocka_unit_test(a_mistaken_decider_is_told),
        cmocka_unit_test(one_of_many_has_it),
        cmocka_unit_test(each_of_many_has_its_turn),
        cmocka_unit_test(what_upcasters_give_is_held_against_the_query),
        cmocka_unit_test(more_older_types_than_an_item_has_are_several_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
