/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Lua library `pattern`: PCRE2 regular expressions with bounds, in place of Lua's own patterns,
 * whose running time has none.
 */
#ifndef VARVE_LUA_PATTERN_H
#define VARVE_LUA_PATTERN_H

#include <lua.h>

#define PATTERN_BYTES_MAX  1024u /* of a regular expression */
#define PATTERN_GROUPS_MAX 32u   /* captures in one */
#define PATTERN_KEPT_MAX   64    /* compiled ones an interpreter keeps */

/*
 * Pushes a table with find, match, gmatch and gsub; once for each interpreter, inside vm_run. They
 * have the shape of Lua's string functions, on subjects that are UTF-8 and at most
 * VM_TEXT_BYTES_MAX long. What a match does is paid for in the call's instructions; beyond them, or
 * beyond PCRE2's limits on backtracking and memory, it is a Lua error. The library's memory counts
 * as the interpreter's.
 */
void pattern_push(lua_State *lua);

#endif
