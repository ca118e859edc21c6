/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/pages.h"

/* Collects items with a ';' after each; the item "{}" ends the visit. */
static varve_status collect(void *ctx, varve_str item, varve_error *error)
{
    (void)error;
    varve_buf_str(ctx, item);
    varve_buf_add(ctx, ";", 1);
    return varve_str_is(item, "{}") ? VARVE_DONE : VARVE_OK;
}

static void the_items_of_a_list_are_visited_as_they_stand(void **state)
{
    (void)state;
    varve_buf seen = { 0 };
    uint64_t count = 3;
    varve_str page = VARVE_STR("{\"other\":[1],\"items\":[{\"a\": 1.50},\n {\"b\":[{}]}],\"next\":7}");
    assert_int_equal(page_items(page, "items", collect, &seen, &count, NULL), VARVE_OK);
    assert_string_equal(seen.ptr, "{\"a\": 1.50};{\"b\":[{}]};");
    assert_int_equal(count, 5);
    varve_buf_reset(&seen);
    page = VARVE_STR("{\"items\":[{\"a\":1},{},{\"c\":1}]}");
    assert_int_equal(page_items(page, "items", collect, &seen, &count, NULL), VARVE_DONE);
    assert_string_equal(seen.ptr, "{\"a\":1};{};");
    varve_buf_fini(&seen);
}

static void a_page_that_is_none_is_refused(void **state)
{
    static const char *const pages[] = { "", "[]", "{}", "{\"items\":{}}", "{\"items\":[{}", "<html>" };
    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        varve_buf seen = { 0 };
        uint64_t count = 0;
        assert_int_equal(page_items(varve_str_of(pages[i]), "items", collect, &seen, &count, NULL), VARVE_UNAVAILABLE);
        assert_int_equal(count, 0);
        varve_buf_fini(&seen);
    }
}

static void numbers_of_a_page_are_read(void **state)
{
    (void)state;
    varve_str page = VARVE_STR("{\"a\":9223372036854775807,\"b\":null,\"c\":-1,\"d\":\"5\",\"e\":1,\"e\":2}");
    assert_int_equal(page_number(page, "a"), INT64_MAX);
    assert_int_equal(page_number(page, "b"), 0);
    assert_int_equal(page_number(page, "c"), 0);
    assert_int_equal(page_number(page, "d"), 0);
    assert_int_equal(page_number(page, "e"), 2);
    assert_int_equal(page_number(page, "f"), 0);
}

static void payloads_may_be_as_deep_as_an_event_allows(void **state)
{
    (void)state;
    varve_buf page = { 0 };
    varve_buf seen = { 0 };
    uint64_t count = 0;
    varve_buf_str(&page, VARVE_STR("{\"items\":[{\"data\":"));
    for (size_t i = 0; i < VARVE_JSON_DEPTH_MAX; i++) {
        varve_buf_add(&page, "[", 1);
    }
    for (size_t i = 0; i < VARVE_JSON_DEPTH_MAX; i++) {
        varve_buf_add(&page, "]", 1);
    }
    varve_buf_str(&page, VARVE_STR("}],\"next\":7}"));
    assert_int_equal(page_items(varve_buf_view(&page), "items", collect, &seen, &count, NULL), VARVE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(page_number(varve_buf_view(&page), "next"), 7);
    varve_buf_fini(&seen);
    varve_buf_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_items_of_a_list_are_visited_as_they_stand),
        cmocka_unit_test(a_page_that_is_none_is_refused),
        cmocka_unit_test(numbers_of_a_page_are_read),
        cmocka_unit_test(payloads_may_be_as_deep_as_an_event_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
