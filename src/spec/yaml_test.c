/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* Reads YAML and writes it as JSON; the status of whichever fails. */
static varve_status convert(const char *text, size_t len, size_t max_bytes, varve_buf *json, varve_error *error)
{
    struct arena arena = { 0 };
    struct yaml_document document;
    varve_status status = yaml_read(&document, "t.yaml", (varve_str){ text, len }, &arena, error);
    if (status == VARVE_OK) status = yaml_write_json(&document, &document.root, max_bytes, json, error);
    arena_fini(&arena);
    return status;
}

static void becomes(const char *yaml, const char *wanted)
{
    varve_buf json = { 0 };
    varve_error error = { 0 };
    if (convert(yaml, strlen(yaml), 1000, &json, &error) < 0) fail_msg("'%s': %s", yaml, error.message);
    assert_string_equal(json.ptr, wanted);
    varve_buf_fini(&json);
}

static void is_refused(const char *yaml, const char *wanted)
{
    varve_buf json = { 0 };
    varve_error error = { 0 };
    if (convert(yaml, strlen(yaml), 1000, &json, &error) != VARVE_INVALID)
        fail_msg("'%s' is not refused: %s", yaml, error.message);
    if (strncmp(error.message, wanted, strlen(wanted)) != 0)
        fail_msg("'%s' does not begin with '%s'", error.message, wanted);
    varve_buf_fini(&json);
}

static void collections_become_objects_and_arrays(void **unused)
{
    (void)unused;
    becomes("a: 1\nb:\n  - x\n  - {y: [true, null]}\n", "{\"a\":1,\"b\":[\"x\",{\"y\":[true,null]}]}");
    becomes("{\"a\": [1, 2.50, \"x\"], \"b\": {}}", "{\"a\":[1,2.50,\"x\"],\"b\":{}}"); /* JSON is YAML */
    becomes("- []\n- {}\n", "[[],{}]");
    becomes("1: one\ntrue: two\n", "{\"1\":\"one\",\"true\":\"two\"}");
    becomes("text", "\"text\"");
}

static void plain_scalars_follow_the_core_schema(void **unused)
{
    (void)unused;
    becomes("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    becomes("a:\n", "{\"a\":null}");
    becomes("[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]");
    /* What YAML 1.1 and others make of these, the core schema does not. */
    becomes(
        "[yes, no, on, off, y, n, Yes, tRUE, nULL, NaN, inf, 1_000, 12:30, 0b1, 2026-01-02, 1.2.3, 1e, e1, +, -, .]",
        "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"Yes\",\"tRUE\",\"nULL\",\"NaN\",\"inf\",\"1_000\",\"12:30\","
        "\"0b1\",\"2026-01-02\",\"1.2.3\",\"1e\",\"e1\",\"+\",\"-\",\".\"]");
    becomes("at: 2026-01-02T03:04:05Z", "{\"at\":\"2026-01-02T03:04:05Z\"}");
}

static void quotes_and_blocks_make_texts(void **unused)
{
    (void)unused;
    becomes("['true', \"1\", 'null', \"\", '', '0x1F', '<<']", "[\"true\",\"1\",\"null\",\"\",\"\",\"0x1F\",\"<<\"]");
    becomes("a: |\n  12\nb: >-\n  12\n", "{\"a\":\"12\\n\",\"b\":\"12\"}");
    becomes("\"\\u00e9\\t\\x41\"", "\"\xc3\xa9\\tA\"");
}

static void numbers_keep_their_digits(void **unused)
{
    (void)unused;
    becomes("[0, -0, 1, +1, -1, 1250, 9223372036854775807, -9223372036854775808]",
            "[0,-0,1,1,-1,1250,9223372036854775807,-9223372036854775808]");
    becomes("[1.0, 1.50, -0.10, 1e3, 1E+3, 1.5e-10, 0.1000]", "[1.0,1.50,-0.10,1e3,1E+3,1.5e-10,0.1000]");
}

static void numbers_that_json_cannot_have_are_refused(void **unused)
{
    (void)unused;
    const char *const numbers[] = { "007",  "-012",  "0x1F",  "0o17", ".5",    "5.",
                                    "-.5",  ".inf",  "-.Inf", ".nan", "1e999", "9223372036854775808",
                                    "1.e3", "+.inf", NULL };
    for (const char *const *number = numbers; *number != NULL; number++) {
        char yaml[64], wanted[128];
        snprintf(yaml, sizeof yaml, "a:\n  - %s\n", *number);
        snprintf(wanted, sizeof wanted, "t.yaml:2:5: %s is a number", *number);
        is_refused(yaml, wanted);
        snprintf(yaml, sizeof yaml, "'%s'", *number);
        snprintf(wanted, sizeof wanted, "\"%s\"", *number);
        becomes(yaml, wanted);
    }
}

static void aliases_are_copies(void **unused)
{
    (void)unused;
    becomes("a: &x {b: [1]}\nc: *x\nd: [*x]\n", "{\"a\":{\"b\":[1]},\"c\":{\"b\":[1]},\"d\":[{\"b\":[1]}]}");
    becomes("- &x 1\n- *x\n- &x 2\n- *x\n", "[1,1,2,2]");
    is_refused("a: *x\n", "t.yaml:1:4: no '&x' is complete before this place");
    is_refused("a: &x [*x]\n", "t.yaml:1:8: no '&x' is complete");
    is_refused("a: &x {b: 007}\nc: 1\n", "t.yaml:1:11: 007 is a number");
}

static void what_two_readers_may_read_differently_is_refused(void **unused)
{
    (void)unused;
    is_refused("a: 1\nb: 2\n'a': 3\n", "t.yaml:3:1: 'a' stands twice, first in line 1");
    is_refused("\"\\e[1m\": 1\n\"\\e[1m\": 2\n", "t.yaml:2:1: '?[1m' stands twice");
    is_refused("x: {1: a, '1': b}", "t.yaml:1:11: '1' stands twice");
    is_refused("a: !!str 1", "t.yaml:1:4: tags are not read here");
    is_refused("a: !own {}", "t.yaml:1:4: tags are not read here");
    is_refused("a: !own []", "t.yaml:1:4: tags are not read here");
    is_refused("a: &x {}\nb:\n  <<: *x\n", "t.yaml:3:3: merge keys are not read here");
    is_refused("? [a]\n: b\n", "t.yaml:1:3: a key must be a text");
    is_refused("a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document");
}

static void what_is_no_yaml_is_refused_where_it_stands(void **unused)
{
    (void)unused;
    is_refused("a: [1\nb: 2\n", "t.yaml:2:2: did not find expected ',' or ']' while parsing a flow sequence");
    is_refused("a: 1\n b: 2\n", "t.yaml:2:3: mapping values are not allowed in this context");
    is_refused("a:\n\t- b\n", "t.yaml:2:1: found character that cannot start any token");
    is_refused("a: 'x\n", "t.yaml:2:1: found unexpected end of stream");
    is_refused("ab\ncd \xff\n", "t.yaml:2:4: invalid leading UTF-8 octet");
    is_refused("a: \x01\n", "t.yaml:1:4: control characters are not allowed");
    is_refused("a: \"\\ud800\"\n", "t.yaml:1:7: found invalid Unicode character escape code");
    is_refused("a: \"x\\0y\"\n", "t.yaml:1:4: a text must not have the character 0");
    is_refused("", "t.yaml:1:1: there is nothing in it");
    is_refused("# only a remark\n", "t.yaml:1:1: there is nothing in it");
}

static void depth_and_size_are_bounded(void **unused)
{
    (void)unused;
    varve_buf yaml = { 0 }, json = { 0 };
    varve_error error = { 0 };

    for (unsigned depth = YAML_DEPTH_MAX; depth <= YAML_DEPTH_MAX + 1; depth++) {
        varve_buf_reset(&yaml);
        for (unsigned i = 0; i < depth; i++) varve_buf_str(&yaml, VARVE_STR("["));
        for (unsigned i = 0; i < depth; i++) varve_buf_str(&yaml, VARVE_STR("]"));
        if (depth == YAML_DEPTH_MAX)
            assert_int_equal(convert(yaml.ptr, yaml.len, 1000, &json, &error), VARVE_OK);
        else
            is_refused(yaml.ptr, "t.yaml:1:65: lists and mappings are more than 64 deep");
    }

    /* Aliases of aliases: deep, or large, or both, of little text. */
    varve_buf_reset(&yaml);
    varve_buf_str(&yaml, VARVE_STR("- &a0 [x]\n"));
    for (unsigned i = 1; i < 100; i++) varve_buf_printf(&yaml, "- &a%u [*a%u]\n", i, i - 1);
    is_refused(yaml.ptr, "t.yaml:64:");
    varve_buf_reset(&yaml);
    varve_buf_str(&yaml, VARVE_STR("- &a0 [x]\n"));
    for (unsigned i = 1; i < 40; i++) varve_buf_printf(&yaml, "- &a%u [*a%u,*a%u]\n", i, i - 1, i - 1);
    varve_buf_reset(&json);
    assert_int_equal(convert(yaml.ptr, yaml.len, 5000, &json, &error), VARVE_TOO_LARGE);
    assert_true(json.len < 6000);

    /* Each alias is looked for among the anchors before it. */
    varve_buf_reset(&yaml);
    for (unsigned i = 0; i <= YAML_ANCHORS_MAX; i++) varve_buf_printf(&yaml, "- &a%u x\n", i);
    is_refused(yaml.ptr, "t.yaml:1001:3: there are more than 1000 anchors");

    varve_buf_reset(&yaml);
    while (yaml.len <= YAML_BYTES_MAX) varve_buf_str(&yaml, VARVE_STR("# filling\n"));
    assert_int_equal(convert(yaml.ptr, yaml.len, 1000, &json, &error), VARVE_TOO_LARGE);
    varve_buf_fini(&yaml);
    varve_buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collections_become_objects_and_arrays),
        cmocka_unit_test(plain_scalars_follow_the_core_schema),
        cmocka_unit_test(quotes_and_blocks_make_texts),
        cmocka_unit_test(numbers_keep_their_digits),
        cmocka_unit_test(numbers_that_json_cannot_have_are_refused),
        cmocka_unit_test(aliases_are_copies),
        cmocka_unit_test(what_two_readers_may_read_differently_is_refused),
        cmocka_unit_test(what_is_no_yaml_is_refused_where_it_stands),
        cmocka_unit_test(depth_and_size_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
