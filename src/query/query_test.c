/* SPDX-License-Identifier: Apache-2.0 */
/* Named queries: parameters, pages, answers; and how values travel from an event's JSON to an answer's. */
#include "base/clock.h"
#include "query/models_fixture.h"

static const char kinds[] = "-- @projection counts\n-- @version 1\n-- @create\n"
                            "CREATE TABLE kinds (id INTEGER PRIMARY KEY, what, value);\n"
                            "-- @on Seen\nINSERT INTO kinds VALUES (:position, typeof(:data.v), :data.v);\n";

/* In either dialect: notes what was said, as text. */
static const char notes[] = "-- @projection counts\n-- @version 1\n-- @create\n"
                            "CREATE TABLE notes (id BIGINT PRIMARY KEY, value TEXT);\n"
                            "-- @on Seen\nINSERT INTO notes VALUES (:position, :data.v);\n";

/* Opens with one projection called "counts" and one query. */
static void open_with(struct fixture *fixture, const char *projection, const char *query)
{
    varve_error error = { 0 };
    assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
    varve_status status = models_add_projection(fixture->models, "p.sql", varve_str_of(projection), &error);
    if (status == VARVE_OK) {
        status = models_add_query(fixture->models, "q.sql", varve_str_of(query), &error);
    }
    if (status == VARVE_OK) {
        status = models_start(fixture->models, &error);
    }
    if (status < 0) {
        fail_msg("%s", error.message);
    }
}

static void json_values_keep_their_type(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *data, *row;
    } cases[] = {
        { "{\"v\":9223372036854775807}", "{\"what\":\"integer\",\"value\":9223372036854775807}" },
        { "{\"v\":-1}", "{\"what\":\"integer\",\"value\":-1}" },
        { "{\"v\":0.1}", "{\"what\":\"real\",\"value\":0.1}" },
        { "{\"v\":3.0}", "{\"what\":\"real\",\"value\":3.0}" },
        { "{\"v\":1e300}", "{\"what\":\"real\",\"value\":1e+300}" },
        { "{\"v\":0.30000000000000004}", "{\"what\":\"real\",\"value\":0.30000000000000004}" },
        { "{\"v\":\"caf\\u00e9 \\\"x\\\"\\n\"}", "{\"what\":\"text\",\"value\":\"caf\xc3\xa9 \\\"x\\\"\\n\"}" },
        { "{\"v\":\"\"}", "{\"what\":\"text\",\"value\":\"\"}" },
        { "{\"v\":\"12\"}", "{\"what\":\"text\",\"value\":\"12\"}" },
        { "{\"v\":true}", "{\"what\":\"integer\",\"value\":1}" },
        { "{\"v\":false}", "{\"what\":\"integer\",\"value\":0}" },
        { "{\"v\":null}", "{\"what\":\"null\",\"value\":null}" },
        { "{}", "{\"what\":\"null\",\"value\":null}" },
        { "{\"v\":{\"a\":[1, 2]}}", "{\"what\":\"text\",\"value\":\"{\\\"a\\\":[1, 2]}\"}" },
        { "{\"v\":[]}", "{\"what\":\"text\",\"value\":\"[]\"}" },
    };
    open_with(fixture, kinds, "-- @query q\n-- @reads counts\nSELECT what, value FROM kinds ORDER BY id DESC LIMIT 1");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char row[256];
        uint64_t position = append(fixture, "s-1", "Seen", cases[i].data);
        snprintf(row, sizeof row, "[%s]", cases[i].row);
        assert_string_equal(ask(fixture, "q", NULL, position), row);
    }
}

static void an_events_own_fields_can_be_used(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture,
              "-- @projection counts\n-- @version 1\n-- @create\n"
              "CREATE TABLE t (a TEXT, b TEXT, c INTEGER, d BIGINT, e TEXT, f INTEGER, g INTEGER, h TEXT);\n"
              "-- @on Seen\nINSERT INTO t VALUES (:stream, :aggregate_id, :version, :position, :type, length(:id),"
              " CASE WHEN :occurred_at = :recorded_at THEN 1 ELSE 0 END,"
              " CAST(:data.deep.list[1].x AS TEXT) || ' ' || CAST(:metadata AS TEXT));\n",
              "-- @query q\n-- @reads counts\nSELECT * FROM t");
    append(fixture, "cart-a-1", "Other", "{}");
    uint64_t position = append(fixture, "cart-a-1", "Seen", "{\"deep\":{\"list\":[0,{\"x\":\"y\"}]}}");
    assert_string_equal(ask(fixture, "q", NULL, position),
                        "[{\"a\":\"cart-a-1\",\"b\":\"a-1\",\"c\":2,\"d\":2,\"e\":\"Seen\",\"f\":36,\"g\":1,"
                        "\"h\":\"y {}\"}]");
}

static void rows_of_any_kind_become_json(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, kinds,
              "-- @query q\n-- @reads counts\n"
              "SELECT 9e999 AS inf, -9e999 AS minus, x'00ff' AS bytes, cast(x'ff' AS TEXT) AS torn, '' AS empty,"
              " char(1) AS \"a \"\"quoted\"\" name\"");
    assert_string_equal(ask(fixture, "q", NULL, 0),
                        "[{\"inf\":null,\"minus\":null,\"bytes\":\"AP8=\",\"torn\":\"/w==\",\"empty\":\"\","
                        "\"a \\\"quoted\\\" name\":\"\\u0001\"}]");
}

#define PAGED "-- @query q\n-- @reads counts\n-- @param least integer\n"

/* Goes through all pages of `size` rows and checks that they are 1, 2, 3 … `total`. */
static void walk(struct fixture *fixture, uint32_t size, size_t total)
{
    const varve_query_param param = { VARVE_STR("least"), VARVE_STR("0") };
    varve_query_request request = { .name = VARVE_STR("q"), .params = &param, .param_count = 1, .limit = size };
    char cursor[64] = "";
    size_t seen = 0;
    do {
        varve_answer answer = { 0 };
        varve_error error = { 0 };
        request.cursor = varve_str_of(cursor);
        if (models_query(fixture->models, &request, &answer, &error) < 0) {
            fail_msg("%s", error.message);
        }
        varve_buf expected = { 0 };
        varve_buf_str(&expected, VARVE_STR("["));
        for (size_t i = 0; i < answer.row_count; i++) {
            varve_buf_printf(&expected, "%s{\"id\":%zu}", i == 0 ? "" : ",", ++seen);
        }
        varve_buf_str(&expected, VARVE_STR("]"));
        assert_true(varve_str_eq(answer.rows, varve_buf_view(&expected)));
        assert_true(answer.row_count <= size);
        snprintf(cursor, sizeof cursor, "%.*s", (int)answer.next.len, answer.next.ptr);
        varve_buf_fini(&expected);
        varve_answer_fini(&answer);
    } while (*cursor != '\0');
    assert_int_equal(seen, total);
}

static void pages_follow_each_other(void **state)
{
    struct fixture *fixture = *state;
    uint64_t position = append_many(fixture, 100);
    static const char every[] = "-- @projection counts\n-- @version 1\n-- @create\nCREATE TABLE t (id BIGINT);\n"
                                "-- @on Added\nINSERT INTO t VALUES (:position);\n";
    open_with(fixture, every, PAGED "SELECT id FROM t WHERE id > :least ORDER BY id");
    const varve_query_param param = { VARVE_STR("least"), VARVE_STR("0") };
    const varve_query_request request = {
        .name = VARVE_STR("q"), .params = &param, .param_count = 1, .after_position = position, .wait_ms = 60000
    };
    varve_answer answer = { 0 };
    assert_int_equal(models_query(fixture->models, &request, &answer, NULL), VARVE_OK);
    assert_int_equal(answer.row_count, 20);
    varve_answer_fini(&answer);
    walk(fixture, 1, 100);
    walk(fixture, 33, 100);
    walk(fixture, 100, 100);
    walk(fixture, 1000, 100);
    stop(fixture);
    /* A statement with a limit of its own has pages too, as far as that goes. */
    open_with(fixture, every, PAGED "SELECT id FROM t WHERE id > :least ORDER BY id LIMIT 50");
    walk(fixture, 7, 50);
    walk(fixture, 50, 50);
}

struct question {
    const char *name, *value, *name2, *value2, *cursor;
    uint32_t limit;
    const char *says; /* NULL: it is answered */
};

static void a_wrong_request_is_refused_and_says_why(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, notes,
              "-- @query q\n-- @reads counts\n-- @param i integer\n-- @param b boolean\n"
              "SELECT value FROM notes WHERE id = :i AND :b");
    static const struct question cases[] = {
        { "i", "1", "b", "true", "", 0, NULL },
        { "i", "-9223372036854775808", "b", "false", "", 1000, NULL },
        { "i", "1", NULL, NULL, "", 0, "'b' is missing" },
        { "i", "1", "x", "1", "", 0, "'x' is unknown" },
        { "i", "1", "i", "1", "", 0, "'i' is given twice" },
        { "i", "one", "b", "true", "", 0, "'i' is not an integer" },
        { "i", "", "b", "true", "", 0, "'i' is not an integer" },
        { "i", "1.5", "b", "true", "", 0, "'i' is not an integer" },
        { "i", " 1", "b", "true", "", 0, "'i' is not an integer" },
        { "i", "9223372036854775808", "b", "true", "", 0, "'i' is not an integer" },
        { "i", "1 OR 1=1", "b", "true", "", 0, "'i' is not an integer of 64 bits: '1 OR 1=1'" },
        { "i", "1", "b", "yes", "", 0, "'b' is not true or false" },
        { "i", "1", "b", "true", "", 1001, "limit is at most 1000" },
        { "i", "1", "b", "true", "x", 0, "cursor" },
        { "i", "1", "b", "true", "000000000000000000000014", 0, "cursor" },
        { "i", "1", "b", "true", "AAAAAAAAAAAAAAAAAAAAAA==", 0, "cursor" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const varve_query_param params[] = { { varve_str_of(cases[i].name), varve_str_of(cases[i].value) },
                                             { varve_str_of(cases[i].name2), varve_str_of(cases[i].value2) } };
        const varve_query_request request = { .name = VARVE_STR("q"),
                                              .params = params,
                                              .param_count = cases[i].name2 == NULL ? 1 : 2,
                                              .cursor = varve_str_of(cases[i].cursor),
                                              .limit = cases[i].limit };
        varve_answer answer = { 0 };
        varve_error error = { 0 };
        varve_status status = models_query(fixture->models, &request, &answer, &error);
        if (cases[i].says == NULL ? status != VARVE_OK
                                  : status != VARVE_INVALID || strstr(error.message, cases[i].says) == NULL) {
            fail_msg("case %zu: %d %s", i, status, error.message);
        }
        varve_answer_fini(&answer);
    }
    const varve_query_request nobody = { .name = VARVE_STR("nobody") };
    varve_answer answer = { 0 };
    assert_int_equal(models_query(fixture->models, &nobody, &answer, NULL), VARVE_NOT_FOUND);
}

/* A cursor belongs to the parameters that it was made for. */
static void a_cursor_of_another_question_is_refused(void **state)
{
    struct fixture *fixture = *state;
    uint64_t position = append_many(fixture, 30);
    open_with(fixture,
              "-- @projection counts\n-- @version 1\n-- @create\nCREATE TABLE t (id BIGINT);\n"
              "-- @on Added\nINSERT INTO t VALUES (:position);\n",
              PAGED "SELECT id FROM t WHERE id > :least ORDER BY id");
    varve_query_param param = { VARVE_STR("least"), VARVE_STR("0") };
    varve_query_request request = {
        .name = VARVE_STR("q"), .params = &param, .param_count = 1, .after_position = position, .wait_ms = 60000
    };
    varve_answer first = { 0 }, second = { 0 };
    assert_int_equal(models_query(fixture->models, &request, &first, NULL), VARVE_OK);
    assert_true(first.next.len > 0);
    request.cursor = first.next;
    param.value = VARVE_STR("1");
    assert_int_equal(models_query(fixture->models, &request, &second, NULL), VARVE_INVALID);
    param.value = VARVE_STR("0");
    assert_int_equal(models_query(fixture->models, &request, &second, NULL), VARVE_OK);
    assert_int_equal(second.row_count, 10);
    assert_int_equal(second.next.len, 0);
    varve_answer_fini(&first);
    varve_answer_fini(&second);
}

/* Whatever a parameter or an event says, it is a value. */
static void sql_in_values_is_text(void **state)
{
    struct fixture *fixture = *state;
    static const char evil[] = "x'); DROP TABLE notes; --";
    open_with(fixture, notes,
              "-- @query q\n-- @reads counts\n-- @param stream text\n"
              "SELECT value FROM notes WHERE value = :stream");
    uint64_t position = append(fixture, "s-1", "Seen", "{\"v\":\"x'); DROP TABLE notes; --\"}");
    assert_string_equal(ask(fixture, "q", evil, position), "[{\"value\":\"x'); DROP TABLE notes; --\"}]");
    assert_string_equal(ask(fixture, "q", "' OR '1'='1", position), "[]");
}

static void parameters_have_defaults_and_times(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, notes,
              "-- @query q\n-- @reads counts\n-- @param stream text = null\n-- @param word text = a word\n"
              "-- @param n integer = -3\n-- @param at timestamp = 2026-01-02T03:04:05+01:00\n"
              "SELECT :word AS word, CAST(:n AS INTEGER) AS n, CAST(:at AS TEXT) AS at,"
              " CASE WHEN CAST(:stream AS TEXT) IS NULL THEN 1 ELSE 0 END AS missing");
    assert_string_equal(ask(fixture, "q", NULL, 0), "[{\"word\":\"a word\",\"n\":-3,"
                                                    "\"at\":\"2026-01-02T02:04:05.000000Z\",\"missing\":1}]");
    assert_string_equal(ask(fixture, "q", "", 0), "[{\"word\":\"a word\",\"n\":-3,"
                                                  "\"at\":\"2026-01-02T02:04:05.000000Z\",\"missing\":0}]");
    const varve_query_param params[] = { { VARVE_STR("at"), VARVE_STR("yesterday") } };
    const varve_query_request request = { .name = VARVE_STR("q"), .params = params, .param_count = 1 };
    varve_answer answer = { 0 };
    assert_int_equal(models_query(fixture->models, &request, &answer, &fixture->error), VARVE_INVALID);
    assert_non_null(strstr(fixture->error.message, "'at' is not a time such as 2026-01-31T23:59:59Z: 'yesterday'"));
    stop(fixture);
    static const char *const bad[] = { "-- @param n integer = x",
                                       "-- @param n boolean =", "-- @param n timestamp = now" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200];
        snprintf(text, sizeof text, "-- @query q\n-- @reads counts\n%s\nSELECT :n AS n", bad[i]);
        assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
        assert_int_equal(models_add_projection(fixture->models, "p.sql", varve_str_of(notes), NULL), VARVE_OK);
        assert_int_equal(models_add_query(fixture->models, "q.sql", varve_str_of(text), NULL), VARVE_OK);
        assert_int_equal(models_start(fixture->models, &fixture->error), VARVE_INVALID);
        assert_non_null(strstr(fixture->error.message, "q.sql:3: the default of parameter 'n'"));
        stop(fixture);
    }
}

/* Whatever SQL stands in whatever parameter, it is a value or refused, and the model is as it was. */
static void sql_in_every_parameter(void **state)
{
    struct fixture *fixture = *state;
    static const char *const evil[] = {
        "'; DROP TABLE notes; --",
        "1; DELETE FROM notes",
        "1 OR 1=1",
        "') UNION SELECT value FROM notes --",
        "\"; ATTACH 'x' AS y; --",
        "$1",
        ":p1",
        "E'\\'' OR true --",
        "$$; DROP TABLE notes; $$",
        "/* */ 1",
        "null",
        "x' OR value IS NOT NULL OR '",
    };
    static const char *const names[] = { "t", "i", "n", "b", "at" };
    open_with(
        fixture, notes,
        "-- @query q\n-- @reads counts\n-- @param t text = none\n-- @param i integer = 0\n-- @param n number = 0\n"
        "-- @param b boolean = false\n-- @param at timestamp = 2026-01-01T00:00:00Z\n"
        "SELECT value FROM notes WHERE value = :t OR id = :i OR id = :n * 100 OR (:b AND id = 99)"
        " OR value = :at ORDER BY value || :t");
    uint64_t position = append(fixture, "s-1", "Seen", "{\"v\":\"kept\"}");
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
            const varve_query_param param = { varve_str_of(names[j]), varve_str_of(evil[i]) };
            varve_query_request request = { .name = VARVE_STR("q"), .params = &param, .param_count = 1 };
            varve_answer answer = { 0 };
            request.after_position = position;
            request.wait_ms = 60000;
            varve_status status = models_query(fixture->models, &request, &answer, &fixture->error);
            assert_true(j == 0 ? status == VARVE_OK && answer.row_count == 0 : status == VARVE_INVALID);
            varve_answer_fini(&answer);
            request.param_count = 0;
            request.cursor = varve_str_of(evil[i]);
            assert_int_equal(models_query(fixture->models, &request, &answer, NULL), VARVE_INVALID);
            request.cursor = (varve_str){ 0 };
            request.name = varve_str_of(evil[i]);
            assert_int_equal(models_query(fixture->models, &request, &answer, NULL), VARVE_NOT_FOUND);
        }
    }
    const varve_query_param kept = { VARVE_STR("t"), VARVE_STR("kept") };
    const varve_query_request request = { .name = VARVE_STR("q"), .params = &kept, .param_count = 1 };
    varve_answer answer = { 0 };
    assert_int_equal(models_query(fixture->models, &request, &answer, NULL), VARVE_OK);
    assert_int_equal(answer.row_count, 1);
    varve_answer_fini(&answer);
}

/* A query that does not end, or answers without end, is ended; the next one is not in its way. */
static void a_query_without_end_is_ended(void **state)
{
    struct fixture *fixture = *state;
    static const atomic_bool never;
    open_with(fixture, notes,
              in_files(fixture)
                  ? "-- @query q\n-- @reads counts\n-- @param stream text\n"
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE :stream = 'endless' OR i < 3)"
                    " SELECT CASE WHEN :stream = 'large' THEN hex(zeroblob(8000000)) ELSE 'x' END AS x, count(*) AS n"
                    " FROM n GROUP BY CASE WHEN :stream = 'large' THEN i ELSE 1 END"
                  : "-- @query q\n-- @reads counts\n-- @param stream text\n"
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE :stream = 'endless' OR i < 3)"
                    " SELECT CASE WHEN :stream = 'large' THEN repeat('x', 16000000) ELSE 'x' END AS x, count(*) AS n"
                    " FROM n GROUP BY CASE WHEN :stream = 'large' THEN i ELSE 1 END");
    varve_query_param param = { VARVE_STR("stream"), VARVE_STR("endless") };
    const varve_query_request request = { .name = VARVE_STR("q"), .params = &param, .param_count = 1 };
    varve_answer answer = { 0 };
    uint64_t soon = clock_ns() + UINT64_C(300000000);
    assert_int_equal(models_query_until(fixture->models, &request, soon, &never, &answer, &fixture->error),
                     VARVE_TIMEOUT);
    assert_non_null(strstr(fixture->error.message, "query q ran longer than"));
    param.value = VARVE_STR("large");
    assert_int_equal(models_query(fixture->models, &request, &answer, &fixture->error), VARVE_TOO_LARGE);
    assert_non_null(strstr(fixture->error.message, "ask for a smaller limit"));
    assert_string_equal(ask(fixture, "q", "short", 0), "[{\"x\":\"x\",\"n\":3}]");
}

static void a_wait_that_cannot_succeed_says_who_is_behind(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, notes, "-- @query q\n-- @reads counts\nSELECT value FROM notes");
    const varve_query_request request = { .name = VARVE_STR("q"), .after_position = 7, .wait_ms = 1 };
    varve_answer answer = { 0 };
    varve_error error = { 0 };
    assert_int_equal(models_query(fixture->models, &request, &answer, &error), VARVE_TIMEOUT);
    assert_non_null(strstr(error.message, "projection counts is"));
    assert_non_null(strstr(error.message, "before 7"));
}

static void a_query_that_fails_while_it_runs_is_the_applications(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, notes,
              in_files(fixture) ? "-- @query q\n-- @reads counts\n-- @param stream text\n"
                                  "SELECT json_extract(:stream, '$') AS it"
                                : "-- @query q\n-- @reads counts\n-- @param stream text\n"
                                  "SELECT CAST(CAST(:stream AS text) AS json)::text AS it");
    assert_string_equal(ask(fixture, "q", "[1]", 0), "[{\"it\":\"[1]\"}]");
    const varve_query_param param = { VARVE_STR("stream"), VARVE_STR("{{") };
    const varve_query_request request = { .name = VARVE_STR("q"), .params = &param, .param_count = 1 };
    varve_answer answer = { 0 };
    varve_error error = { 0 };
    assert_int_equal(models_query(fixture->models, &request, &answer, &error), VARVE_APPLICATION);
    assert_non_null(strcasestr(error.message, in_files(fixture) ? "malformed JSON" : "invalid input syntax"));
    /* The next one is not in its way. */
    assert_string_equal(ask(fixture, "q", "[2]", 0), "[{\"it\":\"[2]\"}]");
}

#ifdef VARVE_WITH_POSTGRES
/* Where a statement's types decide, a value becomes what its column is. */
static void json_values_become_what_the_columns_are(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture,
              "-- @projection counts\n-- @version 1\n-- @create\n"
              "CREATE TABLE t (id BIGINT, i BIGINT, r DOUBLE PRECISION, n NUMERIC, b BOOLEAN, s TEXT, j JSONB, d JSON,"
              " at TIMESTAMPTZ, raw BYTEA);\n"
              "-- @on Seen\nINSERT INTO t VALUES (:position, :data.i, :data.r, :data.n, :data.b, :data.s, :data.j,"
              " :data, :data.at, '\\x00ff');\n",
              "-- @query q\n-- @reads counts\nSELECT i, r, n, b, s, j, d, at, raw, sum(i) OVER () AS total"
              " FROM counts.t ORDER BY id DESC LIMIT 1");
    uint64_t position = append(fixture, "s-1", "Seen",
                               "{\"i\":9223372036854775807,\"r\":0.1,\"n\":12.50,\"b\":true,\"s\":\"caf\\u00e9\","
                               "\"j\":{\"a\":[1,\"x\"]},\"at\":\"2026-01-02T03:04:05+01:00\"}");
    assert_string_equal(
        ask(fixture, "q", NULL, position),
        "[{\"i\":9223372036854775807,\"r\":0.1,\"n\":12.50,\"b\":true,\"s\":\"caf\xc3\xa9\",\"j\":{\"a\": [1, \"x\"]},"
        "\"d\":{\"i\":9223372036854775807,\"r\":0.1,\"n\":12.50,\"b\":true,\"s\":\"caf\\u00e9\","
        "\"j\":{\"a\":[1,\"x\"]},\"at\":\"2026-01-02T03:04:05+01:00\"},"
        "\"at\":\"2026-01-02 02:04:05+00\",\"raw\":\"AP8=\",\"total\":9223372036854775807}]");
    position = append(fixture, "s-1", "Seen", "{\"i\":1,\"n\":7,\"s\":false,\"j\":\"x\"}");
    assert_string_equal(ask(fixture, "q", NULL, position),
                        "[{\"i\":1,\"r\":null,\"n\":7,\"b\":null,\"s\":\"false\",\"j\":\"x\",\"d\":{\"i\":1,\"n\":7,"
                        "\"s\":false,\"j\":\"x\"},\"at\":null,\"raw\":\"AP8=\",\"total\":9223372036854775808}]");
}
#endif

static void an_answer_and_a_status_are_written_as_json(void **state)
{
    (void)state;
    varve_buf out = { 0 };
    varve_answer answer = { .rows = VARVE_STR("[{\"a\":1}]"), .position = 9, .next = VARVE_STR("abc") };
    varve_answer_write_json(&answer, &out);
    assert_string_equal(out.ptr, "{\"rows\":[{\"a\":1}],\"position\":9,\"next\":\"abc\"}");
    varve_projection_status status = { .name = VARVE_STR("p"),
                                       .version = 2,
                                       .mode = VARVE_STR("async"),
                                       .state = VARVE_PROJECTION_LIVE,
                                       .position = 7,
                                       .head = 9 };
    varve_buf_reset(&out);
    varve_projection_write_json(&status, &out);
    assert_string_equal(out.ptr, "{\"name\":\"p\",\"version\":2,\"mode\":\"async\",\"state\":\"live\",\"position\":7,"
                                 "\"head\":9,\"lag\":2,\"parked\":0,\"rebuild\":null}");
    status.rebuilding = true;
    status.rebuild_done = 3;
    status.rebuild_total = 9;
    status.rebuild_rate = 1.5;
    status.rebuild_seconds_left = 4;
    status.rebuild_queued = true;
    status.parked = 2;
    status.partitions = 4;
    status.failed_position = 8;
    status.problem = VARVE_STR("bad");
    varve_buf_reset(&out);
    varve_projection_write_json(&status, &out);
    assert_non_null(strstr(out.ptr, "\"parked\":2,\"rebuild\":{\"done\":3,\"total\":9,\"rate\":1.5,"
                                    "\"seconds_left\":4.0,\"queued\":true},"
                                    "\"partitions\":4,\"failed_position\":8,\"problem\":\"bad\"}"));
    varve_buf_fini(&out);
}

/* What is given fits the parameter's type, whatever the statement compares it with. */
static void what_is_of_the_declared_type_never_fails(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *type, *given, *rows;
    } cases[] = {
        { "integer", "9223372036854775807", "[{\"n\":1}]" },
        { "integer", "-9223372036854775808", "[{\"n\":0}]" },
        { "number", "0.5", "[{\"n\":0}]" },
        { "number", "1.5", "[{\"n\":1}]" },
        { "number", "1e30", "[{\"n\":1}]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char query[200];
        snprintf(query, sizeof query,
                 "-- @query q\n-- @reads counts\n-- @param stream %s\nSELECT count(*) AS n FROM counts"
                 " WHERE n <= :stream",
                 cases[i].type);
        open_with(fixture, count_projection, query);
        uint64_t position = i == 0 ? append(fixture, "a-1", "Added", "{\"amount\":1}") : 1;
        assert_string_equal(ask(fixture, "q", cases[i].given, position), cases[i].rows);
        stop(fixture);
    }
}

/* The server's own words name no parameter that an author knows. */
static void a_type_that_nothing_decides_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    varve_error error = { 0 };
    assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
    assert_int_equal(models_add_projection(fixture->models, "p.sql", varve_str_of(count_projection), &error), VARVE_OK);
    assert_int_equal(models_add_query(fixture->models, "q.sql",
                                      VARVE_STR("-- @query q\n-- @reads counts\n-- @param least integer\n"
                                                "-- @param what text = null\nSELECT n FROM counts\n"
                                                "WHERE n > :least AND :what IS NULL"),
                                      &error),
                     VARVE_OK);
    assert_int_equal(models_start(fixture->models, &error), VARVE_INVALID);
    assert_non_null(strstr(error.message, "q.sql:6: "));
    assert_non_null(strstr(error.message, "type of :what, "));
    assert_null(strstr(error.message, "$2"));
}

/* A list is given as JSON, and a table-valued function makes rows of it. */
static void a_list_is_given_as_json(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, count_projection,
              in_files(fixture)
                  ? "-- @query q\n-- @reads counts\n-- @param stream text\nSELECT stream, n FROM counts"
                    " WHERE stream IN (SELECT value FROM json_each(:stream)) ORDER BY stream"
                  : "-- @query q\n-- @reads counts\n-- @param stream text\nSELECT stream, n FROM counts"
                    " WHERE stream IN (SELECT json_array_elements_text(:stream::text::json)) ORDER BY stream");
    uint64_t position = append_many(fixture, 10);
    assert_string_equal(ask(fixture, "q", "[\"a-3\",\"a-7\",\"none\"]", position),
                        "[{\"stream\":\"a-3\",\"n\":1},{\"stream\":\"a-7\",\"n\":1}]");
}

int main(void)
{
    static const struct model_case tests[] = {
        CASE_WITH(json_values_keep_their_type, SQL_KEEPS_KINDS),
#ifdef VARVE_WITH_POSTGRES
        CASE_WITHOUT(json_values_become_what_the_columns_are, SQL_IN_A_FILE),
#endif
        CASE(an_events_own_fields_can_be_used),
        CASE_WITH(rows_of_any_kind_become_json, SQL_KEEPS_KINDS),
        CASE(pages_follow_each_other),
        CASE(a_wrong_request_is_refused_and_says_why),
        CASE(a_cursor_of_another_question_is_refused),
        CASE(sql_in_values_is_text),
        CASE(parameters_have_defaults_and_times),
        CASE(sql_in_every_parameter),
        CASE(what_is_of_the_declared_type_never_fails),
#ifdef VARVE_WITH_POSTGRES
        CASE_WITH(a_type_that_nothing_decides_is_asked_for, SQL_FOLDS_NAMES),
#endif
        CASE(a_list_is_given_as_json),
        CASE(a_query_without_end_is_ended),
        CASE(a_wait_that_cannot_succeed_says_who_is_behind),
        CASE(a_query_that_fails_while_it_runs_is_the_applications),
        { cmocka_unit_test(an_answer_and_a_status_are_written_as_json), 0, 0 },
    };
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
