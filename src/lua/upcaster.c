/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file upcasters/NAME.lua returns
 *
 *   { type = "OrderPlaced", schema_version = 1,       what it is for (schema_version: 1)
 *     into = { { type = …, schema_version = … }, … }, what it may give (the next schema_version of its type)
 *     upcast = function(event) … end }
 *
 * and its function returns an event {data?, type?, schema_version?, tags?, occurred_at?}, a list of them, or nil for
 * an event that is dropped. What is left out of data, tags and occurred_at stays as it was. That nothing at all is
 * returned is a mistake: events would be dropped by it.
 */
#include "lua/upcaster.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/arena.h"
#include "lua/document.h"
#include "lua/event.h"
#include "lua/module.h"
#include "lua/view.h"
#include "lua/vm.h"

#define INTO_MAX 64u

struct lua_upcaster {
    varve_upcaster table;
    char *name;
    varve_buf source;
    int line;            /* of its type */
    struct arena memory; /* its shapes */
};

struct worker {
    struct vm *vm;
    struct lua_upcaster *upcaster;
    int function; /* a reference */
};

/* ---- loading ---- */

struct loading {
    lua_State *lua;
    struct lua_upcaster *upcaster;
    bool keeps; /* its shapes: the first time */
};

static _Noreturn void fail(const struct loading *loading, const char *field, const char *problem)
{
    luaL_error(loading->lua, "%s:%d: %s", loading->upcaster->name,
               module_line_of(varve_buf_view(&loading->upcaster->source), field), problem);
    abort();
}

/* The shape in the table at `index`, copied. */
static varve_shape take_shape(const struct loading *loading, int index, const char *field)
{
    lua_State *lua = loading->lua;
    varve_str type = { NULL, 0 };
    varve_shape shape = { .schema_version = 1 };

    if (lua_getfield(lua, index, "type") != LUA_TSTRING) fail(loading, field, "a shape needs a type, which is a text");
    type.ptr = lua_tolstring(lua, -1, &type.len);
    if (memchr(type.ptr, '\0', type.len) != NULL) fail(loading, field, "a type is printable text");
    if (lua_getfield(lua, index, "schema_version") != LUA_TNIL) {
        lua_Integer version = lua_tointeger(lua, -1);
        if (!lua_isinteger(lua, -1) || version < 1 || version > UINT32_MAX)
            fail(loading, field, "schema_version must be an integer from 1");
        shape.schema_version = (uint32_t)version;
    }
    if (loading->keeps && !arena_copy(&loading->upcaster->memory, type, &type)) luaL_error(lua, "out of memory");
    shape.type = type.ptr;
    lua_pop(lua, 2);
    return shape;
}

/* The list on top of the stack, or one shape. */
static void take_into(const struct loading *loading)
{
    lua_State *lua = loading->lua;
    int list = lua_gettop(lua);
    varve_upcaster *table = &loading->upcaster->table;
    lua_Unsigned count = lua_istable(lua, list) ? lua_rawlen(lua, list) : 0;
    bool is_one = count == 0 && lua_istable(lua, list) && lua_getfield(lua, list, "type") != LUA_TNIL;

    lua_settop(lua, list);
    if ((count == 0 && !is_one) || count > INTO_MAX)
        fail(loading, "into", "into must be a list of { type = …, schema_version = … }, 1 to 64 of them");
    varve_shape *into = arena_array(&loading->upcaster->memory, is_one ? 1 : count, sizeof *into);
    if (into == NULL) {
        luaL_error(lua, "out of memory");
        return;
    }
    if (is_one) into[0] = take_shape(loading, list, "into");
    for (lua_Unsigned i = 0; i < count; i++) {
        if (lua_rawgeti(lua, list, (lua_Integer)i + 1) != LUA_TTABLE)
            fail(loading, "into", "into must be a list of { type = …, schema_version = … }");
        into[i] = take_shape(loading, list + 1, "into");
        lua_settop(lua, list);
    }
    table->into = into;
    table->into_count = is_one ? 1 : count;
}

static void check_names(const struct loading *loading, int table)
{
    static const char *const names[] = { "type", "schema_version", "into", "upcast", NULL };
    lua_State *lua = loading->lua;

    for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) {
        const char *const *name = names;
        if (lua_type(lua, -2) != LUA_TSTRING) fail(loading, "return", "an upcaster has named fields only");
        while (*name != NULL && strcmp(*name, lua_tostring(lua, -2)) != 0) name++;
        if (*name == NULL) {
            const char *unknown = lua_tostring(lua, -2);
            fail(loading, unknown,
                 lua_pushfstring(lua, "an upcaster has no field '%s' (they are type, schema_version, into, upcast)",
                                 unknown));
        }
    }
}

static int run_load(lua_State *lua)
{
    struct worker *worker = lua_touserdata(lua, 1);
    struct lua_upcaster *upcaster = worker->upcaster;
    struct loading loading = { lua, upcaster, upcaster->table.from.type == NULL };
    int table;

    module_run(lua, varve_buf_view(&upcaster->source), "{ type, schema_version, upcast, … }");
    table = lua_gettop(lua);
    check_names(&loading, table);
    if (loading.keeps) {
        upcaster->line = module_line_of(varve_buf_view(&upcaster->source), "type");
        if (lua_getfield(lua, table, "into") != LUA_TNIL) take_into(&loading);
        lua_settop(lua, table);
        upcaster->table.from = take_shape(&loading, table, "type");
    }
    if (lua_getfield(lua, table, "upcast") != LUA_TFUNCTION)
        fail(&loading, "upcast", "upcast must be a function that returns what an event is today");
    worker->function = luaL_ref(lua, LUA_REGISTRYINDEX);
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
    struct lua_upcaster *upcaster = ctx;
    struct worker *worker = calloc(1, sizeof *worker);
    varve_status status;

    *opened = NULL;
    if (worker == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory for a worker", upcaster->name);
    worker->upcaster = upcaster;
    status = vm_open(&worker->vm, upcaster->name, error);
    if (status >= 0) status = vm_run(worker->vm, run_load, worker, VARVE_INVALID, error);
    if (status < 0) {
        close_worker(worker);
        return status;
    }
    *opened = worker;
    return VARVE_OK;
}

/* ---- upcast ---- */

struct upcasting {
    const struct worker *worker;
    const varve_event *event;
    varve_upcasting *into;
    varve_status status;
};

/* Hands on the event at `index`; with what was left out as it was. */
static void give(lua_State *lua, struct upcasting *upcasting, int index, lua_Integer number)
{
    struct event_taken taken;
    const varve_event *old = upcasting->event;
    const char *problem = event_take(lua, index, &taken);

    if (problem != NULL) vm_fail_in(lua, 2, "upcast: event %I: %s", number, problem);
    if (taken.event.data.len == 0) {
        taken.event.data = old->data;
        taken.event.content_type = old->content_type;
    }
    if (taken.event.tags == NULL) {
        taken.event.tags = old->tags;
        taken.event.tag_count = old->tag_count;
    }
    upcasting->status = varve_upcast_emit(upcasting->into, &taken.event);
    if (upcasting->status < 0) vm_fail_in(lua, 2, "upcast: event %I", number);
}

static int run_upcast(lua_State *lua)
{
    struct upcasting *upcasting = lua_touserdata(lua, 1);
    lua_Unsigned count;

    lua_rawgeti(lua, LUA_REGISTRYINDEX, upcasting->worker->function);
    lua_pushvalue(lua, 2);
    view_push_event(lua, upcasting->event);
    lua_call(lua, 1, LUA_MULTRET);
    if (lua_gettop(lua) != 3)
        vm_fail_in(lua, 2, "upcast returns %s: one event, a list of events, or nil to drop it",
                   lua_gettop(lua) < 3 ? "nothing" : "several values");
    if (lua_isnil(lua, 3)) return 0;
    if (!lua_istable(lua, 3))
        vm_fail_in(lua, 2, "upcast returns a %s: one event, a list of events, or nil to drop it",
                   luaL_typename(lua, 3));
    count = lua_rawlen(lua, 3);
    if (count == 0 && !document_is_array(lua, 3)) {
        give(lua, upcasting, 3, 1);
        return 0;
    }
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(lua, 3, (lua_Integer)i);
        give(lua, upcasting, 4, (lua_Integer)i);
        lua_settop(lua, 3);
    }
    return 0;
}

static varve_status upcast(void *opened, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    const struct worker *worker = opened;
    struct upcasting upcasting = { worker, event, into, VARVE_OK };

    return vm_run(worker->vm, run_upcast, &upcasting, VARVE_APPLICATION, error);
}

/* ---- the upcaster ---- */

varve_status lua_upcaster_open(struct lua_upcaster **opened, const char *name, varve_str source, varve_error *error)
{
    struct lua_upcaster *upcaster = calloc(1, sizeof *upcaster);
    void *worker = NULL;
    varve_status status = VARVE_NOMEM;

    *opened = NULL;
    if (upcaster != NULL) {
        upcaster->name = strdup(name);
        varve_buf_str(&upcaster->source, source);
    }
    if (upcaster == NULL || upcaster->name == NULL || upcaster->source.failed)
        varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    else
        status = open_worker(upcaster, &worker, error);
    close_worker(worker);
    if (status < 0) {
        lua_upcaster_close(upcaster);
        return status;
    }
    upcaster->table.revision = varve_buf_view(&upcaster->source);
    upcaster->table.worker_open = open_worker;
    upcaster->table.worker_close = close_worker;
    upcaster->table.upcast = upcast;
    *opened = upcaster;
    return VARVE_OK;
}

varve_status lua_upcaster_add(struct lua_upcaster *upcaster, varve_engine *engine, varve_error *error)
{
    varve_error cause = { 0 };
    varve_status status = varve_engine_add_upcaster(engine, &upcaster->table, upcaster, &cause);

    if (status < 0) return varve_error_set(error, status, "%s:%d: %s", upcaster->name, upcaster->line, cause.message);
    return status;
}

const varve_upcaster *lua_upcaster_table(const struct lua_upcaster *upcaster)
{
    return &upcaster->table;
}

void lua_upcaster_close(struct lua_upcaster *upcaster)
{
    if (upcaster == NULL) return;
    free(upcaster->name);
    varve_buf_fini(&upcaster->source);
    arena_fini(&upcaster->memory);
    free(upcaster);
}
