/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replay: workers that each take the next stream of the category, in order of name, and fold it. Names are listed a
 * few at a time. The calling thread waits and tells how far they are.
 */
#include <varve/replay.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/candidate.h"
#include "command/patch.h"
#include "event/codec.h"

enum { STREAMS_AT_ONCE = 64, PROGRESS_MS = 100 };

struct replay {
    varve_store *store;
    const varve_replay_options *options;
    varve_str category;
    uint64_t total; /* events to read, as they were counted at the beginning */
    atomic_uint_fast64_t streams, events;

    pthread_mutex_t mutex;
    pthread_cond_t done;
    /* Under the mutex: */
    struct arena names; /* of the streams that were listed last */
    varve_str listed[STREAMS_AT_ONCE];
    size_t count, taken;
    bool is_listed;        /* there are no more */
    bool is_out_of_memory; /* for a name */
    unsigned running;
    uint64_t differing, failed;
    varve_status status; /* of the first failure, which ends the replay … */
    varve_error error;   /* … with its explanation */
};

/* One version of the decider, in one worker. */
struct side {
    struct candidate candidate;
    struct load load;
    bool is_lost; /* it could not apply an event of this stream */
    varve_buf json;
    struct tree_node tree;
};

struct worker {
    struct replay *replay;
    pthread_t thread;
    bool started;
    struct side tried, other;
    bool compares;
    char stream[VARVE_NAME_BYTES_MAX]; /* the one that it took */
    size_t stream_len;
    uint64_t position; /* of the event that was read last */
    struct arena trees;
    varve_buf patch;
};

/* ---- what all workers share ---- */

static varve_status end_with(struct replay *replay, varve_status status, const varve_error *error)
{
    pthread_mutex_lock(&replay->mutex);
    if (replay->status >= 0) {
        replay->status = status;
        replay->error = *error;
        replay->error.status = status;
    }
    pthread_mutex_unlock(&replay->mutex);
    return status;
}

static varve_status tell(struct replay *replay, const varve_replay_finding *finding)
{
    varve_error error = { 0 };
    pthread_mutex_lock(&replay->mutex);
    varve_status status = replay->status;
    if (status >= 0 && finding->kind == VARVE_REPLAY_DIFFERS) replay->differing++;
    if (status >= 0 && finding->kind == VARVE_REPLAY_FAILED) replay->failed++;
    if (status >= 0) status = replay->options->visit(replay->options->visit_ctx, finding);
    pthread_mutex_unlock(&replay->mutex);
    if (status >= 0) return VARVE_OK;
    varve_error_set(&error, status, "the replay was ended by who takes its findings");
    return end_with(replay, status, &error);
}

/* ---- one stream ---- */

/* Tells that a side failed at an event, or with NULL before the first. Only memory that is out ends the replay. */
static varve_status lose(struct worker *worker, struct side *side, varve_str stream, const varve_event *event,
                         const varve_error *cause)
{
    varve_replay_finding finding = {
        .kind = VARVE_REPLAY_FAILED, .stream = stream, .is_other = side == &worker->other, .error = cause
    };
    side->is_lost = true;
    load_fini(&side->load);
    if (cause->status == VARVE_NOMEM) return end_with(worker->replay, VARVE_NOMEM, cause);
    if (event != NULL) {
        finding.version = event->version;
        finding.position = event->position;
        finding.type = event->type;
    }
    return tell(worker->replay, &finding);
}

static varve_status begin(struct worker *worker, struct side *side, varve_str stream)
{
    varve_error cause = { 0 };
    side->is_lost = false;
    if (load_begin(&side->load, &side->candidate.decider, stream, &cause) == VARVE_OK) return VARVE_OK;
    return lose(worker, side, stream, NULL, &cause);
}

static varve_status apply(struct worker *worker, struct side *side, const varve_event *event)
{
    varve_error cause = { 0 };
    if (side->is_lost || load_evolve(&side->load, event, &cause) == VARVE_OK) return VARVE_OK;
    return lose(worker, side, event->stream, event, &cause);
}

/* Both sides are given every event of the stream, by one reading of it. */
static varve_status fold(struct worker *worker, varve_str stream)
{
    struct replay *replay = worker->replay;
    varve_read_options all = { .stream = stream };
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error cause = { 0 };
    varve_status status = varve_cursor_open(&cursor, replay->store, &all, &cause);
    if (status < 0) return end_with(replay, status, &cause);
    while ((status = varve_cursor_next(cursor, &event, &cause)) == VARVE_OK) {
        worker->position = event->position;
        status = apply(worker, &worker->tried, event);
        if (status == VARVE_OK && worker->compares) status = apply(worker, &worker->other, event);
        if (status < 0) break;
        replay->events++;
        if (worker->tried.is_lost && (worker->other.is_lost || !worker->compares)) break;
    }
    varve_cursor_close(cursor);
    if (status < 0 && cause.status < 0) return end_with(replay, status, &cause);
    return status < 0 ? status : VARVE_OK;
}

/* Encodes a state. The event that is told when that fails is the newest: there is no other to blame. */
static varve_status encode(struct worker *worker, struct side *side, varve_str stream)
{
    varve_error cause = { 0 };
    varve_event newest = { .version = side->load.version, .position = worker->position };
    if (load_encode(&side->load, stream, &side->json, &cause) == VARVE_OK) return VARVE_OK;
    return lose(worker, side, stream, &newest, &cause);
}

static varve_status compare_trees(struct worker *worker, varve_error *error)
{
    struct side *tried = &worker->tried, *other = &worker->other;
    arena_reset(&worker->trees);
    varve_buf_reset(&worker->patch);
    varve_status status = tree_read(varve_buf_view(&other->json), &worker->trees, &other->tree, error);
    if (status == VARVE_OK) status = tree_read(varve_buf_view(&tried->json), &worker->trees, &tried->tree, error);
    if (status == VARVE_OK) status = patch_write(&other->tree, &tried->tree, &worker->patch, error);
    return status;
}

static varve_status compare(struct worker *worker, varve_str stream)
{
    struct side *tried = &worker->tried, *other = &worker->other;
    varve_error cause = { 0 };
    varve_status status = VARVE_OK;
    if (!worker->compares || tried->is_lost || other->is_lost) return VARVE_OK;
    if ((status = encode(worker, tried, stream)) < 0 || (status = encode(worker, other, stream)) < 0) return status;
    if (tried->is_lost || other->is_lost) return VARVE_OK;
    if (varve_str_eq(varve_buf_view(&tried->json), varve_buf_view(&other->json))) return VARVE_OK;
    status = compare_trees(worker, &cause);
    if (status < 0) return end_with(worker->replay, status, &cause);
    varve_replay_finding finding = {
        .kind = VARVE_REPLAY_DIFFERS,
        .stream = stream,
        .version = tried->load.version,
        .patch = varve_buf_view(&worker->patch),
    };
    return varve_str_is(finding.patch, "[]") ? VARVE_OK : tell(worker->replay, &finding);
}

static varve_status replay_stream(struct worker *worker, varve_str stream)
{
    varve_status status = begin(worker, &worker->tried, stream);
    if (status == VARVE_OK && worker->compares) status = begin(worker, &worker->other, stream);
    if (status == VARVE_OK) status = fold(worker, stream);
    if (status == VARVE_OK) status = compare(worker, stream);
    load_fini(&worker->tried.load);
    load_fini(&worker->other.load);
    worker->replay->streams++;
    return status;
}

/* ---- a worker ---- */

static varve_status add_name(void *ctx, const varve_stream_version *stream)
{
    struct replay *replay = ctx;
    if (!arena_copy(&replay->names, stream->stream, &replay->listed[replay->count])) {
        replay->is_out_of_memory = true;
        return VARVE_DONE;
    }
    replay->count++;
    return VARVE_OK;
}

/* Lists the streams after the one that was taken last. Under the mutex. */
static varve_status list_more(struct replay *replay, struct worker *worker, varve_error *error)
{
    varve_str after = { replay->count == 0 ? NULL : worker->stream, 0 };
    if (replay->count > 0) { /* in the worker's place, because listing begins by forgetting names */
        varve_str last = replay->listed[replay->count - 1];
        memcpy(worker->stream, last.ptr, last.len);
        after.len = last.len;
    }
    arena_reset(&replay->names);
    replay->count = replay->taken = 0;
    varve_status status =
        varve_stream_list(replay->store, replay->category, after, STREAMS_AT_ONCE, add_name, replay, error);
    if (replay->is_out_of_memory) status = varve_error_set(error, VARVE_NOMEM, "no memory for a stream's name");
    if (status >= 0) replay->is_listed = status == VARVE_DONE;
    return status < 0 ? status : VARVE_OK;
}

/* Takes the next stream: each is taken by one worker. False when there are no more, or the replay has ended. */
static bool take_stream(struct worker *worker)
{
    struct replay *replay = worker->replay;
    varve_error error = { 0 };
    varve_status status = VARVE_OK;
    bool taken = false;
    pthread_mutex_lock(&replay->mutex);
    if (replay->status >= 0 && replay->taken == replay->count && !replay->is_listed)
        status = list_more(replay, worker, &error);
    if (replay->status >= 0 && status >= 0 && replay->taken < replay->count) {
        varve_str stream = replay->listed[replay->taken++];
        memcpy(worker->stream, stream.ptr, stream.len);
        worker->stream_len = stream.len;
        taken = true;
    }
    pthread_mutex_unlock(&replay->mutex);
    if (status < 0) end_with(replay, status, &error);
    return taken;
}

static void *run(void *ctx)
{
    struct worker *worker = ctx;
    struct replay *replay = worker->replay;
    varve_status status = VARVE_OK;
    while (status >= 0 && take_stream(worker))
        status = replay_stream(worker, (varve_str){ worker->stream, worker->stream_len });
    pthread_mutex_lock(&replay->mutex);
    replay->running--;
    pthread_cond_signal(&replay->done);
    pthread_mutex_unlock(&replay->mutex);
    return NULL;
}

static void close_side(struct side *side)
{
    candidate_close(&side->candidate);
    varve_buf_fini(&side->json);
}

static varve_status worker_open(struct worker *worker, struct replay *replay, varve_error *error)
{
    const varve_replay_options *options = replay->options;
    worker->replay = replay;
    worker->compares = options->against.decider != NULL;
    varve_status status = candidate_open(&worker->tried.candidate, &options->candidate, error);
    if (status == VARVE_OK && worker->compares)
        status = candidate_open(&worker->other.candidate, &options->against, error);
    return status;
}

static void worker_close(struct worker *worker)
{
    close_side(&worker->tried);
    close_side(&worker->other);
    arena_fini(&worker->trees);
    varve_buf_fini(&worker->patch);
}

/* ---- the calling thread ---- */

static varve_status add_events(void *ctx, const varve_stream_version *stream)
{
    uint64_t *total = ctx;
    *total += stream->version;
    return VARVE_OK;
}

static varve_status start(struct replay *replay, struct worker *workers, uint32_t count, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (uint32_t i = 0; i < count && status == VARVE_OK; i++) status = worker_open(&workers[i], replay, error);
    if (status < 0) return status;
    for (uint32_t i = 0; i < count; i++) {
        pthread_mutex_lock(&replay->mutex);
        replay->running++;
        pthread_mutex_unlock(&replay->mutex);
        int failed = pthread_create(&workers[i].thread, NULL, run, &workers[i]);
        workers[i].started = failed == 0;
        if (failed == 0) continue;
        pthread_mutex_lock(&replay->mutex);
        replay->running--;
        pthread_mutex_unlock(&replay->mutex);
        return varve_error_set(error, VARVE_NOMEM, "no thread for a replay: %s", strerror(failed));
    }
    return VARVE_OK;
}

static void await(struct replay *replay)
{
    const varve_replay_options *options = replay->options;
    pthread_mutex_lock(&replay->mutex);
    while (replay->running > 0) {
        struct timespec soon = clock_deadline(PROGRESS_MS);
        if (options->progress == NULL) {
            pthread_cond_wait(&replay->done, &replay->mutex);
            continue;
        }
        pthread_cond_clockwait(&replay->done, &replay->mutex, CLOCK_MONOTONIC, &soon);
        pthread_mutex_unlock(&replay->mutex);
        options->progress(options->progress_ctx, replay->events, replay->total);
        pthread_mutex_lock(&replay->mutex);
    }
    pthread_mutex_unlock(&replay->mutex);
    if (options->progress != NULL) options->progress(options->progress_ctx, replay->events, replay->total);
}

static varve_status check_options(const varve_replay_options *options, varve_error *error)
{
    const varve_decider *decider = options->candidate.decider, *against = options->against.decider;
    if (options->size != 0 && options->size != sizeof *options)
        return varve_error_set(error, VARVE_INVALID, "varve_replay_options is of another version of the library");
    if (decider == NULL || options->visit == NULL)
        return varve_error_set(error, VARVE_INVALID, "a replay needs a decider, and somebody to take its findings");
    if (options->workers > VARVE_REPLAY_WORKERS_MAX)
        return varve_error_set(error, VARVE_INVALID, "a replay has at most %u workers", VARVE_REPLAY_WORKERS_MAX);
    if (decider->reads != NULL)
        return varve_error_set(error, VARVE_UNSUPPORTED,
                               "a decider over a query cannot be replayed: what it reads depends on a command");
    if (decider->category == NULL || against == NULL)
        return VARVE_OK; /* what is incomplete is said when it is opened */
    if (against->category == NULL || strcmp(decider->category, against->category) != 0)
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' cannot be compared with one of '%s'",
                               decider->category, against->category == NULL ? "" : against->category);
    if (decider->encode == NULL || against->encode == NULL)
        return varve_error_set(error, VARVE_INVALID, "a decider of '%s' has no encode, so states cannot be compared",
                               decider->category);
    return VARVE_OK;
}

static uint32_t worker_count(const varve_replay_options *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (options->workers > 0) return options->workers;
    if (processors < 1) return 1;
    return processors > (long)VARVE_REPLAY_WORKERS_MAX ? VARVE_REPLAY_WORKERS_MAX : (uint32_t)processors;
}

/* After it `replay` has the first failure. */
static void run_workers(struct replay *replay)
{
    uint32_t count = worker_count(replay->options);
    struct worker *workers = calloc(count, sizeof *workers);
    varve_error error = { 0 };
    if (workers == NULL) {
        end_with(replay, varve_error_set(&error, VARVE_NOMEM, "no memory for a replay"), &error);
        return;
    }
    varve_status status = start(replay, workers, count, &error);
    if (status < 0) end_with(replay, status, &error);
    await(replay);
    for (uint32_t i = 0; i < count; i++)
        if (workers[i].started) pthread_join(workers[i].thread, NULL);
    for (uint32_t i = 0; i < count; i++) worker_close(&workers[i]);
    free(workers);
}

varve_status varve_aggregate_replay(varve_store *store, const varve_replay_options *options,
                                    varve_replay_summary *summary, varve_error *error)
{
    struct replay replay = { .store = store, .options = options };
    varve_status status = check_options(options, error);
    if (status < 0) return status;
    replay.category = varve_str_of(options->candidate.decider->category);
    if (options->progress != NULL)
        status = varve_stream_list(store, replay.category, (varve_str){ 0 }, 0, add_events, &replay.total, error);
    if (status < 0) return status;
    pthread_mutex_init(&replay.mutex, NULL);
    pthread_cond_init(&replay.done, NULL);
    run_workers(&replay);
    status = replay.status;
    if (status < 0 && error != NULL) *error = replay.error;
    *summary = (varve_replay_summary){ replay.streams, replay.events, replay.differing, replay.failed };
    arena_fini(&replay.names);
    pthread_cond_destroy(&replay.done);
    pthread_mutex_destroy(&replay.mutex);
    return status < 0 ? status : VARVE_OK;
}
