/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/vm.h"

#include <lauxlib.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#define HOOK_INTERVAL         1000
#define BYTES_PER_INSTRUCTION 64
#define TEXT_HEADER_BYTES_MAX 64 /* what Lua puts before a text's bytes, and its terminator */

/* Before a block from vm_alloc; as large as the strictest alignment. */
union block_head {
    size_t size;
    max_align_t alignment;
};

/* Lua's allocator: enforces the ceiling, and charges for bytes, because functions in C run unseen by the hook. */
static void *allocate(void *ctx, void *block, size_t old_size, size_t new_size)
{
    struct vm *vm = ctx;
    bool is_text = block == NULL && old_size == LUA_TSTRING; /* of a new object Lua says the kind here */
    void *moved;

    if (block == NULL) old_size = 0;
    if (is_text && new_size > VM_TEXT_BYTES_MAX + TEXT_HEADER_BYTES_MAX) {
        vm->long_text = true;
        return NULL;
    }
    if (new_size == 0) {
        free(block);
        vm->used -= old_size;
        return NULL;
    }
    if (new_size > old_size) {
        if (new_size - old_size > VM_MEMORY_BYTES_MAX - vm->used) {
            vm->ceiling = true;
            return NULL;
        }
        vm->remaining -= (int64_t)((new_size - old_size) / BYTES_PER_INSTRUCTION);
    }
    moved = realloc(block, new_size);
    if (moved == NULL && new_size <= old_size)
        return block; /* Lua relies on shrinking to succeed; the block stays as large as it was */
    if (moved != NULL) vm->used += new_size - old_size;
    return moved;
}

/* "file:line: " of the innermost Lua function at or above `level`; false when there is none. */
static bool push_place(lua_State *lua, int level)
{
    lua_Debug where;

    for (; lua_getstack(lua, level, &where); level++) {
        lua_getinfo(lua, "Sl", &where);
        if (where.currentline > 0) {
            lua_pushfstring(lua, "%s:%d: ", vm_of(lua)->name, where.currentline);
            return true;
        }
    }
    return false;
}

/* ---- the allowance of a call ---- */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now = { 0 };

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/*
 * True when the call has used up its processor time, which a machine that stands still does not
 * use. Asking for it is a system call, so the coarse clock decides when it is worth it.
 */
static bool is_late(struct vm *vm)
{
    uint64_t now = read_clock(CLOCK_MONOTONIC_COARSE), allowed = vm->time_ms * (uint64_t)1000000, used;

    if (vm->cpu_ns == 0) {
        vm->cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
        vm->look_ns = now + allowed;
    }
    if (now < vm->look_ns) return false;
    used = read_clock(CLOCK_THREAD_CPUTIME_ID) - vm->cpu_ns;
    if (used >= allowed) return true;
    vm->look_ns = now + allowed - used;
    return false;
}

bool vm_spend(struct vm *vm, int64_t units)
{
    vm->remaining -= units;
    if (vm->remaining > 0 && is_late(vm)) {
        vm->late = true;
        vm->remaining = 0;
    }
    return vm->remaining > 0;
}

void vm_charge(lua_State *lua, int64_t units)
{
    struct vm *vm = vm_of(lua);

    if (vm_spend(vm, units)) return;
    if (!push_place(lua, 0)) lua_pushfstring(lua, "%s: ", vm->name);
    if (vm->late)
        lua_pushfstring(lua, "ran longer than %d ms of processor time", (int)vm->time_ms);
    else
        lua_pushfstring(lua, "ran longer than %d instructions: an endless loop?", VM_INSTRUCTIONS_MAX);
    lua_concat(lua, 2);
    lua_error(lua);
}

/* Once the allowance is used up every further interval raises again, so that no __close handler runs on. */
static void count_instructions(lua_State *lua, lua_Debug *where)
{
    (void)where;
    vm_charge(lua, HOOK_INTERVAL);
}

/* ---- memory outside of Lua's heap ---- */

void *vm_alloc(struct vm *vm, size_t size)
{
    union block_head *head = size > VM_MEMORY_BYTES_MAX ? NULL : allocate(vm, NULL, 0, sizeof *head + size);

    if (head == NULL) return NULL;
    head->size = sizeof *head + size;
    return head + 1;
}

void vm_free(struct vm *vm, void *block)
{
    union block_head *head = block;

    if (block != NULL) allocate(vm, head - 1, head[-1].size, 0);
}

/* ---- the interpreter ---- */

varve_status vm_open(struct vm **vm, const char *name, varve_error *error)
{
    struct vm *made = calloc(1, sizeof *made);

    *vm = NULL;
    if (made != NULL) made->lua = lua_newstate(allocate, made);
    if (made == NULL || made->lua == NULL) {
        free(made);
        return varve_error_set(error, VARVE_NOMEM, "%s: no memory for a Lua interpreter", name);
    }
    made->name = name;
    made->time_ms = VM_TIME_MS_MAX;
    *(struct vm **)lua_getextraspace(made->lua) = made;
    lua_sethook(made->lua, count_instructions, LUA_MASKCOUNT, HOOK_INTERVAL);
    *vm = made;
    return VARVE_OK;
}

void vm_close(struct vm *vm)
{
    if (vm == NULL) return;
    lua_close(vm->lua);
    varve_buf_fini(&vm->text);
    free(vm);
}

struct vm *vm_of(lua_State *lua)
{
    return *(struct vm **)lua_getextraspace(lua);
}

/* Message handler: turns any error value into text that starts with the file's name. */
static int place_message(lua_State *lua)
{
    const char *name = vm_of(lua)->name;
    const char *message = lua_tostring(lua, 1);

    if (message == NULL) message = lua_pushfstring(lua, "an error that is a %s, not a text", luaL_typename(lua, 1));
    if (strncmp(message, name, strlen(name)) == 0 && message[strlen(name)] == ':') return 1;
    if (!push_place(lua, 1)) lua_pushfstring(lua, "%s: ", name);
    lua_pushstring(lua, message);
    lua_concat(lua, 2);
    return 1;
}

varve_status vm_run(struct vm *vm, lua_CFunction body, void *call, varve_status failure, varve_error *error)
{
    lua_State *lua = vm->lua;
    int result;

    vm->remaining = VM_INSTRUCTIONS_MAX;
    vm->cpu_ns = 0;
    vm->ceiling = vm->long_text = vm->late = false;
    lua_settop(lua, 0);
    lua_pushcfunction(lua, place_message);
    lua_pushcfunction(lua, body);
    lua_pushlightuserdata(lua, call);
    result = lua_pcall(lua, 1, 0, 1);
    vm->subject = NULL;
    if (result == LUA_OK) return VARVE_OK;
    if (result == LUA_ERRMEM && vm->long_text)
        return varve_error_set(error, failure, "%s: makes a text of more than %u MiB", vm->name,
                               VM_TEXT_BYTES_MAX >> 20);
    if (result == LUA_ERRMEM && !vm->ceiling) return varve_error_set(error, VARVE_NOMEM, "%s: out of memory", vm->name);
    if (result == LUA_ERRMEM)
        return varve_error_set(error, failure, "%s: uses more than %u MiB of memory", vm->name,
                               VM_MEMORY_BYTES_MAX >> 20);
    if (lua_type(lua, -1) != LUA_TSTRING)
        return varve_error_set(error, failure, "%s: an error while reporting an error", vm->name);
    return varve_error_set(error, failure, "%s", lua_tostring(lua, -1));
}

_Noreturn void vm_fail_in(lua_State *lua, int function, const char *format, ...)
{
    lua_Debug where;
    va_list args;

    lua_pushvalue(lua, function);
    lua_getinfo(lua, ">S", &where);
    if (where.linedefined > 0)
        lua_pushfstring(lua, "%s:%d: ", vm_of(lua)->name, where.linedefined);
    else
        lua_pushfstring(lua, "%s: ", vm_of(lua)->name);
    va_start(args, format);
    lua_pushvfstring(lua, format, args);
    va_end(args);
    lua_concat(lua, 2);
    lua_error(lua);
    abort();
}
