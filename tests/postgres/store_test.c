/* SPDX-License-Identifier: Apache-2.0 */
/* What is particular to a store in a PostgreSQL schema: a failed import beside a writer, memory for a check, upkeep. */
#include "tests/conformance/store.h"
#include "tests/postgres/server.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- a failed import ---- */

/* Somebody who opens the store that is being imported, and writes to it as soon as it can. */
struct other {
    struct postgres postgres;
    char uri[320];
    PGconn *session;
    varve_store *store;
    pthread_t thread;
    bool writes_record; /* instead of an event */
    varve_status outcome;
};

static void *write_something(void *argument)
{
    struct other *other = argument;
    if (other->writes_record) {
        size_t failed = 0;
        struct store_write write = {
            .record = { .space = VARVE_STR("test"), .key = VARVE_STR("key"), .value = VARVE_STR("{}") }
        };
        other->outcome = store_records_write(other->store, &write, 1, &failed, NULL);
    } else {
        other->outcome = append_n(other->store, "s-1", "Noted", 1);
    }
    return NULL;
}

/* In the middle of the import, which holds the order lock: the other one's write waits for that. Then it fails. */
static varve_status fail_beside_a_writer(void *ctx, varve_event *event, varve_error *error)
{
    struct other *other = ctx;
    const varve_store_options options = { 0 };
    (void)event;
    assert_int_equal(store_open(&other->store, postgres_store(), other->uri, &options, error), VARVE_OK);
    assert_int_equal(pthread_create(&other->thread, NULL, write_something, other), 0);
    session_await(other->session,
                  "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                  "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                  1);
    return varve_error_set(error, VARVE_INVALID, "this line is wrong");
}

static varve_status fail_alone(void *ctx, varve_event *event, varve_error *error)
{
    (void)ctx;
    (void)event;
    return varve_error_set(error, VARVE_INVALID, "this line is wrong");
}

static void begin(struct other *other)
{
    postgres_init(&other->postgres);
    snprintf(other->uri, sizeof other->uri, "%s", postgres_uri(&other->postgres, NULL));
    other->session = session_open(other->uri);
}

static void end(struct other *other)
{
    PQfinish(other->session);
    postgres_fini(&other->postgres);
}

static void a_failed_import_leaves_what_somebody_else_wrote(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct other other = { .writes_record = i == 1 };
        begin(&other);
        const struct store_location location = { .path = other.uri };
        assert_int_equal(postgres_store()->load(&location, fail_beside_a_writer, &other, NULL), VARVE_INVALID);
        pthread_join(other.thread, NULL);
        assert_int_equal(other.outcome, VARVE_OK);
        varve_store_close(other.store);
        assert_int_equal(session_ask(other.session, "SELECT count(to_regclass('varve.events'))"), 1);
        assert_int_equal(session_ask(other.session, "SELECT (SELECT count(*) FROM varve.events) + "
                                                    "(SELECT count(*) FROM varve.records)"),
                         1);
        end(&other);
    }
}

static void a_failed_import_takes_its_own_schema_away(void **state)
{
    struct other other = { .writes_record = false };
    (void)state;
    begin(&other);
    const struct store_location location = { .path = other.uri };
    assert_int_equal(postgres_store()->load(&location, fail_alone, &other, NULL), VARVE_INVALID);
    assert_int_equal(session_ask(other.session, "SELECT count(to_regnamespace('varve'))"), 0);
    end(&other);
}

/* ---- verifying ---- */

enum { LARGE = 256 << 10, EVENTS = 96, AT_ONCE = 16, PAGE_BYTES_MOST = 8 << 20 };

struct steps {
    uint64_t last, longest;
};

static void note_step(void *ctx, uint64_t done, uint64_t of)
{
    struct steps *steps = ctx;
    (void)of;
    if (done - steps->last > steps->longest) steps->longest = done - steps->last;
    steps->last = done;
}

/* Each step is a page that was in memory as a whole. */
static void a_store_of_large_events_is_verified_in_small_pages(void **state)
{
    struct other other = { .writes_record = false };
    struct steps steps = { 0 };
    const varve_store_options options = { 0 };
    const varve_verify_options verify = { .progress = note_step, .ctx = &steps };
    varve_event events[AT_ONCE];
    uint64_t checked = 0;
    char *data = malloc(LARGE);
    (void)state;
    assert_non_null(data);
    memset(data, 'x', LARGE);
    data[0] = data[LARGE - 1] = '"';
    for (size_t i = 0; i < AT_ONCE; i++)
        events[i] = (varve_event){ .stream = VARVE_STR("s-1"), .type = VARVE_STR("E"), .data = { data, LARGE } };
    begin(&other);
    assert_int_equal(store_open(&other.store, postgres_store(), other.uri, &options, NULL), VARVE_OK);
    for (size_t i = 0; i < EVENTS; i += AT_ONCE)
        assert_int_equal(varve_append(other.store, &(varve_append_request){ .events = events, .event_count = AT_ONCE },
                                      NULL, NULL),
                         VARVE_OK);
    assert_int_equal(varve_store_verify(other.store, &verify, &checked, NULL), VARVE_OK);
    assert_int_equal(checked, EVENTS);
    assert_int_equal(steps.last, EVENTS);
    assert_in_range(steps.longest, 1, PAGE_BYTES_MOST / LARGE);
    varve_store_close(other.store);
    end(&other);
    free(data);
}

/* ---- upkeep ---- */

/* Nobody asks for it any more, and the next one who writes takes it away; what has not expired stays. */
static void an_expired_record_is_removed_by_the_way(void **state)
{
    (void)state;
    struct other other = { 0 };
    const varve_store_options options = { 0 };
    begin(&other);
    assert_int_equal(store_open(&other.store, postgres_store(), other.uri, &options, NULL), VARVE_OK);
    session_ask(other.session,
                "INSERT INTO varve.records SELECT 'test', 'k' || n, '{}', 1, now() + (n - 50) * interval "
                "'1 hour', 0 FROM generate_series(1, 99) AS n");
    assert_int_equal(append_n(other.store, "s-1", "Noted", 1), VARVE_OK);
    session_await(other.session, "SELECT (count(*) = 49)::int::bigint FROM varve.records", 1);
    assert_int_equal(append_n(other.store, "s-1", "Noted", 1), VARVE_OK);
    varve_store_close(other.store);
    end(&other);
}

/* ---- appends ---- */

/* Somebody's own trigger refuses at the very end, when every statement has succeeded. */
static void a_commit_that_fails_is_told_and_leaves_nothing(void **state)
{
    (void)state;
    struct other other = { 0 };
    const varve_store_options options = { 0 };
    uint64_t version = 7;
    begin(&other);
    assert_int_equal(store_open(&other.store, postgres_store(), other.uri, &options, NULL), VARVE_OK);
    session_ask(other.session, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                               "IF new.type = 'Unwanted' THEN RAISE 'not here'; END IF; RETURN NULL; END $$");
    session_ask(other.session, "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON varve.events DEFERRABLE INITIALLY "
                               "DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()");
    for (int i = 0; i < 2; i++) { /* streams unknown, and known */
        assert_int_equal(append_n(other.store, "s-1", "Unwanted", 1), VARVE_IO);
        assert_int_equal(varve_stream_get_version(other.store, VARVE_STR("s-1"), &version, NULL), VARVE_OK);
        assert_int_equal(version, (uint64_t)i);
        assert_int_equal(append_n(other.store, "s-1", "Noted", 1), VARVE_OK);
    }
    varve_store_close(other.store);
    end(&other);
}

/* Repeats are recognised by ids that are not looked up beforehand, also when they come with others in one batch. */
static void ids_are_presumed_to_be_new_until_they_are_not(void **state)
{
    (void)state;
    struct other other = { 0 };
    const varve_store_options options = { 0 };
    begin(&other);
    assert_int_equal(store_open(&other.store, postgres_store(), other.uri, &options, NULL), VARVE_OK);
    for (int i = 0; i < 100; i++) { /* more than are looked up after a repeat */
        varve_appended appended = { 0 };
        const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E"), .id = varve_uuid_new() };
        const varve_append_request request = { .events = &event, .event_count = 1 };
        assert_int_equal(varve_append(other.store, &request, NULL, NULL), VARVE_OK);
        if (i % 33 != 0) continue;
        assert_int_equal(varve_append(other.store, &request, &appended, NULL), VARVE_REPEATED);
        assert_int_equal(appended.first_position, i + 1);
        varve_appended_fini(&appended);
    }
    assert_int_equal(session_ask(other.session, "SELECT count(*) FROM varve.events"), 100);
    varve_store_close(other.store);
    end(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_import_leaves_what_somebody_else_wrote),
        cmocka_unit_test(a_failed_import_takes_its_own_schema_away),
        cmocka_unit_test(a_store_of_large_events_is_verified_in_small_pages),
        cmocka_unit_test(an_expired_record_is_removed_by_the_way),
        cmocka_unit_test(a_commit_that_fails_is_told_and_leaves_nothing),
        cmocka_unit_test(ids_are_presumed_to_be_new_until_they_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
