/* SPDX-License-Identifier: Apache-2.0 */
/* What a Lua `decide` function returns, handed on to the engine. */
#ifndef VARVE_LUA_DECISION_H
#define VARVE_LUA_DECISION_H

#include <lua.h>
#include <varve/command.h>

/* Prepares the mark of rejections; once for each interpreter. May raise a Lua error. */
void decision_init(lua_State *lua);

/* The Lua function reject(code, message?): what a decider returns to reject the command. */
int decision_reject(lua_State *lua);

/*
 * Takes the value at `result`: nil (accepted without events), a rejection, an event {type, data?,
 * tags?, occurred_at?, schema_version?}, or a list of events. Returns VARVE_OK or VARVE_REJECTED.
 * Raises a Lua error, which names the place of the function at `function`, for anything else, and
 * when the engine refuses an event: why it does is then in the decision. `command` is the command's
 * type.
 */
varve_status decision_take(lua_State *lua, int result, int function, varve_str command, varve_decision *decision);

#endif
