/* SPDX-License-Identifier: Apache-2.0 */
/* Two handles on one store, and a session of somebody else's: who waits, who is refused, and with which words. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/conformance/store.h"
#include "tests/postgres/server.h"

struct pair {
    struct postgres postgres;
    varve_store *one, *other;
    PGconn *session;
};

static int open_pair(void **state)
{
    struct pair *pair = *state;
    char uri[400];
    varve_error error = { 0 };
    postgres_init(&pair->postgres);
    snprintf(uri, sizeof uri, "%s&options=-clock_timeout%%3D500", postgres_uri(&pair->postgres, NULL));
    pair->session = session_open(postgres_uri(&pair->postgres, NULL));
    const varve_store_options options = { .uri = uri };
    if (varve_store_open(&pair->one, &options, &error) < 0 || varve_store_open(&pair->other, &options, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

static int close_pair(void **state)
{
    struct pair *pair = *state;
    varve_store_close(pair->one);
    varve_store_close(pair->other);
    PQfinish(pair->session);
    postgres_fini(&pair->postgres);
    return 0;
}

static void who_waits_too_long_for_the_order_lock_is_told_who_holds_it(void **state)
{
    struct pair *pair = *state;
    varve_error error = { 0 };
    char pid[32];
    session_ask(pair->session, "BEGIN; SELECT pg_advisory_xact_lock(" ORDER_LOCK ")");
    assert_int_equal(append_if(pair->one, "s-1", VARVE_STREAM_ANY, 0, NULL, &error), VARVE_BUSY);
    assert_int_equal(error.detail, PQbackendPID(pair->session));
    assert_true((error.flags & VARVE_ERROR_RETRIABLE) != 0);
    assert_true((error.flags & (VARVE_ERROR_FATAL | VARVE_ERROR_UNKNOWN_OUTCOME)) == 0);
    snprintf(pid, sizeof pid, "server process %d", PQbackendPID(pair->session));
    assert_non_null(strstr(error.message, pid));
    session_ask(pair->session, "COMMIT");
    assert_int_equal(append_if(pair->one, "s-1", VARVE_STREAM_NONE, 0, NULL, NULL), VARVE_OK);
    assert_int_equal(append_if(pair->other, "s-1", VARVE_STREAM_AT, 1, NULL, NULL), VARVE_OK);
    assert_int_equal(head_of(pair->one), 2);
}

/* Memory alone does not refuse: another handle may have moved the stream to just what is expected. */
static void a_version_that_another_handle_wrote_is_expected_rightly(void **state)
{
    struct pair *pair = *state;
    for (uint64_t i = 0; i < 20; i++) {
        varve_store *writer = i % 2 == 0 ? pair->one : pair->other;
        assert_int_equal(append_if(writer, "s-1", VARVE_STREAM_AT, i, NULL, NULL), VARVE_OK);
    }
    assert_int_equal(append_if(pair->one, "s-1", VARVE_STREAM_AT, 18, NULL, NULL), VARVE_CONFLICT);
}

/* Of streams that share a place in the writer's memory of versions, the later one stays: many make that sure. */
static void versions_are_right_whichever_are_remembered(void **state)
{
    struct pair *pair = *state;
    enum { STREAMS = 1000, ROUNDS = 6 };
    static char names[STREAMS][16];
    static varve_event events[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        snprintf(names[i], sizeof names[i], "s-%d", i);
        events[i] = (varve_event){ .stream = varve_str_of(names[i]), .type = VARVE_STR("Noted") };
    }
    const varve_append_request request = { .events = events, .event_count = STREAMS };
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        varve_store *writer = round % 2 == 0 ? pair->one : pair->other;
        varve_appended appended = { 0 };
        varve_error error = { 0 };
        if (varve_append(writer, &request, &appended, &error) != VARVE_OK) fail_msg("%s", error.message);
        for (size_t i = 0; i < appended.stream_count; i++) assert_int_equal(appended.streams[i].version, round);
        varve_appended_fini(&appended);
        /* The other's news are known by now, but not to this writer's memory. */
        assert_int_equal(append_n(writer, "only-one", "Noted", 1), VARVE_OK);
    }
    uint64_t checked = 0;
    assert_int_equal(varve_store_verify(pair->one, NULL, &checked, NULL), VARVE_OK);
}

/* Whichever session it is: the writer's, a reader's, the listener's. */
static void a_session_that_is_ended_by_the_server_is_replaced(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(append_n(pair->one, "s-1", "Noted", 1), VARVE_OK);
    for (int i = 0; i < 5; i++) {
        uint64_t version = 0;
        session_ask(pair->session, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                                   "current_database() AND pid <> pg_backend_pid()");
        assert_int_equal(append_if(pair->one, "s-1", VARVE_STREAM_AT, (uint64_t)i + 1, NULL, NULL), VARVE_OK);
        assert_int_equal(varve_stream_get_version(pair->other, VARVE_STR("s-1"), &version, NULL), VARVE_OK);
        assert_int_equal(version, i + 2);
    }
}

/* As a disk that was put back to what it was; the server's own history does not show it. */
static void a_log_that_lost_its_end_is_another_history(void **state)
{
    struct pair *pair = *state;
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
    varve_appended appended = { 0 };
    uint64_t checked = 0;
    varve_status status = VARVE_OK;
    assert_int_equal(append_n(pair->one, "s-1", "Noted", 10), VARVE_OK);
    const varve_read_options options = { .follow = true, .wait_ms = 100 };
    assert_int_equal(varve_cursor_open(&cursor, pair->other, &options, NULL), VARVE_OK);
    while (varve_cursor_scanned(cursor) < 10) assert_true(varve_cursor_next(cursor, &event, NULL) >= 0);
    session_ask(pair->session, "DELETE FROM varve.events WHERE position > 6");
    session_ask(pair->session, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                               "current_database() AND pid <> pg_backend_pid()");
    assert_int_equal(append_if(pair->one, "s-1", VARVE_STREAM_AT, 6, &appended, NULL), VARVE_OK);
    assert_int_equal(appended.first_position, 7);
    varve_appended_fini(&appended);
    assert_int_equal(append_n(pair->one, "s-1", "Noted", 10), VARVE_OK);
    for (int i = 0; i < 100 && status >= 0; i++) {
        status = varve_cursor_next(cursor, &event, NULL);
        assert_int_not_equal(status, VARVE_OK);
    }
    assert_int_equal(status, VARVE_REWOUND);
    varve_cursor_close(cursor);
    assert_int_equal(varve_store_verify(pair->one, NULL, &checked, NULL), VARVE_OK);
    assert_int_equal(checked, 17);
}

/* The same, and somebody who knows nothing of what was lost has written more than that since. */
static void a_log_that_lost_its_end_and_grew_is_another_history(void **state)
{
    struct pair *pair = *state;
    varve_store_info before, after;
    uint64_t checked = 0;
    assert_int_equal(append_n(pair->one, "s-1", "Noted", 10), VARVE_OK);
    assert_int_equal(varve_store_get_info(pair->one, &before, NULL), VARVE_OK);
    session_ask(pair->session, "DELETE FROM varve.events WHERE position > 6");
    session_ask(pair->session, "SELECT count(varve.append('[{\"stream\":\"s-2\",\"type\":\"Noted\"}]')) "
                               "FROM generate_series(1, 20)");
    session_ask(pair->session, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                               "current_database() AND pid <> pg_backend_pid()");
    assert_int_equal(append_if(pair->one, "s-1", VARVE_STREAM_AT, 6, NULL, NULL), VARVE_OK);
    assert_int_equal(varve_store_get_info(pair->one, &after, NULL), VARVE_OK);
    assert_string_not_equal(before.incarnation, after.incarnation);
    assert_int_equal(varve_store_verify(pair->one, NULL, &checked, NULL), VARVE_OK);
    assert_int_equal(checked, 27);
}

static void become(struct pair *pair, const char *incarnation)
{
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE varve.meta SET value = '%s' WHERE key = 'incarnation'", incarnation);
    session_ask(pair->session, sql);
}

static void await_incarnation(varve_store *store, const char *incarnation)
{
    varve_store_info info = { 0 };
    while (strcmp(info.incarnation, incarnation) != 0) {
        (void)varve_store_get_info(store, &info, NULL);
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    }
}

static void count_warnings(void *ctx, varve_log_level level, const char *line)
{
    atomic_int *counted = ctx;
    (void)level;
    if (strstr(line, "a history that the log has left") != NULL) atomic_fetch_add(counted, 1);
}

/* As when a connection leads to the old primary after a promotion. */
static void there_is_no_way_back_to_a_history_that_was_left(void **state)
{
    static const char second[] = "00000000-0000-7000-8000-000000000002",
                      third[] = "00000000-0000-7000-8000-000000000003";
    struct pair *pair = *state;
    varve_store *store = NULL;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_store_info info, now;
    atomic_int warnings = 0;
    const varve_store_options options = { .uri = postgres_uri(&pair->postgres, NULL),
                                          .log = count_warnings,
                                          .log_ctx = &warnings };
    assert_int_equal(varve_store_get_info(pair->one, &info, NULL), VARVE_OK);
    assert_int_equal(varve_store_open(&store, &options, NULL), VARVE_OK);
    assert_int_equal(append_n(store, "s-1", "Noted", 1), VARVE_OK);
    become(pair, second);
    await_incarnation(store, second);
    /* By a connection to the second, which is kept: no new one can be had later. */
    assert_int_equal(varve_store_get_info(store, &now, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_open(&cursor, store, &(varve_read_options){ .follow = true }, NULL), VARVE_OK);
    become(pair, info.incarnation);
    while (atomic_load(&warnings) < 3) nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    assert_int_not_equal(varve_cursor_next(cursor, &event, NULL), VARVE_REWOUND);
    assert_int_equal(varve_store_get_info(store, &now, NULL), VARVE_OK);
    assert_string_equal(now.incarnation, second);
    become(pair, third);
    await_incarnation(store, third);
    assert_int_equal(append_n(store, "s-1", "Noted", 1), VARVE_OK);
    varve_cursor_close(cursor);
    varve_store_close(store);
}

enum { CROWD = 17 }; /* one more than there are connections to read with */

struct reading {
    pthread_t thread;
    varve_store *store;
    atomic_int *answered;
    varve_status status;
    varve_error error;
};

static void *read_head(void *argument)
{
    struct reading *reading = argument;
    uint64_t head = 0;
    reading->status = varve_store_head(reading->store, &head, &reading->error);
    atomic_fetch_add(reading->answered, 1);
    return NULL;
}

static void who_finds_no_connection_to_read_with_is_told_so(void **state)
{
    struct pair *pair = *state;
    struct reading crowd[CROWD] = { 0 };
    varve_store *store = NULL;
    int refused = 0;
    atomic_int answered = 0;
    const varve_store_options options = { .uri = postgres_uri(&pair->postgres, NULL) };
    assert_int_equal(varve_store_open(&store, &options, NULL), VARVE_OK);
    session_ask(pair->session, "BEGIN; LOCK TABLE varve.events");
    for (int i = 0; i < CROWD; i++) {
        crowd[i].store = store;
        crowd[i].answered = &answered;
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, read_head, &crowd[i]), 0);
    }
    while (atomic_load(&answered) == 0) nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    session_ask(pair->session, "COMMIT");
    for (int i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        if (crowd[i].status == VARVE_OK) continue;
        assert_int_equal(crowd[i].status, VARVE_BUSY);
        assert_non_null(strstr(crowd[i].error.message, "connections that read are in use"));
        refused++;
    }
    assert_int_equal(refused, 1);
    varve_store_close(store);
}

int main(void)
{
#define OF_A_PAIR(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)
    static struct pair pair;
    struct CMUnitTest cases[] = {
        OF_A_PAIR(who_waits_too_long_for_the_order_lock_is_told_who_holds_it),
        OF_A_PAIR(a_version_that_another_handle_wrote_is_expected_rightly),
        OF_A_PAIR(versions_are_right_whichever_are_remembered),
        OF_A_PAIR(a_session_that_is_ended_by_the_server_is_replaced),
        OF_A_PAIR(a_log_that_lost_its_end_is_another_history),
        OF_A_PAIR(a_log_that_lost_its_end_and_grew_is_another_history),
        OF_A_PAIR(there_is_no_way_back_to_a_history_that_was_left),
        OF_A_PAIR(who_finds_no_connection_to_read_with_is_told_so),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) cases[i].initial_state = &pair;
    return cmocka_run_group_tests(cases, NULL, NULL);
}
