/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that hold one reader of SQL against another: generated texts. */
#ifndef VARVE_QUERY_SQL_SAMPLE_H
#define VARVE_QUERY_SQL_SAMPLE_H

#include "query/sqlfile.h"

enum { SQL_SAMPLE_STATEMENTS_MAX = 8, SQL_SAMPLE_NAMES_MAX = 64 };

/* A statement as it was written. */
struct sql_wanted {
    const char *names[SQL_SAMPLE_NAMES_MAX]; /* of its placeholders, each once, by first use */
    size_t name_count;
    int columns;
};

struct sql_sample {
    uint64_t seed, random;
    bool postgres;
    enum sqlfile_kind kind;
    varve_buf text, plain; /* the plain one has (NULL) in the place of placeholders */
    struct sql_wanted wanted[SQL_SAMPLE_STATEMENTS_MAX];
    size_t count;
};

/* The parameters of a statement or a query, ended by NULL. */
extern const char *const sql_sample_names[];

/*
 * Statements that the dialect's database accepts, with whatever looks like something else in what is quoted and in
 * comments. The same seed gives the same texts.
 */
void sql_sample_statements(struct sql_sample *sample, uint64_t seed, bool postgres);

/* Pieces of SQLite's, whether it accepts them or not. */
void sql_sample_soup(struct sql_sample *sample, uint64_t seed);

void sql_sample_fini(struct sql_sample *sample);

#endif
