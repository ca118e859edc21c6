/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/decision.h"

#include <lauxlib.h>

#include "base/utf8.h"
#include "lua/document.h"
#include "lua/vm.h"

/* Its address is the registry's key for the metatable that marks rejections. */
static const char rejection_mark;

/* What is being taken: for messages, and for what an event borrows until it is emitted. */
struct taking {
    lua_State *lua;
    int function;        /* stack index of the decide function */
    const char *command; /* its command's type */
    lua_Integer number;  /* of the event in the list, from 1 */
    varve_str tags[VARVE_TAGS_MAX];
};

void decision_init(lua_State *lua)
{
    lua_createtable(lua, 0, 1);
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &rejection_mark);
}

int decision_reject(lua_State *lua)
{
    varve_str code = { NULL, 0 }, message = { NULL, 0 };

    code.ptr = luaL_checklstring(lua, 1, &code.len);
    message.ptr = luaL_optlstring(lua, 2, "", &message.len);
    luaL_argcheck(lua, code.len > 0 && code.len <= VARVE_NAME_BYTES_MAX && utf8_printable(code), 1,
                  "a code is 1 to 255 bytes of printable text");
    luaL_argcheck(lua, utf8_valid(message) && memchr(message.ptr, '\0', message.len) == NULL, 2,
                  "a message is UTF-8 text");
    lua_createtable(lua, 2, 0);
    lua_pushlstring(lua, code.ptr, code.len);
    lua_rawseti(lua, -2, 1);
    lua_pushlstring(lua, message.ptr, message.len);
    lua_rawseti(lua, -2, 2);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &rejection_mark);
    lua_setmetatable(lua, -2);
    return 1;
}

static bool is_rejection(lua_State *lua, int index)
{
    bool marked;

    if (!lua_getmetatable(lua, index)) return false;
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &rejection_mark);
    marked = lua_rawequal(lua, -1, -2) != 0;
    lua_pop(lua, 2);
    return marked;
}

static _Noreturn void fail(const struct taking *taking, const char *problem)
{
    if (taking->number == 0) vm_fail_in(taking->lua, taking->function, "decide.%s: %s", taking->command, problem);
    vm_fail_in(taking->lua, taking->function, "decide.%s: event %I: %s", taking->command, taking->number, problem);
}

/* The engine has said why, in the decision: this adds who and where. */
static _Noreturn void fail_refused(const struct taking *taking)
{
    vm_fail_in(taking->lua, taking->function, "decide.%s: refused", taking->command);
}

static void take_rejection(const struct taking *taking, int index, varve_decision *decision)
{
    lua_State *lua = taking->lua;

    lua_rawgeti(lua, index, 1);
    lua_rawgeti(lua, index, 2);
    if (varve_reject(decision, lua_tostring(lua, -2), "%s", lua_tostring(lua, -1)) < 0) fail_refused(taking);
}

/* A view of the text on top of the stack, which its table keeps alive. */
static varve_str text_on_top(const struct taking *taking, const char *problem)
{
    varve_str text = { NULL, 0 };

    if (lua_type(taking->lua, -1) != LUA_TSTRING) fail(taking, problem);
    text.ptr = lua_tolstring(taking->lua, -1, &text.len);
    return text;
}

static void take_tags(struct taking *taking, varve_event *event)
{
    static const char problem[] = "tags must be a list of texts, at most 64";
    lua_State *lua = taking->lua;
    lua_Unsigned count = lua_istable(lua, -1) ? lua_rawlen(lua, -1) : 0;

    if (!lua_istable(lua, -1) || count > VARVE_TAGS_MAX) fail(taking, problem);
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i + 1);
        taking->tags[i] = text_on_top(taking, problem);
        lua_pop(lua, 1);
    }
    event->tags = taking->tags;
    event->tag_count = count;
}

static void take_data(struct taking *taking, varve_event *event)
{
    varve_buf *json = &vm_of(taking->lua)->text;
    const char *problem;

    varve_buf_reset(json);
    problem = document_write(taking->lua, -1, json);
    if (problem != NULL) fail(taking, lua_pushfstring(taking->lua, "data: %s", problem));
    event->data = varve_buf_view(json);
}

static void take_occurred_at(struct taking *taking, varve_event *event)
{
    varve_str text = text_on_top(taking, "occurred_at must be a text in RFC 3339");
    varve_error error = { 0 };

    if (varve_time_parse(&event->occurred_at, text, &error) < 0)
        fail(taking, lua_pushfstring(taking->lua, "occurred_at: %s", error.message));
}

static void take_schema_version(struct taking *taking, varve_event *event)
{
    lua_Integer version = lua_tointeger(taking->lua, -1);

    if (!lua_isinteger(taking->lua, -1) || version < 1 || version > UINT32_MAX)
        fail(taking, "schema_version must be an integer from 1");
    event->schema_version = (uint32_t)version;
}

/* One member of an event's table: the name at -2, the value at -1. */
static void take_member(struct taking *taking, varve_event *event)
{
    varve_str name = { NULL, 0 };

    if (lua_type(taking->lua, -2) != LUA_TSTRING)
        fail(taking, "an event is {type = …, data = …}, several are a list of them");
    name.ptr = lua_tolstring(taking->lua, -2, &name.len);
    if (varve_str_is(name, "type"))
        event->type = text_on_top(taking, "type must be a text");
    else if (varve_str_is(name, "data"))
        take_data(taking, event);
    else if (varve_str_is(name, "tags"))
        take_tags(taking, event);
    else if (varve_str_is(name, "occurred_at"))
        take_occurred_at(taking, event);
    else if (varve_str_is(name, "schema_version"))
        take_schema_version(taking, event);
    else
        fail(taking, lua_pushfstring(taking->lua,
                                     "an event has no field '%s' (they are type, data, tags, occurred_at, "
                                     "schema_version)",
                                     name.ptr));
}

static void take_event(struct taking *taking, int index, varve_decision *decision)
{
    lua_State *lua = taking->lua;
    varve_event event = { 0 };

    if (!lua_istable(lua, index) || !document_is_plain(lua, index))
        fail(taking, "an event is a table with type and data");
    for (lua_pushnil(lua); lua_next(lua, index) != 0; lua_pop(lua, 1)) take_member(taking, &event);
    if (event.type.len == 0) fail(taking, "an event needs a type");
    if (varve_emit(decision, &event) < 0) fail_refused(taking);
}

varve_status decision_take(lua_State *lua, int result, int function, varve_str command, varve_decision *decision)
{
    struct taking taking = { .lua = lua, .function = function };
    lua_Unsigned count;

    taking.command = lua_pushlstring(lua, command.ptr, command.len);
    if (lua_isnil(lua, result)) return VARVE_OK;
    if (!lua_istable(lua, result))
        fail(&taking, "returns an event, a list of events, nothing, or reject(code, message)");
    if (is_rejection(lua, result)) {
        take_rejection(&taking, result, decision);
        return VARVE_REJECTED;
    }
    count = lua_rawlen(lua, result);
    if (count == 0 && !document_is_array(lua, result)) {
        lua_pushnil(lua);
        if (lua_next(lua, result) == 0) return VARVE_OK;
        lua_pop(lua, 2);
        taking.number = 1;
        take_event(&taking, result, decision);
        return VARVE_OK;
    }
    for (lua_Unsigned i = 1; i <= count; i++) {
        taking.number = (lua_Integer)i;
        lua_rawgeti(lua, result, (lua_Integer)i);
        take_event(&taking, lua_gettop(lua), decision);
        lua_pop(lua, 1);
    }
    return VARVE_OK;
}
