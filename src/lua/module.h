/* SPDX-License-Identifier: Apache-2.0 */
/* An aggregate's Lua module: the table that aggregates/NAME.lua returns, checked; and what other modules need too. */
#ifndef VARVE_LUA_MODULE_H
#define VARVE_LUA_MODULE_H

#include <lua.h>
#include <varve/command.h>

/* The functions are references into the registry of the interpreter that loaded them. */
struct module {
    char category[VARVE_NAME_BYTES_MAX + 1]; /* "": it has `reads` */
    int category_line;                       /* where the file gives one or the other */
    uint32_t snapshot_every;                 /* 0: the engine's default; VARVE_NO_SNAPSHOTS */
    uint32_t state_version;
    int initial;                /* a function, or LUA_NOREF */
    int evolve;                 /* a table of functions by event type */
    int decide;                 /* a table of functions by command type */
    int reads;                  /* a function, or LUA_NOREF */
    int enrich;                 /* the same, or LUA_NOREF */
    uint32_t enrich_timeout_ms; /* 0: the engine's default */
    bool record_context;
};

/*
 * Runs the source in a fresh sandbox and checks the table it returns: known fields only, each of
 * its type. Raises a Lua error "file:line: …" for whatever is wrong. Once for each interpreter,
 * inside vm_run.
 */
void module_load(lua_State *lua, varve_str source, struct module *module);

/*
 * Runs the source in a fresh sandbox and leaves the table that it returns on the stack; `returns` says in an error what
 * it should look like. Otherwise as module_load.
 */
void module_run(lua_State *lua, varve_str source, const char *returns);

/* The line on which `field` is first given a value; 1 when it is written in some other way. */
int module_line_of(varve_str source, const char *field);

#endif
