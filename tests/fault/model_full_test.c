/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the disk at the n-th write of a rebuild, for every n until none fails. The model that serves answers as before
 * all the time, the rebuild is given up and says why, and with room again everything goes on: what follows the log
 * has each event once, and the next rebuild comes through.
 *
 *   model_full_test STEP
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "query/models.h"
#include "sql/sql.h"
#include "store/access.h"
#include "tests/fault/disk.h"
#include "tests/support/scratch.h"

enum { EVENTS = 400, STREAMS = 10 };

static const char projection[] = "-- @projection tally\n-- @version 1\n-- @create\n"
                                 "CREATE TABLE seen (position INTEGER PRIMARY KEY, text TEXT);\n"
                                 "CREATE TABLE tally (n INTEGER NOT NULL);\nINSERT INTO tally VALUES (0);\n"
                                 "-- @on Added\nINSERT INTO seen VALUES (:position, :data.text);\n"
                                 "UPDATE tally SET n = n + 1;\n";
static const char query[] = "-- @query tally\n-- @reads tally\n"
                            "SELECT n, (SELECT count(*) FROM tally.seen) AS seen FROM tally.tally";

struct run {
    struct scratch scratch;
    struct disk *disk;
    varve_store *store;
    struct models *models;
    uint64_t call, position, events;
    uint64_t runs, given_up, failures;
};

static void fail_run(struct run *run, const char *when, const char *what)
{
    if (run->failures++ < 10) fprintf(stderr, "call %" PRIu64 ": %s: %s\n", run->call, when, what);
}

static void add_events(struct run *run, size_t count)
{
    static const char data[] = "{\"text\":\"something to fill a page with, so that the disk is written to early\"}";
    varve_event events[100];
    for (; count > 0; count -= 100) {
        varve_appended appended = { 0 };
        varve_error error = { 0 };
        for (size_t i = 0; i < 100; i++)
            events[i] =
                (varve_event){ .stream = VARVE_STR("a-1"), .type = VARVE_STR("Added"), .data = varve_str_of(data) };
        const varve_append_request request = { .events = events, .event_count = 100 };
        if (varve_append(run->store, &request, &appended, &error) < 0) {
            fail_run(run, "appending", error.message);
        } else {
            run->position = appended.last_position;
            run->events += 100;
        }
        varve_appended_fini(&appended);
    }
}

/* The model has every event up to the position, once. */
static void ask(struct run *run, const char *when, uint64_t after_position)
{
    const varve_query_request request = { .name = VARVE_STR("tally"),
                                          .after_position = after_position,
                                          .wait_ms = 60000 };
    varve_answer answer = { 0 };
    varve_error error = { 0 };
    char rows[80];
    if (models_query(run->models, &request, &answer, &error) < 0) {
        fail_run(run, when, error.message);
        return;
    }
    snprintf(rows, sizeof rows, "[{\"n\":%" PRIu64 ",\"seen\":%" PRIu64 "}]", run->events, run->events);
    if (!varve_str_is(answer.rows, rows)) fail_run(run, when, answer.rows.ptr);
    varve_answer_fini(&answer);
}

struct seen {
    bool rebuilding, failed;
    char problem[256];
};

static void copy_status(void *ctx, const varve_projection_status *status)
{
    struct seen *seen = ctx;
    seen->rebuilding = status->rebuilding;
    seen->failed = status->problem.len > 0;
    snprintf(seen->problem, sizeof seen->problem, "%.*s", (int)status->problem.len, status->problem.ptr);
}

static struct seen look(struct run *run)
{
    struct seen seen = { 0 };
    models_list(run->models, VARVE_STR("tally"), copy_status, &seen, NULL);
    return seen;
}

static bool open_all(struct run *run)
{
    varve_error error = { 0 };
    const struct models_options options = { .sql = &sql_sqlite, .location = scratch_path(&run->scratch, "models") };
    varve_status status = store_open(&run->store, &store_sqlite, scratch_path(&run->scratch, "log.db"),
                                     &(varve_store_options){ 0 }, &error);
    if (status >= 0) status = models_open(&run->models, run->store, &options, &error);
    if (status >= 0) status = models_add_projection(run->models, "tally.sql", varve_str_of(projection), &error);
    if (status >= 0) status = models_add_query(run->models, "q.sql", varve_str_of(query), &error);
    if (status >= 0) status = models_start(run->models, &error);
    if (status < 0) fail_run(run, "opening", error.message);
    return status >= 0;
}

/* Rebuilds on a disk that is full from the call on. True when something failed. */
static bool rebuild_on_a_full_disk(struct run *run)
{
    disk_fail(run->disk, DISK_FULL, run->call, true);
    models_rebuild(run->models, VARVE_STR("tally"), NULL);
    struct seen seen = look(run);
    /* Beginning is tried again and again; a rebuild that began is given up. */
    while (seen.rebuilding && !(seen.failed && strstr(seen.problem, "could not begin") != NULL)) {
        usleep(1000);
        seen = look(run);
    }
    bool failed = disk_failures(run->disk) > 0;
    ask(run, "on the full disk", 0);
    if (failed && seen.failed && strstr(seen.problem, "full") == NULL) fail_run(run, "the problem", seen.problem);
    run->given_up += failed && strstr(seen.problem, "the rebuild failed: ") != NULL;
    disk_fail(run->disk, DISK_HEALTHY, 0, false);
    return failed;
}

static bool run_once(struct run *run)
{
    run->events = 0;
    run->runs++;
    scratch_init(&run->scratch);
    bool failed = false;
    if (open_all(run)) {
        add_events(run, EVENTS);
        ask(run, "before", run->position);
        failed = rebuild_on_a_full_disk(run);
        add_events(run, 100);
        ask(run, "with room again", run->position);
        models_rebuild(run->models, VARVE_STR("tally"), NULL);
        while (look(run).rebuilding) usleep(1000);
        if (look(run).failed) fail_run(run, "rebuilding with room again", look(run).problem);
        ask(run, "rebuilt", run->position);
    }
    models_close(run->models);
    varve_store_close(run->store);
    run->models = NULL;
    run->store = NULL;
    disk_reset(run->disk);
    scratch_fini(&run->scratch);
    return failed;
}

int main(int argc, char **argv)
{
    struct run run = { .call = 1 };
    uint64_t step = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    run.disk = disk_new();
    while (run_once(&run) && run.failures < 10) run.call += step;
    disk_free(run.disk);
    printf("runs=%" PRIu64 " given_up=%" PRIu64 " failures=%" PRIu64 "\n", run.runs, run.given_up, run.failures);
    return run.failures > 0 || run.given_up == 0;
}
