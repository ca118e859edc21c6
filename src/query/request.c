/* SPDX-License-Identifier: Apache-2.0 */
#include "query/request.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/json.h"
#include "base/utf8.h"

static const varve_query_param *find_param(const varve_query_request *request, varve_str name)
{
    for (size_t i = 0; i < request->param_count; i++) {
        if (varve_str_eq(request->params[i].name, name)) {
            return &request->params[i];
        }
    }
    return NULL;
}

/* Numbers are written as in JSON. */
static bool read_number(varve_str text, bool whole, struct sql_value *value)
{
    struct json_scanner scanner;
    json_start(&scanner, text);
    enum json_token token = json_next(&scanner);
    if (scanner.raw.len != text.len || (token != JSON_INTEGER && (whole || token != JSON_REAL))) {
        return false;
    }
    if (token == JSON_INTEGER) {
        value->kind = SQL_INTEGER;
        value->integer = scanner.integer;
    } else {
        value->kind = SQL_REAL;
        value->real = json_double(&scanner);
    }
    return json_next(&scanner) == JSON_END;
}

static bool read_value(enum sqlfile_type type, varve_str text, struct sql_value *value)
{
    *value = (struct sql_value){ .kind = SQL_TEXT, .text = text };
    switch (type) {
    case SQLFILE_TEXT:
        return utf8_valid(text) && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
    case SQLFILE_INTEGER:
    case SQLFILE_NUMBER:
        return read_number(text, type == SQLFILE_INTEGER, value);
    case SQLFILE_BOOLEAN:
        value->kind = SQL_BOOLEAN;
        value->integer = varve_str_is(text, "true");
        return varve_str_is(text, "true") || varve_str_is(text, "false");
    }
    return false;
}

static varve_status refuse(varve_error *error, varve_str name, const char *what)
{
    return varve_error_set(error, VARVE_INVALID, "parameter '%.*s' %s", (int)(name.len > 80 ? 80 : name.len), name.ptr,
                           what);
}

varve_status request_read_params(const struct sqlfile *file, const varve_query_request *request,
                                 struct sql_value *values, varve_error *error)
{
    static const char *const wrong[] = {
        [SQLFILE_TEXT] = "is not text",
        [SQLFILE_INTEGER] = "is not an integer",
        [SQLFILE_NUMBER] = "is not a number",
        [SQLFILE_BOOLEAN] = "is not true or false",
    };
    for (size_t i = 0; i < request->param_count; i++) {
        varve_str name = request->params[i].name;
        const struct sqlfile_param *declared = file->params;
        while (declared != NULL && !varve_str_eq(declared->name, name)) {
            declared = declared->next;
        }
        if (declared == NULL) {
            return refuse(error, name, "is unknown");
        }
        if (find_param(request, name) != &request->params[i]) {
            return refuse(error, name, "is given twice");
        }
    }
    for (const struct sqlfile_param *declared = file->params; declared != NULL; declared = declared->next, values++) {
        const varve_query_param *given = find_param(request, declared->name);
        if (given == NULL) {
            return refuse(error, declared->name, "is missing");
        }
        if (!read_value(declared->type, given->value, values)) {
            return refuse(error, declared->name, wrong[declared->type]);
        }
    }
    return VARVE_OK;
}

static uint32_t mix(uint32_t crc, varve_str text)
{
    uint64_t len = text.len;
    crc = crc32c(crc, &len, sizeof len);
    return text.len == 0 ? crc : crc32c(crc, text.ptr, text.len);
}

static uint32_t checksum(const struct sqlfile *file, const varve_query_request *request, uint64_t offset)
{
    uint32_t crc = mix(crc32c(0, &offset, sizeof offset), file->name);
    for (const struct sqlfile_param *param = file->params; param != NULL; param = param->next) {
        const varve_query_param *given = find_param(request, param->name);
        crc = mix(crc, given->value);
    }
    return crc;
}

void request_write_cursor(const struct sqlfile *file, const varve_query_request *request, uint64_t offset,
                          char cursor[REQUEST_CURSOR_BYTES])
{
    snprintf(cursor, REQUEST_CURSOR_BYTES, "%08" PRIx32 "%016" PRIx64, checksum(file, request, offset), offset);
}

varve_status request_read_cursor(const struct sqlfile *file, const varve_query_request *request, uint64_t *offset,
                                 varve_error *error)
{
    char expected[REQUEST_CURSOR_BYTES];
    varve_str text = request->cursor;
    *offset = 0;
    if (text.len == 0) {
        return VARVE_OK;
    }
    for (size_t i = 8; text.len == REQUEST_CURSOR_BYTES - 1 && i < text.len; i++) {
        char c = text.ptr[i];
        *offset = *offset << 4 | (uint64_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    request_write_cursor(file, request, *offset, expected);
    if (!varve_str_is(text, expected) || *offset > INT64_MAX) {
        return varve_error_set(error, VARVE_INVALID, "the cursor is not one of this query with these parameters");
    }
    return VARVE_OK;
}
