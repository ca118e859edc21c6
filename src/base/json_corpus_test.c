/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds the scanner against jansson over generated texts, right ones and damaged ones: both accept
 * the same texts and read the same values out of them. Two differences are known and left out: the
 * depth, 512 here and 2048 there, and a NUL byte just after a number, which jansson overlooks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_corpus.h"
#include "base/json_sample.h"

static uint64_t rounds = 20000;

static struct tree *build(struct json_scanner *scanner, enum json_token token);

static struct tree *build_container(struct json_scanner *scanner, enum json_token container)
{
    struct tree *built = container == JSON_OBJECT ? tree_object() : tree_array();
    varve_buf key = { 0 };
    enum json_token token;

    for (token = json_next(scanner); token != JSON_OBJECT_END && token != JSON_ARRAY_END; token = json_next(scanner)) {
        if (token == JSON_KEY) {
            varve_buf_reset(&key);
            json_unescape(scanner->raw, &key);
            token = json_next(scanner);
            assert_true(tree_set(built, varve_buf_view(&key), build(scanner, token)));
        } else {
            assert_true(tree_append(built, build(scanner, token)));
        }
    }
    varve_buf_fini(&key);
    return built;
}

/* What the scanner's tokens say, from the one just read on, as a tree. */
static struct tree *build(struct json_scanner *scanner, enum json_token token)
{
    varve_buf text = { 0 };
    struct tree *built;

    switch (token) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return build_container(scanner, token);
    case JSON_STRING:
        json_unescape(scanner->raw, &text);
        built = tree_string(varve_buf_view(&text));
        varve_buf_fini(&text);
        return built;
    case JSON_INTEGER:
        return tree_integer(scanner->integer);
    case JSON_REAL:
        return tree_real(json_double(scanner));
    case JSON_TRUE:
    case JSON_FALSE:
        return tree_bool(token == JSON_TRUE);
    default:
        assert_int_equal(token, JSON_NULL);
        return tree_null();
    }
}

/* True when both accept the text. */
static bool compare(varve_str text)
{
    char problem[160] = "";
    struct tree *theirs = tree_load(text, problem);
    struct json_scanner scanner;
    varve_error error = { 0 };
    struct tree *ours;

    if (json_check(text, "text", &error) < 0) {
        if (theirs != NULL) fail_msg("only jansson accepts %.*s: %s", (int)text.len, text.ptr, error.message);
        return false;
    }
    if (theirs == NULL) fail_msg("only varve accepts %.*s: %s", (int)text.len, text.ptr, problem);
    json_start(&scanner, text);
    ours = build(&scanner, json_next(&scanner));
    assert_int_equal(json_next(&scanner), JSON_END);
    if (!tree_equal(ours, theirs)) fail_msg("different values in %.*s", (int)text.len, text.ptr);
    tree_free(ours);
    tree_free(theirs);
    return true;
}

static void test_agrees_with_jansson(void **state)
{
    uint64_t seed = 0x9e3779b97f4a7c15u, accepted = 0;
    varve_buf text = { 0 };

    (void)state;
    for (uint64_t i = 0; i < rounds; i++) {
        varve_buf_reset(&text);
        json_sample(&seed, &text);
        assert_false(text.failed);
        accepted += compare(varve_buf_view(&text));
    }
    varve_buf_fini(&text);
    /* The corpus is worth something only while it holds plenty of both kinds. */
    assert_in_range(accepted, rounds / 5, rounds - rounds / 5);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_agrees_with_jansson) };

    if (argc > 1) rounds = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
