/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/postgres_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

/* Of pg_type; these never change. */
enum {
    BOOL = 16,
    BYTEA = 17,
    NAME = 19,
    INT8 = 20,
    INT2 = 21,
    INT4 = 23,
    TEXT = 25,
    OID = 26,
    JSON = 114,
    FLOAT4 = 700,
    FLOAT8 = 701,
    BPCHAR = 1042,
    VARCHAR = 1043,
    DATE = 1082,
    TIME = 1083,
    TIMESTAMP = 1114,
    TIMESTAMPTZ = 1184,
    NUMERIC = 1700,
    RECORD = 2249,
    RECORDS = 2287,
    UUID = 2950,
    JSONB = 3802,
};

static bool is_text(Oid type)
{
    return type == TEXT || type == VARCHAR || type == BPCHAR;
}

static bool is_json(Oid type)
{
    return type == JSON || type == JSONB;
}

static bool is_number(Oid type)
{
    return type == INT2 || type == INT4 || type == INT8 || type == FLOAT4 || type == FLOAT8 || type == NUMERIC ||
           type == OID;
}

bool postgres_value_bindable(Oid type)
{
    return type != RECORD && type != RECORDS;
}

/* Text for a parameter: as it is for texts, in bytes that need no end; as a terminated copy for the rest. */
static varve_status bind_text(struct postgres_parameter *parameter, const struct sql_value *value, varve_error *error)
{
    varve_str text = value->text;
    if (is_text(parameter->type)) {
        parameter->bytes = text.len == 0 ? "" : text.ptr;
        parameter->length = (int)text.len;
        parameter->format = 1;
        return VARVE_OK;
    }
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return varve_error_set(error, VARVE_APPLICATION, "a value holds a NUL character");
    if (is_json(parameter->type) && value->kind == SQL_TEXT) {
        varve_buf_json_string(&parameter->own, text);
    } else {
        varve_buf_str(&parameter->own, text);
    }
    return VARVE_OK;
}

/* The digits as written where the type keeps them; else the fewest that read back as the same number, in any locale. */
static void bind_real(struct postgres_parameter *parameter, const struct sql_value *value)
{
    char text[40];
    if (value->text.len > 0 && (parameter->type == NUMERIC || is_text(parameter->type) || is_json(parameter->type))) {
        varve_buf_str(&parameter->own, value->text);
        return;
    }
    int precision = 15;
    do {
        snprintf(text, sizeof text, "%.*g", precision, value->real);
    } while (isfinite(value->real) && precision++ < 17 && strtod(text, NULL) != value->real);
    for (char *at = text; isfinite(value->real) && *at != '\0'; at++) {
        bool point = (*at < '0' || *at > '9') && *at != '-' && *at != '+' && *at != 'e';
        if (point) *at = '.';
    }
    varve_buf_str(&parameter->own, varve_str_of(text));
}

varve_status postgres_value_bind(struct postgres_parameter *parameter, const struct sql_value *value,
                                 varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_buf_reset(&parameter->own);
    parameter->bytes = NULL;
    parameter->format = 0;
    if (value->text.len > INT32_MAX) return varve_error_set(error, VARVE_TOO_LARGE, "a value is too long");
    switch (value->kind) {
    case SQL_NULL:
        return VARVE_OK;
    case SQL_INTEGER:
        varve_buf_printf(&parameter->own, "%lld", (long long)value->integer);
        break;
    case SQL_REAL:
        bind_real(parameter, value);
        break;
    case SQL_BOOLEAN:
        varve_buf_str(&parameter->own, is_number(parameter->type)
                                           ? varve_str_of(value->integer != 0 ? "1" : "0")
                                           : varve_str_of(value->integer != 0 ? "true" : "false"));
        break;
    case SQL_TEXT:
    case SQL_JSON:
        status = bind_text(parameter, value, error);
        break;
    case SQL_BLOB:
        parameter->bytes = value->text.len == 0 ? "" : value->text.ptr;
        parameter->length = (int)value->text.len;
        parameter->format = 1;
        break;
    }
    if (parameter->own.failed) return varve_error_set(error, VARVE_NOMEM, "no memory for a value");
    if (status == VARVE_OK && parameter->format == 0) parameter->bytes = parameter->own.ptr;
    return status;
}

static void read_numeric(struct sql_value *value)
{
    const char *digits = value->text.ptr;
    char *end = NULL;
    errno = 0;
    value->integer = strtoll(digits, &end, 10);
    if (end == digits + value->text.len && errno == 0) {
        value->kind = SQL_INTEGER;
        value->text = (varve_str){ 0 };
        return;
    }
    value->integer = 0;
    char last = value->text.ptr[value->text.len - 1];
    value->kind = last >= '0' && last <= '9' ? SQL_JSON : SQL_TEXT; /* NaN and Infinity are no numbers in JSON */
}

static int hex(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* "\x00ff", as bytea_output=hex writes it. */
static void read_bytes(struct arena *arena, struct sql_value *value)
{
    varve_str text = value->text;
    size_t len = (text.len - 2) / 2;
    char *bytes = arena_alloc(arena, len + 1);
    *value = (struct sql_value){ .kind = bytes == NULL ? SQL_NULL : SQL_BLOB };
    for (size_t i = 0; bytes != NULL && i < len; i++)
        bytes[i] = (char)(hex(text.ptr[2 + 2 * i]) * 16 + hex(text.ptr[3 + 2 * i]));
    if (bytes != NULL) value->text = (varve_str){ bytes, len };
}

/* A number as PostgreSQL writes it, in any locale. */
static double read_real(varve_str text)
{
    struct json_scanner scanner;
    json_start(&scanner, text);
    enum json_token token = json_next(&scanner);
    return token == JSON_REAL || token == JSON_INTEGER ? json_double(&scanner) : strtod(text.ptr, NULL);
}

void postgres_value_read(const PGresult *result, int row, int column, struct arena *arena, struct sql_value *value)
{
    *value = (struct sql_value){ .kind = SQL_NULL };
    if (PQgetisnull(result, row, column)) return;
    value->kind = SQL_TEXT;
    value->text = (varve_str){ PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column) };
    switch (PQftype(result, column)) {
    case BOOL:
        *value = (struct sql_value){ .kind = SQL_BOOLEAN, .integer = *value->text.ptr == 't' };
        break;
    case INT2:
    case INT4:
    case INT8:
    case OID:
    case NUMERIC:
        read_numeric(value);
        break;
    case FLOAT4:
    case FLOAT8:
        *value = (struct sql_value){ .kind = SQL_REAL, .real = read_real(value->text) };
        break;
    case JSON:
    case JSONB:
        value->kind = SQL_JSON;
        break;
    case BYTEA:
        read_bytes(arena, value);
        break;
    default:
        break;
    }
}

bool postgres_value_differ(Oid type, bool loose, const struct sql_value *a, const struct sql_value *b)
{
    if (a->kind == SQL_NULL || b->kind == SQL_NULL) return a->kind != b->kind;
    switch (type) {
    case BOOL:
    case INT2:
    case INT4:
    case INT8:
    case OID:
        return a->integer != b->integer;
    case FLOAT4:
    case FLOAT8:
        return a->real < b->real || a->real > b->real;
    case TEXT:
    case VARCHAR:
        return !loose && !varve_str_eq(a->text, b->text);
    case BYTEA:
    case NAME:
    case DATE:
    case TIME:
    case TIMESTAMP:
    case TIMESTAMPTZ:
    case UUID:
        return !varve_str_eq(a->text, b->text);
    case NUMERIC: /* 1.0 is 1.00 */
        return a->kind == SQL_INTEGER && b->kind == SQL_INTEGER && a->integer != b->integer;
    default:
        return false;
    }
}
