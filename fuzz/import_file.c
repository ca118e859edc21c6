/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of an import, as it is and as the event lines of one whose first and last line fit them,
 * since no guessing finds a checksum. What is accepted is exported, and that imports as the same.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "event/codec.h"
#include "fuzz/fuzz.h"
#include "store/access.h"

/* The one function of a driver that an import calls. Its path is a buffer, to which it adds the events' lines. */
static varve_status load(const struct store_location *location, store_next_event next, void *ctx, varve_error *error)
{
    varve_buf *lines = (varve_buf *)(uintptr_t)location->path;
    varve_event event = { 0 };
    varve_status status;

    while ((status = next(ctx, &event, error)) == VARVE_OK) {
        ASSERT(!varve_uuid_is_nil(event.id) && event.recorded_at > 0 && event.occurred_at > 0);
        ASSERT(event.stream.len > 0 && event.type.len > 0 && event.schema_version > 0);
        event_write_line(&event, lines);
    }
    ASSERT(status < 0 || status == VARVE_DONE);
    return status < 0 ? status : VARVE_OK;
}

static const struct store_driver lines_driver = { .load = load };

/* Imports `file`; its events' lines are appended to `lines`. */
static varve_status import(varve_str file, varve_buf *lines, uint64_t *events)
{
    varve_error error = { 0 };
    FILE *in = file.len == 0 ? fopen("/dev/null", "rb") : fmemopen((char *)(uintptr_t)file.ptr, file.len, "rb");

    ASSERT(in != NULL);
    varve_status status = store_import(&lines_driver, (const char *)lines, in, NULL, events, &error);
    if (status < 0) fuzz_refused(status, &error);
    if (status < 0) ASSERT(*events == 0);
    (void)fclose(in);
    return status;
}

/* An export of these event lines, as the library writes it. */
static void wrap(varve_str lines, varve_buf *file)
{
    uint64_t count = 0;

    for (size_t i = 0; i < lines.len; i++) count += lines.ptr[i] == '\n';
    varve_buf_printf(file, "{\"varve_export\":1,\"events\":%" PRIu64 "}\n", count);
    varve_buf_str(file, lines);
    varve_buf_printf(file, "{\"end\":%" PRIu64 ",\"crc32c\":\"%08" PRIx32 "\"}\n", count,
                     lines.len == 0 ? 0 : crc32c(0, lines.ptr, lines.len));
    ASSERT(!file->failed);
}

static void import_and_export(varve_str file)
{
    varve_buf lines = { 0 }, exported = { 0 }, lines_again = { 0 };
    uint64_t events = 0, events_again = 0;

    if (import(file, &lines, &events) == VARVE_OK) {
        wrap(varve_buf_view(&lines), &exported);
        ASSERT(import(varve_buf_view(&exported), &lines_again, &events_again) == VARVE_OK);
        ASSERT(events_again == events && varve_str_eq(varve_buf_view(&lines), varve_buf_view(&lines_again)));
    }
    varve_buf_fini(&lines);
    varve_buf_fini(&lines_again);
    varve_buf_fini(&exported);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_buf file = { 0 };

    import_and_export(fuzz_text(data, size));
    wrap(fuzz_text(data, size), &file);
    import_and_export(varve_buf_view(&file));
    varve_buf_fini(&file);
    return 0;
}
