/* SPDX-License-Identifier: Apache-2.0 */
#include "server/shaped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <varve/engine.h>
#include <cmocka.h>

#include "tests/support/scratch.h"

static unsigned opened, open_now;

static varve_status open_worker(void *ctx, void **worker, varve_error *error)
{
    (void)error;
    *worker = ctx;
    opened++;
    open_now++;
    return VARVE_OK;
}

static void close_worker(void *worker)
{
    (void)worker;
    open_now--;
}

static varve_status make_new(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)event;
    (void)error;
    return varve_upcast_emit(into, &(varve_event){ 0 });
}

/* An interpreter for each open event stream would be hundreds of them. */
static void readers_that_wait_hold_no_interpreter(void **state)
{
    static const varve_shape into[] = { { "New", 1 } };
    static const varve_upcaster upcaster = { .from = { "Old", 1 },
                                             .into = into,
                                             .into_count = 1,
                                             .worker_open = open_worker,
                                             .worker_close = close_worker,
                                             .upcast = make_new };
    const varve_event event = { .stream = VARVE_STR("thing-1"), .type = VARVE_STR("Old"), .schema_version = 1 };
    struct shapes_pool pool = { 0 };
    struct shaped readers[3] = { 0 };
    struct scratch scratch;
    varve_engine *engine = NULL;
    varve_error error = { 0 };
    char uri[300];
    (void)state;
    scratch_init(&scratch);
    snprintf(uri, sizeof uri, "sqlite:%s", scratch_path(&scratch, "s.db"));
    assert_int_equal(varve_engine_open(&engine, &(varve_engine_options){ .store = uri }, &error), VARVE_OK);
    assert_int_equal(varve_engine_add_upcaster(engine, &upcaster, NULL, &error), VARVE_OK);
    assert_int_equal(varve_engine_start(engine, &error), VARVE_OK);
    shapes_pool_init(&pool, engine);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) {
            const varve_event *events = NULL;
            size_t count = 0;
            if (round == 0) assert_int_equal(shaped_init(&readers[i], &pool, VARVE_STR("current"), &error), VARVE_OK);
            assert_int_equal(shaped_event(&readers[i], &event, &events, &count, &error), VARVE_OK);
            assert_int_equal(count, 1);
            assert_true(varve_str_is(events[0].type, "New"));
            shaped_rest(&readers[i]);
        }
    }
    assert_int_equal(opened, 1);
    for (int i = 0; i < 3; i++) shaped_fini(&readers[i]);
    shapes_pool_fini(&pool);
    assert_int_equal(open_now, 0);
    varve_engine_close(engine);
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_that_wait_hold_no_interpreter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
