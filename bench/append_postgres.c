/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appends of one event each to a store on PostgreSQL: from one caller to many, in this process or split over three
 * that share the store.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <varve/engine.h>

#include "base/clock.h"
#include "bench/bare_postgres.h"
#include "bench/bench.h"
#include "bench/callers.h"
#include "bench/child.h"
#include "bench/inline.h"
#include "bench/measure.h"
#include "bench/server.h"
#include "store/access.h"

enum { PROCESSES = 3, CALLS_MAX = 256 * 150 };

/* Processes that append together see this and nothing else of each other. */
struct shared {
    pthread_barrier_t turn; /* before and behind each sample */
    bool ending;
    uint64_t next; /* number of the first event */
    struct {
        varve_status status;
        varve_error error;
        uint64_t commits, events;
        double seconds, cpu_us;
    } did[PROCESSES];
    uint64_t ns[CALLS_MAX]; /* the time each append took */
};

struct appends {
    const struct corpus *corpus;
    const struct server *server;
    unsigned callers, processes;
    uint64_t count; /* appends a sample */
    char uri[SERVER_URI_BYTES];
    varve_store *store;   /* of this process */
    varve_engine *engine; /* whose store it is, for an inline projection; NULL: none */
    uint64_t first;       /* number of its first event in a sample */
    struct shared *shared;
    pid_t children[PROCESSES];
    struct bare_postgres *bare;
    uint64_t limit_next;
    double batch; /* of our latest sample: the limit commits as many at once */
};

/* ---- one process ---- */

static varve_status append(void *ctx, uint64_t index, varve_error *error)
{
    struct appends *appends = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(appends->corpus, appends->first + index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append(appends->store, &request, NULL, error);
}

static double own_cpu_us(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void run_part(struct appends *appends, unsigned process)
{
    struct shared *shared = appends->shared;
    uint64_t count = appends->count / appends->processes;
    const struct callers callers = { .callers = appends->callers / appends->processes,
                                     .count = count,
                                     .ctx = appends,
                                     .call = append,
                                     .ns = shared->ns + process * count };
    struct store_stats before, after;
    double cpu = own_cpu_us();
    appends->first = shared->next + process * count;
    store_get_stats(appends->store, &before);
    shared->did[process].status = callers_wait(&callers, &shared->did[process].seconds, &shared->did[process].error);
    store_get_stats(appends->store, &after);
    shared->did[process].commits = after.commits - before.commits;
    shared->did[process].events = after.events_appended - before.events_appended;
    shared->did[process].cpu_us = own_cpu_us() - cpu;
}

static varve_status open_store(struct appends *appends, varve_error *error)
{
    const varve_store_options options = { .uri = appends->uri, .must_exist = true };
    return varve_store_open(&appends->store, &options, error);
}

/* ---- three of them ---- */

_Noreturn static void run_child(struct appends *appends, unsigned process)
{
    struct shared *shared = appends->shared;
    varve_error error = { 0 };
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* or it would wait for its turn for ever */
    varve_status status = open_store(appends, &error);
    for (;;) {
        pthread_barrier_wait(&shared->turn);
        if (shared->ending) break;
        if (status >= 0) run_part(appends, process);
        if (status < 0) {
            shared->did[process].status = status;
            shared->did[process].error = error;
        }
        pthread_barrier_wait(&shared->turn);
    }
    varve_store_close(appends->store);
    _exit(0);
}

static void start_children(struct appends *appends)
{
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&appends->shared->turn, &attributes, appends->processes + 1);
    pthread_barrierattr_destroy(&attributes);
    fflush(NULL);
    for (unsigned i = 0; i < appends->processes; i++) {
        appends->children[i] = fork();
        if (appends->children[i] == 0) run_child(appends, i);
        if (appends->children[i] > 0) continue;
        fputs("varve-bench: no process\n", stderr); /* those that wait at the barrier cannot be called back */
        exit(1);
    }
}

static void end_children(struct appends *appends)
{
    appends->shared->ending = true;
    pthread_barrier_wait(&appends->shared->turn);
    for (unsigned i = 0; i < appends->processes; i++) child_wait(appends->children[i]);
}

/* ---- a row ---- */

static void close_appends(void *state)
{
    struct appends *appends = state;
    if (appends->children[0] > 0) end_children(appends);
    if (appends->shared != NULL) munmap(appends->shared, sizeof *appends->shared);
    if (appends->engine == NULL) varve_store_close(appends->store);
    varve_engine_close(appends->engine);
    bare_postgres_close(appends->bare);
    free(appends);
}

static varve_status open_appends(void **state, struct bench *bench, unsigned callers, unsigned processes, bool inlined,
                                 varve_error *error)
{
    struct appends *appends = calloc(1, sizeof *appends);
    if (appends == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    uint64_t rounds = callers < 16 ? (bench->quick ? 300 : 1500) : (bench->quick ? 20 : 150);
    appends->corpus = &bench->corpus;
    appends->callers = callers;
    appends->processes = processes;
    appends->count = callers * rounds;
    appends->limit_next = bench->corpus.events;
    void *memory = mmap(NULL, sizeof *appends->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    varve_status status = memory == MAP_FAILED ? varve_error_set(error, VARVE_NOMEM, "no memory") : VARVE_OK;
    appends->shared = memory == MAP_FAILED ? NULL : memory;
    if (status >= 0) status = bench_database(bench, "ours", appends->uri, error);
    appends->server = bench->server;
    if (status >= 0) {
        appends->shared->next = bench->corpus.events;
        if (inlined)
            status = inline_open(appends->uri, &appends->engine, &appends->store, error);
        else if (processes == 1)
            status = open_store(appends, error);
        else
            start_children(appends);
    }
    char uri[SERVER_URI_BYTES];
    if (status >= 0) status = bench_database(bench, "bare", uri, error);
    if (status >= 0) status = bare_postgres_open(&appends->bare, uri, appends->corpus, error);
    if (status >= 0 && inlined)
        status = bare_postgres_inline(appends->bare, INLINE_TABLE, INLINE_CHANGE("$1", "$2"), error);
    if (status < 0) {
        close_appends(appends);
        return status;
    }
    *state = appends;
    return VARVE_OK;
}

static varve_status sum_up(struct appends *appends, struct sample *sample, varve_error *error)
{
    struct shared *shared = appends->shared;
    uint64_t events = 0, commits = 0, done = appends->count / appends->processes * appends->processes;
    for (unsigned i = 0; i < appends->processes; i++) {
        if (shared->did[i].status < 0) {
            *error = shared->did[i].error;
            return shared->did[i].status;
        }
        events += shared->did[i].events;
        commits += shared->did[i].commits;
        if (shared->did[i].seconds > sample->seconds) sample->seconds = shared->did[i].seconds;
        if (appends->processes > 1) sample->other_cpu_us += shared->did[i].cpu_us;
    }
    sample->units = (double)done;
    sample->p50_ns = measure_percentile(shared->ns, done, 0.50);
    sample->p99_ns = measure_percentile(shared->ns, done, 0.99);
    sample->batch = appends->batch = commits > 0 ? (double)events / (double)commits : 1;
    shared->next += appends->count;
    return VARVE_OK;
}

static varve_status ours(void *state, struct sample *sample, varve_error *error)
{
    struct appends *appends = state;
    double cpu = server_cpu_us(appends->server);
    if (appends->processes == 1) {
        run_part(appends, 0);
    } else {
        pthread_barrier_wait(&appends->shared->turn);
        pthread_barrier_wait(&appends->shared->turn);
    }
    sample->other_cpu_us = server_cpu_us(appends->server) - cpu;
    return sum_up(appends, sample, error);
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct appends *appends = state;
    double cpu = server_cpu_us(appends->server);
    uint64_t batch = (uint64_t)(appends->batch + 0.5), start = clock_ns();
    varve_status status = bare_postgres_append(appends->bare, appends->limit_next, appends->count, batch, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)appends->count;
    sample->other_cpu_us = server_cpu_us(appends->server) - cpu;
    appends->limit_next += appends->count;
    return status;
}

/* ---- the rows ---- */

#define ROW(name, callers, processes, inlined, label, text, floor)                         \
    static varve_status open_##name(void **state, struct bench *bench, varve_error *error) \
    {                                                                                      \
        return open_appends(state, bench, callers, processes, inlined, error);             \
    }                                                                                      \
    const struct row name = { label, text, "events/s", floor, open_##name, ours, limit, close_appends };

ROW(pg_append_one, 1, 1, false, "pg_append_1", "PostgreSQL: blocking append, one caller", 0.8)
ROW(pg_append_16, 16, 1, false, "pg_append_16", "PostgreSQL: blocking append, 16 threads", 0.6)
ROW(pg_append_64, 64, 1, false, "pg_append_64", "PostgreSQL: blocking append, 64 threads", 0.6)
ROW(pg_append_256, 256, 1, false, "pg_append_256", "PostgreSQL: blocking append, 256 threads", 0.6)
ROW(pg_append_three, 3, 3, false, "pg_append_3p1", "PostgreSQL: three processes with one caller each", 0.6)
ROW(pg_append_three_16, 48, 3, false, "pg_append_3p16", "PostgreSQL: three processes with 16 threads each", 0.6)
ROW(pg_append_three_85, 255, 3, false, "pg_append_3p85", "PostgreSQL: three processes with 85 threads each", 0.6)
ROW(pg_append_inline, 256, 1, true, "pg_append_inline", "PostgreSQL: append under an inline projection", 0)
