/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/decision.h"

#include <lauxlib.h>

#include "base/utf8.h"
#include "lua/document.h"
#include "lua/event.h"
#include "lua/vm.h"

/* Its address is the registry's key for the metatable that marks rejections. */
static const char rejection_mark;

/* What is being taken, for messages. */
struct taking {
    lua_State *lua;
    int function;        /* stack index of the decide function */
    const char *command; /* its command's type */
    lua_Integer number;  /* of the event in the list, from 1 */
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

static void take_event(const struct taking *taking, int index, varve_decision *decision)
{
    struct event_taken taken;
    const char *problem = event_take(taking->lua, index, &taken);

    if (problem != NULL) fail(taking, problem);
    if (taken.event.type.len == 0) fail(taking, "an event needs a type");
    if (varve_emit(decision, &taken.event) < 0) fail_refused(taking);
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
