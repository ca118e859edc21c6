/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/script_fixture.h"

#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lua/sandbox.h"
#include "lua/view.h"
#include "lua/vm.h"

struct script {
    const char *source;
    varve_buf *out;
};

static int run_script(lua_State *lua)
{
    struct script *script = lua_touserdata(lua, 1);
    size_t len;
    const char *text;

    view_init(lua);
    sandbox_push(lua);
    if (luaL_loadbufferx(lua, script->source, strlen(script->source), "@t.lua", "t") != LUA_OK) return lua_error(lua);
    lua_pushvalue(lua, 2);
    lua_setupvalue(lua, -2, 1);
    lua_call(lua, 0, 1);
    text = luaL_tolstring(lua, -1, &len);
    varve_buf_add(script->out, text, len);
    return 0;
}

static varve_status run(uint32_t time_ms, const char *source, varve_buf *out, varve_error *error)
{
    struct script script = { source, out };
    struct vm *vm = NULL;
    varve_status status;

    assert_int_equal(vm_open(&vm, "t.lua", error), VARVE_OK);
    vm->time_ms = time_ms;
    status = vm_run(vm, run_script, &script, VARVE_APPLICATION, error);
    assert_true(vm->used <= VM_MEMORY_BYTES_MAX);
    vm_close(vm);
    return status;
}

void script_returns(const char *source, const char *wanted)
{
    varve_buf out = { 0 };
    varve_error error = { 0 };

    if (run(VM_TIME_MS_MAX, source, &out, &error) < 0) fail_msg("%.1000s: %s", source, error.message);
    assert_string_equal(out.ptr, wanted);
    varve_buf_fini(&out);
}

void script_fails_within(uint32_t time_ms, const char *source, const char *wanted)
{
    varve_buf out = { 0 };
    varve_error error = { 0 };
    varve_status status = run(time_ms, source, &out, &error);

    if (status != VARVE_APPLICATION) fail_msg("%.1000s: returned %s", source, out.ptr);
    if (strstr(error.message, wanted) == NULL)
        fail_msg("%.1000s: '%s' does not say '%s'", source, error.message, wanted);
    varve_buf_fini(&out);
}

void script_fails(const char *source, const char *wanted)
{
    script_fails_within(VM_TIME_MS_MAX, source, wanted);
}
