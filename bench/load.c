/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/child.h"

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
    varve_status status = child_start(arguments, STDOUT_FILENO, &pid, &output, error);
    if (status < 0) return status;
    while (fgets(line, sizeof line, output) != NULL) found = found || read_totals(line, totals);
    fclose(output);
    if (child_wait(pid) != 0 || !found) return varve_error_set(error, VARVE_UNAVAILABLE, "wrk did not finish its work");
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
