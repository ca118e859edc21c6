/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a query's statement: what is seen of it are parts of it, in their order. */
#include "fuzz/fuzz.h"
#include "query/clauses.h"

static bool is_within(varve_str part, varve_str text)
{
    return part.len == 0 || (part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_str text = fuzz_text(data, size);
    struct clauses clauses;

    clauses_read(&clauses, text);
    ASSERT(clauses.term_count <= CLAUSES_TERMS_MAX && clauses.select_end <= text.len && clauses.refuse_at <= text.len);
    ASSERT(is_within(clauses.before, text) && is_within(clauses.order, text) && is_within(clauses.after, text));
    ASSERT(clauses.before.len + clauses.order.len + clauses.after.len == text.len);
    for (size_t i = 0; i < clauses.term_count; i++) {
        bool quoted = false;
        varve_str term = clauses.terms[i].expression;
        ASSERT(is_within(term, clauses.order));
        ASSERT(is_within(clauses_name(term, &quoted), term));
        clauses_ordinal(term);
    }
    return 0;
}
