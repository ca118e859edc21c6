/* SPDX-License-Identifier: Apache-2.0 */
#include "command/enrich.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "command/failure.h"
#include "command/line.h"

enum { BUCKETS = 1024, DEFAULT_TIMEOUT_MS = 5000 };

/* A stream with commands here; its name is the first one's. */
struct gate {
    struct gate *in_bucket, *next_ready;
    uint64_t hash;
    struct queue tasks; /* the first one is under way, or next */
};

struct worker {
    struct enricher *enricher;
    pthread_t thread;
    bool started;
    void **deciders;   /* as in the registry: the worker's own copies of those that enrich */
    size_t open_count; /* of them: looked at */
};

struct enricher {
    struct enricher_options options;
    struct worker *workers;
    atomic_bool stopping;
    atomic_uint_fast64_t done, failed, total_ms, waiting;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    /* Under the mutex: */
    struct gate *buckets[BUCKETS];
    struct gate *first_ready, *last_ready;
};

struct varve_enrichment {
    const struct enricher *enricher;
    uint64_t deadline_ns;
    bool could_not_fetch;
};

/* ---- asking ---- */

uint32_t varve_enrich_left_ms(const varve_enrichment *enrichment)
{
    uint64_t now = clock_ns();
    if (now >= enrichment->deadline_ns || enrichment->enricher->stopping) return 0;
    return (uint32_t)((enrichment->deadline_ns - now + 999999) / 1000000);
}

/* Whether the world is to blame and not who asked. */
static varve_status note(varve_enrichment *enrichment, varve_status status)
{
    switch (status) {
    case VARVE_UNAVAILABLE:
    case VARVE_TIMEOUT:
    case VARVE_BUSY:
    case VARVE_TOO_LARGE:
    case VARVE_DENIED:
    case VARVE_IO:
        enrichment->could_not_fetch = true;
        break;
    default:
        break;
    }
    return status;
}

static varve_status check_time(const varve_enrichment *enrichment, varve_error *error)
{
    if (enrichment->enricher->stopping) return varve_error_set(error, VARVE_UNAVAILABLE, "the engine is stopping");
    if (varve_enrich_left_ms(enrichment) > 0) return VARVE_OK;
    return varve_error_set(error, VARVE_TIMEOUT, "the time to enrich a command is over");
}

varve_status varve_enrich_query(varve_enrichment *enrichment, const varve_query_request *request, varve_answer *answer,
                                varve_error *error)
{
    const struct enrich_asks *asks = &enrichment->enricher->options.asks;
    varve_query_request bounded = *request;
    varve_status status = check_time(enrichment, error);
    uint32_t left = varve_enrich_left_ms(enrichment);
    if (asks->query == NULL) return varve_error_set(error, VARVE_UNSUPPORTED, "there are no queries here");
    if (bounded.wait_ms == 0 || bounded.wait_ms > left) bounded.wait_ms = left > 0 ? left : 1;
    if (status >= 0)
        status =
            asks->query(asks->ctx, &bounded, enrichment->deadline_ns, &enrichment->enricher->stopping, answer, error);
    return note(enrichment, status);
}

varve_status varve_enrich_http(varve_enrichment *enrichment, const varve_http_request *request,
                               varve_http_response *response, varve_error *error)
{
    const struct enricher *enricher = enrichment->enricher;
    const struct enrich_asks *asks = &enricher->options.asks;
    varve_status status = check_time(enrichment, error);
    if (asks->http == NULL) return varve_error_set(error, VARVE_UNSUPPORTED, "there is no HTTP here");
    if (status >= 0)
        status = asks->http(asks->ctx, request, enrichment->deadline_ns, &enricher->stopping, response, error);
    return note(enrichment, status);
}

/* ---- one command ---- */

static const varve_decider *decider_of(const struct enricher *enricher, const struct task *task)
{
    return enricher->options.registry->entries[task->decider].decider;
}

static bool is_wanted(const varve_decider *decider, varve_str type)
{
    if (decider->enrich == NULL || decider->enriched == NULL) return decider->enrich != NULL;
    for (const char *const *name = decider->enriched; *name != NULL; name++)
        if (varve_str_is(type, *name)) return true;
    return false;
}

static varve_status take_context(struct task *task, varve_status status, varve_error *cause)
{
    varve_str context = varve_buf_view(&task->context);
    if (status < 0) return status;
    if (task->context.failed) return varve_error_set(cause, VARVE_NOMEM, "out of memory");
    if (context.len == 0) return VARVE_OK;
    if (context.len > VARVE_CONTEXT_BYTES_MAX)
        return varve_error_set(cause, VARVE_APPLICATION, "the context has %zu bytes, more than %u", context.len,
                               VARVE_CONTEXT_BYTES_MAX);
    if (json_check(context, "the context", cause) < 0) return VARVE_APPLICATION;
    task->command.context = context;
    return VARVE_OK;
}

static varve_status ask(struct worker *worker, struct task *task, varve_enrichment *enrichment, varve_error *error)
{
    const varve_decider *decider = decider_of(worker->enricher, task);
    if (clock_ns() >= enrichment->deadline_ns)
        return note(enrichment, varve_error_set(error, VARVE_TIMEOUT, "its time was over before its turn came"));
    return decider->enrich(worker->deciders[task->decider], &task->command, enrichment, &task->context, error);
}

/* Calls the decider's function and makes its failure the command's. */
static varve_status fetch(struct worker *worker, struct task *task)
{
    struct enricher *enricher = worker->enricher;
    uint64_t begun = clock_ns();
    varve_enrichment enrichment = { enricher, .deadline_ns = task->enrich_until_ns };
    varve_error *error = &task->execute.error;
    varve_buf what = { 0 };
    varve_status status = ask(worker, task, &enrichment, error);
    enricher->total_ms += (clock_ns() - begun) / 1000000;
    enricher->done++;
    status = take_context(task, status, error);
    if (status >= 0) {
        *error = (varve_error){ 0 };
        return VARVE_OK;
    }
    enricher->failed++;
    if (status != VARVE_NOMEM) status = enrichment.could_not_fetch ? VARVE_ENRICH_FAILED : VARVE_APPLICATION;
    varve_buf_str(&what, VARVE_STR("enrich of "));
    varve_buf_str(&what, task->command.type);
    status = failure_explain(error, status, varve_buf_view(&what), task->command.stream);
    varve_buf_fini(&what);
    return status;
}

/* VARVE_OK: it goes on to its lane; anything else is what became of it. */
static varve_status enrich_one(struct worker *worker, struct task *task)
{
    const struct enricher *enricher = worker->enricher;
    struct execute *execute = &task->execute;
    if (enricher->stopping) return varve_error_set(&execute->error, VARVE_UNAVAILABLE, "the engine is stopping");
    if (!is_wanted(decider_of(enricher, task), task->command.type)) return VARVE_OK;
    if (execute->own_id) {
        /* Whoever repeats a command must not be told that its context cannot be fetched any more. */
        varve_status known =
            first_find(&execute->first, enricher->options.store, &task->command, &execute->outcome, &execute->error);
        if (known != VARVE_OK) return known;
    }
    return fetch(worker, task);
}

/* ---- gates ---- */

static struct gate **place_of(struct enricher *enricher, const struct task *task)
{
    struct gate **at = &enricher->buckets[task->hash % BUCKETS];
    while (*at != NULL &&
           ((*at)->hash != task->hash || !varve_str_eq((*at)->tasks.first->command.stream, task->command.stream)))
        at = &(*at)->in_bucket;
    return at;
}

static void make_ready(struct enricher *enricher, struct gate *gate)
{
    gate->next_ready = NULL;
    *(enricher->last_ready != NULL ? &enricher->last_ready->next_ready : &enricher->first_ready) = gate;
    enricher->last_ready = gate;
    pthread_cond_signal(&enricher->wake);
}

static struct gate *take_ready(struct enricher *enricher)
{
    struct gate *gate = enricher->first_ready;
    if (gate == NULL) return NULL;
    enricher->first_ready = gate->next_ready;
    if (enricher->first_ready == NULL) enricher->last_ready = NULL;
    return gate;
}

varve_status enricher_take(struct enricher *enricher, struct task *task, bool *taken, varve_error *error)
{
    const varve_decider *decider = decider_of(enricher, task);
    uint32_t timeout_ms = decider->enrich_timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : decider->enrich_timeout_ms;
    varve_status status = VARVE_OK;
    task->enrich_until_ns = clock_ns() + timeout_ms * UINT64_C(1000000);
    pthread_mutex_lock(&enricher->mutex);
    struct gate **at = place_of(enricher, task), *gate = *at;
    bool is_first = gate == NULL;
    *taken = !is_first || is_wanted(decider, task->command.type);
    if (*taken && enricher->stopping) {
        status = varve_error_set(error, VARVE_UNAVAILABLE, "the engine is stopping");
    } else if (*taken && enricher->waiting >= enricher->options.queue_limit) {
        status = varve_error_set(error, VARVE_BUSY, "%u commands wait to be enriched, which is the limit",
                                 enricher->options.queue_limit);
    } else if (*taken && is_first) {
        *at = gate = calloc(1, sizeof *gate);
        if (gate == NULL) status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    if (status >= 0 && *taken && gate != NULL) {
        enricher->waiting++;
        gate->hash = task->hash;
        queue_add(&gate->tasks, task);
        if (is_first) make_ready(enricher, gate);
    }
    pthread_mutex_unlock(&enricher->mutex);
    return status;
}

/* The gate's first command leaves, to its lane unless it is over; in front of whatever is queued after it. */
static bool pass_on(struct enricher *enricher, struct gate *gate, varve_status status)
{
    pthread_mutex_lock(&enricher->mutex);
    struct task *task = gate->tasks.first;
    struct gate **at = place_of(enricher, task);
    (void)queue_take(&gate->tasks);
    enricher->waiting--;
    bool is_over = status != VARVE_OK || !enricher->options.enriched(enricher->options.ctx, task);
    if (gate->tasks.first != NULL) {
        make_ready(enricher, gate);
    } else {
        *at = gate->in_bucket;
        free(gate);
    }
    pthread_mutex_unlock(&enricher->mutex);
    return is_over;
}

static void *run(void *ctx)
{
    struct worker *worker = ctx;
    struct enricher *enricher = worker->enricher;
    for (;;) {
        pthread_mutex_lock(&enricher->mutex);
        while (enricher->first_ready == NULL && !enricher->stopping)
            pthread_cond_wait(&enricher->wake, &enricher->mutex);
        struct gate *gate = take_ready(enricher);
        struct task *task = gate != NULL ? gate->tasks.first : NULL;
        pthread_mutex_unlock(&enricher->mutex);
        if (gate == NULL) return NULL;
        varve_status status = enrich_one(worker, task);
        if (!pass_on(enricher, gate, status)) continue;
        if (status == VARVE_OK)
            status = varve_error_set(&task->execute.error, VARVE_UNAVAILABLE, "the engine is stopping");
        execute_end(&task->execute, status);
        enricher->options.over(enricher->options.ctx, task);
    }
}

/* ---- opening and closing ---- */

static varve_status open_deciders(struct worker *worker, const struct registry *registry, varve_error *error)
{
    worker->deciders = calloc(registry->count + 1, sizeof(void *));
    if (worker->deciders == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    for (size_t i = 0; i < registry->count; i++) {
        const struct registry_entry *entry = &registry->entries[i];
        worker->deciders[i] = entry->ctx;
        if (entry->decider->enrich != NULL && entry->decider->worker_open != NULL) {
            varve_status status = entry->decider->worker_open(entry->ctx, &worker->deciders[i], error);
            if (status < 0) return status;
        }
        worker->open_count++;
    }
    return VARVE_OK;
}

static void close_deciders(struct worker *worker, const struct registry *registry)
{
    for (size_t i = 0; i < worker->open_count; i++) {
        const varve_decider *decider = registry->entries[i].decider;
        if (decider->enrich != NULL && decider->worker_open != NULL && decider->worker_close != NULL)
            decider->worker_close(worker->deciders[i]);
    }
    free(worker->deciders);
}

static varve_status start(struct worker *worker, struct enricher *enricher, varve_error *error)
{
    worker->enricher = enricher;
    varve_status status = open_deciders(worker, enricher->options.registry, error);
    if (status < 0) return status;
    int failed = pthread_create(&worker->thread, NULL, run, worker);
    if (failed != 0) return varve_error_set(error, VARVE_NOMEM, "no thread to enrich commands: %s", strerror(failed));
    worker->started = true;
    return VARVE_OK;
}

varve_status enricher_open(struct enricher **out, const struct enricher_options *options, varve_error *error)
{
    struct enricher *enricher = calloc(1, sizeof *enricher);
    *out = NULL;
    if (enricher == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    enricher->options = *options;
    pthread_mutex_init(&enricher->mutex, NULL);
    pthread_cond_init(&enricher->wake, NULL);
    enricher->workers = calloc(options->workers, sizeof *enricher->workers);
    varve_status status = VARVE_OK;
    if (enricher->workers == NULL) status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    for (uint32_t i = 0; enricher->workers != NULL && i < options->workers && status >= 0; i++)
        status = start(&enricher->workers[i], enricher, error);
    if (status < 0) {
        enricher_close(enricher);
        return status;
    }
    *out = enricher;
    return VARVE_OK;
}

void enricher_get_stats(struct enricher *enricher, struct enricher_stats *stats)
{
    *stats = (struct enricher_stats){
        .done = enricher->done,
        .failed = enricher->failed,
        .total_ms = enricher->total_ms,
        .waiting = enricher->waiting,
    };
}

void enricher_stop(struct enricher *enricher)
{
    pthread_mutex_lock(&enricher->mutex);
    enricher->stopping = true;
    pthread_cond_broadcast(&enricher->wake);
    pthread_mutex_unlock(&enricher->mutex);
}

void enricher_close(struct enricher *enricher)
{
    if (enricher == NULL) return;
    enricher_stop(enricher);
    for (uint32_t i = 0; enricher->workers != NULL && i < enricher->options.workers; i++) {
        if (enricher->workers[i].started) pthread_join(enricher->workers[i].thread, NULL);
        close_deciders(&enricher->workers[i], enricher->options.registry);
    }
    pthread_cond_destroy(&enricher->wake);
    pthread_mutex_destroy(&enricher->mutex);
    free(enricher->workers);
    free(enricher);
}
