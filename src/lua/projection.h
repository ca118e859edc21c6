/* SPDX-License-Identifier: Apache-2.0 */
/* A projection whose events are applied by Lua functions: what projections/NAME.lua returns. */
#ifndef VARVE_LUA_PROJECTION_H
#define VARVE_LUA_PROJECTION_H

#include <varve/projector.h>

struct lua_projection;

/*
 * Loads a projection from source (copied). `name` (copied) is what errors call the file. VARVE_INVALID with file and
 * line, VARVE_NOMEM. Each worker that needs it later loads the same source into an interpreter of its own.
 */
varve_status lua_projection_open(struct lua_projection **projection, const char *name, varve_str source,
                                 varve_error *error);

/* Registers it, with errors that name file and line; it must outlive the engine. */
varve_status lua_projection_add(struct lua_projection *projection, varve_engine *engine, varve_error *error);

/* The table, whose ctx is the projection itself. Borrowed. */
const varve_projector *lua_projection_table(const struct lua_projection *projection);

/* After the engine was closed. NULL is allowed. */
void lua_projection_close(struct lua_projection *projection);

#endif
