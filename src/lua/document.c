/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/document.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/utf8.h"
#include "lua/vm.h"

/* What an object gets room for at first: most have more than the one or two that Lua would begin with. */
#define OBJECT_MEMBERS 4

/* Its address is the registry's key for the metatable that marks arrays. */
static const char array_mark;

static int null_to_text(lua_State *lua)
{
    lua_pushliteral(lua, "null");
    return 1;
}

void document_init(lua_State *lua)
{
    lua_createtable(lua, 0, 1);
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &array_mark);

    /* null is the NULL light userdata; all light userdata share one metatable. */
    document_push_null(lua);
    lua_createtable(lua, 0, 2);
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pushcfunction(lua, null_to_text);
    lua_setfield(lua, -2, "__tostring");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}

void document_push_null(lua_State *lua)
{
    lua_pushlightuserdata(lua, NULL);
}

void document_mark_array(lua_State *lua)
{
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &array_mark);
    lua_setmetatable(lua, -2);
}

int document_array(lua_State *lua)
{
    if (lua_isnoneornil(lua, 1)) {
        lua_settop(lua, 0);
        lua_newtable(lua);
    } else {
        luaL_checktype(lua, 1, LUA_TTABLE);
        luaL_argcheck(lua, document_is_plain(lua, 1), 1, "a table with a metatable cannot be an array");
        lua_settop(lua, 1);
    }
    document_mark_array(lua);
    return 1;
}

static bool has_array_mark(lua_State *lua, int index)
{
    bool marked;

    if (!lua_getmetatable(lua, index)) return false;
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &array_mark);
    marked = lua_rawequal(lua, -1, -2) != 0;
    lua_pop(lua, 2);
    return marked;
}

bool document_is_plain(lua_State *lua, int index)
{
    if (!lua_getmetatable(lua, index)) return true;
    lua_pop(lua, 1);
    return has_array_mark(lua, index);
}

bool document_is_array(lua_State *lua, int index)
{
    return lua_type(lua, index) == LUA_TTABLE && (lua_rawlen(lua, index) > 0 || has_array_mark(lua, index));
}

/* ---- JSON to Lua ---- */

static void push_text(lua_State *lua, const struct json_scanner *scanner)
{
    varve_buf *text = &vm_of(lua)->text;

    if (!scanner->escaped) {
        lua_pushlstring(lua, scanner->raw.ptr, scanner->raw.len);
        return;
    }
    varve_buf_reset(text);
    json_unescape(scanner->raw, text);
    if (text->failed) luaL_error(lua, "out of memory");
    lua_pushlstring(lua, text->ptr, text->len);
}

static void push_scalar(lua_State *lua, const struct json_scanner *scanner, enum json_token token)
{
    switch (token) {
    case JSON_STRING:
        push_text(lua, scanner);
        return;
    case JSON_INTEGER:
        lua_pushinteger(lua, scanner->integer);
        return;
    case JSON_REAL:
        lua_pushnumber(lua, json_double(scanner));
        return;
    case JSON_NULL:
        document_push_null(lua);
        return;
    default:
        lua_pushboolean(lua, token == JSON_TRUE);
    }
}

static int room_for(const struct json_scanner *scanner, enum json_token token)
{
    bool empty = scanner->at < scanner->end && *scanner->at == '}';

    return token == JSON_ARRAY || empty ? 0 : OBJECT_MEMBERS;
}

/*
 * The Lua stack is the parser's: open containers, each with the pending member's name above it. A
 * value that is complete goes into what lies below.
 */
void document_push(lua_State *lua, varve_str json, const char *what)
{
    struct json_scanner scanner;
    lua_Integer elements[VARVE_JSON_DEPTH_MAX + 1]; /* of the open containers: so far, or -1 for an object */
    size_t depth = 0;

    json_start(&scanner, json);
    for (;;) {
        enum json_token token = json_next(&scanner);
        switch (token) {
        case JSON_END:
            return;
        case JSON_ERROR:
            luaL_error(lua, "%s is not JSON: %s", what, scanner.problem);
            return;
        case JSON_KEY:
            push_text(lua, &scanner);
            continue;
        case JSON_OBJECT:
        case JSON_ARRAY:
            ASSERT(depth < VARVE_JSON_DEPTH_MAX); /* the scanner sees to it */
            luaL_checkstack(lua, 4, "document too deep");
            lua_createtable(lua, 0, room_for(&scanner, token));
            if (token == JSON_ARRAY) document_mark_array(lua);
            elements[++depth] = token == JSON_ARRAY ? 0 : -1;
            continue;
        case JSON_OBJECT_END:
        case JSON_ARRAY_END:
            ASSERT(depth > 0);
            depth--;
            break;
        default:
            push_scalar(lua, &scanner, token);
        }
        if (depth == 0) continue;
        if (elements[depth] < 0)
            lua_rawset(lua, -3);
        else
            lua_rawseti(lua, -2, ++elements[depth]);
    }
}

/* ---- Lua to JSON ---- */

struct member {
    varve_str name;
    int slot; /* where the name lies on the Lua stack */
};

static const char *write_value(lua_State *lua, int index, varve_buf *json, unsigned depth);

static int compare_members(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    size_t shared = left->name.len < right->name.len ? left->name.len : right->name.len;
    int order = shared == 0 ? 0 : memcmp(left->name.ptr, right->name.ptr, shared);

    return order != 0 ? order : (left->name.len > right->name.len) - (left->name.len < right->name.len);
}

static const char *write_text(varve_str text, varve_buf *json)
{
    if (memchr(text.ptr, '\0', text.len) != NULL) return "a text with a zero byte cannot be JSON";
    if (!utf8_valid(text)) return "a text that is not UTF-8 cannot be JSON";
    varve_buf_json_string(json, text);
    return NULL;
}

/* The shortest of 15 to 17 digits that reads back equal, always with a point or an exponent. */
static const char *write_real(double real, varve_buf *json)
{
    char text[40];
    bool marked = false;

    if (!isfinite(real)) return "NaN and infinity cannot be JSON";
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real) /* both ways in the program's locale, whatever it is */
            break;
    }
    for (char *at = text; *at != '\0'; at++) {
        if (*at != 'e' && *at != '-' && *at != '+' && (*at < '0' || *at > '9'))
            *at = '.'; /* the locale's decimal point */
        marked = marked || *at == '.' || *at == 'e';
    }
    varve_buf_str(json, varve_str_of(text));
    if (!marked) varve_buf_str(json, VARVE_STR(".0"));
    return NULL;
}

static const char *write_array(lua_State *lua, int table, varve_buf *json, unsigned depth)
{
    static const char problem_with_keys[] = "a list with holes or named members cannot be JSON";
    lua_Unsigned length = lua_rawlen(lua, table), entries = 0;
    const char *problem = NULL;

    for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) entries++;
    vm_charge(lua, (int64_t)entries + 1);
    if (entries != length) return problem_with_keys;
    varve_buf_str(json, VARVE_STR("["));
    for (lua_Unsigned i = 1; i <= length && problem == NULL; i++) {
        if (i > 1) varve_buf_str(json, VARVE_STR(","));
        if (lua_rawgeti(lua, table, (lua_Integer)i) == LUA_TNIL)
            problem = problem_with_keys;
        else
            problem = write_value(lua, lua_gettop(lua), json, depth);
        lua_pop(lua, 1);
    }
    varve_buf_str(json, VARVE_STR("]"));
    return problem;
}

/* Leaves every name of the object on the stack; NULL, or what is wrong. */
static const char *push_names(lua_State *lua, int table)
{
    for (lua_pushnil(lua); lua_next(lua, table) != 0;) {
        lua_pop(lua, 1);
        if (lua_type(lua, -1) != LUA_TSTRING)
            return "an object's names must be texts, and a list's elements start at 1";
        luaL_checkstack(lua, 8, "object too large");
        lua_pushvalue(lua, -1); /* one copy stays, one is lua_next's */
    }
    return NULL;
}

static const char *write_object(lua_State *lua, int table, varve_buf *json, unsigned depth)
{
    int base = lua_gettop(lua);
    const char *problem = push_names(lua, table);
    int count = lua_gettop(lua) - base;
    struct member *members;

    vm_charge(lua, count + 1);
    if (problem != NULL || count == 0) {
        if (problem == NULL) varve_buf_str(json, VARVE_STR("{}"));
        lua_settop(lua, base);
        return problem;
    }
    members = lua_newuserdatauv(lua, (size_t)count * sizeof *members, 0);
    for (int i = 0; i < count; i++) {
        members[i].slot = base + 1 + i;
        members[i].name.ptr = lua_tolstring(lua, members[i].slot, &members[i].name.len);
    }
    qsort(members, (size_t)count, sizeof *members, compare_members);
    varve_buf_str(json, VARVE_STR("{"));
    for (int i = 0; i < count && problem == NULL; i++) {
        if (i > 0) varve_buf_str(json, VARVE_STR(","));
        problem = write_text(members[i].name, json);
        varve_buf_str(json, VARVE_STR(":"));
        lua_pushvalue(lua, members[i].slot);
        lua_rawget(lua, table);
        if (problem == NULL) problem = write_value(lua, lua_gettop(lua), json, depth);
        lua_pop(lua, 1);
    }
    varve_buf_str(json, VARVE_STR("}"));
    lua_settop(lua, base);
    return problem;
}

static const char *write_table(lua_State *lua, int index, varve_buf *json, unsigned depth)
{
    if (depth == VARVE_JSON_DEPTH_MAX) return "a table nested too deep, or in itself, cannot be JSON";
    if (!document_is_plain(lua, index))
        return "a table with a metatable (an event, a command, an object of your own) cannot be JSON";
    luaL_checkstack(lua, 8, "document too deep");
    if (document_is_array(lua, index)) return write_array(lua, index, json, depth + 1);
    return write_object(lua, index, json, depth + 1);
}

static const char *write_value(lua_State *lua, int index, varve_buf *json, unsigned depth)
{
    varve_str text;

    if (json->len > DOCUMENT_BYTES_MAX) return "a value of more than 16 MiB cannot be JSON";
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        text.ptr = lua_tolstring(lua, index, &text.len);
        return write_text(text, json);
    case LUA_TNUMBER:
        if (!lua_isinteger(lua, index)) return write_real(lua_tonumber(lua, index), json);
        varve_buf_printf(json, "%lld", lua_tointeger(lua, index));
        return NULL;
    case LUA_TBOOLEAN:
        varve_buf_str(json, lua_toboolean(lua, index) ? VARVE_STR("true") : VARVE_STR("false"));
        return NULL;
    case LUA_TLIGHTUSERDATA:
        varve_buf_str(json, VARVE_STR("null"));
        return NULL;
    case LUA_TTABLE:
        return write_table(lua, index, json, depth);
    case LUA_TNIL:
        return "nil cannot be JSON: say null";
    default:
        return "a function cannot be JSON";
    }
}

const char *document_write(lua_State *lua, int index, varve_buf *json)
{
    const char *problem = write_value(lua, lua_absindex(lua, index), json, 0);

    if (problem == NULL && json->failed) luaL_error(lua, "out of memory");
    return problem;
}

/* ---- both ways ---- */

struct trip {
    varve_str json;
    varve_buf *out;
};

static int run_trip(lua_State *lua)
{
    const struct trip *trip = lua_touserdata(lua, 1);
    const char *problem;

    document_init(lua);
    document_push(lua, trip->json, "the document");
    problem = document_write(lua, -1, trip->out);
    return problem == NULL ? 0 : luaL_error(lua, "%s", problem);
}

varve_status document_round_trip(varve_str json, varve_buf *out, varve_error *error)
{
    struct trip trip = { json, out };
    struct vm *vm = NULL;
    varve_status status = vm_open(&vm, "document", error);

    if (status >= 0) status = vm_run(vm, run_trip, &trip, VARVE_INVALID, error);
    vm_close(vm);
    return status;
}
