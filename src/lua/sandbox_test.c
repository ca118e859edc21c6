/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/sandbox.h"

#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lua/view.h"
#include "lua/vm.h"

/* Runs a script in a fresh interpreter; its result as text is in `out`. */
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

static varve_status run(const char *source, varve_buf *out, varve_error *error)
{
    struct script script = { source, out };
    struct vm *vm = NULL;
    varve_status status;

    assert_int_equal(vm_open(&vm, "t.lua", error), VARVE_OK);
    status = vm_run(vm, run_script, &script, VARVE_APPLICATION, error);
    vm_close(vm);
    return status;
}

static void expect(const char *source, const char *wanted)
{
    varve_buf out = { 0 };
    varve_error error = { 0 };

    if (run(source, &out, &error) < 0) fail_msg("%s: %s", source, error.message);
    assert_string_equal(out.ptr, wanted);
    varve_buf_fini(&out);
}

static void expect_error(const char *source, const char *wanted)
{
    varve_buf out = { 0 };
    varve_error error = { 0 };
    varve_status status = run(source, &out, &error);

    if (status != VARVE_APPLICATION) fail_msg("%s: returned %s", source, out.ptr);
    if (strstr(error.message, wanted) == NULL) fail_msg("%s: '%s' does not say '%s'", source, error.message, wanted);
    varve_buf_fini(&out);
}

static void what_is_dangerous_is_not_there(void **state)
{
    static const char *const gone[] = {
        "_G",
        "collectgarbage",
        "coroutine",
        "debug",
        "dofile",
        "io",
        "load",
        "loadfile",
        "loadstring",
        "module",
        "os",
        "package",
        "print",
        "rawset",
        "require",
        "warn",
        "xpcall",
        "math.random",
        "math.randomseed",
        "string.dump",
        "string.pack",
        "getfenv",
        "setfenv",
        "newproxy",
        "utf8.charpattern",
        "string.unpack",
        "_VERSION",
    };

    (void)state;
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        char source[64];
        snprintf(source, sizeof source, "return %s", gone[i]);
        expect(source, "nil");
    }
    expect("return ('').dump", "nil");
}

static void what_is_harmless_is_there(void **state)
{
    (void)state;
    expect("return math.floor(7.5) + math.maxinteger % 2", "8");
    expect("return ('x'):rep(3, '-') .. string.upper('a') .. ('abc'):sub(2, 2)", "x-x-xAb");
    expect("return string.format('%05.1f|%s|%d', 3.14159, 'x', 7)", "003.1|x|7");
    expect("return table.concat({1, 2, 3}, ',') .. #table.pack(table.unpack({1, 2}))", "1,2,32");
    expect("local t = {3, 1, 2}; table.sort(t, function(a, b) return a > b end); return table.concat(t)", "321");
    expect("return table.concat(table.move({1, 2, 3}, 2, 3, 1))", "233");
    expect("return utf8.len('h\xc3\xa9')", "2");
    expect("local ok, problem = pcall(error, 'x'); return tostring(ok) .. problem", "falsex");
    expect("return select('#', pcall(function() return 1, 2 end))", "3");
    expect("return tonumber('12') + #tostring(true)", "16");
    expect("local t = setmetatable({}, {__index = function(_, k) return k .. '!' end}); return t.hey", "hey!");
}

static void find_takes_plain_text(void **state)
{
    (void)state;
    expect("return table.concat({('hello'):find('l')}, ',')", "3,3");
    expect("return table.concat({('hello'):find('l', 4)}, ',')", "4,4");
    expect("return table.concat({('hello'):find('lo', -2)}, ',')", "4,5");
    expect("return table.concat({('a.b'):find('.', 1, true)}, ',')", "2,2");
    expect("return table.concat({('abc'):find('')}, ',')", "1,0");
    expect("return ('abc'):find('x')", "nil");
    expect("return ('abc'):find('a', 2)", "nil");
    expect("return ('abc'):find('', 5)", "nil");
    expect("return ('abc'):find('c', math.maxinteger)", "nil");
    expect("return ('abc'):find('a', math.mininteger)", "1");
    expect_error("return ('abc'):find('%w')", "patterns are not built yet");
    expect_error("return ('abc'):match('b')", "string.match is not built yet");
    expect_error("return string.gsub('abc', 'b', '')", "string.gsub is not built yet");
    expect_error("return string.gmatch('abc', 'b')", "string.gmatch is not built yet");
}

static void libraries_and_globals_are_constant(void **state)
{
    (void)state;
    expect_error("x = 1", "t.lua:1: 'x' cannot be assigned");
    expect_error("\n\nfunction helper() end", "t.lua:3: 'helper' cannot be assigned");
    expect_error("reject = nil", "cannot be assigned");
    expect_error("math.floor = nil", "'floor' cannot be assigned");
    expect_error("string.upper = string.lower", "cannot be assigned");
    expect_error("_ENV[1] = 1", "cannot be assigned");
    expect_error("setmetatable(_ENV, nil)", "cannot be changed");
    expect_error("setmetatable(math, {})", "cannot be changed");
    expect("return getmetatable(_ENV)", "false");
}

static void the_metatable_of_strings_is_out_of_reach(void **state)
{
    (void)state;
    expect("return getmetatable('')", "false");
    expect_error("getmetatable('').__index = {}", "t.lua:1:");
    expect_error("setmetatable('', {})", "table expected");
    expect_error("setmetatable(array(), {})", "cannot be changed");
    expect_error("setmetatable(reject('a'), nil)", "cannot be changed");
    expect("return getmetatable(null)", "false");
    expect("return getmetatable(reject('a'))", "false");
}

static void finalisers_are_refused(void **state)
{
    (void)state;
    expect_error("setmetatable({}, {__gc = function() while true do end end})", "finalisers");
    /* Added later it never runs, for Lua looks when the metatable is set. */
    expect("local m = {}; setmetatable({}, m); m.__gc = function() while true do end end; return 1", "1");
}

static void endless_loops_end(void **state)
{
    (void)state;
    expect_error("while true do end", "t.lua:1: ran longer than 10000000 instructions");
    expect_error("local x = 0\nrepeat\n x = x + 1\nuntil false", "t.lua:");
    expect_error("local function f() return f() end; return f()", "ran longer");
    expect_error("for i = 1, math.maxinteger do end", "ran longer");
    expect_error("local t = setmetatable({}, {__index = function(t, k) while true do end end}); return t.x",
                 "ran longer");
    expect_error("for _ in function() return 1 end do end", "ran longer");
    expect_error("local function f() return 1 + f() end; return f()", "t.lua:");
}

static void pcall_does_not_stop_the_limits(void **state)
{
    (void)state;
    expect_error("while true do pcall(function() while true do end end) end", "ran longer");
    expect_error("pcall(function() while true do end end); return 'survived'", "ran longer");
    expect_error("local function f() pcall(f); while true do end end; f()", "ran longer");
    expect_error("local c <close> = setmetatable({}, {__close = function() while true do end end})\n"
                 "while true do end",
                 "ran longer");
    expect_error("while true do pcall(error) end", "ran longer");
    expect_error("local t = {}; pcall(function() while true do t[#t + 1] = {} end end) return 'survived'", "t.lua:");
}

static void memory_has_a_ceiling(void **state)
{
    (void)state;
    expect_error("local s = ('x'):rep(1 << 19); while true do s = s .. s end", "t.lua");
    expect_error("local t = {}; for i = 1, 1000 do t[i] = ('x'):rep(500000) .. i end", "more than 64 MiB of memory");
    expect_error("local s = ('x'):rep(1 << 19); local t = {}\n"
                 "pcall(function() for i = 1, 1000 do t[i] = s .. i end end); return 'survived'",
                 "more than 64 MiB of memory");
    /* What is thrown away does not count, but making it costs instructions. */
    expect("local s = ('x'):rep(1 << 19); for i = 1, 300 do local t = s .. i end; return 'done'", "done");
    expect_error("local s = ('x'):rep(1 << 19); for i = 1, 3000 do local t = s .. i end", "ran longer");
}

static void functions_in_c_are_bounded(void **state)
{
    (void)state;
    expect_error("return (''):rep(1 << 62)", "string.rep makes at most");
    expect_error("return ('x'):rep(1 << 21)", "string.rep makes at most");
    expect_error("return ('x'):rep(2, ('y'):rep(1 << 20))", "string.rep makes at most");
    expect("return ('x'):rep(-1) .. ('x'):rep(0)", "");
    expect_error("table.move({}, 1, 1 << 60, 2)", "too many elements");
    expect_error("table.move({}, math.mininteger, math.maxinteger, 2)", "too many elements");
    expect_error("table.concat(setmetatable({}, {__index = tostring}), '', 1, 1 << 60)", "without metatable");
    expect_error("table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)", "without metatable");
    expect_error("local t = {}; for i = 62, 0, -1 do t[1 << i] = 1 end; table.insert(t, 1, 1)", "too many elements");
    expect_error("local t = {}; for i = 1, 70000 do t[i] = i end; table.sort(t)", "too many elements");
    expect_error("return table.unpack({}, 1, 1 << 40)", "too many results");
}

static void only_text_is_loaded(void **state)
{
    (void)state;
    expect_error("\x1bLua", "binary chunk");
    expect_error("return 1 +", "t.lua:1:");
    expect_error("\n\nlocal x = = 2", "t.lua:3:");
}

static void errors_name_the_line(void **state)
{
    (void)state;
    expect_error("local x\nreturn x.y", "t.lua:2: attempt to index a nil value (local 'x')");
    expect_error("\nerror('broken', 0)", "t.lua:2: broken");
    expect_error("\nerror({})", "t.lua:2: an error that is a table, not a text");
    expect_error("\nerror()", "t.lua:2: an error that is a nil");
    expect_error("\n\nreturn reject()", "t.lua:3: bad argument #1 to 'reject'");
    expect_error("return reject('')", "a code is 1 to 255 bytes");
    expect_error("return reject('a\\nb')", "a code is 1 to 255 bytes");
    expect_error("return reject('a', '\\xff')", "a message is UTF-8 text");
    expect_error("error('\\xff\\n')", "t.lua:1: ");
    expect_error("return array(1)", "table expected");
    expect_error("return array(setmetatable({}, {}))", "metatable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_dangerous_is_not_there),
        cmocka_unit_test(what_is_harmless_is_there),
        cmocka_unit_test(find_takes_plain_text),
        cmocka_unit_test(libraries_and_globals_are_constant),
        cmocka_unit_test(the_metatable_of_strings_is_out_of_reach),
        cmocka_unit_test(finalisers_are_refused),
        cmocka_unit_test(endless_loops_end),
        cmocka_unit_test(pcall_does_not_stop_the_limits),
        cmocka_unit_test(memory_has_a_ceiling),
        cmocka_unit_test(functions_in_c_are_bounded),
        cmocka_unit_test(only_text_is_loaded),
        cmocka_unit_test(errors_name_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
