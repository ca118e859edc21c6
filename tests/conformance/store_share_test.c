/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors that read the log together: each sees its own events, and each part of the log is read once. */
#include "tests/conformance/store.h"

#include <pthread.h>

#include "store/handle.h"

enum { ROUNDS = 60, LATER = 20, EVENTS_A_ROUND = 3 * 50 + 1, FOLLOWERS = 6 };

/* Fifty of A, B and C each, and one Rare. */
static void append_rounds(varve_store *store, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        assert_int_equal(append_n(store, "a-1", "A", 50), VARVE_OK);
        assert_int_equal(append_n(store, "b-1", "B", 50), VARVE_OK);
        assert_int_equal(append_n(store, "a-1", "Rare", 1), VARVE_OK);
        assert_int_equal(append_n(store, "c-1", "C", 50), VARVE_OK);
    }
}

static varve_cursor *open_sharing(varve_store *store, const varve_str *types, size_t type_count, uint64_t after)
{
    const varve_read_options options = {
        .types = types, .type_count = type_count, .after_position = after, .follow = true, .wait_ms = 1000
    };
    varve_cursor *cursor = NULL;
    varve_error error = { 0 };
    if (varve_cursor_open(&cursor, store, &options, &error) < 0) fail_msg("%s", error.message);
    store_cursor_share(cursor);
    return cursor;
}

/* Takes so many events and returns the position of the last one. */
static uint64_t take(varve_cursor *cursor, uint64_t count)
{
    const varve_event *event = NULL;
    varve_error error = { 0 };
    uint64_t position = 0;
    while (count > 0) {
        varve_status status = varve_cursor_next(cursor, &event, &error);
        if (status < 0) fail_msg("%s", error.message);
        if (status != VARVE_OK) continue;
        assert_true(event->position > position);
        position = event->position;
        count--;
    }
    return position;
}

static void each_part_is_read_once(void **state)
{
    struct fixture *fixture = *state;
    varve_store *store = fixture->store;
    const struct share *share = &store->share;
    const varve_str a = VARVE_STR("A");
    append_rounds(store, 2 * ROUNDS);
    varve_cursor *all = open_sharing(store, NULL, 0, 0), *some = open_sharing(store, &a, 1, 0);
    assert_int_equal(take(all, 3000), 3000);
    assert_int_equal(share->parts_read, 3);
    uint64_t last = take(some, 900);
    assert_true(last > 2500 && last < 3000);
    assert_int_equal(share->parts_read, 3);
    assert_int_equal(share->parts_found, 3);

    varve_cursor *elsewhere = open_sharing(store, NULL, 0, 3000 + SHARE_COMPANY_EVENTS + 2048);
    assert_int_equal(take(elsewhere, 2000), 3000 + SHARE_COMPANY_EVENTS + 2048 + 2000);
    assert_int_equal(share->parts_read, 3);
    varve_cursor_close(elsewhere);

    /* Behind the others by less than what is kept. */
    varve_cursor *late = open_sharing(store, NULL, 0, 100);
    assert_int_equal(take(late, 2000), 2100);
    assert_int_equal(share->parts_read, 3);
    varve_cursor_close(late);
    varve_cursor_close(some);

    /* Nobody to share with any more. */
    take(all, 2000);
    assert_int_equal(share->parts_read, 3);
    varve_cursor_close(all);
}

struct follower {
    pthread_t thread;
    varve_cursor *cursor;
    uint64_t expected, seen;
    bool are_wrong;
    varve_str types[2];
    size_t type_count;
};

static void *follow(void *ctx)
{
    struct follower *follower = ctx;
    const varve_event *event = NULL;
    uint64_t position = 0;
    while (follower->seen < follower->expected && !follower->are_wrong) {
        varve_status status = varve_cursor_next(follower->cursor, &event, NULL);
        if (status < 0) follower->are_wrong = true;
        if (status != VARVE_OK) continue;
        bool is_wanted = follower->type_count == 0;
        for (size_t i = 0; i < follower->type_count; i++)
            is_wanted = is_wanted || varve_str_eq(follower->types[i], event->type);
        bool has_no_hole = follower->type_count > 0 || event->position == position + 1;
        follower->are_wrong = !is_wanted || event->position <= position || !has_no_hole;
        position = event->position;
        follower->seen++;
    }
    return NULL;
}

static void followers_see_what_they_ask_for(void **state)
{
    struct fixture *fixture = *state;
    varve_store *store = fixture->store;
    const uint64_t rounds = ROUNDS + LATER;
    struct follower followers[FOLLOWERS] = {
        { .expected = rounds * EVENTS_A_ROUND },
        { .expected = rounds * 50, .types = { VARVE_STR("A") }, .type_count = 1 },
        { .expected = rounds * 100, .types = { VARVE_STR("B"), VARVE_STR("C") }, .type_count = 2 },
        { .expected = rounds, .types = { VARVE_STR("Rare") }, .type_count = 1 },
        { .expected = rounds * EVENTS_A_ROUND },
        { .expected = rounds * 51, .types = { VARVE_STR("C"), VARVE_STR("Rare") }, .type_count = 2 },
    };
    append_rounds(store, ROUNDS);
    for (size_t i = 0; i < FOLLOWERS; i++)
        followers[i].cursor = open_sharing(store, followers[i].types, followers[i].type_count, 0);
    for (size_t i = 0; i < FOLLOWERS; i++)
        assert_int_equal(pthread_create(&followers[i].thread, NULL, follow, &followers[i]), 0);
    append_rounds(store, LATER);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        pthread_join(followers[i].thread, NULL);
        assert_false(followers[i].are_wrong);
        assert_int_equal(followers[i].seen, followers[i].expected);
        varve_cursor_close(followers[i].cursor);
    }
    assert_true(store->share.parts_found > 0);
}

static struct CMUnitTest cases[] = {
    CASE(each_part_is_read_once),
    CASE(followers_see_what_they_ask_for),
};

RUN_ON_ALL_DRIVERS(cases)
