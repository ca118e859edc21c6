/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Starts wrk with its output in a pipe. */
static varve_status start(char *const arguments[], pid_t *pid, FILE **output, varve_error *error)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0) return varve_error_set(error, VARVE_IO, "no pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    int failed = posix_spawnp(pid, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *output = failed == 0 ? fdopen(ends[0], "r") : NULL;
    if (*output != NULL) return VARVE_OK;
    close(ends[0]);
    return varve_error_set(error, VARVE_NOT_FOUND, "wrk cannot be run: %s; it is in Debian's package wrk",
                           strerror(failed));
}

enum total { REQUESTS, MICROSECONDS, P50, P99, ERRORS, TOTALS };

/* Reads the line of totals that post.lua prints; false when this is not it. */
static bool read_totals(const char *line, uint64_t totals[TOTALS])
{
    if (strncmp(line, "total ", 6) != 0) return false;
    char *at = NULL;
    line += 6;
    for (size_t i = 0; i < TOTALS; i++, line = at) {
        totals[i] = strtoull(line, &at, 10);
        if (at == line) return false;
    }
    return true;
}

varve_status load_run(uint16_t port, unsigned connections, unsigned seconds, struct load_result *result,
                      varve_error *error)
{
    char url[64], connection_text[16], duration[16], line[256];
    char *const arguments[] = {
        "wrk",           "--threads",        "1",      "--connections",
        connection_text, "--duration",       duration, "--latency",
        "--script",      VARVE_BENCH_SCRIPT, url,      NULL,
    };
    uint64_t totals[TOTALS];
    bool found = false;
    pid_t pid = 0;
    FILE *output = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    snprintf(connection_text, sizeof connection_text, "%u", connections);
    snprintf(duration, sizeof duration, "%us", seconds);
    varve_status status = start(arguments, &pid, &output, error);
    if (status < 0) return status;
    while (fgets(line, sizeof line, output) != NULL) found = found || read_totals(line, totals);
    fclose(output);
    int ended = 0;
    while (waitpid(pid, &ended, 0) < 0 && errno == EINTR) {
    }
    if (!found || ended != 0) return varve_error_set(error, VARVE_UNAVAILABLE, "wrk did not finish its work");
    if (totals[ERRORS] > 0)
        return varve_error_set(error, VARVE_UNAVAILABLE, "%" PRIu64 " of %" PRIu64 " requests failed", totals[ERRORS],
                               totals[REQUESTS]);
    *result = (struct load_result){
        .requests = totals[REQUESTS],
        .seconds = (double)totals[MICROSECONDS] / 1e6,
        .p50_ns = totals[P50] * 1000,
        .p99_ns = totals[P99] * 1000,
    };
    return VARVE_OK;
}
