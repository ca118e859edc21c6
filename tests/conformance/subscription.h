/* SPDX-License-Identifier: Apache-2.0 */
/* Short words for the cases about durable subscriptions, all of which are about one called mail, read by ann. */
#ifndef VARVE_TESTS_CONFORMANCE_SUBSCRIPTION_H
#define VARVE_TESTS_CONFORMANCE_SUBSCRIPTION_H

#include "tests/conformance/store.h"

#include <stdlib.h>

#define NAME VARVE_STR("mail")

static inline void create(varve_store *store, uint32_t members, uint32_t max_attempts)
{
    varve_error error = { 0 };
    const varve_subscription subscription = { .name = NAME, .members = members, .max_attempts = max_attempts };
    if (varve_subscription_create(store, &subscription, &error) != VARVE_OK) fail_msg("%s", error.message);
}

/* One event to each of the streams "a-1 b-1 …". */
static inline void append_to(varve_store *store, const char *streams)
{
    for (const char *at = streams; *at != '\0'; at += strspn(at, " ")) {
        char stream[32];
        size_t len = strcspn(at, " ");
        snprintf(stream, sizeof stream, "%.*s", (int)len, at);
        assert_int_equal(append_n(store, stream, "Noted", 1), VARVE_OK);
        at += len;
    }
}

/* The batch as "1 2 4#2 ", '#' before the attempt when it is not the first. */
static inline const char *batch_text(const varve_subscription_batch *batch)
{
    static char text[16384];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < batch->count; i++) {
        const varve_delivery *delivery = &batch->deliveries[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%llu", (unsigned long long)delivery->event.position);
        if (delivery->attempt != 1) len += (size_t)snprintf(text + len, sizeof text - len, "#%u", delivery->attempt);
        len += (size_t)snprintf(text + len, sizeof text - len, " ");
    }
    return text;
}

static inline varve_subscription_read_options reading(void)
{
    return (varve_subscription_read_options){ .name = NAME, .consumer = VARVE_STR("ann"), .limit = 1000 };
}

static inline void expect_read(varve_store *store, const varve_subscription_read_options *options, const char *expected)
{
    varve_subscription_batch batch = { 0 };
    varve_error error = { 0 };
    varve_status status = varve_subscription_read(store, options, &batch, &error);
    if (status < 0) fail_msg("%s", error.message);
    assert_string_equal(batch_text(&batch), expected);
    assert_int_equal(status, batch.count > 0 ? VARVE_OK : VARVE_IDLE);
    varve_subscription_batch_fini(&batch);
}

static inline void expect(varve_store *store, const char *expected)
{
    varve_subscription_read_options options = reading();
    expect_read(store, &options, expected);
}

/* Settles "1 2 3" as ann; with a '~' before the position all through it. */
typedef varve_status (*action_function)(varve_store *, const varve_subscription_action *, varve_error *);

static inline varve_status settle(varve_store *store, action_function function, const char *what, varve_error *error)
{
    uint64_t positions[1000];
    varve_subscription_action action = { .name = NAME, .consumer = VARVE_STR("ann") };
    if (function == varve_subscription_retry || function == varve_subscription_park)
        action.reason = VARVE_STR("broken");
    for (const char *at = what; *at != '\0'; at += strspn(at, " ")) {
        char *end = NULL;
        uint64_t position = strtoull(*at == '~' ? at + 1 : at, &end, 10);
        if (*at == '~')
            action.through = position;
        else
            positions[action.position_count++] = position;
        at = end;
    }
    action.positions = positions;
    return function(store, &action, error);
}

static inline void done(varve_store *store, action_function function, const char *what)
{
    varve_error error = { 0 };
    varve_status status = settle(store, function, what, &error);
    if (status != VARVE_OK) fail_msg("%s: %d %s", what, status, error.message);
}

static inline void refused(varve_store *store, action_function function, const char *what, varve_status expected,
                           int64_t detail)
{
    varve_error error = { 0 };
    varve_status status = settle(store, function, what, &error);
    if (status != expected || error.detail != detail)
        fail_msg("%s: %d (%lld) %s", what, status, (long long)error.detail, error.message);
}

static inline varve_status take_status(void *ctx, const varve_subscription_status *status)
{
    varve_subscription_member *members = ctx;
    for (uint32_t i = 0; i < status->definition.members; i++) members[i] = status->members[i];
    return VARVE_OK;
}

static inline varve_subscription_member look(varve_store *store)
{
    varve_subscription_member members[VARVE_SUBSCRIPTION_MEMBERS_MAX] = { 0 };
    assert_int_equal(varve_subscription_list(store, NAME, take_status, members, NULL), VARVE_OK);
    members[0].consumer = (varve_str){ 0 };
    return members[0];
}

static inline uint64_t position_of(varve_store *store)
{
    return look(store).position;
}

static inline varve_status take_parked(void *ctx, const varve_parked *parked)
{
    varve_buf *text = ctx;
    varve_buf_printf(text, "%llu:%.*s:%.*s ", (unsigned long long)parked->position, (int)parked->stream.len,
                     parked->stream.ptr, (int)parked->reason.len, parked->reason.ptr);
    return VARVE_OK;
}

static inline void expect_parked(varve_store *store, const char *expected)
{
    varve_buf text = { 0 };
    varve_buf_str(&text, VARVE_STR(""));
    assert_int_equal(varve_subscription_parked(store, NAME, 0, (varve_str){ 0 }, 0, take_parked, &text, NULL),
                     VARVE_DONE);
    assert_string_equal(text.ptr, expected);
    varve_buf_fini(&text);
}

#endif
