/* SPDX-License-Identifier: Apache-2.0 */
#include "server/body.h"

#include "base/json.h"

struct reading {
    struct json_scanner scanner;
    struct arena *arena;
    varve_error *error;
};

static varve_status no_memory(struct reading *reading)
{
    return varve_error_set(reading->error, VARVE_NOMEM, "out of memory");
}

static varve_status not_json(struct reading *reading)
{
    return varve_error_set(reading->error, VARVE_INVALID, "the body is not JSON: %s at byte %zu",
                           reading->scanner.problem, (size_t)(reading->scanner.at - reading->scanner.start));
}

static varve_status wrong(struct reading *reading, const struct body_field *field, const char *must)
{
    return varve_error_set(reading->error, VARVE_INVALID, "\"%s\" must be %s", field->name, must);
}

/* The string just read. */
static varve_status take_text(struct reading *reading, varve_str *text)
{
    varve_buf plain = { 0 };
    *text = reading->scanner.raw;
    if (!reading->scanner.escaped) return VARVE_OK;
    json_unescape(reading->scanner.raw, &plain);
    bool taken = !plain.failed && arena_copy(reading->arena, varve_buf_view(&plain), text);
    varve_buf_fini(&plain);
    return taken ? VARVE_OK : no_memory(reading);
}

/* The number just read. */
static varve_status take_number(struct reading *reading, const struct body_field *field, enum json_token token,
                                uint64_t max, uint64_t *number)
{
    if (token != JSON_INTEGER || reading->scanner.integer < 0)
        return wrong(reading, field, "a whole number that is not negative");
    *number = (uint64_t)reading->scanner.integer;
    if (max == 0 || *number <= max) return VARVE_OK;
    return varve_error_set(reading->error, VARVE_INVALID, "\"%s\" is at most %llu", field->name,
                           (unsigned long long)max);
}

static varve_status read_list(struct reading *reading, struct body_field *field)
{
    bool texts = field->kind == BODY_TEXTS;
    struct json_scanner ahead = reading->scanner;
    enum json_token token;
    varve_str ignored;
    size_t count = 0;
    while ((token = json_next(&ahead)) != JSON_ARRAY_END) {
        if (json_skip(&ahead, token, &ignored) != JSON_ERROR && ++count <= field->max) continue;
        reading->scanner = ahead;
        if (count <= field->max) return not_json(reading);
        return varve_error_set(reading->error, VARVE_INVALID, "\"%s\" has at most %llu items", field->name,
                               (unsigned long long)field->max);
    }
    varve_str *text = texts ? arena_array(reading->arena, count + 1, sizeof *text) : NULL;
    uint64_t *number = texts ? NULL : arena_array(reading->arena, count + 1, sizeof *number);
    if (text == NULL && number == NULL) return no_memory(reading);
    for (size_t i = 0; i < count; i++) {
        varve_status status = VARVE_OK;
        token = json_next(&reading->scanner);
        if (!texts)
            status = take_number(reading, field, token, 0, &number[i]);
        else
            status = token != JSON_STRING ? wrong(reading, field, "a list of strings") : take_text(reading, &text[i]);
        if (status < 0) return status;
    }
    (void)json_next(&reading->scanner); /* the array's end, seen while counting */
    if (texts)
        *(const varve_str **)field->value = text;
    else
        *(const uint64_t **)field->value = number;
    *field->count = count;
    return VARVE_OK;
}

static varve_status read_field(struct reading *reading, struct body_field *field)
{
    if (field->given) return wrong(reading, field, "given once");
    field->given = true;
    enum json_token token = json_next(&reading->scanner);
    if (token == JSON_ERROR) return not_json(reading);
    switch (field->kind) {
    case BODY_TEXT:
        return token == JSON_STRING ? take_text(reading, field->value) : wrong(reading, field, "a string");
    case BODY_NUMBER:
        return take_number(reading, field, token, field->max, field->value);
    case BODY_TEXTS:
    case BODY_NUMBERS:
        break;
    }
    return token == JSON_ARRAY ? read_list(reading, field) : wrong(reading, field, "a list");
}

static bool is_blank(varve_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (memchr(" \t\r\n", text.ptr[i], 4) == NULL) return false;
    return true;
}

varve_status body_read(varve_str body, struct body_field *fields, size_t field_count, struct arena *arena,
                       varve_error *error)
{
    struct reading reading = { .arena = arena, .error = error };
    enum json_token token;
    if (is_blank(body)) return VARVE_OK;
    json_start(&reading.scanner, body);
    token = json_next(&reading.scanner);
    if (token == JSON_ERROR) return not_json(&reading);
    if (token != JSON_OBJECT) return varve_error_set(error, VARVE_INVALID, "the body must be a JSON object");
    while ((token = json_next(&reading.scanner)) == JSON_KEY) {
        size_t i = 0;
        while (i < field_count && !json_is(&reading.scanner, fields[i].name)) i++;
        varve_str name = reading.scanner.raw;
        if (i == field_count)
            return varve_error_set(error, VARVE_INVALID, "unknown field \"%.*s\"", name.len > 60 ? 60 : (int)name.len,
                                   name.ptr);
        varve_status status = read_field(&reading, &fields[i]);
        if (status < 0) return status;
    }
    if (token == JSON_ERROR || json_next(&reading.scanner) == JSON_ERROR) return not_json(&reading);
    return VARVE_OK;
}
