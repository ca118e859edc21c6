/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/id.h"
#include "command/decision.h"

struct fixture {
    struct arena arena;
    struct varve_decision decision;
    varve_command command;
};

static void begin(struct fixture *fixture)
{
    varve_error error = { 0 };
    *fixture = (struct fixture){
        .command = {
            .type = VARVE_STR("PlaceOrder"),
            .stream = VARVE_STR("order-1"),
            .correlation_id = VARVE_STR("c-1"),
            .id = varve_uuid_new(),
        },
    };
    const struct decision_notes nothing = { 0 };
    assert_int_equal(decision_begin(&fixture->decision, &fixture->arena, &fixture->command, &nothing, &error),
                     VARVE_OK);
}

static void test_events_are_copied_and_complete(void **state)
{
    (void)state;
    struct fixture fixture;
    char type[] = "OrderPlaced", data[] = "{\"a\":1}", tag[] = "sku:7";
    varve_str tags[] = { varve_str_of(tag) };
    varve_event event = {
        .stream = VARVE_STR("elsewhere-1"), /* not the decider's to say */
        .metadata = VARVE_STR("{\"forged\":1}"),
        .type = varve_str_of(type),
        .data = varve_str_of(data),
        .tags = tags,
        .tag_count = 1,
        .occurred_at = 5,
    };
    begin(&fixture);
    for (int i = 0; i < 20; i++) assert_int_equal(varve_emit(&fixture.decision, &event), VARVE_OK);
    memset(type, 'x', sizeof type);
    memset(data, 'x', sizeof data);
    memset(tag, 'x', sizeof tag);
    assert_int_equal(fixture.decision.count, 20);
    for (uint32_t i = 0; i < 20; i++) {
        const varve_event *copy = &fixture.decision.events[i];
        varve_uuid id = id_derive(fixture.command.id, i);
        assert_memory_equal(&copy->id, &id, sizeof id);
        assert_true(varve_str_is(copy->stream, "order-1"));
        assert_true(varve_str_is(copy->type, "OrderPlaced"));
        assert_true(varve_str_is(copy->data, "{\"a\":1}"));
        assert_true(varve_str_is(copy->tags[0], "sku:7"));
        assert_true(varve_str_is(copy->content_type, "application/json"));
        assert_non_null(strstr(copy->metadata.ptr, "\"correlation_id\":\"c-1\""));
        assert_null(strstr(copy->metadata.ptr, "forged"));
        assert_int_equal(copy->schema_version, 1);
        assert_int_equal(copy->occurred_at, 5);
    }
    arena_fini(&fixture.arena);
}

static void test_a_bad_event_spoils_the_decision(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    assert_int_equal(varve_emit(&fixture.decision, &(varve_event){ .type = VARVE_STR("A") }), VARVE_OK);
    assert_int_equal(varve_emit(&fixture.decision, &(varve_event){ .data = VARVE_STR("{}") }), VARVE_APPLICATION);
    assert_non_null(strstr(fixture.decision.error.message, "type"));
    assert_int_equal(varve_emit(&fixture.decision, &(varve_event){ .type = VARVE_STR("A") }), VARVE_APPLICATION);
    assert_int_equal(varve_reject(&fixture.decision, "code", "why"), VARVE_APPLICATION);
    arena_fini(&fixture.arena);
}

static void test_a_decision_has_limits(void **state)
{
    (void)state;
    struct fixture fixture;
    varve_event event = { .type = VARVE_STR("A") };
    begin(&fixture);
    for (unsigned i = 0; i < VARVE_APPEND_EVENTS_MAX; i++)
        assert_int_equal(varve_emit(&fixture.decision, &event), VARVE_OK);
    assert_int_equal(varve_emit(&fixture.decision, &event), VARVE_TOO_LARGE);
    arena_fini(&fixture.arena);

    char *data = malloc(VARVE_DATA_BYTES_MAX);
    assert_non_null(data);
    memset(data, ' ', VARVE_DATA_BYTES_MAX);
    data[0] = '1';
    event.data = (varve_str){ data, VARVE_DATA_BYTES_MAX };
    begin(&fixture);
    for (int i = 0; i < 7; i++) assert_int_equal(varve_emit(&fixture.decision, &event), VARVE_OK);
    assert_int_equal(varve_emit(&fixture.decision, &event), VARVE_TOO_LARGE); /* 8 MiB, and the metadata */
    arena_fini(&fixture.arena);
    free(data);
}

static void test_a_rejection_drops_what_was_emitted(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    assert_int_equal(varve_emit(&fixture.decision, &(varve_event){ .type = VARVE_STR("A") }), VARVE_OK);
    assert_int_equal(varve_reject(&fixture.decision, "no_stock", "%d of %s", 3, "sku-1"), VARVE_REJECTED);
    assert_int_equal(fixture.decision.count, 0);
    assert_true(varve_str_is(fixture.decision.code, "no_stock"));
    assert_true(varve_str_is(fixture.decision.message, "3 of sku-1"));
    assert_int_equal(varve_emit(&fixture.decision, &(varve_event){ .type = VARVE_STR("A") }), VARVE_REJECTED);
    assert_int_equal(fixture.decision.count, 0);
    arena_fini(&fixture.arena);
}

static void test_a_rejection_is_made_of_printable_text(void **state)
{
    (void)state;
    static const char *const codes[] = { NULL, "", "a\nb", "\xff" };
    struct fixture fixture;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        begin(&fixture);
        assert_int_equal(varve_reject(&fixture.decision, codes[i], "why"), VARVE_APPLICATION);
        assert_non_null(strstr(fixture.decision.error.message, "rejection code"));
        arena_fini(&fixture.arena);
    }
    begin(&fixture);
    assert_int_equal(varve_reject(&fixture.decision, "code", "%s", "\xc3("), VARVE_APPLICATION);
    assert_false(fixture.decision.rejected);
    arena_fini(&fixture.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_are_copied_and_complete),
        cmocka_unit_test(test_a_bad_event_spoils_the_decision),
        cmocka_unit_test(test_a_decision_has_limits),
        cmocka_unit_test(test_a_rejection_drops_what_was_emitted),
        cmocka_unit_test(test_a_rejection_is_made_of_printable_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
