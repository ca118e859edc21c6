/* SPDX-License-Identifier: Apache-2.0 */
#include <varve/replay.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "command/bank_fixture.h"

enum { STREAMS = 150, FEW = 3 };

/* ---- versions of a decider ---- */

struct sum {
    int64_t total;
};

static atomic_uint workers, states, folds;

static varve_status open_worker(void *ctx, void **worker, varve_error *error)
{
    (void)error;
    *worker = ctx;
    workers++;
    return VARVE_OK;
}

static void close_worker(void *worker)
{
    (void)worker;
    workers--;
}

static varve_status initial(void *worker, void *state, varve_error *error)
{
    (void)worker;
    (void)state;
    (void)error;
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
    int64_t amount = 0;
    folds++;
    if (varve_json_int(event->data, "amount", &amount, error) < 0) return error->status;
    ((struct sum *)state)->total += amount;
    return VARVE_OK;
}

/* Takes a fee of 1 from what is more than 1000. */
static varve_status evolve_with_fee(void *state, const varve_event *event, varve_error *error)
{
    varve_status status = evolve(state, event, error);
    if (((struct sum *)state)->total > 1000) ((struct sum *)state)->total--;
    return status;
}

/* Cannot have more than 1000. */
static varve_status evolve_small(void *state, const varve_event *event, varve_error *error)
{
    varve_status status = evolve(state, event, error);
    return ((struct sum *)state)->total <= 1000 ? status : varve_error_set(error, VARVE_INVALID, "too much");
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    (void)error;
    varve_buf_printf(json, "{\"total\":%lld,\"unit\":\"cent\"}", (long long)((const struct sum *)state)->total);
    return VARVE_OK;
}

/* The same in another order, with blanks. */
static varve_status encode_otherwise(const void *state, varve_buf *json, varve_error *error)
{
    (void)error;
    varve_buf_printf(json, "{ \"unit\":\"cent\", \"total\":%lld }", (long long)((const struct sum *)state)->total);
    return VARVE_OK;
}

static varve_status encode_nothing(const void *state, varve_buf *json, varve_error *error)
{
    (void)state;
    (void)json;
    return varve_error_set(error, VARVE_INVALID, "not to be shown");
}

static varve_status decide(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    (void)state;
    (void)command;
    (void)decision;
    return varve_error_set(error, VARVE_INVALID, "nobody decides in a replay");
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    return varve_json_int(json, "total", &((struct sum *)state)->total, error);
}

static const varve_decider account = {
    .category = "account",
    .state_size = sizeof(struct sum),
    .worker_open = open_worker,
    .worker_close = close_worker,
    .initial = initial,
    .fini = fini,
    .evolve = evolve,
    .decide = decide,
    .encode = encode,
    .decode = decode,
};

/* ---- what is found ---- */

struct found {
    unsigned count;
    unsigned differing, failed, failed_other;
    char streams[16][16];
    uint64_t versions[16], positions[16];
    char texts[16][400]; /* patches, or errors behind types */
    varve_status answer;
    unsigned progresses;
    uint64_t done, total;
};

static varve_status take(void *ctx, const varve_replay_finding *finding)
{
    struct found *found = ctx;
    unsigned at = found->count++ % 16;
    snprintf(found->streams[at], sizeof found->streams[at], "%.*s", (int)finding->stream.len, finding->stream.ptr);
    found->versions[at] = finding->version;
    found->positions[at] = finding->position;
    if (finding->kind == VARVE_REPLAY_DIFFERS) {
        found->differing++;
        snprintf(found->texts[at], sizeof found->texts[at], "%.*s", (int)finding->patch.len, finding->patch.ptr);
    } else {
        found->failed += finding->is_other ? 0 : 1;
        found->failed_other += finding->is_other ? 1 : 0;
        assert_true(finding->type.len < 100);
        snprintf(found->texts[at], sizeof found->texts[at], "%.*s: %s", (int)finding->type.len, finding->type.ptr,
                 finding->error->message);
    }
    return found->answer;
}

static void look_on(void *ctx, uint64_t done, uint64_t total)
{
    struct found *found = ctx;
    found->progresses++;
    found->done = done;
    found->total = total;
}

static varve_status replay(struct bank *bank, const varve_decider *decider, const varve_decider *against,
                           struct found *found, varve_replay_summary *summary, varve_error *error)
{
    const varve_replay_options options = { .candidate = { .decider = decider },
                                           .against = { .decider = against },
                                           .workers = 4,
                                           .visit = take,
                                           .visit_ctx = found };
    varve_status status = varve_aggregate_replay(bank->store, &options, summary, error);
    assert_int_equal(workers, 0);
    assert_int_equal(states, 0);
    return status;
}

/* account-0 has nothing special, of the others the third in every ten comes to more than 1000. */
static uint64_t fill(struct bank *bank, unsigned streams)
{
    uint64_t events = 0;
    for (unsigned i = 0; i < streams; i++) {
        char name[32];
        snprintf(name, sizeof name, "account-%u", i);
        bank_deposit_directly(bank, varve_str_of(name), 5);
        bank_deposit_directly(bank, varve_str_of(name), i % 10 == 2 ? 999 : 10);
        events += 2;
    }
    bank_deposit_directly(bank, VARVE_STR("accounts-1"), 2000); /* of another category */
    bank_deposit_directly(bank, VARVE_STR("account"), 2000);    /* of this one, without an id */
    return events + 1;
}

/* ---- tests ---- */

static void every_stream_of_the_category_is_folded_once(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { 0 };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    varve_decider same = account;
    same.encode = encode_otherwise;
    bank_open(&bank, 0);
    uint64_t events = fill(&bank, STREAMS);

    folds = 0;
    assert_int_equal(replay(&bank, &account, NULL, &found, &summary, &error), VARVE_OK);
    assert_int_equal(summary.streams, STREAMS + 1);
    assert_int_equal(summary.events, events);
    assert_int_equal(folds, events);
    assert_int_equal(replay(&bank, &account, &same, &found, &summary, &error), VARVE_OK);
    assert_int_equal(summary.streams, STREAMS + 1);
    assert_int_equal(folds, 3 * events);
    assert_int_equal(summary.differing + summary.failed + found.count, 0);
    bank_close(&bank);
}

static void streams_that_differ_come_with_the_difference(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { 0 };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    varve_decider changed = account;
    changed.evolve = evolve_with_fee;
    bank_open(&bank, 0);
    fill(&bank, FEW);

    assert_int_equal(replay(&bank, &changed, &account, &found, &summary, &error), VARVE_OK);
    assert_int_equal(summary.differing, 2);
    assert_int_equal(summary.failed, 0);
    assert_int_equal(found.count, 2);
    unsigned two = strcmp(found.streams[0], "account-2") == 0 ? 0 : 1;
    assert_string_equal(found.streams[two], "account-2");
    assert_int_equal(found.versions[two], 2);
    assert_string_equal(found.texts[two], "[{\"op\":\"replace\",\"path\":\"/total\",\"value\":1003}]");
    assert_string_equal(found.streams[!two], "account");
    assert_string_equal(found.texts[!two], "[{\"op\":\"replace\",\"path\":\"/total\",\"value\":1999}]");
    bank_close(&bank);
}

static void events_that_cannot_be_applied_are_told_with_their_place(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { 0 };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    varve_decider small = account;
    small.evolve = evolve_small;
    bank_open(&bank, 0);
    fill(&bank, FEW);
    bank_deposit_directly(&bank, VARVE_STR("account-2"), 1);

    assert_int_equal(replay(&bank, &small, NULL, &found, &summary, &error), VARVE_OK);
    assert_int_equal(summary.failed, 2);
    assert_int_equal(summary.differing, 0);
    unsigned two = strcmp(found.streams[0], "account-2") == 0 ? 0 : 1;
    assert_string_equal(found.streams[two], "account-2");
    assert_int_equal(found.versions[two], 2);
    assert_int_equal(found.positions[two], 6);
    assert_string_equal(found.texts[two], "Deposited: evolve of Deposited, version 2 on account-2: too much");
    assert_int_equal(found.versions[!two], 1);

    /* Of the other version too, and then nothing is compared. */
    found = (struct found){ 0 };
    assert_int_equal(replay(&bank, &account, &small, &found, &summary, &error), VARVE_OK);
    assert_int_equal(found.failed_other, 2);
    assert_int_equal(found.failed + found.differing, 0);
    assert_int_equal(summary.failed, 2);
    assert_int_equal(replay(&bank, &small, &small, &found, &summary, &error), VARVE_OK);
    assert_int_equal(found.failed, 2);
    assert_int_equal(summary.failed, 4);
    bank_close(&bank);
}

static void a_state_that_cannot_be_shown_is_told(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { 0 };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    varve_decider secret = account;
    secret.encode = encode_nothing;
    bank_open(&bank, 0);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 1);
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 1);

    assert_int_equal(replay(&bank, &secret, &account, &found, &summary, &error), VARVE_OK);
    assert_int_equal(found.failed, 1);
    assert_int_equal(found.versions[0], 2);
    assert_int_equal(found.positions[0], 2);
    assert_string_equal(found.texts[0], ": encode on account-1: not to be shown");
    assert_int_equal(replay(&bank, &secret, NULL, &found, &summary, &error), VARVE_OK); /* nobody has to see it */
    assert_int_equal(summary.failed, 0);
    bank_close(&bank);
}

/* A snapshot that says something else: a fold that begins with it is noticed, and so is a new one. */
static void snapshots_are_not_used_and_not_made(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { 0 };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    varve_decider changed = account;
    varve_buf json = { 0 };
    uint64_t version = 0;
    const struct store_snapshot wrong = { VARVE_STR("account-1"), 60, 0, VARVE_STR("{\"total\":7,\"unit\":\"cent\"}") };
    changed.evolve = evolve_with_fee;
    bank_open(&bank, 0);
    for (unsigned i = 0; i < 60; i++) bank_deposit_directly(&bank, VARVE_STR("account-1"), 1);
    store_snapshot_put(bank.store, &wrong);
    for (unsigned i = 0; i < 60; i++) bank_deposit_directly(&bank, VARVE_STR("account-1"), 20);

    assert_int_equal(replay(&bank, &changed, &account, &found, &summary, &error), VARVE_OK);
    assert_int_equal(summary.events, 120);
    assert_string_equal(found.texts[0], "[{\"op\":\"replace\",\"path\":\"/total\",\"value\":1247}]");
    bank_deposit_directly(&bank, VARVE_STR("account-1"), 1);
    assert_int_equal(store_snapshot_get(bank.store, VARVE_STR("account-1"), 0, INT64_MAX, &version, &json, &error),
                     VARVE_OK);
    assert_int_equal(version, 60);
    varve_buf_fini(&json);
    bank_close(&bank);
}

static void who_takes_the_findings_can_end_it(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { .answer = VARVE_FULL };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    varve_decider changed = account;
    changed.evolve = evolve_with_fee;
    bank_open(&bank, 0);
    fill(&bank, STREAMS);
    assert_int_equal(replay(&bank, &changed, &account, &found, &summary, &error), VARVE_FULL);
    assert_int_equal(error.status, VARVE_FULL);
    assert_int_equal(found.count, 1);
    bank_close(&bank);
}

static void progress_is_told_in_events(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { 0 };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    bank_open(&bank, 0);
    uint64_t events = fill(&bank, FEW);
    const varve_replay_options options = { .candidate = { .decider = &account },
                                           .visit = take,
                                           .visit_ctx = &found,
                                           .progress = look_on,
                                           .progress_ctx = &found };
    assert_int_equal(varve_aggregate_replay(bank.store, &options, &summary, &error), VARVE_OK);
    assert_true(found.progresses >= 1);
    assert_int_equal(found.done, events);
    assert_int_equal(found.total, events);
    bank_close(&bank);
}

/* Waits until another stream is being folded too. */
static varve_status evolve_with_another(void *state, const varve_event *event, varve_error *error)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t met = PTHREAD_COND_INITIALIZER;
    static unsigned at_once;
    struct timespec late;
    clock_gettime(CLOCK_MONOTONIC, &late);
    late.tv_sec += 10;
    int failed = 0;
    pthread_mutex_lock(&mutex);
    at_once++;
    pthread_cond_broadcast(&met);
    while (at_once < 2 && failed == 0) failed = pthread_cond_clockwait(&met, &mutex, CLOCK_MONOTONIC, &late);
    pthread_mutex_unlock(&mutex);
    return failed == 0 ? evolve(state, event, error) : varve_error_set(error, VARVE_APPLICATION, "alone");
}

static void few_streams_are_folded_at_once_too(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { 0 };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    varve_decider slow = account;
    slow.evolve = evolve_with_another;
    bank_open(&bank, 0);
    fill(&bank, FEW);
    assert_int_equal(replay(&bank, &slow, NULL, &found, &summary, &error), VARVE_OK);
    assert_int_equal(found.failed, 0);
    assert_int_equal(summary.streams, FEW + 1);
    bank_close(&bank);
}

static varve_status read_anything(void *worker, const varve_command *command, varve_reading *reading,
                                  varve_error *error)
{
    (void)worker;
    (void)command;
    (void)error;
    return varve_read_item(reading, &(varve_query_item){ 0 });
}

static const varve_command_handler some_commands[] = { { "Anything", decide }, { NULL, NULL } };

static void what_cannot_be_replayed_is_refused(void **state)
{
    (void)state;
    struct bank bank = { 0 };
    struct found found = { 0 };
    varve_replay_summary summary = { 0 };
    varve_error error = { 0 };
    varve_decider other = account, blind = account, incomplete = account, over_query = account;
    varve_replay_options options = { .candidate = { .decider = &account }, .visit = take, .visit_ctx = &found };
    other.category = "parcel";
    blind.encode = NULL;
    blind.decode = NULL;
    incomplete.evolve = NULL;
    over_query.category = NULL;
    over_query.snapshot_every = VARVE_NO_SNAPSHOTS;
    over_query.reads = read_anything;
    over_query.decide = NULL;
    over_query.commands = some_commands;
    bank_open(&bank, 0);

    assert_int_equal(replay(&bank, &account, &other, &found, &summary, &error), VARVE_INVALID);
    assert_string_equal(error.message, "the decider of 'account' cannot be compared with one of 'parcel'");
    assert_int_equal(replay(&bank, &account, &blind, &found, &summary, &error), VARVE_INVALID);
    assert_int_equal(replay(&bank, &blind, NULL, &found, &summary, &error), VARVE_OK);
    assert_int_equal(replay(&bank, &incomplete, NULL, &found, &summary, &error), VARVE_INVALID);
    assert_int_equal(replay(&bank, NULL, NULL, &found, &summary, &error), VARVE_INVALID);
    assert_int_equal(replay(&bank, &over_query, NULL, &found, &summary, &error), VARVE_UNSUPPORTED);
    options.workers = VARVE_REPLAY_WORKERS_MAX + 1;
    assert_int_equal(varve_aggregate_replay(bank.store, &options, &summary, &error), VARVE_INVALID);
    options = (varve_replay_options){ .size = 3, .candidate = { .decider = &account }, .visit = take };
    assert_int_equal(varve_aggregate_replay(bank.store, &options, &summary, &error), VARVE_INVALID);
    options = (varve_replay_options){ .candidate = { .decider = &account } };
    assert_int_equal(varve_aggregate_replay(bank.store, &options, &summary, &error), VARVE_INVALID);
    assert_int_equal(found.count, 0);
    bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stream_of_the_category_is_folded_once),
        cmocka_unit_test(streams_that_differ_come_with_the_difference),
        cmocka_unit_test(events_that_cannot_be_applied_are_told_with_their_place),
        cmocka_unit_test(a_state_that_cannot_be_shown_is_told),
        cmocka_unit_test(snapshots_are_not_used_and_not_made),
        cmocka_unit_test(who_takes_the_findings_can_end_it),
        cmocka_unit_test(progress_is_told_in_events),
        cmocka_unit_test(few_streams_are_folded_at_once_too),
        cmocka_unit_test(what_cannot_be_replayed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
