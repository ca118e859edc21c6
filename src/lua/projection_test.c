/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/projection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <varve/engine.h>
#include <varve/projection.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

#define NAME "projections/kept.lua"

static void is_refused(const char *source, const char *wanted)
{
    struct lua_projection *projection = NULL;
    varve_error error = { 0 };

    assert_int_equal(lua_projection_open(&projection, NAME, varve_str_of(source), &error), VARVE_INVALID);
    assert_null(projection);
    if (strncmp(error.message, NAME ":", strlen(NAME) + 1) != 0 || strstr(error.message, wanted) == NULL)
        fail_msg("'%s' does not say '%s'", error.message, wanted);
}

static void mistakes_name_file_and_line(void **state)
{
    (void)state;
    is_refused("return 7", "lua:1: the file must return a table { name, version, create, on }");
    is_refused("return {\n name = 7 }", "lua:2: name must be a text");
    is_refused("return { name = 'a',\n version = 0 }", "lua:2: version must be an integer from 1");
    is_refused("return { name = 'a', version = 1,\n create = {} }", "lua:2: create must be a text");
    is_refused("return { name = 'a', version = 1, create = 'x' }", "on must be a table of functions by event type");
    is_refused("return { name = 'a', version = 1, create = 'x',\n on = {} }", "lua:2: on has no function");
    is_refused("return { name = 'a', version = 1, create = 'x',\n on = { error } }", "lua:2: on: every name");
    is_refused("return { name = 'a', version = 1, create = 'x', on = {\n Added = 7 } }", "lua:2: on.Added must be a");
    is_refused("return { name = 'a', version = 1, create = 'x',\n mode = 'inline' }", "lua:2: a projection has no");
    is_refused("return { name = 'a', version = 1,\n on_error = 'skip' }", "lua:2: on_error must be 'stop' or 'park'");
    is_refused("return { name = 'a', version = 1,\n partitions = 1 }", "lua:2: partitions must be an integer");
    is_refused("return { name = 'a', version = 1,\n partitions = '4' }", "lua:2: partitions must be an integer");
    is_refused("return {\n name = = }", "lua:2: ");
}

/* ---- a projection in an engine ---- */

struct house {
    struct scratch scratch;
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
#endif
    char uri[400];
    struct lua_projection *projection;
    varve_engine *engine;
};

static bool on_postgres(void)
{
    return getenv("VARVE_TEST_STORE") != NULL;
}

static int set_up(void **state)
{
    static struct house house;

    house = (struct house){ .engine = NULL };
    scratch_init(&house.scratch);
    snprintf(house.uri, sizeof house.uri, "sqlite:%s", scratch_path(&house.scratch, "s.db"));
#ifdef VARVE_WITH_POSTGRES
    if (on_postgres()) {
        postgres_init(&house.postgres);
        snprintf(house.uri, sizeof house.uri, "%s", postgres_uri(&house.postgres, "varve"));
    }
#endif
    *state = &house;
    return 0;
}

static void close_house(struct house *house)
{
    varve_engine_close(house->engine);
    lua_projection_close(house->projection);
    house->engine = NULL;
    house->projection = NULL;
}

static int tear_down(void **state)
{
    struct house *house = *state;

    close_house(house);
#ifdef VARVE_WITH_POSTGRES
    if (on_postgres()) postgres_fini(&house->postgres);
#endif
    scratch_fini(&house->scratch);
    return 0;
}

static varve_status add(struct house *house, const char *source, varve_error *error)
{
    const varve_engine_options options = { .store = house->uri };

    assert_int_equal(varve_engine_open(&house->engine, &options, error), VARVE_OK);
    assert_int_equal(lua_projection_open(&house->projection, NAME, varve_str_of(source), error), VARVE_OK);
    return lua_projection_add(house->projection, house->engine, error);
}

static void start(struct house *house, const char *source)
{
    static const char query[] = "-- @query kept\n-- @reads kept\nSELECT * FROM kept.kept ORDER BY id";
    varve_error error = { 0 };

    if (add(house, source, &error) < 0 ||
        varve_engine_add_query(house->engine, "q.sql", varve_str_of(query), &error) < 0 ||
        varve_engine_start(house->engine, &error) < 0)
        fail_msg("%s", error.message);
}

static uint64_t append(const struct house *house, const char *type, const char *data)
{
    const varve_event event = {
        .stream = VARVE_STR("thing-1"), .type = varve_str_of(type), .data = varve_str_of(data), .occurred_at = 1000000
    };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    varve_appended appended = { 0 };
    varve_error error = { 0 };

    if (varve_append(varve_engine_store(house->engine), &request, &appended, &error) < 0) fail_msg("%s", error.message);
    uint64_t position = appended.last_position;
    varve_appended_fini(&appended);
    return position;
}

static void rows_are(const struct house *house, uint64_t position, const char *expected)
{
    const varve_query_request request = { .name = VARVE_STR("kept"), .after_position = position, .wait_ms = 60000 };
    varve_answer answer = { 0 };
    varve_error error = { 0 };

    if (varve_query(house->engine, &request, &answer, &error) < 0) fail_msg("%s", error.message);
    if (!varve_str_is(answer.rows, expected)) fail_msg("%.*s", (int)answer.rows.len, answer.rows.ptr);
    varve_answer_fini(&answer);
}

static void copy_problem(void *ctx, const varve_projection_status *status)
{
    if (status->state == VARVE_PROJECTION_FAULTED)
        snprintf(ctx, 300, "%.*s", (int)status->problem.len, status->problem.ptr);
}

static void await_problem(const struct house *house, char problem[300])
{
    *problem = '\0';
    while (*problem == '\0') {
        assert_int_equal(varve_projection_list(house->engine, VARVE_STR("kept"), copy_problem, problem, NULL), 0);
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
}

#define HEAD(version)                                     \
    "return {\n  name = 'kept', version = " version ",\n" \
    "  create = [[\n    CREATE TABLE kept (id TEXT PRIMARY KEY, n BIGINT NOT NULL, text TEXT)]],\n  on = {\n"

static const char counts[] =
    HEAD("1") "    Added = function(event, db)\n"
              "      local row = db.one('SELECT n FROM kept WHERE id = :id', { id = event.data.id })\n"
              "      db.run([[INSERT INTO kept VALUES (:id, :n, :text) ON CONFLICT (id) DO UPDATE SET n = :n]],\n"
              "        { id = event.data.id, n = (row and row.n or 0) + event.data.n, text = event.aggregate_id })\n"
              "    end,\n"
              "    Cleared = function(event, db) db.run('DELETE FROM kept WHERE n < :n', { n = event.position }) end,\n"
              "  },\n}";

static void a_model_follows_and_is_rebuilt(void **state)
{
    struct house *house = *state;
    uint64_t position = 0;

    start(house, counts);
    for (int i = 0; i < 50; i++) {
        append(house, "Added", "{\"id\":\"a\",\"n\":2}");
        position = append(house, "Added", "{\"id\":\"b\",\"n\":-1}");
    }
    rows_are(house, position, "[{\"id\":\"a\",\"n\":100,\"text\":\"1\"},{\"id\":\"b\",\"n\":-50,\"text\":\"1\"}]");
    close_house(house);
    start(house, counts);
    assert_int_equal(varve_projection_rebuild(house->engine, VARVE_STR("kept"), NULL), VARVE_OK);
    position = append(house, "Added", "{\"id\":\"a\",\"n\":900}");
    rows_are(house, position, "[{\"id\":\"a\",\"n\":1000,\"text\":\"1\"},{\"id\":\"b\",\"n\":-50,\"text\":\"1\"}]");
    position = append(house, "Cleared", "{}");
    rows_are(house, position, "[{\"id\":\"a\",\"n\":1000,\"text\":\"1\"}]");
}

/* What a script sees of its own rows, and what is written of each kind of value. */
static void values_go_both_ways(void **state)
{
    static const char source[] =
        "return { name = 'kept', version = 1, create = [[\n"
        "-- @sqlite\n"
        "  CREATE TABLE kept (id TEXT PRIMARY KEY, i BIGINT, r DOUBLE PRECISION, b BOOLEAN, j TEXT)\n"
        "-- @postgres\n"
        "  CREATE TABLE kept (id TEXT PRIMARY KEY, i BIGINT, r DOUBLE PRECISION, b BOOLEAN, j JSONB)]],\n"
        "on = { Kept = function(event, db)\n"
        "  db.run('INSERT INTO kept VALUES (:id, :i, :r, :b, :j)', { id = 'x', i = 9007199254740993, r = 0.25,\n"
        "    b = true, j = { list = array(), of = 'caf\303\251' } })\n"
        "  db.run('INSERT INTO kept (id, i, j) VALUES (:id, :i, :j)', { id = 'y', i = null })\n"
        "  local rows = db.rows('SELECT * FROM kept ORDER BY id')\n"
        "  assert(#rows == 2 and rows[1].id == 'x' and rows[1].i == 9007199254740993 and rows[1].r == 0.25)\n"
        "  assert(rows[1].b == true or rows[1].b == 1)\n"
        "  assert(rows[2].i == null and rows[2].r == null and rows[2].j == null)\n"
        "  assert(type(rows[1].j) == 'string' or rows[1].j.of == 'caf\303\251')\n"
        "  assert(db.one('SELECT * FROM kept WHERE id = :id', { id = 'nobody' }) == nil)\n"
        "  assert(#db.rows('SELECT * FROM kept WHERE false') == 0)\n"
        "  local text = db.one([[\n"
        "-- @sqlite\n"
        "    SELECT j ->> 'of' AS it FROM kept WHERE id = ':id' OR id = :id\n"
        "-- @postgres\n"
        "    SELECT j ->> 'of' AS it FROM kept WHERE id = ':id' OR id = :id]], { id = 'x' })\n"
        "  local both = db.one([[\n"
        "-- @postgres\n"
        "    SELECT :b::text || '-' || :a::text AS it\n"
        "-- @sqlite\n"
        "    SELECT substr(:a, 1, 0) || :b || '-' || :a AS it]], { a = 'a', b = 'b' })\n"
        "  assert(both.it == 'b-a')\n"
        "  assert(text.it == 'caf\303\251' and event.recorded_at > '2' and event.position == 1)\n"
        "  db.run('UPDATE kept SET j = NULL, b = NULL')\n"
        "end } }";
    struct house *house = *state;

    start(house, source);
    rows_are(house, append(house, "Kept", "{}"),
             "[{\"id\":\"x\",\"i\":9007199254740993,\"r\":0.25,\"b\":null,\"j\":null},"
             "{\"id\":\"y\",\"i\":null,\"r\":null,\"b\":null,\"j\":null}]");
}

/* The event stops the projection, says where, and leaves nothing of itself. */
static void fails(struct house *house, const char *body, const char *wanted)
{
    char problem[300];
    char source[1200];
    uint64_t position;

    snprintf(source, sizeof source,
             HEAD("1") "    Good = function(event, db) db.run(\"INSERT INTO kept VALUES ('good', 1, '')\") end,\n"
                       "    Bad = function(event, db) db.run(\"INSERT INTO kept VALUES ('half', 1, '')\")\n"
                       "      %s end } }",
             body);
    start(house, source);
    position = append(house, "Good", "{}");
    append(house, "Bad", "{}");
    await_problem(house, problem);
    if (strstr(problem, wanted) == NULL || strstr(problem, "position 2, Bad of thing-1: ") == NULL)
        fail_msg("'%s' does not say '%s'", problem, wanted);
    rows_are(house, position, "[{\"id\":\"good\",\"n\":1,\"text\":\"\"}]");
}

#define FAILS(name, body, wanted)    \
    static void name(void **state)   \
    {                                \
        fails(*state, body, wanted); \
    }

FAILS(an_error_names_its_line, "\n      error('no')", NAME ":9: no")
FAILS(an_endless_loop_ends, "while true do end", NAME ":8: ran longer than")
FAILS(memory_is_bounded, "local t = {} while true do t[#t + 1] = ('x'):rep(100000) end", "uses more than 64 MiB")
FAILS(endless_statements_end, "while true do db.one('SELECT 1') end", "ran longer than")
FAILS(a_constraint_names_the_line, "db.run(\"INSERT INTO kept VALUES ('half', 1, '')\")", NAME ":8: ")
FAILS(a_statement_in_error_names_the_line, "db.run('DELETE FROM nowhere')", NAME ":8: statement:1: ")
FAILS(a_caught_failure_is_one, "pcall(db.run, \"INSERT INTO kept (id) VALUES ('z')\")", "constraint")
FAILS(an_unknown_parameter_names_the_line, "db.run('DELETE FROM kept WHERE id = :id', { ip = 'a' })",
      NAME ":8: the statement has no parameter :ip")
FAILS(a_question_mark_is_no_parameter, "db.run('DELETE FROM kept WHERE id = ?', { id = 'a' })", NAME ":8: ")
FAILS(a_function_is_no_value, "db.run('DELETE FROM kept WHERE id = :id', { id = error })",
      NAME ":8: the parameter :id is a function, which SQL does not have")
FAILS(bytes_are_no_text, "db.run('DELETE FROM kept WHERE id = :id', { id = '\\xff' })", "is not UTF-8 text")
FAILS(infinity_is_no_value, "db.run('DELETE FROM kept WHERE n = :n', { n = 1 / 0 })", "is not a finite number")
FAILS(the_checkpoint_is_out_of_reach, "db.run('UPDATE varve_checkpoint SET position = 7')", "not authorized")
FAILS(tables_are_made_by_create_alone, "db.run('CREATE TABLE more (a TEXT)')", "not authorized")
FAILS(there_is_no_clock, "db.run('DELETE FROM kept', { at = os.time() })", "'os'")
FAILS(db_cannot_be_changed, "db.run = error", NAME ":8: 'run' cannot be assigned")
FAILS(two_statements_are_refused, "db.run('DELETE FROM kept; DELETE FROM kept')", "what is run is one statement")

static varve_status copy_parked(void *ctx, const varve_projection_parked_event *parked)
{
    snprintf(ctx, 300, "%llu %.*s", (unsigned long long)parked->position, (int)parked->error.len, parked->error.ptr);
    return VARVE_OK;
}

static void an_event_that_fails_is_parked_where_it_says_so(void **state)
{
    static const char source[] = "return { name = 'kept', version = 1, on_error = 'park',\n"
                                 "  create = 'CREATE TABLE kept (id TEXT PRIMARY KEY, n BIGINT)',\n  on = {\n"
                                 "    Kept = function(event, db)\n"
                                 "      db.run('INSERT INTO kept VALUES (:id, 1)', { id = 'half' .. event.version })\n"
                                 "      if event.data.bad then error('bad') end\n    end } }";
    struct house *house = *state;
    char parked[300] = "";
    uint64_t position;

    start(house, source);
    append(house, "Kept", "{}");
    append(house, "Kept", "{\"bad\":true}");
    position = append(house, "Kept", "{}");
    rows_are(house, position, "[{\"id\":\"half1\",\"n\":1},{\"id\":\"half3\",\"n\":1}]");
    assert_true(varve_projection_parked(house->engine, VARVE_STR("kept"), 0, 0, copy_parked, parked, NULL) >= 0);
    assert_non_null(strstr(parked, "2 " NAME ":6: bad"));
}

/* What the engine refuses stands in the file where the mistake is. */
static void the_engines_refusal_names_file_and_line(void **state)
{
    static const struct {
        const char *source, *problem;
    } cases[] = {
        { "return { name = 'kept', version = 1,\n create = [[\nCREATE TABLE kept (id TEXT);\nCREAT TABLE b (x TEXT)"
          "]],\n"
          " on = { A = error } }",
          NAME ":4: " },
        { "return {\n name = 'Kept', version = 1, create = 'CREATE TABLE kept (id TEXT)', on = { A = error } }",
          NAME ":2: the projection 'Kept' is not a snake_case name" },
        { "return { name = 'kept', version = 1,\n create = 'SELECT :a', on = { A = error } }",
          NAME ":2: unknown parameter :a" },
    };
    struct house *house = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        varve_error error = { 0 };
        assert_int_equal(add(house, cases[i].source, &error), VARVE_INVALID);
        if (strstr(error.message, cases[i].problem) != error.message) fail_msg("%s", error.message);
        close_house(house);
    }
}

#define IN_HOUSE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_name_file_and_line),
        IN_HOUSE(a_model_follows_and_is_rebuilt),
        IN_HOUSE(values_go_both_ways),
        IN_HOUSE(an_error_names_its_line),
        IN_HOUSE(an_endless_loop_ends),
        IN_HOUSE(memory_is_bounded),
        IN_HOUSE(endless_statements_end),
        IN_HOUSE(a_constraint_names_the_line),
        IN_HOUSE(a_statement_in_error_names_the_line),
        IN_HOUSE(a_caught_failure_is_one),
        IN_HOUSE(an_unknown_parameter_names_the_line),
        IN_HOUSE(a_question_mark_is_no_parameter),
        IN_HOUSE(a_function_is_no_value),
        IN_HOUSE(bytes_are_no_text),
        IN_HOUSE(infinity_is_no_value),
        IN_HOUSE(the_checkpoint_is_out_of_reach),
        IN_HOUSE(tables_are_made_by_create_alone),
        IN_HOUSE(there_is_no_clock),
        IN_HOUSE(db_cannot_be_changed),
        IN_HOUSE(two_statements_are_refused),
        IN_HOUSE(an_event_that_fails_is_parked_where_it_says_so),
        IN_HOUSE(the_engines_refusal_names_file_and_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
