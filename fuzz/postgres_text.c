/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A statement on its way to PostgreSQL, at each trust: what one trust allows the wider ones allow too; what is sent has
 * no parameters of ours left, and each of its characters has a place in the source.
 */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "sql/postgres_text.h"

static const struct postgres_attached attached[] = {
    { (char[]){ "a" }, (char[]){ "varve$a$1" }, (char[]){ "t\0u\0" } },
    { (char[]){ "orders" }, (char[]){ "varve$orders$12" }, (char[]){ "orders\0" } },
};

static void check_names(const struct postgres_text *text)
{
    const char *at = text->names.ptr;
    for (int i = 0; i < text->parameter_count; i++) {
        ASSERT(*at != '\0');
        at += strlen(at) + 1;
    }
    ASSERT(text->parameter_count == 0 || at == text->names.ptr + text->names.len);
}

static void check_places(const struct postgres_text *text, size_t source_len)
{
    char number[24];
    size_t characters = 0;
    for (size_t i = 0; i < text->sql.len; i++) characters += ((unsigned char)text->sql.ptr[i] & 0xc0) != 0x80;
    const size_t looked_at[] = { 1, characters / 2 + 1, characters };
    for (size_t i = 0; i < sizeof looked_at / sizeof looked_at[0]; i++) {
        snprintf(number, sizeof number, "%zu", looked_at[i]);
        int64_t place = postgres_text_place(text, number);
        ASSERT(place >= -1 && place <= (int64_t)source_len);
    }
}

/* What was sent, read again, stays as it is. */
static void check_rereading(const struct postgres_text *text)
{
    struct postgres_text again = { 0 };
    ASSERT(postgres_text_read(&again, varve_buf_view(&text->sql), SQL_OURS, NULL, 0, NULL) == VARVE_OK);
    ASSERT(again.parameter_count == 0);
    ASSERT(varve_str_eq(varve_buf_view(&again.sql), varve_buf_view(&text->sql)));
    postgres_text_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const varve_str source = fuzz_text(data, size);
    bool allowed = false;
    for (int trust = SQL_QUESTION; trust >= SQL_OURS; trust--) {
        struct postgres_text text = { 0 };
        varve_error error = { 0 };
        varve_status status = postgres_text_read(&text, source, (enum sql_trust)trust, attached,
                                                 sizeof attached / sizeof attached[0], &error);
        ASSERT(status == VARVE_OK || status == VARVE_INVALID || (status == VARVE_DENIED && trust != SQL_OURS));
        ASSERT(status != VARVE_OK ? !allowed : true);
        ASSERT(status == VARVE_OK || (error.detail >= -1 && error.detail <= (int64_t)size));
        allowed = allowed || status == VARVE_OK;
        if (status == VARVE_OK) {
            check_names(&text);
            check_places(&text, size);
            check_rereading(&text);
        }
        postgres_text_fini(&text);
    }
    return 0;
}
