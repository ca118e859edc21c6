/* SPDX-License-Identifier: Apache-2.0 */
/* Durable subscriptions under actions at random, each held to what a plain model says of it. */
#include "tests/conformance/subscription.h"

enum { MODEL_STREAMS = 12, MODEL_EVENTS = 450, MODEL_STEPS = 1500, ACTIONS = 5 };

/* What each event is, by position; what is parked, by stream. */
struct model {
    uint64_t seed;
    size_t events;
    size_t stream[MODEL_EVENTS + 1];
    bool settled[MODEL_EVENTS + 1], delivered[MODEL_EVENTS + 1];
    uint64_t parked[MODEL_STREAMS];
};

static size_t any_below(struct model *model, size_t bound)
{
    model->seed = model->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return bound < 2 ? 0 : (size_t)(model->seed >> 33) % bound;
}

static uint64_t first_open(const struct model *model, size_t stream)
{
    for (uint64_t position = 1; position <= model->events; position++)
        if (model->stream[position] == stream && !model->settled[position]) return position;
    return 0;
}

static void model_append(struct model *model, varve_store *store)
{
    char stream[8];
    if (model->events == MODEL_EVENTS) return;
    size_t number = any_below(model, MODEL_STREAMS);
    model->stream[++model->events] = number;
    snprintf(stream, sizeof stream, "m-%zu", number);
    append_to(store, stream);
}

/* Each stream that is not parked is there with its first open event, and what follows is in order; nothing else is. */
static uint64_t model_read(struct model *model, varve_store *store)
{
    varve_subscription_read_options options = reading();
    varve_subscription_batch batch = { 0 };
    uint64_t next[MODEL_STREAMS], some = 0;
    bool met[MODEL_STREAMS] = { false };
    for (size_t i = 0; i < MODEL_STREAMS; i++) next[i] = model->parked[i] > 0 ? 0 : first_open(model, i);
    assert_true(varve_subscription_read(store, &options, &batch, NULL) >= 0);
    for (size_t i = 0; i < batch.count; i++) {
        uint64_t position = batch.deliveries[i].event.position;
        size_t stream = model->stream[position];
        assert_int_equal(position, next[stream]);
        met[stream] = model->delivered[position] = true;
        do {
            next[stream]++;
        } while (next[stream] <= model->events && model->stream[next[stream]] != stream);
    }
    for (size_t i = 0; i < MODEL_STREAMS; i++) assert_true(met[i] || model->parked[i] > 0 || first_open(model, i) == 0);
    if (batch.count > 0) some = batch.deliveries[any_below(model, batch.count)].event.position;
    varve_subscription_batch_fini(&batch);
    return some;
}

/* What an action on one event comes to, in the model. */
static varve_status model_settle(struct model *model, action_function function, uint64_t position)
{
    size_t stream = model->stream[position];
    uint64_t *parked = &model->parked[stream];
    bool skips = function == varve_subscription_skip, gives_up = skips || function == varve_subscription_ack;
    if (function == varve_subscription_unpark && *parked != position) return VARVE_NOT_FOUND;
    if (*parked == position && function == varve_subscription_park) return VARVE_REPEATED;
    if (*parked == position && (skips || function == varve_subscription_unpark)) {
        *parked = 0;
        model->settled[position] = skips;
        return VARVE_OK;
    }
    if (model->settled[position]) return gives_up ? VARVE_OK : VARVE_CONFLICT;
    if (*parked > 0 || position != first_open(model, stream)) return VARVE_CONFLICT;
    if (gives_up) model->settled[position] = true;
    if (function == varve_subscription_park) *parked = position;
    return VARVE_OK;
}

static void model_act(struct model *model, varve_store *store)
{
    static const action_function functions[ACTIONS] = { varve_subscription_ack, varve_subscription_retry,
                                                        varve_subscription_park, varve_subscription_unpark,
                                                        varve_subscription_skip };
    varve_error error = { 0 };
    char what[24];
    size_t action = any_below(model, ACTIONS), stream = any_below(model, MODEL_STREAMS);
    /* Mostly where something can happen. */
    uint64_t position = model->parked[stream] > 0 ? model->parked[stream] : first_open(model, stream);
    if (position == 0 || any_below(model, 4) == 0) position = 1 + any_below(model, model->events);
    snprintf(what, sizeof what, "%llu", (unsigned long long)position);
    varve_status expected = model_settle(model, functions[action], position);
    varve_status status = settle(store, functions[action], what, &error);
    if (status != expected)
        fail_msg("action %zu on %s: %d, expected %d: %s", action, what, status, expected, error.message);
}

/* Whatever is acknowledged by `through` was delivered, or it is refused. */
static bool model_through(struct model *model, varve_store *store, uint64_t through)
{
    char what[24];
    snprintf(what, sizeof what, "~%llu", (unsigned long long)through);
    varve_status status = settle(store, varve_subscription_ack, what, NULL);
    if (status == VARVE_CONFLICT) return false;
    assert_int_equal(status, VARVE_OK);
    for (uint64_t position = 1; position <= through; position++) {
        if (model->settled[position] || model->parked[model->stream[position]] > 0) continue;
        assert_true(model->delivered[position]);
        model->settled[position] = true;
    }
    return true;
}

/* All of a batch at once. */
static void model_acknowledge_all(struct model *model, varve_store *store)
{
    varve_subscription_read_options options = reading();
    varve_subscription_batch batch = { 0 };
    uint64_t positions[MODEL_EVENTS];
    assert_true(varve_subscription_read(store, &options, &batch, NULL) >= 0);
    for (size_t i = 0; i < batch.count; i++) {
        positions[i] = batch.deliveries[i].event.position;
        model->settled[positions[i]] = model->delivered[positions[i]] = true;
    }
    const varve_subscription_action action = {
        .name = NAME, .consumer = options.consumer, .positions = positions, .position_count = batch.count
    };
    if (batch.count > 0) assert_int_equal(varve_subscription_ack(store, &action, NULL), VARVE_OK);
    varve_subscription_batch_fini(&batch);
}

static void whatever_is_done_follows_the_model(void **state)
{
    struct fixture *fixture = *state;
    struct model model = { .seed = (uint64_t)varve_time_now() };
    size_t through = 0;
    print_message("seed %llu\n", (unsigned long long)model.seed);
    create(fixture->store, 1, 0);
    model_append(&model, fixture->store);
    model_read(&model, fixture->store); /* from here on ann holds it */
    for (int step = 0; step < MODEL_STEPS; step++) {
        switch (any_below(&model, 8)) {
        case 0:
        case 1:
            model_append(&model, fixture->store);
            break;
        case 2: {
            uint64_t position = model_read(&model, fixture->store);
            for (size_t acts = any_below(&model, 3); acts > 0; acts--) model_act(&model, fixture->store);
            if (position > 0 && model_through(&model, fixture->store, position)) through++;
            break;
        }
        case 3:
            if (any_below(&model, 20) > 0) break;
            varve_store_close(fixture->store);
            fixture->store = NULL;
            assert_int_equal(open_again(fixture, &fixture->store, false, NULL), VARVE_OK);
            break;
        default: /* in the calm half of it so rarely that `through` often tells */
            if (step > MODEL_STEPS / 2 && any_below(&model, 12) == 0) model_acknowledge_all(&model, fixture->store);
            if (step < MODEL_STEPS / 2 || any_below(&model, 12) == 0) model_act(&model, fixture->store);
        }
    }
    /* At last all of it is worked off. */
    for (size_t i = 0; i < MODEL_STREAMS; i++) {
        char what[24];
        snprintf(what, sizeof what, "%llu", (unsigned long long)model.parked[i]);
        if (model.parked[i] > 0) done(fixture->store, varve_subscription_unpark, what);
        model.parked[i] = 0;
    }
    uint64_t position;
    while ((position = model_read(&model, fixture->store)) > 0) {
        char what[24];
        position = first_open(&model, model.stream[position]);
        snprintf(what, sizeof what, "%llu", (unsigned long long)position);
        done(fixture->store, varve_subscription_ack, what);
        model.settled[position] = true;
    }
    assert_int_equal(position_of(fixture->store), model.events);
    assert_int_equal(look(fixture->store).parked + look(fixture->store).held + look(fixture->store).unparked, 0);
    print_message("%zu events, %zu acknowledged through one\n", model.events, through);
}

static struct CMUnitTest cases[] = { CASE(whatever_is_done_follows_the_model) };

RUN_ON_ALL_DRIVERS(cases)
