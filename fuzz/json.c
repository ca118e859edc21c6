/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON scanner over any bytes: that its ways of reading agree with each other, and with jansson
 * wherever both say what a text means. Known differences: the depth, 512 here and 2048 there, and a
 * NUL byte after a number, which jansson overlooks.
 */
#include <math.h>

#include "base/json.h"
#include "base/json_corpus.h"
#include "fuzz/fuzz.h"

enum { SKIP_DEPTH = 4 };

/* Resolved, a string is UTF-8 without NUL, and written again it is read as the same string. */
static void check_text(const struct json_scanner *scanner)
{
    varve_buf plain = { 0 }, quoted = { 0 };
    struct json_scanner again;

    json_unescape(scanner->raw, &plain);
    varve_str text = varve_buf_view(&plain);
    ASSERT(!plain.failed && utf8_valid(text));
    ASSERT(text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
    ASSERT(json_is_str(scanner, text));
    ASSERT(scanner->escaped || varve_str_eq(scanner->raw, text));

    varve_buf_json_string(&quoted, text);
    json_start(&again, varve_buf_view(&quoted));
    ASSERT(json_next(&again) == JSON_STRING && json_is_str(&again, text));
    ASSERT(json_next(&again) == JSON_END);
    varve_buf_fini(&plain);
    varve_buf_fini(&quoted);
}

/* What is skipped is a value of its own, of the same kind, and ends where reading it token by token ends. */
static void check_skip(const struct json_scanner *scanner, enum json_token token)
{
    struct json_scanner ahead = *scanner, again;
    varve_str value = { 0 };

    if (json_skip(&ahead, token, &value) == JSON_ERROR) {
        ASSERT(json_next(&ahead) == JSON_ERROR && ahead.problem != NULL);
        return;
    }
    ASSERT(value.ptr >= scanner->start && value.ptr + value.len <= scanner->end);
    ASSERT(json_check(value, "value", NULL) == VARVE_OK);
    json_start(&again, value);
    ASSERT(json_next(&again) == token && varve_str_eq(again.raw, scanner->raw));
    if (token == JSON_INTEGER) ASSERT(again.integer == scanner->integer);
    ASSERT(ahead.depth == scanner->depth - (token == JSON_OBJECT || token == JSON_ARRAY));
}

static void check_token(const struct json_scanner *scanner, enum json_token token)
{
    const char *raw_end = scanner->raw.ptr + scanner->raw.len;

    ASSERT(scanner->raw.ptr >= scanner->start && raw_end <= scanner->end && scanner->at >= raw_end);
    ASSERT(scanner->depth <= VARVE_JSON_DEPTH_MAX);
    if (token == JSON_KEY || token == JSON_STRING) check_text(scanner);
    if (token == JSON_REAL || token == JSON_INTEGER) ASSERT(isfinite(json_double(scanner)));
    /* Containers within containers within … are read again for each; that need not go all the way down. */
    if (token != JSON_KEY && token != JSON_OBJECT_END && token != JSON_ARRAY_END && scanner->depth <= SKIP_DEPTH)
        check_skip(scanner, token);
}

/* Reads token by token; true when the text is one whole value. */
static bool walk(varve_str text, struct json_scanner *scanner)
{
    enum json_token token;

    json_start(scanner, text);
    while ((token = json_next(scanner)) != JSON_ERROR && token != JSON_END) check_token(scanner, token);
    ASSERT(json_next(scanner) == token); /* it repeats itself */
    if (token == JSON_ERROR) ASSERT(scanner->problem != NULL && scanner->at <= scanner->end);
    return token == JSON_END;
}

static struct tree *build(struct json_scanner *scanner, enum json_token token);

static struct tree *build_container(struct json_scanner *scanner, enum json_token container)
{
    struct tree *built = container == JSON_OBJECT ? tree_object() : tree_array();
    enum json_token token;

    while ((token = json_next(scanner)) != JSON_OBJECT_END && token != JSON_ARRAY_END) {
        if (token == JSON_KEY) {
            varve_buf key = { 0 };
            json_unescape(scanner->raw, &key);
            ASSERT(tree_set(built, varve_buf_view(&key), build(scanner, json_next(scanner))));
            varve_buf_fini(&key);
        } else {
            ASSERT(tree_append(built, build(scanner, token)));
        }
    }
    return built;
}

/* What the tokens say, from the one just read on. */
static struct tree *build(struct json_scanner *scanner, enum json_token token)
{
    varve_buf text = { 0 };
    struct tree *built = NULL;

    switch (token) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return build_container(scanner, token);
    case JSON_STRING:
        json_unescape(scanner->raw, &text);
        built = tree_string(varve_buf_view(&text));
        varve_buf_fini(&text);
        return built;
    case JSON_INTEGER:
        return tree_integer(scanner->integer);
    case JSON_REAL:
        return tree_real(json_double(scanner));
    case JSON_TRUE:
    case JSON_FALSE:
        return tree_bool(token == JSON_TRUE);
    default:
        ASSERT(token == JSON_NULL);
        return tree_null();
    }
}

/* Two readers of one text: jansson, and the scanner, which has accepted it or not. */
static void compare(varve_str text, bool accepted, bool too_deep)
{
    char problem[160];
    struct tree *theirs = NULL, *ours = NULL;
    struct json_scanner scanner;

    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL) {
        ASSERT(!accepted);
        return;
    }
    theirs = tree_load(text, problem);
    ASSERT(accepted == (theirs != NULL) || (!accepted && too_deep));
    if (accepted) {
        json_start(&scanner, text);
        ours = build(&scanner, json_next(&scanner));
        ASSERT(tree_equal(ours, theirs));
    }
    tree_free(ours);
    tree_free(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_str text = fuzz_text(data, size);
    varve_error error = { 0 };
    struct json_scanner scanner;
    bool accepted = walk(text, &scanner);
    varve_status status = json_check(text, "text", &error);

    ASSERT(accepted == (status == VARVE_OK));
    if (!accepted) fuzz_refused(status, &error);
    if (accepted) ASSERT(utf8_valid(text));
    compare(text, accepted, !accepted && scanner.depth == VARVE_JSON_DEPTH_MAX);
    return 0;
}
