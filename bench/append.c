/* SPDX-License-Identifier: Apache-2.0 */
/* Appends of one event each: one caller, many callers that wait, many that are called back; under an inline
 * projection. */
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/bench.h"
#include "bench/callers.h"
#include "bench/inline.h"
#include "bench/measure.h"
#include "store/access.h"

enum { CALLERS = 256 };

struct appends {
    const struct corpus *corpus;
    varve_store *store;
    varve_engine *engine; /* whose store it is, for an inline projection; NULL: none */
    struct bare *bare;
    uint64_t count;                 /* appends a sample */
    uint64_t ours_next, limit_next; /* numbers of the next events */
    double batch;                   /* of our latest sample: the limit commits as many at once */
    uint64_t *ns;                   /* the time each append took */
};

static void close_appends(void *state)
{
    struct appends *appends = state;
    if (appends->engine == NULL) varve_store_close(appends->store);
    varve_engine_close(appends->engine);
    bare_close(appends->bare);
    free(appends->ns);
    free(appends);
}

static varve_status open_ours(struct appends *appends, const char *path, bool inlined, varve_error *error)
{
    char uri[PLACE_BYTES + 8];
    snprintf(uri, sizeof uri, "sqlite:%s", path);
    const varve_store_options plain = { .uri = uri, .must_exist = true };
    if (!inlined) return varve_store_open(&appends->store, &plain, error);
    return inline_open(uri, &appends->engine, &appends->store, error);
}

static varve_status open_appends(void **state, struct bench *bench, uint64_t count, bool inlined, varve_error *error)
{
    struct appends *appends = calloc(1, sizeof *appends);
    if (appends == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char path[PLACE_BYTES];
    appends->corpus = &bench->corpus;
    appends->count = count;
    appends->ours_next = appends->limit_next = bench->corpus.events;
    appends->ns = calloc(count, sizeof *appends->ns);
    varve_status status = appends->ns == NULL ? varve_error_set(error, VARVE_NOMEM, "no memory") : VARVE_OK;
    if (status >= 0) status = bench_log(bench, "ours.db", path, error);
    if (status >= 0) status = open_ours(appends, path, inlined, error);
    if (status >= 0) status = bench_log(bench, "limit.db", path, error);
    if (status >= 0) status = bare_open(&appends->bare, path, appends->corpus, error);
    if (status >= 0 && inlined) status = bare_inline(appends->bare, INLINE_TABLE, INLINE_CHANGE("?1", "?2"), error);
    if (status < 0) {
        close_appends(appends);
        return status;
    }
    *state = appends;
    return VARVE_OK;
}

static varve_status open_one(void **state, struct bench *bench, varve_error *error)
{
    return open_appends(state, bench, bench->quick ? 300 : 1500, false, error);
}

static varve_status open_many(void **state, struct bench *bench, varve_error *error)
{
    return open_appends(state, bench, (uint64_t)CALLERS * (bench->quick ? 20 : 150), false, error);
}

static varve_status open_inline(void **state, struct bench *bench, varve_error *error)
{
    return open_appends(state, bench, (uint64_t)CALLERS * (bench->quick ? 20 : 150), true, error);
}

/* What a sample of ours came to. */
static void sum_up(struct appends *appends, struct sample *sample, const struct store_stats *before)
{
    struct store_stats after;
    sample->units = (double)appends->count;
    store_get_stats(appends->store, &after);
    sample->p50_ns = measure_percentile(appends->ns, appends->count, 0.50);
    sample->p99_ns = measure_percentile(appends->ns, appends->count, 0.99);
    sample->batch =
        (double)(after.events_appended - before->events_appended) / (double)(after.commits - before->commits);
    appends->batch = sample->batch;
    appends->ours_next += appends->count;
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct appends *appends = state;
    uint64_t batch = (uint64_t)(appends->batch + 0.5), start = clock_ns();
    varve_status status = bare_append(appends->bare, appends->limit_next, appends->count, batch, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)appends->count;
    appends->limit_next += appends->count;
    return status;
}

static varve_status append(void *ctx, uint64_t index, varve_error *error)
{
    struct appends *appends = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(appends->corpus, appends->ours_next + index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append(appends->store, &request, NULL, error);
}

static void answered(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    (void)appended;
    callers_answered(ctx, status, error);
}

static varve_status send(void *ctx, uint64_t index, struct callers_slot *slot, varve_error *error)
{
    struct appends *appends = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(appends->corpus, appends->ours_next + index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append_async(appends->store, &request, answered, slot, error);
}

static varve_status ours_one(void *state, struct sample *sample, varve_error *error)
{
    struct appends *appends = state;
    struct store_stats before;
    varve_status status = VARVE_OK;
    store_get_stats(appends->store, &before);
    uint64_t start = clock_ns();
    for (uint64_t i = 0; i < appends->count && status >= 0; i++) {
        uint64_t called = clock_ns();
        status = append(appends, i, error);
        appends->ns[i] = clock_ns() - called;
    }
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sum_up(appends, sample, &before);
    return status;
}

static varve_status ours_many(struct appends *appends, bool wait, struct sample *sample, varve_error *error)
{
    const struct callers callers = {
        .callers = CALLERS, .count = appends->count, .ctx = appends, .call = append, .send = send, .ns = appends->ns
    };
    struct store_stats before;
    store_get_stats(appends->store, &before);
    varve_status status =
        wait ? callers_wait(&callers, &sample->seconds, error) : callers_send(&callers, &sample->seconds, error);
    sum_up(appends, sample, &before);
    return status;
}

static varve_status ours_threads(void *state, struct sample *sample, varve_error *error)
{
    return ours_many(state, true, sample, error);
}

static varve_status ours_callbacks(void *state, struct sample *sample, varve_error *error)
{
    return ours_many(state, false, sample, error);
}

/* ---- the rows ---- */

const struct row append_one = { "append_1",   "blocking append, one caller", "events/s", 0.8, open_one, ours_one, limit,
                                close_appends };

const struct row append_threads = {
    "append_256", "blocking append, 256 threads", "events/s", 0.7, open_many, ours_threads, limit, close_appends
};

const struct row append_callbacks = {
    "append_256_async", "append with callback, 256 outstanding", "events/s", 0.7, open_many, ours_callbacks, limit,
    close_appends
};

const struct row append_inline = { "append_inline", "blocking append under an inline projection, 256 threads",
                                   "events/s",      0,
                                   open_inline,     ours_threads,
                                   limit,           close_appends };
