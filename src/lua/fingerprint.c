/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/fingerprint.h"

#include <lauxlib.h>

#include "lua/vm.h"

/* The finalising steps of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static uint64_t mix(uint64_t bits)
{
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

/* Strings and tables are known by their address: nothing that the table holds moves or goes. */
static uint64_t scalar(lua_State *lua, int index)
{
    int type = lua_type(lua, index);
    uint64_t bits = 0;
    double real;

    if (type == LUA_TBOOLEAN) {
        bits = (uint64_t)lua_toboolean(lua, index);
    } else if (type == LUA_TNUMBER && lua_isinteger(lua, index)) {
        bits = (uint64_t)lua_tointeger(lua, index);
    } else if (type == LUA_TNUMBER) {
        real = lua_tonumber(lua, index);
        memcpy(&bits, &real, sizeof bits);
        bits = ~bits; /* 1 and 1.0 are not the same JSON */
    } else {
        bits = (uint64_t)(uintptr_t)lua_topointer(lua, index);
    }
    return mix(bits + (uint64_t)type * 0x9e3779b97f4a7c15u);
}

/* Entries are summed, for lua_next promises no order. */
static uint64_t table_sum(lua_State *lua, int table, unsigned depth)
{
    uint64_t sum = 0;
    int64_t entries = 1;

    if (depth > VARVE_JSON_DEPTH_MAX) luaL_error(lua, "the state is nested too deep, or in itself");
    luaL_checkstack(lua, 4, "the state is nested too deep");
    for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) {
        int value = lua_gettop(lua);
        uint64_t key = scalar(lua, value - 1), entry = scalar(lua, value);
        entries++;
        if (lua_type(lua, value) == LUA_TTABLE) entry += table_sum(lua, value, depth + 1);
        sum += mix(key ^ mix(entry));
    }
    vm_charge(lua, entries);
    return sum;
}

uint64_t fingerprint_of(lua_State *lua, int index)
{
    index = lua_absindex(lua, index);
    if (lua_type(lua, index) != LUA_TTABLE) return scalar(lua, index);
    return scalar(lua, index) + table_sum(lua, index, 0);
}
