/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that is connected and says nothing.
 *
 *   slow        one that makes an append wait for the order lock is waited for, on the same connection
 *   frozen      the writer's session stands still: the append goes through another one, and is there once when the
 *               first wakes up and does it too
 *   swallowed   nothing passes, not even a new connection: who writes, reads and opens is told so in bounded time, and
 *               so is what waits when the store is closed
 */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "tests/postgres/book.h"
#include "tests/postgres/proxy.h"
#include "tests/postgres/server.h"
#include "tests/support/scratch.h"

/* A lock is waited for this long without a word; the driver gets suspicious before. */
enum { SLOW_S = 13, BOUND_S = 75 };

#define CHECK(holds) check((holds), #holds, __LINE__)

/* The session that waits for the order lock, which is the writer's. */
#define WAITING                                                  \
    "FROM pg_locks WHERE locktype = 'advisory' AND NOT granted " \
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "

struct run {
    struct proxy proxy;
    struct book *book;
    varve_store *store, *other; /* through the proxy, and beside it */
    PGconn *session;
    pid_t writer; /* the other's */
    struct manner manner;
    char through[320];
};

static pid_t frozen; /* a server process that must not stay so when the test gives up */

static void check(bool holds, const char *what, int line)
{
    if (holds) return;
    if (frozen > 0) kill(frozen, SIGCONT);
    fprintf(stderr, "silent_test.c:%d: %s does not hold\n", line, what);
    exit(1);
}

static double seconds_since(uint64_t then)
{
    return (double)(clock_ns() - then) / 1e9;
}

/* What somebody asks for on a thread of their own, and how that ended. */
struct asking {
    pthread_t thread;
    struct run *run;
    varve_status (*ask)(struct run *run, varve_error *error);
    varve_status status;
    varve_error error;
    double seconds;
    atomic_bool done;
};

static void *ask(void *argument)
{
    struct asking *asking = argument;
    uint64_t began = clock_ns();
    asking->status = asking->ask(asking->run, &asking->error);
    asking->seconds = seconds_since(began);
    atomic_store(&asking->done, true);
    return NULL;
}

static void begin(struct asking *asking, struct run *run, varve_status (*what)(struct run *, varve_error *))
{
    *asking = (struct asking){ .run = run, .ask = what };
    CHECK(pthread_create(&asking->thread, NULL, ask, asking) == 0);
}

static varve_status append_beside(struct run *run, varve_error *error)
{
    return book_append(run->book, run->other, &run->manner, error);
}

static varve_status append_through(struct run *run, varve_error *error)
{
    return book_append(run->book, run->store, &run->manner, error);
}

static varve_status read_through(struct run *run, varve_error *error)
{
    uint64_t head = 0;
    return varve_store_head(run->store, &head, error);
}

static varve_status open_through(struct run *run, varve_error *error)
{
    varve_store *store = NULL;
    const varve_store_options options = { .uri = run->through };
    varve_status status = varve_store_open(&store, &options, error);
    varve_store_close(store);
    return status;
}

static void test_slow(struct run *run)
{
    struct asking append;
    session_ask(run->session, "BEGIN; SELECT pg_advisory_xact_lock(" ORDER_LOCK ")");
    begin(&append, run, append_beside);
    session_await(run->session, "SELECT count(*) " WAITING, 1);
    run->writer = (pid_t)session_ask(run->session, "SELECT pid " WAITING);
    nanosleep(&(struct timespec){ .tv_sec = SLOW_S }, NULL);
    CHECK(!atomic_load(&append.done));
    CHECK(session_ask(run->session, "SELECT count(*) " WAITING) == 1);
    CHECK(session_ask(run->session, "SELECT pid " WAITING) == run->writer);
    session_ask(run->session, "COMMIT");
    pthread_join(append.thread, NULL);
    CHECK(append.status == VARVE_OK);
    printf("pg_slow waited_s=%d same_connection=1\n", SLOW_S);
}

static void test_frozen(struct run *run)
{
    struct asking append;
    CHECK(run->writer > 1 && kill(run->writer, SIGSTOP) == 0);
    frozen = run->writer;
    begin(&append, run, append_beside);
    pthread_join(append.thread, NULL);
    CHECK(kill(run->writer, SIGCONT) == 0);
    frozen = 0;
    if (append.status != VARVE_OK && append.status != VARVE_REPEATED) fprintf(stderr, "%s\n", append.error.message);
    CHECK(append.status == VARVE_OK || append.status == VARVE_REPEATED);
    CHECK(append.seconds < BOUND_S);
    char gone[80];
    snprintf(gone, sizeof gone, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", (int)run->writer);
    session_await(run->session, gone, 0); /* it did what it was asked for */
    printf("pg_frozen answered_s=%.0f\n", append.seconds);
}

static void test_swallowed(struct run *run)
{
    struct asking append, later[3], reading, opening;
    size_t before = atomic_load(&run->book->acked);
    varve_error error = { 0 };
    proxy_swallow(&run->proxy, true);
    begin(&append, run, append_through);
    begin(&reading, run, read_through);
    begin(&opening, run, open_through);
    pthread_join(append.thread, NULL);
    pthread_join(reading.thread, NULL);
    pthread_join(opening.thread, NULL);
    CHECK(append.status == VARVE_INDETERMINATE && append.seconds < BOUND_S);
    CHECK(reading.status == VARVE_UNAVAILABLE && reading.seconds < BOUND_S);
    CHECK(opening.status == VARVE_UNAVAILABLE && opening.seconds < BOUND_S);
    printf("pg_swallowed append_s=%.0f read_s=%.0f open_s=%.0f\n", append.seconds, reading.seconds, opening.seconds);
    proxy_swallow(&run->proxy, false);
    varve_status status = book_repeat(run->book, run->store, &error);
    if (status < 0) fprintf(stderr, "%s\n", error.message);
    CHECK(status >= 0 && atomic_load(&run->book->acked) == before + 1);
    proxy_swallow(&run->proxy, true);
    for (size_t i = 0; i < 3; i++) begin(&later[i], run, append_through);
    nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL); /* in most runs one is under way and the others wait */
    uint64_t closing = clock_ns();
    varve_store_close(run->store);
    double seconds = seconds_since(closing);
    for (size_t i = 0; i < 3; i++) pthread_join(later[i].thread, NULL);
    for (size_t i = 0; i < 3; i++)
        CHECK(later[i].status == VARVE_INDETERMINATE || later[i].status == VARVE_UNAVAILABLE);
    CHECK(seconds < BOUND_S);
    printf("pg_swallowed_close waiting=3 close_s=%.0f\n", seconds);
}

static void finish(struct run *run)
{
    struct findings findings;
    book_judge(run->book, run->other, &findings);
    proxy_close(&run->proxy);
    varve_store_close(run->other);
    printf("pg_silent acked=%zu indeterminate=%zu events=%" PRIu64 " lost=%" PRIu64 " moved=%" PRIu64
           " duplicated=%" PRIu64 " holes=%" PRIu64 " unasked=%" PRIu64 "\n",
           atomic_load(&run->book->acked), atomic_load(&run->book->unknown), findings.events, findings.lost,
           findings.moved, findings.duplicated, findings.holes, findings.unasked);
    CHECK(findings_are_good(&findings));
    PQfinish(run->session);
    book_free(run->book);
}

int main(void)
{
    struct run run = { .manner = { .seed = 1 } };
    struct scratch scratch;
    char server[192], uri[256], beside[320]; /* a server of its own: one that stands still in part holds up others */
    varve_error error = { 0 };
    scratch_init(&scratch);
    snprintf(server, sizeof server, "%s", scratch_path(&scratch, "server"));
    server_do("start", server, NULL);
    server_uri(server, false, uri, sizeof uri);
    run.session = session_open(uri);
    run.book = book_new(128);
    proxy_open(&run.proxy, (unsigned short)strtoul(PQport(run.session), NULL, 10));
    snprintf(beside, sizeof beside, "%s&options=-clock_timeout%%3D15s", uri);
    run.other = book_open(beside, false);
    CHECK(append_beside(&run, &error) == VARVE_OK);
    test_slow(&run);
    test_frozen(&run);
    snprintf(run.through, sizeof run.through,
             "postgresql://varve@127.0.0.1:%u/postgres?gssencmode=disable&sslmode=disable&connect_timeout=5",
             (unsigned)run.proxy.port);
    run.store = book_open(run.through, false);
    /* Until it knows all streams, and so asks nothing before it writes. */
    for (int i = 0; i < 40; i++) CHECK(append_through(&run, &error) == VARVE_OK);
    CHECK(read_through(&run, &error) == VARVE_OK);
    test_swallowed(&run);
    finish(&run);
    server_do("stop", server, NULL);
    scratch_fini(&scratch);
    return 0;
}
