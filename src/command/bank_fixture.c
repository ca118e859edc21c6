/* SPDX-License-Identifier: Apache-2.0 */
#include "command/bank_fixture.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct account {
    int64_t balance;
    struct bank *bank;
    char *on_the_heap; /* tells the sanitizer about states that are not released */
};

static void bump(struct bank *bank, unsigned *count, unsigned by)
{
    pthread_mutex_lock(&bank->mutex);
    *count += by;
    pthread_cond_broadcast(&bank->changed);
    pthread_mutex_unlock(&bank->mutex);
}

/* ---- the decider ---- */

static varve_status worker_open(void *ctx, void **worker, varve_error *error)
{
    struct bank *bank = ctx;
    (void)error;
    bump(bank, &bank->workers, 1);
    *worker = bank;
    return VARVE_OK;
}

static void worker_close(void *worker)
{
    struct bank *bank = worker;
    bump(bank, &bank->workers, (unsigned)-1);
}

static varve_status initial(void *worker, void *state, varve_error *error)
{
    struct account *account = state;
    account->bank = worker;
    account->on_the_heap = malloc(8);
    if (account->on_the_heap == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    bump(account->bank, &account->bank->states, 1);
    return VARVE_OK;
}

static void fini(void *state)
{
    struct account *account = state;
    bump(account->bank, &account->bank->states, (unsigned)-1);
    free(account->on_the_heap);
}

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    struct account *account = state;
    int64_t amount = 0;
    bump(account->bank, &account->bank->evolved, 1);
    /* As the contract says, whether the event was read or is not even committed. */
    if (event->occurred_at != 0) bump(account->bank, &account->bank->times_seen, 1);
    if (event->version == 0 || event->position != 0 || event->recorded_at != 0)
        return varve_error_set(error, VARVE_APPLICATION, "evolve sees what is not known of every event");
    if (varve_json_int(event->data, "amount", &amount, error) < 0) return error->status;
    account->balance += varve_str_is(event->type, "Deposited") ? amount : -amount;
    return VARVE_OK;
}

/* Counts, and waits while looks are held. */
static void looking(struct bank *bank)
{
    pthread_mutex_lock(&bank->mutex);
    bank->looks++;
    pthread_cond_broadcast(&bank->changed);
    while (bank->looks_held) pthread_cond_wait(&bank->changed, &bank->mutex);
    pthread_mutex_unlock(&bank->mutex);
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    const struct account *account = state;
    (void)error;
    looking(account->bank);
    varve_buf_printf(json, "{\"balance\":%" PRId64 "}", account->balance);
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    struct account *account = state;
    if (account->bank->refuse_decode) return varve_error_set(error, VARVE_INVALID, "not today");
    return varve_json_int(json, "balance", &account->balance, error);
}

/* Counts, and waits at the gate. */
static void deciding(struct bank *bank)
{
    pthread_mutex_lock(&bank->mutex);
    bank->decided++;
    bank->at_the_gate = bank->gate_closed;
    pthread_cond_broadcast(&bank->changed);
    while (bank->gate_closed) pthread_cond_wait(&bank->changed, &bank->mutex);
    bank->at_the_gate = false;
    pthread_mutex_unlock(&bank->mutex);
}

static varve_status deposit(const void *state, const varve_command *command, varve_decision *decision,
                            varve_error *error)
{
    const struct account *account = state;
    int64_t amount = 0;
    deciding(account->bank);
    if (varve_json_int(command->data, "amount", &amount, error) < 0) return error->status;
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Deposited"), .data = command->data });
}

static varve_status withdraw(const void *state, const varve_command *command, varve_decision *decision,
                             varve_error *error)
{
    const struct account *account = state;
    int64_t amount = 0;
    deciding(account->bank);
    if (varve_json_int(command->data, "amount", &amount, error) < 0) return error->status;
    if (amount > account->balance)
        return varve_reject(decision, "insufficient_funds", "balance is %" PRId64, account->balance);
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Withdrawn"), .data = command->data });
}

static varve_status deposit_thrice(const void *state, const varve_command *command, varve_decision *decision,
                                   varve_error *error)
{
    for (int i = 0; i < 3; i++) {
        varve_status status = deposit(state, command, decision, error);
        if (status < 0) return status;
    }
    return VARVE_OK;
}

static varve_status compete(const void *state, const varve_command *command, varve_decision *decision,
                            varve_error *error)
{
    const struct account *account = state;
    struct bank *bank = account->bank;
    if (bank->competitors > 0) {
        bank->competitors--;
        bank_deposit_directly(bank, command->stream, 1000);
    }
    return deposit(state, command, decision, error);
}

static varve_status audit(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    (void)state, (void)command, (void)decision, (void)error;
    return VARVE_OK;
}

static varve_status burn(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    (void)state, (void)command, (void)decision;
    return varve_error_set(error, VARVE_APPLICATION, "account.c:7: the bank is on fire");
}

static varve_status emit_nonsense(const void *state, const varve_command *command, varve_decision *decision,
                                  varve_error *error)
{
    (void)state, (void)command, (void)error;
    varve_emit(decision, &(varve_event){ .type = VARVE_STR("Deposited"), .data = VARVE_STR("{\"amount\":1}") });
    varve_emit(decision, &(varve_event){ .type = VARVE_STR("Deposited"), .data = VARVE_STR("nonsense") });
    return VARVE_OK; /* it did not look at what varve_emit said */
}

static varve_status emit_unreadable(const void *state, const varve_command *command, varve_decision *decision,
                                    varve_error *error)
{
    (void)state, (void)command, (void)error;
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Deposited"), .data = VARVE_STR("{}") });
}

static varve_status reject_badly(const void *state, const varve_command *command, varve_decision *decision,
                                 varve_error *error)
{
    (void)state, (void)command, (void)error, (void)decision;
    return VARVE_REJECTED; /* without varve_reject */
}

static varve_status forget_error(const void *state, const varve_command *command, varve_decision *decision,
                                 varve_error *error)
{
    (void)state, (void)command, (void)decision, (void)error;
    return VARVE_CONFLICT; /* no message, and a status that is not its to return */
}

static const varve_command_handler commands[] = {
    { "Deposit", deposit },
    { "Withdraw", withdraw },
    { "DepositThrice", deposit_thrice },
    { "Compete", compete },
    { "Audit", audit },
    { "Burn", burn },
    { "EmitNonsense", emit_nonsense },
    { "EmitUnreadable", emit_unreadable },
    { "RejectBadly", reject_badly },
    { "ForgetError", forget_error },
    { NULL, NULL },
};

const varve_decider bank_account = {
    .category = "account",
    .state_size = sizeof(struct account),
    .snapshot_every = VARVE_NO_SNAPSHOTS,
    .state_version = 1,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .initial = initial,
    .fini = fini,
    .evolve = evolve,
    .commands = commands,
    .encode = encode,
    .decode = decode,
};

/* ---- opening and closing ---- */

static void count_line(void *ctx, varve_log_level level, const char *line)
{
    struct bank *bank = ctx;
    (void)level, (void)line;
    bump(bank, &bank->warnings, 1);
}

static void prepare(struct bank *bank)
{
    *bank = (struct bank){
        .folder = "/tmp/varve-bank-XXXXXX", .account = bank_account, .state_bytes = 1 << 20, .retention_s = 86400
    };
    pthread_mutex_init(&bank->mutex, NULL);
    pthread_cond_init(&bank->changed, NULL);
    assert_non_null(mkdtemp(bank->folder));
}

static void open_store(struct bank *bank, const struct store_driver *driver, const char *place, uint32_t queue_limit)
{
    varve_error error = { 0 };
    varve_store_options options = { .queue_limit = queue_limit };
    if (store_open(&bank->store, driver, place, &options, &error) < 0) fail_msg("%s", error.message);
}

void bank_open_in_a_file(struct bank *bank, const struct store_driver *driver, uint32_t queue_limit)
{
    char path[128];
    prepare(bank);
    bank->in_a_file = true;
    snprintf(path, sizeof path, "%s/bank.db", bank->folder);
    open_store(bank, driver, path, queue_limit);
}

void bank_open(struct bank *bank, uint32_t queue_limit)
{
#ifdef VARVE_WITH_POSTGRES
    if (getenv("VARVE_TEST_STORE") != NULL) {
        prepare(bank);
        postgres_init(&bank->postgres);
        open_store(bank, postgres_store(), postgres_uri(&bank->postgres, NULL), queue_limit);
        return;
    }
#endif
    bank_open_in_a_file(bank, &store_sqlite, queue_limit);
}

void bank_start(struct bank *bank, uint32_t workers, uint32_t queue_limit)
{
    varve_error error = { 0 };
    struct lanes_options options = {
        .workers = workers,
        .queue_limit = queue_limit,
        .state_bytes = bank->state_bytes,
        .retention_s = bank->retention_s,
        .enrich_workers = 4,
        .asks = bank->asks,
        .upcasters = bank->upcasters,
        .log = { count_line, bank },
    };
    assert_int_equal(lanes_open(&bank->lanes, bank->store, &options, &error), VARVE_OK);
    assert_int_equal(lanes_add(bank->lanes, &bank->account, bank, &error), VARVE_OK);
    if (bank->second != NULL) assert_int_equal(lanes_add(bank->lanes, bank->second, bank, &error), VARVE_OK);
    assert_int_equal(lanes_start(bank->lanes, &error), VARVE_OK);
}

static void remove_folder(const char *folder)
{
    char path[512];
    struct dirent *entry = NULL;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') assert_int_equal(unlink(path), 0);
    }
    closedir(dir);
    assert_int_equal(rmdir(folder), 0);
}

void bank_close(struct bank *bank)
{
    lanes_close(bank->lanes);
    varve_store_close(bank->store);
    assert_int_equal(bank->states, 0);
    assert_int_equal(bank->workers, 0);
    pthread_cond_destroy(&bank->changed);
    pthread_mutex_destroy(&bank->mutex);
    remove_folder(bank->folder);
#ifdef VARVE_WITH_POSTGRES
    if (!bank->in_a_file) postgres_fini(&bank->postgres);
#endif
}

/* ---- using it ---- */

void bank_set(struct bank *bank, bool *what, bool value)
{
    pthread_mutex_lock(&bank->mutex);
    *what = value;
    pthread_cond_broadcast(&bank->changed);
    pthread_mutex_unlock(&bank->mutex);
}

static varve_status count_record(void *ctx, const struct store_record *record)
{
    (void)record;
    ++*(unsigned *)ctx;
    return VARVE_OK;
}

unsigned bank_count_records(struct bank *bank, const char *space)
{
    unsigned count = 0;
    varve_error error = { 0 };
    const struct store_record_range range = { .space = varve_str_of(space) };
    assert_int_equal(store_records_list(bank->store, &range, count_record, &count, NULL, &error), VARVE_OK);
    return count;
}

uint64_t bank_version(struct bank *bank, const char *stream)
{
    varve_error error = { 0 };
    uint64_t version = 0;
    assert_int_equal(varve_stream_get_version(bank->store, varve_str_of(stream), &version, &error), VARVE_OK);
    return version;
}

void bank_deposit_directly(struct bank *bank, varve_str stream, int amount)
{
    varve_error error = { 0 };
    char data[64];
    snprintf(data, sizeof data, "{\"amount\":%d}", amount);
    varve_event event = { .stream = stream, .type = VARVE_STR("Deposited"), .data = varve_str_of(data) };
    varve_append_request request = { .events = &event, .event_count = 1 };
    if (varve_append(bank->store, &request, NULL, &error) != VARVE_OK) fail_msg("%s", error.message);
}

varve_status bank_execute(struct bank *bank, const char *type, const char *stream, int amount, varve_outcome *outcome,
                          varve_error *error)
{
    char data[64];
    snprintf(data, sizeof data, "{\"amount\":%d}", amount);
    varve_command command = {
        .type = varve_str_of(type),
        .stream = varve_str_of(stream),
        .data = varve_str_of(data),
    };
    return lanes_execute_wait(bank->lanes, &command, outcome, error);
}

static void count_answer(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct bank *bank = ctx;
    (void)status, (void)outcome, (void)error;
    bump(bank, &bank->answers, 1);
}

varve_status bank_send(struct bank *bank, const char *type, const char *stream, int amount)
{
    varve_error error = { 0 };
    char data[64];
    snprintf(data, sizeof data, "{\"amount\":%d}", amount);
    varve_command command = {
        .type = varve_str_of(type),
        .stream = varve_str_of(stream),
        .data = varve_str_of(data),
    };
    return lanes_execute(bank->lanes, &command, count_answer, bank, &error);
}

void bank_wait_for(struct bank *bank, const unsigned *count, unsigned at_least)
{
    pthread_mutex_lock(&bank->mutex);
    while (*count < at_least) pthread_cond_wait(&bank->changed, &bank->mutex);
    pthread_mutex_unlock(&bank->mutex);
}

int bank_balance(struct bank *bank, const char *stream)
{
    varve_aggregate aggregate = { 0 };
    varve_error error = { 0 };
    int64_t balance = 0;
    if (lanes_show(bank->lanes, varve_str_of(stream), NULL, &aggregate, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(varve_json_int(aggregate.state, "balance", &balance, &error), VARVE_OK);
    varve_aggregate_fini(&aggregate);
    return (int)balance;
}

/* On the writer's thread, where it must not block: that is the point. */
static void hold_writer(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct bank_stall *stall = ctx;
    struct bank *bank = stall->bank;
    (void)status, (void)appended, (void)error;
    pthread_mutex_lock(&bank->mutex);
    stall->begun = true;
    pthread_cond_broadcast(&bank->changed);
    while (!stall->resumed) pthread_cond_wait(&bank->changed, &bank->mutex);
    stall->over = true;
    pthread_cond_broadcast(&bank->changed);
    pthread_mutex_unlock(&bank->mutex);
}

void bank_stall_store(struct bank *bank, struct bank_stall *stall)
{
    varve_error error = { 0 };
    varve_event event = { .stream = VARVE_STR("stall-1"), .type = VARVE_STR("Stalled") };
    varve_append_request request = { .events = &event, .event_count = 1 };
    *stall = (struct bank_stall){ .bank = bank };
    assert_int_equal(varve_append_async(bank->store, &request, hold_writer, stall, &error), VARVE_OK);
    pthread_mutex_lock(&bank->mutex);
    while (!stall->begun) pthread_cond_wait(&bank->changed, &bank->mutex);
    pthread_mutex_unlock(&bank->mutex);
}

void bank_resume_store(struct bank_stall *stall)
{
    struct bank *bank = stall->bank;
    pthread_mutex_lock(&bank->mutex);
    stall->resumed = true;
    pthread_cond_broadcast(&bank->changed);
    while (!stall->over) pthread_cond_wait(&bank->changed, &bank->mutex);
    pthread_mutex_unlock(&bank->mutex);
}

/* ---- commands in order ---- */

void bank_write_down(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct bank_journal *journal = ctx;
    (void)error;
    const char *word = status == VARVE_REJECTED ? "no" : status == VARVE_REPEATED ? "again" : "v";
    pthread_mutex_lock(&journal->bank->mutex);
    size_t used = strlen(journal->text);
    if (status < 0)
        snprintf(journal->text + used, sizeof journal->text - used, "%s ", varve_status_word(status));
    else
        snprintf(journal->text + used, sizeof journal->text - used, "%s%d ", word, (int)outcome->version);
    journal->answers++;
    pthread_cond_broadcast(&journal->bank->changed);
    pthread_mutex_unlock(&journal->bank->mutex);
}

varve_uuid bank_id(uint8_t number)
{
    varve_uuid id;
    assert_int_equal(varve_uuid_parse(&id, VARVE_STR("01890a5d-ac96-774b-bcce-b302099a8057"), NULL), VARVE_OK);
    id.bytes[15] = number;
    return id;
}

void bank_order(struct bank_journal *journal, const char *type, int amount, uint8_t number)
{
    varve_error error = { 0 };
    char data[64];
    snprintf(data, sizeof data, "{\"amount\":%d}", amount);
    varve_command command = { .type = varve_str_of(type),
                              .stream = VARVE_STR("account-1"),
                              .data = varve_str_of(data) };
    if (number > 0) command.id = bank_id(number);
    assert_int_equal(lanes_execute(journal->bank->lanes, &command, bank_write_down, journal, &error), VARVE_OK);
}

static void ignore_appended(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    (void)ctx, (void)status, (void)appended, (void)error;
}

void bank_deposit_soon(struct bank *bank, int amount)
{
    varve_error error = { 0 };
    char data[64];
    snprintf(data, sizeof data, "{\"amount\":%d}", amount);
    varve_event event = { .stream = VARVE_STR("account-1"),
                          .type = VARVE_STR("Deposited"),
                          .data = varve_str_of(data) };
    varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append_async(bank->store, &request, ignore_appended, NULL, &error), VARVE_OK);
}

void bank_wait_until_queued(struct bank *bank, uint64_t appends)
{
    struct store_stats stats = { 0 };
    for (; stats.queue_length < appends; store_get_stats(bank->store, &stats)) sched_yield();
}

/* ---- assertions ---- */

void bank_assert_text(varve_str actual, const char *expected)
{
    if (!varve_str_is(actual, expected)) fail_msg("\"%.*s\" is not \"%s\"", (int)actual.len, actual.ptr, expected);
}

void bank_assert_failure(varve_status actual, varve_status expected, const varve_error *error, const char *part)
{
    assert_int_equal(actual, expected);
    assert_int_equal(error->status, expected);
    if (strstr(error->message, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", error->message, part);
}
