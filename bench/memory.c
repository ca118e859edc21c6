/* SPDX-License-Identifier: Apache-2.0 */
/* What a server of examples/orders keeps in memory, as the kernel counts it. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/child.h"
#include "bench/load.h"
#include "bench/print.h"

enum { CONNECTIONS = 64, SECONDS = 5, SETTLED_S = 1 };

/* An idle server may have 15 MB; a busy one as much more as its settings give away (docs/limits.md). */
#define IDLE_MOST  15e6
#define CACHE_MOST (64 << 20) /* the writer's pages */
#define QUEUE_MOST (64 << 20) /* appends that wait */
#define BUSY_MOST  (IDLE_MOST + CACHE_MOST + QUEUE_MOST)

struct serving {
    pid_t pid;
    uint16_t port;
    FILE *log; /* the server's standard error */
};

/* A line such as "VmHWM:  1234 kB" of /proc/PID/status, in bytes; 0 when it is not there. */
static double read_status(pid_t pid, const char *name)
{
    char path[64], line[256];
    double bytes = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) bytes = strtod(line + strlen(name), NULL) * 1024;
    if (status != NULL) fclose(status);
    return bytes;
}

static varve_status stop(struct serving *serving, varve_error *error)
{
    kill(serving->pid, SIGTERM);
    int ended = child_wait(serving->pid);
    fclose(serving->log);
    return ended == 0 ? VARVE_OK : varve_error_set(error, VARVE_UNAVAILABLE, "the server ended with %d", ended);
}

/* Serves the example on a store; it listens when this returns. */
static varve_status serve(struct serving *serving, const char *path, varve_error *error)
{
    static const char listening[] = "listening on http://127.0.0.1:";
    char uri[PLACE_BYTES + 8], line[256];
    snprintf(uri, sizeof uri, "sqlite:%s", path);
    char *const arguments[] = { VARVE_BENCH_PROGRAM, "serve", VARVE_BENCH_APP, "--store", uri, "--listen",
                                "127.0.0.1:0",       NULL };
    varve_status status = child_start(arguments, STDERR_FILENO, &serving->pid, &serving->log, error);
    if (status < 0) return status;
    serving->port = 0;
    while (serving->port == 0 && fgets(line, sizeof line, serving->log) != NULL)
        if (strncmp(line, listening, sizeof listening - 1) == 0)
            serving->port = (uint16_t)strtoul(line + sizeof listening - 1, NULL, 10);
    if (serving->port != 0) return VARVE_OK;
    (void)stop(serving, NULL);
    return varve_error_set(error, VARVE_UNAVAILABLE, "the server did not begin to listen");
}

static void print_memory(const char *what, double bytes, double most)
{
    printf("%-48s %7.1f MB  %7.1f MB  %s\n", what, bytes / 1e6, most / 1e6,
           bytes > 0 && bytes <= most ? "ok" : "above");
    fflush(stdout);
}

static varve_status measure_idle(struct bench *bench, varve_error *error)
{
    char path[PLACE_BYTES];
    struct serving serving;
    varve_status status = place_path(path, bench->folder, "idle.db", error);
    if (status >= 0) status = serve(&serving, path, error);
    if (status < 0) return status;
    sleep(SETTLED_S);
    print_memory("idle, a new store", read_status(serving.pid, "VmRSS:"), IDLE_MOST);
    return stop(&serving, error);
}

/* On the whole log, so that the caches fill; the read model is built from it meanwhile. */
static varve_status measure_busy(struct bench *bench, varve_error *error)
{
    char path[PLACE_BYTES], what[64];
    struct serving serving;
    struct load_result load;
    varve_status status = bench_log(bench, "busy.db", path, error);
    if (status >= 0) status = serve(&serving, path, error);
    if (status < 0) return status;
    const unsigned seconds = bench->quick ? 1 : SECONDS;
    for (unsigned i = 1; i <= 3 && status >= 0; i++) {
        status = load_run(serving.port, CONNECTIONS, seconds, &load, error);
        snprintf(what, sizeof what, "%d connections append, highest in %u s", CONNECTIONS, i * seconds);
        if (status >= 0) print_memory(what, read_status(serving.pid, "VmHWM:"), BUSY_MOST);
        if (status >= 0) status = bench_go_on(error);
    }
    varve_status stopped = stop(&serving, status >= 0 ? error : NULL);
    return status < 0 ? status : stopped;
}

static varve_status run_memory(struct bench *bench, varve_error *error)
{
    printf("\nmemory of a server of examples/orders, resident\n\n");
    printf("%-48s %10s  %10s  %s\n", "", "is", "most", "verdict");
    varve_status status = measure_idle(bench, error);
    return status >= 0 ? measure_busy(bench, error) : status;
}

const struct report memory_report = { "memory", "what a server keeps in memory, idle and busy", run_memory };
