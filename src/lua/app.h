/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application folder: aggregates/NAME.lua, projections/NAME.sql and .lua, queries/NAME.sql, upcasters/NAME.lua
 * and schemas/TYPE.json, registered on an engine.
 */
#ifndef VARVE_LUA_APP_H
#define VARVE_LUA_APP_H

#include <varve/engine.h>
#include <varve/trial.h>

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
 * The same for the aggregates, with their upcasters and schemas, without an engine: for trying them (varve/trial.h).
 * What else is in the folder is not read. Errors as app_open.
 */
varve_status app_open_aggregates(struct app **app, const char *folder, varve_error *error);

/* What decides a command, over a query, or a stream, by its category; borrowed until app_close. False: nothing does. An
 * empty command is of no type. */
bool app_find_decider(const struct app *app, varve_str stream, varve_str command, varve_candidate *candidate);

/* Frees what the engine borrows: after varve_engine_close. NULL is allowed. */
void app_close(struct app *app);

#endif
