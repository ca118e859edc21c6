/* SPDX-License-Identifier: Apache-2.0 */
#include "query/request.h"

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
        value->text = text;
    }
    return json_next(&scanner) == JSON_END;
}

/* A point in time, as the text that an event's time is: so the two compare, whatever zone it was given in. */
static bool read_timestamp(varve_str text, struct arena *arena, struct sql_value *value)
{
    char written[VARVE_TIME_TEXT_BYTES];
    varve_time time = 0;
    if (varve_time_parse(&time, text, NULL) < 0) {
        return false;
    }
    varve_time_format(time, written);
    return arena_copy(arena, varve_str_of(written), &value->text);
}

static bool read_value(enum sqlfile_type type, varve_str text, struct arena *arena, struct sql_value *value)
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
    case SQLFILE_TIMESTAMP:
        return read_timestamp(text, arena, value);
    }
    return false;
}

static varve_status refuse(varve_error *error, varve_str name, const char *what)
{
    return varve_error_set(error, VARVE_INVALID, "parameter '%.*s' %s", (int)(name.len > 80 ? 80 : name.len), name.ptr,
                           what);
}

static const char *const wrong[] = {
    [SQLFILE_TEXT] = "is not text",
    [SQLFILE_INTEGER] = "is not an integer of 64 bits",
    [SQLFILE_NUMBER] = "is not a number",
    [SQLFILE_BOOLEAN] = "is not true or false",
    [SQLFILE_TIMESTAMP] = "is not a time such as 2026-01-31T23:59:59Z",
};

/* What was given is shown where it can be, which a text that is none cannot. */
static varve_status refuse_value(varve_error *error, const struct sqlfile_param *param, varve_str given)
{
    char what[160];
    bool whole = given.len <= 60;
    bool shown = utf8_valid(given) && (whole || ((unsigned char)given.ptr[60] & 0xc0) != 0x80);
    snprintf(what, sizeof what, "%s: '%.*s%s'", wrong[param->type],
             (int)(!shown  ? 0
                   : whole ? given.len
                           : 60),
             given.ptr == NULL ? "" : given.ptr, shown && whole ? "" : "…");
    return refuse(error, param->name, what);
}

varve_status request_check_defaults(const struct sqlfile *file, varve_error *error)
{
    struct arena arena = { 0 };
    varve_status status = VARVE_OK;
    for (const struct sqlfile_param *param = file->params; status == VARVE_OK && param != NULL; param = param->next) {
        struct sql_value value;
        if (param->has_default && !param->default_null &&
            !read_value(param->type, param->default_value, &arena, &value)) {
            status = sqlfile_fail(file, param->line, VARVE_INVALID, error, "the default of parameter '%.*s' %s",
                                  (int)param->name.len, param->name.ptr, wrong[param->type]);
        }
    }
    arena_fini(&arena);
    return status;
}

static varve_status read_param(const struct sqlfile_param *declared, const varve_query_param *given,
                               struct arena *arena, struct sql_value *value, varve_error *error)
{
    if (given == NULL && !declared->has_default) {
        return refuse(error, declared->name, "is missing");
    }
    if (given == NULL && declared->default_null) {
        *value = (struct sql_value){ .kind = SQL_NULL };
        return VARVE_OK;
    }
    varve_str text = given == NULL ? declared->default_value : given->value;
    return read_value(declared->type, text, arena, value) ? VARVE_OK : refuse_value(error, declared, text);
}

varve_status request_read_params(const struct sqlfile *file, const varve_query_request *request, struct arena *arena,
                                 struct sql_value *values, varve_error *error)
{
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
    varve_status status = VARVE_OK;
    for (const struct sqlfile_param *declared = file->params; status == VARVE_OK && declared != NULL;
         declared = declared->next) {
        status = read_param(declared, find_param(request, declared->name), arena, values++, error);
    }
    return status;
}

static uint32_t mix(uint32_t crc, varve_str text)
{
    uint64_t len = text.len;
    crc = crc32c(crc, &len, sizeof len);
    return text.len == 0 ? crc : crc32c(crc, text.ptr, text.len);
}

uint32_t request_salt(const struct sqlfile *file, const varve_query_request *request)
{
    uint32_t crc = mix(0, file->name);
    for (const struct sqlfile_param *param = file->params; param != NULL; param = param->next) {
        const varve_query_param *given = find_param(request, param->name);
        crc = given == NULL ? mix(crc, VARVE_STR("default")) : mix(mix(crc, VARVE_STR("given")), given->value);
    }
    return crc;
}
