/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's conformance cases share: a fresh store on the driver under test, and short words. */
#ifndef VARVE_TESTS_CONFORMANCE_STORE_H
#define VARVE_TESTS_CONFORMANCE_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <varve.h>
#include <cmocka.h>

#include "store/access.h"
#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#else
struct postgres {
    int none;
};
#endif

struct fixture {
    const struct store_driver *driver;
    struct scratch scratch;
    struct postgres postgres; /* a database of the case's own */
    varve_store *store;
};

static inline bool is_in_a_file(const struct fixture *fixture)
{
    return (fixture->driver->capabilities & STORE_IN_A_FILE) != 0;
}

/* A place for a store of the fixture's driver. Until the next call. */
static inline const char *place_of(struct fixture *fixture, const char *name)
{
#ifdef VARVE_WITH_POSTGRES
    if (!is_in_a_file(fixture)) return postgres_uri(&fixture->postgres, name);
#endif
    static char file[64];
    snprintf(file, sizeof file, "%s.db", name);
    return scratch_path(&fixture->scratch, file);
}

/* Opens the fixture's store again, or another handle on it. */
static inline varve_status open_again(struct fixture *fixture, varve_store **store, bool read_only, varve_error *error)
{
    const varve_store_options options = { .read_only = read_only, .queue_limit = 64 };
    return store_open(store, fixture->driver, place_of(fixture, "log"), &options, error);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = *state;
    varve_error error = { 0 };
    scratch_init(&fixture->scratch);
#ifdef VARVE_WITH_POSTGRES
    if (!is_in_a_file(fixture)) postgres_init(&fixture->postgres);
#endif
    if (open_again(fixture, &fixture->store, false, &error) >= 0) return 0;
    fprintf(stderr, "%s\n", error.message);
    return -1;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    varve_store_close(fixture->store);
    fixture->store = NULL;
#ifdef VARVE_WITH_POSTGRES
    if (!is_in_a_file(fixture)) postgres_fini(&fixture->postgres);
#endif
    scratch_fini(&fixture->scratch);
    return 0;
}

/* Appends events to one stream without a condition. */
static inline varve_status append_n(varve_store *store, const char *stream, const char *type, size_t count)
{
    varve_event events[100];
    assert_true(count <= 100);
    for (size_t i = 0; i < count; i++)
        events[i] = (varve_event){ .stream = varve_str_of(stream), .type = varve_str_of(type) };
    return varve_append(store, &(varve_append_request){ .events = events, .event_count = count }, NULL, NULL);
}

/* One event with data and one condition. */
static inline varve_status append_if(varve_store *store, const char *stream, varve_condition_kind kind,
                                     uint64_t version, varve_appended *appended, varve_error *error)
{
    const varve_event event = { .stream = varve_str_of(stream), .type = VARVE_STR("Noted") };
    const varve_condition condition = { .kind = kind, .stream = event.stream, .version = version };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = &condition, .condition_count = 1
    };
    return varve_append(store, &request, appended, error);
}

static inline uint64_t head_of(varve_store *store)
{
    uint64_t position = UINT64_MAX;
    assert_int_equal(varve_store_head(store, &position, NULL), VARVE_OK);
    return position;
}

static inline void assert_str(varve_str actual, const char *expected)
{
    if (!varve_str_is(actual, expected)) fail_msg("\"%.*s\" is not \"%s\"", (int)actual.len, actual.ptr, expected);
}

/* The n-th driver under test; NULL behind the last. */
static inline const struct store_driver *driver_under_test(size_t n)
{
    if (n == 0) return &store_sqlite;
#ifdef VARVE_WITH_POSTGRES
    if (n == 1) return postgres_store();
#endif
    return NULL;
}

/* Runs the cases, made with CASE, on every driver. */
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define RUN_ON_ALL_DRIVERS(cases)                                                                                \
    int main(void)                                                                                               \
    {                                                                                                            \
        const struct store_driver *driver;                                                                       \
        int failed = 0;                                                                                          \
        for (size_t d = 0; (driver = driver_under_test(d)) != NULL; d++) {                                       \
            struct fixture fixture = { .driver = driver };                                                       \
            for (size_t i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++) (cases)[i].initial_state = &fixture; \
            failed += cmocka_run_group_tests_name(driver->scheme, cases, NULL, NULL);                            \
        }                                                                                                        \
        return failed;                                                                                           \
    }

#endif
