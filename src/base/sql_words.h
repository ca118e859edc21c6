/* SPDX-License-Identifier: Apache-2.0 */
/* Lexical rules of SQL, as far as it takes to tell words from what is quoted; where dialects differ, PostgreSQL's. */
#ifndef VARVE_BASE_SQL_WORDS_H
#define VARVE_BASE_SQL_WORDS_H

#include <varve/event.h>

enum word_kind {
    WORD_END,
    WORD_PLAIN,     /* a keyword or a name */
    WORD_QUOTED,    /* "quoted" */
    WORD_PARAMETER, /* :name; the colon is part of the text */
    WORD_OPAQUE,    /* a string, a number, a cast's :: */
    WORD_SIGN,      /* one character of anything else */
    WORD_UNCLOSED,  /* a string, a name or a comment that does not end */
};

struct word {
    enum word_kind kind;
    varve_str text;
};

/* The next word at `*at`, behind blanks and comments; `*at` goes behind it. Ends with WORD_END. */
struct word word_next(const char **at, const char *end);

/* Is it this keyword (given in capitals)? */
bool word_is(struct word word, const char *keyword);

/* Is it this sign? */
bool word_sign(struct word word, char sign);

/* Is it a name, quoted or not, that begins with `prefix` (in lower case)? */
bool word_begins(struct word word, const char *prefix);

/* Does it name `name`, as PostgreSQL folds names? */
bool word_names(struct word word, const char *name);

#endif
