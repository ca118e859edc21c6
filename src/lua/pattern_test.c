/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lua/script_fixture.h"

static void match_returns_groups_or_all(void **state)
{
    (void)state;
    script_returns("return pattern.match('order 42', [[\\d+]])", "42");
    script_returns("local y, m = pattern.match('2026-11-23', [[(\\d+)-(\\d+)]]); return m .. y", "112026");
    script_returns("return pattern.match('abc', 'x')", "nil");
    script_returns("local a, b = pattern.match('b', '(a)|(b)'); return tostring(a) .. b", "falseb");
    script_returns("local a, b = pattern.match('a', '(a)|(b)'); return a .. tostring(b)", "afalse");
    script_returns("return pattern.match('aXb', '(?i)x')", "X");
    script_returns("return pattern.match('h\xc3\xa9!', 'h.!')", "h\xc3\xa9!");
    script_returns("return pattern.match('\xc3\xa9t\xc3\xa9', [[^\\p{L}+$]])", "\xc3\xa9t\xc3\xa9");
    script_returns("return pattern.match('a\\0b', 'a.b') == 'a\\0b'", "true");
    script_returns("return pattern.match('a=1;b=2', '(?<name>b)=')", "b");
    script_returns("return pattern.match(42, 4)", "4");
    script_returns("return pattern.match('', '')", "");
}

static void a_dollar_is_the_end_and_nothing_else(void **state)
{
    (void)state;
    script_returns("return pattern.match('12\\n', [[^\\d+$]])", "nil");
    script_returns("return pattern.match('12', [[^\\d+$]])", "12");
}

static void find_returns_bytes(void **state)
{
    (void)state;
    script_returns("return table.concat({pattern.find('h\xc3\xa9llo', 'l+')}, ',')", "4,5");
    script_returns("return table.concat({pattern.find('key=value', '(k)(e)')}, ',')", "1,2,k,e");
    script_returns("return table.concat({pattern.find('abc', '')}, ',')", "1,0");
    script_returns("return table.concat({pattern.find('aXbX', 'X', 3)}, ',')", "4,4");
    script_returns("return table.concat({pattern.find('aXbX', 'X', -1)}, ',')", "4,4");
    script_returns("return table.concat({pattern.find('aXbX', 'X', -99)}, ',')", "2,2");
    script_returns("return table.concat({pattern.find('aXbX', 'X', math.mininteger)}, ',')", "2,2");
    script_returns("return table.concat({pattern.find('ab', '$', 3)}, ',')", "3,2");
    script_returns("return pattern.find('ab', '$', 4)", "nil");
    script_returns("return pattern.find('ab', 'a', math.maxinteger)", "nil");
    script_fails("return pattern.find('h\xc3\xa9', 'x', 3)", "middle of a character");
}

static void gmatch_goes_through_all(void **state)
{
    (void)state;
    script_returns("local t = {}; for w in pattern.gmatch('one two', [[\\w+]]) do t[#t + 1] = w end\n"
                   "return table.concat(t, '|')",
                   "one|two");
    script_returns("local t = {}; for k, v in pattern.gmatch('a=1,b=2', [[(\\w)=(\\w)]]) do t[#t + 1] = v .. k end\n"
                   "return table.concat(t, '|')",
                   "1a|2b");
    script_returns("local n = 0; for _ in pattern.gmatch('\xc3\xa9\xc3\xa9', '') do n = n + 1 end; return n", "3");
    script_returns("local n = 0; for _ in pattern.gmatch('abc', [[\\w*]]) do n = n + 1 end; return n", "1");
    script_returns("local again = pattern.gmatch('a', 'a'); again(); again(); return again()", "nil");
}

static void gsub_replaces(void **state)
{
    (void)state;
    script_returns("return (pattern.gsub('hello world', 'o', '0'))", "hell0 w0rld");
    script_returns("return select(2, pattern.gsub('hello world', 'o', '0'))", "2");
    script_returns("return (pattern.gsub('hello', 'l', 'L', 1))", "heLlo");
    script_returns("return (pattern.gsub('hello', 'l', 'L', 0))", "hello");
    script_returns("return (pattern.gsub('a-b', [[(\\w)-(\\w)]], '%2-%1 %0 %%'))", "b-a a-b %");
    script_returns("return (pattern.gsub('ab', '(a)|(b)', '[%1%2]'))", "[a][b]");
    script_returns("return (pattern.gsub('abc', [[\\w]], {a = 1, b = false}))", "1bc");
    script_returns("return (pattern.gsub('abc', [[\\w]], function(c) if c ~= 'b' then return c .. c end end))",
                   "aabcc");
    script_returns("return (pattern.gsub('abc', '', '-'))", "-a-b-c-");
    script_returns("return (pattern.gsub('abc', [[\\w*]], 'x'))", "x");
    script_returns("return (pattern.gsub('\xc3\xa9\xc3\xa9', '', '.'))", ".\xc3\xa9.\xc3\xa9.");
    script_returns("return (pattern.gsub('a1b', [[\\d]], function(d) return pattern.gsub('xyx', 'x', d) end))",
                   "a1y1b");
    script_fails("return pattern.gsub('a', 'a', '%1')", "before 0 to 0");
    script_fails("return pattern.gsub('a', 'a', '%')", "in a replacement % stands before");
    script_fails("return pattern.gsub('a', 'a', function() return {} end)", "must be a text, not a table");
    script_fails("return pattern.gsub('a', 'a', true)", "string/function/table expected");
    script_fails("return pattern.gsub('a', 'a')", "string/function/table expected");
}

static void mistakes_say_what_and_where(void **state)
{
    (void)state;
    script_fails("\nreturn pattern.match('a', 'x(b')", "t.lua:2: the pattern is wrong at byte 4: missing closing");
    script_fails("return pattern.match('\\xff', 'a')", "UTF-8");
    script_fails("return pattern.gmatch('\\xed\\xa0\\x80', 'a')", "UTF-8");
    script_fails("return pattern.match('a', '\\xff')", "the pattern is wrong");
    script_fails("return pattern.match('a', [[\\C]])", "the pattern is wrong");
    script_fails("return pattern.match({}, 'a')", "string expected");
    script_fails("return pattern.match('a')", "string expected");
    script_fails("pattern.match = nil", "cannot be assigned");
    script_fails("return pattern.gsub('ab', [[(?=a\\K)]], '')", "t.lua:1:");
}

static void patterns_are_bounded_in_size(void **state)
{
    (void)state;
    script_returns("return pattern.match('a', ('a|'):rep(511) .. 'a')", "a");
    script_fails("return pattern.match('a', ('a'):rep(1025))", "at most 1024 bytes");
    script_fails("return pattern.match('a', ('(a)'):rep(33))", "at most 32 groups");
    script_returns("return pattern.match(('a'):rep(32), ('(a)'):rep(32))", "a");
    script_fails("return pattern.match('a', ('('):rep(60) .. (')'):rep(60))", "nested");
    script_fails("return pattern.match('a', '(((a{99}){99}){99}){99}')", "too large");
}

/* More of them than are kept, in use while others are made: each keeps its own meaning. */
static void compiled_patterns_come_and_go(void **state)
{
    (void)state;
    script_returns("local n = 0\n"
                   "for x in pattern.gmatch(('ab'):rep(100), 'a') do\n"
                   "  for i = 1, 3 do n = n + #pattern.match('x' .. n .. 'y', 'x' .. n .. 'y') - #tostring(n) - 2 end\n"
                   "  n = n + #x\n"
                   "end\n"
                   "return n",
                   "100");
    script_returns("return select(2, pattern.gsub(('a'):rep(200), 'a', (function()\n"
                   "  local i = 0\n"
                   "  return function() i = i + 1; return pattern.match('p' .. i, 'p(' .. i .. ')') end end)()))",
                   "200");
}

static void pattern_bombs_are_errors(void **state)
{
    (void)state;
    script_fails("return pattern.match(('a'):rep(40) .. 'b', '^(a+)+$')", "the pattern reached its limit of backtrack");
    script_fails("return pattern.match(('a'):rep(30) .. 'b',\n"
                 "'(*LIMIT_MATCH=4000000000)(*LIMIT_HEAP=4000000000)(*LIMIT_DEPTH=4000000000)(a*)*(a*)*(a*)*c|d')",
                 "reached its limit of backtracking");
    script_fails("return pattern.match(('a'):rep(1 << 18), '(?:' .. ('a|'):rep(300) .. 'a)*b|c')",
                 "reached its limit of memory");
    script_fails("return pattern.match('aaaa', '(?R)?a|(?R)')", "the pattern cannot be matched");
    /* Quadratic from ever new positions, where PCRE2's own count begins anew. */
    script_fails("return pattern.match(('a'):rep(1 << 19), '[a-y]*z?[0-9]')", "ran longer than");
    script_fails("return pattern.match(('a'):rep(1 << 19), '(?<=b{200})a|(?<=c{100})a|d')", "ran longer than");
    script_fails("local s = ('a'):rep(1 << 18); return pattern.match(s .. 'b' .. s .. 'c', [[(?i)(a+)b\\1d|e]])",
                 "ran longer than");
    /* What an item goes through before it fails is only seen by the clock. */
    script_fails_within(20, "return pattern.match((('a'):rep(29999) .. 'b'):rep(30), 'a{30000}')",
                        "ran longer than 20 ms of processor time");
    script_fails("local s = ('a'):rep(1 << 19); while true do pattern.match(s, 'b') end", "ran longer than");
    script_fails("for i = 1, math.maxinteger do pattern.match('x', '(?:a{100}b){200}' .. i) end", "ran longer than");
}

static void pcall_does_not_stop_the_limits(void **state)
{
    (void)state;
    script_fails("while true do pcall(pattern.match, ('a'):rep(40) .. 'b', '^(a+)+$') end", "ran longer than");
    script_fails("pcall(pattern.gsub, ('x'):rep(100), 'x', function() while true do end end); return 'survived'",
                 "ran longer than");
    script_fails_within(20,
                        "pcall(pattern.match, (('a'):rep(29999) .. 'b'):rep(30), 'a{30000}')\n"
                        "pcall(pattern.match, (('a'):rep(29999) .. 'b'):rep(30), 'a{30000}')\n"
                        "while true do end",
                        "ran longer than");
}

static void results_are_bounded(void **state)
{
    (void)state;
    script_fails("return pattern.gsub(('x'):rep(1 << 19), 'x', ('y'):rep(1000))", "makes at most 1048576 bytes");
    script_fails("local s = 'x'; while true do s = pattern.gsub(s, 'x', 'xxxxxxxx') end", "makes at most");
    script_fails("return pattern.gsub(('x'):rep(20), 'x+', ('%0'):rep(1 << 17))", "makes at most");
    script_fails("return pattern.gsub(('x'):rep(1 << 19), '(x+)', ('%1'):rep(1000))", "t.lua:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match_returns_groups_or_all),
        cmocka_unit_test(a_dollar_is_the_end_and_nothing_else),
        cmocka_unit_test(find_returns_bytes),
        cmocka_unit_test(gmatch_goes_through_all),
        cmocka_unit_test(gsub_replaces),
        cmocka_unit_test(mistakes_say_what_and_where),
        cmocka_unit_test(patterns_are_bounded_in_size),
        cmocka_unit_test(compiled_patterns_come_and_go),
        cmocka_unit_test(pattern_bombs_are_errors),
        cmocka_unit_test(pcall_does_not_stop_the_limits),
        cmocka_unit_test(results_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
