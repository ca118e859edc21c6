/* SPDX-License-Identifier: Apache-2.0 */
/* What application code may use: Lua without a way out, and the words varve adds. */
#ifndef VARVE_LUA_SANDBOX_H
#define VARVE_LUA_SANDBOX_H

#include <lua.h>

/*
 * Pushes the environment of an application's chunk, and prepares the interpreter for it. Once for
 * each interpreter, inside vm_run. The environment:
 *
 *   assert error ipairs next pairs pcall rawequal rawget rawlen select tonumber tostring type
 *   getmetatable setmetatable (no finalisers, which run unseen by the instruction count, and no weak tables)
 *   math without randomness; utf8 without patterns; table and string with bounds on what could run
 *   long in C; string.find takes plain text; pattern (see pattern.h) for everything else
 *   array null reject
 *
 * What a script can make a text of shows no addresses: they are others in each process.
 * No load, require, io, os, package, debug, coroutine, collectgarbage, print. Libraries and globals
 * cannot be assigned: what a decider remembers outside its state would make it impure.
 */
void sandbox_push(lua_State *lua);

/* Replaces the table on top by one that reads like it and refuses to be written. */
void sandbox_make_constant(lua_State *lua);

#endif
