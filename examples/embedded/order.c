/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An order, as in ../orders/aggregates/order.lua, in one C program without a server. It keeps its
 * events in orders.db beside it: places an order, ships it, is refused a second shipping, and shows
 * the order's state and its stream. Each run makes one more order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <varve.h>

enum { ITEMS_MAX = 100 };

enum status { PENDING, PLACED, SHIPPED, CANCELLED };

static const char *const status_words[] = { "PENDING", "PLACED", "SHIPPED", "CANCELLED" };

/* A state starts as zeroed bytes, which is a PENDING order without items. */
struct order {
    enum status status;
    int64_t total_amount; /* in the currency's minor unit */
    varve_buf customer_id;
    varve_buf items; /* JSON, as it was ordered */
};

static void fini(void *state)
{
    struct order *order = state;

    varve_buf_fini(&order->customer_id);
    varve_buf_fini(&order->items);
}

/* ---- evolve: what an event changes ---- */

/* Also reads a state back, for both spell these fields alike. */
static varve_status take_order(struct order *order, varve_str json, varve_error *error)
{
    varve_str items;

    varve_buf_reset(&order->customer_id);
    varve_buf_reset(&order->items);
    varve_status status = varve_json_string(json, "customer_id", &order->customer_id, error);
    if (status >= 0) status = varve_json_int(json, "total_amount", &order->total_amount, error);
    if (status >= 0) status = varve_json_raw(json, "items", &items, error);
    if (status < 0) return status;
    varve_buf_str(&order->items, items);
    return order->items.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory") : VARVE_OK;
}

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    struct order *order = state;

    if (varve_str_is(event->type, "OrderPlaced")) {
        order->status = PLACED;
        return take_order(order, event->data, error);
    }
    if (varve_str_is(event->type, "OrderShipped")) order->status = SHIPPED;
    if (varve_str_is(event->type, "OrderCancelled")) order->status = CANCELLED;
    return VARVE_OK;
}

/* ---- decide: what a command makes of the state ---- */

/* Adds up the items; false when there are none or too many, or one is not {sku, qty from 1, price from 0}. */
static bool total_of(varve_str data, int64_t *total)
{
    varve_str item, sku;

    *total = 0;
    for (int i = 0; i <= ITEMS_MAX; i++) {
        char path[32];
        int64_t qty, price;
        snprintf(path, sizeof path, "items[%d]", i);
        if (varve_json_raw(data, path, &item, NULL) < 0) return i > 0;
        if (varve_json_raw(item, "sku", &sku, NULL) < 0 || sku.ptr[0] != '"' || sku.len < 3) return false;
        if (varve_json_int(item, "qty", &qty, NULL) < 0 || qty < 1 || qty > 100000) return false;
        if (varve_json_int(item, "price", &price, NULL) < 0 || price < 0 || price > 1000000000) return false;
        *total += qty * price;
    }
    return false;
}

static varve_status place_order(const void *state, const varve_command *command, varve_decision *decision,
                                varve_error *error)
{
    const struct order *order = state;
    varve_buf customer_id = { 0 }, data = { 0 };
    varve_status status = VARVE_OK;
    varve_str items;
    int64_t total;

    (void)error;
    if (order->status != PENDING)
        return varve_reject(decision, "order_not_pending", "status is %s", status_words[order->status]);
    if (varve_json_string(command->data, "customer_id", &customer_id, NULL) < 0 || customer_id.len == 0) {
        status = varve_reject(decision, "invalid_order", "an order needs a customer_id");
    } else if (!total_of(command->data, &total) || varve_json_raw(command->data, "items", &items, NULL) < 0) {
        status = varve_reject(decision, "invalid_order", "an order needs 1 to %d items, each with sku, qty and price",
                              ITEMS_MAX);
    } else {
        varve_buf_str(&data, VARVE_STR("{\"customer_id\":"));
        varve_buf_json_string(&data, varve_buf_view(&customer_id));
        varve_buf_printf(&data, ",\"items\":%.*s,\"total_amount\":%" PRId64 "}", (int)items.len, items.ptr, total);
        status = data.failed ? VARVE_NOMEM
                             : varve_emit(decision, &(varve_event){ .type = VARVE_STR("OrderPlaced"),
                                                                    .data = varve_buf_view(&data) });
    }
    varve_buf_fini(&customer_id);
    varve_buf_fini(&data);
    return status;
}

/* Shipping and cancelling ask for the same: an order that is PLACED. */
static varve_status finish_order(const void *state, const varve_command *command, varve_decision *decision,
                                 varve_error *error)
{
    const struct order *order = state;

    (void)error;
    if (order->status != PLACED)
        return varve_reject(decision, "order_not_placed", "status is %s", status_words[order->status]);
    if (varve_str_is(command->type, "ShipOrder"))
        return varve_emit(decision, &(varve_event){ .type = VARVE_STR("OrderShipped") });
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("OrderCancelled"), .data = command->data });
}

/* ---- the state as JSON: for snapshots, and to be shown ---- */

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    const struct order *order = state;

    (void)error;
    varve_buf_printf(json,
                     "{\"status\":\"%s\",\"total_amount\":%" PRId64 ",\"customer_id\":", status_words[order->status],
                     order->total_amount);
    varve_buf_json_string(json, varve_buf_view(&order->customer_id));
    varve_buf_printf(json, ",\"items\":%s}", order->items.len == 0 ? "[]" : order->items.ptr);
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    struct order *order = state;
    varve_buf word = { 0 };
    varve_status status = varve_json_string(json, "status", &word, error);

    for (int i = PENDING; i <= CANCELLED; i++)
        if (varve_str_is(varve_buf_view(&word), status_words[i])) order->status = (enum status)i;
    varve_buf_fini(&word);
    return status < 0 ? status : take_order(order, json, error);
}

static const varve_command_handler commands[] = {
    { "PlaceOrder", place_order },
    { "ShipOrder", finish_order },
    { "CancelOrder", finish_order },
    { NULL, NULL },
};

static const varve_decider order_decider = {
    .category = "order",
    .state_size = sizeof(struct order),
    .state_version = 1,
    .fini = fini,
    .evolve = evolve,
    .commands = commands,
    .encode = encode,
    .decode = decode,
};

/* ---- the program ---- */

static varve_status send(varve_engine *engine, varve_str type, varve_str stream, varve_str data, varve_error *error)
{
    varve_command command = { .type = type, .stream = stream, .data = data };
    varve_outcome outcome = { 0 };
    varve_status status = varve_execute(engine, &command, &outcome, error);

    if (status == VARVE_REJECTED)
        printf("%s: rejected, %.*s: %.*s\n", type.ptr, (int)outcome.code.len, outcome.code.ptr,
               (int)outcome.message.len, outcome.message.ptr);
    else if (status >= 0)
        printf("%s: accepted, %s is at version %" PRIu64 "\n", type.ptr, stream.ptr, outcome.version);
    varve_outcome_fini(&outcome);
    return status;
}

static varve_status show(varve_engine *engine, varve_str stream, varve_error *error)
{
    varve_aggregate aggregate = { 0 };
    varve_cursor *cursor = NULL;
    const varve_event *event;
    varve_status status = varve_aggregate_show(engine, stream, NULL, &aggregate, error);

    if (status >= 0) {
        printf("state: %.*s\n", (int)aggregate.state.len, aggregate.state.ptr);
        status =
            varve_cursor_open(&cursor, varve_engine_store(engine), &(varve_read_options){ .stream = stream }, error);
    }
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &event, error)) == VARVE_OK)
        printf("event: %" PRIu64 " %.*s %.*s\n", event->version, (int)event->type.len, event->type.ptr,
               (int)event->data.len, event->data.ptr);
    varve_cursor_close(cursor);
    varve_aggregate_fini(&aggregate);
    return status;
}

int main(void)
{
    const varve_str order =
        VARVE_STR("{\"customer_id\":\"c-1\",\"items\":[{\"sku\":\"teapot\",\"qty\":1,\"price\":2450},"
                  "{\"sku\":\"cup\",\"qty\":4,\"price\":375}]}");
    varve_engine *engine = NULL;
    varve_store_info info = { 0 };
    varve_error error = { 0 };
    char stream[32] = "";

    if (varve_engine_open(&engine, &(varve_engine_options){ .store = "sqlite:orders.db" }, &error) < 0) goto done;
    if (varve_engine_add_decider(engine, &order_decider, NULL, &error) < 0) goto done;
    if (varve_engine_start(engine, &error) < 0) goto done;
    if (varve_store_get_info(varve_engine_store(engine), &info, &error) < 0) goto done;
    snprintf(stream, sizeof stream, "order-%" PRIu64, info.stream_count + 1);

    if (send(engine, VARVE_STR("PlaceOrder"), varve_str_of(stream), order, &error) < 0) goto done;
    if (send(engine, VARVE_STR("ShipOrder"), varve_str_of(stream), VARVE_STR("{}"), &error) < 0) goto done;
    if (send(engine, VARVE_STR("ShipOrder"), varve_str_of(stream), VARVE_STR("{}"), &error) < 0) goto done;
    show(engine, varve_str_of(stream), &error);

done:
    if (error.status < 0) fprintf(stderr, "order: %s\n", error.message);
    varve_engine_close(engine);
    return error.status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
