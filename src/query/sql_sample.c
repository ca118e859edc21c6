/* SPDX-License-Identifier: Apache-2.0 */
#include "query/sql_sample.h"

#include <string.h>

#include "base/assert.h"

const char *const sql_sample_names[] = { "a", "b1", "é", "_x", "data", "e", "end", NULL };

/* xorshift64 (Marsaglia, 2003) */
static size_t pick(struct sql_sample *sample, size_t below)
{
    sample->random ^= sample->random << 13;
    sample->random ^= sample->random >> 7;
    sample->random ^= sample->random << 17;
    return (size_t)(sample->random % below);
}

static void say(struct sql_sample *sample, const char *words)
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
static void say_inner(struct sql_sample *sample, const char *but, const char *ends)
{
    for (size_t left = pick(sample, 5); left > 0; left--) {
        const char *next =
            pick(sample, 4) == 0 ? quotes[pick(sample, 4)] : inner[pick(sample, sizeof inner / sizeof *inner)];
        if (strpbrk(next, but) != NULL) continue;
        say(sample, next);
        if (strcmp(next, ends) == 0) say(sample, next);
    }
}

static void say_quoted(struct sql_sample *sample, const char *before, const char *quote)
{
    say(sample, before);
    say(sample, quote);
    say(sample, "a"); /* an empty name is none */
    say_inner(sample, "\1", quote);
    say(sample, quote);
}

static void say_comment(struct sql_sample *sample, unsigned depth)
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

static void say_line_comment(struct sql_sample *sample)
{
    say(sample, "--");
    if (pick(sample, 2)) say(sample, "x"); /* and no @, which would make a directive of it */
    say_inner(sample, "\r\n@", "");
    say(sample, sample->postgres && pick(sample, 4) == 0 ? "\r" : "\n");
}

/* Blanks and comments, perhaps none. */
static void say_glue(struct sql_sample *sample)
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

static void say_gap(struct sql_sample *sample)
{
    say(sample, " ");
    say_glue(sample);
}

static void say_placeholder(struct sql_sample *sample)
{
    static const char *const given[] = { "stream", "version", "data",      "data.a.b", "data.items[0].sku",
                                         "id",     "data[1]", "metadata.é" };
    bool is_own = sample->kind != SQLFILE_PROJECTION;
    size_t own = sizeof sql_sample_names / sizeof *sql_sample_names - 1;
    const char *name = is_own ? sql_sample_names[pick(sample, own)] : given[pick(sample, sizeof given / sizeof *given)];
    struct sql_wanted *wanted = &sample->wanted[sample->count];
    size_t at = 0;
    while (at < wanted->name_count && wanted->names[at] != name) at++;
    ASSERT(at < SQL_SAMPLE_NAMES_MAX);
    if (at == wanted->name_count) wanted->names[wanted->name_count++] = name;
    varve_buf_printf(&sample->text, ":%s", name);
    varve_buf_str(&sample->plain, VARVE_STR("(NULL)"));
}

static void say_dollar_quoted(struct sql_sample *sample)
{
    static const char *const tags[] = { "$$", "$a$", "$_é1$" };
    const char *tag = tags[pick(sample, 3)];
    say(sample, tag);
    say_inner(sample, tag == tags[2] ? "\1" : "$", "");
    say(sample, tag);
}

/* 'a' and, behind a line break, more of it; in E'' the backslashes go on. */
static void say_string(struct sql_sample *sample)
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

static void say_number(struct sql_sample *sample)
{
    static const char *const numbers[] = { "1", "2.5", "1e3", ".5", "10" };
    SAY_ONE_OF(sample, numbers);
}

static void say_value(struct sql_sample *sample, unsigned depth);

static void say_value_of_sqlite(struct sql_sample *sample, unsigned depth)
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

static void say_value_of_postgres(struct sql_sample *sample, unsigned depth)
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

static void say_value(struct sql_sample *sample, unsigned depth)
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

static void say_alias(struct sql_sample *sample)
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
static void say_end(struct sql_sample *sample)
{
    say_glue(sample);
    say(sample, ";");
    sample->count++;
}

/* What looks to one of the dialects as if it went on, or ended early. */
static void say_definition(struct sql_sample *sample)
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

static void say_statement(struct sql_sample *sample)
{
    say_glue(sample);
    while (pick(sample, 8) == 0) say(sample, "; ");
    if (pick(sample, 5) == 0) {
        say_definition(sample);
    } else {
        int columns = 1 + (int)pick(sample, 4);
        say(sample, "SELECT");
        for (int i = 0; i < columns; i++) {
            bool runs_on = i == 0 && pick(sample, 4) == 0;
            say(sample, i > 0 ? "," : runs_on ? "" : " ");
            if (!runs_on) say_glue(sample);
            if (runs_on) {
                say_placeholder(sample);
            } else {
                say_value(sample, 0);
            }
            if (pick(sample, 3) == 0) say_alias(sample);
            say_glue(sample);
        }
        sample->wanted[sample->count].columns = columns;
    }
    say_end(sample);
}

/* Behind their ends. */
static void terminate(struct sql_sample *sample)
{
    varve_buf_add(&sample->text, "", 1);
    varve_buf_add(&sample->plain, "", 1);
    ASSERT(!sample->text.failed && !sample->plain.failed);
    sample->text.len--;
    sample->plain.len--;
}

void sql_sample_statements(struct sql_sample *sample, uint64_t seed, bool postgres)
{
    static const enum sqlfile_kind kinds[] = { SQLFILE_STATEMENT, SQLFILE_PROJECTION, SQLFILE_QUERY };
    *sample = (struct sql_sample){ .seed = seed, .random = seed * 0x9e3779b97f4a7c15u | 1, .postgres = postgres };
    for (unsigned i = 0; i < 8; i++) pick(sample, 2); /* neighbouring seeds go apart */
    sample->kind = kinds[pick(sample, 3)];
    for (size_t left = 1 + pick(sample, SQL_SAMPLE_STATEMENTS_MAX / 2); left > 0; left--) say_statement(sample);
    say_glue(sample);
    terminate(sample);
}

/* Anything, for SQLite's own judgement of where statements end. */
void sql_sample_soup(struct sql_sample *sample, uint64_t seed)
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
                                         "#1",
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
    *sample = (struct sql_sample){ .seed = seed, .random = seed * 0xd1342543de82ef95u | 1, .kind = SQLFILE_STATEMENT };
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

void sql_sample_fini(struct sql_sample *sample)
{
    varve_buf_fini(&sample->text);
    varve_buf_fini(&sample->plain);
}
