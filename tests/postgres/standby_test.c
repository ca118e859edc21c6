/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handle that only reads and names two standbys, of which one is behind: what it has seen on the one is not there yet
 * on the other. It is told so, never that the log is damaged, was rolled back or ends there; and when the standby has
 * caught up it goes on where it was.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/postgres/book.h"
#include "tests/postgres/server.h"
#include "tests/support/scratch.h"

enum { PRIMARY, NEAR, FAR, SERVERS, EVENTS = 2000, BEHIND = 1500 };

#define CHECK(holds) check((holds), #holds, __LINE__)

struct run {
    char servers[SERVERS][200];
    char uri[600]; /* of the standbys */
    PGconn *primary, *far;
};

static void check(bool holds, const char *what, int line)
{
    if (holds) return;
    fprintf(stderr, "standby_test.c:%d: %s does not hold\n", line, what);
    exit(1);
}

static PGconn *session_on(const struct run *run, int server)
{
    char uri[256];
    server_uri(run->servers[server], false, uri, sizeof uri);
    return session_open(uri);
}

static void name_standbys(struct run *run)
{
    char near[256], far[256];
    server_uri(run->servers[NEAR], true, near, sizeof near);
    server_uri(run->servers[FAR], true, far, sizeof far);
    const char *first = strchr(near, '@') + 1, *second = strchr(far, '@') + 1;
    snprintf(run->uri, sizeof run->uri, "postgresql://varve@%.*s,%.*s/postgres", (int)strcspn(first, "/"), first,
             (int)strcspn(second, "/"), second);
}

/* Appends up to `last`, each tenth event of a type of its own. */
static void append_up_to(varve_store *store, uint64_t *position, uint64_t last)
{
    while (*position < last) {
        varve_event events[100];
        varve_error error = { 0 };
        for (int i = 0; i < 100; i++)
            events[i] = (varve_event){ .stream = VARVE_STR("s-1"),
                                       .type = i % 10 == 9 ? VARVE_STR("Tenth") : VARVE_STR("Noted") };
        const varve_append_request request = { .events = events, .event_count = 100 };
        if (varve_append(store, &request, NULL, &error) != VARVE_OK) fprintf(stderr, "%s\n", error.message);
        CHECK(error.status >= 0);
        *position += 100;
    }
}

static void await_replay(struct run *run, int standbys)
{
    session_await(run->primary,
                  "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_flush_lsn()", standbys);
}

/* A reader on its way through the log, which remembers what it was told last. */
struct reader {
    varve_cursor *cursor;
    uint64_t step, read; /* it must be given each step-th event, and was given so many */
};

static void start(struct reader *reader, varve_store *store, const varve_read_options *options, uint64_t step)
{
    *reader = (struct reader){ .step = step };
    CHECK(varve_cursor_open(&reader->cursor, store, options, NULL) == VARVE_OK);
}

/* Reads on until there is something else to say than an event. */
static varve_status go_on(struct reader *reader, uint64_t most)
{
    varve_error error = { 0 };
    const varve_event *event = NULL;
    while (reader->read < most) {
        varve_status status = varve_cursor_next(reader->cursor, &event, &error);
        if (status == VARVE_SKIPPED || status == VARVE_CAUGHT_UP || status == VARVE_IDLE) continue;
        if (status < 0 && status != VARVE_UNAVAILABLE) fprintf(stderr, "%s\n", error.message);
        if (status != VARVE_OK) return status;
        reader->read++;
        CHECK(event->position == reader->read * reader->step);
    }
    return VARVE_OK;
}

/* The far standby stands still at BEHIND; the near one, which the handle is on, goes away. */
static void test_behind(struct run *run, varve_store *store)
{
    const varve_str tenth = VARVE_STR("Tenth");
    struct reader plain, filtered, stream;
    uint64_t head = 0, events = 0;
    varve_error error = { 0 };
    start(&plain, store, &(varve_read_options){ .follow = true, .wait_ms = 100 }, 1);
    start(&filtered, store, &(varve_read_options){ .types = &tenth, .type_count = 1, .follow = true, .wait_ms = 100 },
          10);
    start(&stream, store, &(varve_read_options){ .stream = VARVE_STR("s-1") }, 1);
    CHECK(go_on(&plain, 10) == VARVE_OK && go_on(&filtered, 2) == VARVE_OK && go_on(&stream, 10) == VARVE_OK);
    CHECK(varve_store_head(store, &head, NULL) == VARVE_OK && head == EVENTS);
    server_do("immediate-stop", run->servers[NEAR], NULL);
    CHECK(go_on(&plain, EVENTS) == VARVE_UNAVAILABLE);
    CHECK(go_on(&filtered, EVENTS / 10) == VARVE_UNAVAILABLE);
    CHECK(go_on(&stream, EVENTS) == VARVE_UNAVAILABLE);
    CHECK(varve_store_head(store, &head, &error) == VARVE_UNAVAILABLE);
    CHECK(strstr(error.message, "behind") != NULL);
    CHECK(varve_store_verify(store, NULL, &events, &error) == VARVE_UNAVAILABLE);
    session_ask(run->far, "SELECT pg_wal_replay_resume()");
    await_replay(run, 1);
    CHECK(go_on(&plain, EVENTS) == VARVE_OK && go_on(&filtered, EVENTS / 10) == VARVE_OK);
    CHECK(go_on(&stream, EVENTS) == VARVE_OK);
    CHECK(varve_store_head(store, &head, NULL) == VARVE_OK && head == EVENTS);
    CHECK(varve_store_verify(store, NULL, &events, NULL) == VARVE_OK && events == EVENTS);
    varve_cursor_close(plain.cursor);
    varve_cursor_close(filtered.cursor);
    varve_cursor_close(stream.cursor);
    printf("pg_behind events=%d behind=%d told=5 damaged=0\n", EVENTS, BEHIND);
}

int main(void)
{
    struct scratch scratch;
    struct run run = { 0 };
    uint64_t position = 0;
    char primary[256];
    scratch_init(&scratch);
    for (int i = 0; i < SERVERS; i++) {
        char name[24];
        snprintf(name, sizeof name, "server-%d", i);
        snprintf(run.servers[i], sizeof run.servers[i], "%s", scratch_path(&scratch, name));
    }
    server_do("start", run.servers[PRIMARY], NULL);
    server_do("standby", run.servers[NEAR], run.servers[PRIMARY]);
    server_do("standby", run.servers[FAR], run.servers[PRIMARY]);
    name_standbys(&run);
    run.primary = session_on(&run, PRIMARY);
    run.far = session_on(&run, FAR);
    server_uri(run.servers[PRIMARY], false, primary, sizeof primary);
    varve_store *writer = book_open(primary, false);
    append_up_to(writer, &position, BEHIND);
    await_replay(&run, 2);
    session_ask(run.far, "SELECT pg_wal_replay_pause()");
    session_await(run.far, "SELECT count(*) WHERE pg_get_wal_replay_pause_state() = 'paused'", 1);
    append_up_to(writer, &position, EVENTS);
    varve_store_close(writer);
    await_replay(&run, 1);
    varve_store *store = book_open(run.uri, true);
    test_behind(&run, store);
    varve_store_close(store);
    PQfinish(run.primary);
    PQfinish(run.far);
    for (int i = SERVERS - 1; i >= 0; i--) server_do("stop", run.servers[i], NULL);
    scratch_fini(&scratch);
    return 0;
}
