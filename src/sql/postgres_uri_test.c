/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sql/postgres_uri.h"

static void the_schema_is_taken_out(void **state)
{
    static const struct {
        const char *uri, *plain, *schema;
    } cases[] = {
        { "postgresql://u@h/d", "postgresql://u@h/d", "varve" },
        { "postgresql://u@h/d?schema=shop", "postgresql://u@h/d", "shop" },
        { "postgres://h/d?schema=shop&port=1", "postgres://h/d?port=1", "shop" },
        { "postgres://h/d?port=1&schema=_a$9", "postgres://h/d?port=1", "_a$9" },
        { "postgres://h/d?a=1&schema=x&b=schema=2&", "postgres://h/d?a=1&b=schema=2", "x" },
        { "postgres://h/schema=d?myschema=1", "postgres://h/schema=d?myschema=1", "varve" },
        { "postgres://h/d?schema=x&schema=y", "postgres://h/d", "y" },
        { "postgres://h/d?", "postgres://h/d", "varve" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_buf plain = { 0 };
        char schema[POSTGRES_NAME_BYTES];
        assert_int_equal(postgres_uri_split(cases[i].uri, &plain, schema, NULL), VARVE_OK);
        assert_string_equal(plain.ptr, cases[i].plain);
        assert_string_equal(schema, cases[i].schema);
        varve_buf_fini(&plain);
    }
}

static void only_a_plain_name_is_a_schema(void **state)
{
    static const char *const names[] = {
        "",     "9a",   "a-b", "a%62",        "A",
        "pg_a", "a\"b", "a;b", "caf\xc3\xa9", "a123456789012345678901234567890123456789012345678901234567890123",
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        varve_buf plain = { 0 }, uri = { 0 };
        char schema[POSTGRES_NAME_BYTES] = "";
        varve_error error = { 0 };
        varve_buf_printf(&uri, "postgresql://u:secret@h/d?schema=%s", names[i]);
        assert_int_equal(postgres_uri_split(uri.ptr, &plain, schema, &error), VARVE_INVALID);
        assert_null(strstr(error.message, "secret"));
        varve_buf_fini(&plain);
        varve_buf_fini(&uri);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_is_taken_out),
        cmocka_unit_test(only_a_plain_name_is_a_schema),
    };
    return cmocka_run_group_tests_name("postgres_uri", tests, NULL, NULL);
}
