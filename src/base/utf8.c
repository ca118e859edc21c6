/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The ranges are those of the table "Well-Formed UTF-8 Byte Sequences" in the Unicode standard, section 3.9. */
size_t utf8_sequence(const char *at, const char *end)
{
    const unsigned char *byte = (const unsigned char *)at;
    size_t left = (size_t)(end - at);

    if (byte[0] < 0x80) return 1;
    if (byte[0] < 0xc2 || left < 2 || !continues(byte[1])) return 0;
    if (byte[0] < 0xe0) return 2;
    if (left < 3 || !continues(byte[2])) return 0;
    if (byte[0] < 0xf0) {
        bool overlong = byte[0] == 0xe0 && byte[1] < 0xa0;
        bool surrogate = byte[0] == 0xed && byte[1] > 0x9f;

        return overlong || surrogate ? 0 : 3;
    }
    if (byte[0] > 0xf4 || left < 4 || !continues(byte[3])) return 0;
    if ((byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f)) return 0;
    return 4;
}

/* How many bytes at the beginning are ASCII, counted in whole words. */
static size_t ascii_words(const char *at, const char *end)
{
    const char *start = at;
    uint64_t word;

    for (; end - at >= (ptrdiff_t)sizeof(word); at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if ((word & 0x8080808080808080u) != 0) break;
    }
    return (size_t)(at - start);
}

bool utf8_valid(varve_str text)
{
    const char *at = text.ptr;
    const char *end;

    if (text.len == 0) return true;
    end = at + text.len;
    at += ascii_words(at, end);
    while (at < end) {
        size_t len = utf8_sequence(at, end);

        if (len == 0) return false;
        at += len;
        if (len > 1) at += ascii_words(at, end);
    }
    return true;
}

bool utf8_printable(varve_str text)
{
    const char *at = text.ptr;
    const char *end;

    if (text.len == 0) return true;
    end = at + text.len;
    while (at < end) {
        unsigned char first = (unsigned char)*at;
        size_t len = first >= 0x20 && first < 0x7f ? 1 : utf8_sequence(at, end);
        bool control = first < 0x20 || first == 0x7f || (first == 0xc2 && len == 2 && (unsigned char)at[1] < 0xa0);

        if (len == 0 || control) return false;
        at += len;
    }
    return true;
}

size_t utf8_encode(uint32_t code, char bytes[4])
{
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        bytes[0] = (char)(0xc0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        bytes[0] = (char)(0xe0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    bytes[0] = (char)(0xf0 | code >> 18);
    bytes[1] = (char)(0x80 | (code >> 12 & 0x3f));
    bytes[2] = (char)(0x80 | (code >> 6 & 0x3f));
    bytes[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}
