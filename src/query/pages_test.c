/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of queries: whatever the order, and whatever happens between two of them. */
#include "base/clock.h"
#include "query/models_fixture.h"

/* Events put, change and remove rows, so that a test has them come and go between two pages. */
static const char items[] = "-- @projection items\n-- @version 1\n-- @create\n"
                            "CREATE TABLE items (id BIGINT PRIMARY KEY, kind TEXT, n BIGINT, name TEXT);\n"
                            "CREATE INDEX items_by_kind ON items (kind DESC, n);\n"
                            "CREATE TABLE copies (word TEXT);\n"
                            "-- @on Put\nINSERT INTO items VALUES (:data.id, :data.kind, :data.n, :data.name);\n"
                            "-- @on Removed\nDELETE FROM items WHERE id = :data.id;\n"
                            "-- @on Copied\nINSERT INTO copies VALUES (:data.word);\n";

static const char *const orders[] = {
    "SELECT id, kind, n, name FROM items",
    "SELECT id, name FROM items ORDER BY id",
    "SELECT id, name FROM items ORDER BY id DESC",
    "SELECT kind, id FROM items ORDER BY kind DESC, id",
    "SELECT id, n FROM items ORDER BY n",
    "SELECT id, n FROM items ORDER BY n DESC, kind",
    "SELECT id, n FROM items ORDER BY n NULLS FIRST, kind DESC NULLS LAST",
    "SELECT id, n FROM items ORDER BY n DESC NULLS LAST, kind NULLS FIRST",
    "SELECT id FROM items ORDER BY n % 3 DESC, items.kind, lower(name)",
    "SELECT i.id AS it, other.id AS more FROM items i JOIN items other ON other.n = i.n ORDER BY other.id DESC, 1",
    "SELECT kind, count(*) AS many, sum(n) FROM items GROUP BY kind ORDER BY count(*) DESC, kind",
    "SELECT DISTINCT kind, n FROM items ORDER BY n DESC",
    "SELECT kind FROM items",
    "SELECT kind, n FROM items ORDER BY 2 DESC",
    "SELECT id AS x FROM items UNION ALL SELECT id FROM items WHERE id < 20 ORDER BY x DESC",
    "WITH many AS (SELECT id FROM items ORDER BY id) SELECT id, row_number() OVER (ORDER BY id) AS place FROM many",
    "SELECT id, name FROM items ORDER BY name DESC LIMIT 17",
    "VALUES (3, 'c'), (1, 'a'), (2, 'b'), (2, 'b'), (2, 'b')",
    "SELECT word FROM copies",
    "SELECT 1 AS one FROM copies ORDER BY word",
    "SELECT CAST(n AS DOUBLE PRECISION) / 7 AS a, CAST(n AS NUMERIC) / 4 AS b, id FROM items ORDER BY 1 DESC, 2",
};

/* What databases disagree about, and the row that comes first. */
static const struct odd_order {
    unsigned with, without; /* capabilities */
    const char *statement, *first;
} odd_orders[] = {
    { 0, 0, "SELECT -id AS \"Id\" FROM items ORDER BY \"Id\" DESC", "{\"Id\":-1}" },
    { 0, 0, "SELECT -id AS other FROM items ORDER BY OTHER", "{\"other\":-60}" },
    { 0, SQL_FOLDS_NAMES, "SELECT -id AS Label FROM items ORDER BY \"label\"", "{\"Label\":-60}" },
    { 0, SQL_FOLDS_NAMES, "SELECT name, id FROM items ORDER BY name COLLATE NOCASE DESC, id",
      "{\"name\":\"odd 9's\",\"id\":7}" },
    { 0, SQL_FOLDS_NAMES,
      "SELECT CASE id % 4 WHEN 0 THEN 9e999 WHEN 1 THEN -9e999 WHEN 2 THEN id ELSE x'00' END AS v, id FROM items"
      " ORDER BY v DESC, id",
      "{\"v\":\"AA==\",\"id\":3}" },
    { 0, SQL_FOLDS_NAMES, "SELECT CASE WHEN id % 2 = 0 THEN id ELSE id + 0.0 END AS v FROM items ORDER BY v",
      "{\"v\":1.0}" },
    { SQL_FOLDS_NAMES, 0, "SELECT -id AS \"Id\", id FROM items ORDER BY id", "{\"Id\":-1,\"id\":1}" },
    { SQL_FOLDS_NAMES, 0, "SELECT -id AS \"Kind\", id FROM items WHERE kind = 'a' ORDER BY kind, id",
      "{\"Kind\":-5,\"id\":5}" },
    { SQL_FOLDS_NAMES, 0,
      "SELECT kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY n) AS middle FROM items GROUP BY kind"
      " ORDER BY max(id), kind",
      "{\"kind\":\"b\"," },
    { SQL_FOLDS_NAMES, 0,
      "SELECT CASE id % 4 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' WHEN 2 THEN 'Infinity' ELSE id::float8 / 3 END"
      " AS v, id FROM items ORDER BY v DESC, id",
      "{\"v\":null,\"id\":4}" },
    { SQL_FOLDS_NAMES, 0,
      "SELECT (CASE id % 4 WHEN 0 THEN 'NaN' WHEN 1 THEN '1.50' WHEN 2 THEN '1.5' ELSE '1' END)::numeric AS v, id"
      " FROM items ORDER BY v DESC, id",
      "{\"v\":\"NaN\",\"id\":4}" },
    { SQL_FOLDS_NAMES, 0, "SELECT (id % 5)::float4 / 10 AS v, id FROM items ORDER BY v DESC, id",
      "{\"v\":0.4,\"id\":4}" },
    { SQL_FOLDS_NAMES, 0, "SELECT kind::char(9) AS c, id FROM items ORDER BY c DESC NULLS LAST, id", "{\"c\":\"" },
    { SQL_FOLDS_NAMES, 0, "SELECT name, id FROM items ORDER BY name COLLATE \"C\" DESC, id",
      "{\"name\":\"odd 9's\",\"id\":7}" },
    { SQL_FOLDS_NAMES, 0, "SELECT ARRAY[n, id] AS a FROM items WHERE n IS NOT NULL ORDER BY a DESC",
      "{\"a\":\"{10,54}\"}" },
    { SQL_FOLDS_NAMES, 0, "SELECT json_build_object('n', n) AS j, id FROM items ORDER BY jsonb_build_object('n', id)",
      "{\"j\":{\"n\" : 1},\"id\":1}" },
    { SQL_FOLDS_NAMES, 0, "SELECT DISTINCT ON (n) n, id FROM items ORDER BY n DESC, id DESC",
      "{\"n\":null,\"id\":56}" },
    { SQL_FOLDS_NAMES, 0, "SELECT id % 3 * interval '36 hours' AS span, id FROM items ORDER BY span DESC, id",
      "{\"span\":\"PT72H\",\"id\":2}" },
    { SQL_FOLDS_NAMES, 0, "SELECT (id, n) AS r FROM items ORDER BY r", "{\"r\":\"(1,1)\"}" },
    { SQL_KEEPS_KINDS, 0,
      "SELECT CASE WHEN id < 30 THEN 'b' ELSE 'A' END AS kind, id FROM items ORDER BY kind COLLATE NOCASE, id",
      "{\"kind\":\"A\",\"id\":30}" },
    { SQL_KEEPS_KINDS, 0, "SELECT name AS who, id FROM items ORDER BY 1 COLLATE NOCASE DESC, id",
      "{\"who\":\"odd 9's\",\"id\":7}" },
    { SQL_KEEPS_KINDS, 0, "SELECT offset, id FROM (SELECT n AS offset, id FROM items) AS x ORDER BY offset DESC, id",
      "{\"offset\":10,\"id\":10}" },
    { SQL_KEEPS_KINDS, 0, "SELECT CAST(x'ff' AS TEXT) || id AS torn FROM items ORDER BY torn", "{\"torn\":\"/zE=\"}" },
    { SQL_KEEPS_KINDS, 0, "SELECT 'a' || char(0) || printf('%02d', id) AS holed FROM items ORDER BY holed",
      "{\"holed\":\"a\\u000001\"}" },
    { SQL_FOLDS_NAMES, 0,
      "SELECT '2026-01-02 03:04:05+01'::timestamptz + id * interval '1 us' AS at FROM items ORDER BY at",
      "{\"at\":\"2026-01-02 02:04:05.000001+00\"}" },
};

enum { ORDERS = sizeof orders / sizeof *orders, ODD_ORDERS = sizeof odd_orders / sizeof *odd_orders, ROWS = 60 };

static void add_query(struct fixture *fixture, const char *name, const char *params, const char *statement)
{
    varve_buf text = { 0 };
    varve_buf_printf(&text, "-- @query %s\n-- @reads items\n%s%s", name, params, statement);
    if (models_add_query(fixture->models, name, varve_buf_view(&text), &fixture->error) < 0) {
        fail_msg("%s: %s", statement, fixture->error.message);
    }
    varve_buf_fini(&text);
}

static uint64_t put(struct fixture *fixture, int id, const char *kind, int n)
{
    char data[200];
    char number[16] = "null";
    if (n >= 0) {
        snprintf(number, sizeof number, "%d", n);
    }
    snprintf(data, sizeof data, "{\"id\":%d,\"kind\":%s,\"n\":%s,\"name\":\"%s %d's\"}", id, kind, number,
             id % 2 == 0 ? "Even" : "odd", id * 7 % 10);
    return append(fixture, "items-1", "Put", data);
}

/* Rows with NULLs, with equal values, and some that are wholly equal. */
static uint64_t fill(struct fixture *fixture)
{
    static const char *const kinds[] = { "\"a\"", "\"b\"", "null", "\"B\"", "\"it's; --\"" };
    uint64_t position = 0;
    for (int i = 1; i <= ROWS; i++) {
        position = put(fixture, i, kinds[i % 5], i % 7 == 0 ? -1 : i % 11);
        if (i % 4 == 0) {
            position = append(fixture, "copies-1", "Copied", i % 8 == 0 ? "{\"word\":\"same\"}" : "{\"word\":null}");
        }
    }
    return position;
}

static bool has_odd_order(const struct fixture *fixture, size_t i)
{
    const struct odd_order *order = &odd_orders[i];
    return (fixture->sql->capabilities & order->with) == order->with &&
           (fixture->sql->capabilities & order->without) == 0;
}

/* The projection alone, for a test that adds queries of its own. */
static void begin_items(struct fixture *fixture)
{
    assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
    if (models_add_projection(fixture->models, "items.sql", varve_str_of(items), &fixture->error) < 0) {
        fail_msg("%s", fixture->error.message);
    }
}

static void start_items(struct fixture *fixture)
{
    if (models_start(fixture->models, &fixture->error) < 0) {
        fail_msg("%s", fixture->error.message);
    }
}

static void open_items(struct fixture *fixture)
{
    char name[16];
    begin_items(fixture);
    for (size_t i = 0; i < ORDERS; i++) {
        snprintf(name, sizeof name, "q%zu", i);
        add_query(fixture, name, "", orders[i]);
    }
    add_query(fixture, "by_kind", "", "SELECT kind, id FROM items ORDER BY kind DESC, id");
    add_query(fixture, "deep", "", "SELECT kind, n FROM items ORDER BY kind DESC, n");
    add_query(fixture, "large", "-- @param least integer = 0\n",
              "SELECT id, name FROM items WHERE id > :least ORDER BY id");
    start_items(fixture);
}

static void turn(struct fixture *fixture, const char *name, uint32_t limit, uint64_t after, char cursor[4100],
                 varve_buf *rows)
{
    varve_answer answer = { 0 };
    const varve_query_request request = { .name = varve_str_of(name),
                                          .limit = limit,
                                          .cursor = varve_str_of(cursor),
                                          .after_position = after,
                                          .wait_ms = 60000 };
    if (models_query(fixture->models, &request, &answer, &fixture->error) < 0) {
        fail_msg("%s: %s", name, fixture->error.message);
    }
    assert_true(answer.row_count <= limit && (answer.row_count == limit || answer.next.len == 0));
    if (answer.row_count > 0 && rows->len > 0) {
        varve_buf_str(rows, VARVE_STR(","));
    }
    varve_buf_add(rows, answer.rows.ptr + 1, answer.rows.len - 2);
    assert_true(answer.next.len < 4100);
    snprintf(cursor, 4100, "%.*s", (int)answer.next.len, answer.next.ptr == NULL ? "" : answer.next.ptr);
    varve_answer_fini(&answer);
}

/* All rows, by pages of `size`. */
static void read_all(struct fixture *fixture, const char *name, uint32_t size, uint64_t after, varve_buf *rows)
{
    char cursor[4100] = "";
    do {
        turn(fixture, name, size, after, cursor, rows);
    } while (*cursor != '\0');
    varve_buf_str(rows, VARVE_STR(""));
}

/* Whatever the size of the pages; `first`, if any, is what the rows begin with. */
static void assert_rows_once_each(struct fixture *fixture, const char *name, const char *statement, const char *first,
                                  uint64_t position)
{
    static const uint32_t sizes[] = { 1, 2, 3, 7, 59 };
    varve_buf whole = { 0 }, pages = { 0 };
    read_all(fixture, name, 1000, position, &whole);
    assert_true(whole.len > 0);
    if (strncmp(whole.ptr, first, strlen(first)) != 0) {
        fail_msg("%s:\n%s", statement, whole.ptr);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        varve_buf_reset(&pages);
        read_all(fixture, name, sizes[i], position, &pages);
        if (!varve_str_eq(varve_buf_view(&whole), varve_buf_view(&pages))) {
            fail_msg("%s by %u:\n%s\n%s", statement, sizes[i], whole.ptr, pages.ptr);
        }
    }
    varve_buf_fini(&whole);
    varve_buf_fini(&pages);
}

static void pages_of_any_order_are_the_rows_once_each(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    uint64_t position = fill(fixture);
    open_items(fixture);
    for (size_t i = 0; i < ORDERS; i++) {
        snprintf(name, sizeof name, "q%zu", i);
        assert_rows_once_each(fixture, name, orders[i], "", position);
    }
}

static void an_order_is_the_one_that_the_database_reads(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    uint64_t position = fill(fixture);
    begin_items(fixture);
    for (size_t i = 0; i < ODD_ORDERS; i++) {
        snprintf(name, sizeof name, "odd%zu", i);
        if (has_odd_order(fixture, i)) {
            add_query(fixture, name, "", odd_orders[i].statement);
        }
    }
    start_items(fixture);
    for (size_t i = 0; i < ODD_ORDERS; i++) {
        snprintf(name, sizeof name, "odd%zu", i);
        if (has_odd_order(fixture, i)) {
            assert_rows_once_each(fixture, name, odd_orders[i].statement, odd_orders[i].first, position);
        }
    }
}

/* How often the row with this id stands in the text. */
static size_t times(const varve_buf *rows, int id)
{
    char field[32];
    size_t count = 0;
    snprintf(field, sizeof field, "\"id\":%d}", id);
    for (const char *at = rows->ptr; (at = strstr(at, field)) != NULL; at++) {
        count++;
    }
    return count;
}

static void rows_that_come_and_go_shift_nothing(void **state)
{
    struct fixture *fixture = *state;
    char cursor[4100] = "", data[32];
    varve_buf rows = { 0 };
    uint64_t position = fill(fixture);
    int made = 1000;
    open_items(fixture);
    do {
        turn(fixture, "by_kind", 3, position, cursor, &rows);
        /* Before, behind and among what was seen; and the last row that was seen goes. */
        put(fixture, made++, "\"zzz\"", 1);
        put(fixture, made++, "null", 1);
        put(fixture, made++, "\"b\"", 1);
        put(fixture, -made++, "\"b\"", 1);
        const char *last = rows.ptr;
        for (const char *at = rows.ptr; (at = strstr(at, "\"id\":")) != NULL; at++) {
            last = at;
        }
        snprintf(data, sizeof data, "{\"id\":%d}", (int)strtol(last + 5, NULL, 10));
        position = append(fixture, "items-1", "Removed", data);
    } while (*cursor != '\0' && made < 2000);
    for (int id = 1; id <= ROWS; id++) {
        if (times(&rows, id) != 1) {
            fail_msg("row %d came %zu times: %s", id, times(&rows, id), rows.ptr);
        }
    }
    varve_buf_fini(&rows);
}

static void a_cursor_outlives_a_rebuild(void **state)
{
    struct fixture *fixture = *state;
    char cursor[4100] = "";
    varve_buf rows = { 0 }, whole = { 0 };
    uint64_t position = fill(fixture);
    open_items(fixture);
    read_all(fixture, "by_kind", 1000, position, &whole);
    turn(fixture, "by_kind", 25, position, cursor, &rows);
    assert_int_equal(models_rebuild(fixture->models, VARVE_STR("items"), NULL), VARVE_OK);
    struct seen seen;
    do {
        seen = (struct seen){ 0 };
        assert_int_equal(models_list(fixture->models, VARVE_STR("items"), copy_status, &seen, NULL), VARVE_OK);
        usleep(1000);
    } while (seen.status.rebuilding || seen.status.state != VARVE_PROJECTION_LIVE);
    while (*cursor != '\0') {
        turn(fixture, "by_kind", 25, position, cursor, &rows);
    }
    assert_string_equal(rows.ptr, whole.ptr);
    varve_buf_fini(&rows);
    varve_buf_fini(&whole);
}

#ifdef VARVE_WITH_POSTGRES
/* The server counts the time of each statement: a page that is read by several has no more of it than one. */
static void all_parts_of_a_page_share_its_time(void **state)
{
    struct fixture *fixture = *state;
    static const atomic_bool never;
    uint64_t position = fill(fixture);
    begin_items(fixture);
    add_query(fixture, "slow", "",
              "SELECT kind, n, id, pg_sleep(0.01)::text AS nothing FROM items ORDER BY kind DESC, n, id");
    start_items(fixture);
    char cursor[4100] = "";
    varve_buf rows = { 0 };
    turn(fixture, "slow", 30, position, cursor, &rows); /* each part sleeps for 60 rows: 0.6 s */
    varve_answer answer = { 0 };
    const varve_query_request request = { .name = VARVE_STR("slow"), .limit = 1000, .cursor = varve_str_of(cursor) };
    assert_int_equal(models_query_until(fixture->models, &request, clock_ns() + 1000000000, &never, &answer,
                                        &fixture->error),
                     VARVE_TIMEOUT);
    assert_non_null(strstr(fixture->error.message, "query slow ran longer than"));
    varve_buf_fini(&rows);
}
#endif

/* A cursor has no more of a row than it takes to find what is behind it. */
static void a_cursor_is_short(void **state)
{
    struct fixture *fixture = *state;
    char cursor[4100] = "";
    varve_buf rows = { 0 };
    uint64_t position = fill(fixture);
    open_items(fixture);
    turn(fixture, "large", 20, position, cursor, &rows);
    assert_true(strlen(cursor) > 0 && strlen(cursor) <= 28);
    varve_buf_fini(&rows);
}

static void explained(struct fixture *fixture, const char *name, const char *cursor, varve_buf *out)
{
    const varve_query_request request = { .name = varve_str_of(name), .cursor = varve_str_of(cursor) };
    varve_buf_reset(out);
    if (models_explain(fixture->models, &request, out, &fixture->error) < 0) {
        fail_msg("%s", fixture->error.message);
    }
}

static void what_is_behind_a_row_is_found_by_index(void **state)
{
    struct fixture *fixture = *state;
    char cursor[4100] = "", data[100];
    varve_buf rows = { 0 }, plan = { 0 };
    uint64_t position = 0;
    for (int i = 1; i <= 3000; i++) {
        snprintf(data, sizeof data, "{\"id\":%d,\"kind\":\"%d\",\"n\":%d,\"name\":\"x\"}", i, i % 3, i);
        position = append(fixture, "items-1", "Put", data);
    }
    open_items(fixture);
    turn(fixture, "deep", 1000, position, cursor, &rows);
    turn(fixture, "deep", 500, position, cursor, &rows);
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        postgres_exec(&fixture->postgres, "ANALYZE");
    }
#endif
    explained(fixture, "deep", cursor, &plan);
    /* Both values of the key, the second as a range. */
    bool found = in_files(fixture)
                     ? strstr(plan.ptr, "SEARCH items USING COVERING INDEX items_by_kind (kind=? AND n>?)") != NULL
                     : strstr(plan.ptr, "items_by_kind") != NULL && strstr(plan.ptr, "Index Cond: ((kind =") != NULL &&
                           strstr(plan.ptr, "AND (n >") != NULL;
    if (!found || strstr(plan.ptr, "\"warnings\":[]") == NULL) {
        fail_msg("%s", plan.ptr);
    }
    assert_non_null(strstr(plan.ptr, "\"reads\":[{\"projection\":\"items\",\"generation\":1,\"position\":3000}]"));
    varve_buf_fini(&rows);
    varve_buf_fini(&plan);
}

static void a_plan_that_reads_everything_is_warned_about(void **state)
{
    struct fixture *fixture = *state;
    varve_buf plan = { 0 };
    fill(fixture);
    open_items(fixture);
    explained(fixture, "q4", "", &plan); /* ORDER BY n */
    assert_non_null(strstr(plan.ptr, "\"warnings\":[\""));
    assert_non_null(strstr(plan.ptr, "reads all of items"));
    assert_non_null(strstr(plan.ptr, "sorts all rows"));
    assert_non_null(strstr(plan.ptr, "\"statement\":\"WITH "));
    explained(fixture, "large", "", &plan);
    assert_non_null(strstr(plan.ptr, "\"parameters\":{\"p1\":\"least\"}"));
    const varve_query_request nobody = { .name = VARVE_STR("nobody") };
    assert_int_equal(models_explain(fixture->models, &nobody, &plan, NULL), VARVE_NOT_FOUND);
    varve_buf_fini(&plan);
}

/* What is refused when a query is loaded, where, and how it should be written. */
static void a_query_that_cannot_be_paged_is_refused_at_the_start(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *statement, *says;
    } cases[] = {
        { "SELECT DISTINCT kind FROM items\nORDER BY lower(kind)", "q.sql:4: " },
        { "SELECT id FROM items UNION SELECT n FROM items\nORDER BY id + 1", "q.sql:" },
        { "SELECT id FROM items FOR UPDATE", "q.sql:3: " },
        { "SELECT id FROM items ORDER BY id;\nSELECT 1", "q.sql:4: " },
        { "DELETE FROM items", "q.sql:3: " },
        { "UPDATE sqlite_master SET sql = ''", "q.sql:3: " },
        { "UPDATE items.sqlite_master SET sql = ''", "q.sql:3: " },
        { "WITH gone AS (DELETE FROM items RETURNING id) SELECT id FROM gone", "q.sql:3: " },
        { "SELECT id FROM items.varve_checkpoint", "q.sql:3: " },
        { "SELECT position FROM items.varve_checkpoint", "q.sql:3: " },
        { "ATTACH 'other.db' AS other", "q.sql:3: " },
        { "PRAGMA journal_mode", "q.sql:3: " },
        { "SELECT load_extension('x')", "q.sql:3: " },
        { "SET statement_timeout = 0", "q.sql:3: " },
        { "COPY items TO '/tmp/x'", "q.sql:3: " },
        { "SELECT id INTO other FROM items", "q.sql:3: " },
        { "EXPLAIN SELECT id FROM items", "q.sql:3: " },
        { "VACUUM", "q.sql:3: " },
        { "BEGIN", "q.sql:3: " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        varve_buf text = { 0 };
        varve_error error = { 0 };
        varve_buf_printf(&text, "-- @query q\n-- @reads items\n%s", cases[i].statement);
        assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
        varve_status status = models_add_projection(fixture->models, "items.sql", varve_str_of(items), &error);
        assert_int_equal(status, VARVE_OK);
        status = models_add_query(fixture->models, "q.sql", varve_buf_view(&text), &error);
        if (status == VARVE_OK) {
            status = models_start(fixture->models, &error);
        }
        if (status != VARVE_INVALID || strstr(error.message, cases[i].says) == NULL) {
            fail_msg("%s: %s: %s", cases[i].statement, varve_status_word(status), error.message);
        }
        varve_buf_fini(&text);
        stop(fixture);
    }
}

int main(void)
{
    static const struct model_case tests[] = {
        CASE(pages_of_any_order_are_the_rows_once_each),
        CASE(an_order_is_the_one_that_the_database_reads),
        CASE(rows_that_come_and_go_shift_nothing),
        CASE(a_cursor_outlives_a_rebuild),
        CASE(a_cursor_is_short),
#ifdef VARVE_WITH_POSTGRES
        CASE_WITHOUT(all_parts_of_a_page_share_its_time, SQL_IN_A_FILE),
#endif
        CASE(what_is_behind_a_row_is_found_by_index),
        CASE(a_plan_that_reads_everything_is_warned_about),
        CASE(a_query_that_cannot_be_paged_is_refused_at_the_start),
    };
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
