/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/lines.h"

static void write_all(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void expect_line(struct lines *lines, const char *expected)
{
    varve_str line = { 0 };
    assert_true(lines_take(lines, &line));
    assert_true(varve_str_is(line, expected));
}

static void lines_come_whole_and_at_once(void **state)
{
    (void)state;
    int ends[2];
    varve_str line = { 0 };
    varve_error error = { 0 };
    assert_int_equal(pipe(ends), 0);
    struct lines lines = { .fd = ends[0], .close = true, .name = "a pipe" };
    write_all(ends[1], "one\n\n \t\r\ntwo\nthr");
    assert_int_equal(lines_fill(&lines, 1000, &error), VARVE_OK);
    expect_line(&lines, "one");
    expect_line(&lines, "two");
    assert_false(lines_take(&lines, &line));
    write_all(ends[1], "ee\nfour");
    assert_int_equal(lines_fill(&lines, 1000, &error), VARVE_OK);
    expect_line(&lines, "three");
    assert_false(lines_take(&lines, &line));
    close(ends[1]);
    assert_int_equal(lines_fill(&lines, 1000, &error), VARVE_OK);
    expect_line(&lines, "four");
    assert_false(lines_take(&lines, &line));
    assert_int_equal(lines_fill(&lines, 1000, &error), VARVE_DONE);
    lines_fini(&lines);
}

static void an_empty_input_is_over_at_once(void **state)
{
    (void)state;
    int ends[2];
    varve_error error = { 0 };
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    struct lines lines = { .fd = ends[0], .close = true, .name = "a pipe" };
    assert_int_equal(lines_fill(&lines, 1000, &error), VARVE_DONE);
    lines_fini(&lines);
}

static void a_line_has_a_limit(void **state)
{
    (void)state;
    int ends[2];
    varve_error error = { 0 };
    assert_int_equal(pipe(ends), 0);
    struct lines lines = { .fd = ends[0], .close = true, .name = "a pipe" };
    write_all(ends[1], "0123456789 and no end");
    assert_int_equal(lines_fill(&lines, 10, &error), VARVE_TOO_LARGE);
    close(ends[1]);
    lines_fini(&lines);
}

static void a_missing_file_is_not_found(void **state)
{
    (void)state;
    struct lines lines = { 0 };
    varve_error error = { 0 };
    assert_int_equal(lines_open(&lines, "/nonexistent/file", &error), VARVE_NOT_FOUND);
    lines_fini(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_and_at_once),
        cmocka_unit_test(an_empty_input_is_over_at_once),
        cmocka_unit_test(a_line_has_a_limit),
        cmocka_unit_test(a_missing_file_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
