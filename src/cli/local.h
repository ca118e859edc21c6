/* SPDX-License-Identifier: Apache-2.0 */
/* A store, or an application on its store, opened in this process for one verb. */
#ifndef VARVE_CLI_LOCAL_H
#define VARVE_CLI_LOCAL_H

#include <varve/engine.h>

#include "cli/options.h"

struct app;

enum local_mode {
    LOCAL_READ,     /* beside whoever writes; the store must exist */
    LOCAL_WRITE,    /* alone; the store is created when it is not there */
    LOCAL_CATCH_UP, /* as for writing, so that read models can be brought up to date, when nobody else does; the
                     * store must exist */
};

/* Opens call->store; close it with varve_store_close. Errors as varve_store_open. */
varve_status local_store_open(varve_store **store, const struct call *call, enum local_mode mode, varve_error *error);

/* Adds to the error of a store that another process holds (VARVE_LOCKED) what to do about it; returns `status`. */
varve_status local_explain_lock(varve_status status, varve_error *error);

/* Starts from {0}; ends with local_close, also after a failed local_open. */
struct local {
    varve_engine *engine;
    struct app *app;
    bool read_only; /* somebody else serves the store */
};

/*
 * Opens call->store for appending; with call->app, if there is one, whose schemas are then heeded. Of the application
 * only inline projections run, and with them the others. The store is varve_engine_store's.
 */
varve_status local_open_to_append(struct local *local, const struct call *call, varve_error *error);

/* Opens call->store with the application in call->app and starts it. */
varve_status local_open(struct local *local, const struct call *call, enum local_mode mode, varve_error *error);
void local_close(struct local *local);

/* Prints the engine's warnings and errors for somebody at a terminal; a varve_log_function. */
void local_log(void *ctx, varve_log_level level, const char *line);

#endif
