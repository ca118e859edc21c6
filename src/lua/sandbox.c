/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>

#include "lua/decision.h"
#include "lua/document.h"
#include "lua/pattern.h"
#include "lua/vm.h"

/* Bounds for library functions in C, which the instruction count cannot interrupt. */
#define LIST_LENGTH_MAX (1u << 20)
#define SORT_LENGTH_MAX (1u << 16)
/* What is charged: for sorting, rounds over all elements; the bytes that one instruction pays to compare. */
#define SORT_ROUNDS    16
#define COMPARED_BYTES 256

/* Whether a function on a part of a table must be told which. */
enum { RANGE_REQUIRED, RANGE_OPTIONAL };

static const char *const base_names[] = { "assert", "error",  "getmetatable", "ipairs",   "next", "pairs", "rawequal",
                                          "rawget", "rawlen", "select",       "tonumber", "type", NULL };
static const char *const math_names[] = { "abs", "acos",       "asin", "atan", "ceil", "cos", "deg",
                                          "exp", "floor",      "fmod", "huge", "log",  "max", "maxinteger",
                                          "min", "mininteger", "modf", "pi",   "rad",  "sin", "sqrt",
                                          "tan", "tointeger",  "type", "ult",  NULL };
static const char *const string_names[] = { "byte", "char", "len", "lower", "reverse", "sub", "upper", NULL };
static const char *const table_names[] = { "pack", NULL };
static const char *const utf8_names[] = { "char", "codepoint", "codes", "len", "offset", NULL };

/* pcall that lets the limits through: a script must not be able to outlive its allowance. */
static int protected_call(lua_State *lua)
{
    int result;

    luaL_checkany(lua, 1);
    lua_pushboolean(lua, true);
    lua_insert(lua, 1);
    result = lua_pcall(lua, lua_gettop(lua) - 2, LUA_MULTRET, 0);
    if (result == LUA_OK) return lua_gettop(lua);
    if (result == LUA_ERRMEM || vm_of(lua)->remaining <= 0) return lua_error(lua);
    lua_pushboolean(lua, false);
    lua_insert(lua, -2);
    return 2;
}

static int set_metatable(lua_State *lua)
{
    static const char *const refused[] = { "__gc", "__mode" };

    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_argexpected(lua, lua_isnoneornil(lua, 2) || lua_istable(lua, 2), 2, "nil or table");
    if (luaL_getmetafield(lua, 1, "__metatable") != LUA_TNIL)
        return luaL_error(lua, "this metatable cannot be changed");
    for (size_t i = 0; i < sizeof refused / sizeof *refused && lua_istable(lua, 2); i++) {
        lua_pushstring(lua, refused[i]);
        if (lua_rawget(lua, 2) != LUA_TNIL)
            return luaL_error(lua, "%s is not allowed: when memory is given back must not be seen", refused[i]);
        lua_pop(lua, 1);
    }
    lua_settop(lua, 2);
    lua_setmetatable(lua, 1);
    return 1;
}

/* Pushes what tostring says: Lua's own would tell addresses, which are others in each process. */
static const char *push_text(lua_State *lua, int index)
{
    switch (lua_type(lua, index)) {
    case LUA_TTABLE:
    case LUA_TFUNCTION:
    case LUA_TTHREAD:
    case LUA_TUSERDATA:
        if (luaL_getmetafield(lua, index, "__tostring") == LUA_TNIL) {
            lua_pushstring(lua, luaL_typename(lua, index));
            return lua_tostring(lua, -1);
        }
        lua_pop(lua, 1);
        break;
    default:
        break;
    }
    return luaL_tolstring(lua, index, NULL);
}

static int to_text(lua_State *lua)
{
    luaL_checkany(lua, 1);
    push_text(lua, 1);
    return 1;
}

/* string.format, with texts for %s made here and without %p. */
static int format_text(lua_State *lua)
{
    size_t len;
    const char *at = luaL_checklstring(lua, 1, &len), *end = at + len;
    int argument = 1, arguments = lua_gettop(lua);

    while ((at = memchr(at, '%', (size_t)(end - at))) != NULL) {
        at += 1 + strspn(at + 1, "-+ #0123456789.");
        if (*at == 'p') return luaL_error(lua, "%%p is not available: an address is another one in each process");
        if (*at != '%' && ++argument <= arguments && *at == 's') {
            push_text(lua, argument);
            lua_replace(lua, argument);
        }
        if (at < end) at++;
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, arguments, 1);
    return 1;
}

static int repeat_text(lua_State *lua)
{
    size_t len, separator_len;
    lua_Integer times;

    luaL_checklstring(lua, 1, &len);
    times = luaL_checkinteger(lua, 2);
    luaL_optlstring(lua, 3, "", &separator_len);
    if (len > VM_TEXT_BYTES_MAX || separator_len > VM_TEXT_BYTES_MAX ||
        (times > 0 && (lua_Unsigned)times > VM_TEXT_BYTES_MAX / (len + separator_len + 1)))
        return luaL_error(lua, "string.rep makes at most %d bytes", (int)VM_TEXT_BYTES_MAX);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 1);
    return 1;
}

/* string.find(text, wanted, from?, plain?), by memmem, which is linear where Lua's own search is not. */
static int find_text(lua_State *lua)
{
    size_t len, wanted_len;
    const char *text = luaL_checklstring(lua, 1, &len);
    const char *wanted = luaL_checklstring(lua, 2, &wanted_len);
    lua_Integer from = luaL_optinteger(lua, 3, 1);
    const char *found;
    size_t skip;

    if (!lua_toboolean(lua, 4) && strpbrk(wanted, "^$*+?.([%-") != NULL)
        return luaL_error(lua, "string.find takes plain text: give true as the fourth argument to look for "
                               "these characters, or use pattern.find");
    if (from < 0) from = (lua_Unsigned)0 - (lua_Unsigned)from > len ? 1 : (lua_Integer)len + from + 1;
    vm_charge(lua, (int64_t)(len / COMPARED_BYTES));
    skip = from > 0 ? (size_t)from - 1 : 0;
    found = skip > len ? NULL : memmem(text + skip, len - skip, wanted, wanted_len);
    if (found == NULL) {
        luaL_pushfail(lua);
        return 1;
    }
    lua_pushinteger(lua, found - text + 1);
    lua_pushinteger(lua, found - text + (lua_Integer)wanted_len);
    return 2;
}

static int refuse_pattern(lua_State *lua)
{
    const char *name = lua_tostring(lua, lua_upvalueindex(1));

    return luaL_error(lua, "string.%s is not available, Lua's patterns have no bound on their time: use pattern.%s",
                      name, name);
}

/*
 * Calls a function of the table library (upvalue 1) on a plain table of bounded length (upvalue 2),
 * and charges for what it passes over.
 */
static int call_bounded(lua_State *lua, lua_Unsigned passes_over)
{
    lua_Unsigned limit = (lua_Unsigned)lua_tointeger(lua, lua_upvalueindex(2));

    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_argcheck(lua, document_is_plain(lua, 1), 1, "a table without metatable expected");
    luaL_argcheck(lua, lua_rawlen(lua, 1) <= limit && passes_over <= limit, 1, "too many elements");
    vm_charge(lua, (int64_t)passes_over);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
    return lua_gettop(lua);
}

static int concat_bounded(lua_State *lua)
{
    return call_bounded(lua, lua_istable(lua, 1) ? lua_rawlen(lua, 1) : 0);
}

/* insert and remove move what lies behind the place that they are given (argument 2 of at least upvalue 3). */
static int shift_bounded(lua_State *lua)
{
    lua_Unsigned length = lua_istable(lua, 1) ? lua_rawlen(lua, 1) : 0;
    lua_Integer place = lua_tointeger(lua, 2);
    bool has_place = lua_gettop(lua) >= lua_tointeger(lua, lua_upvalueindex(3));

    return call_bounded(lua, has_place && place > 0 && (lua_Unsigned)place < length ? length - (lua_Unsigned)place : 0);
}

/* move and unpack go by their arguments, not by the table's length. */
static int range_bounded(lua_State *lua)
{
    bool has_range = lua_tointeger(lua, lua_upvalueindex(3)) == RANGE_REQUIRED || !lua_isnoneornil(lua, 3);
    lua_Integer first = luaL_optinteger(lua, 2, 1), last = has_range ? luaL_checkinteger(lua, 3) : 0;

    if (!has_range && lua_istable(lua, 1)) last = (lua_Integer)lua_rawlen(lua, 1);
    return call_bounded(lua, last < first ? 0 : (lua_Unsigned)last - (lua_Unsigned)first);
}

/* Of about n log n comparisons, each may go through the longest text. */
static int sort_bounded(lua_State *lua)
{
    lua_Unsigned length = lua_istable(lua, 1) ? lua_rawlen(lua, 1) : 0;
    lua_Unsigned longest = 0;

    luaL_argcheck(lua, length <= SORT_LENGTH_MAX, 1, "too many elements");
    for (lua_Unsigned i = 1; i <= length && lua_isnoneornil(lua, 2); i++) {
        if (lua_rawgeti(lua, 1, (lua_Integer)i) == LUA_TSTRING && lua_rawlen(lua, -1) > longest)
            longest = lua_rawlen(lua, -1);
        lua_pop(lua, 1);
    }
    vm_charge(lua, (int64_t)(length * SORT_ROUNDS * (1 + longest / COMPARED_BYTES)));
    return call_bounded(lua, 0);
}

static int refuse_assignment(lua_State *lua)
{
    return luaL_error(lua, "'%s' cannot be assigned: globals are constant, say local", push_text(lua, 2));
}

void sandbox_make_constant(lua_State *lua)
{
    lua_newtable(lua);
    lua_createtable(lua, 0, 3);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_assignment);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_remove(lua, -2);
}

/* Opens a standard library and pushes a table with only the members named. */
static void push_library(lua_State *lua, lua_CFunction open, const char *const *names)
{
    lua_pushcfunction(lua, open);
    lua_call(lua, 0, 1);
    lua_newtable(lua);
    for (; *names != NULL; names++) {
        lua_getfield(lua, -2, *names);
        lua_setfield(lua, -2, *names);
    }
}

/* Puts `function` into the library on top; its upvalues are the original, which lies below, a limit and a detail. */
static void wrap(lua_State *lua, const char *name, lua_CFunction function, lua_Integer limit, lua_Integer detail)
{
    lua_getfield(lua, -2, name);
    lua_pushinteger(lua, limit);
    lua_pushinteger(lua, detail);
    lua_pushcclosure(lua, function, 3);
    lua_setfield(lua, -2, name);
}

static void push_string(lua_State *lua)
{
    static const char *const patterns[] = { "gmatch", "gsub", "match", NULL };

    push_library(lua, luaopen_string, string_names);
    wrap(lua, "format", format_text, 0, 0);
    wrap(lua, "rep", repeat_text, 0, 0);
    lua_pushcfunction(lua, find_text);
    lua_setfield(lua, -2, "find");
    for (const char *const *name = patterns; *name != NULL; name++) {
        lua_pushstring(lua, *name);
        lua_pushcclosure(lua, refuse_pattern, 1);
        lua_setfield(lua, -2, *name);
    }
    lua_remove(lua, -2);

    /* Methods (`text:upper()`) find the same functions, and their metatable stays out of reach. */
    lua_pushliteral(lua, "");
    lua_getmetatable(lua, -1);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 2);
    sandbox_make_constant(lua);
}

static void push_table(lua_State *lua)
{
    push_library(lua, luaopen_table, table_names);
    wrap(lua, "concat", concat_bounded, LIST_LENGTH_MAX, 0);
    wrap(lua, "insert", shift_bounded, LIST_LENGTH_MAX, 3);
    wrap(lua, "remove", shift_bounded, LIST_LENGTH_MAX, 2);
    wrap(lua, "move", range_bounded, LIST_LENGTH_MAX, RANGE_REQUIRED);
    wrap(lua, "unpack", range_bounded, LIST_LENGTH_MAX, RANGE_OPTIONAL);
    wrap(lua, "sort", sort_bounded, SORT_LENGTH_MAX, 0);
    lua_remove(lua, -2);
    sandbox_make_constant(lua);
}

static void push_plain_library(lua_State *lua, lua_CFunction open, const char *const *names)
{
    push_library(lua, open, names);
    lua_remove(lua, -2);
    sandbox_make_constant(lua);
}

void sandbox_push(lua_State *lua)
{
    static const luaL_Reg words[] = { { "array", document_array },   { "pcall", protected_call },
                                      { "reject", decision_reject }, { "setmetatable", set_metatable },
                                      { "tostring", to_text },       { NULL, NULL } };

    document_init(lua);
    decision_init(lua);
    push_library(lua, luaopen_base, base_names);
    lua_remove(lua, -2);
    luaL_setfuncs(lua, words, 0);
    document_push_null(lua);
    lua_setfield(lua, -2, "null");
    push_plain_library(lua, luaopen_math, math_names);
    lua_setfield(lua, -2, "math");
    push_plain_library(lua, luaopen_utf8, utf8_names);
    lua_setfield(lua, -2, "utf8");
    push_string(lua);
    lua_setfield(lua, -2, "string");
    push_table(lua);
    lua_setfield(lua, -2, "table");
    pattern_push(lua);
    sandbox_make_constant(lua);
    lua_setfield(lua, -2, "pattern");
    sandbox_make_constant(lua);
}
