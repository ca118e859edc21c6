/* SPDX-License-Identifier: Apache-2.0 */
/* An event as Lua functions give it: a table with type, data, tags, occurred_at, schema_version. */
#ifndef VARVE_LUA_EVENT_H
#define VARVE_LUA_EVENT_H

#include <lua.h>
#include <varve/event.h>

struct event_taken {
    varve_event event; /* what was left out is empty; its tags are not NULL when they were given, though none */
    varve_str tags[VARVE_TAGS_MAX];
};

/*
 * Takes the value at `index`. Returns NULL, or what is wrong with it, kept by the stack. What was taken borrows from
 * the table, and its data from the vm's `text`, until the next event is taken. Raises a Lua error only when memory is
 * out.
 */
const char *event_take(lua_State *lua, int index, struct event_taken *taken);

#endif
