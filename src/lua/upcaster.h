/* SPDX-License-Identifier: Apache-2.0 */
/* An upcaster whose function is written in Lua: what upcasters/NAME.lua returns. */
#ifndef VARVE_LUA_UPCASTER_H
#define VARVE_LUA_UPCASTER_H

#include <varve/upcast.h>

struct lua_upcaster;

/*
 * Loads an upcaster from source (copied), whose text is its revision. `name` (copied) is what errors call the file.
 * VARVE_INVALID with file and line, VARVE_NOMEM. Each worker that needs it later loads the same source into an
 * interpreter of its own.
 */
varve_status lua_upcaster_open(struct lua_upcaster **upcaster, const char *name, varve_str source, varve_error *error);

/* Registers it, with the engine's errors prefixed by file and line; it must outlive the engine. */
varve_status lua_upcaster_add(struct lua_upcaster *upcaster, varve_engine *engine, varve_error *error);

/* The table, whose ctx is the upcaster itself. Borrowed. */
const varve_upcaster *lua_upcaster_table(const struct lua_upcaster *upcaster);

/* After the engine was closed. NULL is allowed. */
void lua_upcaster_close(struct lua_upcaster *upcaster);

#endif
