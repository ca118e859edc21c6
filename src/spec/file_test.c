/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void read_file(struct spec_file *file, const char *text)
{
    varve_error error = { 0 };
    if (spec_file_read(file, "t.yaml", varve_str_of(text), &error) < 0) fail_msg("%s", error.message);
}

static void is_refused_as(varve_status wanted_status, const char *text, const char *wanted)
{
    struct spec_file file = { 0 };
    varve_error error = { 0 };
    varve_status status = spec_file_read(&file, "t.yaml", varve_str_of(text), &error);
    if (status != wanted_status || error.status != wanted_status) fail_msg("%d: %s", (int)status, error.message);
    if (strncmp(error.message, wanted, strlen(wanted)) != 0)
        fail_msg("'%s' does not begin with '%s'", error.message, wanted);
    spec_file_fini(&file);
}

static void is_refused(const char *text, const char *wanted)
{
    is_refused_as(VARVE_INVALID, text, wanted);
}

/* An example that is complete but for these lines. */
#define EXAMPLE(lines) "stream: order-1\nexamples:\n  - name: one\n" lines

static void every_part_is_read(void **unused)
{
    (void)unused;
    struct spec_file file = { 0 };
    varve_time time = 0;
    read_file(&file, "stream: order-1\n"
                     "examples:\n"
                     "  - name: one\n"
                     "    given:\n"
                     "      - OrderPlaced: {total: 5}\n"
                     "      - Noted\n"
                     "      - Noted:\n"
                     "      - Noted: null\n"
                     "      - {type: Moved, data: [1], schema_version: 2, tags: [a, b],\n"
                     "         occurred_at: 2026-01-02T03:04:05Z, stream: order-2,\n"
                     "         metadata: {actor: ann}}\n"
                     "    when: {type: Ship, data: {by: \"7\"}, time: '2026-01-02T03:04:05Z', actor: ann,"
                     " context: {stock: 5}}\n"
                     "    then: []\n"
                     "  - name: two\n"
                     "    stream: order-2\n"
                     "    when: Ship\n"
                     "    then: {rejected: {code: late, message: ''}, state_has: {a: 1}}\n"
                     "  - name: three\n"
                     "    when: {Ship: {by: 7}}\n"
                     "    then: {events: [Shipped, {type: Moved, data_has: {x: 1}}], state: {}}\n"
                     "  - name: four\n"
                     "    then: {state: null}\n");
    assert_int_equal(file.count, 4);
    assert_int_equal(varve_time_parse(&time, VARVE_STR("2026-01-02T03:04:05Z"), NULL), VARVE_OK);

    const struct spec_example *one = &file.examples[0];
    assert_true(varve_str_is(one->name, "one") && varve_str_is(one->stream, "order-1"));
    assert_int_equal(one->place.line, 3);
    assert_int_equal(one->place.column, 5);
    assert_int_equal(one->given_count, 5);
    assert_true(varve_str_is(one->given[0].event.type, "OrderPlaced"));
    assert_true(varve_str_is(one->given[0].event.data, "{\"total\":5}"));
    assert_true(varve_str_is(one->given[1].event.data, "{}"));
    assert_true(varve_str_is(one->given[2].event.data, "{}"));
    assert_true(varve_str_is(one->given[3].event.data, "null"));
    const varve_event *moved = &one->given[4].event;
    assert_true(varve_str_is(moved->data, "[1]") && varve_str_is(moved->metadata, "{\"actor\":\"ann\"}"));
    assert_true(varve_str_is(moved->stream, "order-2"));
    assert_int_equal(moved->schema_version, 2);
    assert_int_equal(moved->tag_count, 2);
    assert_true(varve_str_is(moved->tags[1], "b"));
    assert_int_equal(moved->occurred_at, time);
    assert_true(one->has_command && varve_str_is(one->command.type, "Ship"));
    assert_true(varve_str_is(one->command.data, "{\"by\":\"7\"}") && varve_str_is(one->command.actor, "ann"));
    assert_true(varve_str_is(one->command.context, "{\"stock\":5}"));
    assert_int_equal(one->command.time, time);
    assert_true(one->expects_events && !one->expects_rejection && one->event_count == 0);

    const struct spec_example *two = &file.examples[1];
    assert_true(varve_str_is(two->stream, "order-2") && varve_str_is(two->command.data, "{}"));
    assert_true(two->expects_rejection && varve_str_is(two->code, "late") && two->has_message);
    assert_true(two->state.is_part && varve_str_is(two->state.json, "{\"a\":1}"));

    const struct spec_example *three = &file.examples[2];
    assert_true(varve_str_is(three->command.data, "{\"by\":7}"));
    assert_int_equal(three->event_count, 2);
    assert_true(three->events[1].data.is_part && varve_str_is(three->events[1].data.json, "{\"x\":1}"));
    assert_false(three->events[0].data.is_part || three->state.is_part);
    assert_false(file.examples[3].has_command);
    assert_true(varve_str_is(file.examples[3].state.json, "null"));
    spec_file_fini(&file);
}

static void a_file_that_is_none_is_refused(void **unused)
{
    (void)unused;
    is_refused("- a\n", "t.yaml:1:1: a file of examples must be a mapping");
    is_refused("stream: order-1\n", "t.yaml:1:1: examples must be a list of examples");
    is_refused("examples: []\n", "t.yaml:1:11: examples must be a list of examples");
    is_refused("example: []\n", "t.yaml:1:1: a file of examples has no 'example', only stream and examples");
    is_refused("stream: 5\nexamples: []\n", "t.yaml:1:9: stream must be a text");
    is_refused("stream: ''\nexamples: []\n", "t.yaml:1:9: stream must not be empty");
    is_refused("examples:\n  - name: one\n    then: []\n", "t.yaml:2:5: which stream?");
    is_refused("examples: [\n", "t.yaml:2:1: did not find expected node content");
}

static void an_example_that_is_none_is_refused(void **unused)
{
    (void)unused;
    is_refused(EXAMPLE("    thn: []\n"),
               "t.yaml:4:5: an example has no 'thn', only name, stream, given, when and then");
    is_refused(EXAMPLE("    when: Ship\n"), "t.yaml:3:5: an example needs a then");
    is_refused(EXAMPLE("    then: []\n"), "t.yaml:4:11: without a when there is only a state to expect");
    is_refused(EXAMPLE("    then: {rejected: late}\n"), "t.yaml:4:11: without a when");
    is_refused(EXAMPLE("    when: Ship\n    then:\n"), "t.yaml:5:10: then is a list of events ([]: none)");
    is_refused(EXAMPLE("    when: Ship\n    then: {}\n"), "t.yaml:5:11: then expects nothing");
    is_refused(EXAMPLE("    when: Ship\n    then: {event: []}\n"), "t.yaml:5:12: then has no 'event'");
    is_refused(EXAMPLE("    when: Ship\n    then: {events: [], rejected: late}\n"),
               "t.yaml:5:34: a command that is rejected has no events");
    is_refused(EXAMPLE("    then: {state: {}, state_has: {}}\n"), "t.yaml:4:34: state is all of it");
    is_refused(EXAMPLE("    when: Ship\n    then: {rejected: {}}\n"),
               "t.yaml:5:22: a rejection has a code or a message");
    is_refused(EXAMPLE("    when: Ship\n    then: {rejected: [late]}\n"), "t.yaml:5:22: rejected must be a mapping");
    is_refused("examples:\n  - {stream: a-1, then: {state: 1}}\n", "t.yaml:2:5: an example needs a name");
    is_refused(EXAMPLE("    then: {state: 1}\n  - name: one\n    then: {state: 2}\n"),
               "t.yaml:5:5: the example in line 3 has this name too");
}

static void an_event_that_is_none_is_refused(void **unused)
{
    (void)unused;
    is_refused(EXAMPLE("    given: Placed\n"), "t.yaml:4:12: given must be a list of events");
    is_refused(EXAMPLE("    given: [[]]\n"), "t.yaml:4:13: an event is TYPE, TYPE: DATA, or a mapping with type");
    is_refused(EXAMPLE("    given: [{}]\n"), "t.yaml:4:13: an event is TYPE");
    is_refused(EXAMPLE("    given: [5]\n"), "t.yaml:4:13: a type must be a text");
    is_refused(EXAMPLE("    given: [{data: {}}]\n"), "t.yaml:4:13: an event needs a type");
    is_refused(EXAMPLE("    given: [{Placed: {}, tags: []}]\n"), "t.yaml:4:14: an event has no 'Placed', only type");
    is_refused(EXAMPLE("    given: [{type: P, data_has: {}}]\n"), "t.yaml:4:23: an event has no 'data_has'");
    is_refused(EXAMPLE("    given: [{type: P, tags: a}]\n"), "t.yaml:4:29: tags must be a list");
    is_refused(EXAMPLE("    given: [{type: P, tags: [1]}]\n"), "t.yaml:4:30: a tag must be a text");
    is_refused(EXAMPLE("    given: [{type: P, schema_version: 0}]\n"), "t.yaml:4:39: schema_version must be");
    is_refused(EXAMPLE("    given: [{type: P, schema_version: '2'}]\n"), "t.yaml:4:39: schema_version must be");
    is_refused(EXAMPLE("    given: [{type: P, occurred_at: today}]\n"), "t.yaml:4:36: occurred_at must be a time");
    is_refused(EXAMPLE("    given: [{type: P, metadata: []}]\n"), "t.yaml:4:33: metadata must be a mapping");
    is_refused(EXAMPLE("    given: [{P: {x: 007}}]\n"), "t.yaml:4:21: 007 is a number");
    is_refused(EXAMPLE("    when: Ship\n    then: [{type: P, data: {}, data_has: {}}]\n"),
               "t.yaml:5:42: data is all of it");
    is_refused(EXAMPLE("    when: Ship\n    then: [{type: P, metadata: {}}]\n"),
               "t.yaml:5:22: an expected event has no 'metadata'");
    is_refused(EXAMPLE("    when: [Ship]\n"), "t.yaml:4:11: a command is TYPE");
    is_refused(EXAMPLE("    when: {type: Ship, time: now}\n"), "t.yaml:4:30: time must be a time");
    is_refused(EXAMPLE("    when: {type: Ship, id: x}\n"), "t.yaml:4:24: a command has no 'id'");
}

static void aliases_cannot_make_much_of_little(void **unused)
{
    (void)unused;
    varve_buf text = { 0 };
    varve_buf_str(&text, VARVE_STR("stream: a-1\nexamples:\n  - name: one\n    given: &g\n"));
    for (unsigned i = 0; i < 20000; i++) varve_buf_str(&text, VARVE_STR("      - E\n"));
    varve_buf_str(&text, VARVE_STR("    then: {state: 1}\n"));
    for (unsigned i = 0; i < 900; i++) varve_buf_printf(&text, "  - {name: n%u, given: *g, then: {state: 1}}\n", i);
    is_refused_as(VARVE_TOO_LARGE, text.ptr, "t.yaml: its examples come to more than");
    varve_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_read),
        cmocka_unit_test(a_file_that_is_none_is_refused),
        cmocka_unit_test(an_example_that_is_none_is_refused),
        cmocka_unit_test(an_event_that_is_none_is_refused),
        cmocka_unit_test(aliases_cannot_make_much_of_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
