/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/json.h"

static bool take_index(varve_str *path, struct json_step *step)
{
    size_t i = 1;

    step->indexed = true;
    for (; i < path->len && path->ptr[i] >= '0' && path->ptr[i] <= '9'; i++) {
        if (__builtin_mul_overflow(step->index, 10u, &step->index) ||
            __builtin_add_overflow(step->index, (size_t)(path->ptr[i] - '0'), &step->index))
            return false;
    }
    if (i == 1 || i == path->len || path->ptr[i] != ']') return false;
    path->ptr += i + 1;
    path->len -= i + 1;
    return true;
}

bool json_path_step(varve_str *path, bool first, struct json_step *step)
{
    size_t len = 0;

    *step = (struct json_step){ 0 };
    if (path->ptr[0] == '[') return take_index(path, step);
    if (!first) {
        if (path->ptr[0] != '.') return false;
        path->ptr++;
        path->len--;
    }
    while (len < path->len && path->ptr[len] != '.' && path->ptr[len] != '[' && path->ptr[len] != ']') len++;
    step->name = (varve_str){ path->ptr, len };
    path->ptr += len;
    path->len -= len;
    return len > 0;
}

static bool well_formed(varve_str path)
{
    struct json_step step;

    for (bool first = true; path.len > 0; first = false) {
        if (!json_path_step(&path, first, &step)) return false;
    }
    return true;
}

/* A value: its kind and its bytes. */
struct found {
    enum json_token token;
    varve_str value;
};

/* Reads the container just opened to its end, and remembers what the step names in it. */
static struct found look_into(struct json_scanner *scanner, enum json_token container, const struct json_step *step)
{
    struct found found = { .token = JSON_END }, seen = { 0 };
    bool fits = step->indexed == (container == JSON_ARRAY);
    enum json_token token;

    for (size_t index = 0;; index++) {
        bool wanted = fits && step->indexed && index == step->index;

        token = json_next(scanner);
        if (token == JSON_KEY) {
            wanted = fits && json_is_str(scanner, step->name);
            token = json_next(scanner);
        }
        if (token == JSON_ERROR || token == JSON_OBJECT_END || token == JSON_ARRAY_END) break;
        seen.token = json_skip(scanner, token, &seen.value);
        if (wanted) found = seen;
    }
    if (token == JSON_ERROR) found.token = JSON_ERROR;
    return found;
}

/* Takes one step from the value that `text` is. The whole text is read, so that a broken one is always noticed. */
static struct found take(varve_str text, const struct json_step *step)
{
    struct found found = { .token = JSON_END };
    struct json_scanner scanner;
    enum json_token token;
    varve_str skipped;

    json_start(&scanner, text);
    token = json_next(&scanner);
    if (step == NULL)
        found.token = json_skip(&scanner, token, &found.value);
    else if (token == JSON_OBJECT || token == JSON_ARRAY)
        found = look_into(&scanner, token, step);
    else if (json_skip(&scanner, token, &skipped) == JSON_ERROR)
        found.token = JSON_ERROR;
    if (found.token != JSON_ERROR && json_next(&scanner) != JSON_END) found.token = JSON_ERROR;
    return found;
}

enum json_token json_find(varve_str text, varve_str path, varve_str *value)
{
    struct found found = { .token = JSON_NULL, .value = text };
    bool first = true;
    struct json_step step;

    *value = (varve_str){ 0 };
    if (path.len == 0) found = take(text, NULL);
    for (; path.len > 0 && found.token != JSON_END && found.token != JSON_ERROR; first = false) {
        bool formed = json_path_step(&path, first, &step);

        ASSERT(formed);
        found = take(found.value, &step);
    }
    if (found.token != JSON_END && found.token != JSON_ERROR) *value = found.value;
    return found.token;
}

/* Finds what must be there, null or not; sets the error when it is not. */
static varve_status find(varve_str json, const char *path, struct found *found, varve_error *error)
{
    varve_str steps = varve_str_of(path);

    if (!well_formed(steps))
        return varve_error_set(error, VARVE_INVALID, "\"%s\" is not a path such as items[0].sku", path);
    found->token = json_find(json, steps, &found->value);
    if (found->token == JSON_ERROR)
        return varve_error_set(error, VARVE_INVALID, "\"%s\" was looked for in a text that is not JSON", path);
    if (found->token == JSON_END) return varve_error_set(error, VARVE_NOT_FOUND, "there is no \"%s\"", path);
    return VARVE_OK;
}

/* As find, with null as good as nothing; `scanner` has then read the value. */
static varve_status find_some(varve_str json, const char *path, struct json_scanner *scanner, enum json_token *token,
                              varve_error *error)
{
    struct found found = { 0 };
    varve_status status = find(json, path, &found, error);

    if (status < 0) return status;
    if (found.token == JSON_NULL) return varve_error_set(error, VARVE_NOT_FOUND, "\"%s\" is null", path);
    json_start(scanner, found.value);
    *token = json_next(scanner);
    return VARVE_OK;
}

static varve_status wrong_type(const char *path, const char *wanted, varve_error *error)
{
    return varve_error_set(error, VARVE_INVALID, "\"%s\" is not %s", path, wanted);
}

varve_status varve_json_int(varve_str json, const char *path, int64_t *value, varve_error *error)
{
    struct json_scanner scanner;
    enum json_token token = JSON_ERROR;
    varve_status status = find_some(json, path, &scanner, &token, error);

    if (status < 0) return status;
    if (token != JSON_INTEGER) return wrong_type(path, "a 64-bit integer", error);
    *value = scanner.integer;
    return VARVE_OK;
}

varve_status varve_json_double(varve_str json, const char *path, double *value, varve_error *error)
{
    struct json_scanner scanner;
    enum json_token token = JSON_ERROR;
    varve_status status = find_some(json, path, &scanner, &token, error);

    if (status < 0) return status;
    if (token != JSON_INTEGER && token != JSON_REAL) return wrong_type(path, "a number", error);
    *value = json_double(&scanner);
    return VARVE_OK;
}

varve_status varve_json_bool(varve_str json, const char *path, bool *value, varve_error *error)
{
    struct json_scanner scanner;
    enum json_token token = JSON_ERROR;
    varve_status status = find_some(json, path, &scanner, &token, error);

    if (status < 0) return status;
    if (token != JSON_TRUE && token != JSON_FALSE) return wrong_type(path, "true or false", error);
    *value = token == JSON_TRUE;
    return VARVE_OK;
}

varve_status varve_json_string(varve_str json, const char *path, varve_buf *value, varve_error *error)
{
    struct json_scanner scanner;
    enum json_token token = JSON_ERROR;
    varve_status status = find_some(json, path, &scanner, &token, error);

    if (status < 0) return status;
    if (token != JSON_STRING) return wrong_type(path, "a string", error);
    json_unescape(scanner.raw, value);
    if (value->failed) return varve_error_set(error, VARVE_NOMEM, "no memory for \"%s\"", path);
    return VARVE_OK;
}

varve_status varve_json_raw(varve_str json, const char *path, varve_str *value, varve_error *error)
{
    struct found found = { 0 };
    varve_status status = find(json, path, &found, error);

    *value = found.value;
    return status;
}
