/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that changed over the years, through the whole engine. The log has
 *
 *   Paid 1      {"euro":N}            today Received 2 {"amount":100N}, by Paid 2 {"cents"} and Received 1 {"cents"}
 *   Moved 1     {"amount":N,"fee":F}  today Spent 1 {"amount":N} and Spent 1 {"amount":F}
 *   Noted 1     {}                    today nothing
 *   Received 2  {"amount":N}          as it is
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <varve.h>
#include <cmocka.h>

#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

/* ---- upcasters ---- */

static varve_status give(varve_upcasting *into, const char *name, int64_t number)
{
    char data[64];
    snprintf(data, sizeof data, "{\"%s\":%" PRId64 "}", name, number);
    return varve_upcast_emit(into, &(varve_event){ .data = varve_str_of(data) });
}

static varve_status cents_of_euro(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    int64_t euro = 0;
    (void)worker;
    varve_status status = varve_json_int(event->data, "euro", &euro, error);
    return status < 0 ? status : give(into, "cents", euro * 100);
}

static varve_status amount_of_cents(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    int64_t cents = 0;
    (void)worker;
    varve_status status = varve_json_int(event->data, "cents", &cents, error);
    return status < 0 ? status : give(into, "amount", cents);
}

static varve_status rename_only(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)error;
    return varve_upcast_emit(into, &(varve_event){ .data = event->data });
}

static varve_status split(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    int64_t amount = 0, fee = 0;
    (void)worker;
    varve_status status = varve_json_int(event->data, "amount", &amount, error);
    if (status >= 0) status = varve_json_int(event->data, "fee", &fee, error);
    if (status >= 0) status = give(into, "amount", amount);
    return status < 0 ? status : give(into, "amount", fee);
}

static varve_status drop(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)event;
    (void)into;
    (void)error;
    return VARVE_OK;
}

static const varve_shape received_1[] = { { "Received", 1 } }, spent_1[] = { { "Spent", 1 } };

enum { UPCASTERS = 5 };
static const varve_upcaster today[UPCASTERS] = {
    { .from = { "Paid", 1 }, .upcast = cents_of_euro },
    { .from = { "Paid", 2 }, .into = received_1, .into_count = 1, .upcast = rename_only },
    { .from = { "Received", 1 }, .upcast = amount_of_cents },
    { .from = { "Moved", 1 }, .into = spent_1, .into_count = 1, .upcast = split },
    { .from = { "Noted", 1 }, .upcast = drop },
};

/* ---- a decider: what came in less what went out ---- */

struct purse {
    int64_t sum, events;
};

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    struct purse *purse = state;
    int64_t amount = 0;
    if (varve_json_int(event->data, "amount", &amount, error) < 0) return error->status;
    purse->sum += varve_str_is(event->type, "Received") ? amount : -amount;
    purse->events++;
    return VARVE_OK;
}

/* The command's type is the event's: old shapes too, as a decider that lags behind would give. */
static varve_status decide(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    (void)state;
    (void)error;
    return varve_emit(decision, &(varve_event){ .type = command->type, .data = command->data });
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    const struct purse *purse = state;
    (void)error;
    varve_buf_printf(json, "{\"sum\":%" PRId64 ",\"events\":%" PRId64 "}", purse->sum, purse->events);
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    struct purse *purse = state;
    varve_status status = varve_json_int(json, "sum", &purse->sum, error);
    return status < 0 ? status : varve_json_int(json, "events", &purse->events, error);
}

static const varve_decider purse = {
    .category = "purse",
    .state_size = sizeof(struct purse),
    .snapshot_every = 4,
    .state_version = 1,
    .evolve = evolve,
    .decide = decide,
    .encode = encode,
    .decode = decode,
};

/* ---- a house with an engine that comes and goes ---- */

struct house {
    struct scratch scratch;
    char uri[320];
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
    bool on_postgres;
#endif
    varve_engine *engine;
};

static const char sums[] =
    "-- @projection sums\n-- @version 1\n-- @create\n"
    "CREATE TABLE sums (stream TEXT PRIMARY KEY, total BIGINT NOT NULL, events BIGINT NOT NULL);\n"
    "-- @on Received\nINSERT INTO sums VALUES (:stream, :data.amount, 1) ON CONFLICT (stream)"
    " DO UPDATE SET total = sums.total + excluded.total, events = sums.events + 1;\n"
    "-- @on Spent\nINSERT INTO sums VALUES (:stream, 0 - :data.amount, 1) ON CONFLICT (stream)"
    " DO UPDATE SET total = sums.total + excluded.total, events = sums.events + 1;\n";
static const char ask_sums[] = "-- @query sums\n-- @reads sums\nSELECT total, events FROM sums.sums";

static void start(struct house *house, const varve_upcaster *upcasters, size_t count)
{
    const varve_engine_options options = { .store = house->uri };
    varve_error error = { 0 };
    varve_status status = varve_engine_open(&house->engine, &options, &error);
    if (status >= 0) status = varve_engine_add_decider(house->engine, &purse, NULL, &error);
    if (status >= 0) status = varve_engine_add_projection(house->engine, "sums.sql", varve_str_of(sums), &error);
    if (status >= 0) status = varve_engine_add_query(house->engine, "ask.sql", varve_str_of(ask_sums), &error);
    for (size_t i = 0; status >= 0 && i < count; i++)
        status = varve_engine_add_upcaster(house->engine, &upcasters[i], NULL, &error);
    if (status >= 0) status = varve_engine_start(house->engine, &error);
    if (status < 0) fail_msg("%s", error.message);
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
    snprintf(house->uri, sizeof house->uri, "sqlite:%s", scratch_path(&house->scratch, "purse.db"));
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

/* ---- short words ---- */

static uint64_t append(struct house *house, const char *type, uint32_t schema_version, const char *data)
{
    const varve_event event = { .stream = VARVE_STR("purse-1"),
                                .type = varve_str_of(type),
                                .data = varve_str_of(data),
                                .schema_version = schema_version };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    varve_appended appended = { 0 };
    varve_error error = { 0 };
    if (varve_append(varve_engine_store(house->engine), &request, &appended, &error) < 0) fail_msg("%s", error.message);
    uint64_t position = appended.last_position;
    varve_appended_fini(&appended);
    return position;
}

/* 7 events; today 300 + 5 - 20 - 1 - 2 - 3, of which 7 are left when one is dropped and two are split. */
static uint64_t append_years(struct house *house)
{
    append(house, "Paid", 1, "{\"euro\":1}");
    append(house, "Paid", 2, "{\"cents\":200}");
    append(house, "Noted", 1, "{}");
    append(house, "Received", 2, "{\"amount\":5}");
    append(house, "Moved", 1, "{\"amount\":20,\"fee\":1}");
    append(house, "Received", 1, "{\"cents\":0}");
    return append(house, "Moved", 1, "{\"amount\":2,\"fee\":3}");
}

#define YEARS_STATE "{\"sum\":279,\"events\":8}"

static void execute(struct house *house, const char *type, const char *data)
{
    varve_error error = { 0 };
    const varve_command command = { .type = varve_str_of(type),
                                    .stream = VARVE_STR("purse-1"),
                                    .data = varve_str_of(data) };
    if (varve_execute(house->engine, &command, NULL, &error) < 0) fail_msg("%s", error.message);
}

static void assert_shows(struct house *house, uint64_t as_of, const char *state, uint64_t version, uint64_t snapshot)
{
    const varve_aggregate_options options = { .version = as_of };
    varve_aggregate aggregate = { 0 };
    varve_error error = { 0 };
    varve_status status = varve_aggregate_show(house->engine, VARVE_STR("purse-1"), &options, &aggregate, &error);
    if (status < 0) fail_msg("%s", error.message);
    assert_int_equal(aggregate.state.len, strlen(state));
    assert_memory_equal(aggregate.state.ptr, state, strlen(state));
    assert_int_equal(aggregate.version, version);
    assert_int_equal(aggregate.snapshot_version, snapshot);
    varve_aggregate_fini(&aggregate);
}

static void assert_sums(struct house *house, uint64_t position, const char *rows)
{
    const varve_query_request request = { .name = VARVE_STR("sums"), .after_position = position, .wait_ms = 60000 };
    varve_answer answer = { 0 };
    varve_error error = { 0 };
    if (varve_query(house->engine, &request, &answer, &error) < 0) fail_msg("%s", error.message);
    if (!varve_str_is(answer.rows, rows)) fail_msg("%.*s", (int)answer.rows.len, answer.rows.ptr);
    varve_answer_fini(&answer);
}

struct seen {
    varve_projection_state state;
    bool rebuilding;
    char problem[256];
};

static void look(void *ctx, const varve_projection_status *status)
{
    struct seen *seen = ctx;
    seen->state = status->state;
    seen->rebuilding = status->rebuilding;
    snprintf(seen->problem, sizeof seen->problem, "%.*s", (int)status->problem.len, status->problem.ptr);
}

/* Looks until the projection is in this state and nothing is being built. */
static struct seen await(struct house *house, varve_projection_state state)
{
    for (;;) {
        struct seen seen = { 0 };
        assert_int_equal(varve_projection_list(house->engine, VARVE_STR("sums"), look, &seen, NULL), VARVE_OK);
        if (seen.state == state && !seen.rebuilding) return seen;
        usleep(1000);
    }
}

/* ---- tests ---- */

static void aggregates_and_read_models_see_what_events_are_today(void **state)
{
    struct house *house = *state;
    start(house, today, UPCASTERS);
    uint64_t position = append_years(house);
    assert_shows(house, 0, YEARS_STATE, 7, 0);
    assert_shows(house, 1, "{\"sum\":100,\"events\":1}", 1, 0);
    assert_shows(house, 3, "{\"sum\":300,\"events\":2}", 3, 0); /* what is dropped counts as a version */
    assert_shows(house, 5, "{\"sum\":284,\"events\":5}", 5, 0); /* a split event is in the state whole */
    assert_sums(house, position, "[{\"total\":279,\"events\":8}]");
}

static void history_has_the_events_of_the_log_and_what_each_changed(void **state)
{
    struct house *house = *state;
    varve_history history = { 0 };
    varve_difference difference = { 0 };
    varve_error error = { 0 };
    start(house, today, UPCASTERS);
    append_years(house);
    if (varve_aggregate_history(house->engine, VARVE_STR("purse-1"), NULL, &history, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(history.count, 7);
    assert_true(varve_str_is(history.entries[0].event.type, "Paid"));
    assert_true(varve_str_is(history.entries[0].event.data, "{\"euro\":1}"));
    assert_true(varve_str_is(history.entries[2].patch, "[]"));
    assert_true(varve_str_is(history.entries[4].patch, "[{\"op\":\"replace\",\"path\":\"/events\",\"value\":5},"
                                                       "{\"op\":\"replace\",\"path\":\"/sum\",\"value\":284}]"));
    varve_history_fini(&history);
    const varve_aggregate_options from = { .version = 3 }, to = { .version = 5 };
    if (varve_aggregate_diff(house->engine, VARVE_STR("purse-1"), &from, &to, &difference, &error) < 0)
        fail_msg("%s", error.message);
    assert_true(varve_str_is(difference.patch, "[{\"op\":\"replace\",\"path\":\"/events\",\"value\":5},"
                                               "{\"op\":\"replace\",\"path\":\"/sum\",\"value\":284}]"));
    varve_difference_fini(&difference);
}

/* What a command leads to is evolved before it is in the log: it must be the state that a reload gives. */
static void a_command_on_the_kept_state_sees_what_a_reload_gives(void **state)
{
    struct house *house = *state;
    start(house, today, UPCASTERS);
    for (int i = 0; i < 2; i++) {
        execute(house, "Paid", "{\"euro\":1}");
        execute(house, "Moved", "{\"amount\":7,\"fee\":1}");
        execute(house, "Noted", "{}");
    }
    stop(house);
    start(house, today, UPCASTERS);
    assert_shows(house, 4, "{\"sum\":192,\"events\":4}", 4, 4); /* a snapshot of the state that was kept */
    assert_shows(house, 0, "{\"sum\":184,\"events\":6}", 6, 4);
    assert_shows(house, 3, "{\"sum\":92,\"events\":3}", 3, 0);
}

static varve_status double_euro(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    int64_t euro = 0;
    (void)worker;
    varve_status status = varve_json_int(event->data, "euro", &euro, error);
    return status < 0 ? status : give(into, "cents", euro * 200);
}

static void snapshots_are_made_anew_when_upcasters_change(void **state)
{
    struct house *house = *state;
    varve_upcaster revised[UPCASTERS];
    start(house, today, UPCASTERS);
    append_years(house);
    execute(house, "Received", "{\"cents\":1}");
    stop(house);
    start(house, today, UPCASTERS);
    assert_shows(house, 0, "{\"sum\":280,\"events\":9}", 8, 8);
    stop(house);

    memcpy(revised, today, sizeof today);
    revised[0].revision = VARVE_STR("2");
    revised[0].upcast = double_euro;
    start(house, revised, UPCASTERS);
    assert_shows(house, 0, "{\"sum\":380,\"events\":9}", 8, 0);
    execute(house, "Received", "{\"cents\":1}"); /* with which the snapshot that was looked up is written */
    stop(house);
    start(house, revised, UPCASTERS);
    assert_shows(house, 8, "{\"sum\":380,\"events\":9}", 8, 8);
    stop(house);

    start(house, today, UPCASTERS);
    assert_shows(house, 8, "{\"sum\":280,\"events\":9}", 8, 0);
}

static void read_models_are_built_anew_when_their_upcasters_change(void **state)
{
    struct house *house = *state;
    varve_upcaster revised[UPCASTERS + 1];
    start(house, today, UPCASTERS);
    uint64_t position = append_years(house);
    assert_sums(house, position, "[{\"total\":279,\"events\":8}]");
    stop(house);

    /* Of an event that the projection has nothing to do with: the model stays. */
    memcpy(revised, today, sizeof today);
    revised[UPCASTERS] = (varve_upcaster){ .from = { "Elsewhere", 1 }, .upcast = rename_only };
    start(house, revised, UPCASTERS + 1);
    struct seen seen = { 0 };
    assert_int_equal(varve_projection_list(house->engine, VARVE_STR("sums"), look, &seen, NULL), VARVE_OK);
    assert_false(seen.rebuilding);
    assert_sums(house, position, "[{\"total\":279,\"events\":8}]");
    position = append(house, "Received", 2, "{\"amount\":1}");
    assert_sums(house, position, "[{\"total\":280,\"events\":9}]");
    stop(house);

    revised[0].revision = VARVE_STR("2");
    revised[0].upcast = double_euro;
    start(house, revised, UPCASTERS);
    await(house, VARVE_PROJECTION_LIVE);
    assert_sums(house, position, "[{\"total\":380,\"events\":9}]");
    stop(house);

    start(house, revised, UPCASTERS);
    assert_sums(house, position, "[{\"total\":380,\"events\":9}]");
}

static varve_status fail_always(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)event;
    (void)into;
    return varve_error_set(error, VARVE_INVALID, "paid.c:12: there is no euro");
}

static void a_failure_names_event_and_upcaster(void **state)
{
    struct house *house = *state;
    const varve_upcaster bad = { .from = { "Paid", 1 }, .into = received_1, .into_count = 1, .upcast = fail_always };
    varve_aggregate aggregate = { 0 };
    varve_error error = { 0 };
    start(house, &bad, 1);
    append(house, "Received", 2, "{\"amount\":1}");
    append(house, "Paid", 1, "{}");
    assert_int_equal(varve_aggregate_show(house->engine, VARVE_STR("purse-1"), NULL, &aggregate, &error),
                     VARVE_APPLICATION);
    assert_string_equal(error.message, "Paid, version 2, position 2, on purse-1: upcaster of Paid, schema version 1: "
                                       "paid.c:12: there is no euro");
    struct seen seen = await(house, VARVE_PROJECTION_FAULTED);
    assert_string_equal(seen.problem, "position 2, Paid of purse-1: upcaster of Paid, schema version 1: "
                                      "paid.c:12: there is no euro");
    assert_sums(house, 1, "[{\"total\":1,\"events\":1}]");
}

static void subscribers_get_shapes_on_request(void **state)
{
    struct house *house = *state;
    const varve_str wanted[] = { VARVE_STR("Received") }, *stored = NULL;
    varve_shapes *shapes = NULL;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL, *events = NULL;
    varve_buf text = { 0 };
    varve_error error = { 0 };
    size_t count = 0;
    start(house, today, UPCASTERS);
    append_years(house);
    assert_int_equal(varve_shapes_open(&shapes, house->engine, &error), VARVE_OK);
    assert_int_equal(varve_shapes_types(shapes, wanted, 1, &stored, &count, &error), VARVE_OK);
    assert_int_equal(count, 2);
    assert_true(varve_str_is(stored[1], "Paid"));
    assert_int_equal(varve_cursor_open(&cursor, varve_engine_store(house->engine), &(varve_read_options){ 0 }, &error),
                     VARVE_OK);
    while (varve_cursor_next(cursor, &event, &error) == VARVE_OK) {
        if (varve_shapes_of(shapes, event, &events, &count, &error) < 0) fail_msg("%s", error.message);
        for (size_t i = 0; i < count; i++)
            varve_buf_printf(&text, "%" PRIu64 "%.3s%.*s ", events[i].position, events[i].type.ptr,
                             (int)events[i].data.len, events[i].data.ptr);
    }
    assert_string_equal(text.ptr, "1Rec{\"amount\":100} 2Rec{\"amount\":200} 4Rec{\"amount\":5} 5Spe{\"amount\":20} "
                                  "5Spe{\"amount\":1} 6Rec{\"amount\":0} 7Spe{\"amount\":2} 7Spe{\"amount\":3} ");
    varve_buf_fini(&text);
    varve_cursor_close(cursor);
    varve_shapes_close(shapes);
}

static void upcasters_are_added_before_the_start(void **state)
{
    struct house *house = *state;
    varve_shapes *shapes = NULL;
    varve_error error = { 0 };
    const varve_engine_options options = { .store = house->uri };
    assert_int_equal(varve_engine_open(&house->engine, &options, &error), VARVE_OK);
    assert_int_equal(varve_shapes_open(&shapes, house->engine, &error), VARVE_UNAVAILABLE);
    assert_int_equal(varve_engine_start(house->engine, &error), VARVE_OK);
    assert_int_equal(varve_engine_add_upcaster(house->engine, &today[0], NULL, &error), VARVE_INVALID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(aggregates_and_read_models_see_what_events_are_today),
        CASE(history_has_the_events_of_the_log_and_what_each_changed),
        CASE(a_command_on_the_kept_state_sees_what_a_reload_gives),
        CASE(snapshots_are_made_anew_when_upcasters_change),
        CASE(read_models_are_built_anew_when_their_upcasters_change),
        CASE(a_failure_names_event_and_upcaster),
        CASE(subscribers_get_shapes_on_request),
        CASE(upcasters_are_added_before_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
