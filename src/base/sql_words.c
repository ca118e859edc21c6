/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sql_words.h"

#include <string.h>
#include <strings.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* Goes past a comment that may hold others; false when it does not end. */
static bool skip_comment(const char **at, const char *end)
{
    unsigned depth = 0;
    const char *p = *at;
    do {
        if (end - p < 2) return false;
        if (p[0] == '/' && p[1] == '*') {
            depth++;
            p += 2;
        } else if (p[0] == '*' && p[1] == '/') {
            depth--;
            p += 2;
        } else {
            p++;
        }
    } while (depth > 0);
    *at = p;
    return true;
}

/* Goes past blanks and comments; false when a comment does not end. */
static bool skip_blanks(const char **at, const char *end)
{
    for (const char *p = *at;; p = *at) {
        if (p < end && is_blank(*p)) {
            *at = p + 1;
        } else if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
            while (p < end && *p != '\n' && *p != '\r') p++;
            *at = p;
        } else if (end - p < 2 || p[0] != '/' || p[1] != '*') {
            return true;
        } else if (!skip_comment(at, end)) {
            return false;
        }
    }
}

/* Behind a line break E'…' goes on in the next '…': that one, or NULL. */
static const char *continuation(const char *p, const char *end)
{
    const char *at = p;
    if (!skip_blanks(&at, end) || at == end || *at != '\'') return NULL;
    size_t len = (size_t)(at - p);
    return memchr(p, '\n', len) != NULL || memchr(p, '\r', len) != NULL ? at : NULL;
}

/* Behind the quoted text at `p`; a doubled quote stands for itself. NULL when it does not end. */
static const char *behind_quoted(const char *p, const char *end, bool escapes)
{
    char quote = *p++;
    while (p < end) {
        if (escapes && *p == '\\' && end - p > 1) {
            p += 2;
        } else if (*p != quote) {
            p++;
        } else if (end - p > 1 && p[1] == quote) {
            p += 2;
        } else {
            const char *more = escapes ? continuation(p + 1, end) : NULL;
            if (more == NULL) return p + 1;
            p = more + 1;
        }
    }
    return NULL;
}

/* Behind the dollar-quoted text at `p`; `p` itself when there is none, NULL when it does not end. */
static const char *behind_dollars(const char *p, const char *end)
{
    const char *tag = p + 1;
    if (tag < end && is_letter(*tag)) {
        while (tag < end && (is_letter(*tag) || is_digit(*tag))) tag++;
    }
    if (tag == end || *tag != '$') return p;
    size_t len = (size_t)(tag + 1 - p);
    const char *close = memmem(p + len, (size_t)(end - p) - len, p, len);
    return close == NULL ? NULL : close + len;
}

static const char *behind_word(const char *p, const char *end)
{
    while (p < end && (is_letter(*p) || is_digit(*p) || *p == '$')) p++;
    return p;
}

/* And a unit, which the server refuses; a dollar is the next thing's. */
static const char *behind_number(const char *p, const char *end)
{
    while (p < end && (is_letter(*p) || is_digit(*p))) p++;
    return p;
}

struct word word_next(const char **at, const char *end)
{
    struct word word = { .kind = WORD_UNCLOSED };
    bool open = !skip_blanks(at, end);
    const char *start = *at, *behind = start + 1;
    word.text.ptr = start;
    if (open) return word;
    if (start == end) {
        word.kind = WORD_END;
        return word;
    }
    char next = end - start > 1 ? start[1] : '\0';
    word.kind = WORD_SIGN;
    if (*start == '\'' || ((*start == 'e' || *start == 'E') && next == '\'')) {
        word.kind = WORD_OPAQUE;
        behind = behind_quoted(*start == '\'' ? start : start + 1, end, *start != '\'');
    } else if (*start == '"') {
        word.kind = WORD_QUOTED;
        behind = behind_quoted(start, end, false);
    } else if (is_letter(*start)) {
        word.kind = WORD_PLAIN;
        behind = behind_word(start, end);
    } else if (is_digit(*start)) {
        word.kind = WORD_OPAQUE;
        behind = behind_number(start, end);
    } else if (*start == ':' && next == ':') {
        word.kind = WORD_OPAQUE;
        behind = start + 2;
    } else if (*start == ':' && is_letter(next)) {
        word.kind = WORD_PARAMETER;
        behind = behind_word(start + 1, end);
    } else if (*start == '$') {
        behind = behind_dollars(start, end);
        word.kind = behind == start ? WORD_SIGN : WORD_OPAQUE;
        behind = behind == start ? start + 1 : behind;
    }
    if (behind == NULL) {
        word.kind = WORD_UNCLOSED;
        return word;
    }
    word.text.len = (size_t)(behind - start);
    *at = behind;
    return word;
}

bool word_is(struct word word, const char *keyword)
{
    return word.kind == WORD_PLAIN && strlen(keyword) == word.text.len &&
           strncasecmp(word.text.ptr, keyword, word.text.len) == 0;
}

bool word_sign(struct word word, char sign)
{
    return word.kind == WORD_SIGN && *word.text.ptr == sign;
}

bool word_begins(struct word word, const char *prefix)
{
    size_t len = strlen(prefix);
    if (word.kind == WORD_PLAIN) return word.text.len >= len && strncasecmp(word.text.ptr, prefix, len) == 0;
    return word.kind == WORD_QUOTED && word.text.len >= len + 2 && memcmp(word.text.ptr + 1, prefix, len) == 0;
}

bool word_names(struct word word, const char *name)
{
    size_t len = strlen(name);
    if (word.kind == WORD_PLAIN) return word.text.len == len && strncasecmp(word.text.ptr, name, len) == 0;
    return word.kind == WORD_QUOTED && word.text.len == len + 2 && memcmp(word.text.ptr + 1, name, len) == 0;
}
