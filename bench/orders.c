/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/orders.h"

#include "bench/corpus.h"

static const char *const commands[CORPUS_TYPES] = { "PlaceOrder", "AmendOrder", "PayOrder", "ShipOrder" };

struct totals {
    uint64_t events, bytes;
};

varve_str orders_command_type(uint64_t type)
{
    return varve_str_of(commands[type]);
}

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    struct totals *totals = state;
    (void)error;
    totals->events += event->data.len > 0 && event->data.ptr[0] == '{';
    totals->bytes += event->data.len;
    return VARVE_OK;
}

static varve_status decide(const void *state, const varve_command *command, varve_decision *decision,
                           varve_error *error)
{
    (void)state;
    for (size_t i = 0; i < CORPUS_TYPES; i++) {
        if (!varve_str_is(command->type, commands[i])) continue;
        const varve_event event = { .type = varve_str_of(corpus_types[i]), .data = command->data };
        return varve_emit(decision, &event);
    }
    return varve_error_set(error, VARVE_NOT_FOUND, "there is no command %.*s", (int)command->type.len,
                           command->type.ptr);
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    const struct totals *totals = state;
    (void)error;
    varve_buf_printf(json, "{\"events\":%llu,\"bytes\":%llu}", (unsigned long long)totals->events,
                     (unsigned long long)totals->bytes);
    return VARVE_OK;
}

static varve_status decode(void *state, varve_str json, varve_error *error)
{
    struct totals *totals = state;
    int64_t events = 0, bytes = 0;
    varve_status status = varve_json_int(json, "events", &events, error);
    if (status >= 0) status = varve_json_int(json, "bytes", &bytes, error);
    *totals = (struct totals){ (uint64_t)events, (uint64_t)bytes };
    return status;
}

const varve_decider orders_decider = {
    .category = "order",
    .state_size = sizeof(struct totals),
    .evolve = evolve,
    .decide = decide,
    .encode = encode,
    .decode = decode,
};

const varve_decider orders_decider_without_snapshots = {
    .category = "order",
    .state_size = sizeof(struct totals),
    .snapshot_every = VARVE_NO_SNAPSHOTS,
    .evolve = evolve,
    .decide = decide,
    .encode = encode,
};

#define LUA(snapshots)                                                                             \
    "local function add(state, event)\n"                                                           \
    "  state.events = state.events + 1\n"                                                          \
    "  state.total_amount = state.total_amount + event.data.total_amount\n"                        \
    "  return state\n"                                                                             \
    "end\n"                                                                                        \
    "local function as(type)\n"                                                                    \
    "  return function(state, command) return { type = type, data = command.data } end\n"          \
    "end\n"                                                                                        \
    "return {\n"                                                                                   \
    "  category = 'order', snapshot_every = " snapshots ",\n"                                      \
    "  initial = function() return { events = 0, total_amount = 0 } end,\n"                        \
    "  decide = { PlaceOrder = as('OrderPlaced'), AmendOrder = as('OrderAmended'),\n"              \
    "             PayOrder = as('OrderPaid'), ShipOrder = as('OrderShipped') },\n"                 \
    "  evolve = { OrderPlaced = add, OrderAmended = add, OrderPaid = add, OrderShipped = add },\n" \
    "}\n"

const char orders_lua[] = LUA("50");
const char orders_lua_without_snapshots[] = LUA("false");
