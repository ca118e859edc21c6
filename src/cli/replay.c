/* SPDX-License-Identifier: Apache-2.0 */
/* Trying another version of an application's aggregates on all that a store holds. */
#include <inttypes.h>
#include <pthread.h>

#include "cli/findings.h"
#include "cli/local.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "lua/app.h"

/* A replay under way. Findings come on its threads while the calling one draws. */
struct replaying {
    struct findings findings;
    struct progress progress;
    pthread_mutex_t terminal;
    varve_error error; /* of the finding that could not be printed */
};

static varve_status take_finding(void *ctx, const varve_replay_finding *finding)
{
    struct replaying *replaying = ctx;
    pthread_mutex_lock(&replaying->terminal);
    progress_fini(&replaying->progress);
    varve_status status = findings_add(&replaying->findings, finding, &replaying->error);
    pthread_mutex_unlock(&replaying->terminal);
    return status;
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct replaying *replaying = ctx;
    pthread_mutex_lock(&replaying->terminal);
    progress_update(&replaying->progress, done, total);
    pthread_mutex_unlock(&replaying->terminal);
}

/* Opens the application in a folder and finds its decider for the category. Errors say which option is meant. */
static varve_status open_version(struct app **app, const char *option, const char *folder, const char *category,
                                 varve_candidate *candidate, varve_error *error)
{
    varve_error cause = { 0 };
    varve_status status = app_open_aggregates(app, folder, &cause);
    if (status < 0) {
        return varve_error_set(error, status, "--%s: %s", option, cause.message);
    }
    return app_find_decider(*app, varve_str_of(category), (varve_str){ 0 }, candidate)
               ? VARVE_OK
               : varve_error_set(error, VARVE_NOT_FOUND, "--%s: %s has no aggregate of category '%s'", option, folder,
                                 category);
}

/* Runs it and prints what is found; the first that goes wrong is the failure. */
static varve_status run(struct replaying *replaying, varve_store *store, varve_replay_options *options,
                        varve_replay_summary *summary, varve_error *error)
{
    options->visit = take_finding;
    options->visit_ctx = replaying;
    options->progress = replaying->progress.shown ? show_progress : NULL;
    options->progress_ctx = replaying;
    varve_status status = varve_aggregate_replay(store, options, summary, error);
    progress_fini(&replaying->progress);
    if (replaying->error.status < 0) {
        *error = replaying->error;
        return error->status;
    }
    return status < 0 ? status : findings_end(&replaying->findings, summary, error);
}

static varve_status replay(struct call *call, varve_replay_options *options, varve_error *error)
{
    struct replaying replaying = { 0 };
    varve_replay_summary summary = { 0 };
    varve_store *store = NULL;
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = findings_init(&replaying.findings, call, error);
    }
    if (status == VARVE_OK) {
        pthread_mutex_init(&replaying.terminal, NULL);
        progress_init(&replaying.progress, "replaying", call->quiet);
        status = run(&replaying, store, options, &summary, error);
        pthread_mutex_destroy(&replaying.terminal);
    }
    findings_fini(&replaying.findings);
    varve_store_close(store);
    if (status == VARVE_OK && summary.differing + summary.failed > 0) {
        status = varve_error_set(error, VARVE_APPLICATION, "%" PRIu64 " streams differ, %" PRIu64 " failed",
                                 summary.differing, summary.failed);
    }
    return status;
}

varve_status run_aggregate_replay(struct call *call, varve_error *error)
{
    varve_replay_options options = { 0 };
    struct app *app = NULL;
    struct app *other = NULL;
    uint64_t workers = 0;
    const char *against = call_option(call, OPTION_AGAINST);
    varve_status status = call_number(call, OPTION_WORKERS, &workers, error);
    if (status == VARVE_OK && workers > VARVE_REPLAY_WORKERS_MAX) {
        status = varve_error_set(error, VARVE_INVALID, "--workers is at most %u", VARVE_REPLAY_WORKERS_MAX);
    }
    options.workers = (uint32_t)workers;
    if (status == VARVE_OK) {
        status = open_version(&app, "app", call->app, call->arguments[0], &options.candidate, error);
    }
    if (status == VARVE_OK && against != NULL) {
        status = open_version(&other, "against", against, call->arguments[0], &options.against, error);
    }
    if (status == VARVE_OK) {
        status = replay(call, &options, error);
    }
    app_close(app);
    app_close(other);
    return status;
}
