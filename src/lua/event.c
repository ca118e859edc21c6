/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/event.h"

#include "lua/document.h"
#include "lua/vm.h"

/* A view of the text at the index, which its table keeps alive. False when it is none. */
static bool view_text(lua_State *lua, int index, varve_str *text)
{
    if (lua_type(lua, index) != LUA_TSTRING) return false;
    text->ptr = lua_tolstring(lua, index, &text->len);
    return true;
}

/* Each of these takes the value on top of the stack, and returns NULL or what is wrong with it. */

static const char *take_type(lua_State *lua, struct event_taken *taken)
{
    return view_text(lua, -1, &taken->event.type) ? NULL : "type must be a text";
}

static const char *take_tags(lua_State *lua, struct event_taken *taken)
{
    static const char problem[] = "tags must be a list of texts, at most 64";
    lua_Unsigned count = lua_istable(lua, -1) ? lua_rawlen(lua, -1) : 0;

    if (!lua_istable(lua, -1) || count > VARVE_TAGS_MAX) return problem;
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i + 1);
        if (!view_text(lua, -1, &taken->tags[i])) return problem;
        lua_pop(lua, 1);
    }
    taken->event.tags = taken->tags;
    taken->event.tag_count = count;
    return NULL;
}

static const char *take_data(lua_State *lua, struct event_taken *taken)
{
    varve_buf *json = &vm_of(lua)->text;
    const char *problem;

    varve_buf_reset(json);
    problem = document_write(lua, -1, json);
    if (problem != NULL) return lua_pushfstring(lua, "data: %s", problem);
    taken->event.data = varve_buf_view(json);
    return NULL;
}

static const char *take_occurred_at(lua_State *lua, struct event_taken *taken)
{
    varve_str text = { NULL, 0 };
    varve_error error = { 0 };

    if (!view_text(lua, -1, &text)) return "occurred_at must be a text in RFC 3339";
    if (varve_time_parse(&taken->event.occurred_at, text, &error) < 0)
        return lua_pushfstring(lua, "occurred_at: %s", error.message);
    return NULL;
}

static const char *take_schema_version(lua_State *lua, struct event_taken *taken)
{
    lua_Integer version = lua_tointeger(lua, -1);

    if (!lua_isinteger(lua, -1) || version < 1 || version > UINT32_MAX)
        return "schema_version must be an integer from 1";
    taken->event.schema_version = (uint32_t)version;
    return NULL;
}

static const struct {
    const char *name;
    const char *(*take)(lua_State *lua, struct event_taken *taken);
} members[] = {
    { "type", take_type },
    { "data", take_data },
    { "tags", take_tags },
    { "occurred_at", take_occurred_at },
    { "schema_version", take_schema_version },
};

#define MEMBER_COUNT (sizeof members / sizeof *members)

/* One member of an event's table: the name at -2, the value at -1. */
static const char *take_member(lua_State *lua, struct event_taken *taken)
{
    varve_str name = { NULL, 0 };
    size_t i = 0;

    if (!view_text(lua, -2, &name)) return "an event is {type = …, data = …}, several are a list of them";
    while (i < MEMBER_COUNT && !varve_str_is(name, members[i].name)) i++;
    if (i < MEMBER_COUNT) return members[i].take(lua, taken);
    return lua_pushfstring(lua, "an event has no field '%s' (they are type, data, tags, occurred_at, schema_version)",
                           name.ptr);
}

const char *event_take(lua_State *lua, int index, struct event_taken *taken)
{
    *taken = (struct event_taken){ 0 };
    if (!lua_istable(lua, index) || !document_is_plain(lua, index)) return "an event is a table with type and data";
    for (lua_pushnil(lua); lua_next(lua, index) != 0; lua_pop(lua, 1)) {
        const char *problem = take_member(lua, taken);
        if (problem != NULL) return problem;
    }
    return NULL;
}
