/* SPDX-License-Identifier: Apache-2.0 */
/* Packed tags as they lie in the store: bytes that may be damaged, and tags that are packed and read again. */
#include "event/codec.h"
#include "fuzz/fuzz.h"

/* Any bytes: refused, or tags that pack into the same bytes. */
static void unpack_and_pack(varve_str packed)
{
    struct arena memory = { 0 };
    const varve_str *tags = NULL;
    size_t count = 0;
    varve_buf again = { 0 };

    if (event_tags_read(packed, &memory, &tags, &count)) {
        for (size_t i = 0; i < count; i++) {
            ASSERT(tags[i].len > 0 && tags[i].len <= VARVE_NAME_BYTES_MAX);
            ASSERT(tags[i].ptr > packed.ptr && tags[i].ptr + tags[i].len <= packed.ptr + packed.len);
        }
        event_tags_write(tags, count, &again);
        ASSERT(varve_str_eq(varve_buf_view(&again), packed));
    }
    varve_buf_fini(&again);
    arena_fini(&memory);
}

/* The input's lines as tags, those that may be one. */
static void pack_and_unpack(varve_str lines)
{
    struct arena memory = { 0 };
    varve_str given[VARVE_TAGS_MAX];
    const varve_str *tags = NULL;
    size_t count = 0, read_count = 0;
    varve_buf packed = { 0 };

    while (lines.len > 0 && count < VARVE_TAGS_MAX) {
        varve_str tag = fuzz_line(&lines);
        if (event_check_name(tag, "a tag", NULL) == VARVE_OK) given[count++] = tag;
    }
    event_tags_write(given, count, &packed);
    ASSERT(!packed.failed && event_tags_read(varve_buf_view(&packed), &memory, &tags, &read_count));
    ASSERT(read_count == count);
    for (size_t i = 0; i < count; i++) ASSERT(varve_str_eq(tags[i], given[i]));
    varve_buf_fini(&packed);
    arena_fini(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unpack_and_pack(fuzz_text(data, size));
    pack_and_unpack(fuzz_text(data, size));
    return 0;
}
