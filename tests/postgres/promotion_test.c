/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that replicate and fail over.
 *
 *   cancelled   a commit whose wait for the synchronous standby is cancelled is never told as a success, neither is its
 *               repeat before it is replicated
 *   sync        the primary is killed under load and its synchronous standby promoted: nothing acknowledged is lost
 *   async       a standby is promoted that lacks what was acknowledged: the log goes on without a hole
 *
 * After each promotion the store is another incarnation: followers opened before are told, old checkpoints refused.
 *
 *   promotion_test [SEED]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/postgres/book.h"
#include "tests/postgres/server.h"
#include "tests/support/scratch.h"

enum { ENTRIES = 100000, PROCESSES = 2, THREADS = 4, LOST_APPENDS = 60 };

struct run {
    struct book *book;
    char servers[3][200];
    char uri[400];
    unsigned seed;
};

#define CHECK(holds) check((holds), #holds, __LINE__)

static void check(bool holds, const char *what, int line)
{
    if (holds) return;
    fprintf(stderr, "promotion_test.c:%d: %s does not hold\n", line, what);
    exit(1);
}

/* The URI of two servers, of which the one that can be written is meant. */
static void name_pair(struct run *run, int one, int other)
{
    char first[256], second[256];
    server_uri(run->servers[one], true, first, sizeof first);
    server_uri(run->servers[other], true, second, sizeof second);
    const char *host = strchr(first, '@') + 1, *next = strchr(second, '@') + 1;
    snprintf(run->uri, sizeof run->uri, "postgresql://varve@%.*s,%.*s/postgres?target_session_attrs=read-write",
             (int)strcspn(host, "/"), host, (int)strcspn(next, "/"), next);
}

static PGconn *session_on(struct run *run, int server)
{
    char uri[256];
    server_uri(run->servers[server], false, uri, sizeof uri);
    return session_open(uri);
}

static void replicate(struct run *run, int from, int to, bool synchronous)
{
    server_do("standby", run->servers[to], run->servers[from]);
    PGconn *session = session_on(run, from);
    if (synchronous) {
        session_ask(session, "ALTER SYSTEM SET synchronous_standby_names = '*'");
        session_ask(session, "SELECT pg_reload_conf()");
    }
    session_await(session,
                  synchronous ? "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
                              : "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'",
                  1);
    PQfinish(session);
}

/* ---- followers ---- */

struct follower {
    varve_store *store;
    varve_cursor *cursor;
    uint64_t position;
    char incarnation[VARVE_UUID_TEXT_BYTES];
    varve_uuid id; /* of the event at `position` */
};

static void follower_open(struct follower *follower, const char *uri, bool read_only)
{
    const varve_read_options options = { .follow = true, .wait_ms = 200 };
    varve_store_info info;
    varve_error error = { 0 };
    *follower = (struct follower){ .store = book_open(uri, read_only) };
    CHECK(varve_cursor_open(&follower->cursor, follower->store, &options, &error) == VARVE_OK);
    CHECK(varve_store_get_info(follower->store, &info, &error) == VARVE_OK);
    memcpy(follower->incarnation, info.incarnation, sizeof info.incarnation);
}

static void follower_close(struct follower *follower)
{
    varve_cursor_close(follower->cursor);
    varve_store_close(follower->store);
}

/* Takes an event, which must be the one after the last, or returns why there is none. */
static varve_status follow_one(struct follower *follower)
{
    const varve_event *event = NULL;
    varve_error error = { 0 };
    for (;;) {
        varve_status status = varve_cursor_next(follower->cursor, &event, &error);
        if (status == VARVE_SKIPPED || status == VARVE_CAUGHT_UP) continue;
        if (status != VARVE_OK) return status;
        CHECK(event->position == follower->position + 1);
        follower->position++;
        follower->id = event->id;
        return VARVE_OK;
    }
}

/* Takes what comes; returns what ended it. */
static varve_status follow(struct follower *follower)
{
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) status = follow_one(follower);
    return status;
}

/* It says so in the end, and nothing else but that there is nothing, or that it cannot be told, before. */
static void must_be_told(struct follower *follower)
{
    varve_status status = VARVE_IDLE;
    for (int i = 0; i < 300 && (status == VARVE_IDLE || status == VARVE_UNAVAILABLE); i++) status = follow(follower);
    if (status != VARVE_REWOUND) fprintf(stderr, "a follower was told %s\n", varve_status_word(status));
    CHECK(status == VARVE_REWOUND);
}

static void old_checkpoint_is_refused(const struct run *run, const struct follower *follower)
{
    varve_store *store = book_open(run->uri, false);
    varve_cursor *cursor = NULL;
    const varve_read_options options = { .after_position = follower->position,
                                         .after_id = follower->id,
                                         .incarnation = varve_str_of(follower->incarnation) };
    varve_store_info info;
    CHECK(varve_store_get_info(store, &info, NULL) == VARVE_OK);
    CHECK(strcmp(info.incarnation, follower->incarnation) != 0);
    CHECK(varve_cursor_open(&cursor, store, &options, NULL) == VARVE_REWOUND);
    varve_store_close(store);
}

/* ---- cancelled ---- */

struct append {
    pthread_t thread;
    varve_store *store;
    varve_uuid id; /* nil: known by its key alone */
    bool keyed;
    varve_status status;
    varve_error error;
};

static void *run_append(void *argument)
{
    struct append *append = argument;
    const varve_event event = {
        .stream = VARVE_STR("waited-1"), .type = VARVE_STR("Noted"), .data = VARVE_STR("{\"n\":0}"), .id = append->id
    };
    const varve_append_request request = { .events = &event,
                                           .event_count = 1,
                                           .idempotency_key = append->keyed ? VARVE_STR("key") : (varve_str){ 0 } };
    append->status = varve_append(append->store, &request, NULL, &append->error);
    return NULL;
}

static void start_append(struct append *append)
{
    CHECK(pthread_create(&append->thread, NULL, run_append, append) == 0);
}

static void send_repeat(PGconn *caller, varve_uuid id)
{
    char text[VARVE_UUID_TEXT_BYTES], sql[256];
    varve_uuid_format(id, text);
    snprintf(sql, sizeof sql, "SELECT varve.append('[{\"stream\":\"waited-1\",\"type\":\"Noted\",\"id\":\"%s\"}]')",
             text);
    CHECK(PQsendQuery(caller, sql) == 1);
}

static void test_cancelled(struct run *run, bool keyed)
{
    static const char waiting[] = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    char quiet[512];
    /* Even where warnings are not wanted. */
    snprintf(quiet, sizeof quiet, "%s&options=-cclient_min_messages%%3Derror", run->uri);
    struct append append = { .store = book_open(quiet, false), .keyed = keyed };
    if (!keyed) append.id = varve_uuid_new();
    PGconn *session = session_on(run, 0);
    server_do("immediate-stop", run->servers[1], NULL);
    start_append(&append);
    session_await(session, waiting, 1);
    session_ask(session, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    pthread_join(append.thread, NULL);
    CHECK(append.status == VARVE_INDETERMINATE);
    CHECK((append.error.flags & VARVE_ERROR_UNKNOWN_OUTCOME) != 0);
    start_append(&append); /* the same again: it is there, but on this server only, and so it waits */
    session_await(session, waiting, 1);
    PGconn *caller = session_on(run, 0);
    if (!keyed) { /* and so does who asks in SQL */
        send_repeat(caller, append.id);
        session_await(session, waiting, 2);
    }
    server_do("start", run->servers[1], NULL);
    PGresult *answer = PQgetResult(caller);
    CHECK(keyed || PQresultStatus(answer) == PGRES_TUPLES_OK);
    PQclear(answer);
    PQfinish(caller);
    pthread_join(append.thread, NULL);
    if (append.status != VARVE_REPEATED) fprintf(stderr, "%s\n", append.error.message);
    CHECK(append.status == VARVE_REPEATED);
    session_await(session, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", 1);
    varve_store_close(append.store);
    PQfinish(session);
    printf("pg_cancelled keyed=%d indeterminate=1 repeated_when_replicated=1\n", keyed);
}

/* Empties the store for what follows. */
static void drop_store(struct run *run, int server)
{
    PGconn *session = session_on(run, server);
    session_ask(session, "SET client_min_messages TO warning; DROP SCHEMA IF EXISTS varve CASCADE");
    PQfinish(session);
}

/* ---- sync ---- */

static int append_under_load(void *ctx)
{
    struct run *run = ctx;
    const struct manner manner = { .seed = run->seed, .persist = true };
    return book_work(run->book, run->uri, THREADS, &manner);
}

static void test_sync(struct run *run)
{
    pid_t workers[PROCESSES];
    struct follower writable, read_only;
    struct findings findings;
    drop_store(run, 0);
    for (int i = 0; i < PROCESSES; i++) {
        run->seed += THREADS;
        workers[i] = process_start(append_under_load, run);
    }
    book_await(&run->book->acked, 200, "appends");
    follower_open(&writable, run->uri, false);
    follower_open(&read_only, run->uri, true);
    for (int i = 0; i < 100; i++) {
        CHECK(follow_one(&writable) == VARVE_OK);
        CHECK(follow_one(&read_only) == VARVE_OK);
    }
    server_do("immediate-stop", run->servers[0], NULL);
    size_t before = atomic_load(&run->book->acked);
    server_do("promote", run->servers[1], NULL);
    book_await(&run->book->acked, before + 200, "appends after the promotion");
    atomic_store(&run->book->stop, true);
    for (int i = 0; i < PROCESSES; i++) process_end(workers[i]);
    must_be_told(&writable);
    must_be_told(&read_only);
    old_checkpoint_is_refused(run, &writable);
    old_checkpoint_is_refused(run, &read_only);
    follower_close(&writable);
    follower_close(&read_only);
    varve_store *store = book_open(run->uri, true);
    book_judge(run->book, store, &findings);
    varve_store_close(store);
    printf("pg_promotion acked=%zu indeterminate=%zu events=%" PRIu64 " lost=%" PRIu64 " moved=%" PRIu64
           " duplicated=%" PRIu64 " holes=%" PRIu64 " unasked=%" PRIu64 " rewound=2\n",
           atomic_load(&run->book->acked), atomic_load(&run->book->unknown), findings.events, findings.lost,
           findings.moved, findings.duplicated, findings.holes, findings.unasked);
    CHECK(findings_are_good(&findings));
}

/* ---- a standby ---- */

static void append_some(varve_store *store, int count)
{
    for (int i = 0; i < count; i++) {
        char name[32];
        varve_error error = { 0 };
        snprintf(name, sizeof name, "s-%d", i % 7);
        const varve_event event = { .stream = varve_str_of(name), .type = VARVE_STR("Noted") };
        varve_status status =
            varve_append(store, &(varve_append_request){ .events = &event, .event_count = 1 }, NULL, &error);
        if (status != VARVE_OK) fprintf(stderr, "%s\n", error.message);
        CHECK(status == VARVE_OK);
    }
}

/* A handle that only reads may be on a standby, where nothing is heard and the log is looked at instead. */
static void test_standby(struct run *run, int server, uint64_t head)
{
    struct follower follower;
    char uri[256];
    server_uri(run->servers[server], true, uri, sizeof uri);
    follower_open(&follower, uri, true);
    varve_store *store = book_open(run->uri, false);
    append_some(store, 5);
    for (int i = 0; i < 100 && follower.position < head + 5; i++) CHECK(follow(&follower) == VARVE_IDLE);
    CHECK(follower.position == head + 5);
    varve_store_close(store);
    follower_close(&follower);
    printf("pg_standby followed=%" PRIu64 "\n", head + 5);
}

/* ---- async ---- */

static void test_async(struct run *run)
{
    struct follower writable, read_only;
    uint64_t kept = 0, events = 0;
    varve_error error = { 0 };
    drop_store(run, 1);
    varve_store *store = book_open(run->uri, false);
    append_some(store, 20);
    test_standby(run, 2, 20);
    CHECK(varve_store_head(store, &kept, NULL) == VARVE_OK);
    PGconn *session = session_on(run, 1);
    session_await(session, "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()", 1);
    PQfinish(session);
    server_do("immediate-stop", run->servers[2], NULL);
    follower_open(&writable, run->uri, false);
    follower_open(&read_only, run->uri, true);
    append_some(store, LOST_APPENDS);
    while (writable.position < kept + LOST_APPENDS) CHECK(follow(&writable) == VARVE_IDLE);
    while (read_only.position < kept + LOST_APPENDS) CHECK(follow(&read_only) == VARVE_IDLE);
    server_do("immediate-stop", run->servers[1], NULL);
    server_do("start", run->servers[2], NULL);
    server_do("promote", run->servers[2], NULL);
    /* Whoever is first here, an append in SQL or a handle that remembers what was lost, and more than was lost. */
    session = session_on(run, 2);
    session_ask(session, "SELECT varve.append('[{\"stream\":\"s-1\",\"type\":\"Noted\"}]')");
    CHECK(session_ask(session, "SELECT count(*) FROM varve.meta WHERE value = "
                               "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == 1);
    PQfinish(session);
    append_some(store, 2 * LOST_APPENDS);
    must_be_told(&read_only);
    must_be_told(&writable);
    CHECK(writable.position == kept + LOST_APPENDS && read_only.position == kept + LOST_APPENDS);
    old_checkpoint_is_refused(run, &read_only);
    follower_close(&writable);
    follower_close(&read_only);
    varve_status status = varve_store_verify(store, NULL, &events, &error);
    if (status < 0) fprintf(stderr, "verify: %s\n", error.message);
    CHECK(status == VARVE_OK);
    CHECK(events == kept + 2 * LOST_APPENDS + 1);
    varve_store_close(store);
    printf("pg_rollback lost_by_design=%d appended=%d holes=0 rewound=2\n", LOST_APPENDS, 2 * LOST_APPENDS);
}

int main(int argc, char **argv)
{
    struct scratch scratch;
    struct run run = { .seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)getpid() };
    scratch_init(&scratch);
    for (int i = 0; i < 3; i++) {
        char name[24];
        snprintf(name, sizeof name, "server-%d", i);
        snprintf(run.servers[i], sizeof run.servers[i], "%s", scratch_path(&scratch, name));
    }
    run.book = book_new(ENTRIES);
    server_do("start", run.servers[0], NULL);
    replicate(&run, 0, 1, true);
    name_pair(&run, 0, 1);
    test_cancelled(&run, false);
    drop_store(&run, 0);
    test_cancelled(&run, true);
    test_sync(&run);
    replicate(&run, 1, 2, false);
    name_pair(&run, 1, 2);
    test_async(&run);
    for (int i = 0; i < 3; i++) server_do("stop", run.servers[i], NULL);
    book_free(run.book);
    scratch_fini(&scratch);
    return 0;
}
