/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/reads.h"

#include <lauxlib.h>

#include "lua/document.h"
#include "lua/vm.h"

static void check_fields(lua_State *lua, int item, int function)
{
    for (lua_pushnil(lua); lua_next(lua, item) != 0; lua_pop(lua, 1)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        if (strcmp(name, "types") != 0 && strcmp(name, "tags") != 0)
            vm_fail_in(lua, function, "reads: an item has types and tags, and nothing else");
    }
}

/* Views of the texts, which their table keeps alive. Leaves the table on the stack. */
static size_t take_texts(lua_State *lua, int item, const char *field, int function, varve_str *texts, size_t most)
{
    if (lua_getfield(lua, item, field) == LUA_TNIL) return 0;
    lua_Unsigned count = lua_istable(lua, -1) ? lua_rawlen(lua, -1) : most + 1;
    if (count > most) vm_fail_in(lua, function, "reads: %s must be a list of texts, at most %d", field, (int)most);
    for (lua_Unsigned i = 0; i < count; i++) {
        if (lua_rawgeti(lua, -1, (lua_Integer)i + 1) != LUA_TSTRING)
            vm_fail_in(lua, function, "reads: %s must be a list of texts, at most %d", field, (int)most);
        texts[i].ptr = lua_tolstring(lua, -1, &texts[i].len);
        lua_pop(lua, 1);
    }
    return (size_t)count;
}

static void take_item(lua_State *lua, int item, int function, varve_reading *reading)
{
    varve_str types[VARVE_QUERY_ITEMS_MAX], tags[VARVE_QUERY_ITEMS_MAX];
    varve_query_item query = { .types = types, .tags = tags };
    if (!lua_istable(lua, item))
        vm_fail_in(lua, function, "reads: an item is a table, not %s", luaL_typename(lua, item));
    check_fields(lua, item, function);
    query.type_count = take_texts(lua, item, "types", function, types, VARVE_QUERY_ITEMS_MAX);
    query.tag_count = take_texts(lua, item, "tags", function, tags, VARVE_QUERY_ITEMS_MAX);
    (void)varve_read_item(reading, &query); /* what it says stays with the reading */
    lua_settop(lua, item);
}

void reads_take(lua_State *lua, int index, int function, varve_reading *reading)
{
    if (!lua_istable(lua, index))
        vm_fail_in(lua, function, "reads must return { types, tags } or a list of such, not %s",
                   luaL_typename(lua, index));
    if (!document_is_array(lua, index)) {
        lua_pushvalue(lua, index);
        take_item(lua, lua_gettop(lua), function, reading);
        return;
    }
    for (lua_Unsigned i = 1, count = lua_rawlen(lua, index); i <= count; i++) {
        lua_settop(lua, index);
        lua_rawgeti(lua, index, (lua_Integer)i);
        take_item(lua, lua_gettop(lua), function, reading);
    }
}
