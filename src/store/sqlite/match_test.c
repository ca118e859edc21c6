/* SPDX-License-Identifier: Apache-2.0 */
/* A query's matches are those that a look at every event finds, and each costs the item it is found by. */
#include "store/sqlite/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "event/query.h"

struct fixture {
    sqlite3 *db;
    struct matcher matcher;
    sqlite3_stmt *add_event, *add_tag;
    unsigned seeks; /* statements begun */
};

static int count_seek(unsigned kind, void *ctx, void *statement, void *text)
{
    struct fixture *fixture = ctx;
    (void)kind;
    (void)statement;
    (void)text;
    fixture->seeks++;
    return 0;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    return statement;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ 0 };
    assert_int_equal(sqlite3_open(":memory:", &fixture.db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(fixture.db,
                                  "CREATE TABLE types (id INTEGER PRIMARY KEY, name TEXT);"
                                  "CREATE TABLE events (position INTEGER PRIMARY KEY, type INTEGER);"
                                  "CREATE TABLE event_tags (tag TEXT, position INTEGER, PRIMARY KEY (tag, position)) "
                                  "WITHOUT ROWID;"
                                  "INSERT INTO types VALUES (1, 'a'), (2, 'b'), (3, 'c')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    fixture.add_event = prepare(fixture.db, "INSERT INTO events VALUES (?1, ?2)");
    fixture.add_tag = prepare(fixture.db, "INSERT INTO event_tags VALUES (?1, ?2)");
    fixture.matcher = (struct matcher){
        .db = fixture.db,
        .seek_tag = prepare(fixture.db, SEEK_TAG),
        .type_at = prepare(fixture.db, TYPE_AT),
        .types_after = prepare(fixture.db, TYPES_AFTER),
    };
    sqlite3_trace_v2(fixture.db, SQLITE_TRACE_STMT, count_seek, &fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sqlite3_finalize(fixture->add_event);
    sqlite3_finalize(fixture->add_tag);
    sqlite3_finalize(fixture->matcher.seek_tag);
    sqlite3_finalize(fixture->matcher.type_at);
    sqlite3_finalize(fixture->matcher.types_after);
    assert_int_equal(sqlite3_close(fixture->db), SQLITE_OK);
    return 0;
}

static void add_event(struct fixture *fixture, uint64_t position, int type)
{
    sqlite3_bind_int64(fixture->add_event, 1, (int64_t)position);
    sqlite3_bind_int(fixture->add_event, 2, type);
    assert_int_equal(sqlite3_step(fixture->add_event), SQLITE_DONE);
    sqlite3_reset(fixture->add_event);
}

static void add_tag(struct fixture *fixture, uint64_t position, varve_str tag)
{
    sqlite_bind_str(fixture->add_tag, 1, tag);
    sqlite3_bind_int64(fixture->add_tag, 2, (int64_t)position);
    assert_int_equal(sqlite3_step(fixture->add_tag), SQLITE_DONE);
    sqlite3_reset(fixture->add_tag);
}

/* ---- what is found ---- */

enum { EVENTS = 120, NAMES = 5, TRIES = 300 };

static const char names[NAMES][2] = { "v", "w", "x", "y", "z" };
static const char types[3][2] = { "a", "b", "c" };

struct some {
    varve_str texts[3];
    size_t count;
};

/* A few of the texts, each once. */
static void choose(unsigned *seed, const char (*from)[2], size_t count, unsigned one_in, struct some *some)
{
    some->count = 0;
    for (size_t i = 0; i < count && some->count < 3; i++)
        if ((unsigned)rand_r(seed) % one_in == 0) some->texts[some->count++] = varve_str_of(from[i]);
}

static void matches_are_those_of_a_look_at_every_event(void **state)
{
    struct fixture *fixture = *state;
    static varve_event events[EVENTS];
    static struct some tags[EVENTS];
    unsigned seed = 4711;
    for (size_t i = 0; i < EVENTS; i++) {
        int type = rand_r(&seed) % 3;
        choose(&seed, names, NAMES, 3, &tags[i]);
        events[i] =
            (varve_event){ .type = varve_str_of(types[type]), .tags = tags[i].texts, .tag_count = tags[i].count };
        add_event(fixture, i + 1, type + 1);
        for (size_t j = 0; j < tags[i].count; j++) add_tag(fixture, i + 1, tags[i].texts[j]);
    }
    for (int try = 0; try < TRIES; try++) {
        varve_query_item items[3];
        struct some chosen[3][2];
        size_t count = 1 + (unsigned)rand_r(&seed) % 3;
        uint64_t after = (unsigned)rand_r(&seed) % EVENTS, until = after + (unsigned)rand_r(&seed) % EVENTS;
        if (until > EVENTS) until = EVENTS;
        for (size_t i = 0; i < count; i++) {
            choose(&seed, types, 3, 3, &chosen[i][0]);
            choose(&seed, names, NAMES, 3, &chosen[i][1]);
            items[i] =
                (varve_query_item){ chosen[i][0].texts, chosen[i][0].count, chosen[i][1].texts, chosen[i][1].count };
        }
        struct match match = { &fixture->matcher, items, count, { { 0 } } };
        for (uint64_t position = 0; after < until; after = position) {
            uint64_t expected = after + 1;
            while (expected <= until && !event_query_matches(items, count, &events[expected - 1])) expected++;
            assert_int_equal(match_next(&match, after, until, &position, NULL), VARVE_OK);
            assert_int_equal(position, expected > until ? 0 : expected);
            if (position == 0) break;
        }
    }
}

/* ---- what it costs ---- */

static void a_match_costs_its_own_item_alone(void **state)
{
    struct fixture *fixture = *state;
    const varve_str often = VARVE_STR("often"), last = VARVE_STR("last");
    varve_str rare[VARVE_QUERY_ITEMS_MAX];
    varve_query_item items[VARVE_QUERY_ITEMS_MAX];
    char texts[VARVE_QUERY_ITEMS_MAX][16];
    uint64_t position = 0;
    for (uint64_t i = 1; i <= 1000; i++) {
        add_event(fixture, i, 1);
        add_tag(fixture, i, i < 1000 ? often : last);
    }
    for (size_t i = 0; i < VARVE_QUERY_ITEMS_MAX; i++) {
        int len = snprintf(texts[i], sizeof texts[i], "rare:%zu", i);
        rare[i] = (varve_str){ texts[i], (size_t)len };
        items[i] = (varve_query_item){ .tags = &rare[i], .tag_count = 1 };
    }
    items[7].tags = &often;
    items[21].tags = &last;
    struct match match = { &fixture->matcher, items, VARVE_QUERY_ITEMS_MAX, { { 0 } } };
    fixture->seeks = 0;
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_int_equal(match_next(&match, position, 1000, &position, NULL), VARVE_OK);
        assert_int_equal(position, i);
    }
    assert_true(fixture->seeks <= 1000 + VARVE_QUERY_ITEMS_MAX);
}

static void any_event_at_all_is_not_looked_for(void **state)
{
    struct fixture *fixture = *state;
    const varve_query_item everything = { 0 };
    struct match match = { &fixture->matcher, &everything, 1, { { 0 } } }, at_the_head = match;
    uint64_t position = 0;
    for (uint64_t i = 1; i <= 100; i++) add_event(fixture, i, 1);
    fixture->seeks = 0;
    assert_int_equal(match_next(&match, 41, 100, &position, NULL), VARVE_OK);
    assert_int_equal(position, 42);
    assert_int_equal(match_next(&at_the_head, 100, 100, &position, NULL), VARVE_OK);
    assert_int_equal(position, 0);
    assert_int_equal(fixture->seeks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(matches_are_those_of_a_look_at_every_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_match_costs_its_own_item_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_event_at_all_is_not_looked_for, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
