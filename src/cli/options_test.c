/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/exit_code.h"
#include "cli/options.h"

enum { WORDS_MAX = 16 };

/* Reads a command line written with blanks between its words. */
static varve_status read_words(struct call *call, const char *line, varve_error *error)
{
    static char text[256];
    char *argv[WORDS_MAX] = { "varve" };
    int argc = 1;
    snprintf(text, sizeof(text), "%s", line);
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL && argc < WORDS_MAX;) {
        argv[argc++] = word;
    }
    *call = (struct call){ 0 };
    *error = (varve_error){ 0 };
    return call_init(call, argc, argv, error);
}

static void options_may_stand_anywhere(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "stream read order-1 --store sqlite:x --limit 3 -o json",
        "--store=sqlite:x stream --limit=3 read -o json order-1",
        "stream read --output=json --limit 3 --store sqlite:x -- order-1",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct call call;
        varve_error error;
        uint64_t limit = 0;
        assert_int_equal(read_words(&call, lines[i], &error), VARVE_OK);
        assert_string_equal(call.verb->name, "read");
        assert_int_equal(call.argument_count, 1);
        assert_string_equal(call.arguments[0], "order-1");
        assert_string_equal(call.store, "sqlite:x");
        assert_int_equal(call.output.format, OUTPUT_JSON);
        assert_int_equal(call_number(&call, OPTION_LIMIT, &limit, &error), VARVE_OK);
        assert_int_equal(limit, 3);
        call_fini(&call);
    }
}

static void wrong_lines_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *message;
    } cases[] = {
        { "stream read order-1 --colour red --store x", "unknown option --colour" },
        { "stream read order-1 --store x -q", "unknown option -q" },
        { "stream read order-1 --store", "--store needs a value" },
        { "stream read order-1 --store a --store b", "--store is given twice" },
        { "stream read order-1 --store a --quiet=yes", "--quiet takes no value" },
        { "stream read order-1 --store a --wait", "--wait does not apply to `stream read`" },
        { "store verify --server http://127.0.0.1:1", "--server does not apply to `store verify`" },
        { "stream read --store a", "usage: varve stream read STREAM" },
        { "stream read a b --store x", "usage: varve stream read STREAM" },
        { "stream read a --store x --server http://127.0.0.1:1", "give one of them" },
        { "stream read a", "give --store" },
        { "aggregate show order-1 --store x", "give --app" },
        { "stream read a --store x -o yaml", "table, json or ndjson" },
        { "stream", "`stream` needs a verb: append, read, list" },
        { "stream fly", "there is no `stream fly`" },
        { "fly", "there is no `fly`" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct call call;
        varve_error error;
        assert_int_equal(read_words(&call, cases[i].line, &error), VARVE_INVALID);
        assert_non_null(strstr(error.message, cases[i].message));
        call_fini(&call);
    }
}

static void what_is_designed_but_not_built_is_named(void **state)
{
    (void)state;
    static const char *const lines[] = { "relay list", "saga", "new app", "projection pause" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct call call;
        varve_error error;
        assert_int_equal(read_words(&call, lines[i], &error), VARVE_UNSUPPORTED);
        assert_non_null(strstr(error.message, "not built yet"));
        call_fini(&call);
    }
}

static void repeatable_options_keep_their_order(void **state)
{
    (void)state;
    struct call call;
    varve_error error;
    assert_int_equal(read_words(&call, "log read --store x --type A --type B", &error), VARVE_OK);
    assert_int_equal(call_option_count(&call, OPTION_TYPE), 2);
    assert_string_equal(call_option_at(&call, OPTION_TYPE, 0), "A");
    assert_string_equal(call_option_at(&call, OPTION_TYPE, 1), "B");
    assert_null(call_option(&call, OPTION_LIMIT));
    call_fini(&call);
}

static void numbers_are_whole_and_fit(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        varve_status status;
        uint64_t value;
    } cases[] = {
        { "log read --store x --limit 0", VARVE_OK, 0 },
        { "log read --store x --limit 9223372036854775807", VARVE_OK, INT64_MAX },
        { "log read --store x --limit 9223372036854775808", VARVE_INVALID, 7 },
        { "log read --store x --limit 99999999999999999999", VARVE_INVALID, 7 },
        { "log read --store x --limit -1", VARVE_INVALID, 7 },
        { "log read --store x --limit 1x", VARVE_INVALID, 7 },
        { "log read --store x --limit ", VARVE_INVALID, 7 },
        { "log read --store x", VARVE_OK, 7 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct call call;
        varve_error error;
        uint64_t value = 7;
        assert_int_equal(read_words(&call, cases[i].line, &error), VARVE_OK);
        assert_int_equal(call_number(&call, OPTION_LIMIT, &value, &error), cases[i].status);
        assert_int_equal(value, cases[i].value);
        call_fini(&call);
    }
}

static void the_table_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        assert_non_null(option_specs[i].name);
        assert_non_null(option_specs[i].help);
    }
    for (const struct verb *verb = verb_table; verb->noun != NULL; verb++) {
        assert_non_null(verb->run);
        assert_non_null(verb->summary);
        assert_true(verb->arguments_min <= verb->arguments_max);
        assert_ptr_equal(verb_find(verb->noun, verb->name), verb);
    }
}

static void exit_codes_are_the_documented_ones(void **state)
{
    (void)state;
    static const struct {
        varve_status status;
        int code;
    } cases[] = {
        { VARVE_OK, 0 },          { VARVE_DONE, 0 },         { VARVE_REPEATED, 0 },      { VARVE_IO, 1 },
        { VARVE_APPLICATION, 1 }, { VARVE_INCOMPATIBLE, 1 }, { VARVE_INVALID, 2 },       { VARVE_UNSUPPORTED, 2 },
        { VARVE_TOO_LARGE, 2 },   { VARVE_NOT_FOUND, 3 },    { VARVE_CONFLICT, 4 },      { VARVE_ID_CONFLICT, 4 },
        { VARVE_UNAVAILABLE, 5 }, { VARVE_LOCKED, 5 },       { VARVE_TIMEOUT, 5 },       { VARVE_BUSY, 5 },
        { VARVE_DENIED, 6 },      { VARVE_CORRUPT, 7 },      { VARVE_INDETERMINATE, 8 }, { VARVE_REJECTED, 9 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(exit_code(cases[i].status), cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(what_is_designed_but_not_built_is_named),
        cmocka_unit_test(repeatable_options_keep_their_order),
        cmocka_unit_test(numbers_are_whole_and_fit),
        cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(exit_codes_are_the_documented_ones),
    };
    /* What the environment of whoever runs the tests says must not matter. */
    static const char *const variables[] = { "VARVE_STORE", "VARVE_APP", "VARVE_SERVER", "VARVE_OUTPUT" };
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        unsetenv(variables[i]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
