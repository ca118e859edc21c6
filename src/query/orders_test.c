/* SPDX-License-Identifier: Apache-2.0 */
/* The order application's projection and queries, as they stand in the folder given as argument. */
#include "query/models_fixture.h"

static const char *orders_folder;

static char *read_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", orders_folder, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fail_msg("%s cannot be read", path);
    }
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

static void open_orders(struct fixture *fixture)
{
    varve_error error = { 0 };
    char *projection = read_file("projections/order_summary.sql");
    char *one = read_file("queries/order_summary.sql");
    char *all = read_file("queries/customer_orders.sql");
    assert_int_equal(open_models(fixture, &fixture->models, fixture->store, false), VARVE_OK);
    if (models_add_projection(fixture->models, "order_summary.sql", varve_str_of(projection), &error) < 0 ||
        models_add_query(fixture->models, "queries/order_summary.sql", varve_str_of(one), &error) < 0 ||
        models_add_query(fixture->models, "queries/customer_orders.sql", varve_str_of(all), &error) < 0 ||
        models_start(fixture->models, &error) < 0) {
        fail_msg("%s", error.message);
    }
    free(projection);
    free(one);
    free(all);
}

static uint64_t append_at(struct fixture *fixture, const char *stream, const char *type, const char *data,
                          varve_time occurred_at)
{
    const varve_event event = { .stream = varve_str_of(stream),
                                .type = varve_str_of(type),
                                .data = varve_str_of(data),
                                .occurred_at = occurred_at };
    varve_appended appended = { 0 };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_OK);
    uint64_t position = appended.last_position;
    varve_appended_fini(&appended);
    return position;
}

static const char *ask_for(struct fixture *fixture, const char *query, const char *param, const char *value,
                           uint64_t after)
{
    static char text[4096];
    const varve_query_param given = { varve_str_of(param), varve_str_of(value) };
    const varve_query_request request = {
        .name = varve_str_of(query), .params = &given, .param_count = 1, .after_position = after, .wait_ms = 60000
    };
    varve_answer answer = { 0 };
    varve_error error = { 0 };
    if (models_query(fixture->models, &request, &answer, &error) < 0) {
        fail_msg("%s", error.message);
    }
    snprintf(text, sizeof text, "%.*s", (int)answer.rows.len, answer.rows.ptr);
    varve_answer_fini(&answer);
    return text;
}

#define SECOND INT64_C(1000000)

static void an_order_is_summed_up_from_placed_to_shipped(void **state)
{
    struct fixture *fixture = *state;
    open_orders(fixture);
    uint64_t position = append_at(fixture, "order-7", "OrderPlaced",
                                  "{\"customer_id\":\"c-1\",\"items\":[{\"sku\":\"a\",\"qty\":2,\"price\":150},"
                                  "{\"sku\":\"b\",\"qty\":3,\"price\":10}]}",
                                  SECOND);
    assert_string_equal(ask_for(fixture, "order_summary", "order_id", "order-7", position),
                        "[{\"order_id\":\"order-7\",\"customer_id\":\"c-1\",\"customer_name\":null,"
                        "\"item_count\":5,\"total_amount\":330,"
                        "\"status\":\"PLACED\",\"last_updated\":\"1970-01-01T00:00:01.000000Z\"}]");
    position = append_at(fixture, "order-7", "OrderShipped", "{}", 2 * SECOND);
    assert_string_equal(ask_for(fixture, "order_summary", "order_id", "order-7", position),
                        "[{\"order_id\":\"order-7\",\"customer_id\":\"c-1\",\"customer_name\":null,"
                        "\"item_count\":5,\"total_amount\":330,"
                        "\"status\":\"SHIPPED\",\"last_updated\":\"1970-01-01T00:00:02.000000Z\"}]");
    append_at(fixture, "order-8", "OrderPlaced", "{\"customer_id\":\"c-1\",\"items\":[]}", 5 * SECOND);
    position = append_at(fixture, "order-8", "OrderCancelled", "{}", 6 * SECOND);
    const char *rows = ask_for(fixture, "order_summary", "order_id", "order-8", position);
    assert_non_null(strstr(rows, "\"item_count\":0,\"total_amount\":0,\"status\":\"CANCELLED\""));
}

/* Before the order or after it, and again when it changes; whom nobody knows has none. */
static void an_order_has_its_customers_name(void **state)
{
    struct fixture *fixture = *state;
    static const char placed[] = "{\"customer_id\":\"c-1\",\"items\":[]}";
    open_orders(fixture);
    append_at(fixture, "order-1", "OrderPlaced", placed, SECOND);
    append_at(fixture, "customer-c-1", "CustomerRegistered", "{\"name\":\"Ann Lee\"}", SECOND);
    append_at(fixture, "order-2", "OrderPlaced", placed, SECOND);
    uint64_t position = append_at(fixture, "order-3", "OrderPlaced", "{\"customer_id\":\"c-2\",\"items\":[]}", SECOND);
    assert_non_null(strstr(ask_for(fixture, "order_summary", "order_id", "order-1", position), ":\"Ann Lee\","));
    assert_non_null(strstr(ask_for(fixture, "order_summary", "order_id", "order-2", position), ":\"Ann Lee\","));
    assert_non_null(strstr(ask_for(fixture, "order_summary", "order_id", "order-3", position), "_name\":null,"));
    position = append_at(fixture, "customer-c-1", "CustomerRenamed", "{\"name\":\"Ann Fox\"}", SECOND);
    assert_non_null(strstr(ask_for(fixture, "order_summary", "order_id", "order-1", position), ":\"Ann Fox\","));
    assert_non_null(strstr(ask_for(fixture, "order_summary", "order_id", "order-2", position), ":\"Ann Fox\","));
}

static void a_customers_orders_come_newest_first(void **state)
{
    struct fixture *fixture = *state;
    static const char placed[] = "{\"customer_id\":\"c-1\",\"items\":[{\"sku\":\"a\",\"qty\":1,\"price\":1}]}";
    open_orders(fixture);
    append_at(fixture, "order-1", "OrderPlaced", placed, 3 * SECOND);
    append_at(fixture, "order-3", "OrderPlaced", placed, 9 * SECOND);
    append_at(fixture, "order-2", "OrderPlaced", placed, 9 * SECOND);
    append_at(fixture, "order-9", "OrderPlaced", "{\"customer_id\":\"c-2\",\"items\":[]}", 9 * SECOND);
    uint64_t position = append_at(fixture, "order-4", "OrderPlaced", placed, 1 * SECOND);
    const char *at = ask_for(fixture, "customer_orders", "customer_id", "c-1", position);
    static const char *const order[] = { "order-2", "order-3", "order-1", "order-4" };
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
    }
    assert_null(strstr(ask_for(fixture, "customer_orders", "customer_id", "c-1", 0), "order-9"));
}

int main(int argc, char **argv)
{
    static const struct model_case tests[] = {
        CASE(an_order_is_summed_up_from_placed_to_shipped),
        CASE(an_order_has_its_customers_name),
        CASE(a_customers_orders_come_newest_first),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s EXAMPLES/orders\n", argv[0]);
        return 2;
    }
    orders_folder = argv[1];
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
