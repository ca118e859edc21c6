/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number that changes when anything within a table changes: keys, values, and which tables and
 * strings they are. It tells whether a `decide` function wrote to the state it should only read,
 * for a fraction of what a copy would cost. Not for anything stored.
 */
#ifndef VARVE_LUA_FINGERPRINT_H
#define VARVE_LUA_FINGERPRINT_H

#include <lua.h>
#include <stdint.h>

/*
 * The fingerprint of the value at `index`. Each entry visited costs an instruction; raises a Lua
 * error when they run out, or when tables are nested more than VARVE_JSON_DEPTH_MAX deep.
 */
uint64_t fingerprint_of(lua_State *lua, int index);

#endif
