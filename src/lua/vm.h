/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Lua interpreter with limits: one for each worker and application file. Every call into it is
 * bounded in instructions, and in processor time for what functions in C do between two of them;
 * the whole of it in memory.
 *
 * Lua reports errors by longjmp. So whatever may raise one runs inside vm_run, and memory that is
 * not Lua's own belongs to somebody who outlives the call: the caller, or `text` below.
 */
#ifndef VARVE_LUA_VM_H
#define VARVE_LUA_VM_H

#include <lua.h>
#include <varve/event.h>

/* What one call may run before it is stopped. An allocation costs an instruction for every 64 bytes. */
#define VM_INSTRUCTIONS_MAX 10000000
/* What one interpreter may hold. */
#define VM_MEMORY_BYTES_MAX (64u << 20)
/* A text's length. Comparing two texts is one instruction, whatever they are. */
#define VM_TEXT_BYTES_MAX (1u << 20)
/* The processor time of one call, a backstop: sensible code is stopped by its instructions long before. */
#define VM_TIME_MS_MAX 5000u

struct vm {
    lua_State *lua;
    const char *name;    /* of the file, as errors call it: "aggregates/order.lua" */
    size_t used;         /* bytes allocated */
    bool ceiling;        /* an allocation was refused during this call */
    bool long_text;      /* a text that is too long was refused during this call */
    bool late;           /* the call under way used up its time */
    int64_t remaining;   /* instructions left to the call under way */
    uint32_t time_ms;    /* VM_TIME_MS_MAX, unless a test says less */
    uint64_t cpu_ns;     /* the thread's processor time when the call was first seen; 0: not yet */
    uint64_t look_ns;    /* before then (CLOCK_MONOTONIC) the call cannot have used up its time */
    varve_buf text;      /* scratch that a Lua error does not leak; free for any use between two Lua calls */
    void *asking;        /* the enrichment under way; see ask.h */
    const void *subject; /* the event or command under way; see view.h */
};

/* An empty interpreter for one thread at a time. `name` is borrowed until vm_close. VARVE_NOMEM. */
varve_status vm_open(struct vm **vm, const char *name, varve_error *error);
/* NULL is allowed. */
void vm_close(struct vm *vm);

/* The vm that a lua_State belongs to. */
struct vm *vm_of(lua_State *lua);

/*
 * Runs `body`, which gets `call` as light userdata on an otherwise empty stack, with the full
 * allowance of instructions. A Lua error ends it with status `failure` and a message that starts with
 * file and line, or with VARVE_NOMEM when the system, not the ceiling, is out of memory.
 */
varve_status vm_run(struct vm *vm, lua_CFunction body, void *call, varve_status failure, varve_error *error);

/*
 * For work done in C: takes `units`, in instructions, off the allowance of the call under way.
 * vm_spend returns false once it is used up, in instructions or in time; vm_charge raises the Lua
 * error that says so, which pcall lets through.
 */
bool vm_spend(struct vm *vm, int64_t units);
void vm_charge(lua_State *lua, int64_t units);

/* Memory outside of Lua's heap that counts as the interpreter's; NULL when there is no more. Freed with vm_free. */
void *vm_alloc(struct vm *vm, size_t size);
/* NULL is allowed. */
void vm_free(struct vm *vm, void *block);

/*
 * Raises a Lua error that names the place where the Lua function at `function` is defined. The
 * format is lua_pushfstring's. Does not return.
 */
_Noreturn void vm_fail_in(lua_State *lua, int function, const char *format, ...);

#endif
