/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Schema. argv[1]: the folder of the official test suite for draft 2020-12. Of it everything is run but the
 * schemas that must be refused, for what they use beyond the stated part: `beyond` has every reason there may be.
 */
#include "command/json_schema.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "command/schema_value.h"

static const char *suite;

/* ---- by hand ---- */

static varve_status check(const char *schema, const char *json, varve_error *error)
{
    struct json_schema *opened = NULL;
    varve_status status = json_schema_open(&opened, "schemas/T.json", varve_str_of(schema), error);
    if (status < 0) fail_msg("%s: %s", schema, error->message);
    status = json_schema_check(opened, varve_str_of(json), error);
    json_schema_close(opened);
    return status;
}

static void fits(const char *schema, const char *json)
{
    varve_error error = { 0 };
    if (check(schema, json, &error) < 0) fail_msg("%s", error.message);
}

static void does_not_fit(const char *schema, const char *json, const char *message)
{
    varve_error error = { 0 };
    assert_int_equal(check(schema, json, &error), VARVE_INVALID);
    assert_string_equal(error.message, message);
}

static void a_refusal_names_place_and_keyword(void **state)
{
    (void)state;
    static const char order[] =
        "{\"type\":\"object\",\"required\":[\"customer_id\",\"items\"],\"properties\":{\"customer_id\":{},"
        "\"items\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/$defs/item\"}},"
        "\"note\":{\"pattern\":\"^[a-z]+$\",\"maxLength\":3}},\"additionalProperties\":false,"
        "\"$defs\":{\"item\":{\"properties\":{\"qty\":{\"minimum\":1}}}}}";
    does_not_fit(order, "[]", "the data: 'type': an array is not \"object\" (schemas/T.json)");
    does_not_fit(order, "{\"items\":[]}",
                 "/items: 'minItems': 0 items, and 1 at least are wanted "
                 "(schemas/T.json#/properties/items)");
    does_not_fit(order, "{\"items\":[{}]}", "the data: 'required': 'customer_id' is missing (schemas/T.json)");
    does_not_fit(order, "{\"customer_id\":1,\"items\":[{},{\"qty\":0}]}",
                 "/items/1/qty: 'minimum': 0 is less than 1 (schemas/T.json#/$defs/item/properties/qty)");
    does_not_fit(order, "{\"note\":\"A\"}",
                 "/note: 'pattern': \"A\" does not match \"^[a-z]+$\" (schemas/T.json#/properties/note)");
    does_not_fit(order, "{\"x\":1}", "the data: 'additionalProperties': there is no property 'x' (schemas/T.json)");
    does_not_fit("{\"properties\":{\"a/b\":false}}", "{\"a/b\":1}",
                 "/a/b: 'false': no value is valid here (schemas/T.json#/properties/a~1b)");
    does_not_fit("{\"anyOf\":[{\"type\":\"null\"},{\"const\":7}]}", "8",
                 "the data: 'anyOf': it fits none of them (schemas/T.json)");
    fits(order, "{\"customer_id\":1,\"items\":[{\"qty\":1}],\"note\":\"abc\"}");
}

/* What the official suite leaves out. */
static void values_are_compared_as_values(void **state)
{
    (void)state;
    fits("{\"const\":\"\\u0041\"}", "\"A\"");
    fits("{\"const\":\"A\"}", "\"\\u0041\"");
    fits("{\"enum\":[{\"a\":1.0}]}", "{\"a\":1}");
    fits("{\"maxLength\":2}", "\"\\ud83d\\ude00\\\"\"");
    fits("{\"minLength\":2}", "\"\\u00e4\xc3\xa4\"");
    fits("{\"multipleOf\":0.01}", "19.99");
    fits("{\"multipleOf\":1e-8}", "12391239123");
    fits("{\"multipleOf\":10}", "1e300");
    fits("{\"multipleOf\":0.3}", "0.90");
    fits("{\"multipleOf\":7}", "-0.0");
    fits("{\"multipleOf\":0.01}", "123456789012345678.25");
    fits("{\"multipleOf\":0.01}", "-0.010000000000000000000000000000");
    fits("{\"multipleOf\":1234567890123456789}", "2469135780246913578");
    fits("{\"multipleOf\":3}", "9223372036854775806");
    does_not_fit("{\"multipleOf\":0.01}", "123456789012345678.255",
                 "the data: 'multipleOf': 123456789012345678.255 is no multiple of 0.01 (schemas/T.json)");
    does_not_fit("{\"multipleOf\":0.01}", "1e-99999999999999999999",
                 "the data: 'multipleOf': 1e-99999999999999999999 is no multiple of 0.01 (schemas/T.json)");
    does_not_fit("{\"multipleOf\":0.01}", "19.995",
                 "the data: 'multipleOf': 19.995 is no multiple of 0.01 (schemas/T.json)");
    fits("{\"type\":\"integer\"}", "9223372036854775807");
    fits("{\"maximum\":9223372036854775806}", "9223372036854775806");
    does_not_fit("{\"maximum\":9223372036854775806}", "9223372036854775807",
                 "the data: 'maximum': 9223372036854775807 is more than 9223372036854775806 (schemas/T.json)");
    does_not_fit("{\"uniqueItems\":true}", "[\"A\",2,\"\\u0041\"]",
                 "the data: 'uniqueItems': two items are equal (schemas/T.json)");
    does_not_fit("{\"uniqueItems\":true}", "[0,-0.0]", "the data: 'uniqueItems': two items are equal (schemas/T.json)");
    does_not_fit("{\"uniqueItems\":true}", "[1,1e3,1000]",
                 "the data: 'uniqueItems': two items are equal (schemas/T.json)");
    fits("{\"uniqueItems\":true}", "[9007199254740992,9007199254740993,9.3e18,9223372036854775807,0.5,0]");
}

/* To a double they are all the same, and comparing each with each would take more steps than there are. */
static void large_integers_are_told_apart_at_once(void **state)
{
    (void)state;
    varve_buf text = { 0 };
    for (int64_t i = 0; i < 20000; i++) varve_buf_printf(&text, "%s%" PRId64, i == 0 ? "[" : ",", INT64_MAX - i);
    varve_buf_str(&text, VARVE_STR("]"));
    fits("{\"uniqueItems\":true}", text.ptr);
    varve_buf_fini(&text);
}

static void is_refused(const char *schema, const char *message)
{
    struct json_schema *opened = NULL;
    varve_error error = { 0 };
    assert_int_equal(json_schema_open(&opened, "schemas/T.json", varve_str_of(schema), &error), VARVE_INVALID);
    assert_null(opened);
    assert_string_equal(error.message, message);
}

static void what_is_not_supported_is_refused(void **state)
{
    (void)state;
    is_refused("{\"properties\":{\"a\":{\"format\":\"date\"}}}",
               "schemas/T.json#/properties/a/format: the keyword 'format' is not supported");
    is_refused("{\"properteis\":{}}", "schemas/T.json#/properteis: the keyword 'properteis' is not supported");
    is_refused("{\"unevaluatedProperties\":false}",
               "schemas/T.json#/unevaluatedProperties: the keyword 'unevaluatedProperties' is not supported");
    is_refused("{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}",
               "schemas/T.json#/$schema: must be https://json-schema.org/draft/2020-12/schema");
    is_refused("{\"allOf\":[{\"$id\":\"x\"}]}", "schemas/T.json#/allOf/0/$id: must be a string, and only at the top");
    is_refused("{\"$ref\":\"other.json\"}", "schemas/T.json: $ref can only be '#' or '#/…', within the file");
    is_refused("{\"$ref\":\"#/$defs/a\"}", "schemas/T.json: there is no schema at #/$defs/a");
    is_refused("{\"items\":[{}]}", "schemas/T.json#/items: must be a schema: an object, true or false");
    is_refused("{\"type\":\"integr\"}", "schemas/T.json#/type: must be a type (null, boolean, integer, number, string, "
                                        "array, object) or some of them");
    is_refused("{\"minLength\":1.5}", "schemas/T.json#/minLength: must be an integer from 0");
    is_refused("{\"multipleOf\":0}", "schemas/T.json#/multipleOf: must be a number above 0");
    is_refused("{\"required\":[\"a\",\"a\"]}", "schemas/T.json#/required: must be an array of strings, each once");
    is_refused("{\"pattern\":\"(\"}",
               "schemas/T.json#/pattern: the pattern is wrong at byte 2: missing closing parenthesis");
    is_refused("{\"$ref\":\"#\"}", "schemas/T.json: it leads back to itself without end");
    is_refused("{\"anyOf\":[{\"not\":{\"$ref\":\"#/anyOf/0\"}}]}",
               "schemas/T.json#/anyOf/0/not: it leads back to itself without end");
    is_refused("{", "schemas/T.json: it is not JSON that varve accepts: the text ends too early (byte 2)");
    is_refused("{\"properties\":{\"a\":{\"minimum\":1,\"minimum\":2}}}",
               "schemas/T.json#/properties/a: a name stands there twice");
    is_refused("{\"properties\":{\"a\":{},\"\\u0061\":true}}", "schemas/T.json#/properties: a name stands there twice");
    is_refused("7", "schemas/T.json: must be a schema: an object, true or false");
}

/* Patterns that backtrack to each character, which takes memory for each. */
static void long_texts_are_matched(void **state)
{
    (void)state;
    varve_buf text = { 0 };
    varve_buf_str(&text, VARVE_STR("\""));
    for (int i = 0; i < 50000; i++) varve_buf_str(&text, VARVE_STR("ab"));
    varve_buf_str(&text, VARVE_STR("\""));
    fits("{\"pattern\":\"^(a|b)*$\"}", text.ptr);
    varve_buf_fini(&text);
}

/* Each level doubles the work; and a pattern that backtracks without end. */
static void what_would_take_very_long_is_refused(void **state)
{
    (void)state;
    varve_buf schema = { 0 }, text = { 0 };
    varve_buf_str(&schema, VARVE_STR("{\"$ref\":\"#/$defs/d0\",\"$defs\":{"));
    for (int i = 0; i < 40; i++)
        varve_buf_printf(&schema, "\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},", i,
                         i + 1, i + 1);
    varve_buf_str(&schema, VARVE_STR("\"d40\":{}}}"));
    does_not_fit(schema.ptr, "1",
                 "schemas/T.json: it would take too long, or too much memory, to tell whether the data fits");
    varve_buf_str(&text, VARVE_STR("\""));
    for (int i = 0; i < 100000; i++) varve_buf_str(&text, VARVE_STR("a"));
    varve_buf_str(&text, VARVE_STR("!\""));
    does_not_fit("{\"pattern\":\"^(a+)+$\"}", text.ptr,
                 "schemas/T.json: it would take too long, or too much memory, to tell whether the data fits");
    does_not_fit("{\"not\":{\"pattern\":\"^(a+)+$\"}}", text.ptr,
                 "schemas/T.json: it would take too long, or too much memory, to tell whether the data fits");
    /* The last one would not do, and the steps end before it is seen. */
    varve_buf_reset(&schema);
    varve_buf_reset(&text);
    for (int i = 1; i <= 1000; i++)
        varve_buf_printf(&schema, "%s%d", i == 1 ? "{\"items\":{\"not\":{\"enum\":[" : ",", i);
    varve_buf_str(&schema, VARVE_STR("]}}}"));
    for (int i = 0; i < 4990; i++) varve_buf_str(&text, i == 0 ? VARVE_STR("[0") : VARVE_STR(",0"));
    varve_buf_str(&text, VARVE_STR(",1000]"));
    does_not_fit(schema.ptr, text.ptr,
                 "schemas/T.json: it would take too long, or too much memory, to tell whether the data fits");
    varve_buf_fini(&schema);
    varve_buf_fini(&text);
}

/* ---- the official suite ---- */

/* Why a schema of the suite may be refused: what is not in the stated part. */
static const char *const beyond[] = {
    "the keyword '$anchor' is not supported",
    "the keyword '$dynamicAnchor' is not supported",
    "the keyword '$dynamicRef' is not supported",
    "the keyword '$vocabulary' is not supported",
    "the keyword 'contentEncoding' is not supported",
    "the keyword 'contentMediaType' is not supported",
    "the keyword 'contentSchema' is not supported",
    "the keyword 'format' is not supported",
    "the keyword 'unevaluatedItems' is not supported",
    "the keyword 'unevaluatedProperties' is not supported",
    "the keyword 'array_of_schemas' is not supported",
    "$id: must be a string, and only at the top",
    "$schema: must be https://json-schema.org/draft/2020-12/schema",
    "$ref can only be '#' or '#/…', within the file",
};

struct tally {
    unsigned run, refused, failed;
};

static bool is_beyond(const char *message)
{
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        if (strstr(message, beyond[i]) != NULL) return true;
    return false;
}

static varve_str member(const struct tree_node *object, const char *name)
{
    const struct tree_node *found = value_member(object, varve_str_of(name));
    assert_non_null(found);
    return found->text;
}

static void run_group(const char *file, const struct tree_node *group, struct tally *tally)
{
    const struct tree_node *tests = value_member(group, VARVE_STR("tests"));
    struct json_schema *schema = NULL;
    varve_error error = { 0 };
    if (json_schema_open(&schema, "s", member(group, "schema"), &error) < 0) {
        tally->refused += (unsigned)tests->count;
        if (is_beyond(error.message)) return;
        print_error("%s, %.*s: %s\n", file, (int)member(group, "description").len, member(group, "description").ptr,
                    error.message);
        tally->failed++;
        return;
    }
    for (size_t i = 0; i < tests->count; i++) {
        const struct tree_node *test = &tests->children[i];
        varve_status wanted = varve_str_is(member(test, "valid"), "true") ? VARVE_OK : VARVE_INVALID;
        tally->run++;
        varve_status given = json_schema_check(schema, member(test, "data"), &error);
        if (given == wanted && (given == VARVE_OK || strstr(error.message, "too long") == NULL)) continue;
        print_error("%s, %.*s, %.*s\n", file, (int)member(group, "description").len, member(group, "description").ptr,
                    (int)member(test, "description").len, member(test, "description").ptr);
        tally->failed++;
    }
    json_schema_close(schema);
}

static void read_all(const char *path, varve_buf *text)
{
    char block[16384];
    size_t got = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) fail_msg("%s cannot be read", path);
    while ((got = fread(block, 1, sizeof block, file)) > 0) varve_buf_add(text, block, got);
    fclose(file);
}

/* varve accepts no \u0000; what the suite says of it holds for another character as well. */
static void replace_nul(varve_buf *text)
{
    for (char *nul = text->ptr; nul != NULL; nul = strstr(nul, "\\u0000"))
        if (strncmp(nul, "\\u0000", 6) == 0) nul[5] = '1';
}

static void run_file(const char *name, struct tally *tally)
{
    char path[512];
    varve_buf text = { 0 };
    struct arena arena = { 0 };
    struct tree_node groups = { 0 };
    varve_error error = { 0 };
    snprintf(path, sizeof path, "%s/%s", suite, name);
    read_all(path, &text);
    replace_nul(&text);
    if (json_check(varve_buf_view(&text), name, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(tree_read(varve_buf_view(&text), &arena, &groups, NULL), VARVE_OK);
    for (size_t i = 0; i < groups.count; i++) run_group(name, &groups.children[i], tally);
    arena_fini(&arena);
    varve_buf_fini(&text);
}

static int is_json(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static void the_official_suite_agrees(void **state)
{
    (void)state;
    struct tally tally = { 0 };
    struct dirent **files = NULL;
    int count = scandir(suite, &files, is_json, alphasort);
    if (count <= 0) fail_msg("no test suite in %s: install libtest-json-schema-acceptance-perl", suite);
    for (int i = 0; i < count; i++) {
        run_file(files[i]->d_name, &tally);
        free(files[i]);
    }
    free(files);
    print_message("%u tests run, %u of schemas that are refused\n", tally.run, tally.refused);
    assert_int_equal(tally.failed, 0);
    assert_true(tally.run > 730);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_names_place_and_keyword),
        cmocka_unit_test(values_are_compared_as_values),
        cmocka_unit_test(large_integers_are_told_apart_at_once),
        cmocka_unit_test(long_texts_are_matched),
        cmocka_unit_test(what_is_not_supported_is_refused),
        cmocka_unit_test(what_would_take_very_long_is_refused),
        cmocka_unit_test(the_official_suite_agrees),
    };
    if (argc != 2) return 2;
    suite = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
