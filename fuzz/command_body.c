/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of a command, with its type in it and beside it: what is taken out, and what would be queued. */
#include "base/json.h"
#include "command/request.h"
#include "fuzz/fuzz.h"

/* What passes the check can go into an event's metadata and back out. */
static void check_queued(const varve_command *command)
{
    varve_buf quoted = { 0 };
    struct json_scanner scanner;
    const varve_str texts[] = { command->type, command->stream, command->correlation_id, command->causation_id };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ASSERT(texts[i].len <= VARVE_NAME_BYTES_MAX && utf8_printable(texts[i]));
        varve_buf_reset(&quoted);
        varve_buf_json_string(&quoted, texts[i]);
        json_start(&scanner, varve_buf_view(&quoted));
        ASSERT(json_next(&scanner) == JSON_STRING && json_is_str(&scanner, texts[i]));
    }
    varve_buf_fini(&quoted);
    ASSERT(command->data.len == 0 || json_check(command->data, "data", NULL) == VARVE_OK);
}

static void check_body(varve_str body, varve_str type)
{
    varve_command_json *parsed = NULL;
    varve_error error = { 0 };
    varve_status status = varve_command_json_parse(&parsed, body, type, &error);

    if (status < 0) {
        fuzz_refused(status, &error);
        ASSERT(parsed == NULL);
        return;
    }
    ASSERT(fuzz_is_body(body));
    const varve_command *command = varve_command_json_command(parsed);
    if (type.len > 0) ASSERT(varve_str_eq(command->type, type));
    ASSERT(command->expected_version <= INT64_MAX);
    ASSERT(command->expected_version == 0 || command->expected == VARVE_STREAM_AT);
    status = request_check(command, &error);
    if (status < 0)
        fuzz_refused(status, &error);
    else
        check_queued(command);
    varve_command_json_free(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_body(fuzz_text(data, size), (varve_str){ 0 });
    check_body(fuzz_text(data, size), VARVE_STR("PlaceOrder"));
    return 0;
}
