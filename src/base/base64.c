/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(varve_str bytes, varve_buf *text)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len;

    for (; left >= 3; left -= 3, at += 3) {
        char quad[4] = { alphabet[at[0] >> 2], alphabet[(at[0] & 3) << 4 | at[1] >> 4],
                         alphabet[(at[1] & 15) << 2 | at[2] >> 6], alphabet[at[2] & 63] };

        varve_buf_add(text, quad, sizeof(quad));
    }
    if (left > 0) {
        unsigned second = left == 2 ? at[1] : 0;
        char quad[4] = { alphabet[at[0] >> 2], alphabet[(at[0] & 3u) << 4 | second >> 4],
                         left == 2 ? alphabet[(second & 15) << 2] : '=', '=' };

        varve_buf_add(text, quad, sizeof(quad));
    }
}

/* -1 for a character outside the alphabet. */
static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes four characters, the last ones may be padding; false when that is not canonical. */
static bool decode_quad(const char *text, bool last, varve_buf *bytes)
{
    size_t digits = 4;
    uint32_t bits = 0;
    char out[3];

    if (last && text[3] == '=') digits = text[2] == '=' ? 2 : 3;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < digits ? digit_of(text[i]) : 0;

        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
    }
    /* Bits that padding leaves over must be zero: one text for one sequence of bytes. */
    if ((digits == 2 && (bits & 0xffff) != 0) || (digits == 3 && (bits & 0xff) != 0)) return false;
    out[0] = (char)(bits >> 16);
    out[1] = (char)(bits >> 8);
    out[2] = (char)bits;
    varve_buf_add(bytes, out, digits - 1);
    return true;
}

bool base64_decode(varve_str text, varve_buf *bytes)
{
    if (text.len % 4 != 0) return false;
    for (size_t i = 0; i < text.len; i += 4) {
        if (!decode_quad(text.ptr + i, i + 4 == text.len, bytes)) return false;
    }
    return true;
}
