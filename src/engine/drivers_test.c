/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <cmocka.h>

#include "engine/drivers.h"
#include "tests/support/scratch.h"

static void a_uri_finds_its_drivers(void **state)
{
    struct driver driver = { 0 };
    const char *rest = NULL;
    (void)state;
    assert_int_equal(driver_find("sqlite:a/b.db", &driver, &rest, NULL), VARVE_OK);
    assert_ptr_equal(driver.store, &store_sqlite);
    assert_ptr_equal(driver.sql, &sql_sqlite);
    assert_string_equal(rest, "a/b.db");
    assert_int_equal(driver_find(NULL, &driver, &rest, NULL), VARVE_INVALID);
    assert_int_equal(driver_find("a/b.db", &driver, &rest, NULL), VARVE_INVALID);
    assert_int_equal(driver_find("sqlite", &driver, &rest, NULL), VARVE_INVALID);
}

static void no_message_repeats_a_password(void **state)
{
    struct driver driver = { 0 };
    const char *rest = NULL;
    varve_error error = { 0 };
    (void)state;
    assert_int_equal(driver_find("mysql://me:secret@host/db", &driver, &rest, &error), VARVE_INVALID);
    assert_null(strstr(error.message, "secret"));
}

static void a_module_that_is_not_there_is_named(void **state)
{
    struct driver driver = { 0 };
    const char *rest = NULL;
    varve_error error = { 0 };
    struct scratch scratch;
    (void)state;
    scratch_init(&scratch);
    const char *was = getenv("VARVE_MODULES");
    char *kept = was == NULL ? NULL : strdup(was);
    setenv("VARVE_MODULES", scratch.folder, 1);
    assert_int_equal(driver_find("postgresql://me:secret@host/db", &driver, &rest, &error), VARVE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "postgres.so"));
    assert_null(strstr(error.message, "secret"));

    FILE *file = fopen(scratch_path(&scratch, "postgres.so"), "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(driver_find("postgresql://me:secret@host/db", &driver, &rest, &error), VARVE_INCOMPATIBLE);
    if (kept != NULL) setenv("VARVE_MODULES", kept, 1);
    free(kept);
    scratch_fini(&scratch);
}

#ifdef VARVE_WITH_POSTGRES
static void a_postgres_uri_opens_the_module(void **state)
{
    static const char *const uris[] = { "postgresql://host/db?schema=a", "postgres://host/db" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct driver driver = { 0 };
        const char *rest = NULL;
        varve_error error = { 0 };
        if (driver_find(uris[i], &driver, &rest, &error) < 0) fail_msg("%s", error.message);
        assert_string_equal(rest, uris[i]);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uri_finds_its_drivers),
        cmocka_unit_test(no_message_repeats_a_password),
        cmocka_unit_test(a_module_that_is_not_there_is_named),
#ifdef VARVE_WITH_POSTGRES
        cmocka_unit_test(a_postgres_uri_opens_the_module),
#endif
    };
    return cmocka_run_group_tests_name("drivers", tests, NULL, NULL);
}
