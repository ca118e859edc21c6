/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <cmocka.h>

#include "cli/history.h"

/* What the entry looks like on a terminal without a width. */
static char *rows_of(const char *entry, varve_status expected)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    struct table table = { 0 };
    assert_non_null(file);
    history_columns(&table);
    assert_int_equal(history_rows(&table, varve_str_of(entry), NULL), expected);
    assert_int_equal(table_flush(&table, file, 0, false, NULL), VARVE_OK);
    table_fini(&table);
    fclose(file);
    return text;
}

static void expect(const char *entry, const char *rows)
{
    char *text = rows_of(entry, VARVE_OK);
    const char *end_of_heading = strchr(text, '\n');
    assert_non_null(end_of_heading);
    assert_string_equal(end_of_heading + 1, rows);
    free(text);
}

#define ENTRY "{\"version\":3,\"type\":\"Moved\",\"recorded_at\":\"2026-01-02T03:04:05.678901Z\",\"metadata\":"
#define START "2026-01-02 03:04:05.678        3  Moved "

static void every_change_has_a_line_and_the_event_stands_on_the_first(void **state)
{
    (void)state;
    expect(ENTRY "{\"actor\":\"ann\",\"causation_id\":\"c-1\"},\"patch\":[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":"
                 "{\"b\": 1.50}},{\"op\":\"replace\",\"path\":\"/c~1d\",\"value\":null},"
                 "{\"op\":\"remove\",\"path\":\"/e\"}]}",
           START " ann    c-1    + /a/0 {\"b\": 1.50}\n"
                 "                                                       ~ /c~1d null\n"
                 "                                                       - /e\n");
}

static void what_caused_the_command_goes_before_the_command(void **state)
{
    (void)state;
    expect(ENTRY "{\"causation_id\":\"c-1\",\"command_causation_id\":\"c-0\"},"
                 "\"patch\":[{\"op\":\"replace\",\"path\":\"\",\"value\":7}]}",
           START " -      c-0    ~ (everything) 7\n");
}

static void an_event_that_changed_nothing_has_a_line_too(void **state)
{
    (void)state;
    expect(ENTRY "{},\"patch\":[]}", START " -      -      -\n");
}

static void an_entry_that_is_none_is_refused(void **state)
{
    static const char *const entries[] = { "{}", "[]", ENTRY "{},\"patch\":7}",
                                           ENTRY "{},\"patch\":[{\"op\":\"add\"}]}" };
    (void)state;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        free(rows_of(entries[i], VARVE_UNAVAILABLE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_has_a_line_and_the_event_stands_on_the_first),
        cmocka_unit_test(what_caused_the_command_goes_before_the_command),
        cmocka_unit_test(an_event_that_changed_nothing_has_a_line_too),
        cmocka_unit_test(an_entry_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
