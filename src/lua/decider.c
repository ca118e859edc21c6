/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Lua functions get and return these values, and mistakes are errors rather than guesses:
 *
 *   initial()               returns a new state, a table
 *   evolve.TYPE(state, e)   returns the state: the table it got, changed, or another one; never nil
 *   decide.TYPE(state, c)   returns events or a rejection, and leaves the state as it is
 *   reads(c)                returns what the state is folded from, in place of a category
 *   enrich.TYPE(c, ask)     returns the context, a value that JSON has, or nil
 *
 * A state lives in its worker's interpreter, held by a reference from the registry.
 */
#include "lua/decider.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "lua/ask.h"
#include "lua/decision.h"
#include "lua/document.h"
#include "lua/fingerprint.h"
#include "lua/module.h"
#include "lua/reads.h"
#include "lua/view.h"
#include "lua/vm.h"

#define NEARLY_FULL (VM_MEMORY_BYTES_MAX / 4 * 3)

struct lua_decider {
    varve_decider table;
    char **enriched;                 /* the names in the module's enrich, ended by NULL; NULL: it has none */
    char **decided;                  /* the same of its decide, when it has reads */
    varve_command_handler *commands; /* one for each of those */
    struct module module;            /* category and numbers; the references belong to a vm that is gone */
    char *name;
    varve_buf source;
};

struct worker {
    struct vm *vm;
    struct module module;
};

struct state {
    struct worker *worker; /* NULL until `initial` succeeded */
    int reference;
};

/* ---- workers ---- */

struct load {
    varve_str source;
    struct module *module;
};

static int run_load(lua_State *lua)
{
    struct load *load = lua_touserdata(lua, 1);

    module_load(lua, load->source, load->module);
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
    struct lua_decider *decider = ctx;
    struct worker *worker = calloc(1, sizeof *worker);
    struct load load = { varve_buf_view(&decider->source), NULL };
    varve_status status;

    *opened = NULL;
    if (worker == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory for a worker", decider->name);
    load.module = &worker->module;
    status = vm_open(&worker->vm, decider->name, error);
    if (status >= 0) status = vm_run(worker->vm, run_load, &load, VARVE_INVALID, error);
    if (status < 0) {
        close_worker(worker);
        return status;
    }
    *opened = worker;
    return VARVE_OK;
}

static int run_collect(lua_State *lua)
{
    lua_gc(lua, LUA_GCCOLLECT);
    return 0;
}

/* What is garbage does not count, but is only looked for when it might matter. */
static bool is_full(void *opened)
{
    struct vm *vm = ((struct worker *)opened)->vm;

    if (vm->used < NEARLY_FULL) return false;
    (void)vm_run(vm, run_collect, NULL, VARVE_APPLICATION, NULL);
    return vm->used >= NEARLY_FULL;
}

/* ---- states ---- */

struct making {
    struct worker *worker;
    int reference;
};

static int run_initial(lua_State *lua)
{
    struct making *making = lua_touserdata(lua, 1);

    if (making->worker->module.initial == LUA_NOREF) {
        lua_newtable(lua);
    } else {
        lua_rawgeti(lua, LUA_REGISTRYINDEX, making->worker->module.initial);
        lua_pushvalue(lua, -1);
        lua_call(lua, 0, 1);
        if (!lua_istable(lua, -1)) vm_fail_in(lua, 2, "initial must return a table, not %s", luaL_typename(lua, -1));
    }
    making->reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

static varve_status initial(void *opened, void *fresh, varve_error *error)
{
    struct making making = { opened, LUA_NOREF };
    struct state *state = fresh;
    varve_status status = vm_run(making.worker->vm, run_initial, &making, VARVE_APPLICATION, error);

    if (status < 0) return status;
    state->worker = making.worker;
    state->reference = making.reference;
    return VARVE_OK;
}

/* luaL_unref sets slots of the registry that exist, so it neither allocates nor raises. */
static void fini(void *used)
{
    struct state *state = used;

    if (state->worker == NULL) return;
    luaL_unref(state->worker->vm->lua, LUA_REGISTRYINDEX, state->reference);
    state->worker = NULL;
}

/* ---- evolve ---- */

struct evolving {
    struct state *state;
    const varve_event *event;
};

/* Pushes the function called `name` of the table at `reference`; false when there is none. */
static bool push_function(lua_State *lua, int reference, varve_str name)
{
    lua_rawgeti(lua, LUA_REGISTRYINDEX, reference);
    lua_pushlstring(lua, name.ptr, name.len);
    lua_rawget(lua, -2);
    lua_remove(lua, -2);
    return !lua_isnil(lua, -1);
}

/* A type as terminated text for a message, kept by the stack. */
static const char *push_type(lua_State *lua, varve_str type)
{
    return lua_pushlstring(lua, type.ptr, type.len);
}

static int run_evolve(lua_State *lua)
{
    struct evolving *evolving = lua_touserdata(lua, 1);
    struct state *state = evolving->state;
    int results;

    if (!push_function(lua, state->worker->module.evolve, evolving->event->type)) return 0;
    lua_pushvalue(lua, 2);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, state->reference);
    view_push_event(lua, evolving->event);
    lua_call(lua, 2, LUA_MULTRET);
    results = lua_gettop(lua) - 2;
    if (results != 1 || !lua_istable(lua, 3))
        vm_fail_in(lua, 2, "evolve.%s must return the state, a table, not %s", push_type(lua, evolving->event->type),
                   results == 0  ? "nothing"
                   : results > 1 ? "several values"
                                 : luaL_typename(lua, 3));
    lua_rawseti(lua, LUA_REGISTRYINDEX, state->reference);
    return 0;
}

static varve_status evolve(void *used, const varve_event *event, varve_error *error)
{
    struct evolving evolving = { used, event };

    return vm_run(evolving.state->worker->vm, run_evolve, &evolving, VARVE_APPLICATION, error);
}

/* ---- decide ---- */

struct deciding {
    const struct state *state;
    const varve_command *command;
    varve_decision *decision;
    varve_error *error;
    varve_status status;
};

static int run_decide(lua_State *lua)
{
    struct deciding *deciding = lua_touserdata(lua, 1);
    const struct module *module = &deciding->state->worker->module;
    const varve_command *command = deciding->command;
    uint64_t fingerprint;

    if (!push_function(lua, module->decide, command->type)) {
        deciding->status = varve_error_set(deciding->error, VARVE_NOT_FOUND, "no command %.*s in category %s",
                                           (int)command->type.len, command->type.ptr, module->category);
        return 0;
    }
    lua_rawgeti(lua, LUA_REGISTRYINDEX, deciding->state->reference);
    fingerprint = fingerprint_of(lua, 3);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, 3);
    view_push_command(lua, command);
    lua_call(lua, 2, LUA_MULTRET);
    if (lua_gettop(lua) > 4)
        vm_fail_in(lua, 2, "decide.%s returns several values: several events are a list",
                   push_type(lua, command->type));
    if (fingerprint_of(lua, 3) != fingerprint)
        vm_fail_in(lua, 2, "decide.%s changed the state: only evolve may", push_type(lua, command->type));
    lua_settop(lua, 4);
    deciding->status = decision_take(lua, 4, 2, command->type, deciding->decision);
    return 0;
}

static varve_status decide(const void *used, const varve_command *command, varve_decision *decision, varve_error *error)
{
    struct deciding deciding = { used, command, decision, error, VARVE_OK };
    varve_status status = vm_run(deciding.state->worker->vm, run_decide, &deciding, VARVE_APPLICATION, error);

    return status < 0 ? status : deciding.status;
}

/* ---- reads ---- */

struct asking {
    struct worker *worker;
    const varve_command *command;
    varve_reading *reading;
};

static int run_reads(lua_State *lua)
{
    struct asking *asking = lua_touserdata(lua, 1);

    lua_rawgeti(lua, LUA_REGISTRYINDEX, asking->worker->module.reads);
    lua_pushvalue(lua, 2);
    view_push_command(lua, asking->command);
    lua_call(lua, 1, 1);
    reads_take(lua, 3, 2, asking->reading);
    return 0;
}

static varve_status reads(void *opened, const varve_command *command, varve_reading *reading, varve_error *error)
{
    struct asking asking = { opened, command, reading };

    return vm_run(asking.worker->vm, run_reads, &asking, VARVE_APPLICATION, error);
}

/* ---- enrich ---- */

struct enriching {
    struct worker *worker;
    const varve_command *command;
    varve_buf *context;
    struct ask ask;
};

static int run_enrich(lua_State *lua)
{
    struct enriching *enriching = lua_touserdata(lua, 1);
    const varve_command *command = enriching->command;
    const char *problem;

    if (!push_function(lua, enriching->worker->module.enrich, command->type)) return 0;
    lua_pushvalue(lua, 2);
    view_push_command(lua, command);
    ask_push(lua);
    lua_call(lua, 2, LUA_MULTRET);
    if (lua_gettop(lua) > 3)
        vm_fail_in(lua, 2, "enrich.%s returns several values: a context is one", push_type(lua, command->type));
    if (lua_gettop(lua) < 3 || lua_isnil(lua, 3)) return 0;
    problem = document_write(lua, 3, enriching->context);
    if (problem != NULL)
        vm_fail_in(lua, 2, "enrich.%s: the context cannot be written: %s", push_type(lua, command->type), problem);
    return 0;
}

static varve_status enrich(void *opened, const varve_command *command, varve_enrichment *enrichment, varve_buf *context,
                           varve_error *error)
{
    struct enriching enriching = { opened, command, context, { .enrichment = enrichment } };
    struct vm *vm = enriching.worker->vm;
    varve_status status;

    vm->asking = &enriching.ask;
    status = vm_run(vm, run_enrich, &enriching, VARVE_APPLICATION, error);
    vm->asking = NULL;
    ask_fini(&enriching.ask);
    return status;
}

/* ---- encode and decode ---- */

struct encoding {
    const struct state *state;
    varve_buf *json;
};

static int run_encode(lua_State *lua)
{
    struct encoding *encoding = lua_touserdata(lua, 1);
    const char *problem;

    lua_rawgeti(lua, LUA_REGISTRYINDEX, encoding->state->reference);
    problem = document_write(lua, -1, encoding->json);
    if (problem != NULL) return luaL_error(lua, "the state cannot be written: %s", problem);
    return 0;
}

static varve_status encode(const void *used, varve_buf *json, varve_error *error)
{
    struct encoding encoding = { used, json };

    return vm_run(encoding.state->worker->vm, run_encode, &encoding, VARVE_APPLICATION, error);
}

struct decoding {
    struct state *state;
    varve_str json;
};

static int run_decode(lua_State *lua)
{
    struct decoding *decoding = lua_touserdata(lua, 1);

    document_push(lua, decoding->json, "the snapshot");
    if (!lua_istable(lua, -1)) return luaL_error(lua, "the snapshot is not a table");
    lua_rawseti(lua, LUA_REGISTRYINDEX, decoding->state->reference);
    return 0;
}

static varve_status decode(void *used, varve_str json, varve_error *error)
{
    struct decoding decoding = { used, json };

    return vm_run(decoding.state->worker->vm, run_decode, &decoding, VARVE_APPLICATION, error);
}

/* ---- the decider ---- */

struct naming {
    int reference;
    char **names;
    bool failed; /* memory was out */
};

static int run_naming(lua_State *lua)
{
    struct naming *naming = lua_touserdata(lua, 1);
    size_t count = 0;

    lua_rawgeti(lua, LUA_REGISTRYINDEX, naming->reference);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) count++;
    naming->names = calloc(count + 1, sizeof(char *));
    naming->failed = naming->names == NULL;
    count = 0;
    for (lua_pushnil(lua); !naming->failed && lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
        naming->names[count] = strdup(lua_tostring(lua, -2));
        naming->failed = naming->names[count++] == NULL;
    }
    return 0;
}

/* The names in the table at `reference`, which have to be known without the interpreter; NULL when there is none. */
static varve_status take_names(const struct lua_decider *decider, const struct worker *worker, int reference,
                               char ***names, varve_error *error)
{
    struct naming naming = { .reference = reference };
    varve_status status;

    if (reference == LUA_NOREF) return VARVE_OK;
    status = vm_run(worker->vm, run_naming, &naming, VARVE_INVALID, error);
    *names = naming.names;
    if (status >= 0 && naming.failed)
        status = varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", decider->name);
    return status;
}

/* A decider over a query is found by the types that it decides. */
static varve_status list_commands(struct lua_decider *decider, const struct worker *worker, varve_error *error)
{
    size_t count = 0;
    varve_status status;

    if (worker->module.reads == LUA_NOREF) return VARVE_OK;
    status = take_names(decider, worker, worker->module.decide, &decider->decided, error);
    if (status < 0) return status;
    while (decider->decided[count] != NULL) count++;
    decider->commands = calloc(count + 1, sizeof *decider->commands);
    if (decider->commands == NULL)
        return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", decider->name);
    for (size_t i = 0; i < count; i++) decider->commands[i] = (varve_command_handler){ decider->decided[i], decide };
    return VARVE_OK;
}

/* Loads the source as a worker does, and makes and writes one state, so that mistakes show before anything runs. */
static varve_status try_out(struct lua_decider *decider, varve_error *error)
{
    void *worker = NULL;
    struct state state = { NULL, LUA_NOREF };
    varve_buf json = { 0 };
    varve_status status = open_worker(decider, &worker, error);

    if (worker != NULL) {
        decider->module = ((const struct worker *)worker)->module;
        status = take_names(decider, worker, decider->module.enrich, &decider->enriched, error);
        if (status >= 0) status = list_commands(decider, worker, error);
        if (status >= 0) status = initial(worker, &state, error);
    }
    if (state.worker != NULL) status = encode(&state, &json, error);
    if (status == VARVE_APPLICATION && error != NULL) error->status = VARVE_INVALID;
    fini(&state);
    close_worker(worker);
    varve_buf_fini(&json);
    return status == VARVE_APPLICATION ? VARVE_INVALID : status;
}

varve_status lua_decider_open(struct lua_decider **opened, const char *name, varve_str source, varve_error *error)
{
    struct lua_decider *decider = calloc(1, sizeof *decider);
    varve_status status = VARVE_NOMEM;

    *opened = NULL;
    if (decider != NULL) {
        decider->name = strdup(name);
        varve_buf_str(&decider->source, source);
    }
    if (decider == NULL || decider->name == NULL || decider->source.failed)
        varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    else
        status = try_out(decider, error);
    if (status < 0) {
        lua_decider_close(decider);
        return status;
    }
    decider->table = (varve_decider){
        .category = decider->commands == NULL ? decider->module.category : NULL,
        .state_size = sizeof(struct state),
        .snapshot_every = decider->module.snapshot_every,
        .state_version = decider->module.state_version,
        .worker_open = open_worker,
        .worker_close = close_worker,
        .worker_is_full = is_full,
        .initial = initial,
        .fini = fini,
        .evolve = evolve,
        .commands = decider->commands,
        .decide = decider->commands == NULL ? decide : NULL,
        .reads = decider->commands == NULL ? NULL : reads,
        .encode = encode,
        .decode = decode,
        .enrich = decider->enriched != NULL ? enrich : NULL,
        .enriched = (const char *const *)decider->enriched,
        .enrich_timeout_ms = decider->module.enrich_timeout_ms,
        .record_context = decider->module.record_context,
    };
    *opened = decider;
    return VARVE_OK;
}

varve_status lua_decider_add(struct lua_decider *decider, varve_engine *engine, varve_error *error)
{
    varve_error cause = { 0 };
    varve_status status = varve_engine_add_decider(engine, &decider->table, decider, &cause);

    if (status < 0)
        return varve_error_set(error, status, "%s:%d: %s", decider->name, decider->module.category_line, cause.message);
    return status;
}

const varve_decider *lua_decider_table(const struct lua_decider *decider)
{
    return &decider->table;
}

static void free_names(char **names)
{
    for (char **name = names; name != NULL && *name != NULL; name++) free(*name);
    free(names);
}

void lua_decider_close(struct lua_decider *decider)
{
    if (decider == NULL) return;
    free_names(decider->enriched);
    free_names(decider->decided);
    free(decider->commands);
    free(decider->name);
    varve_buf_fini(&decider->source);
    free(decider);
}
