/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets the n-th allocation fail, SQLite's and our own counted together, for every n until none fails,
 * once and for good, while a store is opened, written, read, followed, verified and closed. Every call
 * succeeds or says that memory is out; afterwards the store holds what was acknowledged and nothing
 * that was refused. Leaks are the leak checker's to find.
 *
 *   memory_fault_test [STRIDE]     every STRIDE-th allocation; 1 when not given
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/access.h"
#include "tests/fault/ledger.h"
#include "tests/fault/memory.h"
#include "tests/support/scratch.h"

enum { GROUPS = 4 };

struct run {
    struct scratch scratch;
    struct ledger ledger;
    uint64_t fails; /* the allocation that does */
    bool for_good;
    uint64_t runs, refused, unknown, failures;
};

/* ---- one life ---- */

static void fail_run(struct run *run, const char *when, const char *what)
{
    if (run->failures++ < 10)
        fprintf(stderr, "allocation %" PRIu64 "%s: %s: %s\n", run->fails, run->for_good ? " and on" : "", when, what);
}

/* A call under fault may succeed or be out of memory, nothing else. */
static void expect(struct run *run, const char *when, varve_status status, const varve_error *error)
{
    if (status < 0 && status != VARVE_NOMEM) fail_run(run, when, error->message);
}

static varve_store *open_store(struct run *run, varve_error *error)
{
    varve_store *store = NULL;
    *error = (varve_error){ 0 };
    const varve_store_options options = { .durability = VARVE_DURABILITY_RELAXED, .checkpoint_pages = 20 };
    (void)store_open(&store, &store_sqlite, scratch_path(&run->scratch, "log.db"), &options, error);
    return store;
}

/* Takes what a cursor gives up to the head, going on after a failure when memory is back: no gap, no repeat. */
static void drain(struct run *run, varve_cursor *cursor, uint64_t *position)
{
    const varve_event *event = NULL;
    varve_error error = { 0 };
    bool again = true;
    for (;;) {
        varve_status status = varve_cursor_next(cursor, &event, &error);
        expect(run, "reading", status, &error);
        if (status == VARVE_DONE || status == VARVE_IDLE || (status < 0 && !again)) return;
        if (status < 0) again = false;
        if (status != VARVE_OK) continue;
        size_t append, place;
        char what[128];
        if (!ledger_event_is_right(event, &append, &place, what, sizeof what)) fail_run(run, "reading", what);
        if (event->position != ++*position) fail_run(run, "reading", "a gap or a repeat");
    }
}

static void write_and_follow(struct run *run, varve_store *store)
{
    varve_cursor *follower = NULL;
    varve_error error = { 0 };
    uint64_t position = 0;
    varve_status status = varve_cursor_open(&follower, store, &(varve_read_options){ .follow = true }, &error);
    expect(run, "subscribing", status, &error);
    for (size_t group = 0; group < GROUPS; group++) {
        for (size_t i = 0; i < 2; i++) ledger_append_async(&run->ledger, store);
        store_snapshot_put(store, &(struct store_snapshot){ .stream = VARVE_STR("account-0"),
                                                            .version = group + 1,
                                                            .state_version = 1,
                                                            .state = VARVE_STR("{}") });
        ledger_wait(&run->ledger);
        if (follower != NULL) drain(run, follower, &position);
    }
    varve_cursor_close(follower);
}

static varve_status count_stream(void *ctx, const varve_stream_version *stream)
{
    size_t *count = ctx;
    *count += stream->version > 0;
    return VARVE_OK;
}

static void look(struct run *run, varve_store *store)
{
    varve_error error = { 0 };
    varve_store_info info;
    struct ledger_event made;
    varve_event event;
    varve_buf buffer = { 0 };
    varve_cursor *cursor = NULL;
    uint64_t version = 0, events = 0, position = 0;
    size_t streams = 0;
    expect(run, "info", varve_store_get_info(store, &info, &error), &error);
    expect(run, "listing",
           varve_stream_list(store, (varve_str){ 0 }, (varve_str){ 0 }, 0, count_stream, &streams, &error), &error);
    ledger_event_make(0, 0, &made);
    varve_status status = varve_event_find(store, made.event.id, &event, &buffer, &error);
    if (status != VARVE_NOT_FOUND || run->ledger.promises[0].status >= 0) expect(run, "finding", status, &error);
    expect(run, "a version", varve_stream_get_version(store, made.event.stream, &version, &error), &error);
    varve_buf_reset(&buffer);
    status = store_snapshot_get(store, VARVE_STR("account-0"), 1, UINT64_MAX, &version, &buffer, &error);
    if (status != VARVE_NOT_FOUND) expect(run, "a snapshot", status, &error);
    varve_buf_fini(&buffer);
    status = varve_cursor_open(&cursor, store, &(varve_read_options){ 0 }, &error);
    expect(run, "a cursor", status, &error);
    if (cursor != NULL) drain(run, cursor, &position);
    varve_cursor_close(cursor);
    expect(run, "verifying", varve_store_verify(store, NULL, &events, &error), &error);
}

static void check_answers(struct run *run)
{
    for (size_t i = 0; i < run->ledger.count; i++) {
        const struct promise *promise = &run->ledger.promises[i];
        run->refused += promise->status == VARVE_NOMEM;
        run->unknown += promise->status == VARVE_INDETERMINATE;
        if (!promise->answered) fail_run(run, "answers", "an append was never answered");
        if (promise->status < 0 && promise->status != VARVE_NOMEM && promise->status != VARVE_CONFLICT &&
            promise->status != VARVE_INDETERMINATE)
            fail_run(run, "answers", varve_status_word(promise->status));
        if ((promise->flags & VARVE_ERROR_FATAL) != 0) fail_run(run, "answers", "want of memory stopped the store");
    }
}

static void remove_store(struct run *run)
{
    static const char *const names[] = { "log.db", "log.db-wal", "log.db-shm", "log.db-journal", "log.db.lock" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) (void)unlink(scratch_path(&run->scratch, names[i]));
}

/* Memory is back: the store, or another one on the same file, works and holds what it should. */
static void check_store(struct run *run)
{
    const struct ledger_rules rules = { .before = SIZE_MAX, .quick = true };
    struct ledger_findings findings = { 0 };
    varve_error error;
    varve_store *store = open_store(run, &error);
    if (store == NULL) {
        fail_run(run, "opening again", error.message);
        return;
    }
    for (size_t i = 0; i < run->ledger.count; i++)
        if (run->ledger.promises[i].status == VARVE_INDETERMINATE && ledger_repeat(&run->ledger, store, i) < 0)
            fail_run(run, "asking again", varve_status_word(run->ledger.promises[i].status));
    if (!ledger_check(&run->ledger, store, &rules, &findings)) fail_run(run, "opened again", findings.first);
    varve_store_close(store);
}

/* False once the failing allocation was never reached. */
static bool one_life(struct run *run)
{
    varve_error error;
    remove_store(run);
    ledger_reset(&run->ledger);
    memory_fail(run->fails, run->for_good);
    varve_store *store = open_store(run, &error);
    if (store == NULL) {
        expect(run, "opening", error.status, &error);
    } else {
        write_and_follow(run, store);
        look(run, store);
        check_answers(run);
        if (!run->for_good && memory_has_failed() && ledger_append(&run->ledger, store) < 0)
            fail_run(run, "once memory is back", varve_status_word(run->ledger.promises[run->ledger.count - 1].status));
    }
    varve_store_close(store);
    bool reached = memory_has_failed();
    memory_fail(0, false);
    check_store(run);
    run->runs++;
    return reached;
}

int main(int argc, char **argv)
{
    static struct run run;
    uint64_t stride = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, failures = 0;
    if (!memory_init()) return 1;
    scratch_init(&run.scratch);
    ledger_init(&run.ledger, NULL);
    for (int for_good = 0; for_good < 2; for_good++) {
        run.for_good = for_good == 1;
        run.runs = run.refused = run.unknown = run.failures = 0;
        run.fails = 1;
        while (one_life(&run)) run.fails += stride;
        printf("memory_fault %s allocations=%" PRIu64 " runs=%" PRIu64 " refused=%" PRIu64 " unknown=%" PRIu64
               " wrong=%" PRIu64 "\n",
               run.for_good ? "for_good" : "once", run.fails - 1, run.runs, run.refused, run.unknown, run.failures);
        failures += run.failures + (run.refused == 0);
    }
    ledger_fini(&run.ledger);
    scratch_fini(&run.scratch);
    return failures == 0 ? 0 : 1;
}
