/* SPDX-License-Identifier: Apache-2.0 */
#include "command/registry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    (void)state, (void)event, (void)error;
    return VARVE_OK;
}

static varve_status decide(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    (void)state, (void)command, (void)decision, (void)error;
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    (void)state, (void)json, (void)error;
    return VARVE_OK;
}

static const varve_decider good = { .category = "order", .state_size = 1, .evolve = evolve, .decide = decide };

static void assert_refused(const varve_decider *decider, const char *part)
{
    struct registry registry = { 0 };
    varve_error error = { 0 };
    assert_int_equal(registry_add(&registry, decider, NULL, &error), VARVE_INVALID);
    if (strstr(error.message, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", error.message, part);
    assert_int_equal(registry.count, 0);
    registry_fini(&registry);
}

static void test_deciders_are_found_by_category(void **state)
{
    (void)state;
    struct registry registry = { 0 };
    varve_decider other = good;
    varve_error error = { 0 };
    size_t index = 99;
    int ctx = 0;
    other.category = "payment";
    assert_int_equal(registry_add(&registry, &good, NULL, &error), VARVE_OK);
    assert_int_equal(registry_add(&registry, &other, &ctx, &error), VARVE_OK);
    assert_int_equal(registry_find(&registry, VARVE_STR("payment-7"), &index, &error), VARVE_OK);
    assert_int_equal(index, 1);
    assert_ptr_equal(registry.entries[index].decider, &other);
    assert_ptr_equal(registry.entries[index].ctx, &ctx);
    assert_int_equal(registry_find(&registry, VARVE_STR("order-item-1"), &index, &error), VARVE_OK);
    assert_int_equal(index, 0);
    assert_int_equal(registry_find(&registry, VARVE_STR("order"), &index, &error), VARVE_OK);
    assert_int_equal(registry_find(&registry, VARVE_STR("orders-1"), &index, &error), VARVE_NOT_FOUND);
    assert_non_null(strstr(error.message, "'orders'"));
    assert_int_equal(registry_add(&registry, &good, NULL, &error), VARVE_INVALID);
    assert_non_null(strstr(error.message, "already"));
    registry_fini(&registry);
}

static void test_a_table_tells_which_commands_it_knows(void **state)
{
    (void)state;
    static const varve_command_handler one[] = { { "Place", decide }, { NULL, NULL } };
    struct registry registry = { 0 };
    varve_decider listed = good;
    varve_error error = { 0 };
    listed.category = "payment";
    listed.decide = NULL;
    listed.commands = one;
    assert_int_equal(registry_add(&registry, &good, NULL, &error), VARVE_OK);
    assert_int_equal(registry_add(&registry, &listed, NULL, &error), VARVE_OK);
    const struct {
        const char *type, *stream;
        bool known;
    } cases[] = {
        { "Place", "payment-1", true },
        { "Take", "payment-1", false },
        { "Take", "order-1", true },
        { "Place", "room-1", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const varve_command command = { .type = varve_str_of(cases[i].type), .stream = varve_str_of(cases[i].stream) };
        assert_int_equal(registry_knows(&registry, &command), cases[i].known);
    }
    registry_fini(&registry);
}

static void test_incomplete_tables_are_refused(void **state)
{
    (void)state;
    static const varve_command_handler twice[] = { { "Place", decide }, { "Place", decide }, { NULL, NULL } };
    static const varve_command_handler hollow[] = { { "Place", NULL }, { NULL, NULL } };
    static const varve_command_handler nameless[] = { { "", decide }, { NULL, NULL } };
    varve_decider bad = good;
    bad.category = NULL;
    assert_refused(&bad, "category");
    bad.category = "";
    assert_refused(&bad, "category");
    bad.category = "order-item";
    assert_refused(&bad, "'-'");
    bad = good;
    bad.state_size = 0;
    assert_refused(&bad, "state_size");
    bad = good;
    bad.evolve = NULL;
    assert_refused(&bad, "evolve");
    bad = good;
    bad.decide = NULL;
    assert_refused(&bad, "commands or decide");
    bad = good;
    bad.commands = twice;
    assert_refused(&bad, "commands or decide");
    bad.decide = NULL;
    assert_refused(&bad, "'Place' twice");
    bad.commands = hollow;
    assert_refused(&bad, "without type or decide");
    bad.commands = nameless;
    assert_refused(&bad, "without type or decide");
    bad = good;
    bad.decode = decode;
    assert_refused(&bad, "decode without encode");
    bad = good;
    bad.enrich_timeout_ms = 60001;
    assert_refused(&bad, "enrich_timeout_ms");
}

static varve_status reads(void *worker, const varve_command *command, varve_reading *reading, varve_error *error)
{
    (void)worker, (void)command, (void)reading, (void)error;
    return VARVE_OK;
}

static void test_deciders_over_queries_are_found_by_type(void **state)
{
    (void)state;
    static const varve_command_handler place[] = { { "Place", decide }, { NULL, NULL } };
    static const varve_command_handler use[] = { { "Use", decide }, { NULL, NULL } };
    struct registry registry = { 0 };
    varve_error error = { 0 };
    size_t index = 9;
    varve_decider aggregate = good, over_query = good;
    aggregate.decide = NULL;
    aggregate.commands = place;
    over_query.category = NULL;
    over_query.reads = reads;
    assert_refused(&over_query, "table of its commands");
    over_query.decide = NULL;
    over_query.commands = use;
    over_query.snapshot_every = 7;
    assert_refused(&over_query, "no snapshots");
    over_query.snapshot_every = 0;
    over_query.category = "voucher";
    assert_refused(&over_query, "not both");
    over_query.category = NULL;
    assert_int_equal(registry_add(&registry, &aggregate, NULL, &error), VARVE_OK);
    assert_int_equal(registry_add(&registry, &over_query, NULL, &error), VARVE_OK);
    varve_command command = { .type = VARVE_STR("Use"), .stream = VARVE_STR("order-1") };
    assert_int_equal(registry_find_command(&registry, &command, &index, &error), VARVE_OK);
    assert_int_equal(index, 1);
    command.type = VARVE_STR("Place");
    assert_int_equal(registry_find_command(&registry, &command, &index, &error), VARVE_OK);
    assert_int_equal(index, 0);
    varve_decider second = over_query;
    second.commands = place;
    assert_int_equal(registry_add(&registry, &second, NULL, &error), VARVE_INVALID);
    assert_non_null(strstr(error.message, "'Place' is decided by two"));
    registry_fini(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deciders_are_found_by_category),
        cmocka_unit_test(test_a_table_tells_which_commands_it_knows),
        cmocka_unit_test(test_incomplete_tables_are_refused),
        cmocka_unit_test(test_deciders_over_queries_are_found_by_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
