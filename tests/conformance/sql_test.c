/* SPDX-License-Identifier: Apache-2.0 */
/* What every driver of the sql seam does; run against each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <varve.h>
#include <cmocka.h>

#include "sql/sql.h"
#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

/* What the cases have to spell differently. */
struct dialect {
    const char *bytes;    /* the type of bytes */
    const char *overflow; /* a question that can be prepared and then fails */
};

struct fixture {
    const struct sql_driver *sql;
    const struct dialect *dialect;
    struct scratch scratch; /* where databases are files */
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres; /* where they are schemas */
#endif
    struct sql_session *writer;
    atomic_bool interrupted;
};

/* Where a database is. */
static const char *place(struct fixture *fixture, enum sql_mode mode, const char *name)
{
#ifdef VARVE_WITH_POSTGRES
    if ((fixture->sql->capabilities & SQL_IN_A_SCHEMA) != 0) {
        char schema[32];
        snprintf(schema, sizeof schema, "%s%s", mode == SQL_SCRATCH ? "scratch_" : "s_", name);
        return postgres_uri(&fixture->postgres, schema);
    }
#endif
    return mode == SQL_SCRATCH || *name == '\0' ? name : scratch_path(&fixture->scratch, name);
}

static struct sql_session *open_as(struct fixture *fixture, enum sql_mode mode, const char *name)
{
    varve_error error = { 0 };
    struct sql_session *session = NULL;
    if (fixture->sql->open(&session, place(fixture, mode, name), mode, &error) < 0) {
        fail_msg("%s", error.message);
    }
    return session;
}

static int set_up(void **state)
{
    struct fixture *fixture = *state;
    scratch_init(&fixture->scratch);
#ifdef VARVE_WITH_POSTGRES
    if ((fixture->sql->capabilities & SQL_IN_A_SCHEMA) != 0) {
        postgres_init(&fixture->postgres);
        postgres_exec(&fixture->postgres, "CREATE SCHEMA s_");
    }
#endif
    fixture->writer = open_as(fixture, SQL_READ_WRITE, "a");
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->sql->close(fixture->writer);
    fixture->writer = NULL;
#ifdef VARVE_WITH_POSTGRES
    if ((fixture->sql->capabilities & SQL_IN_A_SCHEMA) != 0) {
        postgres_fini(&fixture->postgres);
    }
#endif
    scratch_fini(&fixture->scratch);
    return 0;
}

static void exec(struct fixture *fixture, const char *script)
{
    varve_error error = { 0 };
    if (fixture->sql->exec(fixture->writer, script, &error) < 0) {
        fail_msg("%s: %s", script, error.message);
    }
}

/* The first column of the first row as a number; -1 when there is no row. */
static int64_t number(struct fixture *fixture, struct sql_session *session, const char *text)
{
    varve_error error = { 0 };
    struct sql_statement *statement = NULL;
    struct sql_value value = { .integer = -1 };
    if (fixture->sql->prepare(&statement, session, varve_str_of(text), SQL_OURS, &error) < 0) {
        fail_msg("%s: %s", text, error.message);
    }
    varve_status status = fixture->sql->step(statement, &error);
    if (status < 0) {
        fail_msg("%s: %s", text, error.message);
    }
    if (status == VARVE_OK) {
        fixture->sql->column(statement, 0, &value);
    }
    fixture->sql->finalize(statement);
    return value.integer;
}

/* What a statement comes to, prepared with this trust and run to its end. */
static varve_status run(struct fixture *fixture, struct sql_session *session, const char *text, enum sql_trust trust)
{
    struct sql_statement *statement = NULL;
    varve_status status = fixture->sql->prepare(&statement, session, varve_str_of(text), trust, NULL);
    while (status == VARVE_OK) {
        status = fixture->sql->step(statement, NULL);
    }
    fixture->sql->finalize(statement);
    return status;
}

/* Binds a value to a statement's one parameter and checks that the first column gives it back. */
static void assert_round_trip(struct fixture *fixture, struct sql_statement *statement, const struct sql_value *value)
{
    const struct sql_driver *sql = fixture->sql;
    struct sql_value back;
    assert_int_equal(sql->bind(statement, 1, value, NULL), VARVE_OK);
    assert_int_equal(sql->step(statement, NULL), VARVE_OK);
    sql->column(statement, 0, &back);
    assert_int_equal(back.kind, value->kind);
    assert_int_equal(back.integer, value->integer);
    assert_true(back.real == value->real);
    assert_true(varve_str_eq(back.text, value->text));
    assert_int_equal(sql->step(statement, NULL), VARVE_DONE);
    sql->reset(statement);
}

static const struct {
    const char *type; /* NULL: the dialect's type for bytes */
    struct sql_value value;
} values[] = {
    { "bigint", { .kind = SQL_NULL } },
    { "bigint", { .kind = SQL_INTEGER, .integer = INT64_MIN } },
    { "double precision", { .kind = SQL_REAL, .real = 0.1 } },
    { "double precision", { .kind = SQL_REAL, .real = 0.30000000000000004 } },
    { "double precision", { .kind = SQL_REAL, .real = -1.7976931348623157e308 } },
    { "text", { .kind = SQL_TEXT, .text = { "caf\xc3\xa9 'x' \\", 11 } } },
    { "text", { .kind = SQL_TEXT, .text = { NULL, 0 } } },
    { "text", { .kind = SQL_NULL } },
    { NULL, { .kind = SQL_BLOB, .text = { "\0\xff", 2 } } },
    { NULL, { .kind = SQL_BLOB, .text = { NULL, 0 } } },
};

static void values_come_back_as_they_went_in(void **state)
{
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[64];
        struct sql_statement *statement = NULL;
        struct sql_value back;
        const char *type = values[i].type == NULL ? fixture->dialect->bytes : values[i].type;
        snprintf(text, sizeof text, "SELECT CAST(:value AS %s)", type);
        assert_int_equal(sql->prepare(&statement, fixture->writer, varve_str_of(text), SQL_QUESTION, NULL), 0);
        assert_int_equal(sql->parameter_count(statement), 1);
        assert_int_equal(sql->parameter(statement, "value"), 1);
        assert_int_equal(sql->parameter(statement, "other"), 0);
        assert_round_trip(fixture, statement, &values[i].value);
        /* A reset takes the value away. */
        assert_int_equal(sql->step(statement, NULL), VARVE_OK);
        sql->column(statement, 0, &back);
        assert_int_equal(back.kind, SQL_NULL);
        sql->finalize(statement);
    }
}

static void values_keep_their_kind_without_a_type(void **state)
{
    struct fixture *fixture = *state;
    struct sql_statement *statement = NULL;
    if ((fixture->sql->capabilities & SQL_KEEPS_KINDS) == 0) {
        skip();
    }
    assert_int_equal(fixture->sql->prepare(&statement, fixture->writer, VARVE_STR("SELECT :value"), SQL_QUESTION, NULL),
                     0);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_round_trip(fixture, statement, &values[i].value);
    }
    fixture->sql->finalize(statement);
}

/* One parameter may stand in several places, and several parameters in any order. */
static void parameters_are_told_by_name(void **state)
{
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    struct sql_statement *statement = NULL;
    struct sql_value back;
    const struct sql_value one = { .kind = SQL_INTEGER, .integer = 1 };
    const struct sql_value ten = { .kind = SQL_INTEGER, .integer = 10 };
    static const char text[] =
        "SELECT CAST(:b AS bigint) - CAST(:a AS bigint) - CAST(:a AS bigint), ':c', \":d\" /* :e */"
        " FROM (SELECT 1 AS \":d\") AS t -- :f";
    assert_int_equal(sql->prepare(&statement, fixture->writer, varve_str_of(text), SQL_QUESTION, NULL), VARVE_OK);
    assert_int_equal(sql->parameter_count(statement), 2);
    assert_int_equal(sql->parameter(statement, "b"), 1);
    assert_int_equal(sql->parameter(statement, "a"), 2);
    assert_int_equal(sql->bind(statement, 1, &ten, NULL), VARVE_OK);
    assert_int_equal(sql->bind(statement, 2, &one, NULL), VARVE_OK);
    assert_int_equal(sql->step(statement, NULL), VARVE_OK);
    sql->column(statement, 0, &back);
    assert_int_equal(back.integer, 8);
    sql->column(statement, 1, &back);
    assert_true(varve_str_is(back.text, ":c"));
    sql->finalize(statement);
}

static void booleans_and_json_have_a_form_to_be_stored_in(void **state)
{
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    exec(fixture, "CREATE TABLE t (flag INTEGER, document TEXT)");
    struct sql_statement *statement = NULL;
    assert_int_equal(sql->prepare(&statement, fixture->writer, VARVE_STR("INSERT INTO t VALUES (:flag, :document)"),
                                  SQL_CHANGE, NULL),
                     VARVE_OK);
    const struct sql_value flag = { .kind = SQL_BOOLEAN, .integer = 1 };
    const struct sql_value document = { .kind = SQL_JSON, .text = VARVE_STR("{\"a\":[7]}") };
    assert_int_equal(sql->bind(statement, 1, &flag, NULL), VARVE_OK);
    assert_int_equal(sql->bind(statement, 2, &document, NULL), VARVE_OK);
    assert_int_equal(sql->step(statement, NULL), VARVE_DONE);
    sql->finalize(statement);
    assert_int_equal(number(fixture, fixture->writer, "SELECT flag FROM t"), 1);
    assert_int_equal(number(fixture, fixture->writer, "SELECT length(document) FROM t"), 9);
}

static void columns_have_names(void **state)
{
    struct fixture *fixture = *state;
    struct sql_statement *statement = NULL;
    assert_int_equal(fixture->sql->prepare(&statement, fixture->writer, VARVE_STR("SELECT 1 AS one, 2 AS two"),
                                           SQL_QUESTION, NULL),
                     VARVE_OK);
    assert_int_equal(fixture->sql->column_count(statement), 2);
    assert_string_equal(fixture->sql->column_name(statement, 1), "two");
    fixture->sql->finalize(statement);
}

static void a_transaction_is_all_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    exec(fixture, "CREATE TABLE t (a INTEGER PRIMARY KEY)");
    assert_int_equal(sql->begin(fixture->writer, NULL), VARVE_OK);
    exec(fixture, "INSERT INTO t VALUES (1)");
    sql->rollback(fixture->writer);
    sql->rollback(fixture->writer);
    assert_int_equal(number(fixture, fixture->writer, "SELECT count(*) FROM t"), 0);
    assert_int_equal(sql->begin(fixture->writer, NULL), VARVE_OK);
    exec(fixture, "INSERT INTO t VALUES (1)");
    assert_int_equal(sql->commit(fixture->writer, NULL), VARVE_OK);
    sql->close(fixture->writer);
    fixture->writer = open_as(fixture, SQL_READ_WRITE, "a");
    assert_int_equal(number(fixture, fixture->writer, "SELECT count(*) FROM t"), 1);
}

/* Runs INSERT INTO t VALUES (:a) for numbers; false once one of them is said to have failed. */
static bool run_numbers(struct fixture *fixture, struct sql_statement *insert, int64_t from, int64_t to)
{
    varve_error error = { 0 };
    for (int64_t i = from; i < to; i++) {
        const struct sql_value value = { .kind = SQL_INTEGER, .integer = i };
        assert_int_equal(fixture->sql->bind(insert, 1, &value, NULL), VARVE_OK);
        varve_status status = fixture->sql->run(insert, &error);
        if (status < 0) {
            assert_int_equal(status, VARVE_CONFLICT);
            return false;
        }
    }
    return true;
}

static void statements_without_rows_are_run_together(void **state)
{
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    struct sql_statement *insert = NULL;
    exec(fixture, "CREATE TABLE t (a INTEGER PRIMARY KEY)");
    assert_int_equal(sql->prepare(&insert, fixture->writer, VARVE_STR("INSERT INTO t VALUES (:a)"), SQL_CHANGE, NULL),
                     VARVE_OK);
    assert_true(run_numbers(fixture, insert, 0, 2)); /* outside of a transaction */
    assert_int_equal(sql->begin(fixture->writer, NULL), VARVE_OK);
    assert_true(run_numbers(fixture, insert, 2, 1000));
    assert_int_equal(number(fixture, fixture->writer, "SELECT count(*) FROM t"), 1000);
    assert_true(run_numbers(fixture, insert, 1000, 1234));
    assert_int_equal(sql->commit(fixture->writer, NULL), VARVE_OK);
    assert_int_equal(number(fixture, fixture->writer, "SELECT count(*) FROM t"), 1234);
    sql->finalize(insert);
}

/* Told by the commit at the latest, whichever it was; and nothing of the transaction is there. */
static void one_of_them_that_fails_undoes_all(void **state)
{
    static const int64_t places[] = { 5, 50, 250, 999 };
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    struct sql_statement *insert = NULL;
    exec(fixture, "CREATE TABLE t (a INTEGER PRIMARY KEY); INSERT INTO t VALUES (-1)");
    assert_int_equal(sql->prepare(&insert, fixture->writer, VARVE_STR("INSERT INTO t VALUES (:a)"), SQL_CHANGE, NULL),
                     VARVE_OK);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        assert_int_equal(sql->begin(fixture->writer, NULL), VARVE_OK);
        bool told = !run_numbers(fixture, insert, 0, places[i]) || !run_numbers(fixture, insert, -1, 0) ||
                    !run_numbers(fixture, insert, places[i], 1000);
        if (!told) {
            assert_int_equal(sql->commit(fixture->writer, NULL), VARVE_CONFLICT);
        }
        sql->rollback(fixture->writer);
        assert_int_equal(number(fixture, fixture->writer, "SELECT count(*) FROM t"), 1);
    }
    sql->finalize(insert);
}

static void a_failure_has_its_class(void **state)
{
    struct fixture *fixture = *state;
    exec(fixture, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL CHECK (b <> 'bad'));"
                  "INSERT INTO t VALUES (1, 'x')");
    static const struct {
        const char *text;
        varve_status status;
    } cases[] = {
        { "INSERT INTO t VALUES (1, 'y')", VARVE_CONFLICT },
        { "INSERT INTO t VALUES (2, NULL)", VARVE_CONFLICT },
        { "INSERT INTO t VALUES (2, 'bad')", VARVE_CONFLICT },
        { "SELEC 1", VARVE_INVALID },
        { "SELECT nobody FROM t", VARVE_INVALID },
        { "SELECT 1 FROM nobody", VARVE_INVALID },
        { "", VARVE_INVALID },
        { "SELECT 1; SELECT 2", VARVE_INVALID },
        { NULL, VARVE_APPLICATION },
        { "SELECT 1; ", VARVE_DONE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text == NULL ? fixture->dialect->overflow : cases[i].text;
        varve_status status = run(fixture, fixture->writer, text, SQL_OURS);
        if (status != cases[i].status) {
            fail_msg("%s: %s", text, varve_status_word(status));
        }
    }
    assert_int_equal(number(fixture, fixture->writer, "SELECT count(*) FROM t"), 1);
}

static void a_mistake_is_located(void **state)
{
    struct fixture *fixture = *state;
    struct sql_statement *statement = NULL;
    varve_error error = { 0 };
    varve_str text = VARVE_STR("SELECT 1,\n oops FROM (SELECT 2) AS t");
    assert_int_equal(fixture->sql->prepare(&statement, fixture->writer, text, SQL_QUESTION, &error), VARVE_INVALID);
    assert_int_equal(error.detail, 11);
    assert_null(statement);
}

static void trust_bounds_what_a_statement_may_do(void **state)
{
    struct fixture *fixture = *state;
    exec(fixture, "CREATE TABLE t (a INTEGER); CREATE TABLE varve_own (a INTEGER)");
    static const struct {
        const char *text;
        bool definition, change, question;
    } cases[] = {
        { "SELECT a FROM t", true, true, true },
        { "SELECT a FROM varve_own", true, true, true },
        { "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n", true, true,
          true },
        { "INSERT INTO t VALUES (1)", true, true, false },
        { "UPDATE t SET a = 2", true, true, false },
        { "DELETE FROM t", true, true, false },
        { "CREATE TABLE u (a INTEGER)", true, false, false },
        { "CREATE INDEX i ON t (a)", true, false, false },
        { "CREATE VIEW v AS SELECT a FROM t", true, false, false },
        { "INSERT INTO varve_own VALUES (1)", false, false, false },
        { "UPDATE varve_own SET a = 1", false, false, false },
        { "DELETE FROM varve_own", false, false, false },
        { "CREATE TABLE varve_more (a INTEGER)", false, false, false },
        { "CREATE INDEX j ON varve_own (a)", false, false, false },
        { "DROP TABLE t", false, false, false },
        { "ALTER TABLE t ADD COLUMN b INTEGER", false, false, false },
        { "BEGIN", false, false, false },
        { "COMMIT", false, false, false },
        { "SAVEPOINT s", false, false, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool allowed[] = {
            [SQL_DEFINITION] = cases[i].definition, [SQL_CHANGE] = cases[i].change, [SQL_QUESTION] = cases[i].question
        };
        for (enum sql_trust trust = SQL_DEFINITION; trust <= SQL_QUESTION; trust++) {
            struct sql_statement *statement = NULL;
            varve_status status =
                fixture->sql->prepare(&statement, fixture->writer, varve_str_of(cases[i].text), trust, NULL);
            fixture->sql->finalize(statement);
            if (status != (allowed[trust] ? VARVE_OK : VARVE_DENIED)) {
                fail_msg("%s with trust %d: %s", cases[i].text, (int)trust, varve_status_word(status));
            }
        }
    }
}

static void a_reader_only_reads_and_has_one_snapshot(void **state)
{
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    exec(fixture, "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
    struct sql_session *reader = open_as(fixture, SQL_READ_ONLY, "a");
    assert_int_equal(run(fixture, reader, "INSERT INTO t VALUES (2)", SQL_OURS), VARVE_DENIED);
    assert_int_equal(sql->begin(reader, NULL), VARVE_OK);
    assert_int_equal(number(fixture, reader, "SELECT count(*) FROM t"), 1);
    exec(fixture, "INSERT INTO t VALUES (2)");
    assert_int_equal(number(fixture, reader, "SELECT count(*) FROM t"), 1);
    sql->rollback(reader);
    assert_int_equal(number(fixture, reader, "SELECT count(*) FROM t"), 2);
    sql->close(reader);
    assert_int_equal(sql->open(&reader, place(fixture, SQL_READ_ONLY, "nobody"), SQL_READ_ONLY, NULL), VARVE_NOT_FOUND);
    assert_null(reader);
}

static void databases_can_be_attached_to_a_reader(void **state)
{
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    if ((sql->capabilities & SQL_ATTACHES) == 0) {
        skip();
    }
    exec(fixture, "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (41)");
    struct sql_session *reader = open_as(fixture, SQL_READ_ONLY, "");
    assert_int_equal(sql->attach(reader, place(fixture, SQL_READ_ONLY, "a"), "first", NULL), VARVE_OK);
    assert_int_equal(number(fixture, reader, "SELECT a FROM first.t"), 41);
    assert_int_equal(number(fixture, reader, "SELECT t.a FROM \"first\".t AS t"), 41);
    assert_int_equal(number(fixture, reader, "SELECT first.a FROM first.t AS first"), 41);
    assert_int_equal(number(fixture, reader, "SELECT a FROM t"), 41);
    assert_int_equal(run(fixture, reader, "INSERT INTO first.t VALUES (2)", SQL_OURS), VARVE_DENIED);
    assert_int_equal(sql->attach(reader, place(fixture, SQL_READ_ONLY, "nobody"), "second", NULL), VARVE_NOT_FOUND);
    sql->close(reader);
}

static void scratch_databases_are_shared_by_name_and_then_gone(void **state)
{
    struct fixture *fixture = *state;
    const struct sql_driver *sql = fixture->sql;
    struct sql_session *one = open_as(fixture, SQL_SCRATCH, "shared");
    assert_int_equal(run(fixture, one, "CREATE TABLE t (a INTEGER)", SQL_DEFINITION), VARVE_DONE);
    struct sql_session *two = open_as(fixture, SQL_SCRATCH, "shared");
    assert_int_equal(number(fixture, two, "SELECT count(*) FROM t"), 0);
    struct sql_session *own = open_as(fixture, SQL_SCRATCH, "");
    assert_int_equal(run(fixture, own, "SELECT 1 FROM t", SQL_OURS), VARVE_INVALID);
    assert_int_equal(sql->attach(own, place(fixture, SQL_SCRATCH, "shared"), "other", NULL), VARVE_OK);
    assert_int_equal(number(fixture, own, "SELECT count(*) FROM other.t"), 0);
    sql->close(own);
    sql->close(two);
    sql->close(one);
    one = open_as(fixture, SQL_SCRATCH, "shared");
    assert_int_equal(run(fixture, one, "SELECT 1 FROM t", SQL_OURS), VARVE_INVALID);
    sql->close(one);
}

static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

static void an_endless_statement_ends_at_its_time_limit(void **state)
{
    struct fixture *fixture = *state;
    fixture->sql->set_time_limit(fixture->writer, 20);
    assert_int_equal(run(fixture, fixture->writer, endless, SQL_QUESTION), VARVE_TIMEOUT);
    fixture->sql->set_time_limit(fixture->writer, 0);
    assert_int_equal(number(fixture, fixture->writer, "SELECT 1"), 1);
}

static void *keep_interrupting(void *arg)
{
    struct fixture *fixture = arg;
    const struct timespec pause = { .tv_nsec = 1000000 };
    while (!atomic_load(&fixture->interrupted)) {
        fixture->sql->interrupt(fixture->writer);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void a_statement_can_be_interrupted_from_another_thread(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;
    atomic_store(&fixture->interrupted, false);
    assert_int_equal(pthread_create(&thread, NULL, keep_interrupting, fixture), 0);
    assert_int_equal(run(fixture, fixture->writer, endless, SQL_QUESTION), VARVE_TIMEOUT);
    atomic_store(&fixture->interrupted, true);
    pthread_join(thread, NULL);
}

static void a_file_that_is_no_database_is_corrupt(void **state)
{
    struct fixture *fixture = *state;
    if ((fixture->sql->capabilities & SQL_IN_A_FILE) == 0) {
        skip();
    }
    FILE *file = fopen(scratch_path(&fixture->scratch, "bad"), "w");
    assert_non_null(file);
    for (int i = 0; i < 4096; i++) {
        fputc('x', file);
    }
    fclose(file);
    struct sql_session *session = NULL;
    for (enum sql_mode mode = SQL_READ_WRITE; mode <= SQL_READ_ONLY; mode++) {
        assert_int_equal(fixture->sql->open(&session, scratch_path(&fixture->scratch, "bad"), mode, NULL),
                         VARVE_CORRUPT);
    }
}

#define CASE(name) cmocka_unit_test_prestate_setup_teardown(name, set_up, tear_down, fixture)

static int run_all(struct fixture *fixture)
{
    const struct CMUnitTest tests[] = {
        CASE(values_come_back_as_they_went_in),
        CASE(values_keep_their_kind_without_a_type),
        CASE(parameters_are_told_by_name),
        CASE(booleans_and_json_have_a_form_to_be_stored_in),
        CASE(columns_have_names),
        CASE(a_transaction_is_all_or_nothing),
        CASE(statements_without_rows_are_run_together),
        CASE(one_of_them_that_fails_undoes_all),
        CASE(a_failure_has_its_class),
        CASE(a_mistake_is_located),
        CASE(trust_bounds_what_a_statement_may_do),
        CASE(a_reader_only_reads_and_has_one_snapshot),
        CASE(databases_can_be_attached_to_a_reader),
        CASE(scratch_databases_are_shared_by_name_and_then_gone),
        CASE(an_endless_statement_ends_at_its_time_limit),
        CASE(a_statement_can_be_interrupted_from_another_thread),
        CASE(a_file_that_is_no_database_is_corrupt),
    };
    return cmocka_run_group_tests_name(fixture->sql->name, tests, NULL, NULL);
}

int main(void)
{
    static const struct dialect sqlite = { "blob",
                                           "SELECT sum(9223372036854775807) FROM (SELECT 1 UNION ALL SELECT 2)" };
    struct fixture fixture = { .sql = &sql_sqlite, .dialect = &sqlite };
    int failed = run_all(&fixture);
#ifdef VARVE_WITH_POSTGRES
    static const struct dialect postgres = { "bytea", "SELECT 1 / (SELECT 0)" };
    fixture = (struct fixture){ .sql = postgres_sql(), .dialect = &postgres };
    failed += run_all(&fixture);
#endif
    return failed;
}
