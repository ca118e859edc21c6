/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says to a query: the first line is its cursor, each further line a parameter
 * "name=value". A cursor that was not made for these parameters is refused, and one that is taken is
 * what would be written again.
 */
#include <math.h>

#include "base/arena.h"
#include "fuzz/fuzz.h"
#include "query/cursor.h"
#include "query/request.h"

enum { PARAMS_MAX = 8, DECLARED = 5, VALUES_MAX = 4 };

static const char question[] = "-- @query customer_orders\n-- @reads order_summary\n-- @param customer text\n"
                               "-- @param least integer\n-- @param ratio number = 0.5\n-- @param open boolean = null\n"
                               "-- @param since timestamp = null\n"
                               "SELECT :customer, :least, :ratio, :open, :since FROM order_summary.orders\n";

static void check_values(const struct sql_value *values)
{
    ASSERT(values[0].kind == SQL_TEXT && utf8_valid(values[0].text));
    ASSERT(values[0].text.len == 0 || memchr(values[0].text.ptr, '\0', values[0].text.len) == NULL);
    ASSERT(values[1].kind == SQL_INTEGER);
    ASSERT(values[2].kind == SQL_INTEGER || (values[2].kind == SQL_REAL && isfinite(values[2].real)));
    ASSERT(values[3].kind == SQL_NULL || values[3].kind == SQL_BOOLEAN);
    ASSERT(values[4].kind == SQL_NULL || (values[4].kind == SQL_TEXT && values[4].text.len > 0));
}

/* A cursor over these values is read as what it was written for, and no longer once a letter of it has changed. */
static void write_cursor(const struct sql_value *values, size_t count, uint64_t seen, uint32_t salt)
{
    varve_buf key = { 0 }, text = { 0 };
    struct cursor cursor = { 0 };
    varve_error error = { 0 };

    for (size_t i = 0; i < count; i++) cursor_add(&key, &values[i]);
    varve_status status = cursor_write(varve_buf_view(&key), seen, salt, &text, &error);
    if (status < 0) {
        ASSERT(status == VARVE_TOO_LARGE);
    } else {
        status = cursor_read(&cursor, varve_buf_view(&text), salt, count, true, &error);
        ASSERT(status == VARVE_OK && cursor.count == count && cursor.seen == seen);
        ASSERT(varve_str_eq(cursor_key(&cursor), varve_buf_view(&key)));
        cursor_fini(&cursor);
        char *letter = &text.ptr[(seen + count) % text.len];
        *letter = *letter == 'A' ? 'B' : 'A';
        status = cursor_read(&cursor, varve_buf_view(&text), salt, count, true, &error);
        fuzz_refused(status, &error);
    }
    varve_buf_fini(&key);
    varve_buf_fini(&text);
}

static void check_cursor(varve_str text, uint32_t salt)
{
    struct cursor cursor = { 0 };
    varve_buf again = { 0 };
    varve_error error = { 0 };
    varve_status status = cursor_read(&cursor, text, salt, VALUES_MAX, true, &error);

    if (status < 0) {
        fuzz_refused(status, &error);
    } else if (text.len > 0) {
        ASSERT(cursor.count > 0 && cursor.count <= VALUES_MAX);
        ASSERT(cursor_write(cursor_key(&cursor), cursor.seen, salt, &again, &error) == VARVE_OK);
        ASSERT(varve_str_eq(text, varve_buf_view(&again)));
    } else {
        ASSERT(cursor.count == 0);
    }
    cursor_fini(&cursor);
    varve_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_str rest = fuzz_text(data, size);
    varve_query_param params[PARAMS_MAX];
    varve_query_request request = { .cursor = fuzz_line(&rest), .params = params };
    struct sql_value values[DECLARED] = { 0 };
    struct arena arena = { 0 };
    struct sqlfile *file = NULL;
    varve_error error = { 0 };

    while (rest.len > 0 && request.param_count < PARAMS_MAX) {
        varve_str value = fuzz_line(&rest);
        const char *equals = value.len == 0 ? NULL : memchr(value.ptr, '=', value.len);
        size_t name = equals == NULL ? value.len : (size_t)(equals - value.ptr), used = name + (equals != NULL);
        params[request.param_count++] =
            (varve_query_param){ { value.ptr, name }, { value.ptr + used, value.len - used } };
    }
    varve_status status = sqlfile_parse(&file, SQLFILE_QUERY, "q.sql", varve_str_of(question), "sqlite", &error);
    ASSERT(status == VARVE_OK && file->param_count == DECLARED);
    ASSERT(request_check_defaults(file, &error) == VARVE_OK);
    status = request_read_params(file, &request, &arena, values, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
    } else {
        uint32_t salt = request_salt(file, &request);
        check_values(values);
        check_cursor(request.cursor, salt);
        check_cursor(request.cursor, 0);
        write_cursor(values, DECLARED, 0, salt);
        write_cursor(values, DECLARED, 1 + request.cursor.len, salt);
        write_cursor(values, 1, 0, salt);
    }
    arena_fini(&arena);
    sqlfile_free(file);
    return 0;
}
