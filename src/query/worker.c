/* SPDX-License-Identifier: Apache-2.0 */
#include "query/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "query/errand.h"
#include "query/follower.h"
#include "query/observer.h"
#include "query/park.h"
#include "query/retry.h"
#include "store/access.h"

enum {
    TURN_MS = 1000,      /* between two looks when nothing happens, and between two lazy checkpoints */
    BUILD_BATCH_MS = 50, /* of a rebuild: what serves follows the log in between, and somebody may wait for it */
    STANDBY_MS = TENURE_LOOK_MS, /* between two looks at another's lease and model … */
    AWAITED_MS = 20              /* … and at its model while somebody waits for a position */
};

/* A follower and how it fares. */
struct side {
    struct follower follower;
    bool faulted; /* stopped for good */
    struct retry retry;
};

struct worker {
    varve_store *store;
    struct generation_home home;
    struct worker_events events;
    struct log log;
    char incarnation[VARVE_UUID_TEXT_BYTES]; /* the home's */
    struct arena memory;                     /* the home's */
    pthread_t thread;
    bool started;
    int wake; /* an eventfd */
    atomic_bool stopping;
    _Atomic uint64_t served; /* the position that queries can rely on */
    _Atomic uint64_t applied, failures, parked;
    struct errands errands;

    /* The thread's own. */
    struct tenure tenure;     /* where models are shared */
    struct observer observer; /* while on standby */
    struct retry history;     /* finding out what of the log's new history … */
    bool rewound;             /* … which somebody met, the model still fits */
    struct side serving;
    struct side building;
    struct retry change; /* beginning a rebuild, and the switch that ends it */
    bool unsettled;      /* the switch may have come through: until that is known nothing else goes on */
    uint64_t next_number;
    uint64_t flushed_ns; /* when the checkpoint last moved lazily */
    uint64_t reported;   /* `served` as last announced */
    bool placed;         /* it has one of the places for rebuilds */

    pthread_mutex_t lock; /* for what follows */
    bool rebuild;         /* asked for, not begun */
    varve_projection_state state;
    bool is_building;
    uint64_t built;
    uint64_t build_began_ns;
    uint64_t failed; /* the event that it is faulted at; 0: none */
    struct worker_texts texts;
};

static void set_problem(struct worker *worker, const char *what, const varve_error *error)
{
    varve_str name = worker->home.file->name;
    pthread_mutex_lock(&worker->lock);
    if (error == NULL) {
        worker->texts.problem[0] = '\0';
    } else {
        snprintf(worker->texts.problem, sizeof worker->texts.problem, "%s%s", what, error->message);
    }
    pthread_mutex_unlock(&worker->lock);
    if (error != NULL) {
        log_line(&worker->log, VARVE_LOG_ERROR, "projection %.*s: %s%s", (int)name.len, name.ptr, what, error->message);
    }
}

static bool is_shared(const struct worker *worker)
{
    return worker->home.place.owner.len > 0;
}

/* Are the models for this process to change? */
static bool owns(const struct worker *worker)
{
    return !is_shared(worker) || worker->tenure.held;
}

/* Can events be added to what serves? */
static bool follows(const struct side *side)
{
    const struct generation *generation = side->follower.generation;
    return generation != NULL && generation->projection != NULL && generation->checkpoint.ours && !side->faulted;
}

/* The position that serves moved. */
static void announce(struct worker *worker, uint64_t position)
{
    atomic_store(&worker->served, position);
    if (position != worker->reported) {
        worker->reported = position;
        worker->events.advanced(worker->events.ctx);
    }
}

/* Tells the outside how things stand. */
static void report(struct worker *worker)
{
    const struct generation *generation = worker->serving.follower.generation;
    const struct generation *building = worker->building.follower.generation;
    uint64_t position = generation->checkpoint.ours ? generation->checkpoint.position : 0;
    pthread_mutex_lock(&worker->lock);
    worker->is_building = building != NULL;
    worker->built = building != NULL ? building->checkpoint.position : 0;
    if (follows(&worker->serving)) {
        worker->state = worker->serving.follower.caught_up ? VARVE_PROJECTION_LIVE : VARVE_PROJECTION_CATCHING_UP;
    } else {
        worker->state = building != NULL || worker->rebuild ? VARVE_PROJECTION_CATCHING_UP : VARVE_PROJECTION_FAULTED;
    }
    if (worker->serving.faulted) worker->state = VARVE_PROJECTION_FAULTED;
    atomic_store(&worker->served, position); /* whoever sees the state sees where */
    worker->failed = worker->serving.faulted ? worker->serving.follower.failed : 0;
    atomic_store(&worker->parked, atomic_load(&generation->parked.count));
    snprintf(worker->texts.owner, sizeof worker->texts.owner, "%s", worker->tenure.owner);
    pthread_mutex_unlock(&worker->lock);
    announce(worker, position);
}

static bool may_pass(varve_status status, const varve_error *error)
{
    return status == VARVE_IO || (error->flags & VARVE_ERROR_RETRIABLE) != 0;
}

static void begin_building(struct worker *worker)
{
    varve_error error = { 0 };
    struct generation *made = NULL;
    /* What could not be removed at the last switch. */
    generation_clean(&worker->home, worker->serving.follower.generation->number);
    varve_status status = generation_create(&made, &worker->home, worker->next_number, &error);
    bool again = status < 0 && may_pass(status, &error);
    worker->building =
        (struct side){ .follower = { .store = worker->store, .generation = made, .batch_ms = BUILD_BATCH_MS } };
    worker->tenure.due_ns = 0; /* it has a connection more */
    pthread_mutex_lock(&worker->lock);
    worker->rebuild = again;
    worker->is_building = made != NULL;
    worker->built = 0;
    worker->build_began_ns = clock_ns();
    pthread_mutex_unlock(&worker->lock);
    if (status == VARVE_LOCKED) {
        tenure_lose(&worker->tenure);
    }
    if (again) {
        retry_put_off(&worker->change);
    } else {
        worker->change = (struct retry){ 0 };
    }
    if (status < 0) {
        set_problem(worker, "the rebuild could not begin: ", &error);
        return;
    }
    worker->next_number++;
    if (!worker->serving.faulted) {
        set_problem(worker, "", NULL);
    }
}

/* Puts the new generation in the place of the one that serves; what prevents it may pass. Once more does no harm. */
static bool switch_over(struct worker *worker)
{
    varve_error error = { 0 };
    struct generation *old = worker->serving.follower.generation;
    varve_status status = generation_publish(worker->building.follower.generation, &error);
    if (status == VARVE_LOCKED) {
        tenure_lose(&worker->tenure);
    }
    worker->unsettled = status < 0 && (worker->unsettled || status == VARVE_IO);
    if (status < 0) {
        set_problem(worker, "the switch failed: ", &error);
        retry_put_off(&worker->change);
        return false;
    }
    worker->change = (struct retry){ 0 };
    follower_stop(&worker->serving.follower);
    worker->serving = worker->building;
    worker->serving.follower.batch_ms = 0;
    worker->building = (struct side){ 0 };
    generation_remove(old);
    set_problem(worker, "", NULL);
    worker->events.switched(worker->events.ctx, worker->home.file);
    varve_str name = worker->home.file->name;
    const struct generation *now = worker->serving.follower.generation;
    log_line(&worker->log, VARVE_LOG_INFO, "projection %.*s: generation %llu serves from position %llu on",
             (int)name.len, name.ptr, (unsigned long long)now->number, (unsigned long long)now->checkpoint.position);
    return true;
}

static void drop_building(struct worker *worker)
{
    follower_stop(&worker->building.follower);
    if (worker->unsettled) {
        generation_close(worker->building.follower.generation); /* whoever opens the models next knows */
    } else {
        generation_remove(worker->building.follower.generation);
    }
    worker->building = (struct side){ 0 };
    worker->change = (struct retry){ 0 };
}

/* Advances one side if it is its turn; true when there may be more to do at once. */
static bool advance(struct worker *worker, struct side *side, bool flush, const char *what)
{
    varve_error error = { 0 };
    if (!retry_is_due(&side->retry)) {
        return false;
    }
    const uint64_t applied = side->follower.applied, parked = side->follower.generation->parked.count;
    varve_status status = follower_advance(&side->follower, flush, &error);
    side->retry.resume_ns = 0;
    atomic_fetch_add(&worker->applied, side->follower.applied - applied);
    park_tell(&worker->log, side->follower.generation, parked);
    if (status >= 0) {
        side->retry.failures = 0;
        return status == VARVE_OK;
    }
    if (status == VARVE_LOCKED) {
        tenure_lose(&worker->tenure);
        return true;
    }
    if (status == VARVE_REWOUND) {
        worker->rewound = true;
        return true;
    }
    atomic_fetch_add(&worker->failures, 1);
    if (side->follower.applied > applied) side->retry.failures = 0; /* others of its partitions got on */
    if (may_pass(status, &error) && (status != VARVE_FULL || side == &worker->serving)) {
        uint32_t wait_ms = retry_put_off(&side->retry);
        worker->tenure.due_ns = 0; /* its connection may be another one next time */
        varve_str name = worker->home.file->name;
        log_line(&worker->log, VARVE_LOG_WARNING, "projection %.*s: %s; trying again in %u ms", (int)name.len, name.ptr,
                 error.message, wait_ms);
        return false;
    }
    side->faulted = true;
    set_problem(worker, what, &error);
    return false;
}

static bool advance_serving(struct worker *worker)
{
    struct side *side = &worker->serving;
    if (!follows(side) || worker->unsettled) {
        return false;
    }
    uint64_t now = clock_ns();
    bool lazily = now - worker->flushed_ns > (uint64_t)TURN_MS * 1000000;
    if (lazily) {
        worker->flushed_ns = now;
    }
    return advance(worker, side, lazily || worker->events.awaited(worker->events.ctx), "");
}

static bool advance_building(struct worker *worker)
{
    struct side *side = &worker->building;
    if (side->follower.generation == NULL) {
        return false;
    }
    bool more = !worker->unsettled && advance(worker, side, true, "the rebuild failed: ");
    const struct checkpoint *old = &worker->serving.follower.generation->checkpoint;
    bool is_ready = !side->faulted && !more && side->retry.resume_ns == 0 && side->follower.caught_up &&
                    (!old->ours || side->follower.generation->checkpoint.position >= old->furthest);
    if ((is_ready || worker->unsettled) && worker->change.resume_ns == 0) {
        more = switch_over(worker);
    }
    if (side->faulted) {
        drop_building(worker);
    }
    return more;
}

/*
 * Finds out what the log's history has to do with the models, if it became another one. False when that cannot be told
 * yet: nothing may be added until then.
 */
static bool check_history(struct worker *worker)
{
    struct side *side = &worker->serving;
    char incarnation[VARVE_UUID_TEXT_BYTES];
    varve_error error = { 0 };
    bool fits = false;
    varve_store_incarnation(worker->store, incarnation);
    if (strcmp(incarnation, worker->incarnation) == 0 && !worker->rewound) {
        return true;
    }
    worker->rewound = true;
    if (!retry_is_due(&worker->history)) {
        return false;
    }
    if (worker->unsettled && !switch_over(worker)) {
        retry_put_off(&worker->history);
        return false;
    }
    struct generation *generation = side->follower.generation;
    memcpy(worker->incarnation, incarnation, sizeof incarnation);
    follower_stop(&side->follower);
    bool rebuilding = worker->building.follower.generation != NULL;
    if (rebuilding) {
        drop_building(worker);
    }
    /* The database of the models may have been rolled back as well. */
    generation->uncertain = true;
    varve_status status = generation_settle(generation, &error);
    if (status == VARVE_OK) {
        status = follower_fits(worker->store, generation, &fits, &error);
    }
    if (status == VARVE_OK) {
        status = fits ? generation_adopt(generation, &error) : generation_disown(generation, &error);
    }
    pthread_mutex_lock(&worker->lock);
    worker->rebuild = worker->rebuild || rebuilding || (status == VARVE_OK && !fits);
    pthread_mutex_unlock(&worker->lock);
    if (status < 0) {
        if (status == VARVE_LOCKED) {
            tenure_lose(&worker->tenure);
        }
        set_problem(worker, "the log became another history: ", &error);
        retry_put_off(&worker->history);
        return false;
    }
    varve_str name = worker->home.file->name;
    log_line(&worker->log, VARVE_LOG_WARNING, "projection %.*s: the log became another history: %s", (int)name.len,
             name.ptr, fits ? "the model fits it" : "rebuilding");
    set_problem(worker, "", NULL);
    *side = (struct side){ .follower = { .store = worker->store, .generation = generation } };
    worker->rewound = false;
    worker->history = (struct retry){ 0 };
    return true;
}

/* Waits until the worker is woken, something is to be read from `fd` (-1: none), or the time is over. */
static void wait_until(struct worker *worker, int fd, int timeout_ms)
{
    struct pollfd polled[] = {
        { .fd = worker->wake, .events = POLLIN },
        { .fd = fd, .events = POLLIN },
    };
    uint64_t count = 0;
    if (poll(polled, 2, timeout_ms) > 0 && (polled[0].revents & POLLIN) != 0 &&
        read(worker->wake, &count, sizeof count) < 0) {
        log_line(&worker->log, VARVE_LOG_WARNING, "reading an eventfd: %s", strerror(errno));
    }
}

static void wait_for_work(struct worker *worker)
{
    int fd = -1, timeout_ms = TURN_MS;
    if (follows(&worker->serving) && worker->serving.retry.resume_ns == 0) {
        fd = follower_fd(&worker->serving.follower);
    }
    timeout_ms = retry_timeout(&worker->serving.retry, timeout_ms);
    timeout_ms = retry_timeout(&worker->building.retry, timeout_ms);
    timeout_ms = retry_timeout(&worker->change, timeout_ms);
    timeout_ms = retry_timeout(&worker->history, timeout_ms);
    if (is_shared(worker)) {
        timeout_ms = retry_timeout(&(struct retry){ .resume_ns = worker->tenure.due_ns }, timeout_ms);
    }
    wait_until(worker, fd, timeout_ms);
}

/* Begins the first generation: nothing older can serve, so it does. */
static varve_status begin_serving(struct worker *worker, varve_error *error)
{
    struct generation *made = NULL;
    varve_status status = generation_create(&made, &worker->home, worker->next_number, error);
    if (status == VARVE_OK) {
        worker->next_number++;
        status = generation_publish(made, error);
    }
    if (status < 0) {
        generation_remove(made);
        made = NULL;
    }
    worker->serving.follower.generation = made;
    return status;
}

/* Opens what serves and finds out whether it fits; see the table in worker.h. */
static varve_status open_serving(struct worker *worker, uint64_t number, varve_error *error)
{
    struct generation *generation = NULL;
    varve_str name = worker->home.file->name;
    varve_status status = number == 0 ? VARVE_CORRUPT : generation_open(&generation, &worker->home, number, error);
    if (status == VARVE_CORRUPT) {
        if (number != 0) {
            log_line(&worker->log, VARVE_LOG_WARNING, "projection %.*s: its model cannot be used and is built anew",
                     (int)name.len, name.ptr);
        }
        status = begin_serving(worker, error);
        if (status == VARVE_OK) {
            generation_clean(&worker->home, worker->serving.follower.generation->number);
        }
        return status;
    }
    if (status < 0) {
        return status;
    }
    worker->serving.follower.generation = generation;
    bool fits = generation->checkpoint.ours;
    status = fits ? follower_fits(worker->store, generation, &fits, error) : VARVE_OK;
    if (status == VARVE_OK) {
        generation_tell_misfit(generation, fits, &worker->log);
        status = fits ? VARVE_OK : generation_disown(generation, error);
    }
    pthread_mutex_lock(&worker->lock);
    worker->rebuild = !fits || generation->projection == NULL;
    pthread_mutex_unlock(&worker->lock);
    return status;
}

/* Opens the models for changing. */
static varve_status open_models(struct worker *worker, varve_error *error)
{
    uint64_t number = 0;
    const struct place *place = &worker->home.place;
    varve_store_incarnation(worker->store, worker->incarnation);
    worker->rewound = false;
    varve_status status = place->kind->serving(place, NULL, NULL, worker->home.file->name, &number, error);
    if (status == VARVE_OK) {
        worker->next_number = generation_clean(&worker->home, number);
        status = open_serving(worker, number, error);
    }
    return status;
}

/* ---- owner and standby ---- */

/* Closes the models: they are another's to change. */
static void step_down(struct worker *worker)
{
    follower_stop(&worker->serving.follower);
    follower_stop(&worker->building.follower);
    generation_close(worker->serving.follower.generation);
    generation_close(worker->building.follower.generation);
    worker->serving = worker->building = (struct side){ 0 };
    worker->serving.follower.store = worker->store;
    worker->change = worker->history = (struct retry){ 0 };
    worker->unsettled = false;
    pthread_mutex_lock(&worker->lock);
    worker->is_building = worker->rebuild = false;
    pthread_mutex_unlock(&worker->lock);
}

/* Takes the lease or keeps it; opens the models where it was taken. */
static varve_status take_or_keep(struct worker *worker, varve_error *error)
{
    const struct generation *writing[] = { worker->serving.follower.generation, worker->building.follower.generation };
    varve_buf backend = { 0 };
    bool fresh = false, before = writing[0] != NULL;
    for (size_t i = 0; i < 2; i++) {
        if (writing[i] != NULL) {
            generation_identify(writing[i], &backend);
        }
    }
    varve_status status = backend.failed ? varve_error_set(error, VARVE_NOMEM, "no memory for a lease")
                                         : tenure_hold(&worker->tenure, varve_buf_view(&backend), &fresh, error);
    varve_buf_fini(&backend);
    if (before && (fresh || !worker->tenure.held)) {
        step_down(worker);
    }
    if (fresh) {
        observer_close(&worker->observer, &worker->home);
        status = open_models(worker, error);
        if (status < 0) {
            step_down(worker);
            tenure_drop(&worker->tenure);
        }
    }
    return status;
}

/* Is this process the owner? */
static bool hold(struct worker *worker)
{
    varve_error error = { 0 };
    varve_str name = worker->home.file->name;
    if (!is_shared(worker) || !tenure_is_due(&worker->tenure)) {
        return owns(worker);
    }
    bool owned = worker->serving.follower.generation != NULL;
    /* Once more when it was taken just now: with the connections that were made. */
    varve_status status = VARVE_OK;
    for (int i = 0; i < 2 && status >= 0 && tenure_is_due(&worker->tenure); i++) {
        status = take_or_keep(worker, &error);
    }
    if (status < 0 && status != VARVE_LOCKED) {
        log_line(&worker->log, VARVE_LOG_WARNING, "projection %.*s: its lease: %s", (int)name.len, name.ptr,
                 error.message);
        worker->tenure.due_ns = clock_ns() + (uint64_t)worker->tenure.look_ms * 1000000;
    }
    if (owned != worker->tenure.held) {
        set_problem(worker, "", NULL);
        log_line(&worker->log, VARVE_LOG_INFO, "projection %.*s: %s%s", (int)name.len, name.ptr,
                 owned ? "on standby, its owner is " : "owned by this process, ", worker->tenure.owner);
    }
    return worker->tenure.held;
}

/* How far the owner's model is. */
static void observe(struct worker *worker)
{
    uint64_t number = worker->observer.number, position = worker->reported;
    varve_store_incarnation(worker->store, worker->incarnation);
    observer_look(&worker->observer, &worker->home, &position, NULL);
    if (worker->observer.number != number) {
        worker->events.switched(worker->events.ctx, worker->home.file);
    }
    if (worker->observer.number != 0 && !worker->events.awaited(worker->events.ctx)) {
        uint64_t parked = 0;
        aside_count(worker->home.place.sql, worker->observer.session, "model", &parked, NULL);
        atomic_store(&worker->parked, parked);
    }
    pthread_mutex_lock(&worker->lock);
    worker->failed = 0;
    worker->state = VARVE_PROJECTION_STANDBY;
    snprintf(worker->texts.owner, sizeof worker->texts.owner, "%s", worker->tenure.owner);
    pthread_mutex_unlock(&worker->lock);
    announce(worker, position);
}

static void stand_by(struct worker *worker)
{
    observe(worker);
    int wait_ms = worker->events.awaited(worker->events.ctx) ? AWAITED_MS : STANDBY_MS;
    wait_until(worker, -1, retry_timeout(&(struct retry){ .resume_ns = worker->tenure.due_ns }, wait_ms));
}

/* ---- what an operator asks ---- */

/* Has what serves go on where it stopped. */
static varve_status resume(struct worker *worker, varve_error *error)
{
    struct side *side = &worker->serving;
    side->faulted = false;
    side->retry = (struct retry){ 0 };
    set_problem(worker, "", NULL);
    advance(worker, side, true, "");
    return side->faulted ? varve_error_set(error, VARVE_APPLICATION, "%s", worker->texts.problem) : VARVE_OK;
}

/* Does what was asked meanwhile, or says that it cannot be done now. */
static void run_errands(struct worker *worker, bool able)
{
    struct side *side = &worker->serving;
    struct errand *errand = NULL;
    while ((errand = errands_first(&worker->errands)) != NULL) {
        able = able && owns(worker) && side->follower.generation != NULL;
        varve_status status = able ? errand_perform(errand, &side->follower, side->faulted)
                                   : errand_refuse(errand, worker->home.file->name, worker->tenure.owner);
        if (status == VARVE_CAUGHT_UP) {
            varve_status resumed = resume(worker, &errand->error);
            /* That the event behind a skipped one fails too is another matter. */
            status = errand->kind == ERRAND_SKIP ? VARVE_OK : resumed;
        } else if (status == VARVE_LOCKED) {
            tenure_lose(&worker->tenure);
        }
        errand->status = status;
        errand_note(errand, worker->home.file->name, &worker->log);
        if (able) {
            report(worker);
        }
        errands_answer(&worker->errands, errand);
    }
}

/* Rebuilds of many projections take turns. */
static bool enter_build(struct worker *worker)
{
    worker->placed =
        worker->placed || worker->events.enter_build == NULL || worker->events.enter_build(worker->events.ctx);
    return worker->placed;
}

static void leave_build(struct worker *worker)
{
    if (worker->placed && worker->building.follower.generation == NULL) {
        worker->placed = false;
        if (worker->events.leave_build != NULL) {
            worker->events.leave_build(worker->events.ctx);
        }
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    while (!atomic_load(&worker->stopping)) {
        leave_build(worker);
        if (!hold(worker)) {
            run_errands(worker, false);
            stand_by(worker);
            continue;
        }
        bool known = check_history(worker);
        run_errands(worker, known);
        if (!known) {
            report(worker);
            wait_for_work(worker);
            continue;
        }
        pthread_mutex_lock(&worker->lock);
        bool rebuild = worker->rebuild;
        pthread_mutex_unlock(&worker->lock);
        if (retry_is_due(&worker->change)) {
            worker->change.resume_ns = 0;
        }
        if (rebuild && worker->building.follower.generation == NULL && worker->change.resume_ns == 0 &&
            enter_build(worker)) {
            begin_building(worker);
            continue; /* its connection is to be known to whoever takes over */
        }
        bool more = advance_serving(worker);
        more = (owns(worker) && advance_building(worker)) || more;
        report(worker);
        if (!more) {
            wait_for_work(worker);
        }
    }
    return NULL;
}

varve_status worker_open(struct worker **out, varve_store *store, const struct generation_home *home,
                         const struct worker_options *options, varve_error *error)
{
    varve_status status = VARVE_OK;
    *out = NULL;
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a projection");
    }
    pthread_mutex_init(&worker->lock, NULL);
    errands_init(&worker->errands);
    worker->store = store;
    worker->home = *home;
    worker->home.incarnation = varve_store_incarnation(store, worker->incarnation);
    worker->events = options->events;
    worker->log = options->log;
    tenure_init(&worker->tenure, store, &worker->home.place, worker->home.file->name, options->lease_ms);
    worker->serving.follower.store = store;
    worker->state = VARVE_PROJECTION_STOPPED;
    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake < 0) {
        status = varve_error_set(error, VARVE_UNAVAILABLE, "no eventfd: %s", strerror(errno));
    } else {
        status = generation_home_complete(&worker->home, &worker->memory, error);
    }
    if (status == VARVE_OK) {
        status = is_shared(worker) ? take_or_keep(worker, error) : open_models(worker, error);
    }
    if (status == VARVE_OK) {
        const struct checkpoint *checkpoint = &worker->serving.follower.generation->checkpoint;
        worker->reported = checkpoint->ours ? checkpoint->position : 0;
        atomic_store(&worker->served, worker->reported);
        atomic_store(&worker->parked, atomic_load(&worker->serving.follower.generation->parked.count));
    } else if (status != VARVE_LOCKED) {
        worker_close(worker);
        worker = NULL;
    }
    *out = worker;
    return status == VARVE_LOCKED ? VARVE_OK : status;
}

varve_status worker_start(struct worker *worker, varve_error *error)
{
    worker->state = owns(worker) ? VARVE_PROJECTION_CATCHING_UP : VARVE_PROJECTION_STANDBY;
    snprintf(worker->texts.owner, sizeof worker->texts.owner, "%s", worker->tenure.owner);
    int failure = pthread_create(&worker->thread, NULL, work, worker);
    if (failure != 0) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "no thread for a projection: %s", strerror(failure));
    }
    worker->started = true;
    return VARVE_OK;
}

/* Leaves the checkpoint where the log was last looked at, so that the next start need not look again. */
static void settle(struct worker *worker)
{
    if (owns(worker) && follows(&worker->serving) && follower_is_begun(&worker->serving.follower)) {
        varve_error ignored = { 0 };
        follower_advance(&worker->serving.follower, true, &ignored);
    }
}

void worker_stop(struct worker *worker)
{
    if (worker == NULL || !worker->started) return;
    atomic_store(&worker->stopping, true);
    worker_nudge(worker);
    pthread_join(worker->thread, NULL);
    worker->started = false;
    errands_close(&worker->errands);
    settle(worker);
}

void worker_close(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    worker_stop(worker);
    if (worker->building.follower.generation != NULL) {
        drop_building(worker);
    }
    follower_stop(&worker->serving.follower);
    generation_close(worker->serving.follower.generation);
    observer_close(&worker->observer, &worker->home);
    tenure_fini(&worker->tenure);
    if (worker->wake >= 0) close(worker->wake);
    errands_fini(&worker->errands);
    pthread_mutex_destroy(&worker->lock);
    arena_fini(&worker->memory);
    free(worker);
}

uint64_t worker_position(struct worker *worker)
{
    return atomic_load(&worker->served);
}

void worker_nudge(struct worker *worker)
{
    uint64_t one = 1;
    /* A full counter is as awake as it gets. */
    ssize_t written = write(worker->wake, &one, sizeof one);
    (void)written;
}

varve_status worker_rebuild(struct worker *worker, varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_str name = worker->home.file->name;
    pthread_mutex_lock(&worker->lock);
    if (worker->state == VARVE_PROJECTION_STANDBY) {
        status = varve_error_set(error, VARVE_UNAVAILABLE, "projection %.*s is on standby here: its owner is %s",
                                 (int)name.len, name.ptr, worker->texts.owner);
    } else {
        worker->rebuild = worker->rebuild || !worker->is_building;
    }
    pthread_mutex_unlock(&worker->lock);
    worker_nudge(worker);
    return status;
}

varve_status worker_operate(struct worker *worker, enum errand_kind kind, const varve_projection_action *action,
                            varve_error *error)
{
    struct errand errand = { .kind = kind, .action = action };
    if (!errands_add(&worker->errands, &errand)) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "the engine is stopping");
    }
    worker_nudge(worker);
    errands_wait(&worker->errands, &errand);
    if (errand.status < 0 && error != NULL) {
        *error = errand.error;
    }
    return errand.status;
}

void worker_get_status(struct worker *worker, varve_projection_status *status, struct worker_texts *texts)
{
    pthread_mutex_lock(&worker->lock);
    status->state = worker->state;
    status->position = atomic_load(&worker->served);
    status->rebuilding = worker->is_building || worker->rebuild;
    status->rebuild_queued = worker->rebuild && !worker->is_building;
    status->rebuild_done = worker->built;
    status->failed_position = worker->failed;
    status->parked = atomic_load(&worker->parked);
    status->events_applied = atomic_load(&worker->applied);
    status->failures = atomic_load(&worker->failures);
    double seconds = (double)(clock_ns() - worker->build_began_ns) / 1e9;
    status->rebuild_rate = worker->is_building && seconds > 0 ? (double)worker->built / seconds : 0;
    *texts = worker->texts;
    pthread_mutex_unlock(&worker->lock);
    status->problem = varve_str_of(texts->problem);
    status->owner = varve_str_of(texts->owner);
}
