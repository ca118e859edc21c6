/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/ask.h"

#include <lauxlib.h>

#include "base/json.h"
#include "lua/document.h"
#include "lua/vm.h"

enum { PARAMS_MAX = 64 };

static struct ask *under_way(lua_State *lua)
{
    struct ask *ask = vm_of(lua)->asking;
    if (ask == NULL) luaL_error(lua, "this enrichment is over: what is asked for is asked within enrich");
    return ask;
}

/* A view of the text, or of a number or boolean as text, at the top of the stack, which then keeps it. */
static varve_str text_on_top(lua_State *lua, const char *what)
{
    varve_str text = { NULL, 0 };
    if (lua_isboolean(lua, -1)) {
        bool is_true = lua_toboolean(lua, -1);
        lua_pop(lua, 1);
        lua_pushstring(lua, is_true ? "true" : "false");
    }
    if (lua_type(lua, -1) != LUA_TSTRING && lua_type(lua, -1) != LUA_TNUMBER)
        luaL_error(lua, "%s must be a text, a number or a boolean, not %s", what, luaL_typename(lua, -1));
    text.ptr = lua_tolstring(lua, -1, &text.len);
    return text;
}

/* Visits the pairs of the table at `index`; what is taken stays on the stack, so it may be borrowed. */
static size_t take_pairs(lua_State *lua, int index, const char *what, size_t most, varve_query_param *pairs)
{
    size_t count = 0;
    if (lua_isnoneornil(lua, index)) return 0;
    luaL_checktype(lua, index, LUA_TTABLE);
    luaL_checkstack(lua, (int)most * 2 + 4, what);
    lua_pushnil(lua);
    while (lua_next(lua, index) != 0) {
        if (count == most) luaL_error(lua, "more than %d %s", (int)most, what);
        if (lua_type(lua, -2) != LUA_TSTRING) luaL_error(lua, "the names of %s are texts", what);
        pairs[count].name.ptr = lua_tolstring(lua, -2, &pairs[count].name.len);
        pairs[count].value = text_on_top(lua, what);
        lua_pushvalue(lua, -2); /* the name once more, to go on from; name and value stay below it */
        count++;
    }
    return count;
}

static lua_Integer take_integer(lua_State *lua, int index, const char *name, lua_Integer least, lua_Integer most)
{
    lua_Integer value = 0;
    if (!lua_istable(lua, index)) return 0;
    if (lua_getfield(lua, index, name) != LUA_TNIL) {
        value = lua_tointeger(lua, -1);
        if (!lua_isinteger(lua, -1) || value < least || value > most)
            luaL_error(lua, "%s must be an integer from %I to %I", name, least, most);
    }
    lua_pop(lua, 1);
    return value;
}

/* An optional text of a table; it stays on the stack. */
static varve_str take_text(lua_State *lua, int index, const char *name)
{
    varve_str text = { NULL, 0 };
    if (lua_getfield(lua, index, name) == LUA_TNIL) return text;
    if (lua_type(lua, -1) != LUA_TSTRING) luaL_error(lua, "%s must be a text", name);
    text.ptr = lua_tolstring(lua, -1, &text.len);
    return text;
}

/* ---- queries ---- */

static int ask_query(lua_State *lua)
{
    struct ask *ask = under_way(lua);
    varve_query_param params[PARAMS_MAX];
    varve_query_request request = { .params = params };
    varve_error error = { 0 };
    request.name.ptr = luaL_checklstring(lua, 1, &request.name.len);
    lua_settop(lua, 3);
    if (!lua_isnil(lua, 3)) luaL_checktype(lua, 3, LUA_TTABLE);
    request.param_count = take_pairs(lua, 2, "params", PARAMS_MAX, params);
    request.limit = (uint32_t)take_integer(lua, 3, "limit", 1, 1000);
    request.after_position = (uint64_t)take_integer(lua, 3, "after_position", 0, INT64_MAX);
    if (lua_istable(lua, 3)) request.cursor = take_text(lua, 3, "cursor");
    varve_answer_fini(&ask->answer);
    if (varve_enrich_query(ask->enrichment, &request, &ask->answer, &error) < 0)
        return luaL_error(lua, "query %s: %s", lua_tostring(lua, 1), error.message);
    lua_createtable(lua, 0, 3);
    document_push(lua, ask->answer.rows, "the rows");
    lua_setfield(lua, -2, "rows");
    lua_pushinteger(lua, (lua_Integer)ask->answer.position);
    lua_setfield(lua, -2, "position");
    if (ask->answer.next.len > 0) {
        lua_pushlstring(lua, ask->answer.next.ptr, ask->answer.next.len);
        lua_setfield(lua, -2, "next");
    }
    varve_answer_fini(&ask->answer);
    return 1;
}

/* ---- HTTP ---- */

static void take_body(lua_State *lua, struct ask *ask, varve_http_request *request)
{
    request->body = take_text(lua, 1, "body");
    if (lua_getfield(lua, 1, "json") == LUA_TNIL) return;
    if (request->body.len > 0) luaL_error(lua, "a request has a body or json, not both");
    varve_buf_reset(&ask->body);
    const char *problem = document_write(lua, -1, &ask->body);
    if (problem != NULL) luaL_error(lua, "json: %s", problem);
    request->body = varve_buf_view(&ask->body);
}

static void take_request(lua_State *lua, struct ask *ask, varve_http_request *request, varve_http_header *headers)
{
    varve_query_param pairs[VARVE_HTTP_HEADERS_MAX];
    request->headers = headers;
    if (lua_type(lua, 1) == LUA_TSTRING) {
        request->url.ptr = lua_tolstring(lua, 1, &request->url.len);
        return;
    }
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    request->url = take_text(lua, 1, "url");
    request->method = take_text(lua, 1, "method");
    request->timeout_ms = (uint32_t)take_integer(lua, 1, "timeout_ms", 1, 60000);
    if (lua_getfield(lua, 1, "retries") != LUA_TNIL) {
        request->retries = (int)take_integer(lua, 1, "retries", 0, VARVE_HTTP_RETRIES_MAX);
        if (request->retries == 0) request->retries = -1;
    }
    take_body(lua, ask, request);
    bool is_json = ask->body.len > 0 && request->body.ptr == ask->body.ptr;
    lua_getfield(lua, 1, "headers");
    size_t count = take_pairs(lua, lua_gettop(lua), "headers", VARVE_HTTP_HEADERS_MAX - 1, pairs);
    for (size_t i = 0; i < count; i++) headers[i] = (varve_http_header){ pairs[i].name, pairs[i].value };
    if (is_json) headers[count++] = (varve_http_header){ VARVE_STR("Content-Type"), VARVE_STR("application/json") };
    request->header_count = count;
}

static bool says_json(varve_str type)
{
    size_t len = 0;
    while (len < type.len && type.ptr[len] != ';' && type.ptr[len] != ' ') len++;
    return (len >= 5 && memcmp(type.ptr + len - 5, "/json", 5) == 0) ||
           (len >= 5 && memcmp(type.ptr + len - 5, "+json", 5) == 0);
}

static int ask_http(lua_State *lua)
{
    struct ask *ask = under_way(lua);
    varve_http_header headers[VARVE_HTTP_HEADERS_MAX];
    varve_http_request request = { 0 };
    varve_error error = { 0 };
    take_request(lua, ask, &request, headers);
    varve_http_response_fini(&ask->response);
    if (varve_enrich_http(ask->enrichment, &request, &ask->response, &error) < 0)
        return luaL_error(lua, "%s", error.message);
    const varve_http_response *response = &ask->response;
    lua_createtable(lua, 0, 4);
    lua_pushinteger(lua, (lua_Integer)response->status);
    lua_setfield(lua, -2, "status");
    lua_pushlstring(lua, response->content_type.ptr, response->content_type.len);
    lua_setfield(lua, -2, "content_type");
    lua_pushlstring(lua, response->body.ptr, response->body.len);
    lua_setfield(lua, -2, "body");
    if (says_json(response->content_type) && json_check(response->body, "the answer", NULL) >= 0) {
        document_push(lua, response->body, "the answer");
        lua_setfield(lua, -2, "json");
    }
    varve_http_response_fini(&ask->response);
    return 1;
}

void ask_push(lua_State *lua)
{
    static const luaL_Reg functions[] = { { "query", ask_query }, { "http", ask_http }, { NULL, NULL } };
    luaL_newlib(lua, functions);
}

void ask_fini(struct ask *ask)
{
    varve_answer_fini(&ask->answer);
    varve_http_response_fini(&ask->response);
    varve_buf_fini(&ask->body);
}
