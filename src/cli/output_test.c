/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/output.h"

static const char *const columns[] = { "name", "count", "note", NULL };

/* Prints a document that has a list, as `output` (whose file is set here) says, and compares. */
static void check_list(struct output output, const char *document, const char *const *shown, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    varve_error error = { 0 };
    output.file = open_memstream(&text, &size);
    assert_non_null(output.file);
    assert_int_equal(output_list(&output, varve_str_of(document), "rows", shown, &error), VARVE_OK);
    fclose(output.file);
    assert_string_equal(text, expected);
    free(text);
}

static void json_is_passed_through_byte_for_byte(void **state)
{
    (void)state;
    static const char document[] = "{\"rows\":[ {\"a\": 1.50},\n{\"a\":2}],\"next\":null}";
    check_list((struct output){ .format = OUTPUT_JSON }, document, NULL,
               "{\"rows\":[ {\"a\": 1.50},\n{\"a\":2}],\"next\":null}\n");
    check_list((struct output){ .format = OUTPUT_NDJSON }, document, NULL, "{\"a\": 1.50}\n{\"a\":2}\n");
}

static void ndjson_keeps_an_item_on_its_line(void **state)
{
    (void)state;
    check_list((struct output){ .format = OUTPUT_NDJSON }, "{\"rows\":[{\"a\":\n\r[1]}]}", NULL, "{\"a\":  [1]}\n");
}

static void columns_are_aligned(void **state)
{
    (void)state;
    static const char document[] = "{\"rows\":[{\"count\":5,\"name\":\"a\",\"note\":\"x\"},"
                                   "{\"name\":\"d\\u00fcrer\",\"count\":1234567,\"note\":null}]}";
    check_list((struct output){ .format = OUTPUT_TABLE }, document, columns,
               "name     count  note\n"
               "a            5  x\n"
               "dürer  1234567  -\n");
}

static void without_columns_the_first_item_names_them(void **state)
{
    (void)state;
    check_list((struct output){ .format = OUTPUT_TABLE }, "{\"rows\":[{\"b\":1,\"a\":[1,2]},{\"a\":true}]}", NULL,
               "b  a\n"
               "1  [1,2]\n"
               "-  true\n");
    check_list((struct output){ .format = OUTPUT_TABLE }, "{\"rows\":[]}", NULL, "");
}

static void a_terminal_is_neither_overrun_nor_disturbed(void **state)
{
    (void)state;
    check_list((struct output){ .format = OUTPUT_TABLE, .width = 24 },
               "{\"rows\":[{\"name\":\"n\",\"note\":\"0123456789012345678901234567890\"}]}",
               (const char *const[]){ "name", "note", NULL },
               "name  note\n"
               "n     01234567890123456…\n");
    check_list((struct output){ .format = OUTPUT_TABLE, .width = 60 },
               "{\"rows\":[{\"name\":\"0123456789012345678901234567890123456789abc\",\"note\":\"x\"}]}",
               (const char *const[]){ "name", "note", NULL },
               "name                                      note\n"
               "012345678901234567890123456789012345678…  x\n");
    check_list((struct output){ .format = OUTPUT_TABLE }, "{\"rows\":[{\"name\":\"a\\u001b[31m\\n\\u009bb\\u007f\"}]}",
               (const char *const[]){ "name", NULL },
               "name\n"
               "a\\x1b[31m \\x9bb\\x7f\n");
}

static void times_are_short(void **state)
{
    (void)state;
    check_list((struct output){ .format = OUTPUT_TABLE },
               "{\"rows\":[{\"at\":\"2026-01-02T03:04:05.678901Z\",\"no\":\"2026-01-02T03:04:05.67890Z\"}]}", NULL,
               "at                       no\n"
               "2026-01-02 03:04:05.678  2026-01-02T03:04:05.67890Z\n");
}

static void rows_beyond_those_held_back_keep_the_columns(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    varve_error error = { 0 };
    struct output output = { .format = OUTPUT_TABLE };
    struct items items;
    output.file = open_memstream(&text, &size);
    items_init(&items, &output, (varve_str){ 0 }, (const char *const[]){ "n", NULL });
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(items_add(&items, VARVE_STR("{\"n\":42}"), &error), VARVE_OK);
    }
    assert_int_equal(items_end(&items, (varve_str){ 0 }, &error), VARVE_OK);
    items_fini(&items);
    fclose(output.file);
    assert_int_equal(size, strlen(" n\n") + 1000 * strlen("42\n"));
    assert_memory_equal(text, " n\n42\n42\n", 9);
    free(text);
}

static void a_document_is_shown_member_by_member(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    varve_error error = { 0 };
    struct output output = { .format = OUTPUT_TABLE };
    output.file = open_memstream(&text, &size);
    static const char document[] = "{\"stream\":\"order-1\",\"list\":[{\"type\":\"A\"}],\"version\":12,\"tags\":[]}";
    assert_int_equal(output_document(&output, varve_str_of(document), &error), VARVE_OK);
    fclose(output.file);
    assert_string_equal(text, "stream   order-1\n"
                              "version  12\n"
                              "tags     []\n"
                              "\n"
                              "type\n"
                              "A\n");
    free(text);
}

static void what_is_no_such_document_is_refused(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "", "[]", "{\"rows\":1}", "{\"rows\":[1]}", "{\"rows\":[{]}", "{\"other\":[]}"
    };
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        char *text = NULL;
        size_t size = 0;
        varve_error error = { 0 };
        struct output output = { .format = OUTPUT_TABLE };
        output.file = open_memstream(&text, &size);
        assert_true(output_list(&output, varve_str_of(documents[i]), "rows", columns, &error) < 0);
        fclose(output.file);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_passed_through_byte_for_byte),
        cmocka_unit_test(ndjson_keeps_an_item_on_its_line),
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(without_columns_the_first_item_names_them),
        cmocka_unit_test(a_terminal_is_neither_overrun_nor_disturbed),
        cmocka_unit_test(times_are_short),
        cmocka_unit_test(rows_beyond_those_held_back_keep_the_columns),
        cmocka_unit_test(a_document_is_shown_member_by_member),
        cmocka_unit_test(what_is_no_such_document_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
