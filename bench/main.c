/* SPDX-License-Identifier: Apache-2.0 */
/* The table: runs its rows, pair by pair, and prints what they came to. */
#include <getopt.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/measure.h"
#include "bench/print.h"

enum { ROUNDS = 7, QUICK_ROUNDS = 3, ROUNDS_MAX = 99, ENOUGH_ROUNDS = 3, ROW_SECONDS = 25, FLUSHES = 500 };
enum { MOST = 1000000, QUICK_MOST = 100000 };

static const struct row *const rows[] = {
    &append_one,
    &append_threads,
    &append_callbacks,
    &append_inline,
    &commands_threads,
    &commands_callbacks,
    &hot_aggregate,
    &read_log,
    &fold_c,
    &fold_lua,
    &replay_c,
    &replay_lua,
    &projection_catch_up,
    &projection_in_c,
    &projection_in_lua,
    &projections_catch_up,
    &http_append,
#ifdef VARVE_BENCH_POSTGRES
    &pg_append_one,
    &pg_append_16,
    &pg_append_64,
    &pg_append_256,
    &pg_append_three,
    &pg_append_three_16,
    &pg_append_three_85,
    &pg_append_inline,
    &pg_read_log,
    &pg_fold_c,
    &pg_fold_lua,
    &pg_replay_c,
    &pg_replay_lua,
#endif
};

static const struct report *const reports[] = {
    &memory_report,    &growth_report,
#ifdef VARVE_BENCH_POSTGRES
    &condition_report, &grid_report,   &snapshots_report, &models_report,
#endif
};

enum { ROWS = sizeof rows / sizeof rows[0], REPORTS = sizeof reports / sizeof reports[0] };

/* Ctrl-C ends the round under way, so that the folder goes. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

varve_status bench_go_on(varve_error *error)
{
    return interrupted ? varve_error_set(error, VARVE_UNAVAILABLE, "interrupted") : VARVE_OK;
}

/* What a row came to: medians over the rounds. */
struct result {
    double ours, limit, ratio, lowest, highest;
    double p50_ns, p99_ns, batch;
    double cpu_us, limit_cpu_us; /* of this process and the row's others, for one event or request */
};

varve_status bench_log(struct bench *bench, const char *name, char path[PLACE_BYTES], varve_error *error)
{
    char original[PLACE_BYTES];
    varve_status status = place_path(original, bench->folder, "corpus.db", error);
    if (status >= 0) status = place_path(path, bench->folder, name, error);
    if (status >= 0 && !bench->log_written) {
        fprintf(stderr, "varve-bench: writing a log of %llu events\n", (unsigned long long)bench->corpus.events);
        status = corpus_write(&bench->corpus, original, bench->corpus.events, NULL, error);
        bench->log_written = status >= 0;
    }
    return status >= 0 ? place_copy(original, path, error) : status;
}

#ifdef VARVE_BENCH_POSTGRES

varve_status bench_server(struct bench *bench, varve_error *error)
{
    if (bench->server != NULL) return VARVE_OK;
    varve_status status = server_start(&bench->server, bench->folder, error);
    if (status >= 0) printf("PostgreSQL %s\n", server_version(bench->server));
    fflush(stdout);
    return status;
}

static varve_status write_database(struct bench *bench, varve_error *error)
{
    char uri[SERVER_URI_BYTES];
    varve_store *store = NULL;
    fprintf(stderr, "varve-bench: writing a log of %llu events to PostgreSQL\n",
            (unsigned long long)bench->corpus.events);
    varve_status status = server_copy(bench->server, NULL, "corpus", error);
    server_uri(bench->server, "corpus", uri);
    const varve_store_options options = { .uri = uri };
    if (status >= 0) status = varve_store_open(&store, &options, error);
    if (status >= 0) status = corpus_append(&bench->corpus, store, bench->corpus.events, NULL, error);
    varve_store_close(store);
    /* Once, so that it does not run in the copies while they are measured. */
    return status >= 0 ? server_exec(bench->server, "corpus", "VACUUM (FREEZE, ANALYZE)", error) : status;
}

varve_status bench_database(struct bench *bench, const char *name, char uri[SERVER_URI_BYTES], varve_error *error)
{
    varve_status status = bench_server(bench, error);
    if (status >= 0 && !bench->database_written) {
        status = write_database(bench, error);
        bench->database_written = status >= 0;
    }
    if (status >= 0) status = server_copy(bench->server, "corpus", name, error);
    if (status >= 0) server_uri(bench->server, name, uri);
    return status;
}

#endif

/* ---- measuring ---- */

static double rate(const struct sample *sample)
{
    return sample->seconds > 0 ? sample->units / sample->seconds : 0;
}

static double cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Takes one sample and says how much processor time one unit of it took. */
static varve_status take(varve_status (*side)(void *state, struct sample *sample, varve_error *error), void *state,
                         struct sample *sample, double *cpu, varve_error *error)
{
    double before = cpu_us();
    varve_status status = side(state, sample, error);
    *cpu = sample->units > 0 ? (cpu_us() - before + sample->other_cpu_us) / sample->units : 0;
    return status;
}

/* The rounds of a row, each measure by itself, so that its median can be taken. */
struct rounds {
    unsigned count;
    double ours[ROUNDS_MAX], limit[ROUNDS_MAX], ratio[ROUNDS_MAX];
    double p50[ROUNDS_MAX], p99[ROUNDS_MAX], batch[ROUNDS_MAX];
    double cpu[ROUNDS_MAX], limit_cpu[ROUNDS_MAX];
};

static varve_status measure_round(const struct row *row, void *state, struct rounds *rounds, varve_error *error)
{
    struct sample ours = { 0 }, limit = { 0 };
    unsigned i = rounds->count;
    varve_status status = take(row->ours, state, &ours, &rounds->cpu[i], error);
    if (status >= 0) status = take(row->limit, state, &limit, &rounds->limit_cpu[i], error);
    if (status < 0) return status;
    rounds->ours[i] = rate(&ours);
    rounds->limit[i] = rate(&limit);
    rounds->ratio[i] = rounds->limit[i] > 0 ? rounds->ours[i] / rounds->limit[i] : 0;
    rounds->p50[i] = (double)ours.p50_ns;
    rounds->p99[i] = (double)ours.p99_ns;
    rounds->batch[i] = ours.batch;
    rounds->count++;
    return VARVE_OK;
}

/* Measures a row; on a slow disk it makes do with fewer rounds. */
static varve_status measure(const struct row *row, struct bench *bench, unsigned wanted, struct result *result,
                            varve_error *error)
{
    struct rounds rounds = { 0 };
    void *state = NULL;
    varve_status status = row->open(&state, bench, error);
    if (status < 0) return status;
    uint64_t end = clock_ns() + ROW_SECONDS * UINT64_C(1000000000);
    while (status >= 0 && rounds.count < wanted && (rounds.count < ENOUGH_ROUNDS || clock_ns() < end)) {
        fprintf(stderr, "varve-bench: %s, round %u of %u\n", row->name, rounds.count + 1, wanted);
        status = measure_round(row, state, &rounds, error);
        if (status >= 0) status = bench_go_on(error);
    }
    row->close(state);
    if (status < 0) return status;
    *result = (struct result){
        .ours = measure_median(rounds.ours, rounds.count),
        .limit = measure_median(rounds.limit, rounds.count),
        .ratio = measure_median(rounds.ratio, rounds.count),
        .lowest = rounds.ratio[0], /* the median has sorted them */
        .highest = rounds.ratio[rounds.count - 1],
        .p50_ns = measure_median(rounds.p50, rounds.count),
        .p99_ns = measure_median(rounds.p99, rounds.count),
        .batch = measure_median(rounds.batch, rounds.count),
        .cpu_us = measure_median(rounds.cpu, rounds.count),
        .limit_cpu_us = measure_median(rounds.limit_cpu, rounds.count),
    };
    return VARVE_OK;
}

/* ---- printing ---- */

static void processor(char *name, size_t size)
{
    char line[256];
    snprintf(name, size, "unknown processors");
    FILE *info = fopen("/proc/cpuinfo", "r");
    while (info != NULL && fgets(line, sizeof line, info) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (info != NULL) fclose(info);
}

static varve_status print_head(const struct bench *bench, varve_error *error)
{
    char when[VARVE_TIME_TEXT_BYTES], cpu[128];
    uint64_t p50 = 0, p99 = 0;
    struct utsname kernel;
    varve_status status = place_flush(bench->folder, FLUSHES, &p50, &p99, error);
    if (status < 0) return status;
    varve_time_format(varve_time_now(), when);
    processor(cpu, sizeof cpu);
    uname(&kernel);
    printf("%.16sZ, %ld cores (%s), Linux %s, SQLite %s\n", when, sysconf(_SC_NPROCESSORS_ONLN), cpu, kernel.release,
           sqlite3_libversion());
    printf("on %s; a bare flush (pwrite and fdatasync of 4 KiB) takes %.2f ms, p99 %.2f ms: %.0f/s\n",
           place_kind(bench->folder), (double)p50 / 1e6, (double)p99 / 1e6, 1e9 / (double)p50);
    fflush(stdout);
    return VARVE_OK;
}

static void print_row_head(const struct bench *bench, unsigned rounds)
{
    printf("\n%llu events over %llu streams, about 250 bytes of data each; medians of %u rounds\n\n",
           (unsigned long long)bench->corpus.events, (unsigned long long)bench->corpus.streams, rounds);
    printf("%-16s %15s %8s %8s %5s %15s  %13s  %5s  %-9s  %5s  %s\n", "row", "varve", "p50", "p99", "batch", "limit",
           "CPU, us", "ratio", "from-to", "floor", "verdict");
    fflush(stdout);
}

static void print_row(const struct row *row, const struct result *result)
{
    char batch[16] = "-", floor[16] = "-";
    const char *verdict = result->ratio + 0.005 >= row->floor ? "ok" : "below";
    if (row->floor > 0) snprintf(floor, sizeof floor, "%.2f", row->floor);
    if (result->batch > 0) snprintf(batch, sizeof batch, "%.0f", result->batch);
    printf("%-16s", row->name);
    const char *unit = strcmp(row->unit, "requests/s") == 0 ? " req/s" : " ev/s ";
    print_number(result->ours, unit, 15);
    print_time(result->p50_ns);
    print_time(result->p99_ns);
    printf(" %5s", batch);
    print_number(result->limit, unit, 15);
    printf("  %5.1f : %5.1f  %5.2f  %4.2f-%-4.2f  %5s  %s\n", result->cpu_us, result->limit_cpu_us, result->ratio,
           result->lowest, result->highest, floor, row->floor > 0 ? verdict : "-");
    fflush(stdout);
}

/* ---- the command line ---- */

static void print_usage(FILE *out)
{
    fprintf(out, "usage: varve-bench [--quick] [--rounds N] [--most EVENTS] [--dir FOLDER] [ROW…]\n\n"
                 "Measures varve beside its limits on the disk that FOLDER (default: .) is on.\n"
                 "EVENTS is how far growth goes; 1e6 by default, and 1e7 needs about 5 GB.\n\nrows:\n");
    for (size_t i = 0; i < ROWS; i++)
        fprintf(out, "  %-16s %s (%s, floor %.2f)\n", rows[i]->name, rows[i]->what, rows[i]->unit, rows[i]->floor);
    for (size_t i = 0; i < REPORTS; i++) fprintf(out, "  %-16s %s\n", reports[i]->name, reports[i]->what);
}

struct command_line {
    bool quick, help, wanted[ROWS], reported[REPORTS];
    unsigned rounds;
    uint64_t most;
    const char *parent;
};

static bool want(struct command_line *line, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i]->name, name) == 0) line->wanted[i] = found = true;
    for (size_t i = 0; i < REPORTS; i++)
        if (strcmp(reports[i]->name, name) == 0) line->reported[i] = found = true;
    if (!found) fprintf(stderr, "varve-bench: there is no row %s\n", name);
    return found;
}

static bool parse(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {
        { "quick", no_argument, NULL, 'q' },      { "rounds", required_argument, NULL, 'r' },
        { "most", required_argument, NULL, 'm' }, { "dir", required_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },       { 0 }
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'q':
            line->quick = true;
            break;
        case 'r':
            line->rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            line->most = (uint64_t)strtod(optarg, NULL); /* so that 1e7 can be said */
            break;
        case 'd':
            line->parent = optarg;
            break;
        case 'h':
            line->help = true;
            break;
        default:
            return false;
        }
    }
    if (line->rounds == 0) line->rounds = line->quick ? QUICK_ROUNDS : ROUNDS;
    if (line->rounds > ROUNDS_MAX) line->rounds = ROUNDS_MAX;
    if (line->most == 0) line->most = line->quick ? QUICK_MOST : MOST;
    for (int i = optind; i < argc; i++)
        if (!want(line, argv[i])) return false;
    for (size_t i = 0; i < ROWS && optind == argc; i++) line->wanted[i] = true;
    for (size_t i = 0; i < REPORTS && optind == argc; i++) line->reported[i] = true;
    return true;
}

static bool say_failure(const char *name, const varve_error *error)
{
    printf("%-16s failed: %s\n", name, error->message);
    fflush(stdout);
    return false;
}

/* Before the first row, so that its version stands in the head; a row that needs it says why it is missing. */
static void start_server(struct bench *bench, const struct command_line *line)
{
#ifdef VARVE_BENCH_POSTGRES
    bool needed = false;
    for (size_t i = 0; i < ROWS; i++) needed |= line->wanted[i] && strncmp(rows[i]->name, "pg_", 3) == 0;
    if (needed) (void)bench_server(bench, NULL);
#else
    (void)bench;
    (void)line;
#endif
}

static bool run(struct bench *bench, const struct command_line *line)
{
    bool all = true, begun = false;
    varve_error error = { 0 };
    if (print_head(bench, &error) < 0) {
        fprintf(stderr, "varve-bench: %s\n", error.message);
        return false;
    }
    start_server(bench, line);
    for (size_t i = 0; i < ROWS && !interrupted; i++) {
        struct result result;
        if (!line->wanted[i]) continue;
        if (!begun) print_row_head(bench, line->rounds);
        begun = true;
        error = (varve_error){ 0 };
        if (measure(rows[i], bench, line->rounds, &result, &error) >= 0)
            print_row(rows[i], &result);
        else
            all = say_failure(rows[i]->name, &error);
    }
    for (size_t i = 0; i < REPORTS && !interrupted; i++) {
        error = (varve_error){ 0 };
        if (line->reported[i] && reports[i]->run(bench, &error) < 0) all = say_failure(reports[i]->name, &error);
    }
    return all;
}

int main(int argc, char **argv)
{
    struct command_line line = { .parent = "." };
    char folder[PLACE_BYTES];
    varve_error error = { 0 };
    if (!parse(&line, argc, argv) || line.help) {
        print_usage(line.help ? stdout : stderr);
        return line.help ? 0 : 2;
    }
    sigaction(SIGINT, &(struct sigaction){ .sa_handler = interrupt, .sa_flags = SA_RESTART }, NULL);
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = interrupt, .sa_flags = SA_RESTART }, NULL);
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL || place_open(folder, line.parent, &error) < 0) {
        fprintf(stderr, "varve-bench: %s\n", bench == NULL ? "no memory" : error.message);
        free(bench);
        return 1;
    }
    bench->folder = folder;
    bench->quick = line.quick;
    bench->most_events = line.most;
    corpus_init(&bench->corpus, line.quick ? 10000 : 100000, line.quick ? 20000 : 200000);
    bool all = run(bench, &line);
#ifdef VARVE_BENCH_POSTGRES
    server_stop(bench->server);
#endif
    place_close(folder);
    free(bench);
    return all ? 0 : 1;
}
