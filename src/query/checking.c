/* SPDX-License-Identifier: Apache-2.0 */
#include "query/checking.h"

#include <inttypes.h>
#include <stdio.h>

#include "query/models.h"

enum { DIFFERENCES_BYTES_MAX = 1 << 20 };

void checking_init(struct checking *checking, struct models *models)
{
    *checking = (struct checking){ .models = models };
    pthread_mutex_init(&checking->lock, NULL);
}

void checking_fini(struct checking *checking)
{
    atomic_store(&checking->stop, true);
    if (checking->begun) {
        pthread_join(checking->thread, NULL);
    }
    varve_buf_fini(&checking->differences);
    pthread_mutex_destroy(&checking->lock);
}

static varve_status follow(void *ctx, uint64_t done, uint64_t total)
{
    struct checking *checking = ctx;
    pthread_mutex_lock(&checking->lock);
    checking->done = done;
    checking->total = total;
    pthread_mutex_unlock(&checking->lock);
    return atomic_load(&checking->stop) ? VARVE_DONE : VARVE_OK;
}

static varve_status keep(void *ctx, const varve_projection_difference *difference)
{
    struct checking *checking = ctx;
    pthread_mutex_lock(&checking->lock);
    if (checking->differences.len + difference->live.len + difference->fresh.len < DIFFERENCES_BYTES_MAX) {
        varve_buf_add(&checking->differences, ",", checking->differences.len > 0 ? 1 : 0);
        varve_projection_difference_write_json(difference, &checking->differences);
    }
    pthread_mutex_unlock(&checking->lock);
    return atomic_load(&checking->stop) ? VARVE_DONE : VARVE_OK;
}

static void *run(void *arg)
{
    struct checking *checking = arg;
    varve_error error = { 0 };
    varve_projection_check_summary summary = { 0 };
    const varve_projection_check_options options = {
        .name = varve_str_of(checking->name), .visit = keep, .progress = follow, .ctx = checking
    };
    varve_status status = models_check(checking->models, &options, &summary, &error);
    if (status == VARVE_DONE) {
        status = varve_error_set(&error, VARVE_UNAVAILABLE, "the engine is stopping");
    }
    pthread_mutex_lock(&checking->lock);
    checking->status = status;
    checking->error = error;
    checking->summary = summary;
    checking->running = false;
    pthread_mutex_unlock(&checking->lock);
    return NULL;
}

/* Under the lock; nothing runs. */
static varve_status begin(struct checking *checking, varve_str name, varve_error *error)
{
    if (checking->begun) {
        pthread_join(checking->thread, NULL); /* it does not want the lock any more */
    }
    snprintf(checking->name, sizeof checking->name, "%.*s", (int)name.len, name.ptr);
    checking->done = checking->total = 0;
    checking->status = VARVE_OK;
    checking->summary = (varve_projection_check_summary){ 0 };
    varve_buf_fini(&checking->differences);
    int failure = pthread_create(&checking->thread, NULL, run, checking);
    checking->begun = checking->running = failure == 0;
    return failure == 0 ? VARVE_OK
                        : varve_error_set(error, VARVE_UNAVAILABLE, "no thread for a check: %s", strerror(failure));
}

varve_status checking_start(struct checking *checking, varve_str name, varve_error *error)
{
    pthread_mutex_lock(&checking->lock);
    varve_status status = checking->running
                              ? varve_error_set(error, VARVE_BUSY, "projection %s is being checked", checking->name)
                              : begin(checking, name, error);
    pthread_mutex_unlock(&checking->lock);
    return status;
}

static void write_look(const struct checking *checking, varve_buf *out)
{
    bool failed = !checking->running && checking->status < 0;
    varve_buf_printf(out, "{\"state\":\"%s\",\"done\":%" PRIu64 ",\"total\":%" PRIu64 ",\"problem\":",
                     checking->running ? "running"
                     : failed          ? "failed"
                                       : "done",
                     checking->done, checking->total);
    if (failed) {
        varve_buf_json_string(out, varve_str_of(checking->error.message));
    } else {
        varve_buf_str(out, VARVE_STR("null"));
    }
    varve_buf_str(out, VARVE_STR(",\"differences\":["));
    varve_buf_str(out, varve_buf_view(&checking->differences));
    varve_buf_str(out, VARVE_STR("],"));
    varve_projection_check_write_json(varve_str_of(checking->name), &checking->summary, out);
    varve_buf_str(out, VARVE_STR("}"));
}

varve_status checking_look(struct checking *checking, varve_str name, varve_buf *out, varve_error *error)
{
    varve_status status = VARVE_OK;
    pthread_mutex_lock(&checking->lock);
    if (!checking->begun || !varve_str_is(name, checking->name)) {
        status = varve_error_set(error, VARVE_NOT_FOUND,
                                 "projection %.*s has not been checked since this process began"
                                 ", or another one after it",
                                 (int)name.len, name.ptr);
    } else {
        write_look(checking, out);
    }
    pthread_mutex_unlock(&checking->lock);
    return status;
}
