/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/sandbox.h"

#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lua/script_fixture.h"

/* Walking a table that was large once costs as much as it did then. */
#define EMPTIED_TABLE "local t = {}; for i = 1, 100000 do t['k' .. i] = 1 end; for k in pairs(t) do t[k] = nil end "

/* b and c, which are equal up to the end. */
#define TWO_LONG_TEXTS "local a = ('x'):rep(1 << 19); local b, c = a .. a, a .. ('x'):rep(1 << 19)\n"

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
        script_returns(source, "nil");
    }
    script_returns("return ('').dump", "nil");
}

static void what_is_harmless_is_there(void **state)
{
    (void)state;
    script_returns("return math.floor(7.5) + math.maxinteger % 2", "8");
    script_returns("return ('x'):rep(3, '-') .. string.upper('a') .. ('abc'):sub(2, 2)", "x-x-xAb");
    script_returns("return string.format('%05.1f|%s|%d', 3.14159, 'x', 7)", "003.1|x|7");
    script_returns("return table.concat({1, 2, 3}, ',') .. #table.pack(table.unpack({1, 2}))", "1,2,32");
    script_returns("local t = {3, 1, 2}; table.sort(t, function(a, b) return a > b end); return table.concat(t)",
                   "321");
    script_returns("return table.concat(table.move({1, 2, 3}, 2, 3, 1))", "233");
    script_returns("return utf8.len('h\xc3\xa9')", "2");
    script_returns("local ok, problem = pcall(error, 'x'); return tostring(ok) .. problem", "falsex");
    script_returns("return select('#', pcall(function() return 1, 2 end))", "3");
    script_returns("return tonumber('12') + #tostring(true)", "16");
    script_returns("local t = setmetatable({}, {__index = function(_, k) return k .. '!' end}); return t.hey", "hey!");
}

static void find_takes_plain_text(void **state)
{
    (void)state;
    script_returns("return table.concat({('hello'):find('l')}, ',')", "3,3");
    script_returns("return table.concat({('hello'):find('l', 4)}, ',')", "4,4");
    script_returns("return table.concat({('hello'):find('lo', -2)}, ',')", "4,5");
    script_returns("return table.concat({('a.b'):find('.', 1, true)}, ',')", "2,2");
    script_returns("return table.concat({('abc'):find('')}, ',')", "1,0");
    script_returns("return ('abc'):find('x')", "nil");
    script_returns("return ('abc'):find('a', 2)", "nil");
    script_returns("return ('abc'):find('', 5)", "nil");
    script_returns("return ('abc'):find('c', math.maxinteger)", "nil");
    script_returns("return ('abc'):find('a', math.mininteger)", "1");
    script_fails("return ('abc'):find('%w')", "use pattern.find");
    script_fails("return ('abc'):match('b')", "use pattern.match");
    script_fails("return string.gsub('abc', 'b', '')", "use pattern.gsub");
    script_fails("return string.gmatch('abc', 'b')", "use pattern.gmatch");
}

static void libraries_and_globals_are_constant(void **state)
{
    (void)state;
    script_fails("x = 1", "t.lua:1: 'x' cannot be assigned");
    script_fails("\n\nfunction helper() end", "t.lua:3: 'helper' cannot be assigned");
    script_fails("reject = nil", "cannot be assigned");
    script_fails("math.floor = nil", "'floor' cannot be assigned");
    script_fails("string.upper = string.lower", "cannot be assigned");
    script_fails("_ENV[1] = 1", "cannot be assigned");
    script_fails("setmetatable(_ENV, nil)", "cannot be changed");
    script_fails("setmetatable(math, {})", "cannot be changed");
    script_returns("return getmetatable(_ENV)", "false");
}

static void the_metatable_of_strings_is_out_of_reach(void **state)
{
    (void)state;
    script_returns("return getmetatable('')", "false");
    script_fails("getmetatable('').__index = {}", "t.lua:1:");
    script_fails("setmetatable('', {})", "table expected");
    script_fails("setmetatable(array(), {})", "cannot be changed");
    script_fails("setmetatable(reject('a'), nil)", "cannot be changed");
    script_returns("return getmetatable(null)", "false");
    script_returns("return getmetatable(reject('a'))", "false");
}

static void finalisers_and_weak_tables_are_refused(void **state)
{
    (void)state;
    script_fails("setmetatable({}, {__gc = function() while true do end end})", "__gc is not allowed");
    script_fails("setmetatable({}, {__mode = 'k'})", "__mode is not allowed");
    /* Added later it never runs, for Lua looks when the metatable is set. */
    script_returns("local m = {}; setmetatable({}, m); m.__gc = function() while true do end end; return 1", "1");
}

/* An address is another one in each process: a decider must not come to see it. */
static void addresses_are_not_shown(void **state)
{
    (void)state;
    script_returns("return tostring({}) .. ' ' .. tostring(tostring) .. ' ' .. tostring(function() end)",
                   "table function function");
    script_returns("return tostring(nil) .. tostring(12) .. tostring(1.5) .. tostring(true) .. tostring('x')",
                   "nil121.5truex");
    script_returns("return tostring(setmetatable({}, {__name = 'Order'}))", "table");
    script_returns("return tostring(setmetatable({}, {__tostring = function() return 'order' end}))", "order");
    script_returns("return ('%s|%-9s|%%s|%5.2s|%d'):format({}, print or next, null, 7)", "table|function |%s|   nu|7");
    script_returns("return ('%s'):format(setmetatable({}, {__tostring = function() return 'order' end}))", "order");
    script_fails("return ('%d'):format({})", "number expected, got table");
    script_fails("return ('%s'):format()", "no value");
    script_fails("return tostring()", "value expected");
    script_fails("return ('%p'):format({})", "%p is not available");
    script_fails("return ('%%%-20p'):format({})", "%p is not available");
    script_fails("_ENV[{}] = 1", "'table' cannot be assigned");
}

static void endless_loops_end(void **state)
{
    (void)state;
    script_fails("while true do end", "t.lua:1: ran longer than 10000000 instructions");
    script_fails("local x = 0\nrepeat\n x = x + 1\nuntil false", "t.lua:");
    script_fails("local function f() return f() end; return f()", "ran longer");
    script_fails("for i = 1, math.maxinteger do end", "ran longer");
    script_fails("local t = setmetatable({}, {__index = function(t, k) while true do end end}); return t.x",
                 "ran longer");
    script_fails("for _ in function() return 1 end do end", "ran longer");
    script_fails("local function f() return 1 + f() end; return f()", "t.lua:");
}

static void pcall_does_not_stop_the_limits(void **state)
{
    (void)state;
    script_fails("while true do pcall(function() while true do end end) end", "ran longer");
    script_fails("pcall(function() while true do end end); return 'survived'", "ran longer");
    script_fails("local function f() pcall(f); while true do end end; f()", "ran longer");
    script_fails("local c <close> = setmetatable({}, {__close = function() while true do end end})\n"
                 "while true do end",
                 "ran longer");
    script_fails("while true do pcall(error) end", "ran longer");
    script_fails("local t = {}; pcall(function() while true do t[#t + 1] = {} end end) return 'survived'", "t.lua:");
}

static void memory_has_a_ceiling(void **state)
{
    (void)state;
    script_fails("local s = ('x'):rep(1 << 19); while true do s = s .. s end", "t.lua");
    script_fails("local t = {}; for i = 1, 1000 do t[i] = ('x'):rep(500000) .. i end", "more than 64 MiB of memory");
    script_fails("local s = ('x'):rep(1 << 19); local t = {}\n"
                 "pcall(function() for i = 1, 1000 do t[i] = s .. i end end); return 'survived'",
                 "more than 64 MiB of memory");
    /* What is thrown away does not count, but making it costs instructions. */
    script_returns("local s = ('x'):rep(1 << 19); for i = 1, 300 do local t = s .. i end; return 'done'", "done");
    script_fails("local s = ('x'):rep(1 << 19); for i = 1, 3000 do local t = s .. i end", "ran longer");
}

static void functions_in_c_are_bounded(void **state)
{
    (void)state;
    script_fails("return (''):rep(1 << 62)", "string.rep makes at most");
    script_fails("return ('x'):rep(1 << 21)", "string.rep makes at most");
    script_fails("return ('x'):rep(2, ('y'):rep(1 << 20))", "string.rep makes at most");
    script_returns("return ('x'):rep(-1) .. ('x'):rep(0)", "");
    script_fails("table.move({}, 1, 1 << 60, 2)", "too many elements");
    script_fails("table.move({}, math.mininteger, math.maxinteger, 2)", "too many elements");
    script_fails("table.concat(setmetatable({}, {__index = tostring}), '', 1, 1 << 60)", "without metatable");
    script_fails("table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)", "without metatable");
    script_fails("local t = {}; for i = 62, 0, -1 do t[1 << i] = 1 end; table.insert(t, 1, 1)", "too many elements");
    script_fails("local t = {}; for i = 1, 70000 do t[i] = i end; table.sort(t)", "too many elements");
    script_fails("return table.unpack({}, 1, 1 << 40)", "too many elements");
    script_fails("return table.unpack({}, 1, 1 << 20)", "too many results");
    script_returns("local t = {}; for i = 1, 100000 do table.insert(t, i) end; return #t + table.remove(t)", "200000");
    script_returns("return table.unpack({1, 2, 3}, 3)", "3");
    script_returns("return select('#', table.unpack({}))", "0");
    script_fails("local t = {}; for i = 1, 1000000 do t[i] = i end\n"
                 "while true do table.insert(t, 1, 1) table.remove(t, 1) end",
                 "ran longer");
    script_fails("local t = {}; for i = 1, 1000000 do t[i] = '' end; while true do table.concat(t) end", "ran longer");
    script_fails("local t = {}; for i = 1, 900000 do t[i] = i end; while true do table.unpack(t) end", "ran longer");
    script_fails("local t = {}; for i = 1, 65000 do t[i] = i * 7919 % 65537 end; while true do table.sort(t) end",
                 "ran longer");
    script_fails(TWO_LONG_TEXTS "local t = {}; for i = 1, 60000 do t[i] = i % 2 == 0 and b or c end; table.sort(t)",
                 "ran longer");
    script_fails("while true do table.sort({3, 2, 1}, function() while true do end end) end", "ran longer");
}

/* One instruction may go through long texts and large tables: the clock sees to these. */
static void work_that_instructions_do_not_show_is_bounded_in_time(void **state)
{
    static const char *const scripts[] = {
        TWO_LONG_TEXTS "while true do local _ = b == c end",
        TWO_LONG_TEXTS "while true do local _ = b < c end",
        "local s = ('x'):rep(1 << 19); while true do local _ = s:byte(1, -1) end",
        "local s = ('x'):rep(1 << 19); while true do local _ = utf8.codepoint(s, 1, -1) end",
        "local s = ('\xc3\xa9'):rep(1 << 18); while true do local _ = utf8.len(s) end",
        "local s = ('\xc3\xa9'):rep(1 << 18); while true do local _ = utf8.offset(s, 1 << 17) end",
        "local s = ('1'):rep(1 << 19); while true do local _ = tonumber(s) end",
        "local s = ('1'):rep(1 << 19); while true do local _ = s + 1 end",
        "while true do local _ = ('%99.99f'):format(1e308) end",
        EMPTIED_TABLE "while true do next(t) end",
    };

    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        script_fails_within(20, scripts[i], "ran longer than 20 ms of processor time");
    script_fails_within(20,
                        TWO_LONG_TEXTS "pcall(function() while true do local _ = b == c end end); return 'survived'",
                        "ran longer than 20 ms of processor time");
}

static void texts_are_bounded_in_length(void **state)
{
    (void)state;
    script_returns("local s = ('x'):rep(1 << 19); return #(s .. s)", "1048576");
    script_fails("local s = ('x'):rep(1 << 19); return #(s .. s .. ('x'):rep(100))", "makes a text of more than 1 MiB");
    script_fails("local s = ('x'):rep(1 << 19); pcall(function() return s .. s .. s end); return 'survived'",
                 "makes a text of more than 1 MiB");
    script_fails("local s = ('x'):rep(1 << 19); return table.concat({s, s, s})", "makes a text of more than 1 MiB");
    script_fails("local s = ('x'):rep(1 << 19); return ('%s%s%s'):format(s, s, s)", "makes a text of more than 1 MiB");
    script_fails("local s = ('\\n'):rep(1 << 19); return #('%q'):format(s .. s)", "makes a text of more than 1 MiB");
}

static void recursion_ends(void **state)
{
    (void)state;
    script_fails("local function f() return 1 + f() end; return f()", "t.lua:");
    script_fails("local mt = {}; mt.__eq = function(a, b) return a == b end\n"
                 "return setmetatable({}, mt) == setmetatable({}, mt)",
                 "C stack overflow");
    script_fails("local t = {}; setmetatable(t, {__index = t}); return t.x", "'__index' chain too long");
    script_fails("local mt = {}; mt.__concat = function(a, b) return a .. b end\n"
                 "return setmetatable({}, mt) .. 'x'",
                 "C stack overflow");
    script_returns("local function f() return pcall(f) end; return f()", "true");
    script_fails("::again:: goto again", "ran longer");
    script_fails("local x = setmetatable({}, {__len = function() return math.maxinteger end}); for i = 1, #x do end",
                 "ran longer");
}

static void error_values_do_not_run_on(void **state)
{
    (void)state;
    script_fails("error(setmetatable({}, {__tostring = function() while true do end end}))",
                 "t.lua:1: an error that is");
    script_fails("error(setmetatable({}, {__index = function() while true do end end}))", "t.lua:1: an error that is");
    script_fails("local _, e = pcall(error, setmetatable({}, {__tostring = function() while true do end end}))\n"
                 "return tostring(e)",
                 "ran longer");
    script_fails("local c <close> = setmetatable({}, {__close = function() while true do end end}); error('x')",
                 "ran longer");
    script_fails("_ENV[setmetatable({}, {__tostring = function() while true do end end})] = 1", "ran longer");
    script_fails("local function f() error(setmetatable({}, {__tostring = f})) end; f()", "t.lua:1: an error that is");
}

/* `count` times `part` between `begin` and `end`. */
static void source_fails(const char *begin, const char *part, int count, const char *end, const char *wanted)
{
    varve_buf source = { 0 };

    varve_buf_str(&source, varve_str_of(begin));
    for (int i = 0; i < count; i++) varve_buf_str(&source, varve_str_of(part));
    varve_buf_str(&source, varve_str_of(end));
    script_fails(source.ptr, wanted);
    varve_buf_fini(&source);
}

static void sources_are_bounded(void **state)
{
    (void)state;
    source_fails("return ", "(", 100000, "1", "C stack overflow");
    source_fails("return ", "{", 100000, "1", "C stack overflow");
    source_fails("return ", "function() return ", 50000, "1", "C stack overflow");
    source_fails("return ", "'a'..", 100000, "'b'", "C stack overflow");
    source_fails("return ", "not ", 100000, "1", "C stack overflow");
    source_fails("", "::a::", 2, "", "already defined");
    source_fails("", "::a::", 1000, "", "C stack overflow");
    source_fails("", "local a\n", 201, "", "too many local variables");
    source_fails("", "while true do\n", 1000, "", "C stack overflow");
    source_fails("local t = {", "{1},", 50000, "} while true do end", "ran longer");
}

static void only_text_is_loaded(void **state)
{
    (void)state;
    script_fails("\x1bLua", "binary chunk");
    script_fails("return 1 +", "t.lua:1:");
    script_fails("\n\nlocal x = = 2", "t.lua:3:");
}

static void errors_name_the_line(void **state)
{
    (void)state;
    script_fails("local x\nreturn x.y", "t.lua:2: attempt to index a nil value (local 'x')");
    script_fails("\nerror('broken', 0)", "t.lua:2: broken");
    script_fails("\nerror({})", "t.lua:2: an error that is a table, not a text");
    script_fails("\nerror()", "t.lua:2: an error that is a nil");
    script_fails("\n\nreturn reject()", "t.lua:3: bad argument #1 to 'reject'");
    script_fails("return reject('')", "a code is 1 to 255 bytes");
    script_fails("return reject('a\\nb')", "a code is 1 to 255 bytes");
    script_fails("return reject('a', '\\xff')", "a message is UTF-8 text");
    script_fails("error('\\xff\\n')", "t.lua:1: ");
    script_fails("return array(1)", "table expected");
    script_fails("return array(setmetatable({}, {}))", "metatable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_dangerous_is_not_there),
        cmocka_unit_test(what_is_harmless_is_there),
        cmocka_unit_test(find_takes_plain_text),
        cmocka_unit_test(libraries_and_globals_are_constant),
        cmocka_unit_test(the_metatable_of_strings_is_out_of_reach),
        cmocka_unit_test(finalisers_and_weak_tables_are_refused),
        cmocka_unit_test(addresses_are_not_shown),
        cmocka_unit_test(endless_loops_end),
        cmocka_unit_test(pcall_does_not_stop_the_limits),
        cmocka_unit_test(memory_has_a_ceiling),
        cmocka_unit_test(functions_in_c_are_bounded),
        cmocka_unit_test(work_that_instructions_do_not_show_is_bounded_in_time),
        cmocka_unit_test(texts_are_bounded_in_length),
        cmocka_unit_test(recursion_ends),
        cmocka_unit_test(error_values_do_not_run_on),
        cmocka_unit_test(sources_are_bounded),
        cmocka_unit_test(only_text_is_loaded),
        cmocka_unit_test(errors_name_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
