/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCRE2 counts backtracking anew from every place of the text, so its own limits alone still allow hours: a callout
 * before every item of the pattern takes the work off an allowance. Its interpreter is used, in which the limit on
 * memory holds.
 */
#include "command/schema_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#define HEAP_KIB          (64u * 1024u) /* the depth costs heap, so this bounds it too */
#define NEST_LIMIT        50u
#define PATTERN_BYTES_MAX 4096u
#define BYTES_A_STEP      64

/* As ECMA-262 has them: `$` is the end of the text alone, \u1234 a character, [] nothing and [^] anything. */
#define OPTIONS                                                                                         \
    (PCRE2_UTF | PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | \
     PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF)

struct schema_pattern {
    pcre2_code *code;
};

static varve_status say_wrong(int problem, size_t at, varve_error *error)
{
    char text[160] = "";
    pcre2_get_error_message(problem, (PCRE2_UCHAR *)text, sizeof text);
    return varve_error_set(error, VARVE_INVALID, "the pattern is wrong at byte %zu: %s", at + 1, text);
}

varve_status schema_pattern_open(struct schema_pattern **pattern, varve_str text, varve_error *error)
{
    *pattern = NULL;
    if (text.len > PATTERN_BYTES_MAX)
        return varve_error_set(error, VARVE_INVALID, "a pattern has %u bytes at most", PATTERN_BYTES_MAX);
    struct schema_pattern *made = calloc(1, sizeof *made);
    pcre2_compile_context *compiling = pcre2_compile_context_create(NULL);
    varve_status status = VARVE_OK;
    int problem = 0;
    size_t at = 0;
    if (made == NULL || compiling == NULL) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory for a pattern");
        goto done;
    }
    pcre2_set_parens_nest_limit(compiling, NEST_LIMIT);
    made->code =
        pcre2_compile((PCRE2_SPTR)(text.len == 0 ? "" : text.ptr), text.len, OPTIONS, &problem, &at, compiling);
    if (made->code == NULL) status = say_wrong(problem, at, error);
done:
    pcre2_compile_context_free(compiling);
    if (status < 0) {
        free(made);
        made = NULL;
    }
    *pattern = made;
    return status;
}

/* What is left of the allowance, and where the match was last seen. */
struct allowance {
    int64_t steps;
    size_t at;
};

static int pay(pcre2_callout_block *step, void *ctx)
{
    struct allowance *allowance = ctx;
    size_t at = step->current_position;
    size_t distance = at > allowance->at ? at - allowance->at : allowance->at - at;
    allowance->at = at;
    allowance->steps -= 1 + (int64_t)(distance / BYTES_A_STEP);
    return allowance->steps > 0 ? 0 : PCRE2_ERROR_CALLOUT;
}

varve_status schema_pattern_match(const struct schema_pattern *pattern, varve_str text, int64_t *steps)
{
    struct allowance allowance = { .steps = *steps };
    pcre2_match_context *matching = pcre2_match_context_create(NULL);
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    int result = PCRE2_ERROR_NOMEMORY;
    if (matching != NULL && found != NULL) {
        pcre2_set_depth_limit(matching, UINT32_MAX);
        pcre2_set_heap_limit(matching, HEAP_KIB);
        pcre2_set_callout(matching, pay, &allowance);
        result = pcre2_match(pattern->code, (PCRE2_SPTR)(text.len == 0 ? "" : text.ptr), text.len, 0,
                             PCRE2_NO_UTF_CHECK, found, matching);
    }
    pcre2_match_data_free(found);
    pcre2_match_context_free(matching);
    *steps = allowance.steps;
    if (result >= 0) return VARVE_OK; /* 0: there are groups that nobody asked for */
    if (result == PCRE2_ERROR_NOMATCH) return VARVE_NOT_FOUND;
    return result == PCRE2_ERROR_NOMEMORY ? VARVE_NOMEM : VARVE_TOO_LARGE;
}

void schema_pattern_close(struct schema_pattern *pattern)
{
    if (pattern == NULL) return;
    pcre2_code_free(pattern->code);
    free(pattern);
}
