/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents as Lua values and back. 64-bit integers stay integers, other numbers floats. An
 * array carries a mark, so that it stays an array when it is empty; `array()` makes one. `null` is
 * a value of its own, which no nil ever becomes.
 */
#ifndef VARVE_LUA_DOCUMENT_H
#define VARVE_LUA_DOCUMENT_H

#include <lua.h>
#include <varve/event.h>

#define DOCUMENT_BYTES_MAX (16u << 20)

/* Prepares the marks in an interpreter's registry; once, before anything else here. May raise a Lua error. */
void document_init(lua_State *lua);

/* Pushes the value of `json`; raises a Lua error that calls the text `what` when it is not JSON. */
void document_push(lua_State *lua, varve_str json, const char *what);

/*
 * Appends the value at `index` as JSON, an object's members in byte order of their names, so that
 * equal values are equal texts. Returns NULL, or what is wrong with the value (static): NaN, text
 * that is not UTF-8, functions, tables with holes or mixed keys or metatables, more than
 * VARVE_JSON_DEPTH_MAX levels, which cycles have, more than DOCUMENT_BYTES_MAX bytes. Raises a Lua
 * error only when memory is out.
 */
const char *document_write(lua_State *lua, int index, varve_buf *json);

/*
 * Reads `json` into a fresh interpreter and appends it to `out` as Lua would write it, which read
 * once more gives the same text. For tests and fuzzing. VARVE_INVALID: it is not JSON, or has a
 * text longer than VM_TEXT_BYTES_MAX. VARVE_NOMEM. `out` is not to be used after a failure.
 */
varve_status document_round_trip(varve_str json, varve_buf *out, varve_error *error);

/* True for a list: a table marked as an array, or one without a mark that has an element 1. */
bool document_is_array(lua_State *lua, int index);
/* True when the table at `index` has no metatable, or none but the array's mark. */
bool document_is_plain(lua_State *lua, int index);

/* The Lua function array(list?): a new array, or `list` marked as one. */
int document_array(lua_State *lua);
void document_push_null(lua_State *lua);
/* Marks the table on top of the stack as an array. */
void document_mark_array(lua_State *lua);

#endif
