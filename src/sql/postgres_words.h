/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's lexical rules, as far as it takes to tell words from what is quoted. */
#ifndef VARVE_SQL_POSTGRES_WORDS_H
#define VARVE_SQL_POSTGRES_WORDS_H

#include <varve/event.h>

enum postgres_kind {
    POSTGRES_END,
    POSTGRES_WORD,      /* a keyword or a name */
    POSTGRES_NAME,      /* "quoted" */
    POSTGRES_PARAMETER, /* :name; the colon is part of the text */
    POSTGRES_OPAQUE,    /* a string, a number, a cast's :: */
    POSTGRES_SIGN,      /* one character of anything else */
    POSTGRES_UNCLOSED,  /* a string, a name or a comment that does not end */
};

struct postgres_word {
    enum postgres_kind kind;
    varve_str text;
};

/* The next word at `*at`, behind blanks and comments; `*at` goes behind it. Ends with POSTGRES_END. */
struct postgres_word postgres_word_next(const char **at, const char *end);

/* Is it this keyword (given in capitals)? */
bool postgres_word_is(struct postgres_word word, const char *keyword);

/* Is it this sign? */
bool postgres_word_sign(struct postgres_word word, char sign);

/* Is it a name, quoted or not, that begins with `prefix` (in lower case)? */
bool postgres_word_begins(struct postgres_word word, const char *prefix);

/* Does it name `name`, as PostgreSQL folds names? */
bool postgres_word_names(struct postgres_word word, const char *name);

#endif
