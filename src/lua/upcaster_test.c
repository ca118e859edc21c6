/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/upcaster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <varve/engine.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

#define NAME "upcasters/placed.lua"

static void is_refused(const char *source, const char *wanted)
{
    struct lua_upcaster *upcaster = NULL;
    varve_error error = { 0 };

    assert_int_equal(lua_upcaster_open(&upcaster, NAME, varve_str_of(source), &error), VARVE_INVALID);
    assert_null(upcaster);
    if (strncmp(error.message, NAME ":", strlen(NAME) + 1) != 0 || strstr(error.message, wanted) == NULL)
        fail_msg("'%s' does not say '%s'", error.message, wanted);
}

static void mistakes_name_file_and_line(void **state)
{
    (void)state;
    is_refused("return 7", "lua:1: the file must return a table { type, schema_version, upcast");
    is_refused("return {\n upcast = function() end }", "a shape needs a type");
    is_refused("return { type = 'A' }", "upcast must be a function");
    is_refused("return { type = 'A',\n upcast = 7 }", "lua:2: upcast must be a function");
    is_refused("return { type = 'A',\n schema_version = 0, upcast = error }", "schema_version must be an integer");
    is_refused("return { type = 'A', upcast = error,\n form = 1 }", "lua:2: an upcaster has no field 'form'");
    is_refused("return { type = 'A', upcast = error, 1 }", "named fields only");
    is_refused("return { type = 'A', upcast = error,\n into = 'B' }", "lua:2: into must be a list");
    is_refused("return { type = 'A', upcast = error,\n into = { 'B' } }", "lua:2: into must be a list");
    is_refused("return { type = 'A', upcast = error,\n into = {} }", "lua:2: into must be a list");
    is_refused("return { type = 'A', upcast = error,\n into = { {} } }", "lua:2: a shape needs a type");
}

static struct lua_upcaster *opened(const char *source)
{
    struct lua_upcaster *upcaster = NULL;
    varve_error error = { 0 };

    if (lua_upcaster_open(&upcaster, NAME, varve_str_of(source), &error) < 0) fail_msg("%s", error.message);
    return upcaster;
}

static void the_table_says_what_the_file_says(void **state)
{
    static const char source[] = "return { type = 'A', schema_version = 3, upcast = function(e) return nil end,\n"
                                 "  into = { { type = 'B' }, { type = 'C', schema_version = 2 } } }";
    struct lua_upcaster *upcaster = opened(source);
    const varve_upcaster *table = lua_upcaster_table(upcaster);

    (void)state;
    assert_string_equal(table->from.type, "A");
    assert_int_equal(table->from.schema_version, 3);
    assert_int_equal(table->into_count, 2);
    assert_string_equal(table->into[0].type, "B");
    assert_int_equal(table->into[0].schema_version, 1);
    assert_string_equal(table->into[1].type, "C");
    assert_int_equal(table->into[1].schema_version, 2);
    assert_true(varve_str_is(table->revision, source));
    lua_upcaster_close(upcaster);
    upcaster = opened("return { type = 'A', upcast = error, into = { type = 'B' } }");
    assert_int_equal(lua_upcaster_table(upcaster)->into_count, 1);
    assert_int_equal(lua_upcaster_table(upcaster)->from.schema_version, 1);
    lua_upcaster_close(upcaster);
}

/* ---- upcasting, in an engine ---- */

struct house {
    struct scratch scratch;
    struct lua_upcaster *upcasters[4];
    varve_engine *engine;
    varve_shapes *shapes;
};

/* Starts an engine with the upcasters. */
static void begin(struct house *house, const char *const *sources, size_t count)
{
    char uri[256];
    varve_error error = { 0 };

    *house = (struct house){ 0 };
    scratch_init(&house->scratch);
    snprintf(uri, sizeof uri, "sqlite:%s", scratch_path(&house->scratch, "s.db"));
    assert_int_equal(varve_engine_open(&house->engine, &(varve_engine_options){ .store = uri }, &error), VARVE_OK);
    for (size_t i = 0; i < count; i++) {
        house->upcasters[i] = opened(sources[i]);
        if (lua_upcaster_add(house->upcasters[i], house->engine, &error) < 0) fail_msg("%s", error.message);
    }
    if (varve_engine_start(house->engine, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(varve_shapes_open(&house->shapes, house->engine, &error), VARVE_OK);
}

static void end(struct house *house)
{
    varve_shapes_close(house->shapes);
    varve_engine_close(house->engine);
    for (size_t i = 0; i < 4; i++) lua_upcaster_close(house->upcasters[i]);
    scratch_fini(&house->scratch);
}

static varve_status upcast(struct house *house, const varve_event **events, size_t *count, varve_error *error)
{
    static const varve_str tags[] = { { "sku:1", 5 } };
    const varve_event event = { .stream = VARVE_STR("order-1"),
                                .type = VARVE_STR("Placed"),
                                .data = VARVE_STR("{\"total\":\"12.50\",\"items\":[]}"),
                                .metadata = VARVE_STR("{\"actor\":\"me\"}"),
                                .tags = tags,
                                .tag_count = 1,
                                .schema_version = 1,
                                .version = 1,
                                .position = 9,
                                .recorded_at = 7 };
    return varve_shapes_of(house->shapes, &event, events, count, error);
}

/* "TYPE version data tags, …" */
static void becomes(const char *const *sources, size_t source_count, const char *expected)
{
    struct house house;
    const varve_event *events = NULL;
    varve_error error = { 0 };
    varve_buf text = { 0 };
    size_t count = 0;

    begin(&house, sources, source_count);
    if (upcast(&house, &events, &count, &error) < 0) fail_msg("%s", error.message);
    varve_buf_str(&text, VARVE_STR(""));
    for (size_t i = 0; i < count; i++)
        varve_buf_printf(&text, "%s%.*s %u %.*s %zu", i == 0 ? "" : ", ", (int)events[i].type.len, events[i].type.ptr,
                         events[i].schema_version, (int)events[i].data.len, events[i].data.ptr, events[i].tag_count);
    assert_string_equal(text.ptr, expected);
    varve_buf_fini(&text);
    end(&house);
}

static void events_become_what_a_function_returns(void **state)
{
    static const char *const chain[] = {
        "return { type = 'Placed', upcast = function(event)\n"
        "  local data = event.data\n"
        "  data.cents = math.tointeger(tonumber(data.total) * 100)\n"
        "  data.total = nil\n"
        "  return { data = data, tags = { 'a', event.tags[1] } } end }",
        "return { type = 'Placed', schema_version = 2, into = { type = 'Submitted' },\n"
        "  upcast = function(event) return { type = 'Submitted' } end }",
        "return { type = 'Submitted', into = { { type = 'Opened' }, { type = 'Priced', schema_version = 3 } },\n"
        "  upcast = function(event) return { { type = 'Opened', data = { by = event.metadata.actor }, tags = {} },\n"
        "    { type = 'Priced', data = { cents = event.data.cents } } } end }",
    };
    static const char *const drops[] = { "return { type = 'Placed', upcast = function() return nil end }" };
    static const char *const drops_too[] = { "return { type = 'Placed', upcast = function() return array() end }" };

    (void)state;
    becomes(chain, 1, "Placed 2 {\"cents\":1250,\"items\":[]} 2");
    becomes(chain, 2, "Submitted 1 {\"cents\":1250,\"items\":[]} 2");
    becomes(chain, 3, "Opened 1 {\"by\":\"me\"} 0, Priced 3 {\"cents\":1250} 2");
    becomes(drops, 1, "");
    becomes(drops_too, 1, "");
}

static void fails(const char *source, const char *wanted)
{
    struct house house;
    const varve_event *events = NULL;
    varve_error error = { 0 };
    size_t count = 0;

    begin(&house, &source, 1);
    assert_int_equal(upcast(&house, &events, &count, &error), VARVE_APPLICATION);
    if (strstr(error.message, wanted) == NULL ||
        strstr(error.message, "position 9, version 1 of order-1: upcaster of Placed, schema version 1: " NAME ":") !=
            error.message)
        fail_msg("'%s' does not say '%s'", error.message, wanted);
    end(&house);
}

#define UPCAST(body) "return { type = 'Placed',\n upcast = function(event) " body " end }"

static void failures_name_file_and_line(void **state)
{
    (void)state;
    fails(UPCAST(""), "lua:2: upcast returns nothing");
    fails(UPCAST("return 1, 2"), "lua:2: upcast returns several values");
    fails(UPCAST("return 7"), "lua:2: upcast returns a number");
    fails(UPCAST("return event"), "lua:2: upcast: event 1: an event is a table with type and data");
    fails(UPCAST("return { { data = {} }, 7 }"), "lua:2: upcast: event 2: an event is a table");
    fails(UPCAST("return { date = {} }"), "an event has no field 'date'");
    fails(UPCAST("return { type = 'Other' }"), "gives 'Other', schema version 0, which is not one that it declared");
    fails(UPCAST("return { data = { f = error } }"), "event 1: data: a function");
    fails(UPCAST("return { data = event.nonsense }"), "event has no field 'nonsense'");
    fails(UPCAST("\n\n error('no') "), "lua:4: no");
    fails(UPCAST("while true do end"), "lua:2: ran longer than");
    fails(UPCAST("return { data = { at = os.time() } }"), "'os'");
    fails(UPCAST("return { data = { n = math.random() } }"), "'random'");
}

static void the_engines_refusal_names_file_and_line(void **state)
{
    static const char round[] = "local t = {}\nt.type = 'Placed'\nt.into = { type = 'Placed' }\n"
                                "t.upcast = function(event) return {} end\nreturn t";
    struct house house;
    varve_error error = { 0 };

    (void)state;
    begin(&house, NULL, 0);
    varve_shapes_close(house.shapes);
    varve_engine_close(house.engine);
    house.shapes = NULL;
    char uri[256];
    snprintf(uri, sizeof uri, "sqlite:%s", scratch_path(&house.scratch, "other.db"));
    assert_int_equal(varve_engine_open(&house.engine, &(varve_engine_options){ .store = uri }, &error), VARVE_OK);
    house.upcasters[0] = opened(round);
    assert_int_equal(lua_upcaster_add(house.upcasters[0], house.engine, &error), VARVE_INVALID);
    assert_string_equal(error.message, NAME ":2: the upcaster of Placed, schema version 1, leads back to it: such "
                                            "events would never end");
    end(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_name_file_and_line),
        cmocka_unit_test(the_table_says_what_the_file_says),
        cmocka_unit_test(events_become_what_a_function_returns),
        cmocka_unit_test(failures_name_file_and_line),
        cmocka_unit_test(the_engines_refusal_names_file_and_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
