/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file projections/NAME.lua returns
 *
 *   { name = "sales_per_day", version = 1,
 *     create = [[ CREATE TABLE … ]],                       as behind `-- @create` in a SQL file
 *     on_error = "park",                                   or "stop", as `-- @on_error`; may be left out
 *     partitions = 4,                                      as `-- @partitions`; may be left out
 *     on = { OrderPlaced = function(event, db) … end } }   by event type; what they return is not looked at
 */
#include "lua/projection.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "lua/changes.h"
#include "lua/module.h"
#include "lua/view.h"
#include "lua/vm.h"

struct lua_projection {
    varve_projector table;
    char *file;
    varve_buf source;
    char *name, *create;
    char **types; /* ended by NULL */
};

struct worker {
    struct vm *vm;
    struct lua_projection *projection;
    int on, db; /* references: functions by event type; what they change the model with */
};

/* ---- loading ---- */

struct loading {
    lua_State *lua;
    struct lua_projection *projection;
    int table;
};

static _Noreturn void fail(const struct loading *loading, const char *field, const char *problem)
{
    luaL_error(loading->lua, "%s:%d: %s", loading->projection->file,
               module_line_of(varve_buf_view(&loading->projection->source), field), problem);
    abort();
}

/* A copy of the text in a field. */
static char *take_text(const struct loading *loading, const char *field, const char *problem)
{
    varve_str text = { NULL, 0 };
    char *copy;

    if (lua_getfield(loading->lua, loading->table, field) != LUA_TSTRING) fail(loading, field, problem);
    text.ptr = lua_tolstring(loading->lua, -1, &text.len);
    if (memchr(text.ptr, '\0', text.len) != NULL) fail(loading, field, problem);
    copy = strdup(text.ptr);
    if (copy == NULL) luaL_error(loading->lua, "out of memory");
    lua_pop(loading->lua, 1);
    return copy;
}

static uint32_t take_version(const struct loading *loading)
{
    lua_Integer version;

    lua_getfield(loading->lua, loading->table, "version");
    version = lua_tointeger(loading->lua, -1);
    if (!lua_isinteger(loading->lua, -1) || version < 1 || version > INT32_MAX)
        fail(loading, "version", "version must be an integer from 1");
    lua_pop(loading->lua, 1);
    return (uint32_t)version;
}

static bool take_parks(const struct loading *loading)
{
    lua_State *lua = loading->lua;
    const char *word = lua_getfield(lua, loading->table, "on_error") == LUA_TSTRING ? lua_tostring(lua, -1) : "";
    bool parks = strcmp(word, "park") == 0;

    if (!lua_isnil(lua, -1) && !parks && strcmp(word, "stop") != 0)
        fail(loading, "on_error", "on_error must be 'stop' or 'park'");
    lua_pop(lua, 1);
    return parks;
}

static uint32_t take_partitions(const struct loading *loading)
{
    lua_State *lua = loading->lua;
    bool given = lua_getfield(lua, loading->table, "partitions") != LUA_TNIL;
    lua_Integer count = lua_tointeger(lua, -1);

    if (given && (!lua_isinteger(lua, -1) || count < 2 || count > (lua_Integer)VARVE_PARTITIONS_MAX))
        fail(loading, "partitions",
             lua_pushfstring(lua, "partitions must be an integer from 2 to %d", (int)VARVE_PARTITIONS_MAX));
    lua_pop(lua, 1);
    return given ? (uint32_t)count : 0;
}

/* The table of functions, on top of the stack afterwards; returns how many there are. */
static size_t check_on(const struct loading *loading)
{
    lua_State *lua = loading->lua;
    size_t count = 0;

    if (lua_getfield(lua, loading->table, "on") != LUA_TTABLE)
        fail(loading, "on", "on must be a table of functions by event type");
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1), count++) {
        if (lua_type(lua, -2) != LUA_TSTRING) fail(loading, "on", "on: every name must be a text, the event type");
        if (strlen(lua_tostring(lua, -2)) != lua_rawlen(lua, -2))
            fail(loading, "on", "on: an event type is printable text");
        if (!lua_isfunction(lua, -1)) {
            const char *type = lua_tostring(lua, -2);
            fail(loading, type, lua_pushfstring(lua, "on.%s must be a function", type));
        }
    }
    if (count == 0) fail(loading, "on", "on has no function: there is nothing to project");
    return count;
}

static void keep_types(const struct loading *loading, size_t count)
{
    lua_State *lua = loading->lua;
    char **types = loading->projection->types = calloc(count + 1, sizeof(char *));

    if (types == NULL) {
        luaL_error(lua, "out of memory"); /* does not return, which its declaration does not say */
        return;
    }
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
        *types = strdup(lua_tostring(lua, -2));
        if (*types++ == NULL) luaL_error(lua, "out of memory");
    }
}

static void check_names(const struct loading *loading)
{
    static const char *const names[] = { "name", "version", "create", "on_error", "partitions", "on", NULL };
    lua_State *lua = loading->lua;

    for (lua_pushnil(lua); lua_next(lua, loading->table) != 0; lua_pop(lua, 1)) {
        const char *const *name = names;
        if (lua_type(lua, -2) != LUA_TSTRING) fail(loading, "return", "a projection has named fields only");
        while (*name != NULL && strcmp(*name, lua_tostring(lua, -2)) != 0) name++;
        if (*name == NULL) {
            const char *unknown = lua_tostring(lua, -2);
            fail(loading, unknown,
                 lua_pushfstring(lua,
                                 "a projection has no field '%s' (they are name, version, create, on_error, "
                                 "partitions, on)",
                                 unknown));
        }
    }
}

/* Where `create` begins: where its text stands in the file, or else its field. */
static uint32_t line_of_create(const struct lua_projection *projection)
{
    varve_str source = varve_buf_view(&projection->source);
    size_t len = strlen(projection->create);
    const char *found = len == 0 ? NULL : memmem(source.ptr, source.len, projection->create, len);
    uint32_t line = 1;

    if (found == NULL) return (uint32_t)module_line_of(source, "create");
    for (const char *at = source.ptr; at < found; at++) line += *at == '\n';
    return line;
}

static int run_load(lua_State *lua)
{
    struct worker *worker = lua_touserdata(lua, 1);
    struct lua_projection *projection = worker->projection;
    struct loading loading = { lua, projection, 0 };
    size_t count;

    module_run(lua, varve_buf_view(&projection->source), "{ name, version, create, on }");
    loading.table = lua_gettop(lua);
    check_names(&loading);
    if (projection->table.name == NULL) { /* the first time */
        projection->table.name = projection->name = take_text(&loading, "name", "name must be a text");
        projection->table.version = take_version(&loading);
        projection->table.parks = take_parks(&loading);
        projection->table.partitions = take_partitions(&loading);
        projection->table.create = projection->create =
            take_text(&loading, "create", "create must be a text, the statements that make the tables");
        projection->table.file = projection->file;
        projection->table.line = line_of_create(projection);
    }
    count = check_on(&loading);
    if (projection->types == NULL) keep_types(&loading, count);
    projection->table.types = (const char *const *)projection->types;
    worker->on = luaL_ref(lua, LUA_REGISTRYINDEX);
    changes_push(lua);
    worker->db = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

static void close_worker(void *opened)
{
    struct worker *worker = opened;

    if (worker == NULL) return;
    vm_close(worker->vm);
    free(worker);
}

static varve_status open_worker(void *ctx, void **opened, varve_error *error)
{
    struct lua_projection *projection = ctx;
    struct worker *worker = calloc(1, sizeof *worker);
    varve_status status;

    *opened = NULL;
    if (worker == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory for a worker", projection->file);
    worker->projection = projection;
    status = vm_open(&worker->vm, projection->file, error);
    if (status >= 0) status = vm_run(worker->vm, run_load, worker, VARVE_INVALID, error);
    if (status < 0) {
        close_worker(worker);
        return status;
    }
    *opened = worker;
    return VARVE_OK;
}

/* ---- applying ---- */

struct applying {
    const struct worker *worker;
    const varve_event *event;
};

static int run_apply(lua_State *lua)
{
    const struct applying *applying = lua_touserdata(lua, 1);
    varve_str type = applying->event->type;

    lua_rawgeti(lua, LUA_REGISTRYINDEX, applying->worker->on);
    lua_pushlstring(lua, type.ptr, type.len);
    if (lua_rawget(lua, -2) == LUA_TNIL) return 0;
    view_push_recorded(lua, applying->event);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, applying->worker->db);
    lua_call(lua, 2, 0);
    return 0;
}

static varve_status apply(void *opened, const varve_event *event, varve_model *model, varve_error *error)
{
    const struct worker *worker = opened;
    struct applying applying = { worker, event };
    varve_status status;

    worker->vm->asking = model;
    status = vm_run(worker->vm, run_apply, &applying, VARVE_APPLICATION, error);
    worker->vm->asking = NULL;
    return status;
}

/* ---- the projection ---- */

varve_status lua_projection_open(struct lua_projection **opened, const char *name, varve_str source, varve_error *error)
{
    struct lua_projection *projection = calloc(1, sizeof *projection);
    void *worker = NULL;
    varve_status status = VARVE_NOMEM;

    *opened = NULL;
    if (projection != NULL) {
        projection->file = strdup(name);
        varve_buf_str(&projection->source, source);
    }
    if (projection == NULL || projection->file == NULL || projection->source.failed)
        varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    else
        status = open_worker(projection, &worker, error);
    close_worker(worker);
    if (status < 0) {
        lua_projection_close(projection);
        return status;
    }
    projection->table.worker_open = open_worker;
    projection->table.worker_close = close_worker;
    projection->table.apply = apply;
    *opened = projection;
    return VARVE_OK;
}

varve_status lua_projection_add(struct lua_projection *projection, varve_engine *engine, varve_error *error)
{
    return varve_engine_add_projector(engine, &projection->table, projection, error);
}

const varve_projector *lua_projection_table(const struct lua_projection *projection)
{
    return &projection->table;
}

void lua_projection_close(struct lua_projection *projection)
{
    if (projection == NULL) return;
    for (char **type = projection->types; type != NULL && *type != NULL; type++) free(*type);
    free(projection->types);
    free(projection->name);
    free(projection->create);
    free(projection->file);
    varve_buf_fini(&projection->source);
    free(projection);
}
