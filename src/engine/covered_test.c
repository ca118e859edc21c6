/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas through the engine: what does not fit is not appended, and the store knows which types have one. */
#include "engine/covered.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <varve.h>
#include <cmocka.h>

#include "store/access.h"
#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

struct house {
    struct scratch scratch;
    char uri[320];
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
    bool on_postgres;
#endif
    varve_engine *engine;
};

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    (void)state;
    (void)event;
    (void)error;
    return VARVE_OK;
}

/* Gives an event of the command's type and data. */
static varve_status decide(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    (void)state;
    (void)error;
    return varve_emit(decision, &(varve_event){ .type = command->type, .data = command->data });
}

static const varve_decider thing = {
    .category = "thing", .state_size = 1, .snapshot_every = VARVE_NO_SNAPSHOTS, .evolve = evolve, .decide = decide
};

static void open_engine_with(struct house *house, bool passing)
{
    const varve_engine_options options = { .store = house->uri, .passing = passing };
    varve_error error = { 0 };
    varve_status status = varve_engine_open(&house->engine, &options, &error);
    if (status >= 0) status = varve_engine_add_decider(house->engine, &thing, NULL, &error);
    if (status < 0) fail_msg("%s", error.message);
}

static void open_engine(struct house *house)
{
    open_engine_with(house, false);
}

static void add_schema(struct house *house, const char *type, uint32_t schema_version, const char *text)
{
    varve_error error = { 0 };
    if (varve_engine_add_schema(house->engine, varve_str_of(type), schema_version, "s.json", varve_str_of(text),
                                &error) < 0)
        fail_msg("%s", error.message);
}

static void start(struct house *house)
{
    varve_error error = { 0 };
    if (varve_engine_start(house->engine, &error) < 0) fail_msg("%s", error.message);
}

static void stop(struct house *house)
{
    varve_engine_close(house->engine);
    house->engine = NULL;
}

static int set_up(void **state)
{
    struct house *house = calloc(1, sizeof *house);
    *state = house;
    scratch_init(&house->scratch);
    snprintf(house->uri, sizeof house->uri, "sqlite:%s", scratch_path(&house->scratch, "s.db"));
#ifdef VARVE_WITH_POSTGRES
    house->on_postgres = getenv("VARVE_TEST_STORE") != NULL;
    if (house->on_postgres) {
        postgres_init(&house->postgres);
        snprintf(house->uri, sizeof house->uri, "%s", postgres_uri(&house->postgres, NULL));
    }
#endif
    return 0;
}

static int tear_down(void **state)
{
    struct house *house = *state;
    stop(house);
#ifdef VARVE_WITH_POSTGRES
    if (house->on_postgres) postgres_fini(&house->postgres);
#endif
    scratch_fini(&house->scratch);
    free(house);
    return 0;
}

static void not_called(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    (void)ctx, (void)status, (void)appended, (void)error;
    fail_msg("the append was queued");
}

static varve_status append(struct house *house, const char *data, uint32_t schema_version, varve_error *error)
{
    const varve_event event = { .stream = VARVE_STR("thing-1"),
                                .type = VARVE_STR("Made"),
                                .data = varve_str_of(data),
                                .schema_version = schema_version };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append(varve_engine_store(house->engine), &request, NULL, error);
}

static void what_does_not_fit_is_not_appended(void **state)
{
    struct house *house = *state;
    varve_error error = { 0 };
    uint64_t version = 0;
    open_engine(house);
    add_schema(house, "Made", 0, "{\"required\":[\"by\"]}");
    add_schema(house, "Made", 2, "{\"required\":[\"maker\"]}");
    start(house);
    assert_int_equal(append(house, "{}", 1, &error), VARVE_SCHEMA_MISMATCH);
    assert_string_equal(error.message, "Made: the data: 'required': 'by' is missing (s.json)");
    assert_int_equal(append(house, "", 0, &error), VARVE_SCHEMA_MISMATCH); /* which is {} */
    assert_int_equal(append(house, "{", 1, &error), VARVE_SCHEMA_MISMATCH);
    assert_int_equal(append(house, "{\"by\":1}", 2, &error), VARVE_SCHEMA_MISMATCH);
    assert_int_equal(append(house, "{\"by\":1}", 3, &error), VARVE_SCHEMA_MISMATCH);
    const varve_event pair[] = { { .stream = VARVE_STR("thing-1"), .type = VARVE_STR("Other") },
                                 { .stream = VARVE_STR("thing-1"), .type = VARVE_STR("Made") } };
    const varve_append_request both = { .events = pair, .event_count = 2 };
    assert_int_equal(varve_append_async(varve_engine_store(house->engine), &both, not_called, NULL, &error),
                     VARVE_SCHEMA_MISMATCH);
    assert_string_equal(error.message, "events[1]: Made: the data: 'required': 'by' is missing (s.json)");
    varve_command command = { .type = VARVE_STR("Made"), .stream = VARVE_STR("thing-1") };
    assert_int_equal(varve_execute(house->engine, &command, NULL, &error), VARVE_APPLICATION);
    assert_string_equal(error.message, "Made on thing-1: Made: the data: 'required': 'by' is missing (s.json)");

    assert_int_equal(varve_stream_get_version(varve_engine_store(house->engine), VARVE_STR("thing-1"), &version, NULL),
                     VARVE_OK);
    assert_int_equal(version, 0);
    assert_int_equal(append(house, "{\"by\":1}", 0, &error), VARVE_OK);
    assert_int_equal(append(house, "{\"maker\":1}", 2, &error), VARVE_OK);
    command.data = VARVE_STR("{\"by\":1}");
    assert_int_equal(varve_execute(house->engine, &command, NULL, &error), VARVE_OK);
    command.type = VARVE_STR("Other");
    assert_int_equal(varve_execute(house->engine, &command, NULL, &error), VARVE_OK);
}

struct answer {
    sem_t given;
    varve_status status;
    uint64_t position;
};

static void take_answer(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct answer *answer = ctx;
    (void)error;
    answer->status = status;
    answer->position = appended == NULL ? 0 : appended->first_position;
    sem_post(&answer->given);
}

static void is_repeated(struct house *house, const varve_append_request *request, uint64_t position)
{
    varve_appended appended = { 0 };
    varve_error error = { 0 };
    struct answer answer = { .position = 0 };
    if (varve_append(varve_engine_store(house->engine), request, &appended, &error) != VARVE_REPEATED)
        fail_msg("%s", error.message);
    assert_int_equal(appended.first_position, position);
    varve_appended_fini(&appended);
    sem_init(&answer.given, 0, 0);
    if (varve_append_async(varve_engine_store(house->engine), request, take_answer, &answer, &error) < 0)
        fail_msg("%s", error.message);
    while (sem_wait(&answer.given) != 0) {
    }
    assert_int_equal(answer.status, VARVE_REPEATED);
    assert_int_equal(answer.position, position);
    sem_destroy(&answer.given);
}

/* The schema came, or was changed, after it was appended. */
static void a_repeat_is_answered_as_one_whatever_the_schema_is_now(void **state)
{
    struct house *house = *state;
    const varve_event event = { .stream = VARVE_STR("thing-1"), .type = VARVE_STR("Made") };
    varve_event named = event, other = event;
    varve_error error = { 0 };
    named.id = varve_uuid_new();
    other.id = varve_uuid_new();
    const varve_append_request by_id = { .events = &named, .event_count = 1 };
    const varve_append_request by_key = { .events = &event, .event_count = 1, .idempotency_key = VARVE_STR("k-1") };
    const varve_append_request new_id = { .events = &other, .event_count = 1 };
    const varve_append_request new_key = { .events = &event, .event_count = 1, .idempotency_key = VARVE_STR("k-2") };
    varve_append_request same_key = by_key;
    same_key.events = &other;
    open_engine(house);
    start(house);
    assert_int_equal(varve_append(varve_engine_store(house->engine), &by_id, NULL, &error), VARVE_OK);
    assert_int_equal(varve_append(varve_engine_store(house->engine), &by_key, NULL, &error), VARVE_OK);
    stop(house);

    open_engine(house);
    add_schema(house, "Made", 0, "{\"required\":[\"by\"]}");
    start(house);
    is_repeated(house, &by_id, 1);
    is_repeated(house, &by_key, 2);
    varve_store *store = varve_engine_store(house->engine);
    assert_int_equal(varve_append(store, &new_id, NULL, &error), VARVE_SCHEMA_MISMATCH);
    assert_int_equal(varve_append(store, &new_key, NULL, &error), VARVE_SCHEMA_MISMATCH);
    assert_int_equal(varve_append(store, &same_key, NULL, &error), VARVE_KEY_CONFLICT);
}

static void schemas_are_added_once_and_before_the_start(void **state)
{
    struct house *house = *state;
    varve_error error = { 0 };
    open_engine(house);
    add_schema(house, "Made", 1, "{}");
    assert_int_equal(varve_engine_add_schema(house->engine, VARVE_STR("Made"), 0, "t.json", VARVE_STR("{}"), &error),
                     VARVE_INVALID);
    assert_string_equal(error.message, "t.json: Made, schema version 1, has a schema already");
    assert_int_equal(varve_engine_add_schema(house->engine, VARVE_STR(""), 0, "t.json", VARVE_STR("{}"), &error),
                     VARVE_INVALID);
    start(house);
    assert_int_equal(varve_engine_add_schema(house->engine, VARVE_STR("B"), 0, "t.json", VARVE_STR("{}"), &error),
                     VARVE_INVALID);
}

static varve_status write_key(void *ctx, const struct store_record *record)
{
    varve_buf_printf(ctx, "%.*s ", (int)record->key.len, record->key.ptr);
    return VARVE_OK;
}

static void assert_noted(struct house *house, const char *types)
{
    const struct store_record_range range = { .space = VARVE_STR("schema") };
    varve_buf text = { 0 };
    varve_buf_str(&text, VARVE_STR(""));
    assert_int_equal(store_records_list(varve_engine_store(house->engine), &range, write_key, &text, NULL, NULL),
                     VARVE_OK);
    assert_string_equal(text.ptr, types);
    varve_buf_fini(&text);
}

static void the_store_knows_which_types_have_schemas(void **state)
{
    struct house *house = *state;
    open_engine(house);
    add_schema(house, "Made", 1, "{}");
    add_schema(house, "Made", 2, "{}");
    add_schema(house, "Broken", 1, "{}");
    start(house);
    assert_noted(house, "Broken Made ");
    stop(house);
    open_engine(house);
    add_schema(house, "Made", 1, "{}");
    add_schema(house, "Sold", 1, "{}");
    start(house);
    assert_noted(house, "Made Sold ");
    stop(house);
    open_engine(house);
    start(house);
    assert_noted(house, "");
}

static void who_only_passes_by_notes_nothing(void **state)
{
    struct house *house = *state;
    varve_error error = { 0 };
    open_engine(house);
    add_schema(house, "Made", 1, "{}");
    start(house);
    stop(house);
    open_engine_with(house, true);
    add_schema(house, "Sold", 1, "{}");
    start(house);
    assert_noted(house, "Made ");
    const varve_event sold = { .stream = VARVE_STR("thing-1"), .type = VARVE_STR("Sold"), .schema_version = 2 };
    assert_int_equal(varve_append(varve_engine_store(house->engine),
                                  &(varve_append_request){ .events = &sold, .event_count = 1 }, NULL, &error),
                     VARVE_SCHEMA_MISMATCH); /* to its own schemas it holds */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_does_not_fit_is_not_appended),
        CASE(a_repeat_is_answered_as_one_whatever_the_schema_is_now),
        CASE(schemas_are_added_once_and_before_the_start),
        CASE(the_store_knows_which_types_have_schemas),
        CASE(who_only_passes_by_notes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
