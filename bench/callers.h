/* SPDX-License-Identifier: Apache-2.0 */
/* Many at once: threads that call and wait, or calls that are outstanding until they are called back. */
#ifndef VARVE_BENCH_CALLERS_H
#define VARVE_BENCH_CALLERS_H

#include <varve/error.h>

/* A call that is outstanding; what `send` gives as the context of its callback. */
struct callers_slot;

/* `count` calls, numbered from 0, of which as many are under way at once as there are callers. */
struct callers {
    unsigned callers;
    uint64_t count;
    void *ctx;
    /* One call, until it is answered; from any of the threads. */
    varve_status (*call)(void *ctx, uint64_t index, varve_error *error);
    /* Sends one call off; its callback is to call callers_answered, exactly once and only when this succeeded. */
    varve_status (*send)(void *ctx, uint64_t index, struct callers_slot *slot, varve_error *error);
    uint64_t *ns; /* set to the time that each call took */
};

/* Each caller is a thread in `call`. Sets the seconds from the first call to the last answer. */
varve_status callers_wait(const struct callers *callers, double *seconds, varve_error *error);

/* Each caller is a slot: its next call is sent by the callback of the one before. */
varve_status callers_send(const struct callers *callers, double *seconds, varve_error *error);
/* A negative status ends the slot and is what callers_send returns; `error` may then not be NULL. */
void callers_answered(struct callers_slot *slot, varve_status status, const varve_error *error);

#endif
