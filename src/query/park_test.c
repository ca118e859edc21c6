/* SPDX-License-Identifier: Apache-2.0 */
/* Events that cannot be applied: set aside or stopped at, tried again and given up, without a restart. */
#include "query/models_fixture.h"

#define HEAD(version, on_error) "-- @projection counts\n-- @version " version "\n" on_error "-- @create\n"
#define PARKS                   "-- @on_error park\n"
/* An amount must not be null, nor more than what the limits say. */
#define STRICT_TABLES                                                                           \
    "CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER NOT NULL, total BIGINT NOT NULL);" \
    "CREATE TABLE known (name TEXT PRIMARY KEY);\n"
#define STRICT_ON                                                                                         \
    "-- @on Named\nINSERT INTO known VALUES (:data.name);\n"                                              \
    "-- @on Owned\nINSERT INTO counts VALUES (:stream, 1, (SELECT 1 FROM known WHERE name = :data.name))" \
    " ON CONFLICT (stream) DO UPDATE SET n = counts.n + 1;\n" COUNT_ON

static const char parking[] = HEAD("1", PARKS) STRICT_TABLES STRICT_ON;
static const char stopping[] = HEAD("1", "") STRICT_TABLES STRICT_ON;

/* The parked events as a text, "4:Owned:o-1:1 …". */
struct parked_list {
    char text[512];
    char error[256]; /* of the last one */
    size_t count;
};

static varve_status add_parked(void *ctx, const varve_projection_parked_event *parked)
{
    struct parked_list *list = ctx;
    size_t len = strlen(list->text);
    if (len < sizeof list->text - 64) {
        snprintf(list->text + len, sizeof list->text - len, "%s%llu:%.*s:%.*s:%u", len > 0 ? " " : "",
                 (unsigned long long)parked->position, (int)parked->type.len, parked->type.ptr, (int)parked->stream.len,
                 parked->stream.ptr, parked->attempts);
    }
    snprintf(list->error, sizeof list->error, "%.*s", (int)parked->error.len, parked->error.ptr);
    assert_int_equal(parked->id.len, 36);
    assert_true(parked->parked_at.len > 20);
    list->count++;
    return VARVE_OK;
}

static struct parked_list parked_after(struct fixture *fixture, uint64_t after, uint64_t limit, varve_status expected)
{
    struct parked_list list = { 0 };
    varve_status status =
        models_parked(fixture->models, VARVE_STR("counts"), after, limit, add_parked, &list, &fixture->error);
    if (status != expected) {
        fail_msg("%d %s", status, fixture->error.message);
    }
    return list;
}

static void assert_parked(struct fixture *fixture, const char *expected)
{
    struct parked_list list = parked_after(fixture, 0, 0, VARVE_DONE);
    assert_string_equal(list.text, expected);
    assert_int_equal(look(fixture).status.parked, list.count);
}

static varve_status retry(struct fixture *fixture, uint64_t position)
{
    const varve_projection_action action = { .name = VARVE_STR("counts"), .position = position };
    return models_retry(fixture->models, &action, &fixture->error);
}

static varve_status give_up(struct fixture *fixture, uint64_t position)
{
    const varve_projection_action action = {
        .name = VARVE_STR("counts"), .position = position, .actor = VARVE_STR("ann"), .reason = VARVE_STR("a test")
    };
    return models_skip(fixture->models, &action, &fixture->error);
}

static void what_fails_is_parked_and_all_else_goes_on(void **state)
{
    struct fixture *fixture = *state;
    append_many(fixture, 3);
    append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    append_many(fixture, 3);
    append(fixture, "o-2", "Owned", "{\"name\":\"bob\"}");
    uint64_t position = append_many(fixture, 1000);
    start_well(fixture, parking);
    assert_string_equal(ask(fixture, "counts", "a-0", position), "[{\"n\":102,\"total\":102}]");
    struct seen seen = await(fixture, VARVE_PROJECTION_LIVE);
    assert_int_equal(seen.status.position, position);
    assert_string_equal(seen.problem, "");
    assert_parked(fixture, "4:Owned:o-1:1 8:Owned:o-2:1");
    assert_string_equal(parked_after(fixture, 0, 1, VARVE_OK).text, "4:Owned:o-1:1");
    assert_string_equal(parked_after(fixture, 4, 0, VARVE_DONE).text, "8:Owned:o-2:1");
    assert_non_null(strstr(parked_after(fixture, 0, 0, VARVE_DONE).error, "counts.sql:"));

    /* They come in the model's own transactions, so they survive as it does. */
    stop(fixture);
    start_well(fixture, parking);
    assert_parked(fixture, "4:Owned:o-1:1 8:Owned:o-2:1");
    position = append(fixture, "o-3", "Owned", "{}");
    ask(fixture, "counts", "o-3", position);
    assert_parked(fixture, "4:Owned:o-1:1 8:Owned:o-2:1 1009:Owned:o-3:1");
}

static void a_parked_event_is_tried_again_once_or_given_up(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    uint64_t position = append(fixture, "o-2", "Owned", "{\"name\":\"bob\"}");
    start_well(fixture, parking);
    ask(fixture, "counts", "o-1", position);
    assert_int_equal(retry(fixture, 1), VARVE_APPLICATION);
    assert_non_null(strstr(fixture->error.message, "position 1, Owned of o-1"));
    assert_parked(fixture, "1:Owned:o-1:2 2:Owned:o-2:1");

    position = append(fixture, "n-1", "Named", "{\"name\":\"ann\"}");
    ask(fixture, "counts", "o-1", position);
    assert_int_equal(retry(fixture, 1), VARVE_OK);
    assert_string_equal(ask(fixture, "counts", "o-1", position), "[{\"n\":1,\"total\":1}]");
    assert_parked(fixture, "2:Owned:o-2:1");
    assert_int_equal(retry(fixture, 1), VARVE_NOT_FOUND);
    assert_int_equal(retry(fixture, 0), VARVE_CONFLICT);
    assert_string_equal(ask(fixture, "counts", "o-1", position), "[{\"n\":1,\"total\":1}]");

    assert_int_equal(give_up(fixture, 2), VARVE_OK);
    assert_int_equal(give_up(fixture, 2), VARVE_NOT_FOUND);
    assert_int_equal(give_up(fixture, position), VARVE_NOT_FOUND);
    assert_parked(fixture, "");
    assert_string_equal(ask(fixture, "counts", "o-2", position), "[]");
    /* It goes on, and stands where it was. */
    position = append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    assert_string_equal(ask(fixture, "counts", "o-1", position), "[{\"n\":2,\"total\":1}]");
}

/* A rebuild tries all of them again: in its place of the log, o-1 is still owned before ann has a name. */
static void each_generation_has_its_own_parked_events(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    append(fixture, "n-1", "Named", "{\"name\":\"ann\"}");
    uint64_t position = append(fixture, "o-2", "Owned", "{\"name\":\"bob\"}");
    start_well(fixture, parking);
    ask(fixture, "counts", "o-1", position);
    assert_int_equal(retry(fixture, 1), VARVE_OK);
    assert_int_equal(give_up(fixture, 3), VARVE_OK);
    assert_parked(fixture, "");
    assert_int_equal(models_rebuild(fixture->models, VARVE_STR("counts"), NULL), VARVE_OK);
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_parked(fixture, "1:Owned:o-1:1 3:Owned:o-2:1");
    assert_string_equal(ask(fixture, "counts", "o-1", position), "[]");
}

static void only_so_many_are_parked(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < VARVE_PROJECTION_PARKED_MAX; i += 100) {
        varve_event events[100];
        varve_appended appended = { 0 };
        for (size_t j = 0; j < 100; j++) {
            events[j] = (varve_event){ .stream = VARVE_STR("o-1"),
                                       .type = VARVE_STR("Owned"),
                                       .data = VARVE_STR("{\"name\":\"ann\"}") };
        }
        const varve_append_request request = { .events = events, .event_count = 100 };
        assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_OK);
        varve_appended_fini(&appended);
    }
    uint64_t last = append(fixture, "o-2", "Owned", "{\"name\":\"ann\"}");
    append(fixture, "n-1", "Named", "{\"name\":\"ann\"}");
    start_well(fixture, parking);
    struct seen seen = await(fixture, VARVE_PROJECTION_FAULTED);
    assert_non_null(strstr(seen.problem, "1000 events are parked already"));
    assert_int_equal(seen.status.failed_position, last);
    assert_int_equal(seen.status.parked, VARVE_PROJECTION_PARKED_MAX);
    /* One less, and it goes on. */
    assert_int_equal(give_up(fixture, 1), VARVE_OK);
    assert_int_equal(retry(fixture, 0), VARVE_OK);
    ask(fixture, "counts", "o-2", last + 1);
    assert_int_equal(retry(fixture, last), VARVE_OK);
    assert_string_equal(ask(fixture, "counts", "o-2", last + 1), "[{\"n\":1,\"total\":1}]");
}

/* Without parking it stops, and goes on when told to: nobody restarts anything. */
static void a_faulted_projection_goes_on_when_told_to(void **state)
{
    struct fixture *fixture = *state;
    append_many(fixture, 3);
    uint64_t bad = append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    uint64_t position = append_many(fixture, 10);
    start_well(fixture, stopping);
    struct seen seen = await(fixture, VARVE_PROJECTION_FAULTED);
    assert_int_equal(seen.status.failed_position, bad);
    assert_int_equal(seen.status.position, bad - 1);
    assert_int_equal(seen.status.parked, 0);
    assert_int_equal(retry(fixture, 0), VARVE_APPLICATION);
    assert_non_null(strstr(fixture->error.message, "position 4, Owned of o-1"));
    assert_int_equal(look(fixture).status.state, VARVE_PROJECTION_FAULTED);
    assert_int_equal(give_up(fixture, bad + 1), VARVE_NOT_FOUND);
    assert_int_equal(give_up(fixture, bad), VARVE_OK);
    assert_string_equal(ask(fixture, "counts", "a-0", position), "[{\"n\":2,\"total\":2}]");
    seen = await(fixture, VARVE_PROJECTION_LIVE);
    assert_string_equal(seen.problem, "");
    assert_int_equal(seen.status.failed_position, 0);
    assert_int_equal(retry(fixture, 0), VARVE_CONFLICT);
}

/* The cause is taken away in the model's own tables. */
static void the_cause_is_taken_away(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    start_well(fixture, stopping);
    await(fixture, VARVE_PROJECTION_FAULTED);
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        postgres_exec(&fixture->postgres, "INSERT INTO \"varve$counts$1\".known VALUES ('ann')");
    }
#endif
    if (in_files(fixture)) {
        struct sql_session *session = NULL;
        const char *path = scratch_path(&fixture->scratch, "models/counts.1.db");
        assert_int_equal(fixture->sql->open(&session, path, SQL_READ_WRITE, NULL), VARVE_OK);
        assert_int_equal(fixture->sql->exec(session, "INSERT INTO known VALUES ('ann')", NULL), VARVE_OK);
        fixture->sql->close(session);
    }
    assert_int_equal(retry(fixture, 0), VARVE_OK);
    assert_string_equal(ask(fixture, "counts", "o-1", 1), "[{\"n\":1,\"total\":1}]");
}

static void who_does_not_run_them_can_look_and_not_touch(void **state)
{
    struct fixture *fixture = *state;
    struct models *beside = NULL, *own = NULL;
    append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    start_well(fixture, parking);
    ask(fixture, "counts", "o-1", 1);
    own = fixture->models;
    assert_int_equal(open_models(fixture, &beside, fixture->store, true), VARVE_OK);
    assert_int_equal(models_add_projection(beside, "counts.sql", varve_str_of(parking), NULL), VARVE_OK);
    assert_int_equal(models_start(beside, &fixture->error), VARVE_OK);
    fixture->models = beside;
    assert_parked(fixture, "1:Owned:o-1:1");
    assert_int_equal(retry(fixture, 1), VARVE_UNAVAILABLE);
    assert_int_equal(give_up(fixture, 1), VARVE_UNAVAILABLE);
    const varve_projection_action nobody = { .name = VARVE_STR("nobody"), .position = 1 };
    assert_int_equal(models_retry(beside, &nobody, NULL), VARVE_NOT_FOUND);
    assert_int_equal(models_parked(beside, VARVE_STR("nobody"), 0, 0, add_parked, NULL, NULL), VARVE_NOT_FOUND);
    models_close(beside);
    fixture->models = own;
}

/* On standby the owner's parked events are seen, and it is the owner that has to be asked. */
static void a_standby_shows_what_its_owner_parked(void **state)
{
    struct fixture *fixture = *state;
    struct models *owner = NULL, *standby = NULL;
    append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    start_well(fixture, parking);
    ask(fixture, "counts", "o-1", 1);
    owner = fixture->models;
    start_well(fixture, parking);
    standby = fixture->models;
    await(fixture, VARVE_PROJECTION_STANDBY);
    while (look(fixture).status.parked == 0) {
        usleep(1000);
    }
    assert_parked(fixture, "1:Owned:o-1:1");
    assert_int_equal(retry(fixture, 1), VARVE_UNAVAILABLE);
    assert_non_null(strstr(fixture->error.message, ": its owner is "));
    models_close(owner);
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_parked(fixture, "1:Owned:o-1:1");
    assert_int_equal(retry(fixture, 1), VARVE_APPLICATION);
    assert_int_equal(give_up(fixture, 1), VARVE_OK);
    fixture->models = standby;
}

/* A model that was made before there were parked events, and one that says `stop` by now but has some. */
static void older_models_get_the_table(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, "o-1", "Owned", "{\"name\":\"ann\"}");
    start_well(fixture, stopping);
    await(fixture, VARVE_PROJECTION_FAULTED);
    stop(fixture);
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        postgres_exec(&fixture->postgres, "DROP TABLE \"varve$counts$1\".varve_parked");
    }
#endif
    if (in_files(fixture)) {
        struct sql_session *session = NULL;
        const char *path = scratch_path(&fixture->scratch, "models/counts.1.db");
        assert_int_equal(fixture->sql->open(&session, path, SQL_READ_WRITE, NULL), VARVE_OK);
        assert_int_equal(fixture->sql->exec(session, "DROP TABLE varve_parked", NULL), VARVE_OK);
        fixture->sql->close(session);
    }
    start_well(fixture, parking);
    ask(fixture, "counts", "o-1", 1);
    assert_parked(fixture, "1:Owned:o-1:1");
    stop(fixture);
    start_well(fixture, stopping);
    assert_parked(fixture, "1:Owned:o-1:1");
    assert_int_equal(give_up(fixture, 1), VARVE_OK);
}

static void wrong_words_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const wrong[] = {
        "-- @projection counts\n-- @version 1\n-- @on_error ignore\n-- @create\n" COUNT_TABLE COUNT_ON,
        "-- @projection counts\n-- @version 1\n-- @on_error\n-- @create\n" COUNT_TABLE COUNT_ON,
        "-- @projection counts\n-- @on_error stop\n-- @on_error park\n-- @create\n" COUNT_TABLE COUNT_ON,
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(start(fixture, wrong[i]), VARVE_INVALID);
        assert_non_null(strstr(fixture->error.message, "counts.sql:3: @on_error"));
        stop(fixture);
    }
}

int main(void)
{
    static const struct model_case tests[] = {
        CASE(what_fails_is_parked_and_all_else_goes_on),
        CASE(a_parked_event_is_tried_again_once_or_given_up),
        CASE(each_generation_has_its_own_parked_events),
        CASE(only_so_many_are_parked),
        CASE(a_faulted_projection_goes_on_when_told_to),
        CASE(the_cause_is_taken_away),
        CASE(who_does_not_run_them_can_look_and_not_touch),
        CASE_WITH(a_standby_shows_what_its_owner_parked, SQL_IN_A_SCHEMA),
        CASE(older_models_get_the_table),
        CASE(wrong_words_are_refused),
    };
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
