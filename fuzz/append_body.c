/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of an append, to any streams and to one: what is taken out of it, and what the log would say to that. */
#include <varve/store.h>

#include "base/json.h"
#include "event/codec.h"
#include "fuzz/fuzz.h"

/* A view is either a part of the body or text that had escapes; both ways it is what JSON can hold. */
static void check_text(varve_str text)
{
    ASSERT(utf8_valid(text));
    ASSERT(text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
}

/* As the log does it: what it accepts can be written as JSON, and has a checksum that stays the same. */
static void check_event(const varve_event *given, size_t ordinal, size_t count)
{
    varve_event event = *given;
    varve_error error = { 0 };
    varve_buf json = { 0 };

    check_text(event.type);
    check_text(event.metadata);
    varve_status status = event_complete(&event, ordinal, count, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
        return;
    }
    ASSERT(event.stream.len > 0 && event.type.len > 0 && event.tag_count <= VARVE_TAGS_MAX);
    ASSERT(event_checksum(&event) == event_checksum(&event));
    varve_buf memory = { 0 };
    varve_str correlation;
    ASSERT(event_correlation(event.metadata, &memory, &correlation));
    ASSERT(correlation.len <= VARVE_NAME_BYTES_MAX && utf8_valid(correlation));
    varve_buf_fini(&memory);
    varve_event_write_json(&event, &json);
    ASSERT(!json.failed && fuzz_is_body(varve_buf_view(&json)));
    varve_buf_fini(&json);
}

static void check_body(varve_str body, varve_str stream)
{
    varve_append_json *parsed = NULL;
    varve_error error = { 0 };
    varve_status status = varve_append_json_parse(&parsed, body, stream, &error);

    if (status < 0) {
        fuzz_refused(status, &error);
        ASSERT(parsed == NULL);
        return;
    }
    ASSERT(fuzz_is_body(body));
    const varve_append_request *request = varve_append_json_request(parsed);
    for (size_t i = 0; i < request->event_count; i++) {
        if (stream.len > 0) ASSERT(varve_str_eq(request->events[i].stream, stream));
        check_event(&request->events[i], i, request->event_count);
    }
    if (stream.len > 0) ASSERT(request->condition_count == 0 && request->idempotency_key.len == 0);
    for (size_t i = 0; i < request->condition_count; i++) {
        const varve_condition *condition = &request->conditions[i];
        ASSERT((condition->stream.len > 0) == (condition->kind != VARVE_FAIL_IF_MATCH));
        ASSERT((condition->items != NULL) == (condition->kind == VARVE_FAIL_IF_MATCH));
        ASSERT(condition->version <= INT64_MAX && (condition->version == 0 || condition->kind == VARVE_STREAM_AT));
    }
    varve_append_json_free(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_body(fuzz_text(data, size), (varve_str){ 0 });
    check_body(fuzz_text(data, size), VARVE_STR("order-1"));
    return 0;
}
