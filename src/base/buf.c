/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <varve/event.h>

enum { BUF_BYTES_MIN = 64 };

/* Makes room for `len` more bytes and a terminator. */
static bool reserve(varve_buf *buf, size_t len)
{
    size_t wanted;
    char *grown;

    if (buf->failed) return false;
    if (len < buf->capacity - buf->len) return true;
    if (len >= PTRDIFF_MAX - buf->len) {
        buf->failed = true;
        return false;
    }
    wanted = buf->capacity < BUF_BYTES_MIN ? BUF_BYTES_MIN : buf->capacity * 2;
    if (wanted < buf->len + len + 1) wanted = buf->len + len + 1;
    grown = realloc(buf->ptr, wanted);
    if (grown == NULL) {
        buf->failed = true;
        return false;
    }
    buf->ptr = grown;
    buf->capacity = wanted;
    return true;
}

void varve_buf_add(varve_buf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len)) return;
    if (len > 0) memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

void varve_buf_str(varve_buf *buf, varve_str text)
{
    varve_buf_add(buf, text.ptr, text.len);
}

void varve_buf_printf(varve_buf *buf, const char *format, ...)
{
    va_list args;
    size_t room;
    int len;

    if (!reserve(buf, 0)) return;
    room = buf->capacity - buf->len;
    va_start(args, format);
    len = vsnprintf(buf->ptr + buf->len, room, format, args);
    va_end(args);
    if (len >= 0 && (size_t)len >= room) {
        buf->ptr[buf->len] = '\0';
        if (!reserve(buf, (size_t)len)) return;
        va_start(args, format);
        len = vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, args);
        va_end(args);
    }
    if (len < 0) {
        buf->ptr[buf->len] = '\0';
        buf->failed = true;
        return;
    }
    buf->len += (size_t)len;
}

static void add_escaped(varve_buf *buf, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* for 0x08 to 0x0d */
    char text[6] = { '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] };

    if (byte == '"' || byte == '\\')
        text[1] = (char)byte;
    else if (byte >= 0x08 && byte <= 0x0d && byte != 0x0b)
        text[1] = letters[byte - 0x08];
    varve_buf_add(buf, text, text[1] == 'u' ? 6 : 2);
}

void varve_buf_json_string(varve_buf *buf, varve_str text)
{
    size_t copied = 0;

    if (!reserve(buf, text.len + 2)) return;
    varve_buf_add(buf, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];

        if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
        varve_buf_add(buf, text.ptr + copied, i - copied);
        add_escaped(buf, byte);
        copied = i + 1;
    }
    if (copied < text.len) varve_buf_add(buf, text.ptr + copied, text.len - copied);
    varve_buf_add(buf, "\"", 1);
}

void varve_buf_reset(varve_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->ptr != NULL) buf->ptr[0] = '\0';
}

void varve_buf_fini(varve_buf *buf)
{
    free(buf->ptr);
    *buf = (varve_buf){ 0 };
}
