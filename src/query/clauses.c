/* SPDX-License-Identifier: Apache-2.0 */
#include "query/clauses.h"

#include "base/sql_words.h"

/* The words outside all parentheses and brackets, with the two before the one at hand. */
struct reading {
    struct clauses *clauses;
    const char *start, *at, *end;
    struct word before, last, word;
    bool select;     /* the first SELECT was met */
    bool listed;     /* its columns have ended */
    bool compound;   /* UNION and the like, VALUES, TABLE, or a SELECT in parentheses */
    bool distinct;   /* no column may be added, and the terms of ON choose */
    const char *by;  /* behind the last ORDER BY */
    const char *cut; /* where LIMIT and the like begin, behind that */
};

static bool any_of(struct word word, const char *const *keywords)
{
    for (; *keywords != NULL; keywords++) {
        if (word_is(word, *keywords)) {
            return true;
        }
    }
    return false;
}

static int depth_of(struct word word)
{
    if (word_sign(word, '(') || word_sign(word, '[')) {
        return 1;
    }
    return word_sign(word, ')') || word_sign(word, ']') ? -1 : 0;
}

/* The next word outside parentheses; what is inside becomes one opaque word. */
static struct word next_outside(const char **at, const char *end)
{
    struct word word = word_next(at, end);
    int depth = depth_of(word);
    if (depth <= 0) {
        return word;
    }
    const char *start = word.text.ptr;
    struct word inner = word;
    while (depth > 0 && inner.kind != WORD_END && inner.kind != WORD_UNCLOSED) {
        inner = word_next(at, end);
        depth += depth_of(inner);
    }
    word.kind = WORD_OPAQUE;
    word.text = (varve_str){ start, (size_t)(*at - start) };
    return word;
}

/* Where an operand is wanted a word is a name, also one that begins a clause elsewhere (OFFSET, on SQLite). */
static bool wants_operand(struct word last)
{
    static const char *const openers[] = { "SELECT", "DISTINCT", "ALL",  "WHERE", "BY",   "AND",  "OR",
                                           "NOT",    "HAVING",   "CASE", "WHEN",  "THEN", "ELSE", NULL };
    static const char signs[] = ",.=<>+-*/%|";
    bool sign = false;
    for (const char *at = signs; *at != '\0'; at++) {
        sign = sign || word_sign(last, *at);
    }
    return sign || (last.kind == WORD_PLAIN && any_of(last, openers));
}

static bool is_keyword(const struct reading *reading)
{
    /* A word behind these is a name, whatever it is. */
    return reading->word.kind == WORD_PLAIN && !word_sign(reading->last, '.') && !word_is(reading->last, "AS") &&
           !(word_is(reading->word, "OFFSET") && wants_operand(reading->last));
}

static void refuse(struct reading *reading, const char *why)
{
    if (reading->clauses->refuse == NULL) {
        reading->clauses->refuse = why;
        reading->clauses->refuse_at = (size_t)(reading->word.text.ptr - reading->start);
    }
}

/* Does the list of columns end here? `a IS [NOT] DISTINCT FROM b` and `f() WITHIN GROUP (…)` stand within it. */
static bool ends_list(const struct reading *reading)
{
    static const char *const ends[] = { "FROM",   "WHERE", "GROUP", "HAVING", "WINDOW",    "ORDER",  "LIMIT",
                                        "OFFSET", "FETCH", "FOR",   "UNION",  "INTERSECT", "EXCEPT", NULL };
    bool distinct_from = word_is(reading->word, "FROM") && word_is(reading->last, "DISTINCT") &&
                         (word_is(reading->before, "IS") || word_is(reading->before, "NOT"));
    bool within_group = word_is(reading->word, "GROUP") && word_is(reading->last, "WITHIN");
    return any_of(reading->word, ends) && !distinct_from && !within_group;
}

static void end_list(struct reading *reading, const char *at)
{
    if (reading->select && !reading->listed) {
        reading->listed = true;
        reading->clauses->select_end = (size_t)(at - reading->start);
    }
}

static void read_keyword(struct reading *reading)
{
    static const char *const compounds[] = { "UNION", "INTERSECT", "EXCEPT", "VALUES", "TABLE", NULL };
    static const char *const cuts[] = { "LIMIT", "OFFSET", "FETCH", NULL };
    static const char *const locks[] = { "UPDATE", "SHARE", "NO", "KEY", NULL };
    const char *here = reading->word.text.ptr;
    if (ends_list(reading)) {
        end_list(reading, here);
    }
    if (word_is(reading->word, "SELECT") && !reading->select) {
        reading->select = true;
    } else if (word_is(reading->word, "DISTINCT") && word_is(reading->last, "SELECT")) {
        reading->distinct = true;
    } else if (word_is(reading->word, "ON") && word_is(reading->last, "DISTINCT") && reading->distinct &&
               !reading->listed) {
        reading->clauses->order_chooses = true;
    } else if (any_of(reading->word, compounds)) {
        reading->compound = true;
    } else if (word_is(reading->word, "BY") && word_is(reading->last, "ORDER")) {
        reading->by = here + reading->word.text.len;
        reading->cut = NULL;
        reading->clauses->before = (varve_str){ reading->start, (size_t)(reading->last.text.ptr - reading->start) };
    } else if (any_of(reading->word, cuts) && reading->cut == NULL) {
        reading->cut = here;
    } else if (any_of(reading->word, locks) && word_is(reading->last, "FOR")) {
        refuse(reading, "a query locks no rows");
    } else if (word_is(reading->word, "USING") && reading->by != NULL) {
        refuse(reading, "the order of a query is written with ASC or DESC, not USING");
    }
}

/* Takes NULLS FIRST, NULLS LAST, ASC and DESC off the end of a term. */
static void finish_term(struct clauses_term *term, const char *from, const char *end)
{
    struct word last[3] = { { WORD_END, { 0 } }, { WORD_END, { 0 } }, { WORD_END, { 0 } } };
    const char *at = from;
    for (struct word word = next_outside(&at, end); word.kind != WORD_END && word.kind != WORD_UNCLOSED;
         word = next_outside(&at, end)) {
        if (term->expression.ptr == NULL) {
            term->expression.ptr = word.text.ptr;
        }
        last[0] = last[1];
        last[1] = last[2];
        last[2] = word;
    }
    struct word *back = &last[2];
    if (word_is(last[1], "NULLS") && (word_is(last[2], "FIRST") || word_is(last[2], "LAST"))) {
        term->nulls = word_is(last[2], "FIRST") ? CLAUSES_NULLS_FIRST : CLAUSES_NULLS_LAST;
        back = &last[0];
    }
    const char *stop = back->kind == WORD_END ? from : back->text.ptr + back->text.len;
    if (word_is(*back, "ASC") || word_is(*back, "DESC")) {
        term->descending = word_is(*back, "DESC");
        stop = back->text.ptr;
    }
    if (term->expression.ptr != NULL && stop > term->expression.ptr) {
        term->expression.len = (size_t)(stop - term->expression.ptr);
        while (term->expression.len > 0 && strchr(" \t\r\n", term->expression.ptr[term->expression.len - 1]) != NULL) {
            term->expression.len--;
        }
    }
}

static void read_terms(struct reading *reading, const char *end)
{
    struct clauses *clauses = reading->clauses;
    const char *at = reading->by, *from = at;
    for (bool more = true; more;) {
        struct word word = next_outside(&at, end);
        more = word.kind != WORD_END && word.kind != WORD_UNCLOSED;
        if (more && !word_sign(word, ',')) {
            continue;
        }
        if (clauses->term_count == CLAUSES_TERMS_MAX) {
            reading->word.text.ptr = from;
            refuse(reading, "the ORDER BY has more than 32 terms");
            return;
        }
        finish_term(&clauses->terms[clauses->term_count++], from, more ? word.text.ptr : end);
        from = at;
    }
}

void clauses_read(struct clauses *clauses, varve_str text)
{
    struct reading reading = { .clauses = clauses, .start = text.ptr, .at = text.ptr, .end = text.ptr + text.len };
    *clauses = (struct clauses){ .before = text };
    reading.word = next_outside(&reading.at, reading.end);
    reading.compound = reading.word.kind == WORD_OPAQUE;
    for (; reading.word.kind != WORD_END && reading.word.kind != WORD_UNCLOSED;
         reading.word = next_outside(&reading.at, reading.end)) {
        if (is_keyword(&reading)) {
            read_keyword(&reading);
        }
        reading.before = reading.last;
        reading.last = reading.word;
    }
    const char *cut = reading.cut == NULL ? reading.end : reading.cut;
    end_list(&reading, reading.end);
    if (reading.compound || reading.distinct) {
        clauses->select_end = 0;
    }
    clauses->after = (varve_str){ cut, (size_t)(reading.end - cut) };
    if (reading.by == NULL) {
        clauses->before.len = (size_t)(cut - reading.start);
    } else {
        const char *order = reading.start + clauses->before.len;
        clauses->order = (varve_str){ order, (size_t)(cut - order) };
        read_terms(&reading, cut);
    }
    clauses->order_chooses = clauses->order_chooses || clauses->after.len > 0;
}

size_t clauses_ordinal(varve_str expression)
{
    size_t number = 0;
    for (size_t i = 0; i < expression.len; i++) {
        if (expression.ptr[i] < '0' || expression.ptr[i] > '9' || number > 100000) {
            return 0;
        }
        number = number * 10 + (size_t)(expression.ptr[i] - '0');
    }
    return number;
}

varve_str clauses_collation(varve_str *expression)
{
    struct word before = { WORD_END, { 0 } }, last = before, word;
    const char *at = expression->ptr, *end = at == NULL ? NULL : at + expression->len;
    while (at != NULL && (word = next_outside(&at, end)).kind != WORD_END && word.kind != WORD_UNCLOSED) {
        before = last;
        last = word;
    }
    if (!word_is(before, "COLLATE") || before.text.ptr == expression->ptr) {
        return (varve_str){ 0 };
    }
    varve_str collation = { before.text.ptr, (size_t)(last.text.ptr + last.text.len - before.text.ptr) };
    expression->len = (size_t)(before.text.ptr - expression->ptr);
    while (strchr(" \t\r\n", expression->ptr[expression->len - 1]) != NULL) {
        expression->len--;
    }
    return collation;
}

varve_str clauses_name(varve_str expression, bool *quoted)
{
    *quoted = false;
    if (expression.len == 0) {
        return expression;
    }
    const char *at = expression.ptr, *end = at + expression.len;
    struct word word = word_next(&at, end);
    *quoted = word.kind == WORD_QUOTED;
    if ((word.kind != WORD_PLAIN && word.kind != WORD_QUOTED) || word_next(&at, end).kind != WORD_END) {
        return (varve_str){ 0 };
    }
    varve_str name = word.text;
    if (*quoted) {
        name = (varve_str){ name.ptr + 1, name.len - 2 };
        /* A doubled quote is left to the database. */
        if (name.len > 0 && memchr(name.ptr, '"', name.len) != NULL) {
            name = (varve_str){ 0 };
        }
    }
    return name;
}
