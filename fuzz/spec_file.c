/* SPDX-License-Identifier: Apache-2.0 */
/* Files of examples, and YAML as JSON: what is written is JSON, and the same when it is read as YAML. */
#include "spec/file.h"

#include "base/json.h"
#include "fuzz/fuzz.h"

/* JSON is YAML: written and read again it is the same text. */
static void check_json(varve_str json)
{
    struct arena arena = { 0 };
    struct yaml_document document;
    varve_buf again = { 0 };
    varve_error error = { 0 };

    ASSERT(json_check(json, "what was written", &error) == VARVE_OK);
    if (yaml_read(&document, "again", json, &arena, &error) == VARVE_OK) {
        ASSERT(yaml_write_json(&document, &document.root, SPEC_BYTES_MAX, &again, &error) == VARVE_OK);
        ASSERT(varve_str_eq(varve_buf_view(&again), json));
    }
    varve_buf_fini(&again);
    arena_fini(&arena);
}

static void check_events(const struct spec_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ASSERT(events[i].place.line > 0 && events[i].place.column > 0);
        ASSERT(events[i].event.type.len > 0);
        ASSERT(json_check(events[i].data.json, "data", NULL) == VARVE_OK);
    }
}

static void check_file(varve_str text)
{
    struct spec_file file = { 0 };
    varve_error error = { 0 };
    varve_status status = spec_file_read(&file, "t.yaml", text, &error);

    if (status < 0) {
        ASSERT(status == VARVE_INVALID || status == VARVE_TOO_LARGE || status == VARVE_UNSUPPORTED);
        ASSERT(strncmp(error.message, "t.yaml:", 7) == 0);
        fuzz_refused(status, &error);
    }
    for (size_t i = 0; i < file.count && status == VARVE_OK; i++) {
        const struct spec_example *example = &file.examples[i];
        ASSERT(example->name.len > 0 && example->stream.len > 0);
        check_events(example->given, example->given_count);
        check_events(example->events, example->event_count);
        ASSERT(!example->expects_events || !example->expects_rejection);
        ASSERT(example->has_command || example->state.json.len > 0);
    }
    spec_file_fini(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct yaml_document document;
    varve_buf json = { 0 };
    varve_error error = { 0 };
    varve_str text = fuzz_text(data, size);

    if (yaml_read(&document, "t.yaml", text, &arena, &error) == VARVE_OK &&
        yaml_write_json(&document, &document.root, VARVE_DATA_BYTES_MAX, &json, &error) == VARVE_OK)
        check_json(varve_buf_view(&json));
    varve_buf_fini(&json);
    arena_fini(&arena);
    check_file(text);
    return 0;
}
