/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

/*
 * The value of a decimal number depends on no more than its first 767 significant digits and on
 * whether anything but zeros follows them.
 */
enum { DIGITS_MAX = 770 };

/* A decimal number taken apart: 0.DIGITS × 10 ^ point, then a sign. */
struct decimal {
    bool negative;
    char digits[DIGITS_MAX + 1]; /* significant ones; the last stands for all that were cut */
    int count;
    int64_t point;
};

/* `raw` is a number by the grammar. */
static void take_apart(varve_str raw, struct decimal *decimal)
{
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    bool fraction = false, cut = false, below;
    int64_t exponent = 0;

    decimal->negative = *at == '-';
    decimal->count = 0;
    decimal->point = 0;
    for (at += decimal->negative; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        if (decimal->count == 0 && *at == '0') {
            decimal->point -= fraction;
            continue;
        }
        decimal->point += !fraction;
        if (decimal->count < DIGITS_MAX)
            decimal->digits[decimal->count++] = *at;
        else
            cut = cut || *at != '0';
    }
    if (cut) decimal->digits[decimal->count++] = '1';
    if (at == end) return;
    at++;
    below = *at == '-';
    at += *at == '-' || *at == '+';
    for (; at < end; at++) exponent = exponent < INT32_MAX ? exponent * 10 + (*at - '0') : exponent;
    decimal->point += below ? -exponent : exponent;
}

/* Up to 15 digits and a small power of ten are exact as doubles, so that one operation rounds right. */
static bool quick(const struct decimal *decimal, double *value)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    int64_t exponent = decimal->point - decimal->count;
    int64_t whole = 0;

    if (decimal->count > 15 || exponent < -22 || exponent > 22) return false;
    for (int i = 0; i < decimal->count; i++) whole = whole * 10 + (decimal->digits[i] - '0');
    *value = exponent < 0 ? (double)whole / powers[-exponent] : (double)whole * powers[exponent];
    return true;
}

/* strtod sees digits and an exponent only, and so no locale's decimal point. */
static double exact(const struct decimal *decimal)
{
    char text[DIGITS_MAX + 1 + sizeof("e-9223372036854775808")];

    snprintf(text, sizeof(text), "%.*se%" PRId64, decimal->count, decimal->digits, decimal->point - decimal->count);
    return strtod(text, NULL);
}

double json_double(const struct json_scanner *scanner)
{
    struct decimal decimal;
    double value = 0;

    take_apart(scanner->raw, &decimal);
    if (decimal.count > 0 && !quick(&decimal, &value)) value = exact(&decimal);
    return decimal.negative ? -value : value;
}
