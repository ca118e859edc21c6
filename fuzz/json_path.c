/* SPDX-License-Identifier: Apache-2.0 */
/* Fields taken out of JSON by path, as deciders and SQL files do: the first line is the path, the rest the text. */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
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

static void read_path(varve_str json, const char *path)
{
    varve_error error = { 0 };
    varve_str raw = { 0 };
    bool is_json = json_check(json, "json", NULL) == VARVE_OK;
    varve_status status = varve_json_raw(json, path, &raw, &error);

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
