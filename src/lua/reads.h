/* SPDX-License-Identifier: Apache-2.0 */
/* What `reads` of an aggregate's module returns: { types = {…}, tags = {…} }, or a list of such. */
#ifndef VARVE_LUA_READS_H
#define VARVE_LUA_READS_H

#include <lua.h>
#include <varve/command.h>

/*
 * Takes the value at `index`, which the function at `function` returned, as the items of a query. Raises a Lua error at
 * the function's place when it is none; what the engine says against an item is in `reading`.
 */
void reads_take(lua_State *lua, int index, int function, varve_reading *reading);

#endif
