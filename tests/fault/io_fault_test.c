/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets the n-th call of the disk fail, for every n until none fails, once and for good, while a store
 * is opened, written, read and closed; then opens it again on a disk that works, and after a power
 * cut. What was acknowledged is there; what was refused is not; what is unknown may be either, and
 * asking again settles it. A full disk refuses and the store goes on when there is room; after an I/O
 * error in a commit nothing is accepted any more.
 *
 *   io_fault_test
 */
#include <inttypes.h>
#include <stdio.h>

#include "store/access.h"
#include "tests/fault/ledger.h"
#include "tests/fault/replay.h"
#include "tests/support/scratch.h"

enum { CHECKPOINT_PAGES = 20, GROUPS = 4, PROMISES = 64 };

struct run {
    struct scratch scratch;
    char path[192];
    struct disk *disk;
    struct ledger ledger;
    struct promise promised[PROMISES]; /* before unknown outcomes were settled */
    enum disk_fault fault;
    bool for_good;
    uint64_t call; /* the one that fails */
    uint64_t runs, refused, unknown, failures;
};

static const char *const fault_names[] = { "healthy", "eio", "torn", "full", "short" };

static void fail_run(struct run *run, const char *when, const char *what)
{
    if (run->failures++ < 10)
        fprintf(stderr, "%s %s, call %" PRIu64 ": %s: %s\n", fault_names[run->fault],
                run->for_good ? "for good" : "once", run->call, when, what);
}

static varve_store *open_store(struct run *run, varve_error *error)
{
    varve_store *store = NULL;
    *error = (varve_error){ 0 };
    (void)store_open(&store, &store_sqlite, run->path, &(varve_store_options){ .checkpoint_pages = CHECKPOINT_PAGES },
                     error);
    return store;
}

/* Reads the log while it may fail: an error is fine, a wrong event is not. */
static void read_log(struct run *run, varve_store *store)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    uint64_t position = 0;
    char what[128];
    varve_status status = varve_cursor_open(&cursor, store, &(varve_read_options){ 0 }, NULL);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &event, NULL)) == VARVE_OK) {
        size_t append, place;
        if (!ledger_event_is_right(event, &append, &place, what, sizeof what)) fail_run(run, "reading", what);
        if (event->position != ++position) fail_run(run, "reading", "a hole in the log");
    }
    varve_cursor_close(cursor);
}

static void work(struct run *run, varve_store *store)
{
    for (size_t group = 0; group < GROUPS; group++) {
        for (size_t i = 0; i < 3; i++) ledger_append_async(&run->ledger, store);
        store_snapshot_put(store, &(struct store_snapshot){ .stream = VARVE_STR("account-0"),
                                                            .version = group + 1,
                                                            .state_version = 1,
                                                            .state = VARVE_STR("{}") });
        ledger_wait(&run->ledger);
        (void)ledger_append(&run->ledger, store);
        if (group % 3 == 1) read_log(run, store);
    }
}

/* The answers must be of the kind that the fault allows, and none good after a fatal one. */
static bool check_answers(struct run *run)
{
    bool full = run->fault == DISK_FULL || run->fault == DISK_SHORT, fatal = false;
    for (size_t i = 0; i < run->ledger.count; i++) {
        const struct promise *promise = &run->ledger.promises[i];
        bool unknown = promise->status == VARVE_INDETERMINATE, poisoned = (promise->flags & VARVE_ERROR_FATAL) != 0;
        run->unknown += unknown;
        run->refused += promise->status < 0 && !unknown && promise->status != VARVE_CONFLICT;
        if (!promise->answered) fail_run(run, "answers", "an append was never answered");
        if (fatal && (!poisoned || (promise->status != VARVE_IO && !unknown)))
            fail_run(run, "answers", "the store went on after a fatal error");
        if (unknown && (promise->flags & VARVE_ERROR_UNKNOWN_OUTCOME) == 0)
            fail_run(run, "answers", "an unknown outcome is not marked as one");
        if ((unknown || promise->status == VARVE_IO) && !poisoned)
            fail_run(run, "answers", "an I/O error did not stop the store");
        fatal = fatal || poisoned;
        if (promise->status >= 0 || promise->status == VARVE_CONFLICT) continue;
        if (!full && promise->status == VARVE_UNAVAILABLE) continue; /* a file that cannot be opened: definite */
        if (full ? promise->status != VARVE_FULL : promise->status != VARVE_IO && !unknown)
            fail_run(run, "answers", varve_status_word(promise->status));
    }
    if (full && fatal) fail_run(run, "answers", "a full disk stopped the store");
    return fatal;
}

static void check_store(struct run *run, varve_store *store, size_t before, const char *when)
{
    const struct ledger_rules rules = { .before = before, .quick = before != SIZE_MAX };
    struct ledger_findings findings = { 0 };
    if (!ledger_check(&run->ledger, store, &rules, &findings)) fail_run(run, when, findings.first);
}

/* The disk works again: a store that was poisoned refuses, any other goes on. */
static void check_recovery(struct run *run, varve_store *store, bool fatal)
{
    if (ledger_must_conflict(run->ledger.count)) run->ledger.count++;
    varve_status status = ledger_append(&run->ledger, store);
    const struct promise *promise = &run->ledger.promises[run->ledger.count - 1];
    if (!fatal && status != VARVE_OK) fail_run(run, "once the disk works again", varve_status_word(status));
    if (fatal && (status != VARVE_IO || (promise->flags & VARVE_ERROR_FATAL) == 0))
        fail_run(run, "after a fatal error", varve_status_word(status));
}

/* Opens the store on the disk as it is, which works again. */
static varve_store *reopen(struct run *run, const char *when)
{
    varve_error error;
    varve_store *store = open_store(run, &error);
    if (store == NULL) fail_run(run, when, error.message);
    return store;
}

static void settle_unknown(struct run *run)
{
    varve_store *store = reopen(run, "opening again");
    if (store == NULL) return;
    check_store(run, store, SIZE_MAX, "opened again");
    for (size_t i = 0; i < run->ledger.count; i++)
        if (run->ledger.promises[i].status == VARVE_INDETERMINATE && ledger_repeat(&run->ledger, store, i) < 0 &&
            !ledger_must_conflict(i))
            fail_run(run, "asking again", varve_status_word(run->ledger.promises[i].status));
    check_store(run, store, SIZE_MAX, "settled");
    varve_store_close(store);
}

/* As if the power had been cut when the disk had done `point` operations. */
static void cut_power(struct run *run, size_t point)
{
    struct disk_recording recording = disk_take_recording(run->disk);
    struct replay *replay = replay_new(&recording);
    for (size_t i = 0; i < point; i++) replay_step(replay);
    replay_rebuild(replay, CUT_DROPPED, 0, run->disk);
    varve_store *store = reopen(run, "opening after a power cut");
    if (store != NULL) check_store(run, store, point, "after a power cut");
    varve_store_close(store);
    replay_free(replay);
    disk_recording_free(&recording);
}

/* One life with one fault; false once the fault was never reached. */
static bool one_life(struct run *run)
{
    varve_error error;
    disk_reset(run->disk);
    ledger_reset(&run->ledger);
    disk_fail(run->disk, run->fault, run->call, run->for_good);
    varve_store *store = open_store(run, &error);
    bool fatal = false, full = run->fault == DISK_FULL || run->fault == DISK_SHORT;
    if (store != NULL) {
        work(run, store);
        fatal = check_answers(run);
    } else if (error.status != VARVE_IO && error.status != VARVE_UNAVAILABLE && /* a file that cannot be opened */
               !(full && error.status == VARVE_FULL)) {
        fail_run(run, "opening", error.message);
    }
    bool reached_early = disk_failures(run->disk) > 0;
    size_t point = disk_operations(run->disk);
    if (store != NULL && reached_early) {
        disk_fail(run->disk, DISK_HEALTHY, 0, false);
        check_recovery(run, store, fatal);
        point = disk_operations(run->disk);
    }
    varve_store_close(store);
    bool reached = reached_early || disk_failures(run->disk) > 0;
    disk_fail(run->disk, DISK_HEALTHY, 0, false);
    memcpy(run->promised, run->ledger.promises, run->ledger.count * sizeof run->promised[0]);
    settle_unknown(run);
    memcpy(run->ledger.promises, run->promised, run->ledger.count * sizeof run->promised[0]);
    cut_power(run, point);
    run->runs++;
    return reached;
}

int main(void)
{
    static struct run run;
    uint64_t failures = 0;
    scratch_init(&run.scratch);
    snprintf(run.path, sizeof run.path, "%s", scratch_path(&run.scratch, "log.db"));
    FILE *file = fopen(run.path, "w"); /* found by the store, so that it does not flush the real folder every time */
    if (file == NULL || fclose(file) != 0) return 1;
    run.disk = disk_new();
    ledger_init(&run.ledger, run.disk);
    for (run.fault = DISK_EIO; run.fault <= DISK_SHORT; run.fault++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            run.for_good = for_good == 1;
            run.runs = run.refused = run.unknown = run.failures = 0;
            run.call = 1;
            while (one_life(&run)) run.call++;
            printf("io_fault %s %s calls=%" PRIu64 " refused=%" PRIu64 " unknown=%" PRIu64 " wrong=%" PRIu64 "\n",
                   fault_names[run.fault], run.for_good ? "for_good" : "once", run.call - 1, run.refused, run.unknown,
                   run.failures);
            failures += run.failures + (run.refused == 0);
        }
    }
    ledger_fini(&run.ledger);
    disk_free(run.disk);
    scratch_fini(&run.scratch);
    return failures == 0 ? 0 : 1;
}
