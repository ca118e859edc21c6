/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/decider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <varve/engine.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

#define MODULE(fields) "return { category = \"thing\", evolve = {}, decide = {}," fields "}"

/* ---- loading ---- */

static void loads(const char *source)
{
    struct lua_decider *decider = NULL;
    varve_error error = { 0 };

    if (lua_decider_open(&decider, "aggregates/thing.lua", varve_str_of(source), &error) < 0)
        fail_msg("%s: %s", source, error.message);
    lua_decider_close(decider);
}

static void is_refused(const char *source, const char *wanted)
{
    struct lua_decider *decider = NULL;
    varve_error error = { 0 };

    assert_int_equal(lua_decider_open(&decider, "aggregates/thing.lua", varve_str_of(source), &error), VARVE_INVALID);
    assert_int_equal(error.status, VARVE_INVALID);
    assert_null(decider);
    if (strncmp(error.message, "aggregates/thing.lua:", 21) != 0 || strstr(error.message, wanted) == NULL)
        fail_msg("'%s' does not say '%s'", error.message, wanted);
}

static void good_modules_load(void **state)
{
    (void)state;
    loads(MODULE(""));
    loads(MODULE("initial = function() return array() end, snapshot_every = 1, state_version = 7"));
    loads(MODULE("snapshot_every = false"));
    loads("local t = {}\nt.category = 'x'\nt.evolve = {}\nt.decide = { A = function() end }\nreturn t");
}

static void the_table_carries_the_modules_numbers(void **state)
{
    struct lua_decider *decider = NULL;
    varve_str source = VARVE_STR(MODULE("snapshot_every = 12, state_version = 3"));

    (void)state;
    assert_int_equal(lua_decider_open(&decider, "t.lua", source, NULL), VARVE_OK);
    assert_string_equal(lua_decider_table(decider)->category, "thing");
    assert_int_equal(lua_decider_table(decider)->snapshot_every, 12);
    assert_int_equal(lua_decider_table(decider)->state_version, 3);
    lua_decider_close(decider);
}

static void mistakes_name_file_and_line(void **state)
{
    (void)state;
    is_refused("return {\n category = 'a',\n decide = {}\n evolve = {} }", "lua:4: '}' expected");
    is_refused("\x1bLuaXX", "lua:1: a compiled chunk");
    is_refused("", "lua:1: the file must return a table");
    is_refused("return 7", "lua:1: the file must return a table");
    is_refused("local x\nreturn x.y", "lua:2: attempt to index a nil value");
    is_refused("\nwhile true do end", "lua:2: ran longer than");
    is_refused("return { evolve = {}, decide = {} }", "an aggregate needs the field category, or reads");
    is_refused("return {\ncategory = 'a', decide = {} }", "lua:2: an aggregate needs the field evolve");
    is_refused("return { category = 'a', reads = 1, evolve = {}, decide = {} }", "reads must be a function");
    is_refused("return { category = 'a',\n reads = type, evolve = {}, decide = {} }", "lua:2: category and reads");
    is_refused("return { reads = type, evolve = {}, decide = { A = type },\n snapshot_every = 5 }",
               "lua:2: a decider over");
    is_refused("return { category = 'a', evolve = {}, decide = {},\n enrich = { A = 1 } }",
               "enrich.A must be a function");
    is_refused("return { category = 'a', evolve = {}, decide = {},\n enrich_timeout_ms = 0 }",
               "lua:2: enrich_timeout_ms");
    is_refused("return { category = 'a', evolve = {}, decide = {},\n record_context = 1 }", "lua:2: record_context");
    is_refused("return { category = 'a', evolve = {} }", "an aggregate needs the field decide");
    is_refused(MODULE("\ncategory = 7"), "lua:1: category must be a text");
    is_refused(MODULE("\nevovle = {}"), "lua:2: an aggregate has no field 'evovle'");
    is_refused(MODULE("1"), "named fields only");
    is_refused("return { category = 'a-b', evolve = {}, decide = {} }", "without '-'");
    is_refused("return { category = '', evolve = {}, decide = {} }", "1 to 255 bytes");
    is_refused("return { category = 'a',\n evolve = {},\n decide = 7 }", "lua:3: decide must be a table of functions");
    is_refused("return { category = 'a', evolve = { \n Made = 1 }, decide = {} }",
               "lua:2: evolve.Made must be a function");
    is_refused("return { category = 'a', evolve = { function() end }, decide = {} }", "every name must be a text");
    is_refused(MODULE("\nsnapshot_every = 0"), "lua:2: snapshot_every");
    is_refused(MODULE("\nsnapshot_every = true"), "lua:2: snapshot_every");
    is_refused(MODULE("\nstate_version = 1.5"), "lua:2: state_version");
    is_refused(MODULE("\ninitial = {}"), "lua:2: initial must be a function");
    is_refused(MODULE("\ninitial = function() end"), "lua:2: initial must return a table, not nil");
    is_refused(MODULE("\ninitial = function() error('no') end"), "lua:2: no");
    is_refused(MODULE("\ninitial = function() return { f = print } end,\nx = 1"),
               "lua:3: an aggregate has no field 'x'");
    is_refused(MODULE("initial = function() return { f = error } end"), "the state cannot be written: a function");
}

/* ---- folding, without an engine ---- */

struct fold {
    struct lua_decider *decider;
    void *worker;
    void *state;
};

static void begin(struct fold *fold, const char *source)
{
    const varve_decider *table;
    varve_error error = { 0 };

    if (lua_decider_open(&fold->decider, "t.lua", varve_str_of(source), &error) < 0) fail_msg("%s", error.message);
    table = lua_decider_table(fold->decider);
    fold->state = calloc(1, table->state_size);
    assert_non_null(fold->state);
    assert_int_equal(table->worker_open(fold->decider, &fold->worker, &error), VARVE_OK);
    assert_int_equal(table->initial(fold->worker, fold->state, &error), VARVE_OK);
}

static void end(struct fold *fold)
{
    lua_decider_table(fold->decider)->fini(fold->state);
    lua_decider_table(fold->decider)->worker_close(fold->worker);
    lua_decider_close(fold->decider);
    free(fold->state);
}

static varve_status evolve(struct fold *fold, const char *type, const char *data, varve_error *error)
{
    static const varve_str tags[] = { { "a", 1 }, { "b", 1 } };
    varve_event event = {
        .stream = VARVE_STR("thing-a-1"),
        .data = varve_str_of(data),
        .metadata = VARVE_STR("{\"who\":\"me\"}"),
        .tags = tags,
        .tag_count = 2,
        .version = 3,
        .position = 9007199254740993,
        .occurred_at = 1000000,
        .recorded_at = 2000001,
    };

    event.type = varve_str_of(type);
    event.id.bytes[15] = 1;
    return lua_decider_table(fold->decider)->evolve(fold->state, &event, error);
}

static void state_is(struct fold *fold, const char *wanted)
{
    varve_buf json = { 0 };

    assert_int_equal(lua_decider_table(fold->decider)->encode(fold->state, &json, NULL), VARVE_OK);
    assert_string_equal(json.ptr, wanted);
    varve_buf_fini(&json);
}

static void evolving_fails(struct fold *fold, const char *type, const char *wanted)
{
    varve_error error = { 0 };

    assert_int_equal(evolve(fold, type, "{\"n\":1}", &error), VARVE_APPLICATION);
    assert_string_equal(error.message, wanted);
}

static void events_have_all_fields(void **state)
{
    struct fold fold = { 0 };

    (void)state;
    begin(&fold, "return { category = 'thing', decide = {}, evolve = { Made = function(s, e)\n"
                 "return { e.type, e.stream, e.aggregate_id, e.version, e.data, e.metadata, e.occurred_at,\n"
                 "         e.id, e.tags, e.data.n == e.data.n } end } }");
    assert_int_equal(evolve(&fold, "Made", "{\"n\":1.0}", NULL), VARVE_OK);
    state_is(&fold, "[\"Made\",\"thing-a-1\",\"a-1\",3,{\"n\":1.0},{\"who\":\"me\"},"
                    "\"1970-01-01T00:00:01.000000Z\","
                    "\"00000000-0000-0000-0000-000000000001\",[\"a\",\"b\"],true]");
    end(&fold);
}

static void states_fold_and_come_back(void **state)
{
    struct fold fold = { 0 };
    const varve_decider *table;

    (void)state;
    begin(&fold,
          "return { category = 'thing', decide = {}, initial = function() return { n = 0, seen = array() } end,\n"
          "evolve = { Added = function(s, e) s.n = s.n + e.data.n; s.seen[#s.seen + 1] = e.version return s end,\n"
          "           Replaced = function(s, e) return { n = e.data.n, seen = s.seen } end } }");
    table = lua_decider_table(fold.decider);
    state_is(&fold, "{\"n\":0,\"seen\":[]}");
    assert_int_equal(evolve(&fold, "Added", "{\"n\":2}", NULL), VARVE_OK);
    assert_int_equal(evolve(&fold, "Unknown", "{\"n\":2}", NULL), VARVE_OK);
    state_is(&fold, "{\"n\":2,\"seen\":[3]}");
    assert_int_equal(evolve(&fold, "Replaced", "{\"n\":null}", NULL), VARVE_OK);
    state_is(&fold, "{\"n\":null,\"seen\":[3]}");
    assert_int_equal(table->decode(fold.state, VARVE_STR("{\"n\":9223372036854775806,\"seen\":[]}"), NULL), VARVE_OK);
    assert_int_equal(evolve(&fold, "Added", "{\"n\":1}", NULL), VARVE_OK);
    state_is(&fold, "{\"n\":9223372036854775807,\"seen\":[3]}");
    assert_int_equal(table->decode(fold.state, VARVE_STR("7"), NULL), VARVE_APPLICATION);
    end(&fold);
}

static void a_worker_holds_many_states(void **state)
{
    struct fold fold = { 0 };
    const varve_decider *table;

    (void)state;
    begin(&fold, MODULE("initial = function() return { ('x'):rep(100000) } end"));
    table = lua_decider_table(fold.decider);
    for (int i = 0; i < 2000; i++) { /* 200 MB in all, were they not given back */
        table->fini(fold.state);
        assert_int_equal(table->initial(fold.worker, fold.state, NULL), VARVE_OK);
    }
    end(&fold);
}

/* A megabyte each, in pieces: what is held counts, what is garbage does not. */
static void a_worker_says_when_it_is_full(void **state)
{
    enum { STATES = 50 };
    struct fold fold = { 0 };
    void *states[STATES];
    const varve_decider *table;

    (void)state;
    begin(&fold,
          MODULE("initial = function() local s = {} for i = 1, 10 do s[i] = ('x'):rep(100000 + i) end return s end"));
    table = lua_decider_table(fold.decider);
    assert_false(table->worker_is_full(fold.worker));
    for (size_t i = 0; i < STATES; i++) {
        states[i] = calloc(1, table->state_size);
        assert_non_null(states[i]);
        assert_int_equal(table->initial(fold.worker, states[i], NULL), VARVE_OK);
    }
    assert_true(table->worker_is_full(fold.worker));
    for (size_t i = 0; i < STATES; i++) {
        table->fini(states[i]);
        free(states[i]);
    }
    assert_false(table->worker_is_full(fold.worker));
    end(&fold);
}

static void mistakes_in_evolve_are_errors(void **state)
{
    struct fold fold = { 0 };

    (void)state;
    begin(&fold, "local kept\nreturn { category = 'thing', decide = {}, evolve = {\n"
                 "Nothing = function(s, e) s.x = 1 end,\n"
                 "Number = function(s, e) return 7 end,\n"
                 "Two = function(s, e) return s, e end,\n"
                 "Index = function(s, e)\n  return e.data.n.x.y end,\n"
                 "Missing = function(s, e) return e.amount end,\n"
                 "Keep = function(s, e) kept = e return s end,\n"
                 "Late = function(s, e) return kept.data end,\n"
                 "Loop = function(s, e) while true do end end } }");
    evolving_fails(&fold, "Nothing", "t.lua:3: evolve.Nothing must return the state, a table, not nothing");
    evolving_fails(&fold, "Number", "t.lua:4: evolve.Number must return the state, a table, not number");
    evolving_fails(&fold, "Two", "t.lua:5: evolve.Two must return the state, a table, not several values");
    evolving_fails(&fold, "Index", "t.lua:7: attempt to index a number value (field 'n')");
    evolving_fails(&fold, "Missing", "t.lua:8: event has no field 'amount': what was sent is in event.data");
    assert_int_equal(evolve(&fold, "Keep", "{}", NULL), VARVE_OK);
    evolving_fails(&fold, "Late", "t.lua:10: this event is over: copy what is needed from it");
    evolving_fails(&fold, "Loop", "t.lua:11: ran longer than 10000000 instructions: an endless loop?");
    /* The interpreter is good for the next event. */
    assert_int_equal(evolve(&fold, "Keep", "{}", NULL), VARVE_OK);
    end(&fold);
}

/* ---- deciding, on an engine ---- */

struct house {
    struct scratch scratch;
    char store[256];
    struct lua_decider *decider;
    varve_engine *engine;
};

static void open_house(struct house *house, const char *source)
{
    varve_error error = { 0 };
    varve_engine_options options = { 0 };

    scratch_init(&house->scratch);
    snprintf(house->store, sizeof house->store, "sqlite:%s", scratch_path(&house->scratch, "t.db"));
    options.store = house->store;
    if (lua_decider_open(&house->decider, "t.lua", varve_str_of(source), &error) < 0 ||
        varve_engine_open(&house->engine, &options, &error) < 0 ||
        lua_decider_add(house->decider, house->engine, &error) < 0 || varve_engine_start(house->engine, &error) < 0)
        fail_msg("%s", error.message);
}

static void close_house(struct house *house)
{
    varve_engine_close(house->engine);
    lua_decider_close(house->decider);
    scratch_fini(&house->scratch);
}

static varve_status execute(struct house *house, const char *type, varve_outcome *outcome, varve_error *error)
{
    varve_command command = {
        .stream = VARVE_STR("thing-1"),
        .data = VARVE_STR("{\"n\":5}"),
        .time = 1000000,
        .actor = VARVE_STR("ann"),
    };

    command.type = varve_str_of(type);
    varve_uuid_parse(&command.id, VARVE_STR("0190a5d2-7c1e-7000-8000-000000000001"), NULL);
    command.id.bytes[15] = (uint8_t)type[0];
    return varve_execute(house->engine, &command, outcome, error);
}

static void accepts(struct house *house, const char *type, size_t events, const char *first_data)
{
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };

    if (execute(house, type, &outcome, &error) != VARVE_OK) fail_msg("%s: %s", type, error.message);
    assert_int_equal(outcome.event_count, events);
    if (events > 0) {
        assert_int_equal(outcome.events[0].data.len, strlen(first_data));
        assert_memory_equal(outcome.events[0].data.ptr, first_data, strlen(first_data));
    }
    varve_outcome_fini(&outcome);
}

static void deciding_fails(struct house *house, const char *type, const char *wanted)
{
    varve_error error = { 0 };
    uint64_t head = 0;

    assert_int_equal(execute(house, type, NULL, &error), VARVE_APPLICATION);
    if (strstr(error.message, wanted) == NULL) fail_msg("'%s' does not say '%s'", error.message, wanted);
    assert_int_equal(varve_store_head(varve_engine_store(house->engine), &head, NULL), VARVE_OK);
    assert_int_equal(head, 0);
}

static void decisions_become_events(void **state)
{
    struct house house = { 0 };
    varve_outcome outcome = { 0 };
    varve_error error = { 0 };

    (void)state;
    open_house(&house,
               "return { category = 'thing', evolve = {}, decide = {\n"
               "A = function() end,\n"
               "B = function() return {} end,\n"
               "C = function() return array() end,\n"
               "D = function(s, c) return { type = 'One', data = { c.type, c.stream, c.aggregate_id, c.data, c.id,\n"
               "                   c.time, c.actor, c.correlation_id } } end,\n"
               "E = function() return { { type = 'One' }, { type = 'Two', tags = { 'x', 'y' },\n"
               "                   schema_version = 3, occurred_at = '2026-01-02T03:04:05Z' } } end,\n"
               "F = function() return reject('no_way', 'because') end,\n"
               "G = function() return reject('no_way') end } }");
    accepts(&house, "A", 0, "");
    accepts(&house, "B", 0, "");
    accepts(&house, "C", 0, "");
    accepts(&house, "D", 1,
            "[\"D\",\"thing-1\",\"1\",{\"n\":5},\"0190a5d2-7c1e-7000-8000-000000000044\","
            "\"1970-01-01T00:00:01.000000Z\",\"ann\",\"0190a5d2-7c1e-7000-8000-000000000044\"]");
    assert_int_equal(execute(&house, "E", &outcome, &error), VARVE_OK);
    assert_int_equal(outcome.event_count, 2);
    assert_int_equal(outcome.version, 3);
    assert_int_equal(outcome.events[1].tag_count, 2);
    assert_true(varve_str_is(outcome.events[1].tags[1], "y"));
    assert_int_equal(outcome.events[1].schema_version, 3);
    assert_true(outcome.events[1].occurred_at == 1767323045000000);
    assert_true(varve_str_is(outcome.events[0].data, "{}"));
    varve_outcome_fini(&outcome);
    assert_int_equal(execute(&house, "F", &outcome, &error), VARVE_REJECTED);
    assert_true(varve_str_is(outcome.code, "no_way"));
    assert_true(varve_str_is(outcome.message, "because"));
    varve_outcome_fini(&outcome);
    assert_int_equal(execute(&house, "G", NULL, &error), VARVE_REJECTED);
    assert_int_equal(execute(&house, "Unknown", NULL, &error), VARVE_NOT_FOUND);
    close_house(&house);
}

static void mistakes_in_decide_are_errors(void **state)
{
    struct house house = { 0 };

    (void)state;
    open_house(&house, "return { category = 'thing', evolve = {}, initial = function() return { deep = { 1 } } end,\n"
                       "decide = {\n"
                       "A = function() return 7 end,\n"
                       "B = function() return { type = 'X' }, { type = 'Y' } end,\n"
                       "C = function(s) s.deep[1] = 2 end,\n"
                       "D = function(s) s.x = 1; error('first') end,\n"
                       "E = function() return { data = {} } end,\n"
                       "F = function() return { { type = 'X' }, { type = 'Y', data = 0/0 } } end,\n"
                       "G = function() return { type = 'X', when = 1 } end,\n"
                       "H = function() return { type = 'X', tags = { 1 } } end,\n"
                       "I = function() return { type = 'X', occurred_at = 'today' } end,\n"
                       "J = function() return { type = 'X', schema_version = 0 } end,\n"
                       "K = function(s, c) return { type = 'X', data = c } end,\n"
                       "L = function() while true do end end,\n"
                       "M = function() return { type = 7 } end,\n"
                       "N = function() return { 'X' } end,\n"
                       "O = function(s, c) return { type = 'X', data = c.customer } end,\n"
                       "P = function(s) s.deep = { 1 } return { type = 'X' } end,\n"
                       "Q = function() return { { type = 'X' }, { type = 'Y', tags = { 'a\\n' } } } end } }");
    deciding_fails(&house, "A", "t.lua:3: decide.A: returns an event");
    deciding_fails(&house, "B", "t.lua:4: decide.B returns several values");
    deciding_fails(&house, "C", "t.lua:5: decide.C changed the state");
    deciding_fails(&house, "D", "t.lua:6: first");
    deciding_fails(&house, "E", "t.lua:7: decide.E: event 1: an event needs a type");
    deciding_fails(&house, "F", "t.lua:8: decide.F: event 2: data: NaN");
    deciding_fails(&house, "G", "t.lua:9: decide.G: event 1: an event has no field 'when'");
    deciding_fails(&house, "H", "t.lua:10: decide.H: event 1: tags must be a list of texts");
    deciding_fails(&house, "I", "t.lua:11: decide.I: event 1: occurred_at");
    deciding_fails(&house, "J", "t.lua:12: decide.J: event 1: schema_version");
    deciding_fails(&house, "K", "t.lua:13: decide.K: event 1: data: a table with a metatable");
    deciding_fails(&house, "L", "t.lua:14: ran longer than");
    deciding_fails(&house, "M", "t.lua:15: decide.M: event 1: type must be a text");
    deciding_fails(&house, "N", "t.lua:16: decide.N: event 1: an event is a table");
    deciding_fails(&house, "O", "t.lua:17: command has no field 'customer'");
    deciding_fails(&house, "P", "t.lua:18: decide.P changed the state");
    deciding_fails(&house, "Q", "Q on thing-1: t.lua:19: decide.Q: refused: events[1]");
    close_house(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_modules_load),
        cmocka_unit_test(the_table_carries_the_modules_numbers),
        cmocka_unit_test(mistakes_name_file_and_line),
        cmocka_unit_test(events_have_all_fields),
        cmocka_unit_test(states_fold_and_come_back),
        cmocka_unit_test(a_worker_holds_many_states),
        cmocka_unit_test(a_worker_says_when_it_is_full),
        cmocka_unit_test(mistakes_in_evolve_are_errors),
        cmocka_unit_test(decisions_become_events),
        cmocka_unit_test(mistakes_in_decide_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
