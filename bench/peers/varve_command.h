/* SPDX-License-Identifier: Apache-2.0 */
/* varve's side of bench/peers for commands. */
#ifndef VARVE_BENCH_PEERS_VARVE_COMMAND_H
#define VARVE_BENCH_PEERS_VARVE_COMMAND_H

#include <stdint.h>
#include <varve/error.h>

/* What a run came to. */
struct command_result {
    double seconds;
    uint64_t p50_ns, p99_ns;
};

/*
 * Executes `count` commands of the file `commands`, one a line, 20,000 at most, from `callers` threads, beginning with
 * line `first` and with the first one again behind the last. The aggregate is decided by the Lua file `lua`, or in C
 * when it is NULL. VARVE_CORRUPT when not each of them was accepted.
 */
varve_status command_run(const char *lua, const char *uri, const char *commands, unsigned callers, uint64_t count,
                         uint64_t first, struct command_result *result, varve_error *error);

#endif
