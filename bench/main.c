/* SPDX-License-Identifier: Apache-2.0 */
/* The table: runs its rows, pair by pair, and prints what they came to. */
#include <getopt.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/measure.h"

enum { ROUNDS = 7, QUICK_ROUNDS = 3, ROUNDS_MAX = 99, FLUSHES = 500 };

static const struct row *const rows[] = {
    &append_one, &append_threads, &append_callbacks, &read_log, &fold_c, &fold_lua, &projection_catch_up, &http_append,
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* What a row came to: medians over the rounds. */
struct result {
    double ours, limit, ratio, lowest, highest;
    double p50_ns, p99_ns, batch;
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

/* ---- measuring ---- */

static double rate(const struct sample *sample)
{
    return sample->seconds > 0 ? sample->units / sample->seconds : 0;
}

static varve_status measure(const struct row *row, struct bench *bench, unsigned rounds, struct result *result,
                            varve_error *error)
{
    double ours[ROUNDS_MAX], limit[ROUNDS_MAX], ratio[ROUNDS_MAX], p50[ROUNDS_MAX], p99[ROUNDS_MAX], batch[ROUNDS_MAX];
    void *state = NULL;
    varve_status status = row->open(&state, bench, error);
    if (status < 0) return status;
    for (unsigned i = 0; i < rounds && status >= 0; i++) {
        struct sample mine = { 0 }, bare = { 0 };
        fprintf(stderr, "varve-bench: %s, round %u of %u\n", row->name, i + 1, rounds);
        status = row->ours(state, &mine, error);
        if (status >= 0) status = row->limit(state, &bare, error);
        ours[i] = rate(&mine);
        limit[i] = rate(&bare);
        ratio[i] = limit[i] > 0 ? ours[i] / limit[i] : 0;
        p50[i] = (double)mine.p50_ns;
        p99[i] = (double)mine.p99_ns;
        batch[i] = mine.batch;
    }
    row->close(state);
    if (status < 0) return status;
    *result = (struct result){
        .ours = measure_median(ours, rounds),
        .limit = measure_median(limit, rounds),
        .ratio = measure_median(ratio, rounds),
        .lowest = ratio[0], /* the median has sorted them */
        .highest = ratio[rounds - 1],
        .p50_ns = measure_median(p50, rounds),
        .p99_ns = measure_median(p99, rounds),
        .batch = measure_median(batch, rounds),
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

static varve_status print_head(const struct bench *bench, unsigned rounds, varve_error *error)
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
    printf("%llu events over %llu streams, about 250 bytes of data each; %u rounds, medians\n\n",
           (unsigned long long)bench->corpus.events, (unsigned long long)bench->corpus.streams, rounds);
    printf("%-17s %18s %8s %8s %7s %18s %6s %13s %6s  %s\n", "row", "varve", "p50", "p99", "batch", "limit", "ratio",
           "lowest-highest", "floor", "verdict");
    fflush(stdout);
    return VARVE_OK;
}

static void print_number(double number, const char *unit, int width)
{
    char digits[32], text[48];
    int len = snprintf(digits, sizeof digits, "%.0f", number), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    printf(" %*s%s", width - (int)strlen(unit), text, unit);
}

static void print_time(double ns)
{
    char text[16] = "-";
    if (ns >= 1e6)
        snprintf(text, sizeof text, "%.1f ms", ns / 1e6);
    else if (ns > 0)
        snprintf(text, sizeof text, "%.0f us", ns / 1e3);
    printf(" %8s", text);
}

static void print_row(const struct row *row, const struct result *result)
{
    char batch[16] = "-";
    if (result->batch > 0) snprintf(batch, sizeof batch, "%.0f", result->batch);
    printf("%-17s", row->name);
    const char *unit = strcmp(row->unit, "requests/s") == 0 ? " req/s" : " ev/s ";
    print_number(result->ours, unit, 18);
    print_time(result->p50_ns);
    print_time(result->p99_ns);
    printf(" %7s", batch);
    print_number(result->limit, unit, 18);
    printf(" %6.2f %8.2f-%.2f %8.2f  %s\n", result->ratio, result->lowest, result->highest, row->floor,
           result->ratio + 0.005 >= row->floor ? "ok" : "below");
    fflush(stdout);
}

/* ---- the command line ---- */

static void print_usage(FILE *out)
{
    fprintf(out, "usage: varve-bench [--quick] [--rounds N] [--dir FOLDER] [ROW…]\n\n"
                 "Measures varve beside its limits on the disk that FOLDER (default: .) is on.\n\nrows:\n");
    for (size_t i = 0; i < ROWS; i++)
        fprintf(out, "  %-17s %s (%s, floor %.2f)\n", rows[i]->name, rows[i]->what, rows[i]->unit, rows[i]->floor);
}

struct command_line {
    bool quick, help, wanted[ROWS];
    unsigned rounds;
    const char *parent;
};

static bool want(struct command_line *line, const char *name)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i]->name, name) != 0) continue;
        line->wanted[i] = true;
        return true;
    }
    fprintf(stderr, "varve-bench: there is no row %s\n", name);
    return false;
}

static bool parse(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = { { "quick", no_argument, NULL, 'q' },
                                             { "rounds", required_argument, NULL, 'r' },
                                             { "dir", required_argument, NULL, 'd' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'q':
            line->quick = true;
            break;
        case 'r':
            line->rounds = (unsigned)strtoul(optarg, NULL, 10);
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
    for (int i = optind; i < argc; i++)
        if (!want(line, argv[i])) return false;
    for (size_t i = 0; i < ROWS && optind == argc; i++) line->wanted[i] = true;
    return true;
}

static bool run(struct bench *bench, const struct command_line *line)
{
    bool all = true;
    varve_error error = { 0 };
    if (print_head(bench, line->rounds, &error) < 0) {
        fprintf(stderr, "varve-bench: %s\n", error.message);
        return false;
    }
    for (size_t i = 0; i < ROWS; i++) {
        struct result result;
        if (!line->wanted[i]) continue;
        error = (varve_error){ 0 };
        if (measure(rows[i], bench, line->rounds, &result, &error) >= 0) {
            print_row(rows[i], &result);
            continue;
        }
        printf("%-17s failed: %s\n", rows[i]->name, error.message);
        fflush(stdout);
        all = false;
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
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL || place_open(folder, line.parent, &error) < 0) {
        fprintf(stderr, "varve-bench: %s\n", bench == NULL ? "no memory" : error.message);
        free(bench);
        return 1;
    }
    bench->folder = folder;
    bench->quick = line.quick;
    corpus_init(&bench->corpus, line.quick ? 10000 : 100000, line.quick ? 20000 : 200000);
    bool all = run(bench, &line);
    place_close(folder);
    free(bench);
    return all ? 0 : 1;
}
