/* SPDX-License-Identifier: Apache-2.0 */
#include "query/errand.h"

#include <inttypes.h>
#include <stdio.h>

#include "query/park.h"

void errands_init(struct errands *errands)
{
    *errands = (struct errands){ 0 };
    pthread_mutex_init(&errands->lock, NULL);
    pthread_cond_init(&errands->done, NULL);
}

void errands_fini(struct errands *errands)
{
    pthread_cond_destroy(&errands->done);
    pthread_mutex_destroy(&errands->lock);
}

bool errands_add(struct errands *errands, struct errand *errand)
{
    pthread_mutex_lock(&errands->lock);
    struct errand **end = &errands->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    bool open = !errands->closed;
    if (open) {
        *end = errand;
    }
    pthread_mutex_unlock(&errands->lock);
    return open;
}

void errands_wait(struct errands *errands, const struct errand *errand)
{
    pthread_mutex_lock(&errands->lock);
    while (!errand->done) {
        pthread_cond_wait(&errands->done, &errands->lock);
    }
    pthread_mutex_unlock(&errands->lock);
}

struct errand *errands_first(struct errands *errands)
{
    pthread_mutex_lock(&errands->lock);
    struct errand *first = errands->first;
    pthread_mutex_unlock(&errands->lock);
    return first;
}

void errands_answer(struct errands *errands, struct errand *errand)
{
    pthread_mutex_lock(&errands->lock);
    errands->first = errand->next;
    errand->done = true;
    pthread_cond_broadcast(&errands->done);
    pthread_mutex_unlock(&errands->lock);
}

void errands_close(struct errands *errands)
{
    struct errand *errand = NULL;
    pthread_mutex_lock(&errands->lock);
    errands->closed = true;
    pthread_mutex_unlock(&errands->lock);
    while ((errand = errands_first(errands)) != NULL) {
        errand->status = varve_error_set(&errand->error, VARVE_UNAVAILABLE, "the engine is stopping");
        errands_answer(errands, errand);
    }
}

/* ---- what is asked ---- */

/* Moves the checkpoint behind the event that the projection stopped at. */
static varve_status pass_over(struct follower *follower, varve_error *error)
{
    varve_status status = generation_settle(follower->generation, error);
    if (status == VARVE_OK) {
        status = generation_begin(follower->failed_in, error);
    }
    if (status == VARVE_OK) {
        status = generation_commit(follower->failed_in, follower->failed, follower->failed_id, error);
    }
    if (status < 0 && follower->failed_in != follower->generation) {
        generation_gather(follower->generation); /* it may be uncertain now, as the part is */
    }
    return status < 0 ? status : VARVE_CAUGHT_UP;
}

static varve_status change_parked(const struct errand *errand, struct follower *follower, varve_error *error)
{
    struct generation *generation = follower->generation;
    uint64_t position = errand->action->position;
    if (generation->projection == NULL || !generation->checkpoint.ours) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "the model does not fit the projection and is to be rebuilt");
    }
    varve_status status = errand->kind == ERRAND_RETRY ? park_retry(generation, follower->store, position, error)
                                                       : park_skip(generation, position, error);
    if (generation->uncertain) {
        follower_stop(follower); /* it asks the database how far it is before it goes on */
    }
    return status;
}

varve_status errand_perform(struct errand *errand, struct follower *follower, bool faulted)
{
    uint64_t position = errand->action->position;
    if (errand->kind == ERRAND_RETRY && position == 0) {
        if (faulted) {
            return VARVE_CAUGHT_UP;
        }
        varve_error_set(&errand->error, VARVE_CONFLICT, "the projection has not stopped at an event");
        errand->error.detail = -1; /* no version of a stream */
        return VARVE_CONFLICT;
    }
    return errand->kind == ERRAND_SKIP && faulted && position > 0 && position == follower->failed
               ? pass_over(follower, &errand->error)
               : change_parked(errand, follower, &errand->error);
}

varve_status errand_refuse(struct errand *errand, varve_str projection, const char *owner)
{
    return varve_error_set(&errand->error, VARVE_UNAVAILABLE, "projection %.*s cannot be changed here now%s%s",
                           (int)projection.len, projection.ptr, *owner == '\0' ? "" : ": its owner is ", owner);
}

void errand_note(const struct errand *errand, varve_str projection, const struct log *log)
{
    const varve_projection_action *action = errand->action;
    char which[40] = "where it stopped";
    if (action->position > 0) {
        snprintf(which, sizeof which, "position %" PRIu64, action->position);
    }
    log_line(log, VARVE_LOG_INFO, "projection %.*s: %s %s%s%.*s%s%.*s%s%s", (int)projection.len, projection.ptr,
             errand->kind == ERRAND_RETRY ? "retried" : "skipped", which, action->actor.len > 0 ? " by " : "",
             (int)action->actor.len, action->actor.ptr, action->reason.len > 0 ? " because: " : "",
             (int)action->reason.len, action->reason.ptr, errand->status < 0 ? ", which failed: " : "",
             errand->status < 0 ? errand->error.message : "");
}
