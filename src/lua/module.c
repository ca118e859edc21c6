/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/module.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "lua/sandbox.h"
#include "lua/view.h"
#include "lua/vm.h"

/* What is being checked. The module's table is at `table`, a field's value on top of the stack. */
struct loading {
    lua_State *lua;
    varve_str source;
    int table;
    struct module *module;
};

static bool is_word(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

int module_line_of(varve_str source, const char *field)
{
    size_t len = strlen(field);
    int line = 1;

    for (size_t at = 0; at + len < source.len; at++) {
        size_t next = at + len;
        if (source.ptr[at] == '\n') line++;
        if (memcmp(source.ptr + at, field, len) != 0 || (at > 0 && is_word(source.ptr[at - 1]))) continue;
        while (next < source.len && (source.ptr[next] == ' ' || source.ptr[next] == '\t')) next++;
        if (next + 1 < source.len && source.ptr[next] == '=' && source.ptr[next + 1] != '=') return line;
    }
    return 1;
}

/* Raises an error at the line of `field`; the format is lua_pushfstring's. */
static _Noreturn void fail(const struct loading *loading, const char *field, const char *format, ...)
{
    lua_State *lua = loading->lua;
    va_list args;

    lua_pushfstring(lua, "%s:%d: ", vm_of(lua)->name, module_line_of(loading->source, field));
    va_start(args, format);
    lua_pushvfstring(lua, format, args);
    va_end(args);
    lua_concat(lua, 2);
    lua_error(lua);
    abort();
}

static void take_category(struct loading *loading)
{
    varve_str name = { NULL, 0 };

    if (lua_type(loading->lua, -1) != LUA_TSTRING) fail(loading, "category", "category must be a text");
    name.ptr = lua_tolstring(loading->lua, -1, &name.len);
    if (name.len == 0 || name.len > VARVE_NAME_BYTES_MAX || !utf8_printable(name) ||
        memchr(name.ptr, '-', name.len) != NULL)
        fail(loading, "category", "category must be 1 to 255 bytes of printable text without '-'");
    memcpy(loading->module->category, name.ptr, name.len);
    loading->module->category[name.len] = '\0';
    loading->module->category_line = module_line_of(loading->source, "category");
}

static void take_snapshot_every(struct loading *loading)
{
    lua_Integer events = lua_tointeger(loading->lua, -1);

    if (lua_isboolean(loading->lua, -1) && !lua_toboolean(loading->lua, -1)) {
        loading->module->snapshot_every = VARVE_NO_SNAPSHOTS;
        return;
    }
    if (!lua_isinteger(loading->lua, -1) || events < 1 || events >= VARVE_NO_SNAPSHOTS)
        fail(loading, "snapshot_every", "snapshot_every must be a number of events from 1, or false");
    loading->module->snapshot_every = (uint32_t)events;
}

static void take_state_version(struct loading *loading)
{
    lua_Integer version = lua_tointeger(loading->lua, -1);

    if (!lua_isinteger(loading->lua, -1) || version < 1 || version > UINT32_MAX)
        fail(loading, "state_version", "state_version must be an integer from 1");
    loading->module->state_version = (uint32_t)version;
}

static void take_initial(struct loading *loading)
{
    if (!lua_isfunction(loading->lua, -1))
        fail(loading, "initial", "initial must be a function that returns the state of a new aggregate");
    lua_pushvalue(loading->lua, -1);
    loading->module->initial = luaL_ref(loading->lua, LUA_REGISTRYINDEX);
}

/* A table of functions by name, kept by reference. */
static int take_functions(struct loading *loading, const char *field, const char *key_is)
{
    lua_State *lua = loading->lua;

    if (!lua_istable(lua, -1)) fail(loading, field, "%s must be a table of functions by %s type", field, key_is);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
        if (lua_type(lua, -2) != LUA_TSTRING)
            fail(loading, field, "%s: every name must be a text, the %s type", field, key_is);
        if (!lua_isfunction(lua, -1))
            fail(loading, lua_tostring(lua, -2), "%s.%s must be a function", field, lua_tostring(lua, -2));
    }
    lua_pushvalue(lua, -1);
    return luaL_ref(lua, LUA_REGISTRYINDEX);
}

static void take_evolve(struct loading *loading)
{
    loading->module->evolve = take_functions(loading, "evolve", "event");
}

static void take_decide(struct loading *loading)
{
    loading->module->decide = take_functions(loading, "decide", "command");
}

static void take_reads(struct loading *loading)
{
    if (!lua_isfunction(loading->lua, -1))
        fail(loading, "reads", "reads must be a function that returns what to read for a command");
    lua_pushvalue(loading->lua, -1);
    loading->module->reads = luaL_ref(loading->lua, LUA_REGISTRYINDEX);
    loading->module->category_line = module_line_of(loading->source, "reads");
}

static void take_enrich(struct loading *loading)
{
    loading->module->enrich = take_functions(loading, "enrich", "command");
}

static void take_enrich_timeout_ms(struct loading *loading)
{
    lua_Integer ms = lua_tointeger(loading->lua, -1);

    if (!lua_isinteger(loading->lua, -1) || ms < 1 || ms > 60000)
        fail(loading, "enrich_timeout_ms", "enrich_timeout_ms must be a number of milliseconds from 1 to 60000");
    loading->module->enrich_timeout_ms = (uint32_t)ms;
}

static void take_record_context(struct loading *loading)
{
    if (!lua_isboolean(loading->lua, -1)) fail(loading, "record_context", "record_context must be true or false");
    loading->module->record_context = lua_toboolean(loading->lua, -1);
}

static const struct {
    const char *name;
    void (*take)(struct loading *loading);
    bool required;
} fields[] = {
    { "category", take_category, false },
    { "reads", take_reads, false },
    { "initial", take_initial, false },
    { "evolve", take_evolve, true },
    { "decide", take_decide, true },
    { "snapshot_every", take_snapshot_every, false },
    { "state_version", take_state_version, false },
    { "enrich", take_enrich, false },
    { "enrich_timeout_ms", take_enrich_timeout_ms, false },
    { "record_context", take_record_context, false },
};

#define FIELD_COUNT (sizeof fields / sizeof *fields)

static void check_names(const struct loading *loading)
{
    lua_State *lua = loading->lua;

    for (lua_pushnil(lua); lua_next(lua, loading->table) != 0; lua_pop(lua, 1)) {
        size_t i = 0;
        if (lua_type(lua, -2) != LUA_TSTRING) fail(loading, "return", "an aggregate has named fields only");
        while (i < FIELD_COUNT && strcmp(fields[i].name, lua_tostring(lua, -2)) != 0) i++;
        if (i == FIELD_COUNT)
            fail(loading, lua_tostring(lua, -2),
                 "an aggregate has no field '%s' (they are category or reads, initial, evolve, decide, snapshot_every, "
                 "state_version, enrich, enrich_timeout_ms, record_context)",
                 lua_tostring(lua, -2));
    }
}

void module_run(lua_State *lua, varve_str source, const char *returns)
{
    const char *name = vm_of(lua)->name;

    if (source.len > 0 && source.ptr[0] == LUA_SIGNATURE[0])
        luaL_error(lua, "%s:1: a compiled chunk: only text is loaded", name);
    view_init(lua);
    sandbox_push(lua);
    if (luaL_loadbufferx(lua, source.ptr, source.len, lua_pushfstring(lua, "@%s", name), "t") != LUA_OK) lua_error(lua);
    lua_pushvalue(lua, -3);
    lua_setupvalue(lua, -2, 1);
    lua_call(lua, 0, 1);
    if (!lua_istable(lua, -1)) luaL_error(lua, "%s:1: the file must return a table %s", name, returns);
}

/* Of an aggregate, or over a query. */
static void check_kind(const struct loading *loading)
{
    const struct module *module = loading->module;

    if (module->category[0] == '\0' && module->reads == LUA_NOREF)
        fail(loading, "category", "an aggregate needs the field category, or reads");
    if (module->category[0] != '\0' && module->reads != LUA_NOREF)
        fail(loading, "reads", "category and reads exclude each other");
    if (module->reads != LUA_NOREF && module->snapshot_every != 0)
        fail(loading, "snapshot_every", "a decider over a query has no snapshots");
}

void module_load(lua_State *lua, varve_str source, struct module *module)
{
    struct loading loading = { .lua = lua, .source = source, .module = module };

    *module = (struct module){ .state_version = 1, .initial = LUA_NOREF, .reads = LUA_NOREF, .enrich = LUA_NOREF };
    module_run(lua, source, "{ category, evolve, decide, … }");
    loading.table = lua_gettop(lua);
    check_names(&loading);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        lua_pushstring(lua, fields[i].name);
        if (lua_rawget(lua, loading.table) != LUA_TNIL)
            fields[i].take(&loading);
        else if (fields[i].required)
            fail(&loading, "category", "an aggregate needs the field %s", fields[i].name);
        lua_pop(lua, 1);
    }
    check_kind(&loading);
}
