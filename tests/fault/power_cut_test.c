/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts the power. A workload is recorded once; then, at every operation of the disk and for every
 * kind of cut, the disk is rebuilt as it could stand, the store is opened on it, everything is read,
 * and the next append is made.
 *
 * With FULL durability everything acknowledged before the cut must be there. With RELAXED the latest
 * appends may be missing, but never one before one that is there.
 *
 *   power_cut_test some|all [SEED]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/access.h"
#include "tests/fault/ledger.h"
#include "tests/fault/random.h"
#include "tests/fault/replay.h"
#include "tests/support/scratch.h"

enum { COMMITS = 200, CHECKPOINT_PAGES = 60, STRIDE = 61, THOROUGH_EVERY = 16 };

struct run {
    struct scratch scratch;
    char path[192];
    struct disk *disk;
    struct ledger ledger, after; /* what was promised before the cut; a copy that goes on after it */
    varve_durability durability;
    bool all;
    uint64_t seed;
    uint64_t points, cuts, failed;
    struct ledger_findings findings;
};

static varve_store *open_store(struct run *run)
{
    varve_store *store = NULL;
    varve_error error = { 0 };
    const varve_store_options options = { .durability = run->durability, .checkpoint_pages = CHECKPOINT_PAGES };
    if (store_open(&store, &store_sqlite, run->path, &options, &error) >= 0) return store;
    if (run->findings.first[0] == '\0')
        snprintf(run->findings.first, sizeof run->findings.first, "opening: %s", error.message);
    run->findings.errors++;
    return NULL;
}

/* Some appends at once, so that they share commits; now and then a snapshot, once a clean restart. */
static bool work(struct run *run)
{
    varve_store *store = open_store(run);
    struct store_stats stats = { 0 };
    uint64_t commits = 0, random = run->seed;
    while (store != NULL && commits + stats.commits < COMMITS) {
        for (uint64_t n = 1 + random_next(&random) % 4; n > 0; n--) ledger_append_async(&run->ledger, store);
        if (random_next(&random) % 8 == 0)
            store_snapshot_put(store, &(struct store_snapshot){ .stream = VARVE_STR("account-0"),
                                                                .version = 1 + random % 9,
                                                                .state_version = 1,
                                                                .state = VARVE_STR("{\"balance\":12}") });
        ledger_wait(&run->ledger);
        store_get_stats(store, &stats);
        if (commits > 0 || stats.commits < COMMITS / 2) continue;
        commits = stats.commits;
        stats = (struct store_stats){ 0 };
        varve_store_close(store);
        store = open_store(run);
    }
    bool done = store != NULL;
    varve_store_close(store);
    return done;
}

/* Opens what the cut left, compares, and appends. */
static void cut_here(struct run *run, const struct replay *replay, size_t point, enum cut cut)
{
    const struct ledger_rules rules = {
        .before = point,
        .suffix = run->durability == VARVE_DURABILITY_RELAXED,
        .quick = !run->all && run->cuts % THOROUGH_EVERY != 0,
    };
    struct ledger_findings before = run->findings;
    uint64_t head = 0;
    replay_rebuild(replay, cut, run->seed ^ (point * CUTS + cut), run->disk);
    run->cuts++;
    varve_store *store = open_store(run);
    if (store == NULL) return;
    bool right = ledger_check(&run->ledger, store, &rules, &run->findings);
    struct ledger *after = &run->after;
    after->count = run->ledger.count;
    if (ledger_must_conflict(after->count)) after->count++;
    varve_store_head(store, &head, NULL);
    if (ledger_append(after, store) != VARVE_OK || after->promises[after->count - 1].first_position != head + 1) {
        run->findings.errors++;
        right = false;
    }
    varve_store_close(store);
    if (right || before.first[0] != '\0') return;
    fprintf(stderr, "cut %d at operation %zu: %s\n", (int)cut, point, run->findings.first);
}

/* Every boundary of a flush and both sides of it, and others as the stride says. */
static bool interesting(const struct disk_recording *recording, size_t point)
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
        if (run->all || interesting(&recording, point)) {
            run->points++;
            enum cut last = replay_is_settled(replay) ? CUT_DROPPED : CUTS - 1;
            for (enum cut cut = CUT_DROPPED; cut <= last; cut++) cut_here(run, replay, point, cut);
        }
        if (point == recording.count) break;
        replay_step(replay);
    }
    replay_free(replay);
    disk_reset(run->disk);
    disk_recording_free(&recording);
}

static bool run_with(struct run *run, varve_durability durability, const char *name)
{
    uint64_t acked = 0;
    run->durability = durability;
    run->points = run->cuts = 0;
    run->findings = (struct ledger_findings){ 0 };
    disk_reset(run->disk);
    ledger_reset(&run->ledger);
    if (work(run)) cut_everywhere(run);
    for (size_t i = 0; i < run->ledger.count; i++) acked += run->ledger.promises[i].status >= 0;
    const struct ledger_findings *findings = &run->findings;
    printf("power_cut %s points=%" PRIu64 " cuts=%" PRIu64 " acked=%" PRIu64 " lost=%" PRIu64 " wrong=%" PRIu64
           " holes=%" PRIu64 " errors=%" PRIu64 " verify=%" PRIu64 " seed=%" PRIu64 "\n",
           name, run->points, run->cuts, acked, findings->lost, findings->wrong, findings->holes, findings->errors,
           findings->verify, run->seed);
    if (findings->first[0] != '\0') printf("first: %s\n", findings->first);
    return run->cuts > COMMITS && acked > COMMITS &&
           findings->lost + findings->wrong + findings->holes + findings->errors + findings->verify == 0;
}

int main(int argc, char **argv)
{
    static struct run run;
    run.all = argc > 1 && strcmp(argv[1], "all") == 0;
    run.seed = (uint64_t)getpid();
    if (argc > 2) run.seed = strtoull(argv[2], NULL, 10);
    scratch_init(&run.scratch);
    snprintf(run.path, sizeof run.path, "%s", scratch_path(&run.scratch, "log.db"));
    /* The store looks for its file before SQLite does; an empty one spares it flushing the real folder every time. */
    FILE *file = fopen(run.path, "w");
    if (file == NULL || fclose(file) != 0) return 1;
    run.disk = disk_new();
    ledger_init(&run.ledger, run.disk);
    ledger_init(&run.after, run.disk);
    bool right = run_with(&run, VARVE_DURABILITY_FULL, "full");
    right = run_with(&run, VARVE_DURABILITY_RELAXED, "relaxed") && right;
    ledger_fini(&run.after);
    ledger_fini(&run.ledger);
    disk_free(run.disk);
    scratch_fini(&run.scratch);
    return right ? 0 : 1;
}
