/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/varve_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <varve/engine.h>

#include "bench/callers.h"
#include "bench/measure.h"
#include "lua/decider.h"

enum { LINES_MAX = 20000, SOURCE_BYTES = 1 << 16 };

/* ---- the aggregate of order.lua, in C ---- */

#define MOST INT64_C(1000000000000) /* as in order.lua */

struct order {
    int64_t events, total_amount;
};

static const struct {
    const char *command, *event;
} types[] = {
    { "PlaceOrder", "OrderPlaced" },
    { "AmendOrder", "OrderAmended" },
    { "PayOrder", "OrderPaid" },
    { "ShipOrder", "OrderShipped" },
};

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    struct order *order = state;
    int64_t amount = 0;
    varve_status status = varve_json_int(event->data, "total_amount", &amount, error);
    order->events++;
    order->total_amount += amount;
    return status;
}

static varve_status decide(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    const struct order *order = state;
    if (order->total_amount > MOST) return varve_reject(decision, "too_large", "the order is too large");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!varve_str_is(command->type, types[i].command)) continue;
        const varve_event event = { .type = varve_str_of(types[i].event), .data = command->data };
        return varve_emit(decision, &event);
    }
    return varve_error_set(error, VARVE_NOT_FOUND, "there is no command %.*s", (int)command->type.len,
                           command->type.ptr);
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    const struct order *order = state;
    (void)error;
    varve_buf_printf(json, "{\"events\":%lld,\"total_amount\":%lld}", (long long)order->events,
                     (long long)order->total_amount);
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    struct order *order = state;
    varve_status status = varve_json_int(json, "events", &order->events, error);
    return status >= 0 ? varve_json_int(json, "total_amount", &order->total_amount, error) : status;
}

static const varve_decider decider = {
    .category = "order",
    .state_size = sizeof(struct order),
    .evolve = evolve,
    .decide = decide,
    .encode = encode,
    .decode = decode,
};

/* ---- the commands ---- */

struct run {
    varve_engine *engine;
    struct lua_decider *lua;
    char *lines[LINES_MAX];
    varve_command_json *commands[LINES_MAX];
    uint64_t count, first;
};

static varve_status read_commands(struct run *run, const char *path, varve_error *error)
{
    varve_status status = VARVE_OK;
    size_t size = 0;
    ssize_t len = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) return varve_error_set(error, VARVE_IO, "%s: %s", path, strerror(errno));
    while (status >= 0 && run->count < LINES_MAX && (len = getline(&run->lines[run->count], &size, file)) > 0) {
        varve_str line = { run->lines[run->count], (size_t)len };
        status = varve_command_json_parse(&run->commands[run->count], line, (varve_str){ 0 }, error);
        run->count++;
        size = 0; /* the next line has memory of its own */
    }
    fclose(file);
    if (status >= 0 && run->count == 0) status = varve_error_set(error, VARVE_INVALID, "%s: no commands", path);
    return status;
}

static varve_status execute(void *ctx, uint64_t index, varve_error *error)
{
    struct run *run = ctx;
    varve_command_json *command = run->commands[(run->first + index) % run->count];
    return varve_execute(run->engine, varve_command_json_command(command), NULL, error);
}

/* ---- a run ---- */

static varve_status add_lua(struct run *run, const char *path, varve_error *error)
{
    char source[SOURCE_BYTES];
    FILE *file = fopen(path, "r");
    if (file == NULL) return varve_error_set(error, VARVE_IO, "%s: %s", path, strerror(errno));
    size_t len = fread(source, 1, sizeof source, file);
    fclose(file);
    varve_status status = lua_decider_open(&run->lua, path, (varve_str){ source, len }, error);
    return status >= 0 ? lua_decider_add(run->lua, run->engine, error) : status;
}

static varve_status open_engine(struct run *run, const char *lua, const char *uri, varve_error *error)
{
    const varve_engine_options options = { .store = uri };
    varve_status status = varve_engine_open(&run->engine, &options, error);
    if (status >= 0)
        status = lua != NULL ? add_lua(run, lua, error) : varve_engine_add_decider(run->engine, &decider, NULL, error);
    return status >= 0 ? varve_engine_start(run->engine, error) : status;
}

static varve_status measure(struct run *run, unsigned callers, uint64_t count, struct command_result *result,
                            varve_error *error)
{
    uint64_t *ns = calloc(count, sizeof *ns);
    if (ns == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    const struct callers threads = { .callers = callers, .count = count, .ctx = run, .call = execute, .ns = ns };
    varve_engine_stats stats;
    varve_status status = callers_wait(&threads, &result->seconds, error);
    varve_engine_get_stats(run->engine, &stats);
    result->p50_ns = measure_percentile(ns, count, 0.50);
    result->p99_ns = measure_percentile(ns, count, 0.99);
    free(ns);
    if (status >= 0 && stats.commands_accepted != count)
        status = varve_error_set(error, VARVE_CORRUPT, "of %llu commands %llu were accepted", (unsigned long long)count,
                                 (unsigned long long)stats.commands_accepted);
    return status;
}

varve_status command_run(const char *lua, const char *uri, const char *commands, unsigned callers, uint64_t count,
                         uint64_t first, struct command_result *result, varve_error *error)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    run->first = first;
    varve_status status = read_commands(run, commands, error);
    if (status >= 0) status = open_engine(run, lua, uri, error);
    if (status >= 0) status = measure(run, callers, count, result, error);
    varve_engine_close(run->engine);
    lua_decider_close(run->lua);
    for (uint64_t i = 0; i < LINES_MAX; i++) {
        varve_command_json_free(run->commands[i]);
        free(run->lines[i]);
    }
    free(run);
    return status;
}
