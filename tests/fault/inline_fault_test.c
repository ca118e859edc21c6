/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inline projection on a disk that loses power, fails or fills up: whatever is there afterwards, its tables are what
 * the log says, in the very file, before anybody has caught up with anything; and nothing acknowledged is missing.
 *
 *   inline_fault_test some|all [SEED]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "query/models.h"
#include "sql/sql.h"
#include "store/access.h"
#include "tests/fault/ledger.h"
#include "tests/fault/random.h"
#include "tests/fault/replay.h"
#include "tests/support/scratch.h"

enum { ROUNDS = 24, FAULT_ROUNDS = 3, CHECKPOINT_PAGES = 60, STRIDE = 61, CALLS = 5, THOROUGH_EVERY = 16 };

/* Half of the ledger's events concern it. */
static const char projection[] =
    "-- @projection seen\n-- @version 1\n-- @mode inline\n-- @create\n"
    "CREATE TABLE seen (position INTEGER PRIMARY KEY, stream TEXT NOT NULL);\n"
    "CREATE TABLE tally (stream TEXT PRIMARY KEY, n INTEGER NOT NULL);\n"
    "-- @on Opened, Paid\nINSERT INTO seen VALUES (:position, :stream);\n"
    "INSERT INTO tally VALUES (:stream, 1) ON CONFLICT (stream) DO UPDATE SET n = n + 1;\n";

static const char comparison[] =
    "WITH right AS (SELECT e.position, s.name AS stream FROM events e JOIN types t ON t.id = e.type"
    "  JOIN streams s ON s.id = e.stream WHERE t.name IN ('Opened', 'Paid'))"
    " SELECT NOT EXISTS (SELECT position, stream FROM seen EXCEPT SELECT position, stream FROM right)"
    " AND NOT EXISTS (SELECT position, stream FROM right EXCEPT SELECT position, stream FROM seen)"
    " AND NOT EXISTS (SELECT stream, n FROM tally EXCEPT SELECT stream, count(*) FROM right GROUP BY stream)"
    " AND (SELECT total(n) FROM tally) = (SELECT count(*) FROM right)";

struct run {
    struct scratch scratch;
    char path[192];
    struct disk *disk;
    struct ledger ledger, after;
    varve_store *store;
    struct models *models;
    bool all;
    uint64_t seed, homes;
    uint64_t cuts, lives, failures;
};

static void fail_run(struct run *run, const char *when, const char *what)
{
    if (run->failures++ < 10) fprintf(stderr, "%s: %s\n", when, what);
}

static varve_status open_store(struct run *run, varve_error *error)
{
    const varve_store_options options = { .checkpoint_pages = CHECKPOINT_PAGES };
    return store_open(&run->store, &store_sqlite, run->path, &options, error);
}

/* What is removed is not removed from this disk: each time it is another folder. */
static varve_status open_models(struct run *run, varve_error *error)
{
    char name[32];
    snprintf(name, sizeof name, "models-%" PRIu64, run->homes++);
    const struct models_options options = { .sql = &sql_sqlite,
                                            .location = scratch_path(&run->scratch, name),
                                            .log_location = run->path };
    varve_status status = models_open(&run->models, run->store, &options, error);
    if (status >= 0) status = models_add_projection(run->models, "seen.sql", varve_str_of(projection), error);
    return status < 0 ? status : models_start(run->models, error);
}

static void close_all(struct run *run)
{
    models_close(run->models);
    varve_store_close(run->store);
    run->models = NULL;
    run->store = NULL;
}

static void see(void *ctx, const varve_projection_status *status)
{
    bool *rebuilding = ctx;
    *rebuilding = status->rebuilding;
}

static bool is_rebuilding(struct run *run)
{
    bool rebuilding = false;
    return models_list(run->models, VARVE_STR("seen"), see, &rebuilding, NULL) >= 0 && rebuilding;
}

/* ---- what is in the file ---- */

static int64_t number(sqlite3 *db, const char *question)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db, question, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* While the store is open; events come only after the model was built. */
static bool is_right(struct run *run)
{
    sqlite3 *db = NULL;
    bool right = sqlite3_open_v2(run->path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK;
    if (right && number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'seen'") == 0)
        right = number(db, "SELECT count(*) FROM events") == 0;
    else
        right = right && number(db, comparison) == 1;
    sqlite3_close(db);
    return right;
}

/* ---- power cuts ---- */

/* The first half is written, then the model is rebuilt while the second is. */
static bool work(struct run *run)
{
    varve_error error = { 0 };
    uint64_t random = run->seed;
    bool done = open_store(run, &error) >= 0 && open_models(run, &error) >= 0;
    for (size_t round = 0; done && round < ROUNDS; round++) {
        for (uint64_t n = 1 + random_next(&random) % 4; n > 0; n--) ledger_append_async(&run->ledger, run->store);
        ledger_wait(&run->ledger);
        if (round != ROUNDS / 2) continue;
        close_all(run);
        done = open_store(run, &error) >= 0 && open_models(run, &error) >= 0 &&
               models_rebuild(run->models, VARVE_STR("seen"), &error) >= 0;
    }
    while (done && is_rebuilding(run)) usleep(1000);
    if (!done) fail_run(run, "writing", error.message);
    if (done && !is_right(run)) fail_run(run, "writing", "the model is not what the log says");
    close_all(run);
    return done;
}

/* Somebody goes on with what the cut left: the model is there, or is built, and takes what comes. */
static void go_on(struct run *run, const char *when)
{
    varve_error error = { 0 };
    if (!is_right(run)) fail_run(run, when, "the model is not what the log says");
    if (open_models(run, &error) < 0) {
        fail_run(run, when, error.message);
        return;
    }
    run->after.count = run->ledger.count;
    if (ledger_must_conflict(run->after.count)) run->after.count++;
    if (ledger_append(&run->after, run->store) != VARVE_OK) fail_run(run, when, "the next append fails");
    if (!is_right(run)) fail_run(run, when, "the model is not what the log says after the next append");
}

static void cut_here(struct run *run, const struct replay *replay, size_t point, enum cut cut)
{
    char when[64];
    varve_error error = { 0 };
    const struct ledger_rules rules = { .before = point, .quick = !run->all && run->cuts % THOROUGH_EVERY != 0 };
    struct ledger_findings findings = { 0 };
    snprintf(when, sizeof when, "cut %d at operation %zu", (int)cut, point);
    replay_rebuild(replay, cut, run->seed ^ (point * CUTS + cut), run->disk);
    run->cuts++;
    if (open_store(run, &error) < 0) {
        fail_run(run, when, error.message);
        return;
    }
    if (!ledger_check(&run->ledger, run->store, &rules, &findings)) fail_run(run, when, findings.first);
    go_on(run, when);
    close_all(run);
}

static bool is_interesting(const struct disk_recording *recording, size_t point)
{
    for (size_t i = point < 2 ? 0 : point - 2; i <= point && i < recording->count; i++)
        if (recording->operations[i].deed == DISK_FLUSHED) return true;
    return point % STRIDE == 0 || point == recording->count;
}

static void cut_everywhere(struct run *run)
{
    struct disk_recording recording = disk_take_recording(run->disk);
    struct replay *replay = replay_new(&recording);
    for (size_t point = 0;; point++) {
        if (run->all || is_interesting(&recording, point)) {
            enum cut last = replay_is_settled(replay) ? CUT_DROPPED : CUTS - 1;
            for (enum cut cut = CUT_DROPPED; cut <= last; cut++) cut_here(run, replay, point, cut);
        }
        if (point == recording.count) break;
        replay_step(replay);
    }
    replay_free(replay);
    disk_recording_free(&recording);
}

/* ---- a disk that fails ---- */

/* Whatever fails is told to somebody, and closing comes through; false once the fault was never reached. */
static bool one_life(struct run *run, enum disk_fault fault, uint64_t call)
{
    char when[64];
    varve_error error = { 0 };
    const struct ledger_rules rules = { .before = SIZE_MAX, .quick = true };
    struct ledger_findings findings = { 0 };
    snprintf(when, sizeof when, "fault %d from call %" PRIu64, (int)fault, call);
    disk_reset(run->disk);
    ledger_reset(&run->ledger);
    disk_fail(run->disk, fault, call, true);
    if (open_store(run, &error) >= 0 && open_models(run, &error) >= 0) {
        for (size_t round = 0; round < FAULT_ROUNDS; round++) {
            for (size_t i = 0; i < 3; i++) ledger_append_async(&run->ledger, run->store);
            ledger_wait(&run->ledger);
        }
    }
    close_all(run);
    bool reached = disk_failures(run->disk) > 0;
    disk_fail(run->disk, DISK_HEALTHY, 0, false);
    run->lives++;
    if (open_store(run, &error) < 0) {
        fail_run(run, when, error.message);
        return reached;
    }
    if (!ledger_check(&run->ledger, run->store, &rules, &findings)) fail_run(run, when, findings.first);
    go_on(run, when);
    close_all(run);
    return reached;
}

int main(int argc, char **argv)
{
    static struct run run;
    run.all = argc > 1 && strcmp(argv[1], "all") == 0;
    run.seed = (uint64_t)getpid();
    if (argc > 2) run.seed = strtoull(argv[2], NULL, 10);
    scratch_init(&run.scratch);
    snprintf(run.path, sizeof run.path, "%s", scratch_path(&run.scratch, "log.db"));
    FILE *file = fopen(run.path, "w"); /* found by the store, so that it does not flush the real folder every time */
    if (file == NULL || fclose(file) != 0) return 1;
    run.disk = disk_new();
    ledger_init(&run.ledger, run.disk);
    ledger_init(&run.after, run.disk);
    if (work(&run)) cut_everywhere(&run);
    for (enum disk_fault fault = DISK_EIO; fault <= DISK_FULL && run.failures < 10; fault++) {
        uint64_t call = 1;
        while (one_life(&run, fault, call) && run.failures < 10) call += run.all ? 1 : CALLS;
    }
    ledger_fini(&run.after);
    ledger_fini(&run.ledger);
    disk_free(run.disk);
    scratch_fini(&run.scratch);
    printf("inline_fault cuts=%" PRIu64 " lives=%" PRIu64 " failures=%" PRIu64 " seed=%" PRIu64 "\n", run.cuts,
           run.lives, run.failures, run.seed);
    return run.failures > 0 || run.cuts == 0;
}
