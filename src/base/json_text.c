/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/utf8.h"

static uint32_t hex4(const char *at)
{
    uint32_t code = 0;

    for (int i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)at[i];

        code = code << 4 | (c <= '9' ? c - '0' : (c & 0xdf) - 'A' + 10);
    }
    return code;
}

/* Resolves the escape at *place, a backslash, and steps over it. The scanner has seen that it is valid. */
static size_t resolve(const char **place, char bytes[4])
{
    const char *at = *place + 1;
    uint32_t code;

    *place = at + 1;
    switch (*at) {
    case 'b':
        bytes[0] = '\b';
        return 1;
    case 'f':
        bytes[0] = '\f';
        return 1;
    case 'n':
        bytes[0] = '\n';
        return 1;
    case 'r':
        bytes[0] = '\r';
        return 1;
    case 't':
        bytes[0] = '\t';
        return 1;
    case 'u':
        break;
    default:
        bytes[0] = *at;
        return 1;
    }
    code = hex4(at + 1);
    at += 5;
    if (code >= 0xd800 && code < 0xdc00) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(at + 2) - 0xdc00);
        at += 6;
    }
    *place = at;
    return utf8_encode(code, bytes);
}

void json_unescape(varve_str raw, varve_buf *text)
{
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    char bytes[4];

    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));

        if (backslash == NULL) break;
        varve_buf_add(text, at, (size_t)(backslash - at));
        at = backslash;
        varve_buf_add(text, bytes, resolve(&at, bytes));
    }
    varve_buf_add(text, at, (size_t)(end - at));
}

bool json_is_str(const struct json_scanner *scanner, varve_str text)
{
    const char *at = scanner->raw.ptr, *end = at + scanner->raw.len;

    if (!scanner->escaped) return varve_str_eq(scanner->raw, text);
    while (at < end) {
        char bytes[4];
        size_t len = 1;

        if (*at == '\\')
            len = resolve(&at, bytes);
        else
            bytes[0] = *at++;
        if (text.len < len || memcmp(text.ptr, bytes, len) != 0) return false;
        text.ptr += len;
        text.len -= len;
    }
    return text.len == 0;
}

bool json_is(const struct json_scanner *scanner, const char *text)
{
    return json_is_str(scanner, varve_str_of(text));
}
