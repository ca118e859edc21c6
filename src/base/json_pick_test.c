/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_pick.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const paths[] = {
    "id",
    "total",
    "customer.address.city",
    "customer.address",
    "items[1].sku",
    "items[0]",
    "items[1].sizes[0][1]",
    "none",
    "id.x",
    "twice",
    "nested.x",
    "nested.y",
    "",
    "es\303\244",
    "rate",
    "open",
    "note",
    "items[2]",
    "items.sku",
    "items",
    "nested",
};

#define PATH_COUNT (sizeof paths / sizeof *paths)

static const char *const texts[] = {
    ("{\"id\":\"o-1\",\"total\":1250,\"rate\":1.5,\"open\":false,\"note\":null,\"customer\":{\"address\":{\"city\":"
     "\"K\\u00f6ln\"}},\"items\":[{\"sku\":\"a\"},{\"sku\":\"b\",\"sizes\":[[1,2],[3]]}],\"twice\":1,\"twice\":2,"
     "\"es\\u00e4\":3,\"nested\":{\"x\":1},\"nested\":{\"y\":2}}"),
    "{}",
    "[]",
    "[1,[2]]",
    "7",
    "\"id\"",
    " { \"id\" : [ ] , \"items\" : { \"sku\" : 1 } } ",
    "{\"customer\":{\"address\":[]},\"customer\":7}",
    "{\"items\":[1],\"items\":[1,{\"sku\":2},3]}",
    /* no JSON */
    "",
    "{\"id\":1",
    "{\"id\":1}x",
    "{\"id\":1,\"z\":\"\\u0000\"}",
    "[1,]",
};

/* What is picked in one reading is what would be found path by path. */
static void each_path_finds_what_it_finds_alone(void **state)
{
    struct arena arena = { 0 };
    struct json_pick pick = { 0 };
    struct json_picked picked[PATH_COUNT];
    size_t slots[PATH_COUNT], again = 0;

    (void)state;
    for (size_t i = 0; i < PATH_COUNT; i++)
        assert_true(json_pick_add(&pick, &arena, varve_str_of(paths[i]), &slots[i]));
    assert_int_equal(pick.count, PATH_COUNT);
    assert_true(json_pick_add(&pick, &arena, VARVE_STR("items[1].sku"), &again));
    assert_int_equal(again, slots[4]);
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        bool is_json = json_check(varve_str_of(texts[t]), "text", NULL) == VARVE_OK;
        assert_int_equal(json_pick_read(&pick, varve_str_of(texts[t]), picked), is_json ? VARVE_OK : VARVE_INVALID);
        for (size_t i = 0; i < PATH_COUNT; i++) {
            const struct json_picked *one = &picked[slots[i]];
            varve_str value;
            enum json_token token = json_find(varve_str_of(texts[t]), varve_str_of(paths[i]), &value);
            assert_int_equal(one->token, token == JSON_ERROR ? JSON_END : token);
            if (one->token == JSON_END) continue;

            if (token == JSON_STRING) value = (varve_str){ value.ptr + 1, value.len - 2 };
            assert_true(varve_str_eq(one->value, value));
            if (token == JSON_INTEGER) assert_true(one->integer == 1250 || one->integer <= 7);
        }
    }
    arena_fini(&arena);
}

static void values_come_ready_for_use(void **state)
{
    struct arena arena = { 0 };
    struct json_pick pick = { 0 };
    struct json_picked picked[2];
    size_t city = 0, count = 0;

    (void)state;
    assert_true(json_pick_add(&pick, &arena, VARVE_STR("city"), &city));
    assert_true(json_pick_add(&pick, &arena, VARVE_STR("n"), &count));
    assert_int_equal(json_pick_read(&pick, VARVE_STR("{\"n\":-3,\"city\":\"K\\u00f6ln\"}"), picked), VARVE_OK);
    assert_int_equal(picked[city].token, JSON_STRING);
    assert_true(picked[city].escaped);
    assert_true(varve_str_is(picked[city].value, "K\\u00f6ln"));
    assert_int_equal(picked[count].integer, -3);
    arena_fini(&arena);
}

static void no_paths_find_nothing(void **state)
{
    const struct json_pick pick = { 0 };

    (void)state;
    assert_int_equal(json_pick_read(&pick, VARVE_STR("{}"), NULL), VARVE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_path_finds_what_it_finds_alone),
        cmocka_unit_test(values_come_ready_for_use),
        cmocka_unit_test(no_paths_find_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
