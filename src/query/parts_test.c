/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projections with partitions: whatever holds for one that follows the log alone holds for those that follow it for one
 * model at once. Where the place has one writer they are one, and everything holds all the more.
 */
#include "query/models_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "query/follower.h"

enum { PARTS = 4, MANY_STREAMS = 200 };

/* A stream's row knows its last version: an event that comes before its predecessor, twice or never has no `n`. */
#define STEPS                                                                                             \
    "CREATE TABLE counts (stream TEXT PRIMARY KEY, n BIGINT, total BIGINT NOT NULL CHECK (total < 1000))" \
    ";\n"                                                                                                 \
    "-- @on Added\nINSERT INTO counts VALUES (:stream, CASE WHEN :version = 1 THEN 1 END, :data.amount)"  \
    " ON CONFLICT (stream) DO UPDATE SET n = CASE WHEN counts.n + 1 = :version THEN counts.n + 1 END,"    \
    " total = counts.total + excluded.total;\n"
#define HEAD(version, more) "-- @projection counts\n-- @version " version "\n" more "-- @create\n"

static const char in_steps[] = HEAD("1", "-- @partitions 4\n") STEPS;
/* Here an amount is everything, so that a failure does not make the events behind it fail. */
#define AMOUNTS                                                                                         \
    "CREATE TABLE counts (stream TEXT PRIMARY KEY, n BIGINT NOT NULL, total BIGINT NOT NULL);\n"        \
    "CREATE TABLE known (stream TEXT PRIMARY KEY);\n"                                                   \
    "-- @on Known\nINSERT INTO known VALUES (:stream);\n"                                               \
    "-- @on Added\nINSERT INTO counts VALUES (:stream, 1, :data.amount) ON CONFLICT (stream) DO UPDATE" \
    " SET n = counts.n + 1, total = counts.total + excluded.total;\n"                                   \
    "-- @on Owned\nINSERT INTO counts VALUES (:stream, (SELECT 1 FROM known WHERE stream = :stream), 0);\n"
static const char stopping[] = HEAD("1", "-- @partitions 4\n") AMOUNTS;
static const char parking[] = HEAD("1", "-- @partitions 4\n-- @on_error park\n") AMOUNTS;

/* Appends `lots` times one event to each of many streams; returns the last position. */
static uint64_t append_widely(struct fixture *fixture, const char *type, const char *data, unsigned lots)
{
    static char names[MANY_STREAMS][8];
    varve_event events[MANY_STREAMS];
    uint64_t position = 0;
    for (; lots > 0; lots--) {
        for (unsigned i = 0; i < MANY_STREAMS; i++) {
            snprintf(names[i], sizeof names[i], "w-%u", i);
            events[i] = (varve_event){ .stream = varve_str_of(names[i]),
                                       .type = varve_str_of(type),
                                       .data = varve_str_of(data) };
        }
        varve_appended appended = { 0 };
        const varve_append_request request = { .events = events, .event_count = MANY_STREAMS };
        assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_OK);
        position = appended.last_position;
        varve_appended_fini(&appended);
    }
    return position;
}

/* The model is what one that is built from scratch is. */
static void assert_right(struct fixture *fixture)
{
    const varve_projection_check_options options = { .name = VARVE_STR("counts") };
    varve_projection_check_summary summary = { 0 };
    varve_status status = models_check(fixture->models, &options, &summary, &fixture->error);
    if (status < 0) {
        fail_msg("%s", fixture->error.message);
    }
    assert_int_equal(summary.differing + summary.missing + summary.extra + summary.tables_differing, 0);
    assert_true(summary.rows_compared > 0);
}

static varve_status operate(struct fixture *fixture, bool skips, uint64_t position)
{
    const varve_projection_action action = { .name = VARVE_STR("counts"), .position = position };
    return skips ? models_skip(fixture->models, &action, &fixture->error)
                 : models_retry(fixture->models, &action, &fixture->error);
}

static varve_status count_one(void *ctx, const varve_projection_parked_event *parked)
{
    unsigned *count = ctx;
    (void)parked;
    (*count)++;
    return VARVE_OK;
}

static unsigned count_parked(struct fixture *fixture)
{
    unsigned count = 0;
    assert_int_equal(models_parked(fixture->models, VARVE_STR("counts"), 0, 0, count_one, &count, NULL), VARVE_DONE);
    return count;
}

static void every_stream_comes_once_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    char rows[64];
    uint64_t position = append_widely(fixture, "Added", "{\"amount\":1}", 30);
    start_well(fixture, in_steps);
    assert_string_equal(ask(fixture, "counts", "w-7", position), "[{\"n\":30,\"total\":30}]");
    assert_string_equal(ask(fixture, "counts", "w-199", position), "[{\"n\":30,\"total\":30}]");
    /* What somebody has written he reads, whichever partition has it. */
    for (unsigned i = 1; i <= 40; i++) {
        char stream[8];
        snprintf(stream, sizeof stream, "r-%u", i % 10);
        position = append(fixture, stream, "Added", "{\"amount\":1}");
        snprintf(rows, sizeof rows, "[{\"n\":%u,\"total\":%u}]", (i + 9) / 10, (i + 9) / 10);
        assert_string_equal(ask(fixture, "counts", stream, position), rows);
    }
    append(fixture, "x-1", "Other", "{}");
    position = append(fixture, "x-2", "Other", "{}");
    assert_string_equal(ask(fixture, "counts", "w-7", position), "[{\"n\":30,\"total\":30}]");
    struct seen seen = await(fixture, VARVE_PROJECTION_LIVE);
    assert_int_equal(seen.status.position, position);
    assert_int_equal(seen.status.partitions, PARTS);
    assert_int_equal(seen.status.events_applied, 30 * MANY_STREAMS + 40);
    assert_right(fixture);

    /* And once more after a restart, from where each of them was. */
    stop(fixture);
    position = append_widely(fixture, "Added", "{\"amount\":1}", 1);
    start_well(fixture, in_steps);
    assert_string_equal(ask(fixture, "counts", "w-7", position), "[{\"n\":31,\"total\":31}]");
    assert_int_equal(look(fixture).status.events_applied, MANY_STREAMS);
    assert_right(fixture);
}

static atomic_bool enough;

static void *keep_appending(void *arg)
{
    struct fixture *fixture = arg;
    while (!atomic_load(&enough)) {
        append_widely(fixture, "Added", "{\"amount\":0}", 1);
    }
    return NULL;
}

static void it_is_rebuilt_and_checked_while_events_come(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;
    append_widely(fixture, "Added", "{\"amount\":1}", 20);
    start_well(fixture, in_steps);
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, keep_appending, fixture), 0);
    for (int i = 0; i < 3; i++) {
        uint64_t before = look(fixture).status.position;
        assert_int_equal(models_rebuild(fixture->models, VARVE_STR("counts"), NULL), VARVE_OK);
        while (look(fixture).status.rebuilding) {
            uint64_t now = look(fixture).status.position;
            assert_true(now >= before);
            before = now;
            usleep(1000);
        }
        assert_true(look(fixture).status.position >= before);
        assert_right(fixture);
    }
    atomic_store(&enough, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    uint64_t position = append(fixture, "a-1", "Added", "{\"amount\":5}");
    assert_string_equal(ask(fixture, "counts", "a-1", position), "[{\"n\":1,\"total\":5}]");
    assert_string_equal(look(fixture).problem, "");
    assert_right(fixture);
}

static void another_number_of_them_builds_the_model_anew(void **state)
{
    struct fixture *fixture = *state;
    static const char *const all[] = { in_steps, HEAD("1", "-- @partitions 2\n") STEPS, HEAD("1", "") STEPS,
                                       HEAD("1", "-- @partitions 16\n") STEPS };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint64_t position = append_widely(fixture, "Added", "{\"amount\":1}", 5);
        char rows[64];
        snprintf(rows, sizeof rows, "[{\"n\":%zu,\"total\":%zu}]", 5 * (i + 1), 5 * (i + 1));
        start_well(fixture, all[i]);
        assert_string_equal(ask(fixture, "counts", "w-0", position), rows);
        await(fixture, VARVE_PROJECTION_LIVE);
        uint64_t applied = look(fixture).status.events_applied;
        assert_int_equal(applied, in_files(fixture) || i == 0 ? 5 * MANY_STREAMS : 5 * (i + 1) * MANY_STREAMS);
        assert_right(fixture);
        stop(fixture);
    }
}

static void what_fails_in_one_of_them_stops_it_by_name(void **state)
{
    struct fixture *fixture = *state;
    append_widely(fixture, "Added", "{\"amount\":1}", 3);
    uint64_t bad = append(fixture, "o-1", "Owned", "{}");
    append_widely(fixture, "Added", "{\"amount\":1}", 3);
    uint64_t second = append(fixture, "o-2", "Owned", "{}");
    uint64_t position = append_widely(fixture, "Added", "{\"amount\":1}", 3);
    start_well(fixture, stopping);
    struct seen seen = await(fixture, VARVE_PROJECTION_FAULTED);
    assert_int_equal(seen.status.failed_position, bad);
    assert_int_equal(seen.status.position, bad - 1);
    assert_non_null(strstr(seen.problem, "Owned of o-1"));
    assert_int_equal(operate(fixture, false, 0), VARVE_APPLICATION);
    assert_int_equal(operate(fixture, true, bad + 1), VARVE_NOT_FOUND);

    /* Without the first, it comes to the second: its cause is put right, which nobody but the operator can. */
    assert_int_equal(operate(fixture, true, bad), VARVE_OK);
    seen = await(fixture, VARVE_PROJECTION_FAULTED);
    assert_int_equal(seen.status.failed_position, second);
    assert_int_equal(seen.status.position, second - 1);
    /* After a restart it is where it was. */
    stop(fixture);
    start_well(fixture, stopping);
    assert_int_equal(await(fixture, VARVE_PROJECTION_FAULTED).status.failed_position, second);
#ifdef VARVE_WITH_POSTGRES
    if (!in_files(fixture)) {
        postgres_exec(&fixture->postgres, "INSERT INTO \"varve$counts$1\".known VALUES ('o-2')");
        assert_int_equal(operate(fixture, false, 0), VARVE_OK);
        assert_string_equal(ask(fixture, "counts", "o-2", position), "[{\"n\":1,\"total\":0}]");
    }
#endif
    if (in_files(fixture)) {
        assert_int_equal(operate(fixture, true, second), VARVE_OK);
    }
    assert_string_equal(ask(fixture, "counts", "w-5", position), "[{\"n\":9,\"total\":9}]");
    assert_string_equal(await(fixture, VARVE_PROJECTION_LIVE).problem, "");
}

static void what_is_parked_is_parked_for_all_of_them(void **state)
{
    struct fixture *fixture = *state;
    append_widely(fixture, "Added", "{\"amount\":1}", 1);
    uint64_t bad = append(fixture, "o-1", "Owned", "{}");
    uint64_t second = append(fixture, "o-2", "Owned", "{}");
    append(fixture, "o-2", "Known", "{}");
    uint64_t position = append_widely(fixture, "Added", "{\"amount\":1}", 1);
    start_well(fixture, parking);
    assert_string_equal(ask(fixture, "counts", "w-1", position), "[{\"n\":2,\"total\":2}]");
    assert_int_equal(await(fixture, VARVE_PROJECTION_LIVE).status.parked, 2);
    assert_int_equal(operate(fixture, false, second), VARVE_OK);
    assert_int_equal(operate(fixture, false, bad), VARVE_APPLICATION);
    assert_int_equal(operate(fixture, true, bad), VARVE_OK);
    assert_int_equal(look(fixture).status.parked, 0);
    assert_string_equal(ask(fixture, "counts", "o-2", position), "[{\"n\":1,\"total\":0}]");

    /* As many as there may be: they are counted over all of them. */
    append_widely(fixture, "Owned", "{}", VARVE_PROJECTION_PARKED_MAX / MANY_STREAMS);
    uint64_t last = append(fixture, "o-3", "Owned", "{}");
    struct seen seen = await(fixture, VARVE_PROJECTION_FAULTED);
    assert_int_equal(seen.status.parked, VARVE_PROJECTION_PARKED_MAX);
    assert_int_equal(count_parked(fixture), VARVE_PROJECTION_PARKED_MAX);
    assert_non_null(strstr(seen.problem, "parked already"));
    assert_true(seen.status.failed_position > position && seen.status.failed_position <= last);
}

#ifdef VARVE_WITH_POSTGRES
/* The home of the generations of a projection, as its owner has it. */
struct owner {
    char location[512];
    struct sqlfile *file;
    char incarnation[VARVE_UUID_TEXT_BYTES];
    struct generation_home home;
    struct arena memory; /* the home's */
};

static void claim(struct owner *owner)
{
    varve_error error = { 0 };
    const struct place *place = &owner->home.place;
    if (place->kind->claim(place, owner->file->name, (varve_str){ 0 }, &error) < 0) {
        fail_msg("%s", error.message);
    }
}

static void open_owner(struct fixture *fixture, struct owner *owner, const char *name, uint64_t epoch)
{
    snprintf(owner->location, sizeof owner->location, "%s", models_place(fixture));
    assert_int_equal(sqlfile_parse(&owner->file, SQLFILE_PROJECTION, "counts.sql", varve_str_of(in_steps),
                                   fixture->sql->name, &fixture->error),
                     VARVE_OK);
    owner->home = (struct generation_home){
        .place = place_of(fixture->sql, owner->location),
        .file = owner->file,
        .incarnation = varve_store_incarnation(fixture->store, owner->incarnation),
    };
    owner->home.place.owner = varve_str_of(name);
    owner->home.place.epoch = epoch;
    assert_int_equal(owner->home.place.kind->prepare(&owner->home.place, &fixture->error), VARVE_OK);
    assert_int_equal(generation_home_complete(&owner->home, &owner->memory, &fixture->error), VARVE_OK);
}

static void close_owner(struct owner *owner)
{
    sqlfile_free(owner->file);
    arena_fini(&owner->memory);
}

struct claiming {
    struct owner *owner;
    atomic_bool done;
};

static void *claim_meanwhile(void *arg)
{
    struct claiming *claiming = arg;
    claim(claiming->owner);
    atomic_store(&claiming->done, true);
    return NULL;
}

/* Nobody ends the connections of the owner before here: it can commit no part all the same. */
static void whose_claim_is_over_changes_no_part(void **state)
{
    struct fixture *fixture = *state;
    struct owner ann = { 0 }, bob = { 0 };
    struct generation *generation = NULL;
    pthread_t thread;
    open_owner(fixture, &ann, "ann", 1);
    open_owner(fixture, &bob, "bob", 2);
    uint64_t position = append_widely(fixture, "Added", "{\"amount\":1}", 2);
    claim(&ann);
    assert_int_equal(generation_create(&generation, &ann.home, 1, &fixture->error), VARVE_OK);
    assert_int_equal(generation->part_count, PARTS);
    struct follower follower = { .store = fixture->store, .generation = generation };
    while (follower_advance(&follower, true, &fixture->error) == VARVE_OK) {
    }
    assert_int_equal(generation->checkpoint.position, position);
    assert_int_equal(generation->checkpoint.furthest, position);

    /* All parts at once are in the middle of a change, one has just begun: whoever claims the models waits for them. */
    append_widely(fixture, "Added", "{\"amount\":1}", 2);
    for (unsigned i = 0; i < PARTS; i++) {
        assert_int_equal(generation_begin(generation->parts[i], &fixture->error), VARVE_OK);
    }
    struct claiming claiming = { .owner = &bob };
    assert_int_equal(pthread_create(&thread, NULL, claim_meanwhile, &claiming), 0);
    usleep(200000);
    assert_false(atomic_load(&claiming.done));
    for (unsigned i = 1; i < PARTS; i++) {
        generation_rollback(generation->parts[i]);
    }
    usleep(200000);
    assert_false(atomic_load(&claiming.done));
    const struct checkpoint checkpoint = generation->parts[0]->checkpoint;
    assert_int_equal(generation_commit(generation->parts[0], checkpoint.position, checkpoint.id, &fixture->error),
                     VARVE_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);

    /* From here on none of it is ann's. */
    varve_status status = VARVE_OK;
    while (status >= 0) {
        status = follower_advance(&follower, true, &fixture->error);
    }
    assert_int_equal(status, VARVE_LOCKED);
    for (unsigned i = 0; i < PARTS; i++) {
        assert_int_equal(generation_begin(generation->parts[i], &fixture->error), VARVE_LOCKED);
    }
    assert_int_equal(generation_begin(generation, &fixture->error), VARVE_LOCKED);
    assert_int_equal(postgres_number(&fixture->postgres, "SELECT count(*) FROM \"varve$counts$1\".varve_checkpoint"
                                                         " WHERE position = 400 AND part BETWEEN 1 AND 4"),
                     PARTS);
    assert_int_equal(postgres_number(&fixture->postgres, "SELECT sum(n) FROM \"varve$counts$1\".counts"), position);
    follower_stop(&follower);
    generation_close(generation);

    /* Bob goes on where each of them was. */
    assert_int_equal(generation_open(&generation, &bob.home, 1, &fixture->error), VARVE_OK);
    follower = (struct follower){ .store = fixture->store, .generation = generation };
    while (follower_advance(&follower, true, &fixture->error) == VARVE_OK) {
    }
    assert_int_equal(postgres_number(&fixture->postgres, "SELECT sum(n) FROM \"varve$counts$1\".counts"), 2 * position);
    follower_stop(&follower);
    generation_close(generation);
    close_owner(&ann);
    close_owner(&bob);
}

/* Parts are where they are: the model's position is that of the last one, and each goes on from its own. */
static void the_position_is_that_of_the_last_one(void **state)
{
    struct fixture *fixture = *state;
    struct owner ann = { 0 };
    struct generation *generation = NULL;
    struct checkpoint checkpoint = { 0 };
    bool fits = false;
    open_owner(fixture, &ann, "ann", 1);
    uint64_t position = append_widely(fixture, "Added", "{\"amount\":1}", 1);
    claim(&ann);
    assert_int_equal(generation_create(&generation, &ann.home, 1, &fixture->error), VARVE_OK);
    assert_int_equal(generation_publish(generation, &fixture->error), VARVE_OK);
    struct follower third = { .store = fixture->store, .generation = generation->parts[2] };
    while (follower_advance(&third, true, &fixture->error) == VARVE_OK) {
    }
    follower_stop(&third);
    generation_gather(generation);
    assert_int_equal(generation->checkpoint.position, 0);
    assert_int_equal(generation->checkpoint.furthest, position);
    assert_int_equal(generation_peek(&ann.home, &checkpoint, &fixture->error), VARVE_OK);
    assert_int_equal(checkpoint.position, 0);
    assert_int_equal(checkpoint.furthest, position);
    assert_int_equal(follower_fits(fixture->store, generation, &fits, &fixture->error), VARVE_OK);
    assert_true(fits);

    /* The log is right for the last one, and not for the third. */
    postgres_exec(&fixture->postgres, "UPDATE \"varve$counts$1\".varve_checkpoint"
                                      " SET event_id = gen_random_uuid()::text WHERE part = 3");
    generation->uncertain = true;
    assert_int_equal(generation_settle(generation, &fixture->error), VARVE_OK);
    assert_int_equal(follower_fits(fixture->store, generation, &fits, &fixture->error), VARVE_OK);
    assert_false(fits);
    assert_int_equal(generation_disown(generation, &fixture->error), VARVE_OK);
    assert_int_equal(postgres_number(&fixture->postgres, "SELECT count(*) FROM \"varve$counts$1\".varve_checkpoint"
                                                         " WHERE position = 0 AND incarnation = ''"),
                     PARTS);
    generation_close(generation);
    close_owner(&ann);
}
#endif

int main(void)
{
    static const struct model_case tests[] = {
        CASE(every_stream_comes_once_and_in_order),
        CASE(it_is_rebuilt_and_checked_while_events_come),
        CASE(another_number_of_them_builds_the_model_anew),
        CASE(what_fails_in_one_of_them_stops_it_by_name),
        CASE(what_is_parked_is_parked_for_all_of_them),
#ifdef VARVE_WITH_POSTGRES
        CASE_WITHOUT(whose_claim_is_over_changes_no_part, SQL_IN_A_FILE),
        CASE_WITHOUT(the_position_is_that_of_the_last_one, SQL_IN_A_FILE),
#endif
    };
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
