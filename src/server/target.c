/* SPDX-License-Identifier: Apache-2.0 */
#include "server/target.h"

#include "base/utf8.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Decodes into `memory`, which has room for text.len bytes. The result is UTF-8 without a NUL. */
static bool decode(varve_str text, bool plus_is_space, char *memory, varve_str *decoded)
{
    size_t out = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            if (text.len - i < 3) return false;
            int high = hex_digit(text.ptr[i + 1]), low = hex_digit(text.ptr[i + 2]);
            if (high < 0 || low < 0) return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        memory[out++] = c;
    }
    *decoded = (varve_str){ memory, out };
    return utf8_valid(*decoded) && memchr(memory, 0, out) == NULL;
}

/* Takes what stands before the first `separator` off `rest`; without one, all of it. */
static varve_str cut(varve_str *rest, char separator)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, separator, rest->len);
    varve_str head = { rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr) };
    size_t taken = end == NULL ? head.len : head.len + 1;
    rest->ptr += taken;
    rest->len -= taken;
    return head;
}

static varve_status parse_path(struct target *target, varve_str path, char **memory, varve_error *error)
{
    if (path.len == 0 || path.ptr[0] != '/') return varve_error_set(error, VARVE_NOT_FOUND, "there is no such path");
    varve_str rest = { path.ptr + 1, path.len - 1 };
    while (rest.len > 0) {
        bool last = memchr(rest.ptr, '/', rest.len) == NULL;
        varve_str text = cut(&rest, '/');
        if (text.len == 0 || (!last && rest.len == 0) || target->segment_count == TARGET_SEGMENTS_MAX) {
            return varve_error_set(error, VARVE_NOT_FOUND, "there is no such path");
        }
        varve_str *segment = &target->segments[target->segment_count++];
        if (!decode(text, false, *memory, segment) || !utf8_printable(*segment)) {
            return varve_error_set(error, VARVE_INVALID, "the path is not percent-encoded printable UTF-8");
        }
        *memory += text.len;
    }
    return VARVE_OK;
}

static varve_status parse_query(struct target *target, varve_str query, char **memory, varve_error *error)
{
    while (query.len > 0) {
        varve_str value = cut(&query, '&');
        varve_str name = cut(&value, '=');
        if (target->param_count == TARGET_PARAMS_MAX) {
            return varve_error_set(error, VARVE_INVALID, "more than %d parameters", TARGET_PARAMS_MAX);
        }
        varve_query_param *param = &target->params[target->param_count];
        bool name_ok = name.len > 0 && decode(name, true, *memory, &param->name) && utf8_printable(param->name);
        *memory += name.len;
        bool value_ok = name_ok && decode(value, true, *memory, &param->value);
        *memory += value.len;
        if (!value_ok) {
            return varve_error_set(error, VARVE_INVALID,
                                   "the query string is not name=value&… of percent-encoded UTF-8");
        }
        for (size_t i = 0; i < target->param_count; i++) {
            if (varve_str_eq(target->params[i].name, param->name)) {
                return varve_error_set(error, VARVE_INVALID, "parameter '%.*s' is given twice", (int)param->name.len,
                                       param->name.ptr);
            }
        }
        target->raw[target->param_count++] = value;
    }
    return VARVE_OK;
}

varve_status target_parse(struct target *target, varve_str text, char *memory, varve_error *error)
{
    varve_str query = text;
    varve_str path = cut(&query, '?');
    varve_status status = parse_path(target, path, &memory, error);
    return status < 0 ? status : parse_query(target, query, &memory, error);
}

const varve_query_param *target_param(const struct target *target, const char *name)
{
    for (size_t i = 0; i < target->param_count; i++) {
        if (varve_str_is(target->params[i].name, name)) return &target->params[i];
    }
    return NULL;
}

varve_status target_list(const struct target *target, const char *name, struct arena *arena, const varve_str **items,
                         size_t *count, varve_error *error)
{
    const varve_query_param *param = target_param(target, name);
    *items = NULL;
    *count = 0;
    if (param == NULL) return VARVE_OK;
    varve_str rest = target->raw[param - target->params];
    size_t expected = 1;
    for (size_t i = 0; i < rest.len; i++) expected += rest.ptr[i] == ',';
    varve_str *list = arena_array(arena, expected, sizeof *list);
    char *memory = arena_alloc(arena, rest.len + 1);
    if (list == NULL || memory == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    for (size_t i = 0; i < expected; i++) {
        varve_str item = cut(&rest, ',');
        if (item.len == 0 || !decode(item, true, memory, &list[i])) {
            return varve_error_set(error, VARVE_INVALID, "'%s' has an empty name", name);
        }
        memory += item.len;
    }
    *items = list;
    *count = expected;
    return VARVE_OK;
}

bool target_digits(varve_str text, uint64_t *value)
{
    uint64_t number = 0;
    if (text.len == 0 || text.len > 19) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (number > INT64_MAX) return false;
    *value = number;
    return true;
}

varve_status target_number(const struct target *target, const char *name, uint64_t *value, varve_error *error)
{
    const varve_query_param *param = target_param(target, name);
    if (param == NULL || target_digits(param->value, value)) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "'%s' is not a number", name);
}

varve_status target_version(const struct target *target, const char *name, uint64_t *version, varve_error *error)
{
    varve_status status = target_number(target, name, version, error);
    if (status < 0 || target_param(target, name) == NULL || *version > 0) return status;
    return varve_error_set(error, VARVE_INVALID, "'%s' begins at 1", name);
}

varve_status target_time(const struct target *target, const char *name, varve_time *time, varve_error *error)
{
    const varve_query_param *param = target_param(target, name);
    if (param == NULL) return VARVE_OK;
    varve_error problem = { 0 };
    if (varve_time_parse(time, param->value, &problem) < 0) {
        return varve_error_set(error, VARVE_INVALID, "'%s': %.200s", name, problem.message);
    }
    if (*time <= 0) return varve_error_set(error, VARVE_INVALID, "'%s' is not after 1970-01-01T00:00:00Z", name);
    return VARVE_OK;
}
