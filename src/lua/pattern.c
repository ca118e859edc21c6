/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a match is bounded. PCRE2 counts backtracking anew from every position of the subject where a
 * match is tried, so its own limits alone still allow hours. PCRE2_AUTO_CALLOUT calls us before
 * every item of the pattern: there the call's allowance pays for the step and for the distance that
 * the item before it went. The interpreter of PCRE2 is used, not its JIT compiler, in which the
 * limits on depth and memory do not hold.
 */
#include "lua/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <lauxlib.h>
#include <pcre2.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "lua/vm.h"

#define MATCH_LIMIT 1000000u /* rounds of PCRE2's main loop from one position */
#define DEPTH_LIMIT 100000u  /* of backtracking */
#define HEAP_KIB    8192u    /* for what it remembers to come back to */
#define NEST_LIMIT  50u      /* parentheses in parentheses */

/* In instructions of Lua, a few nanoseconds each. */
#define COMPILE_COST         500
#define COMPILE_COST_A_BYTE  10
#define STEP_COST            4
#define BYTES_AN_INSTRUCTION 16

/* A `$` is the end of the text and nothing else: "^\d+$" must not let a line break through. */
#define OPTIONS (PCRE2_UTF | PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY)

/* Of one interpreter: a userdata in its registry. */
struct patterns {
    struct vm *vm;
    pcre2_general_context *memory;
    pcre2_compile_context *compiling;
    pcre2_match_context *matching;
    pcre2_match_data *found; /* of the newest match: taken before other Lua code runs */
    size_t at;               /* where in the subject the match under way was last seen */
    int kept;
};

/* Registry keys: the patterns; the table of compiled ones by their text; the metatable of one. */
static const char patterns_key, cache_key, code_key;

/* What is searched, and with what. The views are kept alive by the arguments or upvalues they came from. */
struct search {
    lua_State *lua;
    struct patterns *patterns;
    varve_str subject;
    pcre2_code *code;
    uint32_t groups;
    size_t start, end; /* of the match */
};

/* ---- memory and work ---- */

static void *take_memory(PCRE2_SIZE size, void *vm)
{
    return vm_alloc(vm, size);
}

static void give_memory(void *block, void *vm)
{
    vm_free(vm, block);
}

static int pay_step(pcre2_callout_block *step, void *ctx)
{
    struct patterns *patterns = ctx;
    size_t at = step->current_position;
    size_t distance = at > patterns->at ? at - patterns->at : patterns->at - at;

    patterns->at = at;
    return vm_spend(patterns->vm, STEP_COST + (int64_t)(distance / BYTES_AN_INSTRUCTION)) ? 0 : PCRE2_ERROR_CALLOUT;
}

static int free_patterns(lua_State *lua)
{
    struct patterns *patterns = lua_touserdata(lua, 1);

    pcre2_match_data_free(patterns->found);
    pcre2_match_context_free(patterns->matching);
    pcre2_compile_context_free(patterns->compiling);
    pcre2_general_context_free(patterns->memory);
    *patterns = (struct patterns){ 0 };
    return 0;
}

static int free_code(lua_State *lua)
{
    pcre2_code **code = lua_touserdata(lua, 1);

    pcre2_code_free(*code);
    *code = NULL;
    return 0;
}

/* Puts a metatable with this finaliser on the userdata on top. */
static void push_finaliser(lua_State *lua, lua_CFunction finaliser)
{
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, finaliser);
    lua_setfield(lua, -2, "__gc");
}

static void open_patterns(lua_State *lua)
{
    struct patterns *patterns = lua_newuserdatauv(lua, sizeof *patterns, 0);

    *patterns = (struct patterns){ .vm = vm_of(lua) };
    push_finaliser(lua, free_patterns);
    lua_setmetatable(lua, -2);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &patterns_key);
    patterns->memory = pcre2_general_context_create(take_memory, give_memory, patterns->vm);
    if (patterns->memory != NULL) {
        patterns->compiling = pcre2_compile_context_create(patterns->memory);
        patterns->matching = pcre2_match_context_create(patterns->memory);
        patterns->found = pcre2_match_data_create(PATTERN_GROUPS_MAX + 1, patterns->memory);
    }
    if (patterns->compiling == NULL || patterns->matching == NULL || patterns->found == NULL)
        luaL_error(lua, "no memory for patterns");
    pcre2_set_parens_nest_limit(patterns->compiling, NEST_LIMIT);
    pcre2_set_match_limit(patterns->matching, MATCH_LIMIT);
    pcre2_set_depth_limit(patterns->matching, DEPTH_LIMIT);
    pcre2_set_heap_limit(patterns->matching, HEAP_KIB);
    pcre2_set_callout(patterns->matching, pay_step, patterns);
}

/* ---- compiling ---- */

static _Noreturn void fail_compile(const struct search *search, int problem, size_t at)
{
    char text[160] = "";

    pcre2_get_error_message(problem, (PCRE2_UCHAR *)text, sizeof text);
    luaL_error(search->lua, "the pattern is wrong at byte %d: %s", (int)at + 1, text);
    abort();
}

/* Compiles the text at `index` into a new userdata on top. */
static pcre2_code *compile(const struct search *search, int index)
{
    lua_State *lua = search->lua;
    varve_str text = { NULL, 0 };
    int problem = 0;
    size_t at = 0;
    pcre2_code **code;

    text.ptr = lua_tolstring(lua, index, &text.len);
    if (text.len > PATTERN_BYTES_MAX) luaL_error(lua, "a pattern is at most %d bytes long", (int)PATTERN_BYTES_MAX);
    vm_charge(lua, COMPILE_COST + COMPILE_COST_A_BYTE * (int64_t)text.len);
    code = lua_newuserdatauv(lua, sizeof(pcre2_code *), 0);
    *code = NULL;
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &code_key);
    lua_setmetatable(lua, -2);
    *code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, OPTIONS, &problem, &at, search->patterns->compiling);
    if (*code == NULL && problem == PCRE2_ERROR_HEAP_FAILED) {
        lua_gc(lua, LUA_GCCOLLECT); /* compiled patterns that nobody holds are larger than they look to Lua */
        *code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, OPTIONS, &problem, &at, search->patterns->compiling);
    }
    if (*code == NULL) fail_compile(search, problem, at);
    return *code;
}

/* Remembers the userdata on top as the compiled form of the text at `index`; when there are too many, only it. */
static void keep(const struct search *search, int index)
{
    lua_State *lua = search->lua;

    if (search->patterns->kept == PATTERN_KEPT_MAX) {
        lua_newtable(lua);
        lua_rawsetp(lua, LUA_REGISTRYINDEX, &cache_key);
        search->patterns->kept = 0;
    }
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &cache_key);
    lua_pushvalue(lua, index);
    lua_pushvalue(lua, -3);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
    search->patterns->kept++;
}

/* ---- matching ---- */

/*
 * Begins a search: the subject at index 1, the regular expression at 2, the rest of `arguments`
 * behind them. Leaves the compiled pattern on the stack, which keeps it alive. A subject that was
 * looked at before is known to be UTF-8.
 */
static void begin(struct search *search, lua_State *lua, int arguments, bool subject_known)
{
    lua_settop(lua, arguments);
    *search = (struct search){ .lua = lua };
    search->subject.ptr = luaL_checklstring(lua, 1, &search->subject.len);
    luaL_checkstring(lua, 2);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &patterns_key);
    search->patterns = lua_touserdata(lua, -1);
    if (!subject_known) {
        vm_charge(lua, (int64_t)(search->subject.len / BYTES_AN_INSTRUCTION));
        luaL_argcheck(lua, utf8_valid(search->subject), 1, "patterns work on UTF-8 text");
    }
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &cache_key);
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, -2) == LUA_TUSERDATA) {
        search->code = *(pcre2_code **)lua_touserdata(lua, -1);
    } else {
        search->code = compile(search, 2);
        keep(search, 2);
    }
    pcre2_pattern_info(search->code, PCRE2_INFO_CAPTURECOUNT, &search->groups);
    if (search->groups > PATTERN_GROUPS_MAX)
        luaL_error(lua, "a pattern has at most %d groups", (int)PATTERN_GROUPS_MAX);
}

static _Noreturn void fail_match(const struct search *search, int problem)
{
    char text[160] = "";

    if (problem == PCRE2_ERROR_CALLOUT) vm_charge(search->lua, 0); /* raises: nothing remains */
    if (problem == PCRE2_ERROR_MATCHLIMIT || problem == PCRE2_ERROR_DEPTHLIMIT || problem == PCRE2_ERROR_HEAPLIMIT ||
        problem == PCRE2_ERROR_NOMEMORY)
        luaL_error(search->lua, "the pattern reached its limit of %s on this text",
                   problem == PCRE2_ERROR_MATCHLIMIT ? "backtracking" : "memory");
    pcre2_get_error_message(problem, (PCRE2_UCHAR *)text, sizeof text);
    luaL_error(search->lua, "the pattern cannot be matched: %s", text);
    abort();
}

/* Looks for the first match from `from` on, the beginning of a character; true when there is one. */
static bool find_next(struct search *search, size_t from)
{
    struct patterns *patterns = search->patterns;
    const PCRE2_SIZE *found;
    int result;

    vm_charge(search->lua, STEP_COST);
    patterns->at = from;
    result = pcre2_match(search->code, (PCRE2_SPTR)search->subject.ptr, search->subject.len, from, PCRE2_NO_UTF_CHECK,
                         patterns->found, patterns->matching);
    if (result == PCRE2_ERROR_NOMATCH) return false;
    if (result < 0) fail_match(search, result);
    found = pcre2_get_ovector_pointer(patterns->found);
    if (found[0] < from || found[0] > found[1]) luaL_error(search->lua, "\\K took the match out of its place");
    search->start = found[0];
    search->end = found[1];
    return true;
}

/* The place after the character at `at`, or beyond the subject's end. */
static size_t after(const struct search *search, size_t at)
{
    const char *text = search->subject.ptr;

    return at < search->subject.len ? at + utf8_sequence(text + at, text + search->subject.len) : at + 1;
}

/* The next match at or after `from` that is not an empty one at `last_end`, where the match before it ended. */
static bool find_other(struct search *search, size_t from, size_t last_end)
{
    while (from <= search->subject.len && find_next(search, from)) {
        if (search->end != last_end || search->start != search->end) return true;
        from = after(search, from);
    }
    return false;
}

/* Pushes group `number` of the newest match, 0 being all of it; false for one that took no part. */
static void push_group(const struct search *search, uint32_t number)
{
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(search->patterns->found);
    size_t start = found[2 * number], end = found[2 * number + 1];

    if (start == PCRE2_UNSET)
        lua_pushboolean(search->lua, false);
    else
        lua_pushlstring(search->lua, search->subject.ptr + start, end - start);
}

/* Pushes all groups, or the whole match when there are none and `whole`; returns how many values. */
static int push_groups(const struct search *search, bool whole)
{
    luaL_checkstack(search->lua, (int)PATTERN_GROUPS_MAX + 4, "too many groups");
    if (search->groups == 0 && whole) {
        push_group(search, 0);
        return 1;
    }
    for (uint32_t i = 1; i <= search->groups; i++) push_group(search, i);
    return (int)search->groups;
}

/* The byte to begin at, as `init` of Lua's functions says it (argument 3); beyond the end when there is none. */
static size_t first_byte(const struct search *search)
{
    lua_Integer init = luaL_optinteger(search->lua, 3, 1), len = (lua_Integer)search->subject.len;
    size_t at;

    if (init < 0) init = init < -len ? 1 : len + init + 1;
    if (init > len) return init == len + 1 ? search->subject.len : search->subject.len + 1;
    at = init == 0 ? 0 : (size_t)init - 1;
    luaL_argcheck(search->lua, ((unsigned char)search->subject.ptr[at] & 0xC0) != 0x80, 3,
                  "this byte is in the middle of a character");
    return at;
}

/* ---- the Lua functions ---- */

/* find(subject, regex, init?): first and last byte and the groups, or nil. */
static int find_pattern(lua_State *lua)
{
    struct search search;
    size_t from;

    begin(&search, lua, 3, false);
    from = first_byte(&search);
    if (from > search.subject.len || !find_next(&search, from)) {
        luaL_pushfail(lua);
        return 1;
    }
    lua_pushinteger(lua, (lua_Integer)search.start + 1);
    lua_pushinteger(lua, (lua_Integer)search.end);
    return 2 + push_groups(&search, false);
}

/* match(subject, regex, init?): the groups, or the whole match when there are none, or nil. */
static int match_pattern(lua_State *lua)
{
    struct search search;
    size_t from;

    begin(&search, lua, 3, false);
    from = first_byte(&search);
    if (from <= search.subject.len && find_next(&search, from)) return push_groups(&search, true);
    luaL_pushfail(lua);
    return 1;
}

/* The iterator of gmatch. Upvalues: subject, regex, where to go on, where the last match ended. */
static int match_again(lua_State *lua)
{
    struct search search;
    size_t from = (size_t)lua_tointeger(lua, lua_upvalueindex(3));
    size_t last_end = (size_t)lua_tointeger(lua, lua_upvalueindex(4));

    lua_settop(lua, 0);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushvalue(lua, lua_upvalueindex(2));
    begin(&search, lua, 2, true);
    if (!find_other(&search, from, last_end)) {
        lua_pushinteger(lua, (lua_Integer)search.subject.len + 1); /* so it stays at the end */
        lua_replace(lua, lua_upvalueindex(3));
        luaL_pushfail(lua);
        return 1;
    }
    lua_pushinteger(lua, (lua_Integer)search.end);
    lua_replace(lua, lua_upvalueindex(3));
    lua_pushinteger(lua, (lua_Integer)search.end);
    lua_replace(lua, lua_upvalueindex(4));
    return push_groups(&search, true);
}

/* gmatch(subject, regex): an iterator over all matches, each as match returns it. */
static int match_all(lua_State *lua)
{
    struct search search;

    begin(&search, lua, 2, false);
    lua_pushvalue(lua, 1);
    lua_pushvalue(lua, 2);
    lua_pushinteger(lua, 0);
    lua_pushinteger(lua, -1);
    lua_pushcclosure(lua, match_again, 4);
    return 1;
}

/* Adds a replacement text, in which %0 to %9 are the whole match and the groups, and %% is a percent sign. */
static void add_template(const struct search *search, luaL_Buffer *out)
{
    size_t len;
    const char *at = lua_tolstring(search->lua, 3, &len);

    for (const char *end = at + len; at < end; at++) {
        uint32_t group;
        if (*at != '%') {
            luaL_addchar(out, *at);
            continue;
        }
        if (++at < end && *at == '%') {
            luaL_addchar(out, '%');
            continue;
        }
        group = at < end && *at >= '0' && *at <= '9' ? (uint32_t)(*at - '0') : UINT32_MAX;
        if (group > search->groups)
            luaL_error(search->lua, "in a replacement %% stands before 0 to %d, for a group, or before another %%",
                       (int)search->groups);
        push_group(search, group);
        if (!lua_toboolean(search->lua, -1)) {
            lua_pop(search->lua, 1);
            lua_pushliteral(search->lua, "");
        }
        luaL_addvalue(out);
    }
}

/* Adds what takes the match's place: from a text, from a table by the first group, or from a function of the groups. */
static void add_replacement(const struct search *search, luaL_Buffer *out)
{
    lua_State *lua = search->lua;
    int kind = lua_type(lua, 3);

    if (kind != LUA_TTABLE && kind != LUA_TFUNCTION) {
        add_template(search, out);
        return;
    }
    if (kind == LUA_TTABLE) {
        push_group(search, search->groups == 0 ? 0 : 1);
        lua_gettable(lua, 3);
    } else {
        lua_pushvalue(lua, 3);
        lua_call(lua, push_groups(search, true), 1);
    }
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1);
        lua_pushlstring(lua, search->subject.ptr + search->start, search->end - search->start);
    } else if (!lua_isstring(lua, -1)) {
        luaL_error(lua, "a replacement must be a text, not a %s", luaL_typename(lua, -1));
    }
    luaL_addvalue(out);
}

/* gsub(subject, regex, replacement, max?): the text with the matches replaced, and how many were. */
static int replace_all(lua_State *lua)
{
    struct search search;
    luaL_Buffer out;
    size_t from = 0, last_end = SIZE_MAX;
    lua_Integer max, count = 0;
    int kind = lua_type(lua, 3);

    luaL_argexpected(lua, kind == LUA_TSTRING || kind == LUA_TNUMBER || kind == LUA_TTABLE || kind == LUA_TFUNCTION, 3,
                     "string/function/table");
    max = luaL_optinteger(lua, 4, LUA_MAXINTEGER);
    begin(&search, lua, 4, false);
    luaL_buffinit(lua, &out);
    while (count < max && find_other(&search, from, last_end)) {
        luaL_addlstring(&out, search.subject.ptr + from, search.start - from);
        from = last_end = search.end;
        add_replacement(&search, &out);
        if (luaL_bufflen(&out) > VM_TEXT_BYTES_MAX)
            return luaL_error(lua, "pattern.gsub makes at most %d bytes", (int)VM_TEXT_BYTES_MAX);
        count++;
    }
    luaL_addlstring(&out, search.subject.ptr + from, search.subject.len - from);
    luaL_pushresult(&out);
    lua_pushinteger(lua, count);
    return 2;
}

void pattern_push(lua_State *lua)
{
    static const luaL_Reg functions[] = { { "find", find_pattern },
                                          { "gmatch", match_all },
                                          { "gsub", replace_all },
                                          { "match", match_pattern },
                                          { NULL, NULL } };

    open_patterns(lua);
    lua_newtable(lua);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &cache_key);
    push_finaliser(lua, free_code);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &code_key);
    luaL_newlib(lua, functions);
}
