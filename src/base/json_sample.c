/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_sample.h"

#include <inttypes.h>

/* xorshift64 (Marsaglia, 2003): the same texts in every run. */
static uint64_t pick(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % below;
}

static const char *pick_from(uint64_t *seed, const char *const *choices, size_t count)
{
    return choices[pick(seed, count)];
}

static void add_space(uint64_t *seed, varve_buf *text)
{
    static const char *const spaces[] = { "", "", "", " ", "\n", "\t \r\n" };

    varve_buf_str(text, varve_str_of(pick_from(seed, spaces, 6)));
}

static void add_string(uint64_t *seed, varve_buf *text)
{
    static const char *const pieces[] = { "a", "key", "0123456789", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\u4E2D",
                                          "\\ud83d\\ude00", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80", " ", "\x7f",
                                          /* refused by both */
                                          "\\u0000", "\\ud800", "\\udfff", "\xed\xa0\x80", "\xc0\xaf", "\x01" };
    uint64_t count = pick(seed, 6);
    uint64_t kinds = pick(seed, 40) == 0 ? 21 : 15;

    varve_buf_str(text, VARVE_STR("\""));
    for (uint64_t i = 0; i < count; i++) varve_buf_str(text, varve_str_of(pick_from(seed, pieces, kinds)));
    varve_buf_str(text, VARVE_STR("\""));
}

static void add_number(uint64_t *seed, varve_buf *text)
{
    static const char *const numbers[] = { "0", "-0", "-1", "9223372036854775807", "-9223372036854775808", "1.0e-5",
                                           "1.7976931348623157e308", "4.9e-324", "1e-500", "0.1", "-2.50E+3", "1e22",
                                           "0e400", "123456789012345678901234567890.5", "8.5e0",
                                           "179769313486231570e291",
                                           /* refused by both */
                                           "9223372036854775808", "-9223372036854775809", "1e309", "1.8e308", "01" };

    switch (pick(seed, 4)) {
    case 0:
        varve_buf_str(text, varve_str_of(pick_from(seed, numbers, pick(seed, 40) == 0 ? 21 : 16)));
        break;
    case 1:
        varve_buf_printf(text, "%" PRIu64 ".%" PRIu64 "e%d", pick(seed, UINT64_MAX), pick(seed, UINT64_MAX),
                         (int)pick(seed, 640) - 340);
        break;
    default:
        varve_buf_printf(text, "%" PRId64, (int64_t)pick(seed, UINT64_MAX));
    }
}

static void add_value(uint64_t *seed, varve_buf *text, int depth)
{
    static const char *const words[] = { "true", "false", "null" };
    uint64_t kind = pick(seed, depth > 0 ? 7 : 4), count = pick(seed, 5);

    add_space(seed, text);
    if (kind < 2) {
        add_number(seed, text);
    } else if (kind == 2) {
        add_string(seed, text);
    } else if (kind == 3) {
        varve_buf_str(text, varve_str_of(pick_from(seed, words, 3)));
    } else {
        varve_buf_str(text, kind == 4 ? VARVE_STR("[") : VARVE_STR("{"));
        for (uint64_t i = 0; i < count; i++) {
            if (i > 0) varve_buf_str(text, VARVE_STR(","));
            add_space(seed, text);
            if (kind != 4) {
                add_string(seed, text);
                add_space(seed, text);
                varve_buf_str(text, VARVE_STR(":"));
            }
            add_value(seed, text, depth - 1);
        }
        varve_buf_str(text, kind == 4 ? VARVE_STR("]") : VARVE_STR("}"));
    }
    add_space(seed, text);
}

/* Changes, takes out or doubles a byte, or cuts the text off. */
static void damage(uint64_t *seed, varve_buf *text)
{
    static const char bytes[] = "{}[]:,\"\\u0123456789abcdefE+-. \n\x01\x80\xc3\xff";
    size_t at = (size_t)pick(seed, text->len);

    switch (pick(seed, 4)) {
    case 0:
        text->ptr[at] = bytes[pick(seed, sizeof(bytes) - 1)];
        break;
    case 1:
        memmove(text->ptr + at, text->ptr + at + 1, text->len - at);
        text->len--;
        break;
    case 2:
        varve_buf_add(text, "", 1);
        memmove(text->ptr + at + 1, text->ptr + at, text->len - at - 1);
        break;
    default:
        text->len = at;
    }
}

void json_sample(uint64_t *seed, varve_buf *text)
{
    add_value(seed, text, 5);
    for (uint64_t times = pick(seed, 3); times > 0 && text->len > 0; times--) damage(seed, text);
}
