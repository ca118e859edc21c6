/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sql/postgres_text.h"

static const struct postgres_attached attached[] = {
    { (char[]){ "orders" }, (char[]){ "varve$orders$3" }, (char[]){ "orders\0lines\0\0" } },
    { (char[]){ "stock" }, (char[]){ "varve$stock$1" }, (char[]){ "\0" } },
};

static varve_status read_text(struct postgres_text *text, const char *source, enum sql_trust trust)
{
    return postgres_text_read(text, varve_str_of(source), trust, attached, 2, NULL);
}

static void names_are_replaced_where_they_stand_for_something(void **state)
{
    static const struct {
        const char *source, *sql;
        int parameters;
    } cases[] = {
        { "SELECT :a, :b1, :a", "SELECT $1, $2, $1", 2 },
        { "SELECT ':a', \":a\", E'\\':a', $$:a$$, $x$ :a $$ $x$ -- :a\n/* :a /* */ :a */, :b",
          "SELECT ':a', \":a\", E'\\':a', $$:a$$, $x$ :a $$ $x$ -- :a\n/* :a /* */ :a */, $1", 1 },
        { "SELECT E'a' -- x\r'\\':a', :b", "SELECT E'a' -- x\r'\\':a', $1", 1 },
        { "SELECT 1$a$:a$a$, :b", "SELECT 1$a$:a$a$, $1", 1 },
        { "SELECT :a::text, x::int, y[1:2]", "SELECT $1::text, x::int, y[1:2]", 1 },
        { "SELECT x[low:high], y[1:high]", "SELECT x[low $1], y[1 $1]", 1 },
        { "SELECT 'it''s :a', :a;", "SELECT 'it''s :a', $1;", 1 },
        { "SELECT caf\xc3\xa9 = :caf\xc3\xa9", "SELECT caf\xc3\xa9 = $1", 1 },
        { "SELECT * FROM orders.orders, \"orders\".lines, OR"
          "DERS . orders",
          "SELECT * FROM \"varve$orders$3\".orders, \"varve$orders$3\".lines, \"varve$orders$3\" . orders", 0 },
        { "SELECT orders.total, x.orders.lines, 'orders.lines' FROM orders.orders",
          "SELECT orders.total, x.orders.lines, 'orders.lines' FROM \"varve$orders$3\".orders", 0 },
        { "SELECT 1 FROM stock.orders", "SELECT 1 FROM stock.orders", 0 },
        { "SELECT x$1, y$ 2, '$1', :a", "SELECT x$1, y$ 2, '$1', $1", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct postgres_text text = { 0 };
        assert_int_equal(read_text(&text, cases[i].source, SQL_QUESTION), VARVE_OK);
        assert_string_equal(text.sql.ptr, cases[i].sql);
        assert_int_equal(text.parameter_count, cases[i].parameters);
        postgres_text_fini(&text);
    }
}

static void a_place_in_what_was_sent_is_found_in_the_source(void **state)
{
    struct postgres_text text = { 0 };
    (void)state;
    /* Sent: SELECT '€', $1, oops FROM "varve$orders$3".orders */
    assert_int_equal(read_text(&text, "SELECT '\xe2\x82\xac', :amount, oops FROM orders.orders", SQL_QUESTION), 0);
    assert_int_equal(postgres_text_place(&text, "1"), 0);
    assert_int_equal(postgres_text_place(&text, "17"), 23);
    assert_int_equal(postgres_text_place(&text, "44"), 40);
    assert_int_equal(postgres_text_place(&text, NULL), -1);
    postgres_text_fini(&text);
}

/* What the conformance suite does not ask of every database. */
static void trust_is_a_matter_of_words(void **state)
{
    static const struct {
        const char *source;
        bool definition, change, question;
    } cases[] = {
        { "(SELECT 1) UNION (SELECT 2)", true, true, true },
        { "VALUES (1)", true, true, true },
        { "WITH a AS (SELECT 1) SELECT \"update\" FROM a", true, true, true },
        { "WITH a AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM a", true, true, false },
        { "WITH a AS (SELECT 1) DELETE FROM t", true, true, false },
        { "SELECT * INTO u FROM t", true, false, false },
        { "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$", true,
          false, false },
        { "CREATE UNIQUE INDEX i ON t (a)", true, false, false },
        { "CREATE VIEW v AS SELECT a.x FROM a JOIN b ON a.x = b.x", true, false, false },
        { "INSERT INTO t SELECT * FROM b JOIN c ON b.x = c.x ON CONFLICT (a) DO UPDATE SET a = t.a", true, true,
          false },
        { "INSERT INTO varve.events VALUES (1)", false, false, false },
        { "UPDATE ONLY varve.events SET a = 1", false, false, false },
        { "DELETE FROM \"varve\".events", false, false, false },
        { "CREATE TABLE IF NOT EXISTS other.t (a int)", false, false, false },
        { "CREATE INDEX ON other.t (a)", false, false, false },
        { "UPDATE \"varve_own\" SET a = 1", false, false, false },
        { "CREATE TEMP TABLE t (a int)", false, false, false },
        { "CREATE SCHEMA s", false, false, false },
        { "SET search_path = public", false, false, false },
        { "DO $$ BEGIN END $$", false, false, false },
        { "COPY t TO '/tmp/t'", false, false, false },
        { "/* SELECT */ LOCK TABLE t", false, false, false },
        { "EXPLAIN ANALYZE DELETE FROM t", false, false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bool allowed[] = {
            [SQL_OURS] = true,
            [SQL_DEFINITION] = cases[i].definition,
            [SQL_CHANGE] = cases[i].change,
            [SQL_QUESTION] = cases[i].question,
        };
        for (enum sql_trust trust = SQL_OURS; trust <= SQL_QUESTION; trust++) {
            struct postgres_text text = { 0 };
            varve_status status = read_text(&text, cases[i].source, trust);
            if (status != (allowed[trust] ? VARVE_OK : VARVE_DENIED))
                fail_msg("%s with trust %d: %s", cases[i].source, (int)trust, varve_status_word(status));
            postgres_text_fini(&text);
        }
    }
}

static void what_is_no_statement_is_refused(void **state)
{
    static const char *const cases[] = {
        "SELECT :a, $1",   "SELECT $2 + :a::int", "", " ;", "-- a", "SELECT 1; SELECT 2", "SELECT 'a", "SELECT \"a",
        "SELECT $x$ a $$", "SELECT /* /* */ 1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct postgres_text text = { 0 };
        assert_int_equal(read_text(&text, cases[i], SQL_OURS), VARVE_INVALID);
        postgres_text_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_replaced_where_they_stand_for_something),
        cmocka_unit_test(a_place_in_what_was_sent_is_found_in_the_source),
        cmocka_unit_test(trust_is_a_matter_of_words),
        cmocka_unit_test(what_is_no_statement_is_refused),
    };
    return cmocka_run_group_tests_name("postgres_text", tests, NULL, NULL);
}
