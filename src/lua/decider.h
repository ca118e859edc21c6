/* SPDX-License-Identifier: Apache-2.0 */
/* A decider whose functions are written in Lua. */
#ifndef VARVE_LUA_DECIDER_H
#define VARVE_LUA_DECIDER_H

#include <varve/command.h>

struct lua_decider;

/*
 * Loads an aggregate from source (copied) and tries it: its module is checked and its initial state
 * made once. `name` (copied) is what errors call the file. VARVE_INVALID with file and line,
 * VARVE_NOMEM. Each worker of the engine later loads the same source into an interpreter of its own.
 */
varve_status lua_decider_open(struct lua_decider **decider, const char *name, varve_str source, varve_error *error);

/* Registers it, with the engine's errors prefixed by the file's name; it must outlive the engine. */
varve_status lua_decider_add(struct lua_decider *decider, varve_engine *engine, varve_error *error);

/* The table, whose ctx is the decider itself. Borrowed. */
const varve_decider *lua_decider_table(const struct lua_decider *decider);

/* After the engine was closed. NULL is allowed. */
void lua_decider_close(struct lua_decider *decider);

#endif
