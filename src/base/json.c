/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <math.h>

#include "base/utf8.h"

/* What the grammar allows next; the value of json_scanner.expects. */
enum expects {
    EXPECT_VALUE = 0,
    EXPECT_VALUE_OR_END, /* just after '[' */
    EXPECT_NAME_OR_END,  /* just after '{' */
    EXPECT_COMMA_OR_END, /* in a container, after a value */
    EXPECT_NOTHING,      /* after the text's one value */
    EXPECT_FAILED,       /* an error was reported and is again */
};

static enum json_token fail(struct json_scanner *scanner, const char *at, const char *problem)
{
    scanner->at = at;
    scanner->raw = (varve_str){ at, 0 };
    scanner->problem = problem;
    scanner->expects = EXPECT_FAILED;
    return JSON_ERROR;
}

/* What to say about a place where something else should stand. */
static enum json_token fail_at(struct json_scanner *scanner, const char *at, const char *problem)
{
    return fail(scanner, at, at == scanner->end ? "the text ends too early" : problem);
}

void json_start(struct json_scanner *scanner, varve_str text)
{
    *scanner = (struct json_scanner){ 0 };
    scanner->start = text.ptr == NULL ? "" : text.ptr;
    scanner->at = scanner->start;
    scanner->end = scanner->start + text.len;
    scanner->depth_max = VARVE_JSON_DEPTH_MAX;
}

void json_start_around(struct json_scanner *scanner, varve_str text)
{
    json_start(scanner, text);
    scanner->depth_max = VARVE_JSON_DEPTH_MAX + 16;
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
    return at;
}

static bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static bool in_object(const struct json_scanner *scanner)
{
    uint32_t level = scanner->depth - 1;

    return (scanner->containers[level / 64] >> level % 64 & 1) != 0;
}

/* The token that ends at `at` was a whole value. */
static enum json_token value_ends(struct json_scanner *scanner, const char *at, enum json_token token)
{
    scanner->at = at;
    scanner->expects = scanner->depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
    return token;
}

static enum json_token open_container(struct json_scanner *scanner, const char *at, enum json_token token)
{
    uint32_t level = scanner->depth;
    uint64_t bit = (uint64_t)1 << level % 64;

    if (level == scanner->depth_max) return fail(scanner, at, "nested too deep");
    if (token == JSON_OBJECT)
        scanner->containers[level / 64] |= bit;
    else
        scanner->containers[level / 64] &= ~bit;
    scanner->depth++;
    scanner->expects = token == JSON_OBJECT ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
    scanner->raw = (varve_str){ at, 1 };
    scanner->at = at + 1;
    return token;
}

static enum json_token close_container(struct json_scanner *scanner, const char *at)
{
    enum json_token token = in_object(scanner) ? JSON_OBJECT_END : JSON_ARRAY_END;

    scanner->depth--;
    scanner->raw = (varve_str){ at, 1 };
    return value_ends(scanner, at + 1, token);
}

/*
 * The first byte from `at` on that a string may not simply contain or that begins a character beyond
 * ASCII; `end` when there is none. Eight bytes at a time: in each term a byte's top bit is set when
 * the byte is the one looked for; a borrow can only set bits above the first of them.
 */
static const char *plain_run(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t word;

    for (; end - at >= (ptrdiff_t)sizeof(word); at += sizeof(word)) {
        uint64_t quote, backslash, special;

        memcpy(&word, at, sizeof(word));
        quote = word ^ ones * '"';
        backslash = word ^ ones * '\\';
        special =
            (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word) | word) &
            tops;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        if (special != 0) return at + __builtin_ctzll(special) / 8;
#else
        if (special != 0) break;
#endif
    }
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\') at++;
    return at;
}

/* The four hexadecimal digits of "\uXXXX"; -1 when there are not four. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t code = 0;

    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];

        code *= 16;
        if (c >= '0' && c <= '9')
            code += c - '0';
        else if (c >= 'a' && c <= 'f')
            code += c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            code += c - 'A' + 10;
        else
            return -1;
    }
    return code;
}

/* Steps over the escape at *place (a backslash); what is wrong with it, or NULL. */
static const char *skip_escape(const char **place, const char *end)
{
    const char *at = *place + 1;
    int32_t code;

    if (at == end) return "the text ends too early";
    if (*at != 'u') {
        if (*at == '\0' || strchr("\"\\/bfnrt", *at) == NULL) return "unknown escape in a string";
        *place = at + 1;
        return NULL;
    }
    code = hex4(at + 1, end);
    if (code < 0) return "\\u needs four hexadecimal digits";
    if (code == 0) return "\\u0000 is not allowed";
    at += 5;
    if (code >= 0xd800 && code < 0xe000) {
        int32_t low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2, end) : -1;

        if (code >= 0xdc00 || low < 0xdc00 || low >= 0xe000) return "a surrogate stands alone";
        at += 6;
    }
    *place = at;
    return NULL;
}

/* Reads the string whose quote is at `at`. False after a failure. */
static bool string(struct json_scanner *scanner, const char *at)
{
    const char *start = at + 1, *end = scanner->end;

    scanner->escaped = false;
    for (at = plain_run(start, end); at < end && *at != '"'; at = plain_run(at, end)) {
        if (*at == '\\') {
            const char *problem = skip_escape(&at, end);

            if (problem != NULL) {
                fail(scanner, at, problem);
                return false;
            }
            scanner->escaped = true;
        } else if ((unsigned char)*at < 0x20) {
            fail(scanner, at, "a control character in a string must be escaped");
            return false;
        } else {
            size_t len = utf8_sequence(at, end);

            if (len == 0) {
                fail(scanner, at, "not UTF-8");
                return false;
            }
            at += len;
        }
    }
    if (at == end) {
        fail(scanner, at, "the text ends too early");
        return false;
    }
    scanner->raw = (varve_str){ start, (size_t)(at - start) };
    scanner->at = at + 1;
    return true;
}

/* Reads what follows the `int_digits` digits of a number's integral part. */
static enum json_token real(struct json_scanner *scanner, const char *start, const char *at, ptrdiff_t int_digits)
{
    const char *end = scanner->end;
    bool negative = false;
    int64_t exponent = 0;

    if (*at == '.') {
        at++;
        if (!is_digit(at, end)) return fail_at(scanner, at, "a digit must follow the decimal point");
        while (is_digit(at, end)) at++;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) negative = *at++ == '-';
        if (!is_digit(at, end)) return fail_at(scanner, at, "a digit must follow in the exponent");
        for (; is_digit(at, end); at++) exponent = exponent < INT32_MAX ? exponent * 10 + (*at - '0') : exponent;
    }
    scanner->raw = (varve_str){ start, (size_t)(at - start) };
    /* Less than ten to the power of 308 is finite; only what may be more has to be computed. */
    if (int_digits + (negative ? -exponent : exponent) > 308 && !isfinite(json_double(scanner)))
        return fail(scanner, start, "a number is beyond the range of a double");
    return value_ends(scanner, at, JSON_REAL);
}

static enum json_token number(struct json_scanner *scanner, const char *start)
{
    const char *end = scanner->end, *at = start, *digits;
    bool negative = *at == '-';
    uint64_t magnitude = 0, limit = (uint64_t)INT64_MAX + negative;

    at += negative;
    digits = at;
    if (!is_digit(at, end)) return fail_at(scanner, at, "a digit must follow the minus sign");
    if (*at == '0' && is_digit(at + 1, end)) return fail(scanner, at, "a number must not begin with 0");
    /* Wraps beyond 19 digits, which is then seen by their count. */
    for (; is_digit(at, end); at++) magnitude = magnitude * 10 + (uint64_t)(*at - '0');
    if (at < end && (*at == '.' || *at == 'e' || *at == 'E')) return real(scanner, start, at, at - digits);
    if (at - digits > 19 || magnitude > limit) return fail(scanner, start, "an integer is beyond 64 bits");
    scanner->integer = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    scanner->raw = (varve_str){ start, (size_t)(at - start) };
    return value_ends(scanner, at, JSON_INTEGER);
}

static enum json_token literal(struct json_scanner *scanner, const char *at, const char *word, enum json_token token)
{
    size_t len = strlen(word);

    if ((size_t)(scanner->end - at) < len || memcmp(at, word, len) != 0) return fail(scanner, at, "expected a value");
    scanner->raw = (varve_str){ at, len };
    return value_ends(scanner, at + len, token);
}

static enum json_token value(struct json_scanner *scanner, const char *at)
{
    if (at == scanner->end)
        return fail(scanner, at, at == scanner->start ? "the text is empty" : "the text ends too early");
    switch (*at) {
    case '{':
        return open_container(scanner, at, JSON_OBJECT);
    case '[':
        return open_container(scanner, at, JSON_ARRAY);
    case '"':
        return string(scanner, at) ? value_ends(scanner, scanner->at, JSON_STRING) : JSON_ERROR;
    case 't':
        return literal(scanner, at, "true", JSON_TRUE);
    case 'f':
        return literal(scanner, at, "false", JSON_FALSE);
    case 'n':
        return literal(scanner, at, "null", JSON_NULL);
    default:
        if (*at == '-' || is_digit(at, scanner->end)) return number(scanner, at);
        return fail(scanner, at, "expected a value");
    }
}

static enum json_token name(struct json_scanner *scanner, const char *at)
{
    if (at == scanner->end || *at != '"') return fail_at(scanner, at, "expected a member's name");
    if (!string(scanner, at)) return JSON_ERROR;
    at = skip_space(scanner->at, scanner->end);
    if (at == scanner->end || *at != ':') return fail_at(scanner, at, "expected ':'");
    scanner->at = at + 1;
    scanner->expects = EXPECT_VALUE;
    return JSON_KEY;
}

static enum json_token comma_or_end(struct json_scanner *scanner, const char *at)
{
    bool object = in_object(scanner);

    if (at < scanner->end && *at == ',') {
        at = skip_space(at + 1, scanner->end);
        return object ? name(scanner, at) : value(scanner, at);
    }
    if (at < scanner->end && *at == (object ? '}' : ']')) return close_container(scanner, at);
    return fail_at(scanner, at, object ? "expected ',' or '}'" : "expected ',' or ']'");
}

enum json_token json_next(struct json_scanner *scanner)
{
    const char *at = skip_space(scanner->at, scanner->end);
    bool more = at < scanner->end;

    switch ((enum expects)scanner->expects) {
    case EXPECT_VALUE:
        return value(scanner, at);
    case EXPECT_VALUE_OR_END:
        return more && *at == ']' ? close_container(scanner, at) : value(scanner, at);
    case EXPECT_NAME_OR_END:
        return more && *at == '}' ? close_container(scanner, at) : name(scanner, at);
    case EXPECT_COMMA_OR_END:
        return comma_or_end(scanner, at);
    case EXPECT_NOTHING:
        scanner->raw = (varve_str){ at, 0 };
        scanner->at = at;
        return more ? fail(scanner, at, "something follows the value") : JSON_END;
    case EXPECT_FAILED:
        break;
    }
    return JSON_ERROR;
}

enum json_token json_skip(struct json_scanner *scanner, enum json_token token, varve_str *value)
{
    const char *start = scanner->raw.ptr;
    size_t len = scanner->raw.len;

    if (token == JSON_STRING || token == JSON_KEY) {
        start--;
        len += 2;
    } else if (token == JSON_OBJECT || token == JSON_ARRAY) {
        uint32_t outside = scanner->depth - 1;

        while (scanner->depth > outside) {
            if (json_next(scanner) == JSON_ERROR) return JSON_ERROR;
        }
        len = (size_t)(scanner->at - start);
    }
    *value = (varve_str){ start, len };
    return token;
}

varve_status json_check(varve_str text, const char *what, varve_error *error)
{
    struct json_scanner scanner;
    enum json_token token;

    json_start(&scanner, text);
    do {
        token = json_next(&scanner);
    } while (token != JSON_ERROR && token != JSON_END);
    if (token == JSON_END) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "%s is not JSON that varve accepts: %s (byte %zu)", what,
                           scanner.problem, (size_t)(scanner.at - scanner.start) + 1);
}
