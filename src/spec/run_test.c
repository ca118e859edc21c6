/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/run.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- a box: Put adds, Take rejects when there is too little, Tell says all that an event can say ---- */

struct box {
    int64_t content;
};

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    int64_t amount = 0;
    if (varve_str_is(event->type, "Told")) return VARVE_OK;
    if (varve_json_int(event->data, "amount", &amount, error) < 0) return error->status;
    ((struct box *)state)->content += varve_str_is(event->type, "Put") ? amount : -amount;
    return VARVE_OK;
}

static varve_status decide(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    const struct box *box = state;
    const varve_str tags[] = { VARVE_STR("a"), VARVE_STR("b") };
    int64_t amount = 0;
    varve_event event = { .data = command->data };
    if (varve_str_is(command->type, "Tell")) {
        event = (varve_event){ .type = VARVE_STR("Told"), .data = command->data, .tags = tags, .tag_count = 2 };
        event.schema_version = 3;
        event.occurred_at = command->time;
        return varve_emit(decision, &event);
    }
    if (!varve_str_is(command->type, "Take")) return VARVE_NOT_FOUND;
    if (varve_json_int(command->data, "amount", &amount, error) < 0) return error->status;
    if (amount > box->content) return varve_reject(decision, "too_little", "only %" PRId64, box->content);
    event.type = VARVE_STR("Taken");
    for (int64_t i = 0; i < amount; i++) {
        event.data = VARVE_STR("{\"amount\":1}");
        if (varve_emit(decision, &event) < 0) return VARVE_APPLICATION;
    }
    return VARVE_OK;
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    (void)error;
    varve_buf_printf(json, "{\"content\":%" PRId64 ",\"kind\":\"box\"}", ((const struct box *)state)->content);
    return VARVE_OK;
}

static const varve_decider box = {
    .category = "box",
    .state_size = sizeof(struct box),
    .evolve = evolve,
    .decide = decide,
    .encode = encode,
};

/* Runs one example of these lines; what does not hold comes as lines "path: expected | got", or its problem. */
static void comes_to(const char *lines, const char *wanted)
{
    struct spec_file file = { 0 };
    struct spec_result result = { 0 };
    varve_buf text = { 0 }, told = { 0 };
    varve_error error = { 0 };
    varve_buf_printf(&text, "stream: box-1\nexamples:\n  - name: one\n%s", lines);
    if (spec_file_read(&file, "t.yaml", varve_buf_view(&text), &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(spec_run(&file.examples[0], &(varve_candidate){ .decider = &box }, &result, &error), VARVE_OK);
    varve_buf_str(&told, VARVE_STR(""));
    varve_buf_printf(&told, "%s%.*s", "", (int)result.problem.len, result.problem.ptr);
    for (size_t i = 0; i < result.differences.count; i++) {
        const struct spec_difference *one = &result.differences.list[i];
        varve_buf_printf(&told, "%.*s: %.*s | %.*s\n", (int)one->path.len, one->path.ptr, (int)one->expected.len,
                         one->expected.ptr, (int)one->got.len, one->got.ptr);
    }
    assert_string_equal(told.ptr, wanted);
    assert_true(result.has_passed == (told.len == 0));
    spec_result_fini(&result);
    spec_file_fini(&file);
    varve_buf_fini(&text);
    varve_buf_fini(&told);
}

#define GIVEN_TWO "    given: [{Put: {amount: 2}}]\n"

static void what_is_as_expected_passes(void **unused)
{
    (void)unused;
    comes_to(GIVEN_TWO "    when: {Take: {amount: 1}}\n    then: [{Taken: {amount: 1}}]\n", "");
    comes_to(GIVEN_TWO "    when: {Take: {amount: 0}}\n    then: []\n", "");
    comes_to(GIVEN_TWO "    when: {Take: {amount: 3}}\n    then: {rejected: too_little}\n", "");
    comes_to(GIVEN_TWO
             "    when: {Take: {amount: 3}}\n    then: {rejected: {message: only 2}, state_has: {content: 2}}\n",
             "");
    comes_to(GIVEN_TWO "    when: {Take: {amount: 2}}\n    then: {state: {kind: box, content: 0}}\n", "");
    comes_to(GIVEN_TWO "    then: {state_has: {content: 2}}\n", "");
    comes_to("    then: {state_has: {content: 0}}\n", "");
    comes_to("    when: Tell\n    then: [{type: Told, tags: [a, b], schema_version: 3,\n"
             "            occurred_at: '2026-01-01T00:00:00Z'}]\n",
             "");
    comes_to("    when: {Tell: {x: 1, y: 2}}\n    then: [{type: Told, data_has: {x: 1}}]\n", "");
}

static void other_events_are_told_by_their_place(void **unused)
{
    (void)unused;
    comes_to(GIVEN_TWO "    when: {Take: {amount: 2}}\n    then: [{Taken: {amount: 1}}, {Taken: {amount: 2}}]\n",
             "events[1].data.amount: 2 | 1\n");
    comes_to(GIVEN_TWO "    when: {Take: {amount: 2}}\n    then: [{Taken: {amount: 1}}]\n",
             "events[1]:  | {\"Taken\":{\"amount\":1}}\n");
    comes_to(GIVEN_TWO "    when: {Take: {amount: 1}}\n    then: [{Taken: {amount: 1}}, Emptied]\n",
             "events[1]: {\"Emptied\":{}} | \n");
    comes_to(GIVEN_TWO "    when: {Take: {amount: 1}}\n    then: [Emptied]\n",
             "events[0]: {\"Emptied\":{}} | {\"Taken\":{\"amount\":1}}\n");
    comes_to("    when: Tell\n    then: [{type: Told, tags: [a], schema_version: 4,\n"
             "            occurred_at: '2026-01-02T00:00:00Z'}]\n",
             "events[0].occurred_at: \"2026-01-02T00:00:00.000000Z\" | \"2026-01-01T00:00:00.000000Z\"\n"
             "events[0].schema_version: 4 | 3\n"
             "events[0].tags[1]:  | \"b\"\n");
}

static void another_kind_of_outcome_is_one_difference(void **unused)
{
    (void)unused;
    comes_to(GIVEN_TWO "    when: {Take: {amount: 3}}\n    then: [Emptied]\n",
             ": {\"events\":[{\"Emptied\":{}}]} | {\"rejected\":{\"code\":\"too_little\",\"message\":\"only 2\"}}\n");
    comes_to(
        GIVEN_TWO "    when: {Take: {amount: 1}}\n    then: {rejected: {code: too_little, message: x}}\n",
        ": {\"rejected\":{\"code\":\"too_little\",\"message\":\"x\"}} | {\"events\":[{\"Taken\":{\"amount\":1}}]}\n");
    comes_to(GIVEN_TWO "    when: {Take: {amount: 3}}\n    then: {state_has: {content: 2}}\n",
             ":  | {\"rejected\":{\"code\":\"too_little\",\"message\":\"only 2\"}}\n");
}

static void other_rejections_and_states_are_differences(void **unused)
{
    (void)unused;
    comes_to(GIVEN_TWO "    when: {Take: {amount: 3}}\n    then: {rejected: {code: gone, message: none}}\n",
             "rejected.code: \"gone\" | \"too_little\"\nrejected.message: \"none\" | \"only 2\"\n");
    comes_to(GIVEN_TWO "    when: {Take: {amount: 1}}\n    then: {state: {content: 2}}\n",
             "state.content: 2 | 1\nstate.kind:  | \"box\"\n");
}

static void what_the_decider_or_the_log_refuses_ends_the_example(void **unused)
{
    (void)unused;
    comes_to("    given: [{Put: {amount: 1}}, {Put: {}}]\n    then: {state: {}}\n",
             "given[1] in line 4: evolve of Put, version 2 on box-1: there is no \"amount\"");
    comes_to("    given: [{type: Put, data: {amount: 1}, tags: [a, a]}]\n    then: {state: {}}\n",
             "given[0] in line 4: the tag \"a\" stands twice");
    comes_to("    when: Fly\n    then: []\n", "when: 'box' has no command 'Fly'");
    comes_to("    when: {Take: {amount: all}}\n    then: []\n",
             "when: Take on box-1: \"amount\" is not a 64-bit integer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_as_expected_passes),
        cmocka_unit_test(other_events_are_told_by_their_place),
        cmocka_unit_test(another_kind_of_outcome_is_one_difference),
        cmocka_unit_test(other_rejections_and_states_are_differences),
        cmocka_unit_test(what_the_decider_or_the_log_refuses_ends_the_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
