/* SPDX-License-Identifier: Apache-2.0 */
/*
 * varve's side of bench/peers: writes the events that all append, or appends them, also under an inline projection, or
 * executes commands, from threads by the public interface, or follows the log by a projection; and prints the line of
 * JSON that load.mjs and load.py print.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <varve/store.h>

#include "bench/callers.h"
#include "bench/corpus.h"
#include "bench/measure.h"
#include "bench/peers/varve_command.h"
#include "bench/peers/varve_projection.h"

enum { STREAMS = 10000, EVENTS = 20000 };

struct load {
    struct corpus corpus;
    varve_store *store;
    varve_engine *engine; /* whose store it is, for an inline projection; NULL: none */
    uint64_t first;
};

static varve_status append(void *ctx, uint64_t index, varve_error *error)
{
    struct load *load = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(&load->corpus, (load->first + index) % EVENTS, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append(load->store, &request, NULL, error);
}

static int print_events(const struct corpus *corpus)
{
    for (uint64_t i = 0; i < EVENTS; i++) {
        char name[CORPUS_NAME_BYTES];
        varve_event event = corpus_event(corpus, i, name);
        printf("{\"stream\":\"%s\",\"type\":\"%.*s\",\"data\":%.*s}\n", name, (int)event.type.len, event.type.ptr,
               (int)event.data.len, event.data.ptr);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

/* All were done, or there was a failure. */
static void print_result(double seconds, uint64_t count, uint64_t p50_ns, uint64_t p99_ns)
{
    printf("{\"seconds\":%.6f,\"count\":%llu,\"done\":%llu,\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n", seconds,
           (unsigned long long)count, (unsigned long long)count, (double)p50_ns / 1e6, (double)p99_ns / 1e6);
}

static varve_status open_store(struct load *load, const char *uri, bool inlined, varve_error *error)
{
    const varve_store_options options = { .uri = uri };
    if (!inlined) return varve_store_open(&load->store, &options, error);
    varve_status status = peer_model_open(&load->engine, uri, true, error);
    if (status >= 0) status = varve_engine_start(load->engine, error);
    if (status >= 0) load->store = varve_engine_store(load->engine);
    return status;
}

/* URI EVENTS CALLERS COUNT FIRST */
static varve_status run(struct load *load, char **words, bool inlined, varve_error *error)
{
    double seconds = 0;
    uint64_t count = strtoull(words[3], NULL, 10);
    uint64_t *ns = calloc(count, sizeof *ns);
    if (ns == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    const struct callers threads = {
        .callers = (unsigned)strtoul(words[2], NULL, 10), .count = count, .ctx = load, .call = append, .ns = ns
    };
    load->first = strtoull(words[4], NULL, 10);
    varve_status status = open_store(load, words[0], inlined, error);
    if (status >= 0) status = callers_wait(&threads, &seconds, error);
    if (status >= 0 && inlined) status = peer_model_check(load->engine, load->first + count, error);
    if (!inlined) varve_store_close(load->store);
    varve_engine_close(load->engine);
    if (status >= 0)
        print_result(seconds, count, measure_percentile(ns, count, 0.50), measure_percentile(ns, count, 0.99));
    free(ns);
    return status;
}

/* URI COUNT */
static varve_status follow(char **words, varve_error *error)
{
    double seconds = 0;
    uint64_t count = strtoull(words[1], NULL, 10);
    varve_status status = peer_model_follow(words[0], count, &seconds, error);
    if (status >= 0)
        printf("{\"seconds\":%.6f,\"count\":%llu,\"done\":%llu}\n", seconds, (unsigned long long)count,
               (unsigned long long)count);
    return status;
}

/* DECIDER URI COMMANDS CALLERS COUNT FIRST */
static varve_status run_commands(char **words, varve_error *error)
{
    struct command_result result = { 0 };
    const char *lua = strcmp(words[0], "C") == 0 ? NULL : words[0];
    uint64_t count = strtoull(words[4], NULL, 10);
    varve_status status = command_run(lua, words[1], words[2], (unsigned)strtoul(words[3], NULL, 10), count,
                                      strtoull(words[5], NULL, 10), &result, error);
    if (status >= 0) print_result(result.seconds, count, result.p50_ns, result.p99_ns);
    return status;
}

int main(int argc, char **argv)
{
    struct load *load = calloc(1, sizeof *load);
    varve_error error = { 0 };
    if (load == NULL) return 1;
    corpus_init(&load->corpus, STREAMS, EVENTS);
    int code = 2;
    if (argc == 2 && strcmp(argv[1], "events") == 0) {
        code = print_events(&load->corpus);
    } else if (argc == 6) {
        code = run(load, argv + 1, false, &error) < 0 ? 1 : 0;
    } else if (argc == 7 && strcmp(argv[1], "inline") == 0) {
        code = run(load, argv + 2, true, &error) < 0 ? 1 : 0;
    } else if (argc == 4 && strcmp(argv[1], "projection") == 0) {
        code = follow(argv + 2, &error) < 0 ? 1 : 0;
    } else if (argc == 8 && strcmp(argv[1], "command") == 0) {
        code = run_commands(argv + 2, &error) < 0 ? 1 : 0;
    } else {
        fputs("usage: varve-peer events | varve-peer [inline] URI EVENTS CALLERS COUNT FIRST |\n"
              "       varve-peer projection URI COUNT |\n"
              "       varve-peer command C|FILE.lua URI COMMANDS CALLERS COUNT FIRST\n",
              stderr);
    }
    if (error.status < 0) fprintf(stderr, "varve-peer: %s\n", error.message);
    free(load);
    return code;
}
