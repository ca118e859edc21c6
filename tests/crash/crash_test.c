/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills a process that appends and projects, again and again at random moments, and checks that
 * nothing it was promised is lost, nothing is there twice, positions and versions have no holes,
 * and the read model is what it would be if it were built from scratch.
 *
 *   crash_test KILLS [SEED]
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/crash/worker.h"
#include "tests/support/scratch.h"

enum { CHECK_EVERY = 5, FULL_CHECK_EVERY = 50 };

struct run {
    struct scratch scratch;
    char store[192];
    const char *program;
    unsigned seed;

    struct acknowledged *promised; /* everything ever acknowledged */
    size_t count, capacity, checked;
    uint64_t lost, moved, duplicated, holes, models_wrong;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void remember(struct run *run, const struct acknowledged *acknowledged, size_t count)
{
    if (run->count + count > run->capacity) {
        run->capacity = run->capacity * 2 + count + 4096;
        run->promised = realloc(run->promised, run->capacity * sizeof *run->promised);
        if (run->promised == NULL) die("remembering");
    }
    memcpy(run->promised + run->count, acknowledged, count * sizeof *acknowledged);
    run->count += count;
}

/* Reads what comes within `ms`; false once the pipe is closed. */
static bool listen_for(struct run *run, int from, int ms)
{
    struct acknowledged lines[512];
    struct pollfd readable = { .fd = from, .events = POLLIN };
    if (poll(&readable, 1, ms) <= 0) return true;
    ssize_t got = read(from, lines, sizeof lines);
    if (got < 0 && errno != EINTR) die("reading from the worker");
    if (got > 0) remember(run, lines, (size_t)got / sizeof lines[0]);
    return got != 0;
}

static pid_t start_worker(struct run *run, int *from)
{
    int ends[2];
    char seed[16];
    if (pipe(ends) != 0) die("pipe");
    snprintf(seed, sizeof seed, "%d", rand_r(&run->seed));
    pid_t worker = fork();
    if (worker < 0) die("fork");
    if (worker == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(run->program, run->program, "work", run->store, seed, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *from = ends[0];
    return worker;
}

/* One life: start, listen, kill at a random moment, hear out what was still in the pipe. */
static void one_life(struct run *run)
{
    int from, ms = rand_r(&run->seed) % 60, status = 0;
    bool early = rand_r(&run->seed) % 4 == 0; /* while it opens and recovers; else while it appends */
    pid_t worker = start_worker(run, &from);
    struct pollfd readable = { .fd = from, .events = POLLIN };
    if (!early && poll(&readable, 1, 60000) != 1) die("the worker never acknowledged anything");
    uint64_t end = clock_ns() + (uint64_t)ms * 1000000u;
    bool open = true;
    for (uint64_t now = clock_ns(); now < end && open; now = clock_ns())
        open = listen_for(run, from, (int)((end - now) / 1000000u) + 1);
    kill(worker, SIGKILL);
    if (waitpid(worker, &status, 0) != worker) die("waiting for the worker");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        fprintf(stderr, "the worker ended by itself with status %d\n", status);
        exit(1);
    }
    while (open) open = listen_for(run, from, -1);
    close(from);
}

/* Looks every new promise up. */
static void check_promises(struct run *run)
{
    varve_store *store = NULL;
    varve_error error = { 0 };
    varve_buf memory = { 0 };
    char uri[256];
    snprintf(uri, sizeof uri, "sqlite:%s", run->store);
    if (varve_store_open(&store, &(varve_store_options){ .uri = uri }, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    for (; run->checked < run->count; run->checked++) {
        const struct acknowledged *promise = &run->promised[run->checked];
        varve_event event;
        varve_status status = varve_event_find(store, promise->id, &event, &memory, &error);
        if (status == VARVE_NOT_FOUND)
            run->lost++;
        else if (status < 0 || event.position != promise->position)
            run->moved++;
    }
    varve_buf_fini(&memory);
    varve_store_close(store);
}

static void tell_problem(void *ctx, const char *problem)
{
    struct run *run = ctx;
    run->holes++;
    fprintf(stderr, "verify: %s\n", problem);
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(varve_uuid));
}

/* Every event of the log: is any id there twice? (The log's own index on ids is what is being doubted.) */
static void check_duplicates(struct run *run, varve_store *store)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    uint64_t head = 0, count = 0;
    varve_store_head(store, &head, NULL);
    varve_uuid *ids = calloc(head + 1, sizeof *ids);
    if (ids == NULL || varve_cursor_open(&cursor, store, &(varve_read_options){ 0 }, NULL) < 0) die("reading the log");
    while (count < head && varve_cursor_next(cursor, &event, NULL) == VARVE_OK) ids[count++] = event->id;
    if (count != head) run->holes++;
    qsort(ids, count, sizeof *ids, compare_ids);
    for (uint64_t i = 1; i < count; i++) run->duplicated += compare_ids(&ids[i - 1], &ids[i]) == 0;
    varve_cursor_close(cursor);
    free(ids);
}

static void ask(varve_engine *engine, varve_answer *answer)
{
    varve_error error = { 0 };
    uint64_t head = 0;
    varve_store_head(varve_engine_store(engine), &head, NULL);
    const varve_query_request request = {
        .name = VARVE_STR("tally"), .limit = 1000, .after_position = head, .wait_ms = 120000
    };
    if (varve_query(engine, &request, answer, &error) >= 0) return;
    fprintf(stderr, "%s\n", error.message);
    exit(1);
}

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* Verifies the log, and compares the model that lived through the kills with one built from scratch. */
static void check_everything(struct run *run)
{
    char models[256];
    varve_answer lived = { 0 }, fresh = { 0 };
    uint64_t events = 0;
    const varve_verify_options verify = { .problem = tell_problem, .ctx = run };
    varve_engine *engine = open_engine(run->store);
    if (engine == NULL) exit(1);
    (void)varve_store_verify(varve_engine_store(engine), &verify, &events, NULL);
    check_duplicates(run, varve_engine_store(engine));
    ask(engine, &lived);
    varve_engine_close(engine);

    snprintf(models, sizeof models, "%s.models", run->store);
    char kept[264];
    snprintf(kept, sizeof kept, "%s.kept", models);
    if (rename(models, kept) != 0) die("setting the models aside");
    engine = open_engine(run->store);
    if (engine == NULL) exit(1);
    ask(engine, &fresh);
    varve_engine_close(engine);
    if (lived.row_count != STREAMS || !varve_str_eq(lived.rows, fresh.rows)) {
        run->models_wrong++;
        fprintf(stderr, "the read model differs from one built from scratch:\n%.*s\n%.*s\n", (int)lived.rows.len,
                lived.rows.ptr, (int)fresh.rows.len, fresh.rows.ptr);
    }
    varve_answer_fini(&lived);
    varve_answer_fini(&fresh);
    nftw(models, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (rename(kept, models) != 0) die("putting the models back");
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "work") == 0) return work(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    struct run run = { .program = argv[0] };
    long kills = argc > 1 ? strtol(argv[1], NULL, 10) : 200;
    run.seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)getpid();
    unsigned seed = run.seed;
    scratch_init(&run.scratch);
    snprintf(run.store, sizeof run.store, "%s", scratch_path(&run.scratch, "log.db"));
    for (long kill = 1; kill <= kills; kill++) {
        one_life(&run);
        if (kill % CHECK_EVERY == 0) check_promises(&run);
        if (kill % FULL_CHECK_EVERY == 0 || kill == kills) check_everything(&run);
    }
    check_promises(&run);
    printf("kills=%ld acked=%zu lost=%" PRIu64 " moved=%" PRIu64 " duplicated=%" PRIu64 " holes=%" PRIu64
           " models_wrong=%" PRIu64 " seed=%u\n",
           kills, run.count, run.lost, run.moved, run.duplicated, run.holes, run.models_wrong, seed);
    bool failed = run.count == 0 || run.lost + run.moved + run.duplicated + run.holes + run.models_wrong > 0;
    if (failed) fprintf(stderr, "the store is kept in %s\n", run.scratch.folder);
    if (!failed) scratch_fini(&run.scratch);
    free(run.promised);
    return failed;
}
