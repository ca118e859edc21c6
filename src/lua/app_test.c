/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the path of examples/orders. */
#include "lua/app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

#define THING "return { category = 'thing', evolve = {}, decide = { Do = function() return { type = 'Done' } end } }"
#define OTHER "return { category = 'other', evolve = {}, decide = {} }"

static const char *orders;

/* A folder with an application and a store. */
struct house {
    struct scratch scratch;
    varve_engine *engine;
    struct app *app;
    varve_error error;
};

static void make_folder(struct house *house, const char *name)
{
    assert_int_equal(mkdir(scratch_path(&house->scratch, name), 0700), 0);
}

static void put(struct house *house, const char *name, const char *text)
{
    FILE *file = fopen(scratch_path(&house->scratch, name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int begin(void **state)
{
    struct house *house = calloc(1, sizeof *house);
    char uri[256];
    varve_engine_options options = { .store = uri };

    assert_non_null(house);
    scratch_init(&house->scratch);
    snprintf(uri, sizeof uri, "sqlite:%s", scratch_path(&house->scratch, ".t.db"));
    if (varve_engine_open(&house->engine, &options, &house->error) < 0) fail_msg("%s", house->error.message);
    *state = house;
    return 0;
}

static int end(void **state)
{
    struct house *house = *state;

    varve_engine_close(house->engine);
    app_close(house->app);
    scratch_fini(&house->scratch);
    free(house);
    return 0;
}

static const char OVER_QUERY[] = "return {\n"
                                 "  reads = function(command) return { types = { 'Used' } } end,\n"
                                 "  evolve = { Used = function(state) return state end },\n"
                                 "  decide = { Use = function(state, command) return { type = 'Used' } end },\n"
                                 "}\n";

static void is_refused(struct house *house, varve_status status, const char *wanted)
{
    assert_int_equal(app_open(&house->app, house->engine, house->scratch.folder, &house->error), status);
    assert_int_equal(house->error.status, status);
    if (strncmp(house->error.message, wanted, strlen(wanted)) != 0)
        fail_msg("'%s' does not begin with '%s'", house->error.message, wanted);
}

static varve_status execute(struct house *house, const char *type, const char *stream, const char *data,
                            varve_outcome *outcome)
{
    varve_command command = { .type = varve_str_of(type), .stream = varve_str_of(stream), .data = varve_str_of(data) };

    return varve_execute(house->engine, &command, outcome, &house->error);
}

static void a_folder_is_loaded(void **state)
{
    struct house *house = *state;
    varve_outcome outcome = { 0 };

    make_folder(house, "aggregates");
    put(house, "aggregates/thing.lua", THING);
    put(house, "aggregates/other.lua", OTHER);
    put(house, "aggregates/.#thing.lua", "an editor's lock");
    put(house, "aggregates/thing.lua~", "an editor's copy");
    put(house, "aggregates/README.md", "about them");
    put(house, "README", "about it");
    put(house, "place.sh", "true");
    put(house, ".hidden", "");
    if (app_open(&house->app, house->engine, house->scratch.folder, &house->error) < 0)
        fail_msg("%s", house->error.message);
    assert_int_equal(varve_engine_start(house->engine, &house->error), VARVE_OK);
    assert_int_equal(execute(house, "Do", "thing-1", "{}", &outcome), VARVE_OK);
    assert_true(varve_str_is(outcome.events[0].type, "Done"));
    varve_outcome_fini(&outcome);
}

static void mistakes_in_aggregates_name_file_and_line(void **state)
{
    struct house *house = *state;

    make_folder(house, "aggregates");
    put(house, "aggregates/a.lua", THING);
    put(house, "aggregates/b.lua", "return {\n  category = }\n");
    is_refused(house, VARVE_INVALID, "aggregates/b.lua:2: unexpected symbol");
}

static void one_category_has_one_aggregate(void **state)
{
    struct house *house = *state;

    make_folder(house, "aggregates");
    put(house, "aggregates/a.lua", THING);
    put(house, "aggregates/b.lua", "\n" THING);
    is_refused(house, VARVE_INVALID, "aggregates/b.lua:2: ");
}

static void mistakes_in_sql_name_file_and_line(void **state)
{
    struct house *house = *state;

    make_folder(house, "projections");
    put(house, "projections/a.sql", "-- @projection a\n-- @version 1\n-- @frobnicate\n");
    is_refused(house, VARVE_INVALID, "projections/a.sql:3: ");
}

static void what_is_not_built_yet_is_refused(void **state)
{
    static const char *const parts[] = { "sagas", "reactions", "maps", "relays.yaml", "expectations.lua" };
    struct house *house = *state;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%s: not built yet", parts[i]);
        make_folder(house, parts[i]);
        is_refused(house, VARVE_UNSUPPORTED, wanted);
        app_close(house->app);
        house->app = NULL;
        assert_int_equal(rmdir(scratch_path(&house->scratch, parts[i])), 0);
    }
}

static void aggregates_are_loaded_without_an_engine(void **state)
{
    struct house *house = *state;
    varve_candidate candidate = { 0 };

    make_folder(house, "aggregates");
    make_folder(house, "projections");
    make_folder(house, "specs");
    put(house, "aggregates/thing.lua", THING);
    put(house, "aggregates/other.lua", OTHER);
    put(house, "projections/a.sql", "this is not looked at");
    assert_int_equal(app_open_aggregates(&house->app, house->scratch.folder, &house->error), VARVE_OK);
    assert_true(app_find_decider(house->app, VARVE_STR("thing-1"), (varve_str){ 0 }, &candidate));
    assert_string_equal(candidate.decider->category, "thing");
    assert_non_null(candidate.ctx);
    assert_false(app_find_decider(house->app, VARVE_STR("thin"), (varve_str){ 0 }, &candidate));
    app_close(house->app);

    put(house, "aggregates/zing.lua", THING);
    assert_int_equal(app_open_aggregates(&house->app, house->scratch.folder, &house->error), VARVE_INVALID);
    assert_string_equal(house->error.message, "aggregates/zing.lua: the category 'thing' has a decider already");
}

static void is_refused_without_an_engine(struct house *house, const char *wanted)
{
    assert_int_equal(app_open_aggregates(&house->app, house->scratch.folder, &house->error), VARVE_INVALID);
    if (strstr(house->error.message, wanted) == NULL) fail_msg("'%s' does not have '%s'", house->error.message, wanted);
    app_close(house->app);
    house->app = NULL;
}

/* What each file has to say for itself is said when it is read; this is what an engine refuses of them together. */
static void an_application_is_refused_without_an_engine_as_with_one(void **state)
{
    struct house *house = *state;

    make_folder(house, "aggregates");
    put(house, "aggregates/a.lua", OVER_QUERY);
    put(house, "aggregates/b.lua", OVER_QUERY);
    is_refused_without_an_engine(house, "the command 'Use' is decided by two, of which one is over a query");
    unlink(scratch_path(&house->scratch, "aggregates/b.lua"));

    make_folder(house, "schemas");
    put(house, "schemas/Used.json", "{\"format\":\"date\"}");
    is_refused_without_an_engine(house, "schemas/Used.json#/format: the keyword 'format' is not supported");
    unlink(scratch_path(&house->scratch, "schemas/Used.json"));

    make_folder(house, "upcasters");
    put(house, "upcasters/a.lua", "return { type = 'A', into = { type = 'B' }, upcast = function() return {} end }");
    put(house, "upcasters/b.lua", "return { type = 'B', into = { type = 'A' }, upcast = function() return {} end }");
    is_refused_without_an_engine(house, "leads back to it: such events would never end");
}

static void compiled_modules_are_refused(void **state)
{
    struct house *house = *state;

    make_folder(house, "aggregates");
    put(house, "aggregates/thing.so", "");
    is_refused(house, VARVE_UNSUPPORTED, "aggregates/thing.so: compiled modules are not built yet");
}

static void what_is_unknown_is_refused(void **state)
{
    struct house *house = *state;

    put(house, "aggregate.lua", THING);
    is_refused(house, VARVE_INVALID, "aggregate.lua: no part of an application");
}

static void an_unknown_file_in_a_part_is_refused(void **state)
{
    struct house *house = *state;

    make_folder(house, "aggregates");
    put(house, "aggregates/thing.sql", "");
    is_refused(house, VARVE_INVALID, "aggregates/thing.sql: no part of an application");
}

static void a_folder_is_no_aggregate(void **state)
{
    struct house *house = *state;

    make_folder(house, "aggregates");
    make_folder(house, "aggregates/a.lua");
    is_refused(house, VARVE_INVALID, "aggregates/a.lua: not a file");
}

static void an_empty_folder_is_no_application(void **state)
{
    struct house *house = *state;

    is_refused(house, VARVE_INVALID, house->scratch.folder);
    assert_non_null(strstr(house->error.message, "is it an application folder?"));
}

static void a_missing_folder_is_not_found(void **state)
{
    struct house *house = *state;

    assert_int_equal(app_open(&house->app, house->engine, "/nowhere/at/all", &house->error), VARVE_NOT_FOUND);
    assert_non_null(strstr(house->error.message, "/nowhere/at/all"));
}

/* ---- the example ---- */

static void expect(struct house *house, const char *type, const char *stream, const char *data, const char *wanted)
{
    varve_outcome outcome = { 0 };
    varve_status status = execute(house, type, stream, data, &outcome);
    varve_str got = status == VARVE_REJECTED ? outcome.code
                    : status == VARVE_OK     ? outcome.events[0].type
                                             : varve_str_of(varve_status_word(status));

    if (!varve_str_is(got, wanted))
        fail_msg("%s %s is %.*s, not %s (%s)", type, data, (int)got.len, got.ptr, wanted, house->error.message);
    varve_outcome_fini(&outcome);
}

static void state_is(struct house *house, const char *stream, const char *wanted)
{
    varve_aggregate aggregate = { 0 };

    assert_int_equal(varve_aggregate_show(house->engine, varve_str_of(stream), NULL, &aggregate, NULL), VARVE_OK);
    if (!varve_str_is(aggregate.state, wanted)) fail_msg("%.*s", (int)aggregate.state.len, aggregate.state.ptr);
    varve_aggregate_fini(&aggregate);
}

static void the_orders_example_keeps_its_rules(void **state)
{
    static const char *const invalid[] = {
        "7",
        "[]",
        "{}",
        "{\"customer_id\":\"\",\"items\":[{\"sku\":\"a\",\"qty\":1,\"price\":1}]}",
        "{\"customer_id\":5,\"items\":[{\"sku\":\"a\",\"qty\":1,\"price\":1}]}",
        "{\"customer_id\":\"c\"}",
        "{\"customer_id\":\"c\",\"items\":[]}",
        "{\"customer_id\":\"c\",\"items\":{}}",
        "{\"customer_id\":\"c\",\"items\":\"abc\"}",
        "{\"customer_id\":\"c\",\"items\":[null]}",
        "{\"customer_id\":\"c\",\"items\":[{\"sku\":\"\",\"qty\":1,\"price\":1}]}",
        "{\"customer_id\":\"c\",\"items\":[{\"sku\":\"a\",\"qty\":0,\"price\":1}]}",
        "{\"customer_id\":\"c\",\"items\":[{\"sku\":\"a\",\"qty\":1.0,\"price\":1}]}",
        "{\"customer_id\":\"c\",\"items\":[{\"sku\":\"a\",\"qty\":1,\"price\":-1}]}",
        "{\"customer_id\":\"c\",\"items\":[{\"sku\":\"a\",\"qty\":1}]}",
        "{\"customer_id\":\"c\",\"items\":[{\"sku\":\"a\",\"qty\":9223372036854775807,\"price\":2}]}",
    };
    static const char order[] = "{\"customer_id\":\"c-1\",\"items\":[{\"sku\":\"a\",\"qty\":2,\"price\":1250},"
                                "{\"sku\":\"b\",\"qty\":1,\"price\":0}]}";
    struct house *house = *state;

    assert_non_null(orders);
    if (app_open(&house->app, house->engine, orders, &house->error) < 0 ||
        varve_engine_start(house->engine, &house->error) < 0)
        fail_msg("%s", house->error.message);
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        expect(house, "PlaceOrder", "order-1", invalid[i], "invalid_order");
    expect(house, "ShipOrder", "order-1", "{}", "order_not_placed");
    expect(house, "CancelOrder", "order-1", "{}", "order_not_placed");
    expect(house, "PlaceOrder", "order-1", order, "OrderPlaced");
    state_is(house, "order-1",
             "{\"customer_id\":\"c-1\",\"items\":[{\"price\":1250,\"qty\":2,\"sku\":\"a\"},"
             "{\"price\":0,\"qty\":1,\"sku\":\"b\"}],\"status\":\"PLACED\",\"total_amount\":2500}");
    expect(house, "PlaceOrder", "order-1", order, "order_not_pending");
    expect(house, "ShipOrder", "order-1", "{}", "OrderShipped");
    expect(house, "ShipOrder", "order-1", "{}", "order_not_placed");
    expect(house, "CancelOrder", "order-1", "{}", "order_not_placed");
    expect(house, "PlaceOrder", "order-2", order, "OrderPlaced");
    expect(house, "CancelOrder", "order-2", "{\"reason\":7}", "invalid_reason");
    expect(house, "CancelOrder", "order-2", "{\"reason\":\"changed my mind\"}", "OrderCancelled");
    expect(house, "ShipOrder", "order-2", "{}", "order_not_placed");
    expect(house, "PlaceOrder", "order-3", order, "OrderPlaced");
    expect(house, "CancelOrder", "order-3", "{}", "OrderCancelled");
    expect(house, "RefundOrder", "order-3", "{}", "not-found");
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_is_loaded, begin, end),
        cmocka_unit_test_setup_teardown(mistakes_in_aggregates_name_file_and_line, begin, end),
        cmocka_unit_test_setup_teardown(one_category_has_one_aggregate, begin, end),
        cmocka_unit_test_setup_teardown(mistakes_in_sql_name_file_and_line, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_built_yet_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(aggregates_are_loaded_without_an_engine, begin, end),
        cmocka_unit_test_setup_teardown(an_application_is_refused_without_an_engine_as_with_one, begin, end),
        cmocka_unit_test_setup_teardown(compiled_modules_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_is_unknown_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(an_unknown_file_in_a_part_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_is_no_aggregate, begin, end),
        cmocka_unit_test_setup_teardown(an_empty_folder_is_no_application, begin, end),
        cmocka_unit_test_setup_teardown(a_missing_folder_is_not_found, begin, end),
        cmocka_unit_test_setup_teardown(the_orders_example_keeps_its_rules, begin, end),
    };

    orders = count > 1 ? arguments[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
