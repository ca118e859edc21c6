/* SPDX-License-Identifier: Apache-2.0 */
/* Times and ids: texts that are read and written again, and values that are written and read again. */
#include "base/id.h"
#include "fuzz/fuzz.h"

/* 0001-01-01T00:00:00Z and the last microsecond of the year 9999. */
static const varve_time time_min = -62135596800000000, time_max = 253402300799999999;

static void write_time(varve_time time)
{
    char text[VARVE_TIME_TEXT_BYTES];
    varve_time again = 0, nearest = time < time_min ? time_min : time > time_max ? time_max : time;

    varve_time_format(time, text);
    ASSERT(strlen(text) == VARVE_TIME_TEXT_BYTES - 1);
    ASSERT(varve_time_parse(&again, varve_str_of(text), NULL) == VARVE_OK && again == nearest);
}

static void read_time(varve_str text)
{
    char written[VARVE_TIME_TEXT_BYTES];
    varve_error error = { 0 };
    varve_time time = 0;
    varve_status status = varve_time_parse(&time, text, &error);

    if (status < 0) {
        fuzz_refused(status, &error);
        ASSERT(time == 0);
        return;
    }
    ASSERT(time >= time_min && time <= time_max);
    write_time(time);
    varve_time_format(time, written);
    /* What is in the form that is written, and is no leap second, is written as it was. */
    bool same_form = text.len == sizeof written - 1 && text.ptr[10] == 'T' && text.ptr[text.len - 1] == 'Z';
    if (same_form && memcmp(text.ptr + 17, "60", 2) != 0) ASSERT(varve_str_is(text, written));
}

static void write_id(varve_uuid id)
{
    char text[VARVE_UUID_TEXT_BYTES];
    varve_uuid again = { 0 };

    varve_uuid_format(id, text);
    ASSERT(strlen(text) == VARVE_UUID_TEXT_BYTES - 1);
    bool accepted = varve_uuid_parse(&again, varve_str_of(text), NULL) == VARVE_OK;
    ASSERT(accepted == !varve_uuid_is_nil(id));
    if (accepted) ASSERT(memcmp(again.bytes, id.bytes, sizeof id.bytes) == 0);

    varve_uuid derived = id_derive(id, 1);
    ASSERT(derived.bytes[6] >> 4 == 7 && derived.bytes[8] >> 6 == 2);
    ASSERT(memcmp(derived.bytes, id.bytes, 6) == 0);
}

static void read_id(varve_str text)
{
    char written[VARVE_UUID_TEXT_BYTES];
    varve_error error = { 0 };
    varve_uuid id = { 0 };
    varve_status status = varve_uuid_parse(&id, text, &error);

    if (status < 0) {
        fuzz_refused(status, &error);
        return;
    }
    ASSERT(text.len == VARVE_UUID_TEXT_BYTES - 1);
    write_id(id);
    varve_uuid_format(id, written);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        ASSERT(written[i] == (c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_time time = 0;
    varve_uuid id = { 0 };

    read_time(fuzz_text(data, size));
    read_id(fuzz_text(data, size));
    if (size > 0) {
        memcpy(&time, data, size < sizeof time ? size : sizeof time);
        memcpy(id.bytes, data, size < sizeof id.bytes ? size : sizeof id.bytes);
    }
    write_time(time);
    write_id(id);
    return 0;
}
