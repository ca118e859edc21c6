/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/view.h"

#include <lauxlib.h>

#include "lua/document.h"
#include "lua/vm.h"

/* Registry keys: the metatables, and the view under way. */
static const char event_views, recorded_views, command_views, current_view;

struct field {
    const char *name;
    void (*push)(lua_State *lua, const void *subject);
};

static void push_str(lua_State *lua, varve_str text)
{
    lua_pushlstring(lua, text.len == 0 ? "" : text.ptr, text.len);
}

static void push_optional(lua_State *lua, varve_str text)
{
    if (text.len == 0)
        lua_pushnil(lua);
    else
        push_str(lua, text);
}

static void push_time(lua_State *lua, varve_time time)
{
    char text[VARVE_TIME_TEXT_BYTES];

    varve_time_format(time, text);
    lua_pushstring(lua, text);
}

static void push_id(lua_State *lua, varve_uuid id)
{
    char text[VARVE_UUID_TEXT_BYTES];

    varve_uuid_format(id, text);
    lua_pushstring(lua, text);
}

static void push_document(lua_State *lua, varve_str json, const char *what)
{
    document_push(lua, json.len == 0 ? VARVE_STR("{}") : json, what);
}

static bool holds_json(varve_str content_type)
{
    return content_type.len == 0 || varve_str_is(content_type, "application/json") ||
           (content_type.len > 5 && memcmp(content_type.ptr + content_type.len - 5, "+json", 5) == 0);
}

/* ---- an event's fields ---- */

static void event_type(lua_State *lua, const void *subject)
{
    push_str(lua, ((const varve_event *)subject)->type);
}

static void event_stream(lua_State *lua, const void *subject)
{
    push_str(lua, ((const varve_event *)subject)->stream);
}

static void event_aggregate_id(lua_State *lua, const void *subject)
{
    push_str(lua, varve_stream_aggregate_id(((const varve_event *)subject)->stream));
}

static void event_version(lua_State *lua, const void *subject)
{
    lua_pushinteger(lua, (lua_Integer)((const varve_event *)subject)->version);
}

/* Data of another content type is its bytes. */
static void event_data(lua_State *lua, const void *subject)
{
    const varve_event *event = subject;

    if (holds_json(event->content_type))
        push_document(lua, event->data, "event.data");
    else
        push_str(lua, event->data);
}

static void event_metadata(lua_State *lua, const void *subject)
{
    push_document(lua, ((const varve_event *)subject)->metadata, "event.metadata");
}

static void event_occurred_at(lua_State *lua, const void *subject)
{
    varve_time time = ((const varve_event *)subject)->occurred_at;

    if (time == 0)
        lua_pushnil(lua);
    else
        push_time(lua, time);
}

static void event_id(lua_State *lua, const void *subject)
{
    push_id(lua, ((const varve_event *)subject)->id);
}

static void event_tags(lua_State *lua, const void *subject)
{
    const varve_event *event = subject;

    lua_createtable(lua, (int)event->tag_count, 0);
    document_mark_array(lua);
    for (size_t i = 0; i < event->tag_count; i++) {
        push_str(lua, event->tags[i]);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
}

static void event_position(lua_State *lua, const void *subject)
{
    lua_pushinteger(lua, (lua_Integer)((const varve_event *)subject)->position);
}

static void event_recorded_at(lua_State *lua, const void *subject)
{
    push_time(lua, ((const varve_event *)subject)->recorded_at);
}

/* What an event has before it is in the log, and then. */
#define EVENT_FIELDS                                                                                          \
    { "data", event_data }, { "type", event_type }, { "stream", event_stream },                               \
        { "aggregate_id", event_aggregate_id }, { "version", event_version }, { "metadata", event_metadata }, \
        { "occurred_at", event_occurred_at }, { "id", event_id },                                             \
    {                                                                                                         \
        "tags", event_tags                                                                                    \
    }

static const struct field event_fields[] = { EVENT_FIELDS, { NULL, NULL } };

static const struct field recorded_fields[] = {
    EVENT_FIELDS, { "position", event_position }, { "recorded_at", event_recorded_at }, { NULL, NULL }
};

/* ---- a command's fields ---- */

static void command_type(lua_State *lua, const void *subject)
{
    push_str(lua, ((const varve_command *)subject)->type);
}

static void command_stream(lua_State *lua, const void *subject)
{
    push_str(lua, ((const varve_command *)subject)->stream);
}

static void command_aggregate_id(lua_State *lua, const void *subject)
{
    push_str(lua, varve_stream_aggregate_id(((const varve_command *)subject)->stream));
}

static void command_data(lua_State *lua, const void *subject)
{
    push_document(lua, ((const varve_command *)subject)->data, "command.data");
}

static void command_id(lua_State *lua, const void *subject)
{
    push_id(lua, ((const varve_command *)subject)->id);
}

static void command_time(lua_State *lua, const void *subject)
{
    push_time(lua, ((const varve_command *)subject)->time);
}

static void command_actor(lua_State *lua, const void *subject)
{
    push_optional(lua, ((const varve_command *)subject)->actor);
}

static void command_correlation_id(lua_State *lua, const void *subject)
{
    push_optional(lua, ((const varve_command *)subject)->correlation_id);
}

static void command_context(lua_State *lua, const void *subject)
{
    varve_str context = ((const varve_command *)subject)->context;

    if (context.len == 0)
        lua_pushnil(lua);
    else
        push_document(lua, context, "command.context");
}

static const struct field command_fields[] = {
    { "data", command_data },       { "type", command_type },
    { "stream", command_stream },   { "aggregate_id", command_aggregate_id },
    { "id", command_id },           { "time", command_time },
    { "actor", command_actor },     { "correlation_id", command_correlation_id },
    { "context", command_context }, { NULL, NULL },
};

/* ---- the views ---- */

/* __index(view, name): makes the field and keeps it in the table. Upvalues: the fields, what a view is called. */
static int make_field(lua_State *lua)
{
    const struct field *field = lua_touserdata(lua, lua_upvalueindex(1));
    const char *what = lua_tostring(lua, lua_upvalueindex(2));
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";

    while (field->name != NULL && strcmp(field->name, name) != 0) field++;
    if (field->name == NULL)
        return luaL_error(lua, "%s has no field '%s': what was sent is in %s.data", what,
                          lua_isstring(lua, 2) ? lua_tostring(lua, 2) : luaL_typename(lua, 2), what);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &current_view);
    if (vm_of(lua)->subject == NULL || !lua_rawequal(lua, -1, 1))
        return luaL_error(lua, "this %s is over: copy what is needed from it", what);
    field->push(lua, vm_of(lua)->subject);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, -2);
    lua_rawset(lua, 1);
    return 1;
}

static void init_kind(lua_State *lua, const char *key, const struct field *fields, const char *what)
{
    lua_createtable(lua, 0, 2);
    lua_pushlightuserdata(lua, (void *)fields);
    lua_pushstring(lua, what);
    lua_pushcclosure(lua, make_field, 2);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, key);
}

void view_init(lua_State *lua)
{
    init_kind(lua, &event_views, event_fields, "event");
    init_kind(lua, &recorded_views, recorded_fields, "event");
    init_kind(lua, &command_views, command_fields, "command");
    lua_pushboolean(lua, false); /* so that later only an existing slot is set */
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &current_view);
}

static void push_view(lua_State *lua, const char *key, const void *subject)
{
    lua_createtable(lua, 0, 4);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, key);
    lua_setmetatable(lua, -2);
    lua_pushvalue(lua, -1);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &current_view);
    vm_of(lua)->subject = subject;
}

void view_push_event(lua_State *lua, const varve_event *event)
{
    push_view(lua, &event_views, event);
}

void view_push_recorded(lua_State *lua, const varve_event *event)
{
    push_view(lua, &recorded_views, event);
}

void view_push_command(lua_State *lua, const varve_command *command)
{
    push_view(lua, &command_views, command);
}
