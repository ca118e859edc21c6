/* SPDX-License-Identifier: Apache-2.0 */
#include "query/cursor.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/crc32c.h"
#include "base/utf8.h"

/* A value is its tag and eight bytes: a number, or the length of the text that follows. */
enum { VALUE_BYTES = 9, HEAD_BYTES = 12 };

static const char tags[] = { [SQL_NULL] = 'n', [SQL_INTEGER] = 'i', [SQL_REAL] = 'r', [SQL_TEXT] = 't',
                             [SQL_BLOB] = 'b', [SQL_BOOLEAN] = 'o', [SQL_JSON] = 'j' };

static bool has_text(enum sql_kind kind)
{
    return kind == SQL_TEXT || kind == SQL_BLOB || kind == SQL_JSON;
}

static void put_number(unsigned char bytes[8], uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(number >> 8 * i);
    }
}

static uint64_t get_number(const char *bytes)
{
    uint64_t number = 0;
    for (int i = 7; i >= 0; i--) {
        number = number << 8 | (unsigned char)bytes[i];
    }
    return number;
}

void cursor_add(varve_buf *key, const struct sql_value *value)
{
    unsigned char bytes[VALUE_BYTES] = { (unsigned char)tags[value->kind] };
    uint64_t number = (uint64_t)value->integer;
    if (has_text(value->kind)) {
        number = value->text.len;
    } else if (value->kind == SQL_REAL) {
        memcpy(&number, &value->real, sizeof number);
    } else if (value->kind == SQL_NULL) {
        number = 0;
    }
    put_number(bytes + 1, number);
    varve_buf_add(key, bytes, sizeof bytes);
    if (has_text(value->kind)) {
        varve_buf_str(key, value->text);
    }
}

bool cursor_take(varve_str *key, struct sql_value *value)
{
    const char *tag = key->len < VALUE_BYTES ? NULL : memchr(tags, *key->ptr, sizeof tags);
    if (tag == NULL) {
        return false;
    }
    uint64_t number = get_number(key->ptr + 1);
    *value = (struct sql_value){ .kind = (enum sql_kind)(tag - tags) };
    key->ptr += VALUE_BYTES;
    key->len -= VALUE_BYTES;
    if (!has_text(value->kind)) {
        if (value->kind == SQL_REAL) {
            memcpy(&value->real, &number, sizeof number);
        }
        value->integer = value->kind == SQL_REAL ? 0 : (int64_t)number;
        return true;
    }
    if (number > key->len) {
        return false;
    }
    value->text = (varve_str){ key->ptr, (size_t)number };
    key->ptr += number;
    key->len -= (size_t)number;
    return true;
}

/* The letters of base64 that mean something in a URL are written otherwise, and no padding. */
static void to_url(varve_buf *text, size_t from)
{
    for (size_t i = from; i < text->len; i++) {
        char *c = &text->ptr[i];
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    while (text->len > from && text->ptr[text->len - 1] == '=') {
        text->ptr[--text->len] = '\0';
    }
}

static bool from_url(varve_str text, varve_buf *bytes)
{
    varve_buf plain = { 0 };
    bool good = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        good = good && c != '+' && c != '/' && c != '=';
        c = c == '-' ? '+' : c == '_' ? '/' : c;
        varve_buf_add(&plain, &c, 1);
    }
    while (plain.len % 4 != 0 && !plain.failed) {
        varve_buf_add(&plain, "=", 1);
    }
    bytes->failed |= plain.failed;
    good = good && !plain.failed && base64_decode(varve_buf_view(&plain), bytes);
    varve_buf_fini(&plain);
    return good;
}

/* The head is the checksum over all that follows it, and how many rows were seen. */
static uint32_t checksum(uint32_t salt, varve_str behind)
{
    return crc32c(salt, behind.ptr, behind.len);
}

varve_status cursor_write(varve_str key, uint64_t seen, uint32_t salt, varve_buf *text, varve_error *error)
{
    varve_buf raw = { 0 };
    unsigned char head[HEAD_BYTES] = { 0 };
    size_t from = text->len;
    put_number(head + 4, seen);
    varve_buf_add(&raw, head, sizeof head);
    varve_buf_str(&raw, key);
    if (!raw.failed) {
        uint32_t sum = checksum(salt, (varve_str){ raw.ptr + 4, raw.len - 4 });
        for (int i = 0; i < 4; i++) {
            raw.ptr[i] = (char)(sum >> 8 * i);
        }
        base64_encode(varve_buf_view(&raw), text);
    }
    bool failed = raw.failed || text->failed;
    varve_buf_fini(&raw);
    if (failed) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a cursor");
    }
    to_url(text, from);
    if (text->len - from > CURSOR_TEXT_MAX) {
        return varve_error_set(error, VARVE_TOO_LARGE,
                               "rows at the end of this page are told apart by values too long for a cursor: "
                               "let ORDER BY end with a short column that differs from row to row");
    }
    return VARVE_OK;
}

static bool is_valid(const struct sql_value *value)
{
    bool text = value->kind == SQL_TEXT || value->kind == SQL_JSON;
    return !text || (utf8_valid(value->text) &&
                     (value->text.len == 0 || memchr(value->text.ptr, '\0', value->text.len) == NULL));
}

static bool read_values(struct cursor *cursor, varve_str key, size_t most, bool clean)
{
    bool good = key.len > 0;
    while (good && key.len > 0) {
        good = cursor->count < most && cursor_take(&key, &cursor->values[cursor->count]) &&
               (!clean || is_valid(&cursor->values[cursor->count]));
        cursor->count++;
    }
    /* Only whole rows are counted. */
    return good && cursor->seen <= INT32_MAX && (cursor->seen == 0 || cursor->count == most);
}

varve_status cursor_read(struct cursor *cursor, varve_str text, uint32_t salt, size_t most, bool clean,
                         varve_error *error)
{
    *cursor = (struct cursor){ 0 };
    if (text.len == 0) {
        return VARVE_OK;
    }
    bool good = text.len <= CURSOR_TEXT_MAX && from_url(text, &cursor->bytes) && cursor->bytes.len >= HEAD_BYTES;
    if (good) {
        const char *raw = cursor->bytes.ptr;
        uint32_t sum = 0;
        for (int i = 3; i >= 0; i--) {
            sum = sum << 8 | (unsigned char)raw[i];
        }
        cursor->seen = get_number(raw + 4);
        good = sum == checksum(salt, (varve_str){ raw + 4, cursor->bytes.len - 4 });
    }
    if (good) {
        cursor->values = calloc(most + 1, sizeof *cursor->values);
    }
    if (cursor->bytes.failed || (good && cursor->values == NULL)) {
        cursor_fini(cursor);
        return varve_error_set(error, VARVE_NOMEM, "no memory for a cursor");
    }
    if (!good || !read_values(cursor, cursor_key(cursor), most, clean)) {
        cursor_fini(cursor);
        return varve_error_set(error, VARVE_INVALID, "the cursor is not one of this query with these parameters");
    }
    return VARVE_OK;
}

varve_str cursor_key(const struct cursor *cursor)
{
    return (varve_str){ cursor->bytes.ptr + HEAD_BYTES, cursor->bytes.len - HEAD_BYTES };
}

void cursor_fini(struct cursor *cursor)
{
    free(cursor->values);
    varve_buf_fini(&cursor->bytes);
    *cursor = (struct cursor){ 0 };
}
