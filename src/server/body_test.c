/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/body.h"

struct target {
    varve_str text;
    const varve_str *texts;
    size_t text_count;
    uint64_t number;
    const uint64_t *numbers;
    size_t number_count;
};

static varve_status read(const char *json, struct target *target, struct arena *arena, varve_error *error)
{
    struct body_field fields[] = {
        { .name = "text", .kind = BODY_TEXT, .value = &target->text },
        { .name = "texts", .kind = BODY_TEXTS, .max = 2, .value = &target->texts, .count = &target->text_count },
        { .name = "number", .kind = BODY_NUMBER, .max = 9, .value = &target->number },
        { .name = "numbers",
          .kind = BODY_NUMBERS,
          .max = 3,
          .value = &target->numbers,
          .count = &target->number_count },
    };
    return body_read(varve_str_of(json), fields, 4, arena, error);
}

static void test_fields(void **state)
{
    struct target target = { 0 };
    struct arena arena = { 0 };
    (void)state;
    assert_int_equal(read("", &target, &arena, NULL), VARVE_OK);
    assert_int_equal(read(" {} ", &target, &arena, NULL), VARVE_OK);
    assert_int_equal(read("{\"numbers\":[3,1,18446744],\"text\":\"a\\u0062c\",\"number\":9,\"texts\":[\"x\",\"\"]}",
                          &target, &arena, NULL),
                     VARVE_OK);
    assert_true(varve_str_is(target.text, "abc"));
    assert_int_equal(target.number, 9);
    assert_int_equal(target.text_count, 2);
    assert_true(varve_str_is(target.texts[0], "x"));
    assert_int_equal(target.number_count, 3);
    assert_int_equal(target.numbers[2], 18446744);
    arena_fini(&arena);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        { "[]", "the body must be a JSON object" },
        { "{", "the body is not JSON: the text ends too early at byte 1" },
        { "{} x", "the body is not JSON: something follows the value at byte 3" },
        { "{\"no\":1}", "unknown field \"no\"" },
        { "{\"number\":1,\"number\":1}", "\"number\" must be given once" },
        { "{\"number\":10}", "\"number\" is at most 9" },
        { "{\"number\":-1}", "\"number\" must be a whole number that is not negative" },
        { "{\"number\":1.0}", "\"number\" must be a whole number that is not negative" },
        { "{\"text\":null}", "\"text\" must be a string" },
        { "{\"texts\":\"x\"}", "\"texts\" must be a list" },
        { "{\"texts\":[1]}", "\"texts\" must be a list of strings" },
        { "{\"texts\":[\"\",\"\",\"\"]}", "\"texts\" has at most 2 items" },
        { "{\"numbers\":[[]]}", "\"numbers\" must be a whole number that is not negative" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct target target = { 0 };
        struct arena arena = { 0 };
        varve_error error = { 0 };
        assert_int_equal(read(cases[i].json, &target, &arena, &error), VARVE_INVALID);
        assert_string_equal(error.message, cases[i].message);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields), cmocka_unit_test(test_refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
