/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says to a query: the first line is its cursor, each further line a parameter
 * "name=value". A cursor that was not made for these parameters is refused.
 */
#include <math.h>

#include "fuzz/fuzz.h"
#include "query/request.h"

enum { PARAMS_MAX = 8, DECLARED = 4 };

static const char question[] = "-- @query customer_orders\n-- @reads order_summary\n-- @param customer text\n"
                               "-- @param least integer\n-- @param ratio number\n-- @param open boolean\n"
                               "SELECT :customer, :least, :ratio, :open FROM order_summary.orders\n";

static void check_values(const struct sql_value *values)
{
    ASSERT(values[0].kind == SQL_TEXT && utf8_valid(values[0].text));
    ASSERT(values[0].text.len == 0 || memchr(values[0].text.ptr, '\0', values[0].text.len) == NULL);
    ASSERT(values[1].kind == SQL_INTEGER);
    ASSERT(values[2].kind == SQL_INTEGER || (values[2].kind == SQL_REAL && isfinite(values[2].real)));
    ASSERT(values[3].kind == SQL_BOOLEAN && (values[3].integer == 0 || values[3].integer == 1));
}

/* A cursor is read as what it was written for, and no longer once a digit of it has changed. */
static void write_cursor(const struct sqlfile *file, const varve_query_request *given, uint64_t offset)
{
    char cursor[REQUEST_CURSOR_BYTES];
    varve_query_request request = *given;
    varve_error error = { 0 };
    uint64_t again = 0;

    request_write_cursor(file, given, offset, cursor);
    ASSERT(strlen(cursor) == sizeof cursor - 1);
    request.cursor = varve_str_of(cursor);
    ASSERT(request_read_cursor(file, &request, &again, &error) == VARVE_OK && again == offset);
    char *digit = &cursor[offset % (sizeof cursor - 1)];
    *digit = *digit == '0' ? '1' : '0';
    varve_status status = request_read_cursor(file, &request, &again, &error);
    fuzz_refused(status, &error);
}

static void check_cursor(const struct sqlfile *file, const varve_query_request *request)
{
    char cursor[REQUEST_CURSOR_BYTES];
    varve_error error = { 0 };
    uint64_t offset = 0;
    varve_status status = request_read_cursor(file, request, &offset, &error);

    if (status < 0) {
        fuzz_refused(status, &error);
    } else if (request->cursor.len > 0) {
        ASSERT(offset <= INT64_MAX);
        request_write_cursor(file, request, offset, cursor);
        ASSERT(varve_str_is(request->cursor, cursor));
    } else {
        ASSERT(offset == 0);
    }
    write_cursor(file, request, 0);
    write_cursor(file, request, 20 + request->cursor.len);
    write_cursor(file, request, INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_str rest = fuzz_text(data, size);
    varve_query_param params[PARAMS_MAX];
    varve_query_request request = { .cursor = fuzz_line(&rest), .params = params };
    struct sql_value values[DECLARED] = { 0 };
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
    status = request_read_params(file, &request, values, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
    } else {
        check_values(values);
        check_cursor(file, &request);
    }
    sqlfile_free(file);
    return 0;
}
