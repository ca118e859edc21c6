/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of an event that has upcasters: a step, a chain, a rename, a split, a drop; and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "event/upcast.h"

/* Counts how often its workers come and go. */
struct host {
    unsigned calls, opened, closed;
};

static varve_status open_worker(void *ctx, void **worker, varve_error *error)
{
    (void)error;
    ((struct host *)ctx)->opened++;
    *worker = ctx;
    return VARVE_OK;
}

static void close_worker(void *worker)
{
    ((struct host *)worker)->closed++;
}

/* Adds a letter to the text that the data is, so that the data tells the steps it came by. */
static varve_status emit(varve_upcasting *into, const varve_event *event, const char *type, char letter)
{
    char data[64];
    snprintf(data, sizeof data, "\"%.*s%c\"", (int)event->data.len - 2, event->data.ptr + 1, letter);
    varve_event next = { .type = varve_str_of(type), .data = varve_str_of(data), .tags = event->tags };
    next.tag_count = event->tag_count;
    return varve_upcast_emit(into, &next);
}

static varve_status step(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)error;
    if (worker != NULL) ((struct host *)worker)->calls++;
    assert_int_equal(event->position, 0);
    assert_int_equal(event->recorded_at, 0);
    return emit(into, event, "", 'a');
}

static varve_status split(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)error;
    varve_status status = emit(into, event, "Left", 'l');
    return status < 0 ? status : emit(into, event, "Right", 'r');
}

static varve_status drop(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)event;
    (void)into;
    (void)error;
    return VARVE_OK;
}

static varve_status miss(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)event;
    (void)into;
    return varve_error_set(error, VARVE_NOT_FOUND, "there is no 'amount'");
}

static varve_status give_another(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)error;
    return emit(into, event, "Undeclared", 'x');
}

static varve_status give_no_json(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)event;
    (void)error;
    return varve_upcast_emit(into, &(varve_event){ .data = VARVE_STR("{") });
}

static varve_status give_without_end(void *worker, const varve_event *event, varve_upcasting *into, varve_error *error)
{
    (void)worker;
    (void)error;
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) status = emit(into, event, "", 'n');
    return status;
}

static const varve_str tags[] = { { "sku:1", 5 } };

static varve_event stored(const char *type, uint32_t schema_version)
{
    return (varve_event){ .stream = VARVE_STR("s-1"),
                          .type = varve_str_of(type),
                          .data = VARVE_STR("\"\""),
                          .metadata = VARVE_STR("{\"actor\":\"a\"}"),
                          .content_type = VARVE_STR("application/json"),
                          .tags = tags,
                          .tag_count = 1,
                          .id = { { 1 } },
                          .schema_version = schema_version,
                          .occurred_at = 5,
                          .version = 3,
                          .position = 17,
                          .recorded_at = 5 };
}

static void add(struct upcasters *set, const varve_upcaster *upcaster, void *ctx)
{
    varve_error error = { 0 };
    if (upcasters_add(set, upcaster, ctx, &error) < 0) fail_msg("%s", error.message);
}

/* "TYPE version data" of each, in order. */
static void assert_becomes(struct upcast *upcast, const varve_event *event, const char *expected)
{
    const varve_event *events = NULL;
    varve_error error = { 0 };
    varve_buf text = { 0 };
    size_t count = 0;
    if (upcast_event(upcast, event, &events, &count, &error) < 0) fail_msg("%s", error.message);
    for (size_t i = 0; i < count; i++) {
        varve_buf_printf(&text, "%s%.*s %u %.*s", i == 0 ? "" : ", ", (int)events[i].type.len, events[i].type.ptr,
                         events[i].schema_version, (int)events[i].data.len, events[i].data.ptr);
        assert_true(varve_str_eq(events[i].stream, event->stream));
        assert_true(varve_str_eq(events[i].metadata, event->metadata));
        assert_memory_equal(&events[i].id, &event->id, sizeof event->id);
        assert_int_equal(events[i].version, event->version);
        assert_int_equal(events[i].position, event->position);
        assert_int_equal(events[i].recorded_at, event->recorded_at);
        assert_int_equal(events[i].occurred_at, event->occurred_at);
        assert_int_equal(events[i].tag_count, event->tag_count);
    }
    assert_string_equal(count == 0 ? "" : text.ptr, expected);
    varve_buf_fini(&text);
}

static const varve_shape renamed[] = { { "New", 1 } }, halves[] = { { "Left", 2 }, { "Right", 1 } };
static const varve_upcaster old_1 = { .from = { "Old", 1 }, .upcast = step };
static const varve_upcaster old_2 = { .from = { "Old", 2 }, .into = renamed, .into_count = 1, .upcast = step };
static const varve_upcaster new_1 = {
    .from = { "New", 0 }, .worker_open = open_worker, .worker_close = close_worker, .upcast = step
};
static const varve_upcaster whole = { .from = { "Whole", 1 }, .into = halves, .into_count = 2, .upcast = split };
static const varve_upcaster left_2 = { .from = { "Left", 2 }, .upcast = step };
static const varve_upcaster gone = { .from = { "Gone", 1 }, .upcast = drop };

static void events_become_what_they_are_today(void **state)
{
    (void)state;
    struct host host = { 0 };
    struct upcasters set = { 0 };
    struct upcast upcast = { .set = &set };
    const varve_upcaster *const all[6] = { &old_1, &old_2, &new_1, &whole, &left_2, &gone };
    for (size_t i = 0; i < 6; i++) add(&set, all[i], &host);

    const varve_event other = stored("Other", 1);
    const varve_event *events = NULL;
    size_t count = 0;
    assert_int_equal(upcast_event(&upcast, &other, &events, &count, NULL), VARVE_OK);
    assert_ptr_equal(events, &other);
    assert_int_equal(count, 1);
    assert_int_equal(host.opened, 0);

    varve_event event = stored("Old", 1);
    assert_becomes(&upcast, &event, "New 2 \"aaa\""); /* v1 to v2, renamed, and on under the new name */
    event.schema_version = 0;                         /* which is 1 */
    assert_becomes(&upcast, &event, "New 2 \"aaa\"");
    event = stored("Old", 2);
    assert_becomes(&upcast, &event, "New 2 \"aa\"");
    event = stored("Old", 3);
    assert_becomes(&upcast, &event, "Old 3 \"\"");
    event = stored("Whole", 1);
    assert_becomes(&upcast, &event, "Left 3 \"la\", Right 1 \"r\"");
    event = stored("Gone", 1);
    assert_becomes(&upcast, &event, "");
    assert_int_equal(host.opened, 1);
    upcast_fini(&upcast);
    assert_int_equal(host.closed, 1);
    upcasters_fini(&set);
}

static void an_occurred_at_can_be_given(void **state)
{
    (void)state;
    struct upcasters set = { 0 };
    struct upcast upcast = { .set = &set };
    const varve_event *events = NULL;
    size_t count = 0;
    add(&set, &old_1, NULL);
    varve_event event = stored("Old", 1);
    event.occurred_at = 4;
    assert_int_equal(upcast_event(&upcast, &event, &events, &count, NULL), VARVE_OK);
    assert_int_equal(events[0].occurred_at, 4);
    upcast_fini(&upcast);
    upcasters_fini(&set);
}

static void failures_name_the_upcaster(void **state)
{
    (void)state;
    static const struct {
        varve_status (*upcast)(void *, const varve_event *, varve_upcasting *, varve_error *);
        const char *message;
    } cases[] = {
        { miss, "upcaster of Old, schema version 2: there is no 'amount'" },
        { give_another,
          "upcaster of Old, schema version 2: gives 'Undeclared', schema version 0, which is not one that "
          "it declared" },
        { give_no_json, "upcaster of Old, schema version 2: data" },
        { give_without_end, "upcaster of Old, schema version 2: one event becomes more than 1000, or more than" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct upcasters set = { 0 };
        struct upcast upcast = { .set = &set };
        varve_upcaster bad = { .from = { "Old", 2 }, .upcast = cases[i].upcast };
        const varve_event event = stored("Old", 1), *events = NULL;
        varve_error error = { 0 };
        size_t count = 0;
        add(&set, &old_1, NULL);
        add(&set, &bad, NULL);
        assert_int_equal(upcast_event(&upcast, &event, &events, &count, &error), VARVE_APPLICATION);
        if (strncmp(error.message, cases[i].message, strlen(cases[i].message)) != 0) fail_msg("%s", error.message);
        upcast_fini(&upcast);
        upcasters_fini(&set);
    }
}

static void assert_refused(struct upcasters *set, const varve_upcaster *upcaster, const char *part)
{
    size_t before = set->count;
    varve_error error = { 0 };
    assert_int_equal(upcasters_add(set, upcaster, NULL, &error), VARVE_INVALID);
    if (strstr(error.message, part) == NULL) fail_msg("%s", error.message);
    assert_int_equal(set->count, before);
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    struct upcasters set = { 0 };
    static const varve_shape old[] = { { "Old", 0 } }, nameless[] = { { NULL, 1 } };
    add(&set, &old_1, NULL);
    add(&set, &old_2, NULL);
    assert_refused(&set, &old_1, "Old, schema version 1, is there already");
    assert_refused(&set, &(varve_upcaster){ .upcast = step }, "needs a type");
    assert_refused(&set, &(varve_upcaster){ .from = { "", 1 }, .upcast = step }, "type must not be empty");
    assert_refused(&set, &(varve_upcaster){ .from = { "T", 1 } }, "needs a function upcast");
    assert_refused(&set, &(varve_upcaster){ .from = { "T", UINT32_MAX }, .upcast = step }, "no next schema version");
    assert_refused(&set, &(varve_upcaster){ .from = { "T", 1 }, .into = nameless, .into_count = 1, .upcast = step },
                   "whose type is no name");
    /* Old 1 → Old 2 → New 1 → Old 1, and the shortest one. */
    assert_refused(&set, &(varve_upcaster){ .from = { "New", 1 }, .into = old, .into_count = 1, .upcast = step },
                   "New, schema version 1, leads back to it");
    assert_refused(&set,
                   &(varve_upcaster){ .from = { "Self", 1 },
                                      .into = (varve_shape[]){ { "Self", 1 } },
                                      .into_count = 1,
                                      .upcast = step },
                   "Self, schema version 1, leads back to it");
    upcasters_fini(&set);
}

static void the_types_in_the_log_are_found(void **state)
{
    (void)state;
    struct upcasters set = { 0 };
    struct arena arena = { 0 };
    const varve_str wanted[] = { VARVE_STR("New"), VARVE_STR("Right") };
    size_t count = 0;
    add(&set, &old_1, NULL);
    add(&set, &whole, NULL);
    add(&set, &old_2, NULL);
    const varve_str *types = upcasters_sources(&set, wanted, 2, &arena, &count);
    assert_int_equal(count, 4);
    assert_true(varve_str_is(types[0], "New") && varve_str_is(types[1], "Right"));
    assert_true(varve_str_is(types[2], "Old") && varve_str_is(types[3], "Whole"));
    arena_fini(&arena);
    upcasters_fini(&set);
}

static uint64_t stamp_of(const varve_upcaster *first, const varve_upcaster *second, const char *type)
{
    struct upcasters set = { 0 };
    const varve_str only = varve_str_of(type);
    add(&set, first, NULL);
    if (second != NULL) add(&set, second, NULL);
    uint64_t stamp = upcasters_stamp(&set, type == NULL ? NULL : &only, 1, 7);
    upcasters_fini(&set);
    return stamp;
}

/* It is stored: the number of these two must never be another one. */
static void a_stamp_tells_upcasters_apart(void **state)
{
    (void)state;
    struct upcasters none = { 0 };
    varve_upcaster revised = old_1, elsewhere = old_2;
    revised.revision = VARVE_STR("2");
    elsewhere.into = NULL;
    uint64_t stamp = stamp_of(&old_1, &old_2, NULL);
    assert_int_equal(upcasters_stamp(&none, NULL, 0, 7), 7);
    assert_int_equal((uint32_t)stamp, 7);
    assert_true(stamp >> 32 != 0 && stamp <= INT64_MAX);
    assert_int_equal(stamp, stamp_of(&old_2, &old_1, NULL));
    assert_int_not_equal(stamp, stamp_of(&old_1, NULL, NULL));
    assert_int_not_equal(stamp, stamp_of(&revised, &old_2, NULL));
    assert_int_not_equal(stamp, stamp_of(&old_1, &elsewhere, NULL));
    assert_int_equal(stamp_of(&old_1, &gone, "Old"), stamp_of(&old_1, NULL, "Old"));
    assert_int_equal(stamp_of(&old_1, &gone, "Other"), 7);
    assert_int_equal(stamp, UINT64_C(0x4bdecda000000007));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_become_what_they_are_today), cmocka_unit_test(an_occurred_at_can_be_given),
        cmocka_unit_test(failures_name_the_upcaster),        cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(the_types_in_the_log_are_found),    cmocka_unit_test(a_stamp_tells_upcasters_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
