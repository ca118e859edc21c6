/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/document.h"

#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "lua/sandbox.h"
#include "lua/view.h"
#include "lua/vm.h"

static struct vm *vm;
static varve_buf out;
static varve_error failure;

static int open_vm(void **state)
{
    (void)state;
    return vm_open(&vm, "t.lua", NULL);
}

static int close_vm(void **state)
{
    (void)state;
    vm_close(vm);
    varve_buf_fini(&out);
    return 0;
}

struct trip {
    varve_str json;     /* pushed as `value`, unless empty */
    const char *script; /* its result is written, unless NULL: then `value` is */
    const char *problem;
};

static int run_trip(lua_State *lua)
{
    struct trip *trip = lua_touserdata(lua, 1);

    view_init(lua);
    sandbox_push(lua);
    if (trip->json.len > 0)
        document_push(lua, trip->json, "value");
    else
        lua_pushnil(lua);
    if (trip->script != NULL) {
        if (luaL_loadbufferx(lua, trip->script, strlen(trip->script), "@t.lua", "t") != LUA_OK) return lua_error(lua);
        lua_pushvalue(lua, 2);
        lua_setupvalue(lua, -2, 1);
        lua_pushvalue(lua, 3);
        lua_call(lua, 1, 1);
    }
    trip->problem = document_write(lua, -1, &out);
    return 0;
}

/* Runs a trip; the text is in `out`. */
static varve_status run(varve_str json, const char *script, const char **problem)
{
    struct trip trip = { json, script, NULL };
    varve_status status;

    varve_buf_reset(&out);
    memset(&failure, 0, sizeof failure);
    status = vm_run(vm, run_trip, &trip, VARVE_APPLICATION, &failure);
    *problem = trip.problem;
    return status;
}

static void expect(const char *json, const char *script, const char *wanted)
{
    const char *problem;

    assert_int_equal(run(varve_str_of(json), script, &problem), VARVE_OK);
    if (problem != NULL) fail_msg("%s: %s", script == NULL ? json : script, problem);
    assert_string_equal(out.ptr, wanted);
}

static void expect_problem(const char *script, const char *wanted)
{
    const char *problem;

    assert_int_equal(run(VARVE_STR(""), script, &problem), VARVE_OK);
    if (problem == NULL)
        fail_msg("%s was written as %s", script, out.ptr);
    else if (strstr(problem, wanted) == NULL)
        fail_msg("%s: '%s' does not say '%s'", script, problem, wanted);
}

static void scalars_come_back(void **state)
{
    static const char *const same[] = {
        "null",     "true",
        "false",    "0",
        "-1",       "9223372036854775807",
        "42",       "-9223372036854775808",
        "\"\"",     "\"text\"",
        "0.5",      "1.0",
        "-0.0",     "0.1",
        "1e+100",   "4.94065645841247e-324",
        "\"\\\"\"", "\"\\\\ \xc3\xa9 \xf0\x9f\x98\x80\"",
        "[]",       "{}",
        "[[],{}]",  "{\"a\":[],\"b\":{},\"c\":null}",
        "[1,null]", "1.7976931348623157e+308",
    };

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) expect(same[i], NULL, same[i]);
}

static void integers_and_reals_stay_apart(void **state)
{
    (void)state;
    expect("9007199254740993", "return (...) + 1", "9007199254740994");
    expect("9223372036854775807", "return math.type(...)", "\"integer\"");
    expect("1.0", "return math.type(...)", "\"float\"");
    expect("1e2", NULL, "100.0");
    expect("3", "return ... / 1", "3.0");
    expect("7", "return ... // 2", "3");
}

static void escapes_are_resolved(void **state)
{
    (void)state;
    expect("\"\\u0041\\n\\ud83d\\ude00\"", "return #...", "6");
    expect("{\"\\u0061b\":1}", "return (...).ab", "1");
    expect("\"\\u0041\\/\"", NULL, "\"A/\"");
}

static void members_are_written_in_order_of_name(void **state)
{
    (void)state;
    expect("{\"b\":1,\"a\":2,\"ab\":3,\"\":4}", NULL, "{\"\":4,\"a\":2,\"ab\":3,\"b\":1}");
    expect("{\"a\":1,\"a\":2}", NULL, "{\"a\":2}");
}

static void arrays_stay_arrays(void **state)
{
    (void)state;
    expect("", "return array()", "[]");
    expect("", "return {}", "{}");
    expect("", "return {1, 'two', true}", "[1,\"two\",true]");
    expect("", "return array({{}, array()})", "[{},[]]");
    expect("[1]", "local a = ...; a[1] = nil; return a", "[]");
    expect("[3,1,2]", "local a = ...; table.sort(a); table.insert(a, 9); table.remove(a, 1); return a", "[2,3,9]");
    expect("{\"items\":[]}", "local v = ...; v.items[1] = 5; return v", "{\"items\":[5]}");
}

static void null_is_a_value(void **state)
{
    (void)state;
    expect("{\"a\":null}", "return {(...).a == null, (...).b == nil, null ~= nil, tostring(null)}",
           "[true,true,true,\"null\"]");
    expect("", "return {a = null}", "{\"a\":null}");
}

static void what_cannot_be_json_is_refused(void **state)
{
    (void)state;
    expect_problem("return 0/0", "NaN");
    expect_problem("return -math.huge", "infinity");
    expect_problem("return nil", "null");
    expect_problem("return {f = function() end}", "function");
    expect_problem("return '\\xff'", "UTF-8");
    expect_problem("return {['\\xed\\xa0\\x80'] = 1}", "UTF-8");
    expect_problem("return 'a\\0b'", "zero byte");
    expect_problem("return {1, 2, nil, 4, x = 1}", "holes");
    expect_problem("return {[2] = 1}", "start at 1");
    expect_problem("return {[1.5] = 1}", "names must be texts");
    expect_problem("return {[true] = 1}", "names must be texts");
    expect_problem("local a = array(); a.x = 1; return a", "named members");
    expect_problem("local t = {}; t.t = t; return t", "in itself");
    expect_problem("return setmetatable({}, {})", "metatable");
    expect_problem("local t = 'x'; for i = 1, 30 do t = {t, t} end; return t", "16 MiB");
}

static void depth_is_bounded_both_ways(void **state)
{
    varve_buf deep = { 0 };
    const char *problem;

    (void)state;
    for (unsigned i = 0; i < VARVE_JSON_DEPTH_MAX; i++)
        varve_buf_str(&deep, i % 2 == 0 ? VARVE_STR("[") : VARVE_STR("{\"k\":"));
    varve_buf_str(&deep, VARVE_STR("1"));
    for (unsigned i = VARVE_JSON_DEPTH_MAX; i-- > 0;)
        varve_buf_str(&deep, i % 2 == 0 ? VARVE_STR("]") : VARVE_STR("}"));
    expect(deep.ptr, NULL, deep.ptr);
    assert_int_equal(run(varve_buf_view(&deep), "return {...}", &problem), VARVE_OK);
    assert_string_equal(problem, "a table nested too deep, or in itself, cannot be JSON");
    varve_buf_fini(&deep);
}

static void large_texts_and_lists_come_back(void **state)
{
    varve_buf large = { 0 };

    (void)state;
    varve_buf_str(&large, VARVE_STR("[\""));
    for (int i = 0; i < 300000; i++) varve_buf_str(&large, VARVE_STR("\xc3\xa9x"));
    varve_buf_str(&large, VARVE_STR("\""));
    for (int i = 0; i < 20000; i++) varve_buf_printf(&large, ",%d", i);
    varve_buf_str(&large, VARVE_STR("]"));
    expect(large.ptr, NULL, large.ptr);
    varve_buf_fini(&large);
}

static void broken_json_is_an_error(void **state)
{
    static const char *const broken[] = { "{", "[1,]", "nul", "\"\\ud800\"", "1 2", "\x01" };
    const char *problem;

    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_int_equal(run(varve_str_of(broken[i]), NULL, &problem), VARVE_APPLICATION);
        assert_non_null(strstr(failure.message, "t.lua: value is not JSON: "));
    }
}

/* Reals of every size read back as the same bits. */
static void reals_read_back_equal(void **state)
{
    uint64_t seed = 42;
    const char *problem;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        double real, back;
        varve_buf text = { 0 };
        struct json_scanner scanner;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memcpy(&real, &seed, sizeof real);
        if (real != real || real - real != 0) continue;
        varve_buf_printf(&text, "%.17e", real);
        assert_int_equal(run(varve_buf_view(&text), NULL, &problem), VARVE_OK);
        assert_null(problem);
        json_start(&scanner, varve_buf_view(&out));
        assert_int_equal(json_next(&scanner), JSON_REAL);
        back = json_double(&scanner);
        assert_memory_equal(&real, &back, sizeof real);
        varve_buf_fini(&text);
    }
}

static void a_round_trip_is_stable(void **state)
{
    static const char *const texts[] = {
        "{\"b\":[1,2.50,null,{\"x\":[]}],\"a\":\"\\u00e9\\n\",\"a\":true}",
        "[[],{},\"\",-0,-0.0,1e300,9223372036854775807]",
        "{\"1\":1,\"2\":2}",
        "  null  ",
    };
    static const char *const wanted[] = {
        "{\"a\":true,\"b\":[1,2.5,null,{\"x\":[]}]}",
        "[[],{},\"\",0,-0.0,1e+300,9223372036854775807]",
        "{\"1\":1,\"2\":2}",
        "null",
    };
    varve_buf once = { 0 }, twice = { 0 };
    varve_error error = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        varve_buf_reset(&once);
        varve_buf_reset(&twice);
        assert_int_equal(document_round_trip(varve_str_of(texts[i]), &once, &error), VARVE_OK);
        assert_string_equal(once.ptr, wanted[i]);
        assert_int_equal(document_round_trip(varve_buf_view(&once), &twice, &error), VARVE_OK);
        assert_string_equal(twice.ptr, once.ptr);
    }
    assert_int_equal(document_round_trip(VARVE_STR("{\"a\":"), &once, &error), VARVE_INVALID);
    assert_non_null(strstr(error.message, "the document is not JSON"));
    varve_buf_fini(&once);
    varve_buf_fini(&twice);
}

/* A table of a few bytes of JSON may take long to look through, and stand in a value many times. */
static void looking_through_a_value_is_bounded(void **state)
{
    const char *problem;

    (void)state;
    vm->time_ms = 20;
    assert_int_equal(run(VARVE_STR(""),
                         "local big = {}; for i = 1, 50000 do big['k' .. i] = 1 end\n"
                         "for k in pairs(big) do big[k] = nil end\n"
                         "local all = {}; for i = 1, 200000 do all[i] = big end\n"
                         "return all",
                         &problem),
                     VARVE_APPLICATION);
    assert_non_null(strstr(failure.message, "ran longer than 20 ms of processor time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scalars_come_back, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(integers_and_reals_stay_apart, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(escapes_are_resolved, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(members_are_written_in_order_of_name, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(arrays_stay_arrays, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(null_is_a_value, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(what_cannot_be_json_is_refused, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(depth_is_bounded_both_ways, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(large_texts_and_lists_come_back, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(broken_json_is_an_error, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(reals_read_back_equal, open_vm, close_vm),
        cmocka_unit_test_setup_teardown(looking_through_a_value_is_bounded, open_vm, close_vm),
        cmocka_unit_test(a_round_trip_is_stable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
