/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application folder: aggregates/NAME.lua, projections/NAME.sql and queries/NAME.sql, registered
 * on an engine.
 */
#ifndef VARVE_LUA_APP_H
#define VARVE_LUA_APP_H

#include <varve/engine.h>

struct app;

/*
 * Loads the folder and registers what is in it on an engine that is not started, each kind in order
 * of file name. Loading on an engine that is then closed is how an application is checked. Errors
 * name the file as seen from the folder, and the line: "aggregates/order.lua:12: …". VARVE_INVALID:
 * what is in a file, or a file that is no part of an application. VARVE_UNSUPPORTED: a part that is
 * not built yet. VARVE_NOT_FOUND: no such folder. VARVE_DENIED, VARVE_IO, VARVE_NOMEM. After a
 * failure the engine can only be closed, and `*app`, which is set whenever something of it may be
 * registered, is closed after it.
 */
varve_status app_open(struct app **app, varve_engine *engine, const char *folder, varve_error *error);

/*
 * The same for the aggregates alone, without an engine: for trying them (varve/trial.h). What else is in the folder is
 * not read. Errors as app_open.
 */
varve_status app_open_aggregates(struct app **app, const char *folder, varve_error *error);

/* The decider of a category and its ctx, borrowed until app_close; NULL when there is none. */
const varve_decider *app_find_aggregate(const struct app *app, varve_str category, void **ctx);

/* Frees what the engine borrows: after varve_engine_close. NULL is allowed. */
void app_close(struct app *app);

#endif
