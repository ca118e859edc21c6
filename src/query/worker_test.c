/* SPDX-License-Identifier: Apache-2.0 */
/* One projection's worker and its follower, seen from close by: failures that pass, and long stretches of nothing. */
#include "query/models_fixture.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "query/follower.h"
#include "query/worker.h"

/* The home of the counting projection's generations, in the fixture's place. */
struct counting {
    char location[512];
    struct sqlfile *file;
    char incarnation[VARVE_UUID_TEXT_BYTES];
    struct generation_home home;
    struct arena memory; /* the home's */
};

static void open_place_of(struct fixture *fixture, struct counting *place, const char *projection)
{
    snprintf(place->location, sizeof place->location, "%s", models_place(fixture));
    varve_status status = sqlfile_parse(&place->file, SQLFILE_PROJECTION, "counts.sql", varve_str_of(projection),
                                        fixture->sql->name, &fixture->error);
    assert_int_equal(status, VARVE_OK);
    place->home = (struct generation_home){
        .place = place_of(fixture->sql, place->location),
        .file = place->file,
        .incarnation = varve_store_incarnation(fixture->store, place->incarnation),
    };
    status = place->home.place.kind->prepare(&place->home.place, &fixture->error);
    if (status < 0) {
        fail_msg("%s", fixture->error.message);
    }
    assert_int_equal(generation_home_complete(&place->home, &place->memory, &fixture->error), VARVE_OK);
}

static void open_place(struct fixture *fixture, struct counting *place)
{
    open_place_of(fixture, place, count_projection);
}

static void close_place(struct counting *place)
{
    sqlfile_free(place->file);
    arena_fini(&place->memory);
}

static void append_others(struct fixture *fixture, size_t count)
{
    static varve_event events[1000];
    for (size_t i = 0; i < 1000; i++) {
        events[i] = (varve_event){ .stream = VARVE_STR("b-1"), .type = VARVE_STR("Other"), .data = VARVE_STR("{}") };
    }
    for (; count > 0; count -= 1000) {
        varve_appended appended = { 0 };
        const varve_append_request request = { .events = events, .event_count = 1000 };
        assert_int_equal(varve_append(fixture->store, &request, &appended, NULL), VARVE_OK);
        varve_appended_fini(&appended);
    }
}

/* A page of the log without anything for the projection moves the checkpoint; the end need not be reached first. */
static void a_long_way_to_the_next_event_is_gone_in_steps(void **state)
{
    struct fixture *fixture = *state;
    struct counting place = { 0 };
    open_place(fixture, &place);
    append_others(fixture, 45000);
    uint64_t head = append(fixture, "a-1", "Added", "{\"amount\":1}");
    struct follower follower = { .store = fixture->store };
    assert_int_equal(generation_create(&follower.generation, &place.home, 1, &fixture->error), VARVE_OK);
    const struct checkpoint *checkpoint = &follower.generation->checkpoint;

    assert_int_equal(follower_advance(&follower, false, &fixture->error), VARVE_OK);
    assert_int_equal(checkpoint->position, 0);
    assert_true(follower_scanned(&follower) > 0 && follower_scanned(&follower) < head);
    assert_int_equal(follower_advance(&follower, true, &fixture->error), VARVE_OK);
    assert_true(checkpoint->position > 0 && checkpoint->position < head);
    assert_int_equal(checkpoint->position, follower_scanned(&follower));
    assert_false(follower.caught_up);
    while (follower_advance(&follower, false, &fixture->error) == VARVE_OK) {
    }
    assert_int_equal(checkpoint->position, head);
    follower_stop(&follower);
    generation_remove(follower.generation);
    close_place(&place);
}

/* Events that come now and then are committed now and then: a batch does not wait until it is full. */
static void a_batch_of_rare_events_ends_early(void **state)
{
    struct fixture *fixture = *state;
    struct counting place = { 0 };
    uint64_t head = 0;
    open_place(fixture, &place);
    for (int i = 0; i < 40; i++) {
        append_others(fixture, 1000);
        head = append(fixture, "a-1", "Added", "{\"amount\":1}");
    }
    struct follower follower = { .store = fixture->store };
    assert_int_equal(generation_create(&follower.generation, &place.home, 1, &fixture->error), VARVE_OK);
    assert_int_equal(follower_advance(&follower, false, &fixture->error), VARVE_OK);
    uint64_t position = follower.generation->checkpoint.position;
    assert_true(position > 0 && position < head);
    while (follower_advance(&follower, false, &fixture->error) == VARVE_OK) {
    }
    assert_int_equal(follower.generation->checkpoint.position, head);
    follower_stop(&follower);
    generation_remove(follower.generation);
    close_place(&place);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void nothing_of(void *ctx, const struct sqlfile *file)
{
    (void)ctx;
    (void)file;
}

static bool nobody(void *ctx)
{
    (void)ctx;
    return false;
}

static void count_retries(void *ctx, varve_log_level level, const char *line)
{
    atomic_int *retries = ctx;
    (void)level;
    if (strstr(line, "trying again") != NULL) {
        atomic_fetch_add(retries, 1);
    }
}

/* Leaves no file descriptor to be had; returns the limit as it was. */
static struct rlimit exhaust_files(void)
{
    struct rlimit before = { 0 };
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(none >= 0);
    close(none);
    const struct rlimit now = { .rlim_cur = (rlim_t)none, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

/* The process is out of file descriptors when the worker begins to follow the log, and later it is not. */
static void a_log_that_cannot_be_followed_for_a_while_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    struct counting place = { 0 };
    struct worker *worker = NULL;
    atomic_int retries = 0;
    const struct worker_options options = {
        .events = { .advanced = nothing, .switched = nothing_of, .awaited = nobody },
        .log = { count_retries, &retries },
    };
    varve_projection_status seen = { 0 };
    struct worker_texts texts;
    open_place(fixture, &place);
    uint64_t position = append_many(fixture, 10);
    assert_int_equal(worker_open(&worker, fixture->store, &place.home, &options, &fixture->error), VARVE_OK);
    const struct rlimit before = exhaust_files();
    varve_status started = worker_start(worker, &fixture->error);
    do {
        usleep(1000);
        worker_get_status(worker, &seen, &texts);
    } while (started == VARVE_OK && atomic_load(&retries) < 2 && seen.state != VARVE_PROJECTION_FAULTED &&
             seen.state != VARVE_PROJECTION_LIVE);
    int seen_retries = atomic_load(&retries);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(started, VARVE_OK);
    assert_true(seen_retries >= 2);
    while (worker_position(worker) < position && seen.state != VARVE_PROJECTION_FAULTED) {
        usleep(1000);
        worker_get_status(worker, &seen, &texts);
    }
    assert_int_not_equal(seen.state, VARVE_PROJECTION_FAULTED);
    assert_int_equal(worker_position(worker), position);
    worker_close(worker);
    close_place(&place);
}

static const char bounded_projection[] =
    COUNT_HEAD("1") "CREATE TABLE counts (stream TEXT PRIMARY KEY, n INTEGER NOT NULL, total INTEGER CHECK (total < "
                    "1000));\n" COUNT_ON;

/* A place whose switch to the second generation comes through and is told as a failure; and in between there comes an
 * event that cannot be applied. */
static struct {
    const struct place_kind *kind;
    struct fixture *fixture;
    int switches;
} lossy;

static varve_status publish_and_lose_the_answer(const struct place *place, varve_str name, uint64_t number,
                                                varve_error *error)
{
    if (++lossy.switches == 3) {
        return varve_error_set(error, VARVE_BUSY, "what is under way is in the way");
    }
    varve_status status = lossy.kind->publish(place, name, number, error);
    if (status < 0 || lossy.switches != 2) {
        return status;
    }
    append(lossy.fixture, "a-1", "Added", "{\"amount\":1000}");
    return varve_error_set(error, VARVE_IO, "the answer is lost");
}

/* Whether a new generation serves by now is found out before it can fail, and be removed as one that does not. */
static void a_switch_of_unknown_outcome_is_settled(void **state)
{
    struct fixture *fixture = *state;
    struct counting place = { 0 };
    struct worker *worker = NULL;
    const struct worker_options options = { .events = {
                                                .advanced = nothing, .switched = nothing_of, .awaited = nobody } };
    varve_projection_status seen = { 0 };
    struct worker_texts texts;
    uint64_t number = 0;
    open_place_of(fixture, &place, bounded_projection);
    struct place_kind kind = *place.home.place.kind;
    lossy.kind = place.home.place.kind;
    lossy.fixture = fixture;
    lossy.switches = 0;
    kind.publish = publish_and_lose_the_answer;
    place.home.place.kind = &kind;
    uint64_t position = append_many(fixture, 10);
    assert_int_equal(worker_open(&worker, fixture->store, &place.home, &options, &fixture->error), VARVE_OK);
    assert_int_equal(worker_start(worker, &fixture->error), VARVE_OK);
    assert_int_equal(worker_rebuild(worker, &fixture->error), VARVE_OK);
    do {
        usleep(1000);
        worker_get_status(worker, &seen, &texts);
    } while (seen.state != VARVE_PROJECTION_FAULTED || seen.rebuilding);
    assert_int_equal(seen.failed_position, position + 1);
    worker_close(worker);
    assert_int_equal(lossy.switches, 4);
    assert_int_equal(kind.serving(&place.home.place, NULL, NULL, place.file->name, &number, NULL), VARVE_OK);
    assert_int_equal(number, 2);
    assert_int_equal(kind.check(&place.home.place, place.file->name, number, &fixture->error), VARVE_OK);
    close_place(&place);
}

/* A statement that does not end is the event's failure, and those before it are not to blame; it can be skipped. */
static void a_statement_that_does_not_end_is_ended(void **state)
{
    static const char projection[] = COUNT_HEAD("1") COUNT_TABLE COUNT_ON
        "-- @on Endless\nINSERT INTO counts WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)"
        " SELECT CAST(:stream AS TEXT), count(*), 0 FROM x;\n";
    struct fixture *fixture = *state;
    struct counting place = { 0 };
    open_place_of(fixture, &place, projection);
    place.home.event_ms = 200;
    append_many(fixture, 10);
    uint64_t position = append(fixture, "b-1", "Endless", "{}");
    append_many(fixture, 10);
    struct follower follower = { .store = fixture->store };
    assert_int_equal(generation_create(&follower.generation, &place.home, 1, &fixture->error), VARVE_OK);
    varve_status status = VARVE_OK;
    int tries = 0;
    while (status == VARVE_OK || (fixture->error.flags & VARVE_ERROR_RETRIABLE) != 0) {
        fixture->error.flags = 0;
        status = follower_advance(&follower, true, &fixture->error);
        tries += status < 0;
    }
    assert_int_equal(status, VARVE_APPLICATION);
    assert_in_range(tries, 3, 5);
    assert_int_equal(follower.failed, position);
    assert_int_equal(follower.generation->checkpoint.position, position - 1);
    assert_non_null(strstr(fixture->error.message, "longer than 200 ms"));

    const varve_projection_action action = { .position = position };
    struct errand errand = { .kind = ERRAND_SKIP, .action = &action };
    assert_int_equal(errand_perform(&errand, &follower, true), VARVE_CAUGHT_UP);
    while (follower_advance(&follower, true, &fixture->error) == VARVE_OK) {
    }
    assert_int_equal(follower.generation->checkpoint.position, position + 10);
    assert_int_equal(follower.generation->swift, (fixture->sql->capabilities & SQL_DEFERS) != 0);
    assert_int_equal(follower.suspect, 0);
    follower_stop(&follower);
    generation_remove(follower.generation);
    close_place(&place);
}

/* A session beside the generations that has a table `counts` with a row. */
static struct sql_session *open_live(struct fixture *fixture, const struct counting *place, char path[512])
{
    struct sql_session *live = NULL;
    snprintf(path, 512, "%s", in_files(fixture) ? scratch_path(&fixture->scratch, "live.db") : place->location);
    assert_int_equal(fixture->sql->open(&live, path, SQL_READ_WRITE, NULL), VARVE_OK);
    assert_int_equal(fixture->sql->exec(live, "CREATE TABLE counts (n INTEGER); CREATE TABLE varve_inline (n INTEGER)",
                                        NULL),
                     VARVE_OK);
    return live;
}

static void assert_not_taken(struct fixture *fixture, const struct counting *place, struct sql_session *live,
                             uint64_t number)
{
    varve_buf names = { 0 };
    varve_str before = in_files(fixture) ? VARVE_STR("table\tcounts\n") : VARVE_STR("TABLE\tcounts\n");
    assert_int_equal(fixture->sql->begin(live, NULL), VARVE_OK);
    assert_int_equal(place->home.place.kind->take_in(&place->home.place, place->file->name, number, live, before,
                                                     &names, &fixture->error),
                     VARVE_CORRUPT);
    fixture->sql->rollback(live);
    varve_buf_fini(&names);
}

/* What has gone, or has no tables, takes nobody's place. */
static void only_what_has_tables_is_taken_in(void **state)
{
    struct fixture *fixture = *state;
    struct counting place = { 0 };
    struct sql_session *empty = NULL;
    varve_buf location = { 0 };
    char path[512];
    open_place(fixture, &place);
    struct sql_session *live = open_live(fixture, &place, path);
    assert_not_taken(fixture, &place, live, 7);
    place.home.place.kind->locate(&place.home.place, place.file->name, 8, &location);
    assert_int_equal(fixture->sql->open(&empty, location.ptr, SQL_READ_WRITE, NULL), VARVE_OK);
    assert_not_taken(fixture, &place, live, 8);
    fixture->sql->close(empty);
    varve_buf_fini(&location);
    assert_int_equal(fixture->sql->exec(live, "INSERT INTO counts VALUES (1)", &fixture->error), VARVE_OK);
    fixture->sql->close(live);
    close_place(&place);
}

#ifdef VARVE_WITH_POSTGRES
static void claim_for(struct counting *place, const char *owner, uint64_t epoch)
{
    varve_error error = { 0 };
    place->home.place.owner = varve_str_of(owner);
    place->home.place.epoch = epoch;
    if (place->home.place.kind->claim(&place->home.place, place->file->name, (varve_str){ 0 }, &error) < 0) {
        fail_msg("%s", error.message);
    }
}

/* Nobody ends the connection of the owner before here: what it tries is refused all the same. */
static void whose_claim_is_over_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct counting ann = { 0 }, bob = { 0 };
    uint64_t number = 0;
    open_place(fixture, &ann);
    open_place(fixture, &bob);
    append_many(fixture, 10);
    claim_for(&ann, "ann", 1);
    const struct place_kind *kind = ann.home.place.kind;
    struct follower follower = { .store = fixture->store };
    struct generation *spare = NULL;
    assert_int_equal(generation_create(&follower.generation, &ann.home, 1, &fixture->error), VARVE_OK);
    assert_int_equal(generation_create(&spare, &ann.home, 2, &fixture->error), VARVE_OK);
    assert_int_equal(generation_publish(follower.generation, &fixture->error), VARVE_OK);
    assert_int_equal(follower_advance(&follower, true, &fixture->error), VARVE_OK);
    assert_int_equal(follower.generation->checkpoint.position, 10);

    claim_for(&bob, "bob", 2);
    append_many(fixture, 10);
    varve_status status = VARVE_OK;
    while (status >= 0) {
        status = follower_advance(&follower, true, &fixture->error);
    }
    assert_int_equal(status, VARVE_LOCKED);
    assert_int_equal(postgres_number(&fixture->postgres, "SELECT position FROM \"varve$counts$1\".varve_checkpoint"),
                     10);
    assert_int_equal(generation_publish(spare, &fixture->error), VARVE_LOCKED);
    assert_int_equal(generation_disown(follower.generation, &fixture->error), VARVE_LOCKED);
    generation_remove(spare);
    assert_int_equal(generation_clean(&ann.home, 3), 4);
    assert_int_equal(postgres_number(&fixture->postgres,
                                     "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'varve$counts$%'"),
                     2);
    assert_int_equal(kind->serving(&bob.home.place, NULL, NULL, bob.file->name, &number, NULL), VARVE_OK);
    assert_int_equal(number, 1);
    follower_stop(&follower);
    generation_close(follower.generation);
    assert_int_equal(generation_clean(&bob.home, 1), 3);
    assert_int_equal(postgres_number(&fixture->postgres,
                                     "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'varve$counts$%'"),
                     1);
    close_place(&ann);
    close_place(&bob);
}
#endif

int main(void)
{
    static const struct model_case tests[] = {
        CASE(a_long_way_to_the_next_event_is_gone_in_steps),
        CASE(a_batch_of_rare_events_ends_early),
        CASE(a_log_that_cannot_be_followed_for_a_while_is_tried_again),
        CASE(a_switch_of_unknown_outcome_is_settled),
        CASE(a_statement_that_does_not_end_is_ended),
        CASE(only_what_has_tables_is_taken_in),
#ifdef VARVE_WITH_POSTGRES
        CASE_WITHOUT(whose_claim_is_over_changes_nothing, SQL_IN_A_FILE),
#endif
    };
    return run_on_all(tests, sizeof tests / sizeof *tests);
}
