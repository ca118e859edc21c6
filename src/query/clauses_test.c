/* SPDX-License-Identifier: Apache-2.0 */
/* What is seen of a statement's clauses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query/clauses.h"

static void assert_text(varve_str text, const char *expected)
{
    if (!varve_str_is(text, expected)) {
        fail_msg("'%.*s' is not '%s'", (int)text.len, text.ptr == NULL ? "" : text.ptr, expected);
    }
}

static void the_order_is_found_and_taken_apart(void **state)
{
    (void)state;
    struct clauses clauses;
    clauses_read(&clauses,
                 VARVE_STR("SELECT a FROM t WHERE b IN (SELECT x FROM u ORDER BY x LIMIT 1)\n"
                           "ORDER BY a DESC NULLS LAST, lower(b, 'x,y') ASC, c COLLATE \"C\" , 2 nulls first"));
    assert_int_equal(clauses.term_count, 4);
    assert_text(clauses.terms[0].expression, "a");
    assert_true(clauses.terms[0].descending && clauses.terms[0].nulls == CLAUSES_NULLS_LAST);
    assert_text(clauses.terms[1].expression, "lower(b, 'x,y')");
    assert_true(!clauses.terms[1].descending && clauses.terms[1].nulls == CLAUSES_NULLS_AS_USUAL);
    assert_text(clauses.terms[2].expression, "c COLLATE \"C\"");
    assert_text(clauses.terms[3].expression, "2");
    assert_true(clauses.terms[3].nulls == CLAUSES_NULLS_FIRST);
    assert_text(clauses.before, "SELECT a FROM t WHERE b IN (SELECT x FROM u ORDER BY x LIMIT 1)\n");
    assert_false(clauses.order_chooses);
    assert_int_equal(clauses.select_end, 9);
    assert_null(clauses.refuse);
}

static void an_order_that_is_not_the_rows_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT row_number() OVER (ORDER BY a) FROM t",
        "SELECT string_agg(a, ',' ORDER BY a) FROM t",
        "SELECT 'ORDER BY a' FROM t",
        "SELECT a AS \"ORDER BY\" FROM t",
        "SELECT t.order FROM t",
        "SELECT $$ ORDER BY a $$ FROM t",
        "WITH x AS (SELECT a FROM t ORDER BY a) SELECT a FROM x",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct clauses clauses;
        clauses_read(&clauses, varve_str_of(texts[i]));
        assert_int_equal(clauses.term_count, 0);
        assert_text(clauses.before, texts[i]);
        assert_int_equal(clauses.order.len, 0);
    }
}

static void it_is_told_where_a_column_can_be_added(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *behind; /* what follows the list of columns; NULL: none can be added */
        bool chooses;
    } cases[] = {
        { "SELECT a FROM t", "FROM t", false },
        { "SELECT 1", "", false },
        { "SELECT extract(year FROM a), a IS NOT DISTINCT FROM b FROM t", "FROM t", false },
        { "SELECT mode() WITHIN GROUP (ORDER BY a), b FROM t GROUP BY b", "FROM t GROUP BY b", false },
        { "WITH x(y) AS (SELECT 1 FROM u) SELECT y FROM x", "FROM x", false },
        { "SELECT a AS \"from\", t.from FROM t", "FROM t", false },
        { "SELECT DISTINCT a FROM t", NULL, false },
        { "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b", NULL, true },
        { "SELECT a FROM t UNION SELECT b FROM u ORDER BY 1", NULL, false },
        { "(SELECT a FROM t) UNION ALL (SELECT b FROM u) ORDER BY 1 LIMIT 3", NULL, true },
        { "VALUES (1), (2)", NULL, false },
        { "SELECT a FROM t ORDER BY a LIMIT 5 OFFSET 2", "FROM t ORDER BY a LIMIT 5 OFFSET 2", true },
        { "SELECT a FROM t FETCH FIRST 3 ROWS ONLY", "FROM t FETCH FIRST 3 ROWS ONLY", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct clauses clauses;
        clauses_read(&clauses, varve_str_of(cases[i].text));
        if (cases[i].behind == NULL) {
            assert_int_equal(clauses.select_end, 0);
        } else {
            assert_string_equal(cases[i].text + clauses.select_end, cases[i].behind);
        }
        assert_int_equal(clauses.order_chooses, cases[i].chooses);
    }
}

static void what_cannot_be_paged_is_refused(void **state)
{
    (void)state;
    struct clauses clauses;
    clauses_read(&clauses, VARVE_STR("SELECT a FROM t FOR UPDATE"));
    assert_non_null(clauses.refuse);
    clauses_read(&clauses, VARVE_STR("SELECT a FROM t ORDER BY a USING >"));
    assert_non_null(clauses.refuse);
    clauses_read(&clauses, VARVE_STR("SELECT substring(a FROM 1 FOR 2) FROM t JOIN u USING (a) ORDER BY 1"));
    assert_null(clauses.refuse);
    clauses_read(&clauses,
                 VARVE_STR("SELECT a FROM t ORDER BY 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
                           "1,1,1"));
    assert_non_null(clauses.refuse);
}

static void names_and_numbers_are_told_from_expressions(void **state)
{
    (void)state;
    bool quoted = false;
    assert_int_equal(clauses_ordinal(VARVE_STR("12")), 12);
    assert_int_equal(clauses_ordinal(VARVE_STR("1 + 1")), 0);
    assert_int_equal(clauses_ordinal(VARVE_STR("99999999999999999999")), 0);
    assert_text(clauses_name(VARVE_STR("total"), &quoted), "total");
    assert_false(quoted);
    assert_text(clauses_name(VARVE_STR("\"Total\""), &quoted), "Total");
    assert_true(quoted);
    assert_text(clauses_name(VARVE_STR("t.total"), &quoted), "");
    assert_text(clauses_name(VARVE_STR("-total"), &quoted), "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_found_and_taken_apart),
        cmocka_unit_test(an_order_that_is_not_the_rows_is_none),
        cmocka_unit_test(it_is_told_where_a_column_can_be_added),
        cmocka_unit_test(what_cannot_be_paged_is_refused),
        cmocka_unit_test(names_and_numbers_are_told_from_expressions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
