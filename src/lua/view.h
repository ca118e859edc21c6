/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events and commands as Lua sees them: a table whose fields are made when they are first read, so
 * that a fold does not pay for what its `evolve` never looks at. The C struct is only there during
 * the call: a view that is kept longer raises an error when it is asked for a new field.
 */
#ifndef VARVE_LUA_VIEW_H
#define VARVE_LUA_VIEW_H

#include <lua.h>
#include <varve/command.h>

/* Prepares the kinds of view; once for each interpreter. May raise a Lua error, like all here. */
void view_init(lua_State *lua);

/* Fields: type, stream, aggregate_id, version, data, metadata, occurred_at (may be nil), id, tags. */
void view_push_event(lua_State *lua, const varve_event *event);

/* The same with position and recorded_at, for an event that the log has. */
void view_push_recorded(lua_State *lua, const varve_event *event);

/* Fields: type, stream, aggregate_id, data, id, time, actor, correlation_id (the last two may be nil). */
void view_push_command(lua_State *lua, const varve_command *command);

#endif
