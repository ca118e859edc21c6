/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP load, by wrk with post.lua. */
#ifndef VARVE_BENCH_LOAD_H
#define VARVE_BENCH_LOAD_H

#include <varve/error.h>

struct load_result {
    uint64_t requests;
    double seconds;
    uint64_t p50_ns, p99_ns;
};

/*
 * Posts events to the server at a loopback port over `connections` keep-alive connections for
 * `seconds`. VARVE_NOT_FOUND when wrk is not installed; VARVE_UNAVAILABLE when a request failed or
 * was answered with anything but success.
 */
varve_status load_run(uint16_t port, unsigned connections, unsigned seconds, struct load_result *result,
                      varve_error *error);

#endif
