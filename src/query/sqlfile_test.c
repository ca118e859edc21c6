/* SPDX-License-Identifier: Apache-2.0 */
/* SQL files: what is read out of them, and what is refused at which line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "query/sqlfile.h"

static struct sqlfile *parse_for(enum sqlfile_kind kind, const char *text, const char *dialect)
{
    varve_error error = { 0 };
    struct sqlfile *file = NULL;
    if (sqlfile_parse(&file, kind, "f.sql", varve_str_of(text), dialect, &error) < 0) {
        fail_msg("%s", error.message);
    }
    return file;
}

static struct sqlfile *parse_projection(const char *text)
{
    return parse_for(SQLFILE_PROJECTION, text, "sqlite");
}

#define HEAD "-- @projection p\n-- @version 3\n-- @create\nCREATE TABLE t (a);\n"

/* The text of the n-th statement of the n-th handler. */
static const struct sqlfile_statement *statement(const struct sqlfile *file, size_t handler, size_t at)
{
    const struct sqlfile_section *on = file->handlers;
    for (; handler > 0; handler--) {
        on = on->next;
    }
    const struct sqlfile_statement *found = on->statements;
    for (; at > 0 && found != NULL; at--) {
        found = found->next;
    }
    return found;
}

static void assert_text(const struct sqlfile_statement *found, const char *text)
{
    assert_non_null(found);
    assert_string_equal(found->text.ptr, text);
    assert_int_equal(found->text.len, strlen(text));
}

static void a_projection_is_read_with_its_lines(void **state)
{
    (void)state;
    struct sqlfile *file = parse_projection("-- a remark\n"
                                            "-- @projection order_summary\n"
                                            "-- @version 12\n"
                                            "-- @mode async\n"
                                            "-- @create\n"
                                            "CREATE TABLE a (x);\n"
                                            "\n"
                                            "CREATE TABLE b (x);\n"
                                            "  -- @on Placed\n"
                                            "INSERT INTO a\n"
                                            "  VALUES (:stream);\n"
                                            "-- @on Shipped ,  Cancelled\r\n"
                                            "DELETE FROM a; DELETE FROM b\n");
    assert_true(varve_str_is(file->name, "order_summary"));
    assert_int_equal(file->version, 12);
    assert_text(file->create->statements, "CREATE TABLE a (x)");
    assert_int_equal(file->create->statements->next->line, 8);
    assert_int_equal(file->handlers->type_count, 1);
    assert_text(statement(file, 0, 0), "INSERT INTO a\n  VALUES (:p1)");
    assert_int_equal(statement(file, 0, 0)->line, 10);
    assert_int_equal(file->handlers->next->type_count, 2);
    assert_true(varve_str_is(file->handlers->next->types[0], "Shipped"));
    assert_true(varve_str_is(file->handlers->next->types[1], "Cancelled"));
    assert_text(statement(file, 1, 1), "DELETE FROM b");
    assert_int_equal(statement(file, 1, 1)->line, 13);
    assert_null(statement(file, 1, 2));
    sqlfile_free(file);
}

static void placeholders_are_numbered_by_first_use(void **state)
{
    (void)state;
    struct sqlfile *file =
        parse_projection(HEAD "-- @on E\nINSERT INTO t VALUES (:data.a.b, :stream, :data.items[0].sku,"
                              " :data.a.b, :data, :metadata.actor, :data.x.:stream, :version);");
    static const struct {
        enum sqlfile_source source;
        const char *path;
    } expected[] = {
        { SQLFILE_DATA, "a.b" },       { SQLFILE_STREAM, "" }, { SQLFILE_DATA, "items[0].sku" }, { SQLFILE_DATA, "" },
        { SQLFILE_METADATA, "actor" }, { SQLFILE_DATA, "x" },  { SQLFILE_VERSION, "" },
    };
    const struct sqlfile_statement *found = statement(file, 0, 0);
    assert_text(found, "INSERT INTO t VALUES (:p1, :p2, :p3, :p1, :p4, :p5, :p6.:p2, :p7)");
    assert_int_equal(found->placeholder_count, sizeof expected / sizeof *expected);
    const struct sqlfile_placeholder *place = found->placeholders;
    for (size_t i = 0; i < found->placeholder_count; i++, place = place->next) {
        assert_int_equal(place->source, expected[i].source);
        assert_true(varve_str_is(place->path, expected[i].path));
    }
    sqlfile_free(file);
}

struct reading {
    const char *written, *read;
};

/* As the first of two statements. */
static void assert_read(const char *dialect, const struct reading *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[512];
        snprintf(text, sizeof text, HEAD "-- @on E\n%s;\nSELECT 'next';", cases[i].written);
        struct sqlfile *file = parse_for(SQLFILE_PROJECTION, text, dialect);
        assert_text(statement(file, 0, 0), cases[i].read);
        assert_text(statement(file, 0, 1), "SELECT 'next'");
        sqlfile_free(file);
    }
}

/* What stands in quotes is left alone, casts too; comments go, their line breaks stay. */
static void text_that_is_no_placeholder_is_left_alone(void **state)
{
    (void)state;
    static const struct reading cases[] = {
        { "SELECT ':nobody', 'it''s :nobody'", "SELECT ':nobody', 'it''s :nobody'" },
        { "SELECT \":nobody\"\":nobody\"", "SELECT \":nobody\"\":nobody\"" },
        { "SELECT type'\\', :id", "SELECT type'\\', :p1" },
        { "SELECT a$b$c, :id, d$b$", "SELECT a$b$c, :p1, d$b$" },
        { "SELECT :data.amount::numeric, 'x'::text", "SELECT :p1::numeric, 'x'::text" },
        { "SELECT a := 1", "SELECT a := 1" },
        { "SELECT 1 /* \n */ + 2", "SELECT 1 \n  + 2" },
        { "SELECT 1 -- :nobody; it's\n + 2", "SELECT 1 \n + 2" },
        { "SELECT 1 -- @on X\n + 2", "SELECT 1 \n + 2" },
        { "SELECT '\n-- @on X\n'", "SELECT '\n-- @on X\n'" },
        { "SELECT /*\n-- @on X\n*/ 2", "SELECT \n\n  2" },
        { ";\f; SELECT\f1 ", "SELECT\f1" },
        { "CREATE TABLE trigger (a)", "CREATE TABLE trigger (a)" },
    };
    assert_read("sqlite", cases, sizeof cases / sizeof *cases);
    assert_read("postgres", cases, sizeof cases / sizeof *cases);
}

static void sqlite_is_read_as_sqlite_reads_it(void **state)
{
    (void)state;
    static const struct reading cases[] = {
        { "SELECT `:nobody``;`", "SELECT `:nobody``;`" },
        { "SELECT [it's; :nobody [ ], :id", "SELECT [it's; :nobody [ ], :p1" },
        { "CREATE TABLE t (a e'\\', b)", "CREATE TABLE t (a e'\\', b)" },
        { "SELECT :data[1], :data.a", "SELECT :p1, :p2" },
        { "SELECT 1 /* :nobody /* ; */ + 2", "SELECT 1   + 2" },
        { "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM a; DELETE FROM b; END",
          "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM a; DELETE FROM b; END" },
        { "create temp trigger x begin select case when 1 then 2 end; end",
          "create temp trigger x begin select case when 1 then 2 end; end" },
    };
    assert_read("sqlite", cases, sizeof cases / sizeof *cases);
}

static void postgres_is_read_as_postgres_reads_it(void **state)
{
    (void)state;
    static const struct reading cases[] = {
        { "SELECT E'\\':nobody', :id", "SELECT E'\\':nobody', :p1" },
        { "SELECT e'\\\\', :id", "SELECT e'\\\\', :p1" },
        { "SELECT E'a' -- x\n'\\':nobody;', :id", "SELECT E'a' \n'\\':nobody;', :p1" },
        { "SELECT E'a', '\\', :id", "SELECT E'a', '\\', :p1" },
        { "SELECT $$:nobody; '$$, :id", "SELECT $$:nobody; '$$, :p1" },
        { "SELECT $a$:nobody $b$ $a$, :id", "SELECT $a$:nobody $b$ $a$, :p1" },
        { "SELECT 1$a$;$a$", "SELECT 1$a$;$a$" },
        { "SELECT a`:id", "SELECT a`:p1" },
        { "SELECT :data[1], :data.a[b]", "SELECT :p1, :p2[b]" },
        { "SELECT 1 /* :nobody /* ; */ :nobody */ + 2", "SELECT 1   + 2" },
        { "SELECT 1 -- it's\r + :id", "SELECT 1 \r + :p1" },
        { "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()",
          "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()" },
    };
    assert_read("postgres", cases, sizeof cases / sizeof *cases);
}

/* Whichever dialect the file is read for. */
static void a_block_is_read_by_the_rules_of_its_dialect(void **state)
{
    (void)state;
    static const char text[] = HEAD "-- @on E\n-- @postgres\nSELECT E'\\'', $$'$$, 1 /* /* */ ' */;\n"
                                    "-- @sqlite\nSELECT [it's] /* /* */;\n-- @on F\nSELECT 3;";
    struct sqlfile *file = parse_projection(text);
    assert_text(statement(file, 0, 0), "SELECT [it's]");
    assert_text(statement(file, 1, 0), "SELECT 3");
    sqlfile_free(file);
    file = parse_for(SQLFILE_PROJECTION, text, "postgres");
    assert_text(statement(file, 0, 0), "SELECT E'\\'', $$'$$, 1");
    assert_text(statement(file, 1, 0), "SELECT 3");
    sqlfile_free(file);
}

static void a_block_is_for_one_dialect_up_to_the_next_directive(void **state)
{
    (void)state;
    static const char text[] =
        HEAD "-- @on E\nSELECT 0;\n-- @sqlite\nSELECT 1;\n-- @postgres\nSELECT 2\n-- @on F\nSELECT 3;";
    struct sqlfile *file = parse_projection(text);
    assert_text(statement(file, 0, 0), "SELECT 0");
    assert_text(statement(file, 0, 1), "SELECT 1");
    assert_null(statement(file, 0, 2));
    assert_text(statement(file, 1, 0), "SELECT 3");
    sqlfile_free(file);
    file = parse_for(SQLFILE_PROJECTION, text, "postgres");
    assert_text(statement(file, 0, 1), "SELECT 2");
    assert_int_equal(statement(file, 0, 1)->line, 10);
    sqlfile_free(file);
}

static void a_query_is_read(void **state)
{
    (void)state;
    struct sqlfile *file = parse_for(SQLFILE_QUERY,
                                     "-- @query q\n-- @reads a, b\n-- @param one text\n-- @param two integer\n"
                                     "-- @param three number\n-- @param four boolean\n"
                                     "SELECT :two, :one, :two FROM a.t;\n",
                                     "sqlite");
    assert_true(varve_str_is(file->name, "q"));
    assert_int_equal(file->read_count, 2);
    assert_true(varve_str_is(file->reads[1], "b"));
    assert_int_equal(file->param_count, 4);
    assert_int_equal(file->params->next->next->next->type, SQLFILE_BOOLEAN);
    const struct sqlfile_statement *found = file->question->statements;
    assert_text(found, "SELECT :p1, :p2, :p1 FROM a.t");
    assert_int_equal(found->line, 7);
    assert_int_equal(found->placeholders->param, 1);
    assert_int_equal(found->placeholders->next->param, 0);
    sqlfile_free(file);
}

/* Code finds a parameter by its place among them. */
static void a_statement_has_the_parameters_of_its_own_dialect(void **state)
{
    (void)state;
    static const char text[] = "-- @postgres\nUPDATE t SET a = :b, c = :c WHERE id = :a\n"
                               "-- @sqlite\nUPDATE t SET a = :a WHERE id = :b";
    struct sqlfile *file = parse_for(SQLFILE_STATEMENT, text, "sqlite");
    assert_text(file->question->statements, "UPDATE t SET a = :p1 WHERE id = :p2");
    assert_int_equal(file->param_count, 2);
    assert_true(varve_str_is(file->params->name, "a"));
    assert_int_equal(file->question->statements->placeholders->param, 0);
    sqlfile_free(file);
    file = parse_for(SQLFILE_STATEMENT, text, "postgres");
    assert_int_equal(file->param_count, 3);
    assert_true(varve_str_is(file->params->name, "b"));
    sqlfile_free(file);
}

/* The cast that a parameter gets is a word, which the colon was not. */
static void a_cast_does_not_run_into_what_is_before_it(void **state)
{
    (void)state;
    struct sqlfile *file =
        parse_for(SQLFILE_QUERY, "-- @query q\n-- @reads a\n-- @param n integer\nSELECT 1 LIMIT:n OFFSET(:n)",
                  "postgres");
    assert_text(file->question->statements, "SELECT 1 LIMIT CAST(:p1 AS bigint) OFFSET(CAST(:p1 AS bigint))");
    sqlfile_free(file);
}

struct refusal {
    const char *text;
    varve_status status;
    int line;
    const char *says;
};

static void assert_refused(enum sqlfile_kind kind, const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        varve_error error = { 0 };
        char where[32];
        struct sqlfile *file = NULL;
        varve_status status = sqlfile_parse(&file, kind, "f.sql", varve_str_of(refusals[i].text), "sqlite", &error);
        snprintf(where, sizeof where, "f.sql:%d: ", refusals[i].line);
        if (status != refusals[i].status || error.detail != refusals[i].line || file != NULL ||
            strncmp(error.message, where, strlen(where)) != 0 || strstr(error.message, refusals[i].says) == NULL) {
            fail_msg("case %zu: %d, %s", i, status, error.message);
        }
    }
}

static void partitions_are_one_unless_said(void **state)
{
    (void)state;
    static const char head[] = "-- @projection p\n-- @version 1\n";
    static const char rest[] = "-- @create\nCREATE TABLE t (a TEXT);\n-- @on A\nSELECT 1;\n";
    static const struct {
        const char *said;
        uint32_t expected;
    } all[] = { { "", 1 }, { "-- @partitions 2\n", 2 }, { "--   @partitions   16  \n", 16 } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char text[256];
        struct sqlfile *file = NULL;
        snprintf(text, sizeof text, "%s%s%s", head, all[i].said, rest);
        assert_int_equal(sqlfile_parse(&file, SQLFILE_PROJECTION, "p.sql", varve_str_of(text), "sqlite", NULL),
                         VARVE_OK);
        assert_int_equal(file->partitions, all[i].expected);
        sqlfile_free(file);
    }
}

static void a_bad_projection_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        { "", VARVE_INVALID, 1, "@projection" },
        { "SELECT 1;", VARVE_INVALID, 1, "SQL before" },
        { "\n-- @create\n", VARVE_INVALID, 2, "first directive" },
        { "-- @projection p\n-- @projection q\n", VARVE_INVALID, 2, "second" },
        { "-- @projection Big\n", VARVE_INVALID, 1, "snake_case" },
        { "-- @projection\n", VARVE_INVALID, 1, "snake_case" },
        { "-- @projection main\n", VARVE_INVALID, 1, "reserved" },
        { "-- @projection varve_x\n", VARVE_INVALID, 1, "reserved" },
        { "-- @projection p\n-- @version x\n", VARVE_INVALID, 2, "@version" },
        { "-- @projection p\n-- @version 0\n", VARVE_INVALID, 2, "@version" },
        { "-- @projection p\n-- @version 99999999999\n", VARVE_INVALID, 2, "@version" },
        { "-- @projection p\n-- @version 1\n-- @version 1\n", VARVE_INVALID, 3, "once" },
        { "-- @projection p\n-- @create\nCREATE TABLE t (a);\n-- @on E\nSELECT 1;", VARVE_INVALID, 1, "@version" },
        { "-- @projection p\n-- @version 1\n", VARVE_INVALID, 1, "@create is missing" },
        { HEAD, VARVE_INVALID, 1, "@on" },
        { HEAD "-- @create\n", VARVE_INVALID, 5, "once" },
        { HEAD "-- @on\nSELECT 1;", VARVE_INVALID, 5, "event types" },
        { HEAD "-- @on A,,B\nSELECT 1;", VARVE_INVALID, 5, "event types" },
        { HEAD "-- @on A\n", VARVE_INVALID, 5, "statement" },
        { HEAD "-- @on A\n-- @postgres\nSELECT 1;", VARVE_INVALID, 5, "statement" },
        { HEAD "-- @on A\nSELECT\n :nobody;", VARVE_INVALID, 7, "unknown parameter :nobody" },
        { HEAD "-- @on A\n-- @postgres\nSELECT :nobody;", VARVE_INVALID, 7, "unknown parameter" },
        { HEAD "-- @on A\nSELECT :data.items[0]1;", VARVE_INVALID, 6, "parameter :data.items[0] runs into" },
        { HEAD "-- @on A\nSELECT :stream$a;", VARVE_INVALID, 6, "parameter :stream runs into" },
        { HEAD "-- @on A\nSELECT 'x;\n\n", VARVE_INVALID, 6, "a string is not closed" },
        { HEAD "-- @on A\nSELECT \"x;\n", VARVE_INVALID, 6, "name is not closed" },
        { HEAD "-- @on A\n-- @postgres\nSELECT $a$ $$;\n", VARVE_INVALID, 7, "dollar" },
        { HEAD "-- @on A\n-- @postgres\nSELECT 1; /* /* */\n", VARVE_INVALID, 7, "comment" },
        { HEAD "-- @on A\nSELECT 1; /* *\n", VARVE_INVALID, 6, "comment" },
        { HEAD "-- @on A\nSELECT [a;\n", VARVE_INVALID, 6, "name is not closed" },
        { HEAD "-- @onn A\nSELECT 1;", VARVE_INVALID, 5, "unknown directive @onn" },
        { HEAD "-- @mode inline\n", VARVE_INVALID, 5, "before the sections" },
        { "-- @projection p\n-- @mode inline\n-- @mode inline\n", VARVE_INVALID, 3, "once" },
        { "-- @projection p\n-- @mode fast\n", VARVE_INVALID, 2, "wants async or inline" },
        { HEAD "-- @on_error park\n", VARVE_INVALID, 5, "before the sections" },
        { "-- @projection p\n-- @on_error maybe\n-- @create\n", VARVE_INVALID, 2, "wants stop or park" },
        { HEAD "-- @partitions 4\n", VARVE_INVALID, 5, "before the sections" },
        { "-- @projection p\n-- @partitions 4\n-- @partitions 4\n", VARVE_INVALID, 3, "once" },
        { "-- @projection p\n-- @partitions\n", VARVE_INVALID, 2, "from 2 to 16" },
        { "-- @projection p\n-- @partitions 1\n", VARVE_INVALID, 2, "from 2 to 16" },
        { "-- @projection p\n-- @partitions 17\n", VARVE_INVALID, 2, "from 2 to 16" },
        { "-- @projection p\n-- @partitions 4294967298\n", VARVE_INVALID, 2, "from 2 to 16" },
        { "-- @projection p\n-- @partitions 4 of 5\n", VARVE_INVALID, 2, "from 2 to 16" },
        { "-- @projection p\n-- @version 1\n-- @partitions 4\n-- @mode inline\n-- @create\n"
          "CREATE TABLE t (a TEXT);\n-- @on A\nSELECT 1;",
          VARVE_INVALID, 3, "an inline projection has no @partitions" },
        { HEAD "-- @reads p\n", VARVE_INVALID, 5, "unknown directive" },
        { "-- @projection p\n-- @version 1\n-- @sqlite\n", VARVE_INVALID, 3, "inside a section" },
        { "-- @projection p\n-- @version 1\n-- @create\nCREATE TABLE t AS SELECT :id", VARVE_INVALID, 4,
          "cannot have placeholders" },
        { "-- @projection p\n\xff\n", VARVE_INVALID, 1, "UTF-8" },
    };
    assert_refused(SQLFILE_PROJECTION, refusals, sizeof refusals / sizeof *refusals);
}

static void a_bad_query_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        { "", VARVE_INVALID, 1, "@query" },
        { "-- @query q\nSELECT 1", VARVE_INVALID, 1, "@reads" },
        { "-- @query q\n-- @reads p\n", VARVE_INVALID, 1, "statement" },
        { "-- @query q\n-- @reads p\nSELECT 1;\nSELECT 2;", VARVE_INVALID, 4, "one statement" },
        { "-- @query q\n-- @reads p\nSELECT :x", VARVE_INVALID, 3, "@param" },
        { "-- @query q\n-- @reads p\n-- @param x\n", VARVE_INVALID, 3, "type" },
        { "-- @query q\n-- @reads p\n-- @param x date\n", VARVE_INVALID, 3, "type" },
        { "-- @query q\n-- @reads p\n-- @param x text\n-- @param x text\n", VARVE_INVALID, 4, "twice" },
        { "-- @query q\n-- @reads p\n-- @param limit integer\n", VARVE_INVALID, 3, "reserved" },
        { "-- @query q\n-- @reads p, p\n", VARVE_INVALID, 2, "twice" },
        { "-- @query q\n-- @reads a,b,c,d,e,f,g,h,i,j,k\n", VARVE_INVALID, 2, "at most 10" },
        { "-- @query q\n-- @reads p\n-- @on X\n", VARVE_INVALID, 3, "unknown directive" },
        { "-- @projection q\n", VARVE_INVALID, 1, "first directive is -- @query" },
    };
    assert_refused(SQLFILE_QUERY, refusals, sizeof refusals / sizeof *refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_projection_is_read_with_its_lines),
        cmocka_unit_test(placeholders_are_numbered_by_first_use),
        cmocka_unit_test(text_that_is_no_placeholder_is_left_alone),
        cmocka_unit_test(sqlite_is_read_as_sqlite_reads_it),
        cmocka_unit_test(postgres_is_read_as_postgres_reads_it),
        cmocka_unit_test(a_block_is_read_by_the_rules_of_its_dialect),
        cmocka_unit_test(a_block_is_for_one_dialect_up_to_the_next_directive),
        cmocka_unit_test(a_query_is_read),
        cmocka_unit_test(partitions_are_one_unless_said),
        cmocka_unit_test(a_statement_has_the_parameters_of_its_own_dialect),
        cmocka_unit_test(a_cast_does_not_run_into_what_is_before_it),
        cmocka_unit_test(a_bad_projection_is_refused_with_its_line),
        cmocka_unit_test(a_bad_query_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
