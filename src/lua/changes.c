/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/changes.h"

#include <lauxlib.h>

#include "lua/document.h"
#include "lua/sandbox.h"
#include "lua/vm.h"

/* In instructions, of which a call has VM_INSTRUCTIONS_MAX: what statements and rows do is not seen by the hook. */
enum { STATEMENT_COST = 100, VALUE_COST = 10 };

enum { PARAMS_MAX = 100 };

static varve_model *under_way(lua_State *lua)
{
    varve_model *model = vm_of(lua)->asking;

    if (model == NULL) luaL_error(lua, "this event is over: the read model changes within its function");
    return model;
}

/* ---- parameters ---- */

/* JSON of the table at the top; its text is kept below the name and the value that lua_next left. */
static varve_str keep_document(lua_State *lua, const char *name)
{
    varve_buf *json = &vm_of(lua)->text;
    const char *problem;
    varve_str kept;

    varve_buf_reset(json);
    problem = document_write(lua, -1, json);
    if (problem != NULL) luaL_error(lua, "the parameter :%s: %s", name, problem);
    lua_pushlstring(lua, json->ptr, json->len);
    kept.ptr = lua_tolstring(lua, -1, &kept.len);
    lua_insert(lua, -3);
    return kept;
}

/* The value at the top, whose texts the params' table keeps. */
static varve_value take_value(lua_State *lua, const char *name)
{
    varve_value value = { .kind = VARVE_VALUE_NULL };

    switch (lua_type(lua, -1)) {
    case LUA_TBOOLEAN:
        value.kind = VARVE_VALUE_BOOLEAN;
        value.integer = lua_toboolean(lua, -1);
        break;
    case LUA_TNUMBER:
        value.kind = lua_isinteger(lua, -1) ? VARVE_VALUE_INTEGER : VARVE_VALUE_REAL;
        value.integer = lua_tointeger(lua, -1);
        value.real = lua_tonumber(lua, -1);
        break;
    case LUA_TSTRING:
        value.kind = VARVE_VALUE_TEXT;
        value.text.ptr = lua_tolstring(lua, -1, &value.text.len);
        break;
    case LUA_TTABLE:
        value.kind = VARVE_VALUE_JSON;
        value.text = keep_document(lua, name);
        break;
    case LUA_TLIGHTUSERDATA: /* null; scripts have no other */
        break;
    default:
        luaL_error(lua, "the parameter :%s is a %s, which SQL does not have", name, luaL_typename(lua, -1));
    }
    return value;
}

static size_t take_params(lua_State *lua, varve_model_param *params)
{
    size_t count = 0;

    if (lua_isnoneornil(lua, 2)) return 0;
    luaL_checktype(lua, 2, LUA_TTABLE);
    luaL_checkstack(lua, PARAMS_MAX + 8, "parameters");
    for (lua_pushnil(lua); lua_next(lua, 2) != 0; lua_pop(lua, 1)) {
        if (count == PARAMS_MAX) luaL_error(lua, "more than %d parameters", PARAMS_MAX);
        if (lua_type(lua, -2) != LUA_TSTRING) luaL_error(lua, "parameters have names: { name = value }");
        params[count].name.ptr = lua_tolstring(lua, -2, &params[count].name.len);
        params[count].value = take_value(lua, params[count].name.ptr);
        count++;
    }
    return count;
}

/* ---- rows ---- */

static void push_value(lua_State *lua, const varve_value *value)
{
    switch (value->kind) {
    case VARVE_VALUE_INTEGER:
        lua_pushinteger(lua, value->integer);
        break;
    case VARVE_VALUE_REAL:
        lua_pushnumber(lua, value->real);
        break;
    case VARVE_VALUE_BOOLEAN:
        lua_pushboolean(lua, value->integer != 0);
        break;
    case VARVE_VALUE_TEXT:
    case VARVE_VALUE_BLOB:
        lua_pushlstring(lua, value->text.len == 0 ? "" : value->text.ptr, value->text.len);
        break;
    case VARVE_VALUE_JSON:
        document_push(lua, value->text, "a column");
        break;
    case VARVE_VALUE_NULL:
        document_push_null(lua);
        break;
    }
}

/* Pushes the next row; false when there is none. */
static bool push_row(lua_State *lua, varve_model *model)
{
    varve_error error = { 0 };
    varve_model_row row;
    varve_status status = varve_model_next(model, &row, &error);

    if (status < 0) luaL_error(lua, "%s", error.message);
    if (status == VARVE_DONE) return false;
    vm_charge(lua, (int64_t)row.column_count * VALUE_COST);
    lua_createtable(lua, 0, (int)row.column_count);
    for (size_t i = 0; i < row.column_count; i++) {
        lua_pushlstring(lua, row.names[i].ptr, row.names[i].len);
        push_value(lua, &row.values[i]);
        lua_rawset(lua, -3);
    }
    return true;
}

/* ---- the functions ---- */

/* Runs the statement that is the first argument by one of the model's two functions. */
static varve_model *run_with(lua_State *lua, varve_status (*run)(varve_model *, varve_str, const varve_model_param *,
                                                                 size_t, varve_error *))
{
    varve_model_param params[PARAMS_MAX];
    varve_model *model = under_way(lua);
    varve_error error = { 0 };
    varve_str statement;

    statement.ptr = luaL_checklstring(lua, 1, &statement.len);
    vm_charge(lua, STATEMENT_COST);
    if (run(model, statement, params, take_params(lua, params), &error) < 0) luaL_error(lua, "%s", error.message);
    return model;
}

static int change_run(lua_State *lua)
{
    (void)run_with(lua, varve_model_run);
    return 0;
}

static int change_one(lua_State *lua)
{
    if (!push_row(lua, run_with(lua, varve_model_ask))) lua_pushnil(lua);
    return 1;
}

static int change_rows(lua_State *lua)
{
    varve_model *model = run_with(lua, varve_model_ask);

    lua_newtable(lua);
    document_mark_array(lua);
    for (lua_Integer i = 1; push_row(lua, model); i++) lua_rawseti(lua, -2, i);
    return 1;
}

void changes_push(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        { "run", change_run }, { "one", change_one }, { "rows", change_rows }, { NULL, NULL }
    };

    luaL_newlib(lua, functions);
    sandbox_make_constant(lua);
}
