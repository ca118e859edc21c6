/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct seen {
    varve_log_level level;
    char line[2048];
    int count;
};

static void remember(void *ctx, varve_log_level level, const char *line)
{
    struct seen *seen = ctx;

    seen->level = level;
    seen->count++;
    snprintf(seen->line, sizeof(seen->line), "%s", line);
}

static void test_a_line_arrives(void **state)
{
    struct seen seen = { 0 };
    struct log log = { .write = remember, .ctx = &seen };

    (void)state;
    log_line(&log, VARVE_LOG_WARNING, "checkpoint took %d ms", 12);
    assert_int_equal(seen.level, VARVE_LOG_WARNING);
    assert_string_equal(seen.line, "checkpoint took 12 ms");
    log_line(&log, VARVE_LOG_DEBUG, "%02000d", 1);
    assert_int_equal(seen.count, 2);
    assert_in_range(strlen(seen.line), 500, 2000);
}

static void test_nobody_listens(void **state)
{
    struct log silent = { 0 };

    (void)state;
    log_line(&silent, VARVE_LOG_ERROR, "%s", "nothing happens");
    log_line(NULL, VARVE_LOG_ERROR, "%s", "nothing happens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_arrives),
        cmocka_unit_test(test_nobody_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
