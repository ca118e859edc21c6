/* SPDX-License-Identifier: Apache-2.0 */
/* Projections in C on both kinds of database: what they can do to their model, and what becomes of it. */
#include "query/models_fixture.h"

#define TABLE                                                                                               \
    "CREATE TABLE counts (stream TEXT PRIMARY KEY, n BIGINT NOT NULL, total BIGINT, half DOUBLE PRECISION," \
    " seen BOOLEAN, raw TEXT)"

static const char *const types[] = { "Added", "Emptied", NULL };

/* What the projector does beside counting; set before models start. */
enum mood { COUNTS, FAILS, SWALLOWS, ASKS_TWICE, WRONG_PARAM, WRONG_TEXT, MANY, TRESPASSES, LOCKS };

struct trial {
    enum mood mood;
    int open_workers, opened;
};

static varve_status worker_open(void *ctx, void **worker, varve_error *error)
{
    struct trial *trial = ctx;
    (void)error;
    trial->open_workers++;
    trial->opened++;
    *worker = trial;
    return VARVE_OK;
}

static void worker_close(void *worker)
{
    ((struct trial *)worker)->open_workers--;
}

static varve_value text(varve_str value)
{
    return (varve_value){ .kind = VARVE_VALUE_TEXT, .text = value };
}

static varve_value integer(int64_t value)
{
    return (varve_value){ .kind = VARVE_VALUE_INTEGER, .integer = value };
}

/* Reads what is there, and writes the next of it: an event that counts twice, or not, shows. */
static varve_status count(const varve_event *event, varve_model *model, varve_error *error)
{
    int64_t amount = 0, n = 0, total = 0;
    varve_model_row row;
    static const char question[] = "SELECT total, n FROM counts WHERE stream = :stream";
    const varve_model_param key = { VARVE_STR("stream"), text(event->stream) };
    varve_status status = varve_json_int(event->data, "amount", &amount, error);
    if (status >= 0) status = varve_model_ask(model, varve_str_of(question), &key, 1, error);
    if (status >= 0) status = varve_model_next(model, &row, error);
    if (status == VARVE_OK) {
        assert_int_equal(row.column_count, 2);
        assert_true(varve_str_is(row.names[1], "n"));
        total = row.values[0].integer;
        n = row.values[1].integer;
    }
    const varve_model_param params[] = {
        { VARVE_STR("stream"), text(event->stream) },
        { VARVE_STR("total"), integer(total + amount) },
        { VARVE_STR("n"), integer(n + 1) }, /* not in the order of the statement */
    };
    return status < 0 ? status
                      : varve_model_run(model,
                                        VARVE_STR("INSERT INTO counts (stream, n, total) VALUES (:stream, :n, :total)"
                                                  " ON CONFLICT (stream) DO UPDATE SET n = :n, total = :total"),
                                        params, 3, error);
}

/* The kinds of values, there and back. */
static varve_status ask_twice(varve_model *model, varve_error *error)
{
    const varve_model_param params[] = {
        { VARVE_STR("half"), { .kind = VARVE_VALUE_REAL, .real = 0.5 } },
        { VARVE_STR("seen"), { .kind = VARVE_VALUE_BOOLEAN, .integer = 1 } },
        { VARVE_STR("raw"), { .kind = VARVE_VALUE_JSON, .text = VARVE_STR("{\"a\":[1]}") } },
    };
    varve_model_row row;
    assert_int_equal(varve_model_run(model,
                                     VARVE_STR("INSERT INTO counts (stream, n, half, seen, raw)"
                                               " VALUES ('v-1', 1, :half, :seen, :raw), ('v-2', 2, NULL, NULL, '')"),
                                     params, 3, error),
                     VARVE_OK);
    static const char question[] = "SELECT half, seen, raw, total FROM counts WHERE stream LIKE 'v-%' ORDER BY n";
    for (int i = 0; i < 2; i++) { /* a question that is left before its end is no obstacle */
        assert_int_equal(varve_model_ask(model, varve_str_of(question), NULL, 0, error), VARVE_OK);
        assert_int_equal(varve_model_next(model, &row, error), VARVE_OK);
        assert_int_equal(row.values[0].kind, VARVE_VALUE_REAL);
        assert_true(row.values[0].real > 0.4 && row.values[0].real < 0.6);
        assert_true(row.values[1].kind == VARVE_VALUE_BOOLEAN || row.values[1].kind == VARVE_VALUE_INTEGER);
        assert_int_equal(row.values[1].integer, 1);
        assert_true(varve_str_is(row.values[2].text, "{\"a\":[1]}"));
        assert_int_equal(row.values[3].kind, VARVE_VALUE_NULL);
    }
    assert_int_equal(varve_model_next(model, &row, error), VARVE_OK);
    assert_int_equal(row.values[2].kind, VARVE_VALUE_TEXT);
    assert_int_equal(row.values[2].text.len, 0);
    assert_int_equal(varve_model_next(model, &row, error), VARVE_DONE);
    assert_int_equal(varve_model_next(model, &row, error), VARVE_DONE);
    return varve_model_run(model, VARVE_STR("DELETE FROM counts WHERE stream LIKE 'v-%'"), NULL, 0, error);
}

/* More texts than are kept prepared, twice. */
static varve_status run_many(varve_model *model, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (int i = 0; status >= 0 && i < 200; i++) {
        char statement[80];
        snprintf(statement, sizeof statement, "UPDATE counts SET total = total + %d WHERE n > 1000000", i % 100);
        status = varve_model_run(model, varve_str_of(statement), NULL, 0, error);
    }
    return status;
}

static varve_status apply(void *worker, const varve_event *event, varve_model *model, varve_error *error)
{
    const struct trial *trial = worker;
    const varve_model_param bad = { VARVE_STR("strm"), text(event->stream) };
    const varve_model_param broken = { VARVE_STR("raw"), text(VARVE_STR("\xff")) };
    bool emptied = varve_str_is(event->type, "Emptied");
    assert_true(event->position > 0);
    if (!emptied || trial->mood == COUNTS)
        return emptied ? varve_model_run(model, VARVE_STR("DELETE FROM counts"), NULL, 0, error)
                       : count(event, model, error);
    switch (trial->mood) {
    case SWALLOWS:
        (void)varve_model_run(model, VARVE_STR("INSERT INTO counts (stream) VALUES ('x')"), NULL, 0, NULL);
        (void)varve_model_run(model, VARVE_STR("DELETE FROM counts"), NULL, 0, NULL);
        return VARVE_OK;
    case ASKS_TWICE:
        return ask_twice(model, error);
    case WRONG_PARAM:
        return varve_model_run(model, VARVE_STR("DELETE FROM counts WHERE stream = :stream"), &bad, 1, error);
    case WRONG_TEXT:
        return varve_model_run(model, VARVE_STR("UPDATE counts SET raw = :raw"), &broken, 1, error);
    case MANY:
        return run_many(model, error);
    case TRESPASSES:
        return varve_model_run(model, VARVE_STR("UPDATE varve_checkpoint SET position = 0"), NULL, 0, error);
    case LOCKS:
        return varve_error_set(error, VARVE_REWOUND, "a status of the engine's");
    default:
        return varve_error_set(error, VARVE_INVALID, "no such thing as emptying");
    }
}

static varve_projector projector = {
    .name = "counts",
    .version = 1,
    .types = types,
    .create = TABLE,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .apply = apply,
};

static varve_status start_projector(struct fixture *fixture, const varve_projector *table, struct trial *trial)
{
    varve_status status = open_models(fixture, &fixture->models, fixture->store, false);
    if (status == VARVE_OK) status = models_add_projector(fixture->models, table, trial, &fixture->error);
    if (status == VARVE_OK)
        status = models_add_query(fixture->models, "q.sql", varve_str_of(count_query), &fixture->error);
    return status == VARVE_OK ? models_start(fixture->models, &fixture->error) : status;
}

static void start_one(struct fixture *fixture, const varve_projector *table, struct trial *trial)
{
    if (start_projector(fixture, table, trial) < 0) fail_msg("%s", fixture->error.message);
}

static void code_follows_rebuilds_and_restarts(void **state)
{
    struct fixture *fixture = *state;
    struct trial trial = { COUNTS, 0, 0 };
    uint64_t position = append_many(fixture, 2500);
    start_one(fixture, &projector, &trial);
    assert_string_equal(ask(fixture, "counts", "a-3", position), "[{\"n\":250,\"total\":250}]");
    assert_int_equal(models_rebuild(fixture->models, VARVE_STR("counts"), NULL), VARVE_OK);
    position = append_many(fixture, 100);
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_string_equal(ask(fixture, "counts", "a-3", position), "[{\"n\":260,\"total\":260}]");
    append(fixture, "a-3", "Other", "{}");
    for (int i = 0; i < 4; i++) {
        stop(fixture);
        position = append_many(fixture, 100);
        start_one(fixture, &projector, &trial);
    }
    assert_string_equal(ask(fixture, "counts", "a-3", position), "[{\"n\":300,\"total\":300}]");
    position = append(fixture, "a-1", "Emptied", "{}");
    assert_string_equal(ask(fixture, "counts", "a-3", position), "[]");
    stop(fixture);
    assert_int_equal(trial.open_workers, 0);
    assert_true(trial.opened > 5);
}

/* Tables and types belong to what makes a model; and the version, of course. */
static void other_tables_types_and_versions_are_built_beside(void **state)
{
    struct fixture *fixture = *state;
    static const char *const more[] = { "Emptied", "Added", "Other", NULL };
    static const char *const same[] = { "Emptied", "Added", NULL };
    struct trial trial = { COUNTS, 0, 0 };
    varve_projector variants[] = { projector, projector, projector, projector };
    static const bool is_new[] = { true, false, true, true };
    variants[1].types = same;
    variants[2].create = TABLE "; CREATE INDEX by_n ON counts (n)";
    variants[3].types = more;
    uint64_t position = append_many(fixture, 100);
    for (size_t i = 0; i < 4; i++) {
        start_one(fixture, &variants[i], &trial);
        if (i == 0) await(fixture, VARVE_PROJECTION_LIVE);
        bool rebuilding = trial.opened > 0 && i > 0 && look(fixture).status.rebuilding;
        if (i > 0 && !is_new[i]) assert_false(rebuilding);
        assert_string_equal(ask(fixture, "counts", "a-3", position), "[{\"n\":10,\"total\":10}]");
        await(fixture, VARVE_PROJECTION_LIVE);
        stop(fixture);
    }
}

static void a_failure_stops_it_there(void **state, enum mood mood, const char *problem)
{
    struct fixture *fixture = *state;
    struct trial trial = { mood, 0, 0 };
    append_many(fixture, 20);
    uint64_t position = append(fixture, "a-0", "Emptied", "{}");
    append_many(fixture, 10);
    start_one(fixture, &projector, &trial);
    struct seen seen = await(fixture, VARVE_PROJECTION_FAULTED);
    if (strstr(seen.problem, problem) == NULL || strstr(seen.problem, "position 21, Emptied of a-0") == NULL)
        fail_msg("%s", seen.problem);
    assert_int_equal(seen.status.position, position - 1);
    assert_string_equal(ask(fixture, "counts", "a-3", position - 1), "[{\"n\":2,\"total\":2}]");
}

static void codes_own_failure_stops_it(void **state)
{
    a_failure_stops_it_there(state, FAILS, "no such thing as emptying");
}

static void a_statement_that_failed_cannot_be_swallowed(void **state)
{
    a_failure_stops_it_there(state, SWALLOWS, "constraint");
}

static void an_unknown_parameter_is_a_failure(void **state)
{
    a_failure_stops_it_there(state, WRONG_PARAM, "the statement has no parameter :strm");
}

static void a_text_that_is_none_is_a_failure(void **state)
{
    a_failure_stops_it_there(state, WRONG_TEXT, "the parameter :raw is not UTF-8 text");
}

static void what_is_varves_own_is_not_changed(void **state)
{
    a_failure_stops_it_there(state, TRESPASSES, "not authorized");
}

static void the_engines_statuses_are_not_the_codes(void **state)
{
    a_failure_stops_it_there(state, LOCKS, "a status of the engine's");
}

static void goes_on(void **state, enum mood mood)
{
    struct fixture *fixture = *state;
    struct trial trial = { mood, 0, 0 };
    append_many(fixture, 20);
    append(fixture, "a-0", "Emptied", "{}");
    uint64_t position = append(fixture, "a-0", "Emptied", "{}");
    start_one(fixture, &projector, &trial);
    assert_string_equal(ask(fixture, "counts", "a-3", position), "[{\"n\":2,\"total\":2}]");
    assert_int_equal(await(fixture, VARVE_PROJECTION_LIVE).status.position, position);
}

static void values_keep_their_kinds(void **state)
{
    goes_on(state, ASKS_TWICE);
}

static void more_statements_than_are_kept_are_prepared_again(void **state)
{
    goes_on(state, MANY);
}

static void what_is_wrong_is_said_when_it_is_added(void **state)
{
    struct fixture *fixture = *state;
    struct trial trial = { COUNTS, 0, 0 };
    static const char *const none[] = { NULL }, *const empty[] = { "", NULL };
    varve_projector wrong[8];
    static const char *const problems[] = {
        "is not a snake_case name",
        "version wants a number",
        "wants events of some type",
        "an event type has 1 to 255 bytes",
        "a projector has create and apply",
        "here.c:42: a statement is missing",
        "here.c:43:",
        "here.c:42: @on: statements in code have @sqlite and @postgres",
    };
    for (size_t i = 0; i < 8; i++) {
        wrong[i] = projector;
        wrong[i].file = "here.c";
        wrong[i].line = 42;
    }
    wrong[0].name = "Counts";
    wrong[1].version = 0;
    wrong[2].types = none;
    wrong[3].types = empty;
    wrong[4].apply = NULL;
    wrong[5].create = "  ";
    wrong[6].create = "CREATE TABLE a (x INTEGER);\nCREAT TABLE b (x INTEGER)";
    wrong[7].create = "-- @on Added\nDELETE FROM counts";
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(start_projector(fixture, &wrong[i], &trial), VARVE_INVALID);
        if (strstr(fixture->error.message, problems[i]) == NULL) fail_msg("%s", fixture->error.message);
        stop(fixture);
    }
    assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
    assert_int_equal(models_add_projection(fixture->models, "counts.sql", varve_str_of(count_projection), NULL), 0);
    assert_int_equal(models_add_projector(fixture->models, &projector, &trial, &fixture->error), VARVE_INVALID);
    assert_string_equal(fixture->error.message, "counts:1: projection counts is also in counts.sql");
    assert_int_equal(trial.open_workers, 0);
}

int main(void)
{
    static const struct model_case cases[] = {
        CASE(code_follows_rebuilds_and_restarts),
        CASE(other_tables_types_and_versions_are_built_beside),
        CASE(codes_own_failure_stops_it),
        CASE(a_statement_that_failed_cannot_be_swallowed),
        CASE(an_unknown_parameter_is_a_failure),
        CASE(a_text_that_is_none_is_a_failure),
        CASE(what_is_varves_own_is_not_changed),
        CASE(the_engines_statuses_are_not_the_codes),
        CASE(values_keep_their_kinds),
        CASE(more_statements_than_are_kept_are_prepared_again),
        CASE(what_is_wrong_is_said_when_it_is_added),
    };
    return run_on_all(cases, sizeof cases / sizeof cases[0]);
}
