/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random SQL, taken apart by sqltext and by the databases themselves: statements end where SQLite and the server end
 * them, the placeholders are those that SQLite finds, and what is sent means what was written.
 *
 *     query_sqltext_lexers_test [TEXTS [SEED]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "query/sqltext.h"
#ifdef VARVE_WITH_POSTGRES
#include <libpq-fe.h>

#include "sql/postgres_text.h"
#include "tests/support/postgres.h"
#endif

enum { STATEMENTS_MAX = 8, NAMES_MAX = 64 };

static uint64_t texts = 500, first_seed;

/* A statement as it was written. */
struct wanted {
    const char *names[NAMES_MAX]; /* of its placeholders, each once, by first use */
    size_t name_count;
    int columns;
};

struct sample {
    uint64_t seed, random;
    bool postgres;
    enum sqlfile_kind kind;
    varve_buf text, plain; /* the plain one has (NULL) in the place of placeholders */
    struct wanted wanted[STATEMENTS_MAX];
    size_t count;
};

/* ---- writing ---- */

/* xorshift64 (Marsaglia, 2003) */
static size_t pick(struct sample *sample, size_t below)
{
    sample->random ^= sample->random << 13;
    sample->random ^= sample->random >> 7;
    sample->random ^= sample->random << 17;
    return (size_t)(sample->random % below);
}

static void say(struct sample *sample, const char *words)
{
    varve_buf_str(&sample->text, varve_str_of(words));
    varve_buf_str(&sample->plain, varve_str_of(words));
}

#define SAY_ONE_OF(sample, choices) say(sample, (choices)[pick(sample, sizeof(choices) / sizeof *(choices))])

/* What looks like something else; without a quote that ends what it stands in. */
static const char *const inner[] = { "a", ":a",  ":nobody", ";",     "--", "\\\\", "[", "@x",
                                     "?", "::",  "end",     "BEGIN", "\n", " ",    "é", "E",
                                     "$", "$b$", "\r\n",    "e\\n",  "1",  ",",    "(" };
static const char *const quotes[] = { "'", "\"", "`", "]" };

/* Some of it, `but` for what has one of these bytes in it; a quote is doubled where it ends what it stands in. */
static void say_inner(struct sample *sample, const char *but, const char *ends)
{
    for (size_t left = pick(sample, 5); left > 0; left--) {
        const char *next =
            pick(sample, 4) == 0 ? quotes[pick(sample, 4)] : inner[pick(sample, sizeof inner / sizeof *inner)];
        if (strpbrk(next, but) != NULL) continue;
        say(sample, next);
        if (strcmp(next, ends) == 0) say(sample, next);
    }
}

static void say_quoted(struct sample *sample, const char *before, const char *quote)
{
    say(sample, before);
    say(sample, quote);
    say(sample, "a"); /* an empty name is none */
    say_inner(sample, "\1", quote);
    say(sample, quote);
}

static void say_comment(struct sample *sample, unsigned depth)
{
    say(sample, "/*");
    say_inner(sample, "\1", "");
    if (sample->postgres && depth < 3 && pick(sample, 3) == 0) {
        say_comment(sample, depth + 1);
        say_inner(sample, "\1", "");
    } else if (!sample->postgres && pick(sample, 3) == 0) {
        say(sample, "/* /*");
    }
    say(sample, pick(sample, 2) ? "*/" : "**/");
}

static void say_line_comment(struct sample *sample)
{
    say(sample, "--");
    if (pick(sample, 2)) say(sample, "x"); /* and no @, which would make a directive of it */
    say_inner(sample, "\r\n@", "");
    say(sample, sample->postgres && pick(sample, 4) == 0 ? "\r" : "\n");
}

/* Blanks and comments, perhaps none. */
static void say_glue(struct sample *sample)
{
    static const char *const blanks[] = { " ", "\n", "\t", "\r\n", "\f", "  " };
    while (pick(sample, 3) == 0) {
        switch (pick(sample, 6)) {
        case 0:
            say_comment(sample, 0);
            break;
        case 1:
            say_line_comment(sample);
            break;
        default:
            SAY_ONE_OF(sample, blanks);
        }
    }
}

static void say_gap(struct sample *sample)
{
    say(sample, " ");
    say_glue(sample);
}

static void say_placeholder(struct sample *sample)
{
    static const char *const own[] = { "a", "b1", "é", "_x", "data", "e", "end" };
    static const char *const given[] = { "stream", "version", "data",      "data.a.b", "data.items[0].sku",
                                         "id",     "data[1]", "metadata.é" };
    bool is_own = sample->kind == SQLFILE_STATEMENT;
    const char *name =
        is_own ? own[pick(sample, sizeof own / sizeof *own)] : given[pick(sample, sizeof given / sizeof *given)];
    struct wanted *wanted = &sample->wanted[sample->count];
    size_t at = 0;
    while (at < wanted->name_count && wanted->names[at] != name) at++;
    assert_true(at < NAMES_MAX);
    if (at == wanted->name_count) wanted->names[wanted->name_count++] = name;
    varve_buf_printf(&sample->text, ":%s", name);
    varve_buf_str(&sample->plain, VARVE_STR("(NULL)"));
}

static void say_dollar_quoted(struct sample *sample)
{
    static const char *const tags[] = { "$$", "$a$", "$_é1$" };
    const char *tag = tags[pick(sample, 3)];
    say(sample, tag);
    say_inner(sample, tag == tags[2] ? "\1" : "$", "");
    say(sample, tag);
}

/* 'a' and, behind a line break, more of it; in E'' the backslashes go on. */
static void say_string(struct sample *sample)
{
    bool escapes = sample->postgres && pick(sample, 3) == 0;
    say_quoted(sample, escapes ? pick(sample, 2) ? "E" : "e" : "", "'");
    if (escapes && pick(sample, 2)) {
        static const char *const ends[] = { "\n'\\''", " \n 'b\\':a;\\\\'", "--x\n\n'\\\\'''", "\r--;'\r'it\\'s'" };
        SAY_ONE_OF(sample, ends);
    } else if (sample->postgres && pick(sample, 5) == 0) {
        say(sample, "\n'b'");
    }
}

static void say_number(struct sample *sample)
{
    static const char *const numbers[] = { "1", "2.5", "1e3", ".5", "10" };
    SAY_ONE_OF(sample, numbers);
}

static void say_value(struct sample *sample, unsigned depth);

static void say_value_of_sqlite(struct sample *sample, unsigned depth)
{
    static const char *const others[] = { "x'3a61'", "NULL", "?", "@x", "$y", "$y1$", "0x1F", "\"a;:b\"\"--'\"" };
    static const char *const operators[] = { "+", "||", "*", "/", "<", "<>", "==", "%", "<<", " IS ", "||\n" };
    switch (pick(sample, depth > 3 ? 1 : 4)) {
    case 0:
        SAY_ONE_OF(sample, others);
        break;
    case 1:
        say_value(sample, depth + 1);
        say_glue(sample);
        SAY_ONE_OF(sample, operators);
        say_glue(sample);
        say_value(sample, depth + 1);
        break;
    case 2:
        say(sample, "CAST(");
        say_value(sample, depth + 1);
        say(sample, " AS TEXT)");
        break;
    default:
        say(sample, "CASE WHEN ");
        say_value(sample, depth + 1);
        say(sample, " THEN ");
        say_value(sample, depth + 1);
        say(sample, " END");
    }
}

static void say_value_of_postgres(struct sample *sample, unsigned depth)
{
    static const char *const others[] = { "x'1F'",
                                          "b'01'",
                                          "NULL",
                                          "U&'\\0041:a;'",
                                          "n'a;'",
                                          "(ARRAY['a','b','c'])[1:2]",
                                          "(ARRAY[1,2,3])[2]",
                                          "@5",
                                          "4/-2",
                                          "2*-2",
                                          "1::text",
                                          "'a' ::text",
                                          "'{\"a\":1}'::jsonb ? 'a'",
                                          "'{\"a\":1}'::jsonb->>'a'",
                                          "'{1}'::int[]@>'{1}'",
                                          "(SELECT e FROM (VALUES(1)) e(e))" };
    static const char *const operators[] = { "+", "*", "/", "<", "<>", ">=" };
    switch (pick(sample, depth > 3 ? 2 : 5)) {
    case 0:
        SAY_ONE_OF(sample, others);
        break;
    case 1:
        say_dollar_quoted(sample);
        break;
    case 2:
        say_number(sample);
        say_glue(sample);
        SAY_ONE_OF(sample, operators);
        say_glue(sample);
        say_number(sample);
        break;
    case 3:
        say_value(sample, depth + 1);
        say(sample, "::text");
        break;
    default:
        say_string(sample);
        say_glue(sample);
        say(sample, "||");
        say_glue(sample);
        say(sample, "(");
        say_placeholder(sample);
        say(sample, "::text)");
    }
}

static void say_value(struct sample *sample, unsigned depth)
{
    switch (pick(sample, depth > 3 ? 4 : 6)) {
    case 0:
        say_number(sample);
        break;
    case 1:
        say_string(sample);
        break;
    case 2:
    case 3:
        say_placeholder(sample);
        break;
    case 4:
        say(sample, "(");
        say_glue(sample);
        say_value(sample, depth + 1);
        say_glue(sample);
        say(sample, ")");
        break;
    default:
        say(sample, "(");
        (sample->postgres ? say_value_of_postgres : say_value_of_sqlite)(sample, depth);
        say(sample, ")");
    }
}

static void say_alias(struct sample *sample)
{
    static const char *const names[] = { "a1", "é", "_x", "a$b$", "b$", "e", "trigger" };
    say_gap(sample);
    say(sample, "AS");
    say_gap(sample);
    size_t kind = pick(sample, 4);
    if (kind == 0) {
        SAY_ONE_OF(sample, names);
    } else if (kind == 1 && sample->postgres) {
        say(sample, "U&\"d\\0061ta;:a\"");
    } else if (kind == 1) {
        say(sample, "[a");
        say_inner(sample, "]", "");
        say(sample, "]");
    } else {
        say_quoted(sample, "", kind == 2 && !sample->postgres ? "`" : "\"");
    }
}

/* A semicolon after the statement that was just written. */
static void say_end(struct sample *sample)
{
    say_glue(sample);
    say(sample, ";");
    sample->count++;
}

/* What looks to one of the dialects as if it went on, or ended early. */
static void say_definition(struct sample *sample)
{
    static const char *const of_sqlite[] = {
        "CREATE TABLE trigger (a e'\\', \"begin\" text)",
        "CREATE VIEW \"v\" AS SELECT 1 AS trigger",
        "create temp table trigger (a)",
        "CREATE TRIGGER t1 AFTER INSERT ON u BEGIN SELECT 1; SELECT 'end;' AS \"end\"; END",
        "create /* ; */ temp\ntrigger t1 after insert on u begin select case when 1 then 2 end; end",
        "CREATE TEMPORARY TRIGGER t1 AFTER INSERT ON u BEGIN DELETE FROM u;-- end\n/* */END",
    };
    static const char *const of_postgres[] = {
        "CREATE TRIGGER t1 AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION f()",
        "create constraint trigger t1 AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION f('begin')",
    };
    if (!sample->postgres) {
        SAY_ONE_OF(sample, of_sqlite);
        return;
    }
    say(sample, "DROP TRIGGER IF EXISTS t1 ON u");
    say_end(sample);
    SAY_ONE_OF(sample, of_postgres);
}

static void say_statement(struct sample *sample)
{
    say_glue(sample);
    while (pick(sample, 8) == 0) say(sample, "; ");
    if (pick(sample, 5) == 0) {
        say_definition(sample);
    } else {
        int columns = 1 + (int)pick(sample, 4);
        say(sample, "SELECT ");
        for (int i = 0; i < columns; i++) {
            if (i > 0) say(sample, ",");
            say_glue(sample);
            say_value(sample, 0);
            if (pick(sample, 3) == 0) say_alias(sample);
            say_glue(sample);
        }
        sample->wanted[sample->count].columns = columns;
    }
    say_end(sample);
}

/* Behind their ends. */
static void terminate(struct sample *sample)
{
    varve_buf_add(&sample->text, "", 1);
    varve_buf_add(&sample->plain, "", 1);
    assert_false(sample->text.failed || sample->plain.failed);
    sample->text.len--;
    sample->plain.len--;
}

static void say_all(struct sample *sample, uint64_t seed, bool postgres)
{
    static const enum sqlfile_kind kinds[] = { SQLFILE_STATEMENT, SQLFILE_PROJECTION };
    *sample = (struct sample){ .seed = seed, .random = seed * 0x9e3779b97f4a7c15u | 1, .postgres = postgres };
    for (unsigned i = 0; i < 8; i++) pick(sample, 2); /* neighbouring seeds go apart */
    sample->kind = kinds[pick(sample, 2)];
    for (size_t left = 1 + pick(sample, STATEMENTS_MAX / 2); left > 0; left--) say_statement(sample);
    say_glue(sample);
    terminate(sample);
}

static void forget(struct sample *sample)
{
    varve_buf_fini(&sample->text);
    varve_buf_fini(&sample->plain);
}

/* ---- reading ---- */

struct found {
    struct sqlfile *file;
    struct sqlfile_statement statements[256];
    size_t ends[256]; /* the byte behind each */
    size_t count;
    varve_status status; /* VARVE_DONE, or why not */
    varve_error error;
};

static void fail_at(const struct sample *sample, const char *what, const char *why)
{
    fail_msg("%s: %s\n(seed %" PRIu64 ", %s)\n%.*s", what, why, sample->seed, sample->postgres ? "postgres" : "sqlite",
             (int)sample->text.len, sample->text.ptr);
}

static void take_apart(struct sample *sample, struct found *found)
{
    struct sqltext text;
    varve_str directive = { 0 };
    memset(found, 0, sizeof *found);
    found->file = calloc(1, sizeof *found->file);
    assert_non_null(found->file);
    found->file->file = "f.sql";
    sqltext_start(&text, found->file, sample->kind, sample->postgres ? "postgres" : "sqlite",
                  varve_buf_view(&sample->text));
    do {
        assert_true(found->count < 256);
        found->status = sqltext_next(&text, &found->statements[found->count], &directive, &found->error);
        if (directive.len > 0) fail_at(sample, "a directive", "there is none");
        found->ends[found->count] = (size_t)(text.at - text.start);
    } while (found->status == VARVE_OK && ++found->count > 0);
    sqltext_fini(&text);
}

/* How the author wrote the placeholder. */
static void name_of(const struct sqlfile *file, const struct sqlfile_placeholder *place, char name[80])
{
    static const char *const sources[] = { [SQLFILE_STREAM] = "stream",
                                           [SQLFILE_VERSION] = "version",
                                           [SQLFILE_ID] = "id",
                                           [SQLFILE_DATA] = "data",
                                           [SQLFILE_METADATA] = "metadata" };
    if (place->source == SQLFILE_PARAM) {
        const struct sqlfile_param *param = file->params;
        for (size_t i = 0; i < place->param; i++) param = param->next;
        snprintf(name, 80, "%.*s", (int)param->name.len, param->name.ptr);
    } else {
        const char *dot = place->path.len > 0 && *place->path.ptr != '[' ? "." : "";
        snprintf(name, 80, "%s%s%.*s", sources[place->source], dot, (int)place->path.len,
                 place->path.len == 0 ? "" : place->path.ptr);
    }
}

static void check_found(const struct sample *sample, const struct found *found)
{
    if (found->status != VARVE_DONE) fail_at(sample, "refused", found->error.message);
    for (size_t i = 0; i < found->count && i < sample->count; i++) {
        const struct wanted *wanted = &sample->wanted[i];
        const struct sqlfile_placeholder *place = found->statements[i].placeholders;
        if (found->statements[i].placeholder_count != wanted->name_count)
            fail_at(sample, "other placeholders", found->statements[i].text.ptr);
        for (size_t j = 0; j < wanted->name_count; j++, place = place->next) {
            char name[80];
            name_of(found->file, place, name);
            if (strcmp(name, wanted->names[j]) != 0) fail_at(sample, "another placeholder", name);
        }
    }
    if (found->count != sample->count) fail_at(sample, "statements", "more or fewer");
}

/* ---- SQLite ---- */

static int set_up_sqlite(void **state)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE u (a)", NULL, NULL, NULL), SQLITE_OK);
    *state = db;
    return 0;
}

static int tear_down_sqlite(void **state)
{
    return sqlite3_close(*state);
}

/*
 * The named parameters that begin with a colon are those of the statement, as they were written or as they are sent.
 * Each gets its own name as its value.
 */
static void check_names(const struct sample *sample, sqlite3_stmt *stmt, const struct wanted *wanted, bool sent)
{
    size_t at = 0;
    for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
        const char *name = sqlite3_bind_parameter_name(stmt, i);
        char number[24];
        if (name == NULL || *name != ':') continue;
        snprintf(number, sizeof number, "p%zu", at + 1);
        if (at == wanted->name_count || strcmp(name + 1, sent ? number : wanted->names[at]) != 0)
            fail_at(sample, "SQLite sees another parameter", name);
        sqlite3_bind_text(stmt, i, wanted->names[at], -1, SQLITE_STATIC);
        at++;
    }
    if (at != wanted->name_count) fail_at(sample, "SQLite sees fewer parameters", sqlite3_sql(stmt));
}

static void check_same_row(const struct sample *sample, sqlite3_stmt *one, sqlite3_stmt *other)
{
    if (sqlite3_column_count(one) == 0) return;
    if (sqlite3_step(one) != SQLITE_ROW || sqlite3_step(other) != SQLITE_ROW)
        fail_at(sample, "no row", sqlite3_errmsg(sqlite3_db_handle(one)));
    for (int i = 0; i < sqlite3_column_count(one); i++) {
        const char *text = (const char *)sqlite3_column_text(one, i);
        const char *same = (const char *)sqlite3_column_text(other, i);
        if ((text == NULL) != (same == NULL) || (text != NULL && strcmp(text, same) != 0))
            fail_at(sample, "another value", same == NULL ? "NULL" : same);
    }
}

static sqlite3_stmt *prepare(const struct sample *sample, sqlite3 *db, const char *sql, const char **tail)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, tail) != SQLITE_OK) fail_at(sample, sqlite3_errmsg(db), sql);
    return stmt;
}

static void agrees_with_sqlite(void **state)
{
    static struct sample sample;
    static struct found found;
    uint64_t count = 0;
    for (uint64_t i = 0; i < texts; i++) {
        say_all(&sample, first_seed + i, false);
        take_apart(&sample, &found);
        check_found(&sample, &found);
        const char *at = sample.text.ptr, *end = at + sample.text.len;
        for (size_t j = 0; j < found.count; j++, count++) {
            const struct wanted *wanted = &sample.wanted[j];
            sqlite3_stmt *sent = prepare(&sample, *state, found.statements[j].text.ptr, NULL), *written = NULL;
            assert_int_equal(sqlite3_column_count(sent), wanted->columns);
            check_names(&sample, sent, wanted, true);
            if (sample.kind == SQLFILE_STATEMENT) { /* which SQLite can read too */
                while (written == NULL && at < end) written = prepare(&sample, *state, at, &at);
                if ((size_t)(at - sample.text.ptr) != found.ends[j])
                    fail_at(&sample, "SQLite ends elsewhere, before", at);
                check_names(&sample, written, wanted, false);
                check_same_row(&sample, written, sent);
            }
            sqlite3_finalize(sent);
            sqlite3_finalize(written);
        }
        sqlfile_free(found.file);
        forget(&sample);
    }
    printf("sqlite: texts=%" PRIu64 " statements=%" PRIu64 " seed=%" PRIu64 "\n", texts, count, first_seed);
}

/* Anything, for SQLite's own judgement of where statements end. */
static void say_soup(struct sample *sample, uint64_t seed)
{
    static const char *const words[] = { "a",
                                         "E",
                                         "end",
                                         "END",
                                         "case",
                                         "begin",
                                         "create",
                                         "CREATE TEMP TRIGGER x",
                                         "/*",
                                         "*/",
                                         "*",
                                         "/",
                                         "-",
                                         "trigger",
                                         "create temporary trigger",
                                         ":a",
                                         "::",
                                         "?",
                                         "@x",
                                         "1",
                                         "$a$",
                                         "$$",
                                         "\\",
                                         ";",
                                         ";",
                                         ";",
                                         ";end;",
                                         "(",
                                         ")",
                                         ",",
                                         "CREATE TRIGGER y",
                                         "[a",
                                         "]",
                                         "temp",
                                         "#",
                                         "é",
                                         "e'\\'",
                                         "view",
                                         ":" };
    *sample = (struct sample){ .seed = seed, .random = seed * 0xd1342543de82ef95u | 1, .kind = SQLFILE_STATEMENT };
    for (size_t left = 1 + pick(sample, 30); left > 0; left--) {
        switch (pick(sample, 12)) {
        case 0:
            say_quoted(sample, "", quotes[pick(sample, 3)]);
            break;
        case 1:
            say_glue(sample);
            break;
        case 2:
            if (pick(sample, 20) == 0) say(sample, quotes[pick(sample, 3)]); /* goes on to who knows where */
            break;
        default:
            SAY_ONE_OF(sample, words);
            if (pick(sample, 2)) say(sample, " ");
        }
    }
    terminate(sample);
}

/* Nothing but blanks, comments and the semicolon. */
static bool is_empty(sqlite3 *db, const char *from, const char *end)
{
    sqlite3_stmt *stmt = NULL;
    bool empty = sqlite3_prepare_v2(db, from, (int)(end - from), &stmt, NULL) == SQLITE_OK && stmt == NULL;
    sqlite3_finalize(stmt);
    return empty;
}

/* Is it complete with this behind it? A trigger wants an END, which is something like a name elsewhere. */
static bool completes(const struct sample *sample, size_t len, const char *and)
{
    varve_buf text = { 0 };
    varve_buf_add(&text, sample->text.ptr, len);
    varve_buf_str(&text, varve_str_of(and));
    varve_buf_add(&text, "", 1);
    assert_false(text.failed);
    bool complete = sqlite3_complete(text.ptr) != 0;
    varve_buf_fini(&text);
    return complete;
}

static void check_ends(struct sample *sample, struct found *found, sqlite3 *db, uint64_t *counts)
{
    size_t next = 0, from = 0, len = found->status == VARVE_DONE ? sample->text.len : found->ends[found->count];
    for (size_t i = 0; i < len; i++) {
        if (sample->text.ptr[i] != ';' || !completes(sample, i + 1, "")) continue;
        if (next < found->count && found->ends[next] == i + 1) {
            next++;
            from = i + 1;
        } else if (!is_empty(db, sample->text.ptr + from, sample->text.ptr + i + 1)) {
            fail_at(sample, "SQLite ends a statement before", sample->text.ptr + i + 1);
        }
    }
    /* The last one may end with the text. */
    if (next < found->count && found->ends[next] == sample->text.len && next + 1 == found->count) next++;
    if (next < found->count) fail_at(sample, "SQLite does not end it here", found->statements[next].text.ptr);
    counts[0] += next;
    if (found->status == VARVE_DONE) {
        if (!completes(sample, sample->text.len, "\n;END\n;")) fail_at(sample, "not closed", "for SQLite");
    } else if (strstr(found->error.message, "is not closed") != NULL) {
        counts[1]++;
        if (completes(sample, sample->text.len, "\n;END\n;"))
            fail_at(sample, "closed for SQLite", found->error.message);
    } else if (strstr(found->error.message, "runs into") == NULL) { /* :a$, which SQLite takes and varve does not */
        fail_at(sample, "refused", found->error.message);
    }
}

static void ends_where_sqlite_does(void **state)
{
    static struct sample sample;
    static struct found found;
    uint64_t counts[2] = { 0 };
    for (uint64_t i = 0; i < 10 * texts; i++) {
        say_soup(&sample, first_seed + i);
        take_apart(&sample, &found);
        check_ends(&sample, &found, *state, counts);
        sqlfile_free(found.file);
        forget(&sample);
    }
    printf("sqlite: soups=%" PRIu64 " statements=%" PRIu64 " unclosed=%" PRIu64 " seed=%" PRIu64 "\n", 10 * texts,
           counts[0], counts[1], first_seed);
    assert_in_range(counts[0], texts, UINT64_MAX);
    assert_in_range(counts[1], texts / 10, 9 * texts);
}

#ifdef VARVE_WITH_POSTGRES
/* ---- PostgreSQL ---- */

struct server {
    struct postgres postgres;
    PGconn *connection;
};

static int set_up_postgres(void **state)
{
    static struct server server;
    postgres_init(&server.postgres);
    postgres_exec(&server.postgres, "CREATE TABLE u (a text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                                    " $$ BEGIN RETURN NULL; END $$");
    server.connection = PQconnectdb(postgres_uri(&server.postgres, NULL));
    assert_int_equal(PQstatus(server.connection), CONNECTION_OK);
    PQclear(PQexec(server.connection, "SET client_min_messages = error"));
    *state = &server;
    return 0;
}

static int tear_down_postgres(void **state)
{
    struct server *server = *state;
    PQfinish(server->connection);
    postgres_fini(&server->postgres);
    return 0;
}

static bool is_good(const PGresult *result)
{
    return PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK;
}

static void check_same_result(const struct sample *sample, const PGresult *one, const PGresult *other)
{
    assert_int_equal(PQntuples(one), PQntuples(other));
    for (int i = 0; i < PQnfields(one) && PQntuples(one) > 0; i++) {
        if (strcmp(PQfname(one, i), PQfname(other, i)) != 0) fail_at(sample, "another name", PQfname(other, i));
        if (PQgetisnull(one, 0, i) != PQgetisnull(other, 0, i) ||
            strcmp(PQgetvalue(one, 0, i), PQgetvalue(other, 0, i)) != 0)
            fail_at(sample, "another value", PQgetvalue(other, 0, i));
    }
}

/* What varve sends: the server finds the parameters and columns that were written, and the same values in them. */
static void check_sent(const struct sample *sample, PGconn *connection, const struct wanted *wanted,
                       const struct sqlfile_statement *statement, const PGresult *plain)
{
    static const char *const nulls[NAMES_MAX];
    struct postgres_text text = { 0 };
    varve_error error = { 0 };
    if (postgres_text_read(&text, statement->text, SQL_OURS, NULL, 0, &error) < 0)
        fail_at(sample, error.message, statement->text.ptr);
    PGresult *prepared = PQprepare(connection, "", text.sql.ptr, 0, NULL);
    if (!is_good(prepared)) fail_at(sample, PQresultErrorMessage(prepared), text.sql.ptr);
    PGresult *described = PQdescribePrepared(connection, "");
    if (PQnparams(described) != (int)wanted->name_count) fail_at(sample, "other parameters", text.sql.ptr);
    if (PQnfields(described) != wanted->columns) fail_at(sample, "other columns", text.sql.ptr);
    PGresult *result = PQexecPrepared(connection, "", (int)wanted->name_count, nulls, NULL, NULL, 0);
    if (!is_good(result)) fail_at(sample, PQresultErrorMessage(result), text.sql.ptr);
    check_same_result(sample, plain, result);
    PQclear(prepared);
    PQclear(described);
    PQclear(result);
    postgres_text_fini(&text);
}

/* The whole text at once, as many results as the server sees statements; returns their number. */
static size_t run_plain(struct sample *sample, PGconn *connection, PGresult *results[STATEMENTS_MAX])
{
    size_t count = 0;
    assert_int_equal(PQsendQuery(connection, sample->plain.ptr), 1);
    for (PGresult *result; (result = PQgetResult(connection)) != NULL;) {
        if (!is_good(result)) fail_at(sample, PQresultErrorMessage(result), sample->plain.ptr);
        assert_true(count < STATEMENTS_MAX);
        results[count++] = result;
    }
    return count;
}

static void agrees_with_postgres(void **state)
{
    static struct sample sample;
    static struct found found;
    struct server *server = *state;
    uint64_t count = 0;
    for (uint64_t i = 0; i < texts; i++) {
        PGresult *results[STATEMENTS_MAX];
        say_all(&sample, first_seed + i, true);
        size_t seen = run_plain(&sample, server->connection, results);
        assert_int_equal(seen, sample.count); /* else the sample says something else than it should */
        take_apart(&sample, &found);
        check_found(&sample, &found);
        for (size_t j = 0; j < seen; j++, count++) {
            check_sent(&sample, server->connection, &sample.wanted[j], &found.statements[j], results[j]);
            PQclear(results[j]);
        }
        sqlfile_free(found.file);
        forget(&sample);
    }
    printf("postgres: texts=%" PRIu64 " statements=%" PRIu64 " seed=%" PRIu64 "\n", texts, count, first_seed);
}
#endif

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(agrees_with_sqlite, set_up_sqlite, tear_down_sqlite),
        cmocka_unit_test_setup_teardown(ends_where_sqlite_does, set_up_sqlite, tear_down_sqlite),
#ifdef VARVE_WITH_POSTGRES
        cmocka_unit_test_setup_teardown(agrees_with_postgres, set_up_postgres, tear_down_postgres),
#endif
    };
    first_seed = (uint64_t)getpid();
    if (argc > 1) texts = strtoull(argv[1], NULL, 10);
    if (argc > 2) first_seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
