/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of durable subscriptions: what a request's body may ask for, and the two records that are kept, the
 * definition and a member's state. What was read of a record is written, read again, and is the same.
 */
#include "fuzz/fuzz.h"
#include "server/body.h"
#include "store/subscribe.h"

enum { TEXTS_MAX = 64, NUMBERS_MAX = 100, NUMBER_MAX = 1000 };

static void check_texts(const varve_str *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ASSERT(utf8_valid(texts[i]));
        ASSERT(texts[i].len == 0 || memchr(texts[i].ptr, '\0', texts[i].len) == NULL);
    }
}

/* One field of each kind that the routes have. */
static void check_request(varve_str body)
{
    const varve_str *types = NULL;
    const uint64_t *positions = NULL;
    size_t type_count = 0, position_count = 0;
    uint64_t after = 0, members = 0;
    varve_str consumer = { 0 };
    struct body_field fields[] = {
        { .name = "types", .kind = BODY_TEXTS, .max = TEXTS_MAX, .value = &types, .count = &type_count },
        { .name = "positions",
          .kind = BODY_NUMBERS,
          .max = NUMBERS_MAX,
          .value = &positions,
          .count = &position_count },
        { .name = "after", .kind = BODY_NUMBER, .value = &after },
        { .name = "members", .kind = BODY_NUMBER, .max = NUMBER_MAX, .value = &members },
        { .name = "consumer", .kind = BODY_TEXT, .value = &consumer },
    };
    struct arena memory = { 0 };
    varve_error error = { 0 };
    varve_status status = body_read(body, fields, sizeof fields / sizeof fields[0], &memory, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
    } else {
        bool any = false;
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) any = any || fields[i].given;
        ASSERT(!any || fuzz_is_body(body));
        ASSERT(type_count <= TEXTS_MAX && position_count <= NUMBERS_MAX && members <= NUMBER_MAX);
        ASSERT(after <= INT64_MAX);
        for (size_t i = 0; i < position_count; i++) ASSERT(positions[i] <= INT64_MAX);
        check_texts(types, type_count);
        check_texts(&consumer, 1);
    }
    arena_fini(&memory);
}

static void check_definition(varve_str json)
{
    struct arena memory = { 0 };
    struct subscription first = { 0 }, second = { 0 };
    varve_buf once = { 0 }, twice = { 0 };
    varve_error error = { 0 };
    varve_status status = subscription_read(json, &memory, &first, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
    } else {
        ASSERT(first.definition.members > 0);
        check_texts(first.definition.categories, first.definition.category_count);
        check_texts(first.definition.types, first.definition.type_count);
        check_texts(first.definition.tags, first.definition.tag_count);
        check_texts(&first.incarnation, 1);
        subscription_write(&first, &once);
        ASSERT(!once.failed && fuzz_is_body(varve_buf_view(&once)));
        ASSERT(subscription_read(varve_buf_view(&once), &memory, &second, &error) == VARVE_OK);
        subscription_write(&second, &twice);
        ASSERT(varve_str_eq(varve_buf_view(&once), varve_buf_view(&twice)));
    }
    varve_buf_fini(&twice);
    varve_buf_fini(&once);
    arena_fini(&memory);
}

static void check_member(varve_str json)
{
    struct arena memory = { 0 };
    struct member first, second;
    varve_buf once = { 0 }, twice = { 0 };
    varve_error error = { 0 };
    varve_status status = member_read(json, 1, &memory, &first, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
    } else {
        for (size_t i = 0; i < first.held_count; i++) check_texts(&first.held[i].reason, 1);
        for (size_t i = 0; i < first.unparked_count; i++) check_texts(&first.unparked[i].stream, 1);
        member_write(&first, &once);
        ASSERT(!once.failed && fuzz_is_body(varve_buf_view(&once)));
        ASSERT(member_read(varve_buf_view(&once), 1, &memory, &second, &error) == VARVE_OK);
        member_write(&second, &twice);
        ASSERT(varve_str_eq(varve_buf_view(&once), varve_buf_view(&twice)));
        member_add_settled(&second, UINT64_MAX); /* there is room for it */
        ASSERT(second.settled[second.settled_count - 1] == UINT64_MAX);
    }
    varve_buf_fini(&twice);
    varve_buf_fini(&once);
    arena_fini(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_request(fuzz_text(data, size));
    check_definition(fuzz_text(data, size));
    check_member(fuzz_text(data, size));
    return 0;
}
