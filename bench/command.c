/* SPDX-License-Identifier: Apache-2.0 */
/* Commands over many aggregates, beside bare appends of the same events; and over one, beside one commit each. */
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/bench.h"
#include "bench/callers.h"
#include "bench/measure.h"
#include "bench/orders.h"

/* Each aggregate has 100 events, and with them a snapshot, before anything is measured. */
enum { CALLERS = 256, HOT_CALLERS = 64, AGGREGATES = 1000, EVENTS_EACH = 100, METADATA_BYTES = 128 };

struct commanding {
    struct corpus corpus; /* of these aggregates alone */
    varve_engine *engine;
    varve_store *store; /* the limit of commands over many aggregates … */
    struct bare *bare;  /* … and of those over one */
    unsigned callers;
    uint64_t count; /* commands a sample */
    uint64_t ours_next, limit_next;
    uint64_t *ns;
    char (*metadata)[METADATA_BYTES]; /* of the limit's events */
};

static void close_commanding(void *state)
{
    struct commanding *commanding = state;
    varve_engine_close(commanding->engine);
    varve_store_close(commanding->store);
    bare_close(commanding->bare);
    free(commanding->ns);
    free(commanding->metadata);
    free(commanding);
}

/* The aggregates take turns, so that none has two commands under way while there are more of them than callers. */
static uint64_t aggregate_of(const struct commanding *commanding, uint64_t number)
{
    return corpus_stream(&commanding->corpus, number % commanding->corpus.streams);
}

/* ---- varve: commands ---- */

static varve_command command_of(const struct commanding *commanding, uint64_t index, char name[CORPUS_NAME_BYTES])
{
    uint64_t number = commanding->ours_next + index;
    size_t len = corpus_name(aggregate_of(commanding, number), name);
    return (varve_command){
        .type = orders_command_type(number % CORPUS_TYPES),
        .stream = { name, len },
        .data = corpus_data(&commanding->corpus, number),
    };
}

static varve_status execute(void *ctx, uint64_t index, varve_error *error)
{
    struct commanding *commanding = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_command command = command_of(commanding, index, name);
    return varve_execute(commanding->engine, &command, NULL, error);
}

static void executed(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    (void)outcome;
    callers_answered(ctx, status, error);
}

static varve_status send_command(void *ctx, uint64_t index, struct callers_slot *slot, varve_error *error)
{
    struct commanding *commanding = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_command command = command_of(commanding, index, name);
    return varve_execute_async(commanding->engine, &command, executed, slot, error);
}

static varve_status command(struct commanding *commanding, bool wait, struct sample *sample, varve_error *error)
{
    const struct callers callers = {
        .callers = commanding->callers,
        .count = commanding->count,
        .ctx = commanding,
        .call = execute,
        .send = send_command,
        .ns = commanding->ns,
    };
    varve_engine_stats before, after;
    varve_engine_get_stats(commanding->engine, &before);
    varve_status status =
        wait ? callers_wait(&callers, &sample->seconds, error) : callers_send(&callers, &sample->seconds, error);
    varve_engine_get_stats(commanding->engine, &after);
    commanding->ours_next += commanding->count;
    if (status < 0) return status;
    if (after.commands_accepted - before.commands_accepted != commanding->count)
        return varve_error_set(error, VARVE_CORRUPT, "of %llu commands %llu were accepted",
                               (unsigned long long)commanding->count,
                               (unsigned long long)(after.commands_accepted - before.commands_accepted));
    sample->units = (double)commanding->count;
    sample->p50_ns = measure_percentile(commanding->ns, commanding->count, 0.50);
    sample->p99_ns = measure_percentile(commanding->ns, commanding->count, 0.99);
    sample->batch = (double)commanding->count / (double)(after.commits - before.commits);
    return VARVE_OK;
}

static varve_status ours_threads(void *state, struct sample *sample, varve_error *error)
{
    return command(state, true, sample, error);
}

static varve_status ours_callbacks(void *state, struct sample *sample, varve_error *error)
{
    return command(state, false, sample, error);
}

/* ---- the limit: appends of what the commands would emit ---- */

/* The metadata that the engine gives to a command's events is what these events have from the beginning. */
static void prepare_metadata(struct commanding *commanding)
{
    for (uint64_t i = 0; i < commanding->count; i++) {
        char id[VARVE_UUID_TEXT_BYTES];
        varve_uuid_format(varve_uuid_new(), id);
        snprintf(commanding->metadata[i], METADATA_BYTES, "{\"correlation_id\":\"%s\",\"causation_id\":\"%s\"}", id,
                 id);
    }
}

static varve_event event_of(const struct commanding *commanding, uint64_t index, char name[CORPUS_NAME_BYTES])
{
    uint64_t number = commanding->limit_next + index;
    size_t len = corpus_name(aggregate_of(commanding, number), name);
    return (varve_event){
        .stream = { name, len },
        .type = varve_str_of(corpus_types[number % CORPUS_TYPES]),
        .data = corpus_data(&commanding->corpus, number),
        .metadata = varve_str_of(commanding->metadata[index]),
    };
}

static varve_status append(void *ctx, uint64_t index, varve_error *error)
{
    struct commanding *commanding = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_event event = event_of(commanding, index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append(commanding->store, &request, NULL, error);
}

static void appended(void *ctx, varve_status status, const varve_appended *result, const varve_error *error)
{
    (void)result;
    callers_answered(ctx, status, error);
}

static varve_status send_append(void *ctx, uint64_t index, struct callers_slot *slot, varve_error *error)
{
    struct commanding *commanding = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_event event = event_of(commanding, index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append_async(commanding->store, &request, appended, slot, error);
}

static varve_status limit(struct commanding *commanding, bool wait, struct sample *sample, varve_error *error)
{
    const struct callers callers = {
        .callers = commanding->callers,
        .count = commanding->count,
        .ctx = commanding,
        .call = append,
        .send = send_append,
        .ns = commanding->ns,
    };
    prepare_metadata(commanding);
    varve_status status =
        wait ? callers_wait(&callers, &sample->seconds, error) : callers_send(&callers, &sample->seconds, error);
    sample->units = (double)commanding->count;
    commanding->limit_next += commanding->count;
    return status;
}

static varve_status limit_threads(void *state, struct sample *sample, varve_error *error)
{
    return limit(state, true, sample, error);
}

static varve_status limit_callbacks(void *state, struct sample *sample, varve_error *error)
{
    return limit(state, false, sample, error);
}

static varve_status limit_one_each(void *state, struct sample *sample, varve_error *error)
{
    struct commanding *commanding = state;
    uint64_t start = clock_ns();
    varve_status status = bare_append(commanding->bare, commanding->limit_next, commanding->count, 1, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)commanding->count;
    commanding->limit_next += commanding->count;
    return status;
}

/* ---- opening ---- */

/* Writes the aggregates' log twice and starts an engine on the first; `limit_path` is the other. */
static varve_status open_ours(struct commanding *commanding, const char *folder, char limit_path[PLACE_BYTES],
                              varve_error *error)
{
    char path[PLACE_BYTES], uri[PLACE_BYTES + 8];
    varve_status status = place_path(path, folder, "commands.db", error);
    if (status >= 0) status = place_path(limit_path, folder, "commands-limit.db", error);
    if (status < 0) return status;
    place_remove(path);
    status = corpus_write(&commanding->corpus, path, commanding->corpus.events, NULL, error);
    if (status >= 0) status = place_copy(path, limit_path, error);
    snprintf(uri, sizeof uri, "sqlite:%s", path);
    const varve_engine_options options = { .store = uri, .must_exist = true };
    if (status >= 0) status = varve_engine_open(&commanding->engine, &options, error);
    if (status >= 0) status = varve_engine_add_decider(commanding->engine, &orders_decider, NULL, error);
    return status >= 0 ? varve_engine_start(commanding->engine, error) : status;
}

static varve_status open_limit(struct commanding *commanding, const char *path, varve_error *error)
{
    char uri[PLACE_BYTES + 8];
    snprintf(uri, sizeof uri, "sqlite:%s", path);
    const varve_store_options options = { .uri = uri, .must_exist = true };
    if (commanding->corpus.streams == 1) return bare_open(&commanding->bare, path, &commanding->corpus, error);
    return varve_store_open(&commanding->store, &options, error);
}

/* A look at each aggregate, which keeps a snapshot of it. */
static varve_status warm(struct commanding *commanding, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (uint64_t i = 0; i < commanding->corpus.streams && status >= 0; i++) {
        char name[CORPUS_NAME_BYTES];
        varve_aggregate aggregate = { 0 };
        size_t len = corpus_name(i, name);
        status = varve_aggregate_show(commanding->engine, (varve_str){ name, len }, NULL, &aggregate, error);
        varve_aggregate_fini(&aggregate);
    }
    return status;
}

static varve_status open_commanding(void **state, struct bench *bench, uint64_t aggregates, unsigned callers,
                                    uint64_t commands_each, varve_error *error)
{
    struct commanding *commanding = calloc(1, sizeof *commanding);
    if (commanding == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char limit_path[PLACE_BYTES];
    corpus_init(&commanding->corpus, aggregates, aggregates * EVENTS_EACH);
    commanding->callers = callers;
    commanding->count = callers * commands_each;
    commanding->ours_next = commanding->limit_next = commanding->corpus.events;
    commanding->ns = calloc(commanding->count, sizeof *commanding->ns);
    commanding->metadata = calloc(commanding->count, sizeof *commanding->metadata);
    varve_status status = VARVE_OK;
    if (commanding->ns == NULL || commanding->metadata == NULL)
        status = varve_error_set(error, VARVE_NOMEM, "no memory");
    if (status >= 0) status = open_ours(commanding, bench->folder, limit_path, error);
    if (status >= 0) status = open_limit(commanding, limit_path, error);
    if (status >= 0) status = warm(commanding, error);
    if (status < 0) {
        close_commanding(commanding);
        return status;
    }
    *state = commanding;
    return VARVE_OK;
}

static varve_status open_many(void **state, struct bench *bench, varve_error *error)
{
    return open_commanding(state, bench, AGGREGATES, CALLERS, bench->quick ? 20 : 150, error);
}

static varve_status open_hot(void **state, struct bench *bench, varve_error *error)
{
    return open_commanding(state, bench, 1, HOT_CALLERS, bench->quick ? 5 : 30, error);
}

/* ---- the rows ---- */

const struct row commands_threads = { "commands",    "commands over 1,000 aggregates, 256 threads",
                                      "events/s",    0.8,
                                      open_many,     ours_threads,
                                      limit_threads, close_commanding };

const struct row commands_callbacks = { "commands_async", "commands with callback, 256 outstanding",
                                        "events/s",       0.8,
                                        open_many,        ours_callbacks,
                                        limit_callbacks,  close_commanding };

const struct row hot_aggregate = { "hot_aggregate", "64 callers on one aggregate",
                                   "events/s",      20,
                                   open_hot,        ours_threads,
                                   limit_one_each,  close_commanding };
