/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema: the first line is the schema, the rest the data. What fits a schema does not fit its opposite. */
#include "command/json_schema.h"

#include "base/json.h"
#include "fuzz/fuzz.h"

static void hold_against_opposite(varve_str schema, varve_str data, varve_status expected)
{
    struct json_schema *opposite = NULL;
    varve_buf text = { 0 };
    varve_error error = { 0 };
    varve_buf_printf(&text, "{\"not\":%.*s}", (int)schema.len, schema.ptr);
    /* A $ref and an $id mean something else one level further down, and JSON may be too deep then. */
    varve_status status = json_schema_open(&opposite, "f.json", varve_buf_view(&text), &error);
    if (status == VARVE_OK) status = json_schema_check(opposite, data, &error);
    if (status == VARVE_OK) ASSERT(expected == VARVE_INVALID);
    if (status < 0) fuzz_refused(status, &error);
    json_schema_close(opposite);
    varve_buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_str json = fuzz_text(data, size), text = fuzz_line(&json);
    struct json_schema *schema = NULL;
    varve_error error = { 0 };

    varve_status status = json_schema_open(&schema, "f.json", text, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
        ASSERT(status == VARVE_INVALID);
        return 0;
    }
    ASSERT(json_check(text, "schema", NULL) == VARVE_OK);
    if (json_check(json, "data", NULL) == VARVE_OK) {
        status = json_schema_check(schema, json, &error);
        if (status < 0) fuzz_refused(status, &error);
        ASSERT(status == VARVE_OK || status == VARVE_INVALID);
        if (memmem(text.ptr, text.len, "$ref", 4) == NULL) hold_against_opposite(text, json, status);
    }
    json_schema_close(schema);
    return 0;
}
