/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL files: a projection or a query as its author writes it, SQL with `-- @…` directives.
 *
 * A directive is a comment that stands alone on its line and begins with '@'. A projection has
 * `@projection NAME`, `@version N`, perhaps `@on_error stop|park`, one `@create` section and
 * `@on Type[, Type…]` sections; a query
 * has `@query NAME`, `@reads a[, b…]`, `@param name type [= default]` and one statement. A line `@sqlite` or
 * `@postgres` says that what follows, up to the next directive, is for that dialect only. A projection whose events are
 * applied by code has no file: its tables are a text like that of an @create section, each statement that it runs is
 * one text, and both may have parts for one dialect.
 *
 * Placeholders become the parameters :p1, :p2 … of the statement, in order of first use. What
 * is quoted, and `::` casts, are left as they are; comments are taken out. What is quoted, where a comment ends and
 * where a statement does is a matter of the dialect. Line breaks stay where they were.
 */
#ifndef VARVE_QUERY_SQLFILE_H
#define VARVE_QUERY_SQLFILE_H

#include <varve/projector.h>

#include "base/arena.h"

#define SQLFILE_READS_MAX 10u /* SQLite's limit for attached files */

/* What a placeholder stands for. */
enum sqlfile_source {
    SQLFILE_STREAM,
    SQLFILE_AGGREGATE_ID,
    SQLFILE_VERSION,
    SQLFILE_POSITION,
    SQLFILE_TYPE,
    SQLFILE_ID,
    SQLFILE_OCCURRED_AT,
    SQLFILE_RECORDED_AT,
    SQLFILE_DATA,
    SQLFILE_METADATA,
    SQLFILE_PARAM, /* a query's own, or a statement's */
};

struct sqlfile_placeholder {
    struct sqlfile_placeholder *next;
    enum sqlfile_source source;
    varve_str path; /* into data or metadata, as json_find takes it; empty: the whole */
    size_t param;   /* SQLFILE_PARAM: which one, from 0 */
};

struct sqlfile_statement {
    struct sqlfile_statement *next;
    varve_str text;                           /* terminated */
    uint32_t line;                            /* where it begins */
    struct sqlfile_placeholder *placeholders; /* the n-th is :pn */
    size_t placeholder_count;
};

/* An @create or @on section: its statements for the dialect that was asked for. */
struct sqlfile_section {
    struct sqlfile_section *next;
    uint32_t line;
    varve_str *types; /* @on */
    size_t type_count;
    struct sqlfile_statement *statements;
};

enum sqlfile_type { SQLFILE_TEXT, SQLFILE_INTEGER, SQLFILE_NUMBER, SQLFILE_BOOLEAN, SQLFILE_TIMESTAMP };

struct sqlfile_param {
    struct sqlfile_param *next;
    varve_str name;
    enum sqlfile_type type;
    uint32_t line;
    bool has_default;
    bool default_null; /* it is NULL */
    varve_str default_value;
};

/* Memory is the arena's. Read-only once parsed, so any threads may look at it. */
struct sqlfile {
    struct arena arena;
    const char *file; /* what errors call it */
    varve_str name;
    uint32_t line; /* of the name */
    /* A projection … */
    uint32_t version;
    bool is_inline;      /* @mode inline: its tables are in the log's database, changed by appends themselves */
    bool parks;          /* @on_error park: an event that fails for good is set aside */
    uint32_t partitions; /* @partitions N: its rows belong to single streams, which N may follow at once; 1: not said */
    struct sqlfile_section *create;
    struct sqlfile_section *handlers; /* of code: one, with types and no statements */
    const varve_projector *code;      /* what applies events; NULL: the statements. Borrowed, with its ctx */
    void *code_ctx;
    uint64_t code_stamp; /* tells its types and tables from others */
    /* … or a query, or a statement of code, whose parameters are those that it uses. */
    varve_str *reads;
    bool reads_inline[SQLFILE_READS_MAX]; /* which of them are inline; set once all projections are known */
    size_t read_count;
    struct sqlfile_param *params;
    size_t param_count;
    struct sqlfile_section *question; /* has one statement */
};

enum sqlfile_kind { SQLFILE_PROJECTION, SQLFILE_QUERY, SQLFILE_TABLES, SQLFILE_STATEMENT };

/*
 * Parses `text` (copied) for a dialect ("sqlite"). VARVE_INVALID, or VARVE_UNSUPPORTED for what is
 * designed and not built, with "file:line: …" and the line as the error's detail. On failure
 * `*parsed` is NULL. Free with sqlfile_free.
 */
varve_status sqlfile_parse(struct sqlfile **parsed, enum sqlfile_kind kind, const char *file, varve_str text,
                           const char *dialect, varve_error *error);
/* The same for a projection in code: checks the table and reads its `create`. */
varve_status sqlfile_of_code(struct sqlfile **parsed, const varve_projector *code, void *ctx, const char *dialect,
                             varve_error *error);
void sqlfile_free(struct sqlfile *parsed);

/* Sets `error` to "file:line: …" with the line as its detail; returns `status`. */
varve_status sqlfile_fail(const struct sqlfile *parsed, uint32_t line, varve_status status, varve_error *error,
                          const char *format, ...) VARVE_PRINTF(5, 6);

/*
 * Says where in the file a database refused a statement: `refusal` is its error, whose detail is a
 * byte in the statement's text or -1. Returns VARVE_INVALID for what the author must change.
 */
varve_status sqlfile_refused(const struct sqlfile *parsed, const struct sqlfile_statement *statement,
                             const varve_error *refusal, varve_error *error);

#endif
