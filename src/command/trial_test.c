/* SPDX-License-Identifier: Apache-2.0 */
#include <varve/trial.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- an account with some that misbehaves ---- */

struct account {
    int64_t balance;
};

static unsigned workers, states;

static varve_status open_worker(void *ctx, void **worker, varve_error *error)
{
    if (ctx == NULL) return varve_error_set(error, VARVE_APPLICATION, "no context");
    *worker = ctx;
    workers++;
    return VARVE_OK;
}

static void close_worker(void *worker)
{
    assert_non_null(worker);
    workers--;
}

static varve_status initial(void *worker, void *state, varve_error *error)
{
    (void)error;
    ((struct account *)state)->balance = *(const int64_t *)worker;
    states++;
    return VARVE_OK;
}

static void fini(void *state)
{
    (void)state;
    states--;
}

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    struct account *account = state;
    int64_t amount = 0;
    assert_int_equal(event->position, 0);
    assert_int_equal(event->recorded_at, 0);
    if (varve_json_int(event->data, "amount", &amount, error) < 0) return error->status;
    account->balance += varve_str_is(event->type, "Deposited") ? amount : -amount;
    return VARVE_OK;
}

static varve_status withdraw(const void *state, const varve_command *command, varve_decision *decision,
                             varve_error *error)
{
    const struct account *account = state;
    int64_t amount = 0;
    if (varve_json_int(command->data, "amount", &amount, error) < 0) return error->status;
    if (amount > account->balance)
        return varve_reject(decision, "insufficient_funds", "balance is %" PRId64, account->balance);
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Withdrawn"), .data = command->data });
}

/* An event of the time at which the command was sent. */
static varve_status deposit_now(const void *state, const varve_command *command, varve_decision *decision,
                                varve_error *error)
{
    (void)state;
    (void)error;
    varve_event event = { .type = VARVE_STR("Deposited"), .data = VARVE_STR("{\"amount\":1}") };
    event.occurred_at = command->time;
    return varve_emit(decision, &event);
}

/* The account cannot apply the second one. */
static varve_status emit_unreadable(const void *state, const varve_command *command, varve_decision *decision,
                                    varve_error *error)
{
    if (deposit_now(state, command, decision, error) < 0) return VARVE_APPLICATION;
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Deposited") });
}

static varve_status emit_nonsense(const void *state, const varve_command *command, varve_decision *decision,
                                  varve_error *error)
{
    (void)state;
    (void)command;
    (void)error;
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Odd"), .data = VARVE_STR("{") });
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    const struct account *account = state;
    (void)error;
    varve_buf_printf(json, "{\"balance\":%" PRId64 "}", account->balance);
    return VARVE_OK;
}

static const varve_command_handler commands[] = {
    { "Withdraw", withdraw },
    { "DepositNow", deposit_now },
    { "EmitUnreadable", emit_unreadable },
    { "EmitNonsense", emit_nonsense },
    { NULL, NULL },
};

static const varve_decider account = {
    .category = "account",
    .state_size = sizeof(struct account),
    .worker_open = open_worker,
    .worker_close = close_worker,
    .initial = initial,
    .fini = fini,
    .evolve = evolve,
    .commands = commands,
    .encode = encode,
};

/* ---- steps ---- */

static int64_t opening_balance = 7;

static varve_status open_trial(varve_trial **trial, const varve_decider *decider, void *ctx, const char *stream,
                               varve_error *error)
{
    const varve_trial_options options = { .candidate = { .decider = decider, .ctx = ctx },
                                          .stream = varve_str_of(stream) };
    return varve_trial_open(trial, &options, error);
}

static varve_trial *begin(void)
{
    varve_trial *trial = NULL;
    varve_error error = { 0 };
    if (open_trial(&trial, &account, &opening_balance, "account-1", &error) < 0) fail_msg("%s", error.message);
    return trial;
}

static void end(varve_trial *trial)
{
    varve_trial_close(trial);
    assert_int_equal(workers, 0);
    assert_int_equal(states, 0);
}

static void deposit(varve_trial *trial, const char *data)
{
    varve_event event = { .type = VARVE_STR("Deposited"), .data = varve_str_of(data) };
    varve_error error = { 0 };
    if (varve_trial_apply(trial, &event, &error) < 0) fail_msg("%s", error.message);
}

static varve_status execute(varve_trial *trial, const char *type, const char *data, varve_outcome *outcome,
                            varve_error *error)
{
    varve_command command = { .type = varve_str_of(type), .data = varve_str_of(data) };
    return varve_trial_execute(trial, &command, outcome, error);
}

static void balance_is(varve_trial *trial, const char *state)
{
    varve_buf json = { 0 };
    assert_int_equal(varve_trial_show(trial, &json, NULL), VARVE_OK);
    assert_string_equal(json.ptr, state);
    varve_buf_fini(&json);
}

/* ---- tests ---- */

static void a_command_is_decided_on_what_happened_before(void **unused)
{
    (void)unused;
    varve_trial *trial = begin();
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };

    balance_is(trial, "{\"balance\":7}");
    deposit(trial, "{\"amount\":100}");
    balance_is(trial, "{\"balance\":107}");
    assert_int_equal(execute(trial, "Withdraw", "{\"amount\":108}", &outcome, &error), VARVE_REJECTED);
    assert_true(varve_str_is(outcome.code, "insufficient_funds"));
    assert_true(varve_str_is(outcome.message, "balance is 107"));
    assert_int_equal(outcome.event_count, 0);
    varve_outcome_fini(&outcome);
    balance_is(trial, "{\"balance\":107}");

    assert_int_equal(execute(trial, "Withdraw", "{\"amount\":107}", &outcome, &error), VARVE_OK);
    balance_is(trial, "{\"balance\":0}");
    end(trial);
    /* The outcome outlives the trial. */
    assert_int_equal(outcome.version, 2);
    assert_int_equal(outcome.event_count, 1);
    assert_true(varve_str_is(outcome.stream, "account-1"));
    assert_true(varve_str_is(outcome.events[0].type, "Withdrawn"));
    assert_true(varve_str_is(outcome.events[0].data, "{\"amount\":107}"));
    assert_true(varve_str_is(outcome.events[0].stream, "account-1"));
    assert_int_equal(outcome.events[0].version, 2);
    assert_int_equal(outcome.events[0].position, 0);
    varve_outcome_fini(&outcome);
}

static void the_same_trial_has_the_same_outcome(void **unused)
{
    (void)unused;
    varve_buf first = { 0 };
    for (unsigned round = 0; round < 2; round++) {
        varve_trial *trial = begin();
        varve_outcome outcome = { 0 };
        varve_buf json = { 0 };
        assert_int_equal(execute(trial, "Withdraw", "{\"amount\":1}", NULL, NULL), VARVE_OK);
        assert_int_equal(execute(trial, "Withdraw", "{\"amount\":1}", &outcome, NULL), VARVE_OK);
        varve_outcome_write_json(&outcome, round == 0 ? &first : &json);
        if (round == 1) assert_string_equal(json.ptr, first.ptr);
        varve_buf_fini(&json);
        varve_outcome_fini(&outcome);
        end(trial);
    }
    varve_buf_fini(&first);
}

static void an_event_that_the_log_would_not_take_is_refused(void **unused)
{
    (void)unused;
    varve_trial *trial = begin();
    varve_error error = { 0 };
    const varve_event cut = { .type = VARVE_STR("Deposited"), .data = VARVE_STR("{\"amount\":") };
    const varve_event elsewhere = { .type = VARVE_STR("Deposited"), .stream = VARVE_STR("account-2") };
    const varve_event nameless = { .data = VARVE_STR("{\"amount\":1}") };

    assert_int_equal(varve_trial_apply(trial, &cut, &error), VARVE_INVALID);
    assert_int_equal(varve_trial_apply(trial, &elsewhere, &error), VARVE_INVALID);
    assert_string_equal(error.message, "the trial's stream is 'account-1', not 'account-2'");
    assert_int_equal(varve_trial_apply(trial, &nameless, &error), VARVE_INVALID);
    deposit(trial, "{\"amount\":1}");
    balance_is(trial, "{\"balance\":8}");
    end(trial);
}

static void an_event_that_cannot_be_applied_ends_the_trial(void **unused)
{
    (void)unused;
    varve_trial *trial = begin();
    varve_error error = { 0 };
    varve_buf json = { 0 };
    const varve_event event = { .type = VARVE_STR("Deposited"), .data = VARVE_STR("{\"amount\":\"much\"}") };

    deposit(trial, "{\"amount\":1}");
    assert_int_equal(varve_trial_apply(trial, &event, &error), VARVE_APPLICATION);
    assert_non_null(strstr(error.message, "evolve of Deposited, version 2 on account-1"));
    assert_int_equal(varve_trial_apply(trial, &event, &error), VARVE_APPLICATION);
    assert_non_null(strstr(error.message, "could not be applied"));
    assert_int_equal(execute(trial, "Withdraw", "{\"amount\":1}", NULL, &error), VARVE_APPLICATION);
    assert_int_equal(varve_trial_show(trial, &json, &error), VARVE_APPLICATION);
    end(trial);

    trial = begin();
    assert_int_equal(execute(trial, "EmitUnreadable", "{}", NULL, &error), VARVE_APPLICATION);
    assert_non_null(strstr(error.message, "evolve of Deposited, version 2"));
    end(trial);
}

static void commands_fail_as_in_an_engine(void **unused)
{
    (void)unused;
    varve_trial *trial = begin();
    varve_error error = { 0 };
    varve_outcome outcome = { 0 };
    varve_command pinned = { .type = VARVE_STR("Withdraw"), .data = VARVE_STR("{\"amount\":1}") };

    assert_int_equal(execute(trial, "Fly", "{}", NULL, &error), VARVE_NOT_FOUND);
    assert_string_equal(error.message, "'account' has no command 'Fly'");
    assert_int_equal(execute(trial, "Withdraw", "{}", NULL, &error), VARVE_INVALID);
    assert_int_equal(execute(trial, "Withdraw", "{\"amount\":", NULL, &error), VARVE_INVALID);
    assert_int_equal(execute(trial, "", "{}", NULL, &error), VARVE_INVALID);
    assert_int_equal(execute(trial, "EmitNonsense", "{}", NULL, &error), VARVE_APPLICATION);
    pinned.expected = VARVE_STREAM_AT;
    pinned.expected_version = 3;
    assert_int_equal(varve_trial_execute(trial, &pinned, &outcome, &error), VARVE_CONFLICT);
    assert_int_equal(error.detail, 0);
    varve_outcome_fini(&outcome);
    pinned.expected = VARVE_STREAM_NONE;
    assert_int_equal(varve_trial_execute(trial, &pinned, NULL, &error), VARVE_OK);
    assert_int_equal(varve_trial_execute(trial, &pinned, &outcome, &error), VARVE_CONFLICT);
    assert_int_equal(outcome.current_version, 1);
    varve_outcome_fini(&outcome);
    balance_is(trial, "{\"balance\":6}");
    end(trial);
}

static void a_command_without_a_time_has_the_trials(void **unused)
{
    (void)unused;
    varve_trial *trial = begin();
    varve_outcome outcome = { 0 };
    char text[VARVE_TIME_TEXT_BYTES];

    assert_int_equal(execute(trial, "DepositNow", "", &outcome, NULL), VARVE_OK);
    varve_time_format(outcome.events[0].occurred_at, text);
    assert_string_equal(text, "2026-01-01T00:00:00.000000Z");
    varve_outcome_fini(&outcome);
    end(trial);
}

static void what_is_no_decider_for_the_stream_is_refused(void **unused)
{
    (void)unused;
    varve_trial *trial = NULL;
    varve_error error = { 0 };
    varve_decider incomplete = account, silent = account;
    varve_buf json = { 0 };
    varve_trial_options stale = { .size = 1, .candidate = { .decider = &account, .ctx = &opening_balance } };

    incomplete.evolve = NULL;
    silent.encode = NULL;
    assert_int_equal(open_trial(&trial, &incomplete, &opening_balance, "account-1", &error), VARVE_INVALID);
    assert_int_equal(open_trial(&trial, &account, &opening_balance, "parcel-1", &error), VARVE_NOT_FOUND);
    assert_string_equal(error.message, "'parcel-1' is not of the category 'account'");
    assert_int_equal(open_trial(&trial, &account, &opening_balance, "", &error), VARVE_INVALID);
    assert_int_equal(open_trial(&trial, &account, NULL, "account-1", &error), VARVE_APPLICATION);
    assert_string_equal(error.message, "no context");
    assert_int_equal(varve_trial_open(&trial, &stale, &error), VARVE_INVALID);
    assert_null(trial);
    end(NULL);

    assert_int_equal(open_trial(&trial, &silent, &opening_balance, "account-1", &error), VARVE_OK);
    assert_int_equal(varve_trial_show(trial, &json, &error), VARVE_UNSUPPORTED);
    end(trial);
}

/* ---- over a query ---- */

/* Asks for every use; one with data cannot be applied. */
static varve_status read_uses(void *worker, const varve_command *command, varve_reading *reading, varve_error *error)
{
    const varve_str types[] = { VARVE_STR("VoucherUsed") };
    (void)worker;
    (void)command;
    (void)error;
    return varve_read_item(reading, &(varve_query_item){ .types = types, .type_count = 1 });
}

static varve_status count_use(void *state, const varve_event *event, varve_error *error)
{
    if (!varve_str_is(event->type, "VoucherUsed")) fail_msg("nobody asked for it");
    if (!varve_str_is(event->data, "{}")) return varve_error_set(error, VARVE_APPLICATION, "boom");
    ((struct account *)state)->balance++;
    return VARVE_OK;
}

static varve_status use_voucher(const void *state, const varve_command *command, varve_decision *decision,
                                varve_error *error)
{
    (void)state;
    (void)error;
    varve_status status = varve_emit(decision, &(varve_event){ .type = VARVE_STR("Noted"), .data = VARVE_STR("{}") });
    return status < 0 ? status
                      : varve_emit(decision, &(varve_event){ .type = VARVE_STR("VoucherUsed"), .data = command->data });
}

static const varve_command_handler voucher_commands[] = { { "UseVoucher", use_voucher }, { NULL, NULL } };

static const varve_decider voucher = {
    .state_size = sizeof(struct account),
    .reads = read_uses,
    .evolve = count_use,
    .commands = voucher_commands,
    .encode = encode,
};

static void over_a_query_the_commands_own_events_are_applied(void **unused)
{
    (void)unused;
    varve_trial *trial = NULL;
    varve_error error = { 0 };
    assert_int_equal(open_trial(&trial, &voucher, NULL, "account-1", &error), VARVE_OK);
    for (int i = 1; i <= 2; i++) {
        if (execute(trial, "UseVoucher", "{}", NULL, &error) < 0) fail_msg("%s", error.message);
        balance_is(trial, i == 1 ? "{\"balance\":1}" : "{\"balance\":2}");
    }
    assert_int_equal(execute(trial, "UseVoucher", "[]", NULL, &error), VARVE_APPLICATION);
    assert_non_null(strstr(error.message, "evolve of VoucherUsed, version 6"));
    assert_int_equal(execute(trial, "UseVoucher", "{}", NULL, &error), VARVE_APPLICATION);
    end(trial);
}

static varve_status give_both(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)event;
    (void)error;
    varve_status status = varve_upcast_emit(into, &(varve_event){ .type = VARVE_STR("VoucherUsed") });
    return status < 0 ? status : varve_upcast_emit(into, &(varve_event){ .type = VARVE_STR("Charged") });
}

static void over_a_query_only_what_was_asked_for_is_applied(void **unused)
{
    static const varve_shape into[] = { { "VoucherUsed", 1 }, { "Charged", 1 } };
    static const varve_upcaster upcaster = {
        .from = { "Paid", 1 }, .into = into, .into_count = 2, .upcast = give_both
    };
    const varve_upcaster_item upcasters[] = { { &upcaster, NULL } };
    const varve_trial_options options = {
        .candidate = { .decider = &voucher, .upcasters = upcasters, .upcaster_count = 1 },
        .stream = VARVE_STR("account-1"),
    };
    varve_trial *trial = NULL;
    varve_error error = { 0 };
    (void)unused;
    assert_int_equal(varve_trial_open(&trial, &options, &error), VARVE_OK);
    for (uint32_t version = 1; version <= 2; version++) {
        const varve_event paid = { .type = VARVE_STR("Paid"), .schema_version = version, .data = VARVE_STR("{}") };
        assert_int_equal(varve_trial_apply(trial, &paid, &error), VARVE_OK);
    }
    if (execute(trial, "UseVoucher", "{}", NULL, &error) < 0) fail_msg("%s", error.message);
    balance_is(trial, "{\"balance\":2}");
    end(trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_decided_on_what_happened_before),
        cmocka_unit_test(the_same_trial_has_the_same_outcome),
        cmocka_unit_test(an_event_that_the_log_would_not_take_is_refused),
        cmocka_unit_test(an_event_that_cannot_be_applied_ends_the_trial),
        cmocka_unit_test(commands_fail_as_in_an_engine),
        cmocka_unit_test(a_command_without_a_time_has_the_trials),
        cmocka_unit_test(what_is_no_decider_for_the_stream_is_refused),
        cmocka_unit_test(over_a_query_the_commands_own_events_are_applied),
        cmocka_unit_test(over_a_query_only_what_was_asked_for_is_applied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
