/* SPDX-License-Identifier: Apache-2.0 */
/* Fields taken out of JSON by path, as deciders and SQL files do: the first line is the path, the rest the text. */
#include <math.h>
#include <stdlib.h>

#include "base/json_pick.h"
#include "fuzz/fuzz.h"

/* Each typed reading against the value's own bytes: one that succeeds says what the scanner says of them. */
static void read_typed(varve_str json, const char *path, varve_str raw)
{
    struct json_scanner scanner;
    varve_error error = { 0 };
    int64_t integer = 0;
    double real = 0;
    bool truth = false;
    varve_buf text = { 0 };

    json_start(&scanner, raw);
    enum json_token token = json_next(&scanner);
    bool number = token == JSON_INTEGER || token == JSON_REAL;

    varve_status status = varve_json_int(json, path, &integer, &error);
    ASSERT((status == VARVE_OK) == (token == JSON_INTEGER));
    if (token == JSON_INTEGER) ASSERT(integer == scanner.integer);
    status = varve_json_double(json, path, &real, &error);
    ASSERT((status == VARVE_OK) == number && isfinite(real));
    status = varve_json_bool(json, path, &truth, &error);
    ASSERT((status == VARVE_OK) == (token == JSON_TRUE || token == JSON_FALSE));
    ASSERT(truth == (token == JSON_TRUE));
    status = varve_json_string(json, path, &text, &error);
    ASSERT((status == VARVE_OK) == (token == JSON_STRING));
    if (status == VARVE_OK) ASSERT(json_is_str(&scanner, varve_buf_view(&text)));
    if (status < 0) fuzz_refused(status, &error);
    if (status < 0) ASSERT(status == (token == JSON_NULL ? VARVE_NOT_FOUND : VARVE_INVALID));
    varve_buf_fini(&text);
}

/* Picked beside others, a path finds what it finds alone. */
static void pick_path(varve_str json, varve_str path, bool is_json)
{
    struct arena arena = { 0 };
    struct json_pick pick = { 0 };
    struct json_picked picked[3];
    size_t slots[3] = { 0 };
    varve_str alone = { 0 };

    ASSERT(json_pick_add(&pick, &arena, VARVE_STR("a[1]"), &slots[0]));
    ASSERT(json_pick_add(&pick, &arena, path, &slots[1]));
    ASSERT(json_pick_add(&pick, &arena, VARVE_STR("a.b"), &slots[2]));
    ASSERT((json_pick_read(&pick, json, picked) == VARVE_OK) == is_json);
    enum json_token token = json_find(json, path, &alone);
    ASSERT(picked[slots[1]].token == (token == JSON_ERROR ? JSON_END : token));
    if (picked[slots[1]].token == JSON_STRING) alone = (varve_str){ alone.ptr + 1, alone.len - 2 };
    if (picked[slots[1]].token != JSON_END) ASSERT(varve_str_eq(picked[slots[1]].value, alone));
    arena_fini(&arena);
}

static void read_path(varve_str json, const char *path)
{
    varve_error error = { 0 };
    varve_str raw = { 0 };
    bool is_json = json_check(json, "json", NULL) == VARVE_OK;
    varve_status status = varve_json_raw(json, path, &raw, &error);

    /* VARVE_INVALID for JSON is a path that is not well formed, which pick does not take. */
    if (status != VARVE_INVALID || !is_json) {
        bool formed = status != VARVE_INVALID || varve_json_raw(VARVE_STR("{}"), path, &raw, NULL) == VARVE_NOT_FOUND;
        if (formed || *path == '\0') pick_path(json, varve_str_of(path), is_json);
    }
    if (status < 0) {
        fuzz_refused(status, &error);
        ASSERT(status == VARVE_INVALID || (status == VARVE_NOT_FOUND && is_json));
        return;
    }
    ASSERT(is_json && raw.len > 0 && raw.ptr >= json.ptr && raw.ptr + raw.len <= json.ptr + json.len);
    ASSERT(json_check(raw, "value", NULL) == VARVE_OK);
    read_typed(json, path, raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_str json = fuzz_text(data, size), line = fuzz_line(&json);
    char *path = calloc(1, line.len + 1);

    ASSERT(path != NULL);
    memcpy(path, line.ptr, line.len);
    read_path(json, path);
    free(path);
    return 0;
}
